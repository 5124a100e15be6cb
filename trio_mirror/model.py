"""The nouns that travel through a run: pictures, their results, and the report that sums them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

_IN_BRACKETS = re.compile(r" \(.*?\)(?=, |$)")
KEPT_FAILURES = 1_000
"""How many failed or unknown results a report keeps whole; the others are only counted."""
KEPT_KINDS, KEPT_NAMES = 100, 20
"""How many kinds of notes a report keeps, and of each the names of how many pictures."""


class Outcome(StrEnum):
    """How one picture ended."""

    MIRRORED = "mirrored"
    """The target said that it has the mirrored picture."""
    SKIPPED = "skipped"
    """There was nothing to do."""
    FAILED = "failed"
    """The target does not have it, and the error says why."""
    UNKNOWN = "unknown"
    """It was sent and no answer came back, or its worker process died: the target may have it or not."""


class Stage(StrEnum):
    """Where in the pipeline."""

    LIST = "list"
    FETCH = "fetch"
    FLIP = "flip"
    UPLOAD = "upload"


class Lossless(StrEnum):
    """What to do with a picture whose mirroring may need a second, lossy compression."""

    AUTO = "auto"
    """Exact where the format allows it, else re-encoded closely."""
    ALWAYS = "always"
    """Exact, or a FlipError."""
    NEVER = "never"
    """JPEG, inside TIFF too, is always decoded and re-encoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a picture may at most ask of this machine. Checked from its headers, before anything is decoded."""

    frame_pixels: int = 100_000_000
    """Pixels of one frame or page, width × height."""
    total_pixels: int = 500_000_000
    """Pixels of all frames or pages together."""
    frames: int = 1_000
    """Frames or pages of one picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An encoded picture with its name in a gallery. The same type before and after the flip."""

    name: str
    """Its place below the gallery's base: segments separated by ``/``, not percent-encoded."""
    data: bytes
    """The encoded picture."""
    media_type: str
    """Its media type, such as ``image/jpeg``, as its gallery tells it."""
    etag: str | None = None
    """Its entity tag (RFC 9110, section 8.8.3), where its gallery gives one."""
    modified: float | None = None
    """When it was last changed (RFC 9110, section 8.8.2), in seconds since the epoch, where its gallery says so."""
    properties: object = None
    """What else its object store keeps with it, such as ``Cache-Control``, for the store that it goes to."""
    upload_key: str | None = None
    """What all attempts to store it have in common, so that a target can tell a repetition."""


@dataclass(frozen=True, slots=True)
class Flipped:
    """A mirrored picture, still encoded in the format it came in."""

    data: bytes
    """The encoded picture."""
    media_type: str
    """Its media type, such as ``image/jpeg``, told from its bytes."""
    lossless: bool
    """Whether every pixel is exactly the mirrored original's."""
    notes: tuple[str, ...] = ()
    """What a person should know, each a sentence or ``kind: details``: a thumbnail dropped, a preview left out."""


@dataclass(kw_only=True, slots=True)
class Result:
    """How one picture ended. Every name that enters a run gets exactly one.

    It is the one record of a picture: the stages fill it in, the journal keeps it, the events print it. It no longer
    changes once it was handed out.
    """

    name: str
    outcome: Outcome = Outcome.UNKNOWN
    stage: Stage = Stage.LIST
    """The last stage that it reached."""
    error: str | None = None
    """Why it failed or is unknown, or is not a picture: a sentence."""
    transient: bool = False
    """Whether running again may help."""
    refused: bool = False
    """Whether its gallery refused us: authentication, or rights."""
    status: int | None = None
    """The status of the HTTP response that it failed with, where there is one."""
    not_picture: bool = False
    """Whether it is something else, by its bytes, and by its name too."""
    attempts: int = 0
    """Requests made for it, over all stages and retries."""
    retries: int = 0
    """Those of them that repeated a failed one."""
    bytes_in: int = 0
    """Bytes of the picture as fetched."""
    bytes_out: int = 0
    """Bytes of the mirrored picture as stored; 0 unless it was mirrored."""
    etag: str | None = None
    """The entity tag of the picture as fetched, where its gallery gives one."""
    digest_in: str | None = None
    """The XXH3-128 in hexadecimal of what was fetched (as ``xxh128sum`` prints it), where a journal is kept."""
    digest: str | None = None
    """The same of what was uploaded, or of what the target made of it."""
    lossless: bool = False
    """Whether every pixel of the stored picture is exactly the mirrored original's."""
    notes: tuple[str, ...] = ()
    """What the flip has to say, a sentence each."""
    seconds: dict[Stage, float] = field(default_factory=dict)
    """Seconds spent in each stage, without the wait for a thread, or for the rate to admit its first request."""
    began: dict[Stage, float] = field(default_factory=dict)
    """When each stage began, in seconds since the run did; ``list`` is when its name was taken."""
    time: float = 0.0
    """When it ended, in seconds since the epoch."""
    run: str | None = None
    """The id of the run that it belongs to, where a journal is kept."""

    @property
    def is_intent(self) -> bool:
        """Whether it was written before its upload, whose end is not known yet."""
        return self.outcome is Outcome.UNKNOWN and self.error is None


