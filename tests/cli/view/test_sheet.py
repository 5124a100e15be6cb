"""The contact sheet of runs: what it gathers, and how a run that goes on adds to it."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import trio
from PIL import ImageOps

from tests.cli.view.fake_run import failed, mirrored
from tests.cli.view.test_page import HOSTILE, Seen, points
from tests.helpers.pictures import draw, encode, png
from trio_mirror import Outcome, Report, Stage
from trio_mirror.api.opening import open_run
from trio_mirror.cli.view.earlier import MAX_BYTES
from trio_mirror.cli.view.page import page
from trio_mirror.cli.view.sample import Pair
from trio_mirror.cli.view.sheet import Sheet
from trio_mirror.cli.view.thumbnails import decibels, thumbnail
from trio_mirror.model import Flipped
from trio_mirror.pipeline.hooks import Hooks
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from trio_mirror import Result

PICTURE = encode(draw(40, 30), "PNG")


def run(path: Path, *results: Result, **report: object) -> Seen:
    """The page of a run with these results, whose pictures were all flipped, except those that failed there."""
    sheet = Sheet(str(path))
    ended = Report(source="http://host/", target="out", listed=len(results), **report)  # type: ignore[arg-type]
    for result in results:
        if result.outcome is not Outcome.SKIPPED:
            has_failed = result.stage is Stage.FLIP
            sheet.sample(result.name, PICTURE, None if has_failed else Flipped(PICTURE, "image/png", result.lossless))
        ended.add(result)
        sheet.add(result)
    assert trio.run(sheet.write, ended) is None
    return Seen(path.read_text())


def cards(path: Path) -> list[str]:
    return [unescape(it) for it in re.findall(r'<li class="item.*?<bdi class="name">(.*?)</bdi>', path.read_text())]


def test_a_run_that_goes_on_adds_to_the_page_and_says_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    a, b, skipped = mirrored("a.png"), failed("b.png", stage=Stage.FLIP), failed("a.png", None, outcome=Outcome.SKIPPED)

    first = run(path, a, b, stopped_by="signal")
    assert "1 of 2 pictures mirrored" in first.text
    assert "Not whole: the run was stopped before all was done (signal)." in first.text
    second = run(path, skipped, mirrored("b.png"), mirrored("c.png"))

    assert "3 of 3 pictures mirrored" in second.text
    assert "Whole: nothing of the list is left to be done. Mirrored in earlier runs: 1." in second.text
    assert cards(path) == ["a.png", "b.png", "c.png"]
    assert [attributes.get("id") for tag, attributes in second.elements if tag == "h2"].count("runs") == 1
    assert len(re.findall("<tr><td>....-..-.. ..:.. UTC</td>", path.read_text())) == 2
    third = run(path, mirrored("a.png"))
    assert (cards(path), "Runs" in third.text) == (["a.png"], False), "a whole page is followed by a new one"


def test_a_picture_that_failed_is_shown_and_called_mirrored_once_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"

    first = run(path, mirrored("a.png"), failed("b.png", "it is odd", stage=Stage.FLIP))
    assert [attributes["alt"] for tag, attributes in first.elements if tag == "img"][-1] == "b.png, before"
    assert "failed at flip: it is odd" in first.text
    # It was not drawn by lot this time.
    sheet, report = Sheet(str(path)), Report(source="http://host/", target="out", listed=1)
    report.add(mirrored("b.png"))
    sheet.add(mirrored("b.png"))
    trio.run(sheet.write, report)

    assert cards(path) == ["a.png", "b.png"]
    assert "failed at flip" not in path.read_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_page_holds_of_hostile_names_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "sheet.html"
    run(path, failed(name, stage=Stage.FLIP))
    before = cards(path)

    run(path, mirrored("b.png"))

    assert cards(path) == [*before, "b.png"]


@pytest.mark.parametrize("change", ["target", "runs", "pair", "cut"])
def test_a_page_that_somebody_has_changed_is_written_anew(tmp_path: Path, change: str) -> None:
    path = tmp_path / "sheet.html"
    run(path, failed("b.png", stage=Stage.FLIP))
    text = path.read_text()
    changed = {
        "target": text.replace("out", "ins"),
        "runs": text.replace('data-runs="[', 'data-runs="[['),
        "pair": re.sub(r'data-pair="\[', 'data-pair="[7, ', text),
        "cut": text[: len(text) // 2],
    }
    assert changed[change] != text
    path.write_text(changed[change])

    run(path, mirrored("a.png"))

    assert cards(path) == ["a.png"]


def test_links_lead_to_the_files_that_are_there(tmp_path: Path) -> None:
    name, folder = "a #1 <b>?.png", tmp_path / "pages"
    for place in ("photos", "out"):
        (tmp_path / place).mkdir()
        (tmp_path / place / name).write_bytes(PICTURE)
    pairs = [Pair(0, name, result=mirrored(name)), Pair(1, "gone.png", result=mirrored("gone.png"))]
    source, target = str(tmp_path / "photos"), str(tmp_path / "out")

    def links(source: str) -> list[Path]:
        seen = Seen(page(Report(source=source, target=target), pairs, [], folder=folder))
        found = [str(attributes["href"]) for tag, attributes in seen.elements if tag == "a"]
        return [(folder / unquote(link)).resolve() for link in found if not link.startswith("#")]

    folder.mkdir()
    assert links(source) == [tmp_path / "photos" / name, tmp_path / "out" / name]
    assert links("http://host/") == links(target) == [tmp_path / "out" / name]


@pytest.mark.parametrize("letter", ['"', "日", "&"])
def test_no_name_and_no_message_makes_a_page_large(tmp_path: Path, letter: str) -> None:
    report, long = Report(source=letter * 4_096, target=letter * 4_096), letter * 1_300
    picture = thumbnail(encode(draw(800, 600), "PNG"))
    pairs = []
    for number in range(1_000):
        result = mirrored(f"{number}{long}", notes=(f"{number}{long}",) * 9)
        pairs += [Pair(number, result.name, picture, picture, result)] * (number < 60)
        report.add(result)
        report.add(failed(f"{number}{long}", error=long))

    assert len(page(report, pairs, points(999)).encode()) < MAX_BYTES


def test_a_re_encoded_picture_has_its_decibels() -> None:
    image = draw(160, 120)
    before, after = encode(image, "JPEG", quality=90), encode(ImageOps.mirror(image), "JPEG", quality=50)
    close = decibels(before, after)

    assert close is not None
    assert 25 < close < 45
    assert decibels(before, encode(draw(20, 20), "JPEG")) is decibels(b"", before) is None
    assert decibels(PICTURE, encode(ImageOps.mirror(draw(40, 30)), "PNG")) is None, "it is the same"
    text = Seen(page(Report(source="a", target="b"), [Pair(0, "a", None, None, mirrored(lossless=False), 43.21)], []))
    assert "mirrored, re-encoded (43.2\xa0dB), 2.0\xa0KiB" in text.text


async def test_pictures_whose_flip_fails_are_shown_to_the_sheet(tmp_path: Path) -> None:
    shown = []
    (tmp_path / "in").mkdir()
    for name, data in {"good.png": png(), "bad.png": png()[:-30]}.items():
        (tmp_path / "in" / name).write_bytes(data)

    hooks = Hooks(sampler=lambda name, before, flipped: shown.append((name, len(before), flipped is not None)))
    async with open_run(tmp_path / "in", tmp_path / "out", Settings(), hooks) as run:
        assert len([result async for result in run]) == 2

    assert sorted(shown) == [("bad.png", len(png()) - 30, False), ("good.png", len(png()), True)]
