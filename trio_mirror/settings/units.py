"""Sizes, times, rates and other values, read and written the way people do: ``64MiB``, ``1m30s``, ``50/s``.

The ValueErrors of the parsers say what is expected, without the text: it may be a secret.
"""

from __future__ import annotations

import os
import re
import sys

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)\s*h)?\s*(?:(\d+(?:\.\d+)?)\s*m(?:in)?)?\s*(?:(\d+(?:\.\d+)?)\s*(?:s|sec)?)?",
    re.IGNORECASE | re.ASCII,
)
_RATE = re.compile(r"(.+?)\s*(?:/\s*(s|sec|m|min|h))?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PER = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def parse_size(text: str) -> int:
    """Reads a number of bytes: ``65536``, ``64KiB`` (× 1024), ``64kB`` (× 1000), ``1.5G`` (× 1024³)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a size, for example 65536, 64KiB or 1.5GiB")
    number, prefix, binary = match.groups()
    # "64K" without a unit means what it means to dd and ls: 1024.
    base = 1024 if binary or not text.strip().lower().endswith("b") else 1000
    size = float(number) * base ** " kmgt".index(prefix.lower() or " ")
    if size >= sys.maxsize:
        raise ValueError("more bytes than a machine can count")
    return int(size)


def parse_duration(text: str) -> float:
    """Reads a number of seconds: ``30``, ``0.5s``, ``1m30s``, ``1 min 30 s``, ``2h``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError("expected a duration, for example 30, 90s or 1m30s")
    hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def parse_rate(text: str) -> float:
    """Reads a number of events a second: ``50``, ``50/s``, ``300/min``."""
    number, per = _split_rate(text)
    if not _NUMBER.fullmatch(number):
        raise ValueError("expected a rate, for example 50/s or 300/min")
    return float(number) / per


def parse_byte_rate(text: str) -> float:
    """Reads a number of bytes a second: ``1024``, ``1KiB/s``."""
    size, per = _split_rate(text)
    try:
        return parse_size(size) / per
    except ValueError:
        raise ValueError("expected a rate of bytes, for example 1KiB/s") from None


def _split_rate(text: str) -> tuple[str, int]:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        return text, 1
    number, per = match.groups()
    return number, _PER[(per or "s").lower()]


def parse_flag(text: str) -> bool:
    """Reads yes or no, in the usual words."""
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("expected yes or no")


def parse_text(text: str) -> str:
    """Takes any text but an empty one, as of a variable never set, and one with a NUL, which no path can hold."""
    if not text:
        raise ValueError("expected some text; leave the option out for its default")
    if "\0" in text:
        raise ValueError("expected text without a NUL")
    return text


def parse_path(text: str) -> str:
    """Takes a path; ``~`` is the home folder also where no shell has seen it, as in a file."""
    return os.path.expanduser(parse_text(text))


def parse_count(text: str) -> int:
    """Reads a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected a whole number, for example 16") from None


def format_size(count: float) -> str:
    """Writes bytes for people, in binary units: ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def format_duration(seconds: float) -> str:
    """Writes seconds for people: ``0.4 s``, ``1 min 05 s``, ``2 h 03 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def format_moment(seconds: float) -> str:
    """Writes the seconds of one step for people, to three digits or so: ``0.4 ms``, ``64 ms``, ``1.25 s``."""
    milliseconds = 1_000 * seconds
    if milliseconds >= 999.5:
        return f"{seconds:,.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.1f} ms"
