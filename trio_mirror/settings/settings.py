"""Every choice that a user can make, once: its default, its unit, its check.

The command line, the configuration file, the environment and the library all fill the same `Settings`. Each
field carries what the command line needs to know of it (`fields`), so that nothing is written twice.
"""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypedDict

from trio_mirror.model import Limits, Lossless
from trio_mirror.names import MAX_NAME_BYTES
from trio_mirror.settings.fields import (
    Panel,
    cannot_work,
    choice,
    count,
    flag,
    parse_count,
    parse_text,
    seconds,
    setting,
    table_of,
    value_of,
)
from trio_mirror.settings.shard import Shard, parse_shard
from trio_mirror.settings.units import parse_byte_rate, parse_rate, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_mirror.settings.fields import Setting


class UploadAs(StrEnum):
    """The form in which a picture is posted."""

    MULTIPART = "multipart"
    """``multipart/form-data``, one part (RFC 7578)."""
    RAW = "raw"
    """The picture is the body; its name travels as ``?name=``."""


class RetryUploads(StrEnum):
    """Whether an upload is sent again when it was sent and no answer came."""

    ALWAYS = "always"
    """At least once: the target may get a picture twice, under the same ``Idempotency-Key``."""
    NEVER = "never"
    """At most once: the outcome is ``unknown``."""


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_header(text: str) -> tuple[str, str]:
    """Reads ``Name: value``.

    Raises:
        ValueError: there is no colon. The text may be a secret, so the message does not repeat it.
    """
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError("it is not a header; write it like 'Name: value'")
    return name.strip(), value.strip()


def parse_auth(text: str) -> tuple[str, str]:
    """Reads ``USER:PASSWORD``.

    Raises:
        ValueError: there is no colon. The text is a secret, so the message does not repeat it.
    """
    user, colon, password = text.partition(":")
    if not colon:
        raise ValueError("it holds no colon; write it like USER:PASSWORD")
    return user, password


# Ray's own forms of an address, and "local", which starts it here.
_CLUSTER = re.compile(r"auto|local|(ray://)?(\[[0-9A-Fa-f:.]+\]|[^\s/@:\[\]]+):\d{1,5}")

# Each picture in flight and each flip has a task or a thread from the beginning; of ports a machine has no more.
_MOST = {"concurrency": 65_536, "flip_threads": 1_024, "processes": 1_024}

