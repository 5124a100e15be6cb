"""Servers and proxies that nobody here wrote, as they come from Debian."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import processes
from tests.helpers.pictures import decode, is_mirrored, png
from tests.helpers.servers import (
    SERVERS,
    SOCKS,
    SQUID,
    TINYPROXY,
    TINYPROXY_WITH_PASSWORD,
    Recipe,
    asking_for_certificates,
    asking_for_passwords,
    running,
)
from trio_mirror import SettingsError, mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

NAMES = {"a b.png", "bäume#1&2.png", "100%.png", "c.png"}


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder of pictures that programs of other users can read and write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name in NAMES:
            (path / name).write_bytes(png())
            (path / name).chmod(0o666)
        path.chmod(0o777)
        yield path


@pytest.fixture(scope="module")
def tls() -> Iterator[Path]:
    """A private authority, and the certificates of a server and of a client by it."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    with tempfile.TemporaryDirectory() as folder:
        script = """
            new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
            $new -x509 -keyout ca.key -out ca.pem -days 2 -subj /CN=authority -addext keyUsage=critical,keyCertSign
            echo subjectAltName=DNS:localhost,IP:127.0.0.1 >names
            for who in server client; do
                $new -keyout $who.key -out $who.csr -subj /CN=$who
                openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem -days 2 \
                    -extfile names
            done
        """
        subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True)
        Path(folder).chmod(0o755)
        yield Path(folder)


def are_mirrored(folder: Path) -> bool:
    return all(is_mirrored(png(), (folder / name).read_bytes()) for name in NAMES)


def trusting(recipe: Recipe, tls: Path) -> dict[str, Any]:
    return {"ca_file": str(tls / "ca.pem")} if recipe.scheme == "https" else {}


@pytest.mark.parametrize("server", [name for name, recipe in SERVERS.items() if recipe.lists])
async def test_a_folder_that_a_server_lists_is_mirrored(server: str, root: Path, tls: Path, tmp_path: Path) -> None:
    recipe = SERVERS[server]
    if server == "HTTP/2 only":
        links = "".join(
            f'<a href="{name}">x</a>' for name in ("a%20b.png", "b%C3%A4ume%231%262.png", "100%25.png", "c.png")
        )
        (root / "index.html").write_text(f"<title>Index of /</title>{links}")
    with running(recipe, root, tls) as url:
        report = await mirror(url, tmp_path / "out", retries=0, **trusting(recipe, tls), **recipe.asked)

    assert (report.listed, report.mirrored) == (len(NAMES), len(NAMES))
    assert are_mirrored(tmp_path / "out")


@pytest.mark.parametrize("server", [name for name, recipe in SERVERS.items() if recipe.takes])
async def test_a_server_takes_uploads_and_is_mirrored_in_place(
    server: str, root: Path, tls: Path, tmp_path: Path
) -> None:
    recipe = SERVERS[server]
    takes: dict[str, Any] = recipe.takes or {}
    with running(recipe, root, tls) as url:
        report = await mirror(url, retries=0, journal=str(tmp_path / "journal"), **takes)

    assert (report.mirrored, report.failed, report.unknown) == (len(NAMES), 0, 0), report.failures
    assert are_mirrored(root)


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
async def test_a_server_that_asks_for_a_password(scheme: str, root: Path, tmp_path: Path) -> None:
    with running(asking_for_passwords(scheme), root) as url:
        put = ("--upload-as", "put", "--retries", "0", "--journal", tmp_path / "journal")
        wrong = await processes.run(url, *put, "--auth", "me:wrong", "--auth-type", scheme.lower())
        without = await processes.run(url, *put)
        right = await processes.run(url, *put, "--auth", "me:secret", "--auth-type", scheme.lower())

    assert (wrong.code, without.code, right.code) == (6, 6, 0), wrong.err + without.err + right.err
    assert all(f"it asks for {scheme} (--auth-type)" in it.err for it in (wrong, without))
    assert are_mirrored(root)


