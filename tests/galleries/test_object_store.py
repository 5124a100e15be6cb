"""Object stores as galleries: fsspec's memory, and S3 for real against moto's server on loopback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.cli.test_cli import cli
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.processes import ROOT
from trio_mirror import (
    AccessError,
    FetchError,
    ListError,
    NameRefusedError,
    Outcome,
    Picture,
    Result,
    Settings,
    SettingsError,
    Stage,
    UnknownUploadError,
    UploadError,
    flip,
    mirror,
    open_mirror,
)
from trio_mirror.galleries import open_galleries
from trio_mirror.galleries.object_store.driver import DRIVERS
from trio_mirror.galleries.object_store.properties import SHARED, Properties
from trio_mirror.journal import open_journal
from trio_mirror.pipeline.digest import digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from trio_mirror.galleries import Gallery
    from trio_mirror.pipeline.run import Run

SECRET = "hush-hush-hush"


@pytest.fixture(scope="module")
def moto() -> Iterator[httpx.Client]:
    """A client of moto's server, which wants a signature but does not read it."""
    pytest.importorskip("s3fs", reason="the extra cloud is not installed")
    pytest.importorskip("moto", reason="the group test-cloud is not installed")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    signature = {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=signature, timeout=60) as client:
        try:
            for _ in range(600):
                try:
                    client.get("/moto-api/")
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            yield client
        finally:
            server.kill()
            server.wait()


@pytest.fixture
def s3(moto: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """An empty S3 with one bucket, named ``bucket``, that the environment leads to."""
    moto.post("/moto-api/reset").raise_for_status()
    enforce_rights(moto, after="inf")
    moto.put("/bucket").raise_for_status()
    lead_to(str(moto.base_url).rstrip("/"), monkeypatch)
    return moto


def enforce_rights(s3: httpx.Client, after: str = "0") -> None:
    """Lets moto refuse credentials that it does not know, after so many requests."""
    s3.post("/moto-api/reset-auth", content=after).raise_for_status()


def lead_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def put(s3: httpx.Client, *names: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
    for name in names:
        s3.put(f"/bucket/{name}", content=png() if data is None else data, headers=headers).raise_for_status()


def get(s3: httpx.Client, name: str) -> httpx.Response:
    return s3.get(f"/bucket/{name}").raise_for_status()


async def forget_all(s3: httpx.Client) -> None:
    await trio.to_thread.run_sync(lambda: s3.post("/moto-api/reset").raise_for_status())


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    done = cli(*arguments, **aws)
    assert SECRET not in done.stdout + done.stderr
    return done


@pytest.fixture
async def bucket(s3: httpx.Client) -> AsyncIterator[Gallery]:
    async with open_galleries("s3://bucket/in/", None, Settings(max_bytes=10_000)) as (gallery, _):
        yield gallery


async def names_of(gallery: Gallery) -> list[str]:
    async with gallery.names() as names:
        return [name async for name in names]


def counted_requests(monkeypatch: pytest.MonkeyPatch, *, failing: int | None = None) -> list[str]:
    """The requests that s3fs makes from now on; one of them fails, if so wished."""
    import s3fs

    requests: list[str] = []
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *arguments: Any, **more: Any) -> Any:
        requests.append(method)
        if method == "list_objects_v2" and requests.count(method) == failing:
            raise ConnectionResetError
        return await call(self, method, *arguments, **more)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    return requests


def refuse(monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[str, dict[str, Any]], bool]) -> None:
    """Lets some requests of s3fs be refused from now on."""
    import s3fs

    call = s3fs.S3FileSystem._call_s3

    async def refusing(self: Any, method: str, *arguments: Any, **more: Any) -> Any:
        if is_refused(method, more):
            raise PermissionError("Access Denied")
        return await call(self, method, *arguments, **more)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", refusing)


