"""Servers and proxies as Debian packages them, each from a small recipe: a configuration and a command."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.nginx import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_IS_ROOT = os.geteuid() == 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a program is started: ``{port}``, ``{root}``, ``{work}``, ``{file}`` and ``{tls}`` are filled in.

    Attributes:
        package: of Debian, or of PyPI where it is a Python package.
        command: the program and its arguments.
        files: its files by their names, the first being ``{file}``.
        base: the path of the gallery, which is the folder ``{root}``.
        takes: the settings by which it takes uploads, where it does.
        asked: the settings by which it lists the folder.
        lists: whether it lists the folder.
        scheme: of its URL.
    """

    package: str
    command: str
    files: dict[str, str] | None = None
    base: str = "/"
    takes: dict[str, Any] | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    lists: bool = True
    scheme: str = "http"


_NGINX = """
{user_root}
pid nginx.pid; daemon off; error_log stderr;
events {{ }}
http {{
    types {{ image/png png; }}
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path u; scgi_temp_path s;
    server {{
        listen 127.0.0.1:{port} %s;
        root {root}; autoindex on; dav_methods PUT;
        %s
    }}
}}
"""
_APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {work}/pid
ErrorLog {work}/log
{user_group}
{modules}
TypesConfig /dev/null
AddType image/png .png
DocumentRoot {root}
DavLockDB {work}/lock
<Directory {root}>
    Require all granted
    Options +Indexes
    IndexOptions FancyIndexing HTMLTable
    Dav on
</Directory>
"""
_APACHE_MODULES = "\n".join(
    f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
    for name in ("mpm_event", "authz_core", "mime", "dir", "autoindex", "dav", "dav_fs")
)
_LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{root}"
server.modules = ("mod_webdav", "mod_dirlisting")
mimetype.assign = (".png" => "image/png")
dir-listing.activate = "enable"
dir-listing.encoding = "utf-8"
webdav.activate = "enable"
"""
_APACHE_AUTH = """
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule auth_digest_module /usr/lib/apache2/modules/mod_auth_digest.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
<Location />
    AuthType %s
    AuthName here
    AuthUserFile {work}/%s
    AuthDigestProvider file
    Require valid-user
</Location>
"""
# A router: what it gives back as false is served from the folder.
_PHP = """<?php
$root = $_SERVER["DOCUMENT_ROOT"];
if ($_SERVER["REQUEST_METHOD"] == "POST") {
    move_uploaded_file($_FILES["file"]["tmp_name"], $root . "/" . $_FILES["file"]["name"]);
    http_response_code(201);
} else if ($_SERVER["REQUEST_URI"] == "/") {
    header("Content-Type: text/plain");
    foreach (glob("$root/*.png") as $path) echo basename($path), "\\n";
} else return false;
"""
_FLASK = """
import pathlib
import sys

import flask

root, app = pathlib.Path(sys.argv[2]), flask.Flask("gallery")


@app.get("/files/")
def names():
    return flask.Response("\\n".join(path.name for path in root.iterdir()), mimetype="text/plain")


@app.get("/files/<name>")
def picture(name):
    return flask.send_from_directory(root, name)


@app.post("/upload")
def upload():
    file = flask.request.files["file"]
    file.save(root / file.filename)
    return "", 201


app.run(port=int(sys.argv[1]))
"""
_PUT = {"upload_as": "put"}
_NGINX_TLS = """
ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;
ssl_client_certificate {tls}/ca.pem; ssl_verify_client on;
"""
_APACHE_TLS = """
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
SSLEngine on
SSLCertificateFile {tls}/server.pem
SSLCertificateKeyFile {tls}/server.key
SSLCACertificateFile {tls}/ca.pem
SSLVerifyClient require
"""

SERVERS = {
    "nginx": Recipe(
        package="nginx-light",
        command="nginx -p {work} -c {file}",
        files={"conf": _NGINX % ("", "")},
        takes=_PUT,
    ),
    "nginx with JSON": Recipe(
        package="nginx-light",
        command="nginx -p {work} -c {file}",
        files={"conf": _NGINX % ("", "autoindex_format json;")},
        takes=_PUT,
    ),
    "Apache": Recipe(package="apache2", command="apache2 -f {file} -D FOREGROUND", files={"conf": _APACHE}, takes=_PUT),
    "lighttpd": Recipe(
        package="lighttpd-mod-webdav", command="lighttpd -D -f {file}", files={"conf": _LIGHTTPD}, takes=_PUT
    ),
    "Caddy": Recipe(package="caddy", command="caddy file-server --browse --root {root} --listen 127.0.0.1:{port}"),
    "Caddy with JSON": Recipe(
        package="caddy",
        command="caddy file-server --browse --root {root} --listen 127.0.0.1:{port}",
        asked={"header": ["Accept: application/json"]},
    ),
    "http.server": Recipe(
        package="python3", command=f"{sys.executable} -m http.server {{port}} --bind 127.0.0.1 --directory {{root}}"
    ),
    "PHP": Recipe(
        package="php-cli",
        command="php -S 127.0.0.1:{port} -t {root} {file}",
        files={"router.php": _PHP},
        takes={"field": "file", "upload_url": "/upload.php", "success_status": (201,)},
    ),
    "Flask": Recipe(
        package="flask",
        command=f"{sys.executable} {{file}} {{port}} {{root}}",
        files={"app.py": _FLASK},
        base="/files/",
        takes={"field": "file", "upload_url": "/upload", "success_status": (201,)},
    ),
    "rclone": Recipe(package="rclone", command="rclone serve webdav {root} --addr 127.0.0.1:{port}", takes=_PUT),
    "rclone over HTTP": Recipe(package="rclone", command="rclone serve http {root} --addr 127.0.0.1:{port}"),
    "HTTP/2 only": Recipe(
        package="nghttp2-server",
        command="nghttpd -a 127.0.0.1 -d {root} {port} {tls}/server.key {tls}/server.pem",
        scheme="https",
    ),
}
"""Those that list a folder, take uploads, or both."""

