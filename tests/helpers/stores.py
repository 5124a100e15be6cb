"""Object stores and file servers on loopback, each from a recipe, and how they are told where to be found."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.servers import Recipe, running

if TYPE_CHECKING:
    from collections.abc import Iterator

# That of everybody's Azurite: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_SSHD = """
Port {port}
ListenAddress 127.0.0.1
PidFile none
HostKey {tls}/host_key
AuthorizedKeysFile {tls}/authorized_keys
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""
# One process that keeps all in SQLite: https://docs.ceph.com/en/latest/dev/radosgw/ ("DBStore").
_DBSTORE = (
    "--no-mon-config -n client.admin --rgw-backend-store=dbstore --rgw-config-store=dbstore "
    "--dbstore-db-dir={root} --dbstore-config-uri=file:{root}/config.db --rgw-data={root} --run-dir={root}"
)
_WSGIDAV = "-m wsgidav.server.server_cli --host=127.0.0.1 --port={port} --root={root} --auth=anonymous"


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store that runs.

    Attributes:
        place: of its galleries: a URL without an end.
        environment: by which it is found.
        intruder: by which it is found, but not entered.
        writes_whole: whether a request that breaks off leaves an object as it was.
    """

    place: str
    environment: dict[str, str] = field(default_factory=dict)
    intruder: dict[str, str] = field(default_factory=dict)
    writes_whole: bool = True


@contextmanager
def s3rver(root: Path) -> Iterator[Store]:
    """S3 by s3rver, in JavaScript."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    command = "s3rver -d {root} -p {port} -a 127.0.0.1 --configure-bucket bucket"
    with running(Recipe(package="npm && npm install --global s3rver@3.7.1", command=command), root) as url:
        yield _s3(url, "S3RVER", writes_whole=False)


@contextmanager
def radosgw(root: Path) -> Iterator[Store]:
    """S3 by Ceph's own gateway."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    from botocore.session import get_session

    recipe = Recipe(
        package="radosgw",
        command=f"radosgw -d -c {{file}} {_DBSTORE}",
        files={"conf": "[client]\nrgw frontends = beast endpoint=127.0.0.1:{port}\n"},
    )
    with running(recipe, root) as url:
        user = "-c /dev/null user create --uid=me --display-name=me --access-key=key --secret-key=key"
        command = f"radosgw-admin {_DBSTORE.format(root=root)} {user}"
        subprocess.run(command.split(), check=True, capture_output=True)
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "key", "region_name": "us-east-1"}
        with closing(get_session().create_client("s3", endpoint_url=url, **keys)) as client:
            client.create_bucket(Bucket="bucket")
        yield _s3(url, "key")


def _s3(url: str, key: str, *, writes_whole: bool = True) -> Store:
    """A store that speaks S3, whose one user has the same key and secret."""
    found = {
        "AWS_ENDPOINT_URL": url.rstrip("/"),
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    nobody = found | {"AWS_ACCESS_KEY_ID": "nobody"}
    return Store(place="s3://bucket", environment=found, intruder=nobody, writes_whole=writes_whole)


@contextmanager
def azurite(root: Path) -> Iterator[Store]:
    """Azure's blobs by Microsoft's own emulator."""
    pytest.importorskip("adlfs", reason="the extra azure is not installed")
    from azure.storage.blob import BlobServiceClient

    command = "azurite-blob --skipApiVersionCheck --silent --location {root} --blobPort {port}"
    with running(Recipe(package="npm && npm install --global azurite@3.35.0", command=command), root) as url:
        account = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;BlobEndpoint={url}devstoreaccount1"
        right, wrong = (f"{account};AccountKey={key}" for key in (_AZURITE_KEY, _AZURITE_KEY[::-1].lstrip("=") + "=="))
        with BlobServiceClient.from_connection_string(right) as client:
            client.create_container("bucket")
        name = "AZURE_STORAGE_CONNECTION_STRING"
        yield Store(place="az://bucket", environment={name: right}, intruder={name: wrong})


@contextmanager
def gcs(root: Path) -> Iterator[Store]:
    """Google's store by gcp-storage-emulator, which knows no credentials."""
    if find_spec("gcsfs") is None:
        # To import it would fix what it makes of its environment.
        pytest.skip("the extra gcs is not installed")
    pytest.importorskip("gcp_storage_emulator", reason="the group test-cloud is not installed")
    options = "--host=127.0.0.1 --port={port} --in-memory --default-bucket=bucket"
    command = f"{sys.executable} -m gcp_storage_emulator start {options}"
    with running(Recipe(package="gcp-storage-emulator", command=command), root) as url:
        found = {"STORAGE_EMULATOR_HOST": url.rstrip("/"), "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        yield Store(place="gs://bucket", environment=found)


@contextmanager
def openssh(root: Path) -> Iterator[Store]:
    """OpenSSH with keys of its own."""
    asyncssh = pytest.importorskip("asyncssh", reason="the extra sftp is not installed")
    home, files = root / "home", root / "files"
    (home / ".ssh").mkdir(parents=True)
    files.mkdir()
    if os.geteuid() == 0:
        # Where Debian's service has it made: sshd wants an empty folder for those that it does not trust yet.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    server.write_private_key(str(home / "host_key"))
    (home / "host_key").chmod(0o600)
    user.write_private_key(str(home / ".ssh/id_ed25519"))
    user.write_public_key(str(home / "authorized_keys"))
    recipe = Recipe(package="openssh-server", command="sshd -D -e -f {file}", files={"conf": _SSHD}, scheme="sftp")
    with running(recipe, root, home) as url:
        host = url.removeprefix("sftp://").rstrip("/")
        address, _, port = host.partition(":")
        (home / ".ssh/known_hosts").write_text(f"[{address}]:{port} {server.export_public_key().decode()}")
        place = f"sftp://{getpass.getuser()}@{host}{files}"
        yield Store(place=place, environment={"HOME": str(home)}, intruder={"HOME": str(files)})


@contextmanager
def rclone(root: Path) -> Iterator[Store]:
    """WebDAV by rclone, behind a password."""
    pytest.importorskip("webdav4", reason="the extra webdav is not installed")
    (root / "files").mkdir()
    command = "rclone serve webdav {root}/files --addr 127.0.0.1:{port} --user me --pass secret"
    with running(Recipe(package="rclone", command=command, scheme="webdav"), root) as url:
        for name, password in (("netrc", "secret"), ("wrong", "wrong")):
            (root / name).write_text(f"machine 127.0.0.1 login me password {password}\n")
        right, wrong = ({"NETRC": str(root / name)} for name in ("netrc", "wrong"))
        yield Store(place=url.rstrip("/"), environment=right, intruder=wrong)


@contextmanager
def wsgidav(root: Path) -> Iterator[Store]:
    """WebDAV by WsgiDAV."""
    pytest.importorskip("webdav4", reason="the extra webdav is not installed")
    pytest.importorskip("wsgidav", reason="the group test-cloud is not installed")
    recipe = Recipe(package="python3", command=f"{sys.executable} {_WSGIDAV}", scheme="webdav")
    with running(recipe, root) as url:
        yield Store(place=url.rstrip("/"), environment={"NETRC": os.devnull})


STORES = {it.__name__: it for it in (s3rver, radosgw, azurite, gcs, openssh, rclone, wsgidav)}