@dataclass(slots=True)
class Noted:
    """The pictures with a note of one kind."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    """The first `KEPT_NAMES` of them."""


def _kinds(notes: tuple[str, ...]) -> dict[str, None]:
    """The kinds of notes, in order: what stands before a colon, and each thing by itself that was not mirrored."""
    kinds: dict[str, None] = {}
    for note in notes:
        kind, _, details = note.partition(": ")
        # What stands in brackets is of one picture, and may hold a comma itself.
        things = _IN_BRACKETS.sub("", details).split(", ") if kind == "not mirrored" else ()
        kinds |= dict.fromkeys(f"{kind}: {thing}" for thing in things) or {kind: None}
    return kinds


@dataclass(kw_only=True, slots=True)
class Report:
    """The sum of the results of a run, whole at any moment of it."""

    source: str
    target: str
    listed: int = 0
    """Names taken from the list so far; the results and those still in flight."""
    mirrored: int = 0
    skipped: int = 0
    not_pictures: int = 0
    """Those skipped that are something else."""
    failed: int = 0
    unknown: int = 0
    transient: int = 0
    """Failed pictures that may work later."""
    refused: int = 0
    """Failed pictures whose gallery refused us: authentication, or rights."""
    retries: int = 0
    """Requests made beyond the first of their kind, for all pictures."""
    lossless: int = 0
    """Mirrored pictures that are exact."""
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    """How long the run took, or has taken so far."""
    stopped_by: str | None = None
    """What ended the run before all was done: a setting's name, ``signal``, ``error`` or the caller's ``drain``."""
    journal: str | None = None
    """The journal that a run in place keeps by itself, as long as something is left to be done."""
    failures: list[Result] = field(default_factory=list)
    """The first `KEPT_FAILURES` results that failed or are unknown."""
    notes: dict[str, Noted] = field(default_factory=dict)
    """What the flips had to say, by kind."""

    @property
    def finished(self) -> int:
        """Names that have their result."""
        return self.mirrored + self.skipped + self.failed + self.unknown

    def add(self, result: Result) -> None:
        """Counts one result."""
        match result.outcome:
            case Outcome.MIRRORED:
                self.mirrored += 1
                self.lossless += result.lossless
            case Outcome.SKIPPED:
                self.skipped += 1
                self.not_pictures += result.not_picture
            case Outcome.FAILED:
                self.failed += 1
                self.transient += result.transient
                self.refused += result.refused
            case Outcome.UNKNOWN:
                self.unknown += 1
        self.retries += result.retries
        self.bytes_in += result.bytes_in
        self.bytes_out += result.bytes_out
        if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN) and len(self.failures) < KEPT_FAILURES:
            self.failures.append(result)
        for kind in _kinds(result.notes):
            if kind in self.notes or len(self.notes) < KEPT_KINDS:
                noted = self.notes.setdefault(kind, Noted())
                noted.count += 1
                noted.names += [result.name] * (len(noted.names) < KEPT_NAMES)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, the form of ``--json``."""
        plain = asdict(self)
        plain["seconds"] = round(self.seconds, 3)
        plain["failures"] = [
            {"name": it.name, "stage": it.stage, "error": it.error, "attempts": it.attempts} for it in self.failures
        ]
        return plain
