"""Every choice about a run, once: its default, its unit, its bounds.

The command line, the configuration file, the environment and the library all fill the same `Settings`. Each
field carries what the command line needs to know about it (`fields`), so that nothing is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING

from trio_mirror.model import Limits, Lossless
from trio_mirror.settings.cores import useful_processes
from trio_mirror.settings.fields import (
    Form,
    Panel,
    choice,
    count,
    flag,
    option_error,
    path,
    seconds,
    setting,
    table_of,
    text,
    value_of,
)
from trio_mirror.settings.shard import Shard, parse_shard
from trio_mirror.settings.units import parse_byte_rate, parse_count, parse_rate, parse_size, parse_text

if TYPE_CHECKING:
    from trio_mirror.settings.fields import OptionalPath, Parsed


class UploadAs(StrEnum):
    """The form in which a picture is uploaded."""

    MULTIPART = "multipart"
    """Posted as ``multipart/form-data``, one part (RFC 7578)."""
    RAW = "raw"
    """Posted as the body; its name travels as ``?name=``."""
    PUT = "put"
    """Put as the body to the picture's own URL (RFC 9110, section 9.3.4)."""


class AuthType(StrEnum):
    """How credentials are shown to the server."""

    BASIC = "basic"
    """User and password in each request (RFC 7617)."""
    DIGEST = "digest"
    """A digest of them, for the server's challenge (RFC 7616)."""
    BEARER = "bearer"
    """A token in each request (RFC 6750)."""
    NETRC = "netrc"
    """User and password of the host in ``~/.netrc``, or in the file that ``NETRC`` names."""


class RetryUploads(StrEnum):
    """Whether an upload is sent again when it was sent and no response came."""

    ALWAYS = "always"
    """At least once: the target may get a picture twice, under the same ``Idempotency-Key``."""
    NEVER = "never"
    """At most once: the outcome is ``unknown``."""


# Ray's own forms of an address, and "local", which starts it here.
_ADDRESS = re.compile(r"auto|local|(ray://)?(\[[0-9A-Fa-f:.]+\]|[^\s/@:\[\]]+):\d{1,5}")


def _parse_processes(text: str) -> int:
    return useful_processes() if text.lower() == "auto" else parse_count(text)


def _parse_cluster(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected ray://HOST:PORT, HOST:PORT, auto or local")
    return text


def _parse_field(text: str) -> str:
    if not re.fullmatch("[^\r\n\0\ud800-\udfff]+", text):
        raise ValueError("expected a name in UTF-8 without line breaks, for example image")
    return text


def _parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError("expected 'Name: value'")
    return name.strip(), value.strip()


def _check_header(header: tuple[str, str]) -> None:
    _check_pair(header)
    name, value = header
    # RFC 9110, section 5.1 (a name is a token) and 5.5 (no CR, LF or NUL in a value).
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f"{name!r} is not a header name, expected 'Name: value'")
    if re.search(r"[\r\n\0]", value):
        raise ValueError(f"the value of {name} holds a line break")
    if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
        raise ValueError(f"{name} is set by the connection itself")


def _check_auth(auth: tuple[object, ...]) -> None:
    _check_pair(auth if len(auth) != 1 else auth * 2)


def _check_pair(pair: tuple[object, ...]) -> None:
    if len(pair) != 2 or not all(isinstance(it, str) for it in pair):
        raise ValueError("expected two texts")


def _check_success(status: int) -> None:
    if not 200 <= status < 300:
        raise ValueError("expected a status from 200 to 299")


