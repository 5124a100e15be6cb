"""The pictures of the contact sheet: a card each, with before and after."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from trio_mirror.cli.view.earlier import pair_attribute
from trio_mirror.cli.view.html import item, shown, within
from trio_mirror.cli.view.phrase import phrase
from trio_mirror.cli.view.sample import Pair
from trio_mirror.cli.view.thumbnails import MEDIA_TYPE
from trio_mirror.galleries.disk_names import to_disk
from trio_mirror.model import Outcome, Report, Result
from trio_mirror.settings import format_size

_BUDGET = 2_450_000  # bytes of all cards; only very long names and notes exceed it


def outcome_of(pair: Pair) -> Outcome:
    """How a picture ended, as far as it is known."""
    # A run that was stopped at once has no result for what was in flight: it may or may not have been stored.
    return Outcome.UNKNOWN if pair.result is None else pair.result.outcome


def cards(report: Report, pairs: Sequence[Pair], folder: Path | None) -> Iterator[str]:
    """The section of the pictures, with links to files of this machine from the folder of the page."""
    yield f'<section aria-labelledby="pictures"><h2 id="pictures">{len(pairs):,} pictures before and after</h2>'
    if len(pairs) < report.listed:
        yield '<p class="quiet">Drawn by lot from all that were flipped, and from those whose flip failed.</p>'
    yield '<ul class="grid">'
    places = {"original": Path(report.source), "mirrored": Path(report.target)}
    if report.source == report.target:
        del places["original"]
    yield from within(_BUDGET, (_card(pair, places if folder else {}, folder or Path()) for pair in pairs))
    yield "</ul></section>"


def _card(pair: Pair, places: dict[str, Path], folder: Path) -> str:
    """One picture, in one line: `earlier` reads it again."""
    outcome, name = outcome_of(pair), shown(pair.name)
    links = " ".join(_links(pair.name, places, folder))
    # What the page's script brings to life.
    button = f'<button type="button" class="enlarge" hidden>Enlarge<span class="unseen"> {name}</span></button>'
    return (
        f"<li {item(pair.name, outcome, pair.result)} {pair_attribute(pair)}><figure>"
        f'<div class="pair">{_picture(pair.before, f"{name}, before")}{_after(pair, name)}</div>{button}'
        f'<figcaption><bdi class="name">{name}</bdi>{_caption(pair, outcome)}{links}</figcaption></figure></li>'
    )


def _after(pair: Pair, name: str) -> str:
    if pair.after is None and pair.result is not None and pair.result.outcome is Outcome.FAILED:
        return "<span>not mirrored</span>"
    return _picture(pair.after, f"{name}, mirrored")


def _picture(data: bytes | None, described: str) -> str:
    if data is None:
        return "<span>no thumbnail</span>"
    return f'<img alt="{described}" src="data:{MEDIA_TYPE};base64,{b64encode(data).decode()}">'


def _links(name: str, places: dict[str, Path], folder: Path) -> Iterator[str]:
    for what, place in places.items():
        file = place / to_disk(name)
        if os.path.isfile(file):  # noqa: PTH113 (false, too, for a path that is too long)
            link = quote(os.fsencode(os.path.relpath(file, folder)))
            yield f'<a href="{link}">{what}<span class="unseen"> of {shown(name)}</span></a>'


def _caption(pair: Pair, outcome: Outcome) -> str:
    result, text = pair.result, f'<span class="outcome {outcome}">{outcome}</span>'
    if result is None:
        return f"{text}, cut off when the run was stopped"
    if result.error is not None:
        return f"{text} at {result.stage}: {shown(result.error)}"
    notes = "".join(f'<br><span class="quiet">{shown(phrase(note))}</span>' for note in result.notes)
    return f"{text}, {_exactness(pair, result)}{_sizes(result)}{notes}<br>"


def _exactness(pair: Pair, result: Result) -> str:
    if result.lossless:
        return "exact"
    return "re-encoded" if pair.decibels is None else f"re-encoded ({pair.decibels:.1f}\xa0dB)"


def _sizes(result: Result) -> str:
    # A number stays beside its unit.
    before, after = (format_size(size).replace(" ", "\xa0") for size in (result.bytes_in, result.bytes_out))
    return f", {before} →\xa0{after}" if result.bytes_out else ""
