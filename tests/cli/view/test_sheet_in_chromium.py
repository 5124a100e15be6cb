"""The contact sheet as people use it: each control, by keyboard and by mouse, and what a screen reader is given."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.view.fake_run import failed, mirrored
from tests.cli.view.test_page import points
from tests.helpers.chromium import Page, chromium
from tests.helpers.pictures import draw, encode
from trio_mirror import Outcome, Report, Stage
from trio_mirror.cli.view.earlier import Past
from trio_mirror.cli.view.page import page
from trio_mirror.cli.view.sample import Pair
from trio_mirror.cli.view.thumbnails import LARGE, thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.slow

# As npm installs it, in a checkout or for all.
AXE = [
    Path(root, "node_modules/axe-core/axe.min.js") for root in (Path(__file__).parents[3], "/usr/lib", "/usr/local/lib")
]
VISIBLE = """
    [...document.querySelectorAll(".item")].filter((it) => !it.closest(".lives") && it.checkVisibility())
        .map((it) => it.querySelector(".name").textContent)
"""
ALL = ["exact.png", "again.jpg", "cut.png", "lost.png", "lost.png", "broken.jpg"]
# WCAG 2, sections 1.4.3 and 1.4.6: the contrast of each text with what lies behind it.
CONTRASTS = """
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((it) => it / 255)
        .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
        .reduce((sum, it, at) => sum + it * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        const color = parse(getComputedStyle(element).backgroundColor);
        return color[3] === 0 && element.parentElement ? behind(element.parentElement) : color;
    };
    [...document.querySelectorAll("body *")]
        .filter((it) => it.checkVisibility())
        .filter((it) => [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .map((it) => {
            const [a, b] = [light(parse(getComputedStyle(it).color)), light(behind(it))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), it.outerHTML.slice(0, 80)];
        })
"""


@cache
def sheet() -> str:
    """A page with all that a page may have."""
    picture = encode(draw(1_200, 800), "PNG")
    large, small = (thumbnail(picture, LARGE), thumbnail(picture))
    lives = {"began": {Stage.LIST: 0.0, Stage.FETCH: 0.1}, "seconds": {Stage.FETCH: 0.2}}
    exact = mirrored("exact.png", **lives)
    again = mirrored("again.jpg", lossless=False, notes=("not mirrored: the place on earth",), **lives)
    cut, lost = failed("cut.png", stage=Stage.FLIP), failed("lost.png", outcome=Outcome.UNKNOWN, stage=Stage.UPLOAD)
    report = Report(source="http://host/", target="out", listed=6, stopped_by="signal")
    for result in (exact, again, lost, failed("broken.jpg")):
        report.add(result)
    pairs = [
        Pair(0, "exact.png", large, large, exact),
        Pair(1, "again.jpg", small, small, again, 43.21),
        Pair(2, "cut.png", small, None, cut),
        Pair(3, "lost.png", None, None),
    ]
    return page(report, pairs, points(), [Past("2026-01-01 10:00 UTC", 1, 2, 3, 4.0, "signal")])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def opened(browser: Page, tmp_path: Path) -> Page:
    (tmp_path / "sheet.html").write_text(sheet(), encoding="utf-8")
    browser.requests.clear()
    browser.log.clear()
    browser.open(tmp_path / "sheet.html")
    return browser


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("all", ALL),
        ("mirrored", ["exact.png", "again.jpg"]),
        ("failed", ["cut.png", "broken.jpg"]),
        ("unknown", ["lost.png", "lost.png"]),
        ("reencoded", ["again.jpg"]),
        ("noted", ["again.jpg"]),
    ],
)
def test_each_filter_shows_its_pictures_and_says_how_many(opened: Page, chosen: str, names: list[str]) -> None:
    opened.click(f"#only-{chosen}")

    assert opened.evaluate(VISIBLE) == names
    assert opened.evaluate("document.querySelector('output').textContent") == f"{len(names)} of 6 shown"
    assert opened.evaluate("document.querySelector('output').ariaLive") == "polite"


def test_filters_search_and_format_go_together_by_keyboard(opened: Page) -> None:
    opened.evaluate("document.querySelector('#only-all').focus()")
    opened.press("ArrowRight")
    assert opened.evaluate(VISIBLE) == ["exact.png", "again.jpg"], "the filter of what is mirrored"
    for _ in range(3):
        opened.press("Tab")
    for letter in "AG":
        opened.press(letter)
    assert opened.evaluate(VISIBLE) == ["again.jpg"], "whatever the case"
    opened.press("Tab")
    opened.press("p")
    assert opened.evaluate("document.activeElement.value") == "PNG"
    assert opened.evaluate(VISIBLE) == []
    assert opened.evaluate("document.querySelector('output').textContent") == "0 of 6 shown"


def test_a_picture_is_enlarged_and_compared_by_keyboard(opened: Page) -> None:
    opened.evaluate("document.querySelector('.enlarge').focus()")
    opened.press("Enter")

    assert opened.evaluate("document.querySelector('dialog').open")
    assert opened.evaluate("document.querySelector('dialog').ariaLabel") == "exact.png"
    assert opened.evaluate("document.querySelector('dialog img').clientWidth") > 500
    cuts = "[...document.querySelectorAll('dialog img')].map((it) => getComputedStyle(it).clipPath)"
    assert opened.evaluate(cuts) == ["inset(0px 50% 0px 0px)", "inset(0px 0px 0px 50%)"]
    opened.press("ArrowRight")
    assert opened.evaluate(cuts) == ["inset(0px 49% 0px 0px)", "inset(0px 0px 0px 51%)"]
    opened.press("Home")
    assert opened.evaluate(cuts) == ["inset(0px 100% 0px 0px)", "inset(0px 0px 0px 0%)"]
    for _ in range(4):
        opened.press("Tab")
        assert opened.evaluate("document.activeElement.closest('dialog, body').tagName") in {"DIALOG", "BODY"}
    opened.press("Escape")
    assert not opened.evaluate("document.querySelector('dialog').open")
    assert opened.evaluate("document.activeElement.className") == "enlarge", "the focus is where it was"


def test_a_picture_is_enlarged_by_a_click_and_closed_by_another(opened: Page) -> None:
    is_open = "document.querySelector('dialog').open"
    opened.click(".grid img")
    assert opened.evaluate(is_open)
    opened.click("dialog > button")
    assert not opened.evaluate(is_open)

    opened.click(".item:nth-child(3) .enlarge")
    assert opened.evaluate("document.querySelector('dialog').ariaLabel") == "cut.png"
    assert opened.evaluate("document.querySelector('dialog input').checkVisibility()") is False, "nothing to compare"
    assert opened.evaluate("getComputedStyle(document.querySelector('dialog img')).clipPath") == "inset(0px 0% 0px 0px)"
    opened.call("Input.dispatchMouseEvent", type="mousePressed", x=3, y=3, button="left", clickCount=1)
    opened.call("Input.dispatchMouseEvent", type="mouseReleased", x=3, y=3, button="left", clickCount=1)
    assert not opened.evaluate(is_open)


def test_the_slider_follows_the_mouse(opened: Page) -> None:
    opened.click(".enlarge")
    x, y, width = opened.evaluate(
        "box = document.querySelector('dialog input').getBoundingClientRect();"
        "[box.x, box.y + box.height / 2, box.width]"
    )
    for kind in ("mousePressed", "mouseReleased"):
        opened.call("Input.dispatchMouseEvent", type=kind, x=x + width / 4, y=y, button="left", clickCount=1)
    assert 20 < opened.evaluate("parseFloat(document.querySelector('dialog').style.getPropertyValue('--cut'))") < 30


def test_performance_is_closed_and_opens_by_key_and_by_its_link(opened: Page) -> None:
    is_open = "document.querySelector('#performance').open"
    assert not opened.evaluate(is_open)
    opened.evaluate("document.querySelector('#performance summary').focus()")
    opened.press("Enter")
    assert opened.evaluate(is_open)
    assert opened.evaluate("document.querySelectorAll('#performance .lives li').length") == 2
    opened.press("Enter")
    opened.click("nav a:last-child")
    assert opened.evaluate("location.hash") == "#performance"
    assert opened.evaluate("document.querySelector('#performance h2').checkVisibility()")


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Page) -> None:
    for selector in ("#only-failed", "#only-all", ".enlarge", "dialog > button", "summary"):
        opened.click(selector)

    assert [url.rpartition("/")[2] for url in opened.requests] == ["sheet.html"]
    assert opened.log == []


def test_all_that_can_be_used_has_a_name(opened: Page) -> None:
    opened.evaluate("document.querySelectorAll('details').forEach((it) => it.open = true)")
    named = [(role, name) for role, name in opened.accessible() if role not in {"StaticText", "InlineTextBox"}]

    roles = {"button", "radio", "checkbox", "searchbox", "combobox", "link", "image", "region", "navigation", "group"}
    assert {role for role, _ in named} >= {"button", "radio", "checkbox", "searchbox", "combobox", "link", "image"}
    assert [it for it in named if it[0] in roles - {"group", "region"} and not it[1].strip()] == []
    assert ("button", "Enlarge exact.png") in named
    assert ("image", "exact.png, before") in named
    opened.click(".enlarge")
    inside = opened.accessible()
    assert ("dialog", "exact.png") in inside
    assert ("slider", "Share of the original that is shown") in inside
    levels = opened.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((it) => Number(it.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_texts_stand_out_and_nothing_is_cut_off(opened: Page, tmp_path: Path, width: int, dark: bool) -> None:
    opened.open(tmp_path / "sheet.html", width, dark=dark)
    opened.evaluate("document.querySelectorAll('details').forEach((it) => it.open = true)")
    for chosen in ("all", "mirrored"):
        opened.click(f"#only-{chosen}")
        low = [it for it in opened.evaluate("{" + CONTRASTS + "}") if it[0] < 4.5]
        assert low == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls down alone"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(opened: Page, tmp_path: Path, width: int, dark: bool) -> None:
    axe = next((path for path in AXE if path.exists()), None)
    if axe is None:
        pytest.skip("no axe-core on this machine: npm install --no-save axe-core")
    opened.open(tmp_path / "sheet.html", width, dark=dark)
    opened.evaluate(axe.read_text())
    opened.evaluate("document.querySelectorAll('details').forEach((it) => it.open = true)")
    found = "axe.run().then(({violations}) => violations.map((it) => [it.id, it.nodes.map((node) => node.html)]))"
    assert opened.evaluate(found) == []
    opened.click(".enlarge")
    assert opened.evaluate(found) == []
