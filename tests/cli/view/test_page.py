from __future__ import annotations

import os
import re
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio
from PIL import Image

from tests.cli.view.fake_run import FakeRun, failed, mirrored
from tests.helpers.chromium import CHROMIUM, OPTIONS
from tests.helpers.pictures import draw, encode
from trio_mirror import Outcome, Report, SettingsError, Stage
from trio_mirror.cli.view.page import page
from trio_mirror.cli.view.sample import Pair, Sample
from trio_mirror.cli.view.sheet import Sheet
from trio_mirror.cli.view.thumbnails import thumbnail
from trio_mirror.cli.view.timeline import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">.png",
    "</script><script>document.title='owned'</script>.png",
    '"onload="document.title=1" x=".png',
    "</style><style>*{display:none}</style>.png",
    "evil\u202egnp.exe",
    "\x1b[31mred",
    "[red]x",
    "\udc80.png",
    "日本語の写真.png",
]


def written(names: Sequence[str], points: Sequence[Point] = ()) -> str:
    """A page of one sampled picture and one failure for each name."""
    small = thumbnail(encode(draw(), "PNG"))
    report = Report(source="http://host/<b>", target="out")
    began = {Stage.LIST: 0.0, Stage.FETCH: 0.1, Stage.FLIP: 0.4, Stage.UPLOAD: 0.6}
    pairs = []
    for number, name in enumerate(names):
        result = mirrored(
            name, began=began, seconds={Stage.FETCH: 0.2, Stage.FLIP: 0.1, Stage.UPLOAD: 0.1}, notes=(name,)
        )
        pairs.append(Pair(number, name, small, small, result))
        for it in (result, failed(name, error=name)):
            report.listed += 1
            report.add(it)
    return page(report, pairs, points)


def points(count: int = 5) -> list[Point]:
    return [
        Point(
            time=number * 0.5,
            fetched=number * 3,
            flipped=number * 2,
            uploaded=number * 2,
            retries=number,
            in_flight=4,
            limit=4,
            reason="the server answered 503 <b>",
        )
        for number in range(count)
    ]


