"""nginx as the gallery's server: quick enough that it is the clients that are compared."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench.timing import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOW_TO_INSTALL = "nginx is missing; on Debian: apt-get install nginx-light"
# Seconds; a busy machine starts a program of JavaScript in eight.
_STARTING = 300
_LOGGING = 5

# An upload is handed to a second server, which answers it: nginx does so only when it has read the whole body, as a
# real gallery would, where a plain `return 200` would answer before. The body goes no further than nginx's memory.
# By default a connection ends after 1,000 requests, and in HTTP/2 what is under way on it fails.
_CONFIGURATION = """
{user}
worker_processes auto;
worker_rlimit_nofile 8192;
pid nginx.pid;
daemon off;
events {{ worker_connections 2048; }}
http {{
    types {{
        text/plain txt;
        image/jpeg jpg;
        image/png png;
        image/gif gif;
        image/webp webp;
        image/tiff tif;
        image/bmp bmp;
    }}
    sendfile on;
    tcp_nopush on;
    client_max_body_size 64m;
    client_body_buffer_size 64m;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    map $request_method $is_upload {{ POST 1; default 0; }}
    log_format upload "$status";
    access_log uploads.log upload buffer=64k flush=200ms if=$is_upload;
    upstream stored {{ server unix:stored.socket; keepalive 256; }}
    server {{ listen unix:stored.socket; access_log off; return 200; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        listen 127.0.0.1:{tls_port} ssl http2 backlog=1024;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        keepalive_requests 1000000;
        root {root};
        index list.txt;
        proxy_http_version 1.1;
        proxy_method GET;
        proxy_pass_request_body off;
        proxy_set_header Connection "";
        proxy_set_header Content-Length "";
        location / {{
            rewrite ^/(\\w+)-\\d+/\\d+-(.+)$ /$1/$2 break;
            if ($request_method = POST) {{ proxy_pass http://stored; }}
        }}
    }}
}}
"""


class Server:
    """A running nginx."""

    def __init__(self, port: int, tls_port: int, uploads: Path) -> None:
        self.port = port
        self.tls_port = tls_port
        self._uploads = uploads
        self._counted = 0

    def uploads(self, expected: int) -> int:
        """How many uploads were answered since the last call; waits a while for the log to tell of as many.

        Raises:
            BenchError: one was refused.
        """
        end = time.monotonic() + _LOGGING
        while True:
            statuses = self._uploads.read_text().split()[self._counted :]
            if len(statuses) >= expected or time.monotonic() > end:
                break
            time.sleep(0.05)
        self._counted += len(statuses)
        if refused := set(statuses) - {"200"}:
            raise BenchError(f"nginx answered uploads with {', '.join(sorted(refused))}")
        return len(statuses)


@contextmanager
def serving(root: Path, work: Path) -> Iterator[Server]:
    """Runs nginx while the block runs.

    Args:
        root: what it serves; see `Galleries`.
        work: an empty folder for its own files.

    Raises:
        BenchError: it is not installed, or does not start.
    """
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise BenchError(HOW_TO_INSTALL)
    port, tls_port, certificate = free_port(), free_port(), work / "certificate.pem"
    make_certificate(certificate)
    # Only root may, and must, say whose rights the workers have: by default nobody's, who could not read the files.
    user = "user root;" if os.geteuid() == 0 else ""
    told = _CONFIGURATION.format(user=user, port=port, tls_port=tls_port, certificate=certificate, root=root)
    (work / "nginx.conf").write_text(told)
    log = work / "error.log"
    command = [program, "-p", str(work), "-c", "nginx.conf", "-e", str(log)]
    process = subprocess.Popen(command, cwd=work, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, log)
        yield Server(port, tls_port, work / "uploads.log")
    finally:
        process.terminate()
        process.wait()


def make_certificate(file: Path) -> None:
    """Makes a self-signed certificate, with its key in the same file.

    Raises:
        BenchError: OpenSSL is not installed, or fails.
    """
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(file), "-out", str(file)]
    try:
        subprocess.run(
            ["openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=bench"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"the openssl command makes no certificate: {error}") from error


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a server that was just started takes connections.

    Raises:
        BenchError: it ended instead, or takes too long; the message has its log.
    """
    end = time.monotonic() + _STARTING
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    said = log.read_text(errors="replace") if log.exists() else ""
    raise BenchError(f"what should listen at port {port} does not start\n{said}")
