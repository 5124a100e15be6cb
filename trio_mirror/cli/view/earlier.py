"""What the contact sheet of an earlier run holds, for the page of the run that goes on with it."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import Any

from trio_mirror.cli.view.sample import Pair
from trio_mirror.cli.view.thumbnails import MEDIA_TYPE
from trio_mirror.model import Outcome, Report, Result, Stage

MAX_BYTES = 3_000_000  # of a page
_MAX_RUNS = 50
_STATE = re.compile(r'<main data-runs="([^"]*)">')
_CARD = re.compile(r'<li class="item[^>]* data-pair="([^"]*)">.*')
_IMAGE = re.compile(rf'src="data:{MEDIA_TYPE};base64,([\w+/=]+)"')


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:1_000]


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(it)[:1_000] for it in values)


# What a card shows of a result, and how that is read: anybody may have changed the page.
_FIELDS: dict[str, Any] = {
    "name": str,
    "outcome": Outcome,
    "stage": Stage,
    "error": _text,
    "lossless": bool,
    "notes": _texts,
    "bytes_in": int,
    "bytes_out": int,
}


@dataclass(frozen=True, slots=True)
class Past:
    """One run, as a page lists it."""

    ended: str  # when, in UTC
    mirrored: int
    failed: int
    unknown: int
    seconds: float
    stopped_by: str | None

    @classmethod
    def of(cls, report: Report) -> Past:
        """The run of a report that ends now."""
        ended = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        return cls(ended, report.mirrored, report.failed, report.unknown, report.seconds, report.stopped_by)

    @classmethod
    def read(cls, ended: object, mirrored: int, failed: int, unknown: int, seconds: float, stopped_by: object) -> Past:
        """The run that a page states."""
        why = None if stopped_by is None else str(stopped_by)[:40]
        return cls(str(ended)[:40], int(mirrored), int(failed), int(unknown), float(seconds), why)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to be done."""
        return self.stopped_by is None and not (self.failed or self.unknown)


@dataclass(slots=True)
class Earlier:
    """The runs and the pictures of a page."""

    place: tuple[str, ...] = ()  # source and target
    runs: list[Past] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    def is_of(self, report: Report) -> bool:
        """Whether a run goes on where the page's last one ended, and does not begin anew."""
        is_left = bool(self.runs) and not self.runs[-1].is_whole
        return self.place == (report.source, report.target) and (is_left or report.skipped > report.not_pictures)

    def add(self, result: Result) -> None:
        """Takes what this run made of a picture that is on the page."""
        if result.outcome is not Outcome.SKIPPED:
            for pair in self.pairs:
                if pair.name == result.name:
                    pair.result = result


def runs_attribute(report: Report, runs: Sequence[Past]) -> str:
    """The runs of a page, for `read_earlier`."""
    return _attribute("runs", [report.source, report.target, [astuple(run) for run in runs[-_MAX_RUNS:]]])


def pair_attribute(pair: Pair) -> str:
    """What a card shows beside its pictures, for `read_earlier`."""
    result = pair.result and {name: read(getattr(pair.result, name)) for name, read in _FIELDS.items()}
    return _attribute("pair", [pair.name, pair.before is not None, pair.decibels, result])


def read_earlier(path: Path) -> Earlier:
    """Reads the page of an earlier run; an empty one where there is none, or another file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode()
        [state] = _STATE.findall(text)
        source, target, runs = json.loads(unescape(state))
        pairs = [_pair(number, card) for number, card in enumerate(_CARD.finditer(text))]
        return Earlier((source, target), [Past.read(*run) for run in runs], pairs)
    except Exception:  # noqa: BLE001 (whatever is wrong with it: it is written anew)
        return Earlier()


def _attribute(name: str, value: object) -> str:
    return f'data-{name}="{escape(json.dumps(value))}"'


def _pair(number: int, card: re.Match[str]) -> Pair:
    name, has_before, decibels, stated = json.loads(unescape(card[1]))
    images = [b64decode(it) for it in _IMAGE.findall(card[0])]
    before = images.pop(0) if has_before else None
    result = stated and Result(**{name: read(stated[name]) for name, read in _FIELDS.items()})
    return Pair(number, str(name), before, images[0] if images else None, result, decibels and float(decibels))
