"""The nouns that travel through a run: pictures, their results, and the report that sums them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lossless(StrEnum):
    """What to do with a picture whose mirroring may need a second, lossy compression."""

    AUTO = "auto"
    """Exact where the format allows it, else re-encoded closely."""
    ALWAYS = "always"
    """Exact, or a FlipError."""
    NEVER = "never"
    """JPEG is always decoded and re-encoded."""


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
    """One encoded picture and its name. The same type before and after the flip."""

    name: str
    """Its place below the gallery's base: path segments joined by ``/``, not percent-encoded."""
    data: bytes
    """The encoded picture."""
    media_type: str
    """Its media type, such as ``image/jpeg``."""
    etag: str | None = None
    """The entity tag that its source gave this version of it, quotes included (RFC 9110, section 8.8.3)."""


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
    """What a person should know, a sentence each: a thumbnail dropped, a preview left out."""
