"""The contenders: how each is started, and what it needs."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_SCRIPTS = Path(__file__).parent / "contenders"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a contender is to do."""

    url: str
    """The gallery's base URL."""
    tls_url: str
    """The same over TLS, where HTTP/1.1 and HTTP/2 are spoken."""
    folder: Path
    """Its distinct pictures, for a contender that needs no server."""
    count: int
    """How many pictures the gallery lists."""
    concurrency: int


class Command(Protocol):
    """Gives the command line that does a task."""

    def __call__(self, task: Task, /) -> list[str]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One way to mirror a gallery."""

    key: str
    """Its name in the results."""
    title: str
    """Its name for people."""
    command: Command
    missing: Callable[[], str | None] = lambda: None
    """Says what it needs that is not there."""
    jpeg_only: bool = False
    sequential: bool = False
    """Does one picture after the other, whatever the concurrency."""
    uploads: bool = True
    """Sends what it mirrored to the server."""
    share: int = 1
    """It is slow, so it gets one picture in so many. Rates are compared, so that is no handicap."""


def trio_mirror(*options: str) -> Command:
    """The command of trio-mirror with options of its own."""

    def command(task: Task) -> list[str]:
        return [sys.executable, "-m", "trio_mirror", task.url, "-c", str(task.concurrency), *options]

    return command


def _over_tls(task: Task) -> list[str]:
    return [sys.executable, "-m", "trio_mirror", task.tls_url, "-c", str(task.concurrency), "--insecure"]


def _over_http2(task: Task) -> list[str]:
    return [sys.executable, "-m", "tests.bench.contenders.over_http2", task.tls_url, str(task.concurrency)]


def _module(name: str, *, tls: bool = False) -> Command:
    def command(task: Task) -> list[str]:
        url = task.tls_url if tls else task.url
        return [sys.executable, "-m", f"tests.bench.contenders.{name}", url, str(task.concurrency)]

    return command


def _xargs(task: Task) -> list[str]:
    return ["sh", str(_SCRIPTS / "xargs_curl_jpegtran.sh"), task.url, str(task.concurrency)]


def _limit(task: Task) -> list[str]:
    return [sys.executable, "-m", "tests.bench.contenders.limit", str(task.folder), str(task.count)]


def _packages(*names: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [name for name in names if importlib.util.find_spec(name) is None]
        return f"pip install {' '.join(absent)}" if absent else None

    return missing


def _programs(*names: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [name for name in names if shutil.which(name) is None]
        return f"not installed: {', '.join(absent)} (Debian: curl, libjpeg-turbo-progs)" if absent else None

    return missing


def _turbojpeg() -> str | None:
    try:
        ctypes.CDLL("libturbojpeg.so.0")
    except OSError:
        return "libturbojpeg.so.0 is not installed (Debian: libturbojpeg0)"
    return None


def _aiohttp_and_turbojpeg() -> str | None:
    return _packages("aiohttp")() or _turbojpeg()


def _processes() -> str | None:
    listed = subprocess.run(
        [sys.executable, "-m", "trio_mirror", "--help-all"], capture_output=True, text=True, check=True
    )
    return None if "--processes" in listed.stdout else "this trio-mirror has no --processes"


def _processes_and_turbojpeg() -> str | None:
    return _processes() or _turbojpeg()


LOSSLESS = Contender(key="trio-mirror", title="trio-mirror", command=trio_mirror(), missing=_turbojpeg)
LIMIT = Contender(key="limit", title="the flips alone, from memory", command=_limit, missing=_turbojpeg, uploads=False)
DRY_RUN = Contender(
    key="trio-mirror-dry-run", title="trio-mirror --dry-run", command=trio_mirror("--dry-run"), uploads=False
)
PILLOW_ONLY = Contender(
    key="trio-mirror-pillow", title="trio-mirror, Pillow only", command=trio_mirror("--lossless", "never")
)
OVER_TLS = (
    Contender(key="https", title="trio-mirror, HTTPS", command=_over_tls, missing=_turbojpeg),
    Contender(key="http2", title="trio-mirror, HTTP/2 by httpx", command=_over_http2, missing=_turbojpeg),
    Contender(
        key="https-aiohttp-turbojpeg",
        title="aiohttp + libturbojpeg in threads, HTTPS",
        command=_module("aiohttp_turbojpeg", tls=True),
        missing=_aiohttp_and_turbojpeg,
    ),
)
"""By other protocols than plain HTTP."""
LINEUP = (
    LOSSLESS,
    Contender(
        key="trio-mirror-2",
        title="trio-mirror --processes 2",
        command=trio_mirror("--processes", "2"),
        missing=_processes_and_turbojpeg,
    ),
    PILLOW_ONLY,
    Contender(
        key="trio-mirror-pillow-2",
        title="trio-mirror, Pillow only, --processes 2",
        command=trio_mirror("--lossless", "never", "--processes", "2"),
        missing=_processes,
    ),
    Contender(
        key="aiohttp-pillow",
        title="aiohttp + Pillow in threads",
        command=_module("aiohttp_pillow"),
        missing=_packages("aiohttp"),
    ),
    Contender(
        key="aiohttp-turbojpeg",
        title="aiohttp + libturbojpeg in threads",
        command=_module("aiohttp_turbojpeg"),
        missing=_aiohttp_and_turbojpeg,
        jpeg_only=True,
    ),
    Contender(
        key="xargs-curl-jpegtran",
        title="xargs + curl + jpegtran",
        command=_xargs,
        missing=_programs("xargs", "curl", "jpegtran"),
        jpeg_only=True,
        share=4,
    ),
    Contender(
        key="requests-pillow",
        title="requests + Pillow, one by one",
        command=_module("requests_pillow"),
        missing=_packages("requests"),
        sequential=True,
        share=4,
    ),
    LIMIT,
)
"""The contenders in the order of a round."""