@pytest.mark.parametrize("proxy", [SQUID, TINYPROXY, SOCKS], ids=lambda it: it.package)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_gallery_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch, root: Path, tls: Path, tmp_path: Path, proxy: Recipe, scheme: str
) -> None:
    server = SERVERS["nginx"] if scheme == "http" else asking_for_certificates("nginx", "TLSv1.3")
    shown: dict[str, Any] = {"cert": tls / "client.pem", "key": tls / "client.key"} if scheme == "https" else {}
    with running(server, root, tls) as url, running(proxy, root) as proxy_url:
        monkeypatch.setenv("all_proxy", proxy_url)
        monkeypatch.setenv("no_proxy", "10.0.0.0/8")
        report = await mirror(url, tmp_path / "out", retries=0, **trusting(server, tls), **shown)

    assert report.mirrored == len(NAMES)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password_ends_the_run(scheme: str, root: Path, tmp_path: Path) -> None:
    with running(TINYPROXY_WITH_PASSWORD, root) as proxy:
        url = f"{scheme}://gallery.invalid/images/"
        environment = {"all_proxy": proxy, "no_proxy": ""}
        done = await processes.ended(processes.start(url, "--to", tmp_path / "out", environment=environment))

    assert done.code == 6, done.err
    assert "407" in done.err
    assert "its user and password stand before its host in HTTP_PROXY" in done.err


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("server", ["nginx", "Apache"])
async def test_a_server_that_asks_for_a_client_certificate(
    server: str, version: str, root: Path, tls: Path, tmp_path: Path
) -> None:
    with running(asking_for_certificates(server, version), root, tls) as url:
        client = ("--cert", tls / "client.pem", "--key", tls / "client.key")
        common = ("--ca-file", tls / "ca.pem", "--retries", "0", "--json")
        into_folder = await processes.run(url, "--to", tmp_path / "out", *common, *client)
        up = await processes.run(tmp_path / "out", "--to", url, "--upload-as", "put", *common, *client)
        without = await processes.run(url, "--to", tmp_path / "none", *common)
        up_without = await processes.run(tmp_path / "out", "--to", url, "--upload-as", "put", *common)
        untrusted = await processes.run(url, "--to", tmp_path / "none")

    assert (into_folder.code, up.code) == (0, 0), into_folder.err + up.err
    assert are_mirrored(tmp_path / "out")
    # Flipped twice it is the original again, but for how it is deflated.
    assert all(decode((root / name).read_bytes()).tobytes() == decode(png()).tobytes() for name in NAMES)
    assert (without.code, up_without.code, untrusted.code) == (6, 6, 6), without.err + up_without.err + untrusted.err
    assert all("--cert and --key name the certificate to show" in it.err for it in (without, up_without))
    # In TLS 1.3 the refusal comes when the picture has left.
    assert json.loads(up_without.out)["unknown"] == 0
    assert "--ca-file" in untrusted.err


def test_an_authority_that_the_system_trusts_is_trusted(root: Path, tls: Path, tmp_path: Path) -> None:
    can_mount = ["unshare", "--mount", "mount", "--bind", str(tmp_path), "/etc/ssl/certs"]
    if shutil.which("unshare") is None or subprocess.run(can_mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may give the system other certificates, in a mount namespace of its own")
    (tmp_path / "store").mkdir()
    shutil.copy(tls / "ca.pem", tmp_path / "store/ca-certificates.crt")
    with running(asking_for_certificates("nginx", "TLSv1.3"), root, tls) as url:
        client = ("--cert", tls / "client.pem", "--key", tls / "client.key")
        command = processes.module("trio_mirror", url, "--to", tmp_path / "out", *client)
        script = 'mount --bind "$0" /etc/ssl/certs && exec "$@"'
        namespace = ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "store")]
        environment = {name: value for name, value in processes.ENVIRONMENT.items() if not name.startswith("SSL_")}
        subprocess.run([*namespace, *command], env=environment, capture_output=True, check=True)

    assert are_mirrored(tmp_path / "out")


@pytest.mark.parametrize("damaged", ["cert", "key", "missing"])
async def test_a_client_certificate_that_cannot_be_used_is_told(damaged: str, tls: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_text("nonsense")
    files: dict[str, Any] = {"cert": tls / "client.pem", "key": tls / "client.key"}
    files |= {"cert": tmp_path / "nowhere"} if damaged == "missing" else {damaged: tmp_path / "damaged"}

    with pytest.raises(SettingsError, match=r"--cert: .* cannot be used: (expected a certificate|No such file)"):
        await mirror("https://gallery.invalid/", **files)