_SHARD = Form(parse_shard, "K/N", Shard)
_CLUSTER = Form(_parse_cluster, "CLUSTER")
_PROCESSES = Form(_parse_processes, "COUNT|auto", Integral)
_SIZE = Form(parse_size, "SIZE", Integral)
_RATE = Form(parse_rate, "RATE", Real)
_BYTE_RATE = Form(parse_byte_rate, "RATE", Real)
_HEADER = Form(_parse_header, "'NAME: VALUE'", tuple, _check_header)
_AUTH = Form(lambda text: tuple(text.split(":", 1)), "USER:PASSWORD", tuple, _check_auth)
_SUCCESS = Form(parse_count, "CODE", Integral, _check_success)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is done. Checked on construction; texts are parsed as on the command line.

    Raises:
        SettingsError: an invalid value; the message names the field.
    """

    concurrency: int = count(16, "Pictures in flight at once.", Panel.COMMON, also="-c", most=65_536)
    include: Sequence[str] = text(
        "Only names that match; repeatable.", Panel.COMMON, "GLOB", "*.jpg", default=(), shown="all"
    )
    exclude: Sequence[str] = text("Skip names that match; repeatable.", Panel.COMMON, "GLOB", "*.gif", default=())
    journal: OptionalPath = path("Record results here, to resume later.", Panel.COMMON, "FILE", "run.journal")
    in_place: bool = flag("Let a folder's pictures be replaced.", Panel.COMMON)

    base: OptionalPath = path("URL or folder of the names in a list.", Panel.SELECTION, "PLACE", "http://host/images/")
    recursive: bool = flag("Follow the sub-folders of an HTTP index.", Panel.SELECTION)
    skip_existing: bool = flag("Skip what the target has by name.", Panel.SELECTION, also="--no-clobber")
    strict: bool = flag("Fail what is not a picture; else it is skipped.", Panel.SELECTION)
    limit: int | None = count(None, "At most this many names.", Panel.SELECTION, shown="all")
    shard: Parsed[Shard | None, str] = setting(
        None, "Only part K of N, at 1/N of the rate; auto/N under a scheduler.", Panel.SELECTION, _SHARD, "all", "1/4"
    )

    lossless: Parsed[Lossless, str] = choice(
        Lossless.AUTO, "Exact where the format allows it; exact or failed; always re-encoded.", Panel.OUTPUT
    )
    keep_credentials: bool = flag("Keep signatures that mirroring breaks.", Panel.OUTPUT)
    times: bool = flag("Keep the times of replaced files.", Panel.OUTPUT, default=True)

    flip_threads: int | None = count(
        None, "Threads that flip.", Panel.PARALLEL, shown="the cores", example="2", most=1_024
    )
    processes: Parsed[int, str] = setting(
        1, "Worker processes; auto: as many as gain.", Panel.PARALLEL, _PROCESSES, example="2", most=1_024
    )
    cluster: str | None = setting(
        None, "Ray cluster: ray://HOST:PORT, HOST:PORT, auto or local.", Panel.PARALLEL, _CLUSTER, "none", "local"
    )
    slice: int = count(2_000, "Names in one task of the cluster.", Panel.PARALLEL)

    timeout: Parsed[float, str] = seconds(30.0, "One request attempt, body included.", Panel.TIMEOUTS)
    flip_timeout: Parsed[float, str] = seconds(60.0, "One flip.", Panel.TIMEOUTS)
    picture_timeout: Parsed[float, str] = seconds(600.0, "One picture, all attempts and waits.", Panel.TIMEOUTS)
    deadline: Parsed[float | None, str] = seconds(None, "The whole run; then it drains.", Panel.TIMEOUTS)
    drain: Parsed[float, str] = seconds(30.0, "Pictures in flight after Ctrl-C.", Panel.TIMEOUTS, zero=True)

    retries: int = count(4, "Further attempts after transient errors.", Panel.RETRIES, zero=True)
    retry_after_max: Parsed[float, str] = seconds(300.0, "Longest Retry-After to wait for.", Panel.RETRIES, zero=True)
    retry_uploads: Parsed[RetryUploads, str] = choice(
        RetryUploads.ALWAYS, "Repeat an upload that got no response.", Panel.RETRIES
    )

    no_journal: bool = flag("In place, keep no journal of its own.", Panel.RESUMING)
    update: bool = flag("Mirror again what has changed since.", Panel.RESUMING)
    retry_failed: bool = flag("Only what failed or is unknown.", Panel.RESUMING)

    rate: Parsed[float | None, str] = setting(
        None, "Requests started per second.", Panel.LIMITS, _RATE, "no limit", "50/s"
    )
    adaptive: bool = flag("Fewer in flight while the server is overloaded.", Panel.LIMITS, default=True)
    min_rate: Parsed[float, str] = setting(
        1024.0, "Slowest body, over 30 s.", Panel.LIMITS, _BYTE_RATE, "1KiB/s", zero=True
    )
    max_failures: int | None = count(None, "Stop after this many failed pictures.", Panel.LIMITS, shown="no limit")
    max_bytes: Parsed[int, str] = setting(64 * 1024**2, "Bytes of one picture.", Panel.LIMITS, _SIZE, "64MiB")
    max_bytes_total: Parsed[int | None, str] = setting(
        None, "Stop after this many bytes downloaded.", Panel.LIMITS, _SIZE, "no limit", "64MiB"
    )
    max_frame_pixels: int = count(Limits().frame_pixels, "Pixels of one frame or page.", Panel.LIMITS)
    max_total_pixels: int = count(Limits().total_pixels, "Pixels of all frames of a picture.", Panel.LIMITS)
    max_frames: int = count(Limits().frames, "Frames or pages of one picture.", Panel.LIMITS)

    header: Parsed[Sequence[tuple[str, str]], Sequence[tuple[str, str] | str]] = setting(
        (), "Header for every request; repeatable.", Panel.SERVER, _HEADER, "none", "Name: value", secret=True
    )
    auth: Parsed[tuple[str, ...] | None, str] = setting(
        None, "Credentials; for bearer a token alone.", Panel.SERVER, _AUTH, "none", "USER:PASSWORD", secret=True
    )
    auth_type: Parsed[AuthType, str] = choice(
        AuthType.BASIC, "Scheme of the credentials; netrc takes them from ~/.netrc.", Panel.SERVER
    )
    ca_file: OptionalPath = path("Certificates to trust, PEM.", Panel.SERVER, "FILE", "ca.pem", shown="the system's")
    cert: OptionalPath = path("Client certificate to show, PEM.", Panel.SERVER, "FILE", "client.pem")
    key: OptionalPath = path("Its private key, PEM.", Panel.SERVER, "FILE", "client.key", shown="in the same file")
    insecure: bool = flag("Disable certificate verification.", Panel.SERVER)
    upload_as: Parsed[UploadAs, str] = choice(UploadAs.MULTIPART, "Form of an upload.", Panel.SERVER)
    upload_url: str | None = setting(
        None,
        "Where uploads are posted: a path, or a URL of the target's origin.",
        Panel.SERVER,
        Form(parse_text, "URL"),
        "the target",
        "/upload",
        secret=True,
    )
    field: str = setting("image", "Multipart field of the picture.", Panel.SERVER, Form(_parse_field, "NAME"))
    success_status: Sequence[int] = setting(
        (200,), "Status that means stored; repeatable. For put also 201 and 204.", Panel.SERVER, _SUCCESS, "200"
    )

    def __post_init__(self) -> None:
        for name, declared in table_of(Settings).items():
            object.__setattr__(self, name, value_of(name, declared, getattr(self, name)))
        if not self.success_status:
            raise option_error("success_status", "expected at least one status, for example 200")
        if self.cluster and self.processes > 1:
            raise option_error(
                "cluster", "it does not go with --processes: each core of the cluster is a worker already"
            )
        if self.auth is not None and self.auth_type is not AuthType.BEARER and len(self.auth) != 2:
            raise option_error("auth", "invalid value: expected USER:PASSWORD")
        if self.key and not self.cert:
            raise option_error("key", "it needs the certificate, for example --cert client.pem")
        if self.upload_url and self.upload_as is UploadAs.PUT:
            raise option_error("upload_url", "it does not go with --upload-as put, which has a URL for each picture")
        if self.skip_existing and self.update:
            raise option_error("skip_existing", "it does not go with --update, which mirrors what has changed again")
        if self.journal and self.no_journal:
            raise option_error("no_journal", "it does not go with --journal")
        for name in ("update", "retry_failed"):
            # In place a journal is kept unasked. It does not outlive a run that does all that failed before.
            unasked = name == "update" and self.in_place and not self.no_journal
            if getattr(self, name) and not (self.journal or unasked):
                hint = ", or the one that is kept with --in-place" if name == "update" else ""
                raise option_error(name, f"it needs a journal, for example --journal run.journal{hint}")

    @property
    def rate_here(self) -> float | None:
        """The rate that this shard may use: its part of the whole, as the other shards ask the same server."""
        return self.rate if self.rate is None or self.shard is None else self.rate / self.shard.count

    @property
    def limits(self) -> Limits:
        """What one picture may ask of the flip."""
        return Limits(frame_pixels=self.max_frame_pixels, total_pixels=self.max_total_pixels, frames=self.max_frames)