class Seen(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_element_and_no_attribute(name: str) -> None:
    plain, hostile = Seen(written(["plain.png"], points())), Seen(written([name], points()))

    assert [(tag, set(attributes)) for tag, attributes in hostile.elements] == [
        (tag, set(attributes)) for tag, attributes in plain.elements
    ]
    assert "\u202e" not in hostile.text
    assert "\x1b" not in hostile.text


def test_nothing_is_loaded_and_only_the_own_script_and_style_may_run() -> None:
    text = written(["a.png"], points())
    seen = Seen(text)

    sources = [value for _, attributes in seen.elements for key, value in attributes.items() if key in {"src", "href"}]
    assert sources
    assert all(value is not None and value.startswith(("data:image/webp;base64,", "#")) for value in sources)
    assert not any(key == "style" or key.startswith("on") for _, attributes in seen.elements for key in attributes)
    policy = next(it["content"] for tag, it in seen.elements if it.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_every_picture_says_what_it_shows_and_every_control_has_a_label() -> None:
    seen = Seen(written(["a.png", "b.png"], points()))

    pictures = [attributes["alt"] for tag, attributes in seen.elements if tag == "img"]
    assert pictures == ["a.png, before", "a.png, mirrored", "b.png, before", "b.png, mirrored"]
    labelled = {attributes.get("for") for tag, attributes in seen.elements if tag == "label"}
    assert next(it["id"] for tag, it in seen.elements if it.get("type") == "search") in labelled
    drawings = [attributes for tag, attributes in seen.elements if tag == "svg"]
    assert drawings
    assert all(it["aria-hidden"] == "true" for it in drawings), "each is told in words beside it"
    assert seen.elements.count(("html", {"lang": "en"})) == 1


def test_the_numbers_of_the_run_are_on_the_page() -> None:
    text = Seen(written(["a.png"], points())).text

    assert "1 of 2 pictures mirrored" in text
    assert "mirrored, exact, 2.0\xa0KiB →\xa01.0\xa0KiB" in text
    assert "uploaded, at most 4.0 a second" in text
    assert "retries, 4 in all" in text
    assert "Slowed down: the server answered 503 <b>" in text
    assert "700 ms, waiting 300 ms, fetching 200 ms, flipping 100 ms, uploading 100 ms" in text


def test_a_picture_cut_off_by_a_stop_is_not_called_mirrored() -> None:
    text = page(Report(source="a", target="b", listed=1), [Pair(0, "a.png", None, None)], [])

    assert "unknown</span>, cut off when the run was stopped" in text
    assert "no thumbnail" in text


def test_a_page_stays_small_whatever_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Random(1)
    report, sample = Report(source="a", target="b"), Sample(60)
    for number in range(60):
        data = encode(Image.frombytes("RGB", (200, 200), noise.randbytes(200 * 200 * 3)), "BMP")
        sample.show(f"{number}.bmp", data, data)
    for number in range(3_000):
        report.add(failed(f"{number}".zfill(4_096), error="x" * 4_096))

    assert all(pair.before for pair in sample.pairs())
    assert len(page(report, sample.pairs(), points(999)).encode()) < 3_000_000


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    sheet = Sheet(str(path))
    report = Report(source="a", target="b")

    assert trio.run(sheet.write, report) is None
    assert path.read_text().startswith("<!DOCTYPE html>")
    path.unlink()
    path.mkdir()
    error = trio.run(sheet.write, report)

    assert str(error).startswith(f"--sheet: {path} cannot be written: ")
    assert [it.name for it in tmp_path.iterdir()] == ["sheet.html"]


def test_a_page_that_could_not_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for path, why in (
        (tmp_path, "it is a folder or a device"),
        (missing / "sheet.html", f"there is no folder {missing}"),
    ):
        with pytest.raises(SettingsError) as refused:
            Sheet(str(path))
        assert str(refused.value) == f"--sheet: {path} cannot be written: {why}"


def test_a_sheet_takes_the_place_of_no_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SettingsError, match=r"--sheet: .*pipe cannot be written"):
        Sheet(str(tmp_path / "pipe"))


async def test_the_timeline_follows_the_run(autojump_clock: object) -> None:
    sheet, run = Sheet("sheet.html"), FakeRun()
    with trio.move_on_after(10):
        await sheet.watch(run.as_run())

    kept = sheet._timeline.points
    assert [it.time for it in kept[:3]] == pytest.approx([0, 0.25, 0.5])
    assert kept[-1].time == pytest.approx(10)


def in_chromium(text: str, folder: Path) -> tuple[str, list[str]]:
    """The page as Chromium has it after its scripts, and what it wrote on its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    file = folder / "sheet.html"
    file.write_text(text, encoding="utf-8")
    options = [*OPTIONS, "--enable-logging=stderr", "--dump-dom", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [CHROMIUM, *options, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


@pytest.mark.slow
def test_hostile_names_do_nothing_in_chromium(tmp_path: Path) -> None:
    names = [name.encode("utf-8", "backslashreplace").decode() for name in HOSTILE]

    dom, console = in_chromium(written(names, points()), tmp_path)

    assert console == []
    assert "<title>http://host/&lt;b&gt; – trio-mirror</title>" in dom
    # The page's own script has run, and found all of them.
    assert re.search(rf"<output[^>]*>{2 * len(names)} of {2 * len(names)} shown</output>", dom)
    assert names[-1] in unescape(dom)


@pytest.mark.slow
def test_what_is_not_the_pages_own_does_not_run_in_chromium(tmp_path: Path) -> None:
    foreign = "<script>document.title = 'owned'</script><img src='http://127.0.0.1:9/x.png'>"

    dom, console = in_chromium(written(["a.png"]).replace("</main>", f"{foreign}</main>"), tmp_path)

    assert "<title>owned" not in dom
    assert len([line for line in console if "Content Security Policy" in line]) == 2


def test_the_outcomes_can_be_filtered_without_scripts() -> None:
    seen = Seen(written(["a.png"]))

    choices = [attributes["id"] for tag, attributes in seen.elements if attributes.get("type") == "radio"]
    style = (Path(__file__).parents[3] / "trio_mirror/cli/view/sheet.css").read_text()
    assert choices == ["only-all", "only-mirrored", "only-failed"]
    for outcome in Outcome:
        assert f"body:has(#only-{outcome}:checked) .item:not(.{outcome})" in style


def test_notes_are_listed_by_kind_with_the_pictures_that_have_them() -> None:
    report = Report(source="a", target="b")
    for number in range(25):
        report.add(mirrored(f"{number}.jpg", notes=(f"the EXIF thumbnail was dropped: {number} <b>",)))
    text = page(report, [], [])
    assert '<a href="#notes">Notes</a>' in text
    assert "<td>the EXIF thumbnail was dropped</td><td>25</td><td><bdi>0.jpg</bdi>, <bdi>1.jpg</bdi>" in text
    assert "<bdi>19.jpg</bdi> and 5 more" in text