SQUID = Recipe(
    package="squid",
    command="squid -N -f {file}",
    files={
        "conf": "http_port 127.0.0.1:{port}\npid_filename none\ncache_log {work}/log\naccess_log none\n"
        "cache_store_log none\nhttp_access allow all\nshutdown_lifetime 0 seconds\n"
    },
)
TINYPROXY = Recipe(
    package="tinyproxy",
    command="tinyproxy -d -c {file}",
    files={"conf": 'Port {port}\nListen 127.0.0.1\nLogFile "{work}/log"\nLogLevel Warning\nDisableViaHeader Yes\n'},
)
TINYPROXY_WITH_PASSWORD = Recipe(
    package="tinyproxy",
    command="tinyproxy -d -c {file}",
    files={"conf": 'Port {port}\nListen 127.0.0.1\nLogFile "{work}/log"\nBasicAuth me secret\n'},
)
SOCKS = Recipe(package="microsocks", command="microsocks -i 127.0.0.1 -p {port}", scheme="socks5h")


def asking_for_passwords(scheme: str) -> Recipe:
    """An Apache that lets in ``me`` with the password ``secret``, by Basic or Digest."""
    recipe = SERVERS["Apache"]
    assert recipe.files is not None
    digest = hashlib.md5(b"me:here:secret").hexdigest()
    return replace(
        recipe,
        files={
            "conf": f"{recipe.files['conf']}{_APACHE_AUTH % (scheme, scheme)}",
            "Basic": f"me:{{SHA}}{base64.b64encode(hashlib.sha1(b'secret').digest()).decode()}\n",
            "Digest": f"me:here:{digest}\n",
        },
    )


def asking_for_certificates(server: str, version: str) -> Recipe:
    """An nginx or Apache that asks for a client certificate, by one version of TLS."""
    recipe = SERVERS[server]
    assert recipe.files is not None
    if server == "nginx":
        told = {"conf": _NGINX % ("ssl", f"{_NGINX_TLS} ssl_protocols {version};")}
    else:
        told = {"conf": f"{recipe.files['conf']}{_APACHE_TLS}\nSSLProtocol -all +{version}\n"}
    return replace(recipe, files=told, scheme="https")


@contextmanager
def running(recipe: Recipe, root: Path, tls: Path | None = None) -> Iterator[str]:
    """Runs a program while the block runs, and gives the URL of its gallery; skips the test where it is missing.

    Args:
        recipe: how.
        root: what it serves.
        tls: a folder of certificates.
    """
    program, *arguments = recipe.command.split(" ")
    found = shutil.which(program, path=PATH)
    if found is None:
        pytest.skip(f"{program} is not installed; on Debian: apt-get install {recipe.package}")
    # Where pytest's own folders are, only their owner may look; some of these programs run as somebody else.
    with tempfile.TemporaryDirectory() as folder:
        work, port = Path(folder), free_port()
        work.chmod(0o777)
        values = {
            "port": port,
            "root": root,
            "work": work,
            "tls": tls,
            "modules": _APACHE_MODULES,
            "user_root": "user root;" if _IS_ROOT else "",
            "user_group": "User www-data\nGroup www-data" if _IS_ROOT else "",
            "file": work / next(iter(recipe.files or ("",))),
        }
        for name, text in (recipe.files or {}).items():
            (work / name).write_text(text.format_map(values) if name == "conf" else text)
        log = work / "output"
        command = [found, *(word.format_map(values) for word in arguments)]
        with log.open("wb") as output:
            environment = os.environ | {"HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder}
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=work, env=environment)
        try:
            wait_for(port, process, log)
            yield f"{recipe.scheme}://127.0.0.1:{port}{recipe.base}"
        finally:
            process.terminate()
            process.wait(60)
