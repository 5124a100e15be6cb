"""Stores and file servers that nobody here wrote: 200 pictures both ways, interrupted runs, refusals, what is kept."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.helpers.pictures import is_mirrored, png
from tests.helpers.stores import STORES, Store
from trio_mirror import AccessError, ListError, mirror, open_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMES = [f"{index:03}.png" for index in range(197)] + ["sub/a b.png", "sub/bäume+1&2.png", "sub/100%25.png"]


@pytest.fixture(params=STORES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    with STORES[request.param](tmp_path_factory.mktemp("store")) as running:
        enter(running.environment, monkeypatch)
        yield running


def enter(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "in" / name).write_bytes(png())
    return tmp_path / "in"


async def test_two_hundred_pictures_both_ways_over_an_interruption(store: Store, folder: Path, tmp_path: Path) -> None:
    choices: dict[str, Any] = {"journal": tmp_path / "up.journal"}
    async with open_mirror(folder, f"{store.place}/out/", **choices) as results:
        for _ in range(60):
            await anext(results)
    up = await mirror(folder, f"{store.place}/out/", **choices)
    in_place: dict[str, Any] = {"journal": tmp_path / "in-place.journal"}
    async with open_mirror(f"{store.place}/out/", **in_place) as results:
        for _ in range(60 if store.writes_whole else len(NAMES)):
            await anext(results)
    again = await mirror(f"{store.place}/out/", **in_place)
    down = await mirror(f"{store.place}/out/", tmp_path / "down")

    assert [*up.failures, *again.failures, *down.failures] == []
    assert up.mirrored + up.skipped == again.mirrored + again.skipped == down.mirrored == len(NAMES)
    assert up.skipped >= 60
    assert again.skipped >= 60
    # Mirrored three times is mirrored once.
    assert all(is_mirrored(png(), (tmp_path / "down" / name).read_bytes()) for name in NAMES)


async def test_who_is_not_let_in_is_told_so(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not store.intruder:
        pytest.skip("this server lets in anyone")
    enter(store.intruder, monkeypatch)

    with pytest.raises(AccessError, match=r"refuses us: \w+: |cannot be opened: \w+: ") as source:
        await mirror(f"{store.place}/in/", folder.parent / "out")
    with pytest.raises(AccessError) as target:
        await mirror(folder, f"{store.place}/out/")
    for error in (source, target):
        assert "http" not in str(error.value)
        assert "RequestId" not in str(error.value)


async def test_a_place_that_is_not_there_cannot_be_listed(store: Store, tmp_path: Path) -> None:
    nowhere = f"{store.place.replace('//bucket', '//nowhere')}/missing/"

    with pytest.raises(ListError, match="/missing/ cannot be listed: there is no such bucket or folder"):
        await mirror(nowhere, tmp_path)


@pytest.mark.parametrize("target", [None, "out/"])
async def test_azure_keeps_what_a_blob_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None) -> None:
    with STORES["azurite"](tmp_path) as store:
        enter(store.environment, monkeypatch)
        from azure.storage.blob import BlobServiceClient, ContentSettings, StandardBlobTier

        settings: dict[str, Any] = {
            "content_type": "image/x-png",
            "cache_control": "max-age=9",
            "content_disposition": "inline",
            "content_language": "de",
        }
        [connection] = store.environment.values()
        with BlobServiceClient.from_connection_string(connection) as client:
            client.get_blob_client("bucket", "in/a.png").upload_blob(
                png(),
                content_settings=ContentSettings(**settings),
                metadata={"by": "me"},
                tags={"a": "b c"},
                standard_blob_tier=StandardBlobTier.COOL,
            )
            report = await mirror("az://bucket/in/", f"az://bucket/{target}" if target else None)
            blob = client.get_blob_client("bucket", f"{target or 'in/'}a.png")
            found, tags = blob.get_blob_properties(), blob.get_blob_tags()
            data = blob.download_blob().readall()

    assert report.mirrored == 1
    assert is_mirrored(png(), data)
    assert {name: found.content_settings[name] for name in settings} == settings
    assert (found.metadata, tags, found.blob_tier) == ({"by": "me"}, {"a": "b c"}, "Cool")


@pytest.mark.parametrize("target", [None, "out/"])
async def test_s3_keeps_what_an_object_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None) -> None:
    kept: dict[str, Any] = {
        "ContentType": "image/x-png",
        "CacheControl": "max-age=9",
        "ContentDisposition": "inline",
        "ContentLanguage": "de",
        "Metadata": {"by": "me"},
    }
    with STORES["radosgw"](tmp_path) as store:
        enter(store.environment, monkeypatch)
        from botocore.session import get_session

        with closing(get_session().create_client("s3")) as client:
            client.put_object(Bucket="bucket", Key="in/a.png", Body=png(), Tagging="a=b%20c", ACL="public-read", **kept)
            report = await mirror("s3://bucket/in/", f"s3://bucket/{target}" if target else None)
            place = {"Bucket": "bucket", "Key": f"{target or 'in/'}a.png"}
            found = client.get_object(**place)
            data = found["Body"].read()
            tags = client.get_object_tagging(**place)["TagSet"]
            grants = client.get_object_acl(**place)["Grants"]

    assert report.mirrored == 1
    assert is_mirrored(png(), data)
    assert {name: found[name] for name in kept} == kept
    assert tags == [{"Key": "a", "Value": "b c"}]
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    assert [it["Permission"] for it in grants if it["Grantee"].get("URI") == everyone] == ["READ"]


@pytest.mark.parametrize("target", [None, "out/"])
async def test_gcs_keeps_what_an_object_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    kept = {
        "contentType": "image/x-png",
        "cacheControl": "max-age=9",
        "contentDisposition": "inline",
        "contentLanguage": "de",
        "metadata": {"by": "me"},
        "storageClass": "NEARLINE",
    }
    acl = [{"entity": "allUsers", "role": "READER"}]
    with STORES["gcs"](tmp_path) as store:
        enter(store.environment, monkeypatch)
        async with httpx.AsyncClient(base_url=store.environment["STORAGE_EMULATOR_HOST"], timeout=60) as client:
            await client.post(
                "/upload/storage/v1/b/bucket/o", params={"uploadType": "media", "name": "in/a.png"}, content=png()
            )
            await client.patch("/storage/v1/b/bucket/o/in%2Fa.png", json={**kept, "acl": acl})
            report = await mirror("gs://bucket/in/", f"gs://bucket/{target}" if target else None)
            place = f"/storage/v1/b/bucket/o/{target or 'in/'}a.png".replace("/a", "%2Fa")
            found = (await client.get(place, params={"projection": "full"})).json()
            data = (await client.get(place, params={"alt": "media"})).content

    assert report.mirrored == 1
    assert is_mirrored(png(), data)
    assert {name: found[name] for name in kept} == kept
    assert [{"entity": it["entity"], "role": it["role"]} for it in found["acl"]] == acl