_POSITIVE = (
    "concurrency",
    "flip_threads",
    "processes",
    "slice",
    "rate",
    "timeout",
    "flip_timeout",
    "picture_timeout",
    "deadline",
    "limit",
    "max_failures",
    "max_bytes",
    "max_bytes_total",
    "max_frame_pixels",
    "max_total_pixels",
    "max_frames",
    "max_headers",
    "max_header_bytes",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is done. Checked on construction.

    Raises:
        SettingsError: a value that cannot work; the message names the field.
    """

    concurrency: int = count(16, "Pictures in flight at once.", Panel.RUN, short="-c")
    flip_threads: int | None = count(None, "Threads that flip.", Panel.RUN, shown="the cores", example="2")
    processes: int = count(1, "Processes that share the work.", Panel.RUN)
    cluster: str | None = setting(
        None,
        "Ray cluster that shares the work: ray://HOST:PORT, HOST:PORT, auto or local.",
        Panel.RUN,
        parse_text,
        "CLUSTER",
        "none",
        example="local",
    )
    slice: int = count(2_000, "Names that a worker of the cluster takes at once.", Panel.RUN)
    adaptive: bool = flag("Fewer in flight while the server is overloaded.", Panel.RUN, default=True)
    rate: float | None = setting(
        None,
        "Requests started a second, evenly spaced.",
        Panel.RUN,
        parse_rate,
        "RATE",
        shown="no limit",
        example="50/s",
        kind=Real,
    )
    base: str | None = setting(
        None,
        "Where the names of a list live: a URL or a folder.",
        Panel.RUN,
        parse_text,
        "PLACE",
        "none",
        example="http://host/images/",
    )
    drain: float = seconds(30.0, "How long the first Ctrl-C waits for what is in flight.", Panel.RUN)

    timeout: float = seconds(30.0, "For one request attempt, body included.", Panel.TIME)
    flip_timeout: float = seconds(60.0, "For one flip.", Panel.TIME)
    picture_timeout: float = seconds(600.0, "For one picture, with all its attempts and waits.", Panel.TIME)
    deadline: float | None = seconds(None, "For the whole run; then it drains.", Panel.TIME)
    min_rate: float = setting(
        1024.0, "Slowest body, over 30 s.", Panel.TIME, parse_byte_rate, "RATE", shown="1KiB/s", kind=Real
    )

    limit: int | None = count(None, "At most this many names of the list.", Panel.PICK, shown="all")
    include: Sequence[str] = setting(
        (), "Only names that match; repeatable.", Panel.PICK, parse_text, "GLOB", "all", example="*.jpg"
    )
    exclude: Sequence[str] = setting(
        (), "No names that match; repeatable.", Panel.PICK, parse_text, "GLOB", "none", example="*.gif"
    )
    shard: Shard | None = setting(
        None,
        "Only part K of N, and 1/N of the rate; auto/N under Kubernetes and Slurm.",
        Panel.PICK,
        parse_shard,
        "K/N",
        "all",
        example="1/4",
        kind=Shard,
    )

    lossless: Lossless = choice(
        Lossless.AUTO, "Exact where the format allows it; exact or failed; always re-encoded.", Panel.FLIP
    )

    retries: int = count(4, "Further attempts of what may work later.", Panel.RETRY)
    retry_after_max: float = seconds(300.0, "Longest Retry-After that is waited for.", Panel.RETRY)
    retry_uploads: RetryUploads = choice(
        RetryUploads.ALWAYS, "Send again an upload that was never answered.", Panel.RETRY
    )
    max_failures: int | None = count(None, "Stop after so many failed pictures.", Panel.RETRY, shown="no limit")

    journal: str | None = setting(
        None,
        "Remember results here, to go on later.",
        Panel.JOURNAL,
        parse_text,
        "FILE",
        "none",
        example="run.journal",
    )
    update: bool = flag("Mirror again what has changed since.", Panel.JOURNAL)
    retry_failed: bool = flag("Only what failed or is unknown.", Panel.JOURNAL)

    max_bytes: int = setting(
        64 * 1024**2, "Bytes of one picture.", Panel.LIMITS, parse_size, "SIZE", shown="64MiB", kind=Integral
    )
    max_bytes_total: int | None = setting(
        None,
        "Stop after so many bytes downloaded.",
        Panel.LIMITS,
        parse_size,
        "SIZE",
        "no limit",
        example="10GiB",
        kind=Integral,
    )
    max_frame_pixels: int = count(Limits().frame_pixels, "Pixels of one frame or page.", Panel.LIMITS)
    max_total_pixels: int = count(Limits().total_pixels, "Pixels of all its frames together.", Panel.LIMITS)
    max_frames: int = count(Limits().frames, "Frames or pages of one picture.", Panel.LIMITS)
    max_name_bytes: int = count(MAX_NAME_BYTES, "Bytes of one name of the list.", Panel.LIMITS)
    max_headers: int = count(100, "Headers of one answer.", Panel.LIMITS)
    max_header_bytes: int = setting(
        64 * 1024, "Bytes of its headers.", Panel.LIMITS, parse_size, "SIZE", shown="64KiB", kind=Integral
    )

    header: Sequence[tuple[str, str]] = setting(
        (),
        "A header for every request; repeatable.",
        Panel.HTTP,
        parse_header,
        "'NAME: VALUE'",
        "none",
        example="Name: value",
        kind=tuple,
        secret=True,
    )
    auth: tuple[str, str] | None = setting(
        None,
        "Credentials, HTTP Basic.",
        Panel.HTTP,
        parse_auth,
        "USER:PASSWORD",
        "none",
        example="USER:PASSWORD",
        kind=tuple,
        secret=True,
    )
    ca_file: str | None = setting(
        None, "Certificates to trust, PEM.", Panel.HTTP, parse_text, "FILE", "the system's", example="ca.pem"
    )
    insecure: bool = flag("Trust any certificate.", Panel.HTTP)
    upload_as: UploadAs = choice(UploadAs.MULTIPART, "The form of an upload.", Panel.HTTP)
    field: str = setting("image", "The multipart field of the picture.", Panel.HTTP, parse_text, "NAME")
    success_status: Sequence[int] = setting(
        (200,), "An answer that means stored; repeatable.", Panel.HTTP, parse_count, "CODE", shown="200", kind=Integral
    )

    def __post_init__(self) -> None:
        for name, declared in settings_table().items():
            object.__setattr__(self, name, value_of(name, declared, getattr(self, name)))
            if declared.kind is Integral and not declared.repeatable:
                most = _MOST.get(name, sys.maxsize)
                self._require(name, f"at most {most:,}", most.__ge__)
        for name in _POSITIVE:
            self._require(name, "a number above 0", lambda value: 0 < value < math.inf)
        for name in ("drain", "min_rate", "retries", "retry_after_max"):
            self._require(name, "a number of 0 or more", lambda value: 0 <= value < math.inf)
        self._require("max_name_bytes", f"from 1 to {MAX_NAME_BYTES}", lambda value: 1 <= value <= MAX_NAME_BYTES)
        self._require("cluster", "ray://HOST:PORT, HOST:PORT, auto or local", _CLUSTER.fullmatch)
        if self.cluster and self.processes > 1:
            raise cannot_work(
                "cluster", "it does not go with --processes: each core of the cluster is a worker already"
            )
        self._require("field", "a name in UTF-8 without line breaks", re.compile("[^\r\n\0\ud800-\udfff]+").fullmatch)
        self._require(
            "success_status",
            "codes from 200 to 299",
            lambda codes: codes and all(200 <= it < 300 for it in codes),
        )
        for pair in self.header:
            _check_header(*_pair("header", pair))
        if self.auth is not None:
            _pair("auth", self.auth)
        for name in ("update", "retry_failed"):
            if getattr(self, name) and not self.journal:
                raise cannot_work(name, "it needs a journal, such as --journal run.journal")

    def _require(self, name: str, wanted: str, holds: Callable[[Any], object]) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            example = settings_table()[name].example
            raise cannot_work(name, f"{value!r} cannot work; it must be {wanted}, such as {example}")

    @property
    def rate_here(self) -> float | None:
        """The rate that this shard may use: its part of the whole, as the other shards ask the same server."""
        return self.rate if self.rate is None or self.shard is None else self.rate / self.shard.count

    @property
    def limits(self) -> Limits:
        """What one picture may ask of the flip."""
        return Limits(frame_pixels=self.max_frame_pixels, total_pixels=self.max_total_pixels, frames=self.max_frames)


class Choices(TypedDict, total=False):
    """The fields of `Settings` as keyword arguments, for type checkers. A text is read as on the command line."""

    concurrency: int
    flip_threads: int | None
    processes: int
    cluster: str | None
    slice: int
    adaptive: bool
    rate: float | str | None
    base: str | None
    drain: float | str
    timeout: float | str
    flip_timeout: float | str
    picture_timeout: float | str
    deadline: float | str | None
    min_rate: float | str
    limit: int | None
    include: Sequence[str]
    exclude: Sequence[str]
    shard: Shard | str | None
    lossless: Lossless | str
    retries: int
    retry_after_max: float | str
    retry_uploads: RetryUploads | str
    max_failures: int | None
    journal: str | None
    update: bool
    retry_failed: bool
    max_bytes: int | str
    max_bytes_total: int | str | None
    max_frame_pixels: int
    max_total_pixels: int
    max_frames: int
    max_name_bytes: int
    max_headers: int
    max_header_bytes: int | str
    header: Sequence[tuple[str, str] | str]
    auth: tuple[str, str] | str | None
    ca_file: str | None
    insecure: bool
    upload_as: UploadAs | str
    field: str
    success_status: Sequence[int]


def settings_table() -> dict[str, Setting]:
    """What is told of each field of `Settings`, by its name, in order."""
    return table_of(Settings)


def _pair(name: str, value: tuple[Any, ...]) -> tuple[str, str]:
    """Makes sure of a pair of texts, and does not repeat them: they may be secret."""
    if len(value) != 2 or not all(isinstance(it, str) for it in value):
        raise cannot_work(name, f"it must be two texts, or one like {settings_table()[name].example}")
    return value


def _check_header(name: str, value: str) -> None:
    # RFC 9110, section 5.1 (a name is a token) and 5.5 (no CR, LF or NUL in a value).
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise cannot_work("header", f"{name!r} is no header name; write the header like 'Name: value'")
    if re.search(r"[\r\n\0]", value):
        raise cannot_work("header", f"the value of {name} holds a line break")
    if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
        raise cannot_work("header", f"{name} is set by the connection itself and cannot be chosen")