@pytest.mark.slow
async def test_a_long_list_streams_in_pages(s3: httpx.Client, bucket: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [f"{index:05}.png" for index in range(5_000)]
    put(s3, *(f"in/{name}" for name in expected), data=b"")
    requests = counted_requests(monkeypatch)
    async with bucket.names() as names:
        assert await anext(names) == "00000.png"
        assert requests == ["list_objects_v2"]
        assert ["00000.png", *[name async for name in names]] == expected
    assert requests == ["list_objects_v2"] * 5


@pytest.mark.slow
async def test_a_list_that_breaks_off_says_that_it_may_be_opened_again(
    s3: httpx.Client, bucket: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, *(f"in/{index:04}.png" for index in range(1_001)), data=b"")
    counted_requests(monkeypatch, failing=2)
    async with bucket.names() as names:
        for _ in range(1_000):
            await anext(names)
        with pytest.raises(ListError, match="cannot be listed: ConnectionResetError") as caught:
            await anext(names)
    assert caught.value.transient


@pytest.mark.slow
async def test_an_s3_list_that_breaks_off_is_read_again_from_its_first_page(
    s3: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [f"{index:05}.png" for index in range(2_001)]
    put(s3, *(f"in/{name}" for name in expected), data=b"")
    requests = counted_requests(monkeypatch, failing=2)

    async with open_mirror("s3://bucket/in/", "memory://out/", concurrency=1, retries=1) as results:
        assert [result.name async for result in results] == expected
    assert requests.count("list_objects_v2") == 2 + 3


async def test_names_are_the_keys_below_the_prefix(s3: httpx.Client, bucket: Gallery) -> None:
    put(s3, "in/b.png", "in/sub/Gr%C3%BC%C3%9Fe%20%2B%23%3F%25.png", "in/.hidden.png", "inside.png", "out/c.png")
    put(s3, "in/folder/", data=b"")

    assert await names_of(bucket) == ["b.png", "sub/Grüße +#?%.png"]


def test_from_a_folder_to_s3_to_s3_to_a_folder(s3: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/c d+#?%ü.png"):
        (tmp_path / "photos" / name).write_bytes(png())

    up = run(tmp_path / "photos", "--to", "s3://bucket/in/", "--json")
    across = run("s3://bucket/in", "--to", "s3://bucket/out/", "--json", "--processes", "2")
    down = run("s3://bucket/out/", "--to", tmp_path / "down", "--json")

    assert (up.returncode, across.returncode, down.returncode) == (0, 0, 0), up.stderr + across.stderr + down.stderr
    assert [json.loads(done.stdout)["mirrored"] for done in (up, across, down)] == [2, 2, 2]
    assert json.loads(across.stdout)["target"] == "s3://bucket/out/"
    assert get(s3, "in/a.png").headers["Content-Type"] == "image/png"
    # Mirrored three times is mirrored once.
    assert all(is_mirrored(png(), (tmp_path / "down" / name).read_bytes()) for name in ("a.png", "sub/c d+#?%ü.png"))


async def test_the_journal_keeps_the_tag_and_what_has_it_is_not_read_again(s3: httpx.Client, tmp_path: Path) -> None:
    put(s3, "in/a.png", "in/b.png")
    choices: dict[str, Any] = {"journal": str(tmp_path / "run.journal"), "update": True}
    first = await mirror("s3://bucket/in/", "s3://bucket/out/", **choices)
    put(s3, "in/b.png", data=png(30, 20))
    again = await mirror("s3://bucket/in/", "s3://bucket/out/", **choices)

    assert first.mirrored == 2
    assert (again.skipped, again.mirrored, again.bytes_in) == (1, 1, len(png(30, 20)))
    assert is_mirrored(png(30, 20), get(s3, "out/b.png").content)


async def test_in_place(s3: httpx.Client) -> None:
    put(s3, "in/a.png")

    assert (await mirror("s3://bucket/in/")).mirrored == 1
    assert is_mirrored(png(), get(s3, "in/a.png").content)


async def test_in_place_a_killed_run_is_gone_on_with_by_what_the_store_has(s3: httpx.Client, tmp_path: Path) -> None:
    original, mirror_image = png(), flip(png()).data
    put(s3, "in/stored.png", data=mirror_image)
    put(s3, "in/not-stored.png", "in/not-begun.png")
    digests: dict[str, Any] = {"digest_in": digest(original), "digest": digest(mirror_image)}
    place = {"source": "s3://bucket/in/", "target": "s3://bucket/in/"}
    with open_journal(tmp_path / "journal", **place) as journal:
        # What a run leaves that is killed while two uploads are under way.
        names = ("stored.png", "not-stored.png")
        journal.record([Result(name=name, stage=Stage.UPLOAD, time=1.0, **digests) for name in names])

    report = await mirror("s3://bucket/in/", journal=tmp_path / "journal")

    assert (report.mirrored, report.failed, report.unknown) == (3, 0, 0)
    for name in ("stored.png", "not-stored.png", "not-begun.png"):
        assert is_mirrored(original, get(s3, f"in/{name}").content)


async def test_what_is_over_the_limit_or_missing_fails(s3: httpx.Client, bucket: Gallery) -> None:
    put(s3, "in/large.png", data=bytes(10_001))
    put(s3, "in/empty.png", data=b"")

    with pytest.raises(FetchError, match=r"over the limit of 9\.8 KiB \(--max-bytes\)"):
        await bucket.fetch("large.png")
    with pytest.raises(FetchError, match="no such object") as caught:
        await bucket.fetch("missing.png")
    assert not caught.value.transient
    empty = await bucket.fetch("empty.png")
    assert empty is not None
    assert empty.data == b""


@pytest.mark.parametrize("name", ["../out/a.png", "a.png?versionId=1", "sub//a.png"])
async def test_a_name_that_is_no_place_below_the_prefix_is_refused(bucket: Gallery, name: str) -> None:
    with pytest.raises(NameRefusedError):
        await bucket.fetch(name)
    with pytest.raises(NameRefusedError):
        await bucket.store(Picture(name=name, data=b"x", media_type="image/png"))


@pytest.mark.parametrize("place", ["source", "target"])
def test_wrong_credentials_exit_6(s3: httpx.Client, tmp_path: Path, place: str) -> None:
    put(s3, "in/a.png")
    (tmp_path / "a.png").write_bytes(png())
    enforce_rights(s3)

    done = run("s3://bucket/in/") if place == "source" else run(tmp_path, "--to", "s3://bucket/in/")

    assert done.returncode == 6, done.stderr
    assert "s3://bucket/in/ refuses us" in done.stderr
    assert "InvalidAccessKeyId: " in done.stderr


async def test_an_object_that_is_refused_fails_alone_once_another_was_given(s3: httpx.Client, bucket: Gallery) -> None:
    put(s3, "in/a.png")
    enforce_rights(s3)
    with pytest.raises(AccessError, match="s3://bucket/in/ refuses us"):
        await bucket.fetch("a.png")
    enforce_rights(s3, after="inf")
    await bucket.fetch("a.png")
    enforce_rights(s3)
    with pytest.raises(FetchError, match="cannot be read"):
        await bucket.fetch("a.png")


def test_no_credentials_exit_6(s3: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")

    assert run("s3://bucket/in/").returncode == 6


def test_a_bucket_that_is_not_there_exits_5_as_source_and_2_as_target(s3: httpx.Client, tmp_path: Path) -> None:
    source, target = run("s3://nowhere/in/", "--to", tmp_path), run(tmp_path, "--to", "s3://nowhere/in/")

    assert (source.returncode, target.returncode) == (5, 2)
    assert "s3://nowhere/in/" in source.stderr
    assert "s3://nowhere/in/" in target.stderr


async def drained(run: Run, results: list[Result]) -> None:
    async for result in run:
        results.append(result)  # noqa: PERF401 (what came before an error counts)


@pytest.mark.slow
async def test_a_bucket_that_vanishes_meanwhile(s3: httpx.Client) -> None:
    put(s3, *(f"in/{index:04}.png" for index in range(1_010)), data=b"not a picture")
    results: list[Result] = []
    async with open_mirror("s3://bucket/in/", "s3://bucket/out/") as run:
        for _ in range(50):
            results.append(await anext(run))  # noqa: PERF401 (what an open run gives first)
        await forget_all(s3)
        with pytest.raises(ListError, match="no such bucket"):
            await drained(run, results)

    # The first page was told, and each of its names has its result.
    assert run.report.listed == run.report.failed == len(results) == 1_000
    assert any("no such object" in (result.error or "") for result in results)
    assert any(result.stage == "flip" for result in results)


async def test_a_target_that_vanishes_meanwhile_fails_the_uploads(s3: httpx.Client, tmp_path: Path) -> None:
    for index in range(100):
        (tmp_path / f"{index:03}.png").write_bytes(png())
    outcomes: list[Outcome] = []
    async with open_mirror(tmp_path, "s3://bucket/out/", concurrency=4) as run:
        async for result in run:
            if not outcomes:
                await forget_all(s3)
            outcomes.append(result.outcome)

    assert len(outcomes) == 100
    assert set(outcomes) == {Outcome.MIRRORED, Outcome.FAILED}
    assert "no such bucket" in (run.report.failures[-1].error or "")
    assert run.report.transient == 0


@pytest.mark.slow
async def test_a_store_that_does_not_answer_is_given_up(s3: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        lead_to(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        async with open_galleries("s3://bucket/", None, Settings(timeout=5)) as (gallery, _):
            with pytest.raises(FetchError, match=r"within 5 s \(--timeout\)") as caught:
                await gallery.fetch("a.png")
            assert caught.value.transient
            assert caught.value.overload
            with pytest.raises(UnknownUploadError, match="may have it or not") as unknown:
                await gallery.store(Picture(name="a.png", data=b"x", media_type="image/png"))
            assert unknown.value.transient
    async with open_galleries("s3://bucket/", None, Settings()) as (gallery, _):
        with pytest.raises(UploadError, match="not stored") as refused:
            await gallery.store(Picture(name="a.png", data=b"x", media_type="image/png"))
    assert not isinstance(refused.value, UnknownUploadError)
    assert refused.value.transient
    # Equal causes read alike, whatever object they are of.
    assert str(refused.value) == "it was not stored: EndpointConnectionError: Could not connect"


async def test_a_request_that_is_cancelled_ends_on_the_other_loop(
    s3: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    lead_to(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", monkeypatch)
    async with listener, open_galleries("s3://bucket/", None, Settings()) as (gallery, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gallery.fetch, "a.png")
            connection = await listener.accept()
            assert b"GET" in await connection.receive_some()
            nursery.cancel_scope.cancel()
        async with connection:
            with trio.fail_after(10):
                assert await connection.receive_some() == b""


@pytest.fixture
def dressed(s3: httpx.Client) -> str:
    """The name of an object that has all that one can have."""
    headers = {
        "Content-Type": "image/x-png",
        "Cache-Control": "max-age=9",
        "Content-Disposition": "inline",
        "Content-Language": "de",
        "Content-Encoding": "utf-8",
        "x-amz-meta-taken-by": "me & you",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-tagging": "a=b%20%2B%20c&d=e",
        "x-amz-acl": "public-read",
    }
    put(s3, "in/a.png", headers=headers)
    return "in/a.png"


def dress(s3: httpx.Client, name: str) -> dict[str, str]:
    """What an object has beside its bytes."""
    kept = {"cache-control", "x-amz-meta-taken-by", "x-amz-storage-class", "x-amz-tagging-count"}
    headers = {key: text for key, text in get(s3, name).headers.items() if key.startswith("content-") or key in kept}
    del headers["content-length"]
    return headers | {question: s3.get(f"/bucket/{name}?{question}").text for question in ("acl", "tagging")}


@pytest.mark.parametrize("target", [None, "s3://bucket/out/"])
async def test_an_object_keeps_what_it_has(s3: httpx.Client, dressed: str, target: str | None) -> None:
    before = dress(s3, dressed)
    report = await mirror("s3://bucket/in/", target)

    name = dressed if target is None else "out/a.png"
    assert report.mirrored == 1
    assert is_mirrored(png(), get(s3, name).content)
    assert dress(s3, name) == before
    assert before["x-amz-storage-class"] == "STANDARD_IA"
    assert "AllUsers" in before["acl"]
    assert "b + c" in before["tagging"]


async def test_a_space_in_a_tag_is_sent_as_every_server_reads_it(dressed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def watch(method: str, arguments: dict[str, Any]) -> bool:
        if method == "put_object":
            sent.append(arguments["Tagging"])
        return False

    refuse(monkeypatch, watch)
    await mirror("s3://bucket/in/")

    # Ceph's gateway takes a plus sign for one.
    assert sent == ["a=b%20%2B%20c&d=e"]


async def test_requests_are_made_for_nothing_that_is_not_there(
    s3: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, "in/a.png")
    requests = counted_requests(monkeypatch)
    await mirror("s3://bucket/in/", tmp_path)
    assert requests == ["list_objects_v2", "get_object"]

    requests.clear()
    await mirror("s3://bucket/in/")
    # The last one sees what was stored.
    assert requests[2:] == ["get_object", "get_bucket_ownership_controls", "get_object_acl", "put_object", "get_object"]

    rule = "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"
    rules = (
        f'<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>{rule}</Rule></OwnershipControls>'
    )
    put(s3, "?ownershipControls", data=rules.encode())
    requests.clear()
    await mirror("s3://bucket/in/", "s3://bucket/out/")
    assert requests[-3:] == ["get_object", "get_bucket_ownership_controls", "put_object"]


async def test_what_cannot_be_read_of_an_object_is_noted_once_and_no_failure(
    s3: httpx.Client, dressed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(s3, "in/b.png", headers={"x-amz-tagging": "a=b"})
    refuse(monkeypatch, lambda method, _: method in {"get_object_tagging", "get_object_acl"})

    report = await mirror("s3://bucket/in/", concurrency=1)

    assert (report.mirrored, report.failed) == (2, 0)
    assert get(s3, dressed).headers["Cache-Control"] == "max-age=9"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"s3://bucket/in/: {what} cannot be read, so not kept: PermissionError: Access Denied"
        for what in ("tags", "ACLs")
    ]


async def test_what_a_store_refuses_to_keep_is_noted_once_and_no_failure(
    s3: httpx.Client, dressed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, lambda method, arguments: method == "put_object" and "Tagging" in arguments)

    assert (await mirror("s3://bucket/in/")).mirrored == 1
    assert get(s3, dressed).headers["Cache-Control"] == "max-age=9"
    [note] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "StorageClass, Tagging not kept: PermissionError: Access Denied" in note


async def nothing() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("other", ["s3", "gs", "az"])
def test_what_all_stores_have_goes_from_one_to_another_and_back(scheme: str, other: str) -> None:
    values = {name: f"text of {name}" for name in SHARED[scheme][:-1]} | {SHARED[scheme][-1]: {"by": "me"}}
    there = Properties(scheme, values | {"own": "left out"}, nothing).for_store(other)

    assert Properties(other, there, nothing).for_store(scheme) == values | (
        {"own": "left out"} if scheme == other else {}
    )
    assert set(SHARED[other]) <= there.keys()


def test_metadata_that_another_store_would_refuse_is_left_out() -> None:
    metadata = {"by": "me", "taken-by": "me", "place": "Gr\u00fcn"}
    kept = Properties("gs", {"metadata": metadata}, nothing)

    assert kept.for_store("gs") == {"metadata": metadata}
    assert kept.for_store("s3") == {"Metadata": {"by": "me", "taken-by": "me"}}
    assert kept.for_store("az") == {"metadata": {"by": "me"}}


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec", reason="the extra cloud is not installed")
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


async def test_memory_both_ways(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/in/b.png": png(), "/in/sub/a.png": png(), "/other/c.png": png()})

    there = await mirror("memory://in/", "memory://out/")
    back = await mirror("memory://out/", tmp_path)

    assert (there.listed, there.mirrored, back.mirrored) == (2, 2, 2)
    assert is_mirrored(png(), memory.cat_file("/out/sub/a.png"))
    assert (tmp_path / "sub/a.png").read_bytes() != memory.cat_file("/out/sub/a.png")


async def test_what_has_changed_in_memory_is_taken_again(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/in/a.png": png(), "/in/b.png": png()})
    choices: dict[str, Any] = {"journal": str(tmp_path / "run.journal"), "update": True}
    await mirror("memory://in/", tmp_path / "out", **choices)
    memory.pipe_file("/in/a.png", png(30, 20))

    report = await mirror("memory://in/", tmp_path / "out", **choices)

    assert (report.mirrored, report.skipped) == (1, 1)


async def test_a_folder_that_is_not_there_cannot_be_listed(memory: Any) -> None:
    with pytest.raises(ListError, match="memory://nowhere/"):
        await mirror("memory://nowhere/")


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("s3://bucket/in/", "s3://bucket/in/out/", "lies inside the source"),
        ("s3://bucket", "s3://bucket/out", "lies inside the source"),
        ("s3:///in/", None, "names no bucket"),
        (f"s3://key:{SECRET}@bucket/in/", None, "no credentials in this URL"),
        (f"sftp://me:{SECRET}@host/in/", None, "no credentials in this URL"),
        ("ftp://host/in/", None, "unknown scheme ftp://"),
    ],
)
async def test_what_cannot_work_is_said_before_anything_is_opened(source: str, target: str | None, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        await mirror(source, target)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "missing", "install"),
    [
        ("memory://in/", "fsspec", r"pip install 'trio-mirror\[cloud\]'"),
        ("s3://bucket/", "s3fs", r"pip install 'trio-mirror\[s3\]'"),
        ("s3://bucket/", "fsspec", r"pip install 'trio-mirror\[s3\]'"),
        ("gs://bucket/", "gcsfs", r"pip install 'trio-mirror\[gcs\]'"),
        ("az://bucket/", "adlfs", r"pip install 'trio-mirror\[azure\]'"),
        ("sftp://host/", "sshfs", r"pip install 'trio-mirror\[sftp\]'"),
        ("webdav://host/", "webdav4", r"pip install 'trio-mirror\[webdav\]'"),
        ("webdavs://host/", "webdav4", r"pip install 'trio-mirror\[webdav\]'"),
    ],
)
async def test_a_driver_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, missing: str, install: str
) -> None:
    monkeypatch.setattr(
        "trio_mirror.galleries.object_store.driver.find_spec", lambda name: None if name == missing else object()
    )

    with pytest.raises(SettingsError, match=install):
        await mirror(url)


def test_each_driver_is_brought_by_the_extra_that_is_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    for scheme, driver in DRIVERS.items():
        named = extras[driver.extra]
        whole = [it for extra in re.findall(r"\w+", named[0])[2:] for it in extras[extra]] if len(named) == 1 else named
        assert any(it.startswith(driver.package) for it in whole), scheme
        assert any(it.startswith("fsspec>=") for it in whole), scheme
    sources = "".join(path.read_text() for path in (ROOT / "trio_mirror").rglob("*.py"))
    assert set(re.findall(r"trio-mirror\[(\w+)\]", sources)) <= extras.keys()


class SftpServer:
    """A real SFTP server on loopback, and a home folder whose keys fit it."""

    def __init__(self, asyncssh: Any, home: Path) -> None:
        self._asyncssh = asyncssh
        self.home = home
        self.port = 0

    async def listen(self) -> Any:
        """Listens; to be run on asyncio."""
        server_key, user_key = (self._asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        (self.home / ".ssh").mkdir(parents=True)
        user_key.write_private_key(str(self.home / ".ssh/id_ed25519"))
        listener = await self._asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[server_key],
            authorized_client_keys=self._asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
            sftp_factory=True,
        )
        self.port = listener.get_port()
        known = f"[127.0.0.1]:{self.port} {server_key.export_public_key().decode()}"
        (self.home / ".ssh/known_hosts").write_text(known)
        return listener

    def url(self, folder: Path) -> str:
        return f"sftp://someone@127.0.0.1:{self.port}{folder}/"


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    pytest.importorskip("sshfs", reason="the group test-cloud is not installed")
    from asyncio import run_coroutine_threadsafe

    import asyncssh
    from fsspec.asyn import get_loop

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    server = SftpServer(asyncssh, tmp_path / "home")
    listener = run_coroutine_threadsafe(server.listen(), get_loop()).result(60)
    yield server
    get_loop().call_soon_threadsafe(listener.close)


async def test_sftp_both_ways(sftp: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in ("a.png", "sub/b #?ü.png"):
        (tmp_path / "in" / name).write_bytes(png())

    report = await mirror(sftp.url(tmp_path / "in"), sftp.url(tmp_path / "new/out"))

    assert (report.listed, report.mirrored) == (2, 2), report.failures
    assert is_mirrored(png(), (tmp_path / "new/out/sub/b #?ü.png").read_bytes())
    # Nothing temporary is left.
    assert sum(path.is_file() for path in (tmp_path / "new").rglob("*")) == 2


async def test_an_sftp_file_is_replaced_whole_or_not_at_all(sftp: SftpServer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "taken.png").mkdir(parents=True)
    async with open_galleries(sftp.url(out), None, Settings()) as (gallery, _):
        await gallery.store(Picture(name="a.png", data=b"first", media_type="image/png"))
        before = await gallery.fetch("a.png")
        await gallery.store(Picture(name="a.png", data=b"second!", media_type="image/png"))
        after = await gallery.fetch("a.png", before.etag if before else None)
        with pytest.raises(UploadError, match="not stored"):
            await gallery.store(Picture(name="taken.png", data=b"x", media_type="image/png"))
        assert await names_of(gallery) == ["a.png"]

    assert after is not None
    assert after.data == b"second!"
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "taken.png"]


async def test_what_an_sftp_folder_holds_beside_files_is_taken_for_what_it_is(sftp: SftpServer, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    (folder / "file.png").symlink_to("a.png")
    (folder / "folder.png").symlink_to("sub")
    (folder / "nowhere.png").symlink_to("gone")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(png())

    report = await mirror(sftp.url(folder), tmp_path / "out", retries=0)

    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "file.png"}
    assert sorted(result.name for result in report.failures) == ["loop.png", "nowhere.png", "\udcff.png"]


async def test_what_an_sftp_server_refuses_is_told_as_it_says(sftp: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    async with open_galleries(sftp.url(tmp_path), None, Settings()) as (gallery, _):
        with pytest.raises(UploadError) as caught:
            await gallery.store(Picture(name="taken/a.png", data=b"x", media_type="image/png"))
    assert "bucket" not in str(caught.value)


async def test_a_host_that_is_not_known_is_not_trusted(sftp: SftpServer, tmp_path: Path) -> None:
    (sftp.home / ".ssh/known_hosts").write_text("")

    with pytest.raises(AccessError, match=rf"sftp://someone@127.0.0.1:{sftp.port}{tmp_path}/ cannot be opened"):
        await mirror(sftp.url(tmp_path))
