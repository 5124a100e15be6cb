"""SVG: a group around all that is drawn, and nothing else changed; what cannot be wrapped safely is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror import flip
from trio_mirror.errors import FlipError
from trio_mirror.flip import sniff

SPACE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def drawing(content: str = '<rect width="4" height="9"/>', root: str = 'viewBox="2 0 20 10"') -> bytes:
    return f'<?xml version="1.0"?>\n<!-- drawn here -->\n<svg {SPACE} {root}>{content}</svg>\n'.encode()


def test_what_is_drawn_is_wrapped_and_unwrapped_again() -> None:
    data = drawing()
    assert sniff(data) == "svg"
    once = flip(data)
    assert once.media_type == "image/svg+xml"
    assert once.lossless
    assert once.data == drawing('<g transform="matrix(-1 0 0 1 24 0)"><rect width="4" height="9"/></g>')
    assert flip(once.data).data == data


@pytest.mark.parametrize("before", ["", "<title>a</title><defs/>\n<metadata><a/></metadata>", "\n<!-- a --><desc/>"])
@pytest.mark.parametrize("behind", ["", "<metadata/>\n", "<title>b</title><style/>"])
def test_what_draws_nothing_stays_where_readers_look_for_it(before: str, behind: str) -> None:
    drawn = '<g><title>of the group</title></g>\n<desc/><rect width="4" height="9"/>\n'
    data = drawing(before + drawn + behind)
    once = flip(data).data
    assert once == drawing(f'{before}<g transform="matrix(-1 0 0 1 24 0)">{drawn}</g>{behind}')
    assert flip(once).data == data


@pytest.mark.parametrize(
    ("root", "sides"),
    [
        ('viewBox="0 0 20 10"', "20"),
        ('viewBox="-2.5,1 20.25 10" width="50%"', "15.25"),
        ('width="30" height="10"', "30"),
        ('width="30.5px"', "30.5"),
        ('viewBox="0 0 8 8" preserveAspectRatio="xMidYMin"', "8"),
    ],
)
def test_the_axis_is_the_middle_of_what_is_shown(root: str, sides: str) -> None:
    assert f'<g transform="matrix(-1 0 0 1 {sides} 0)">'.encode() in flip(drawing(root=root)).data


GROUP = '<g transform="matrix(-1 0 0 1 24 0)">'
parts = st.sampled_from(["<g><g/></g>", "text", " ", "<!-- > -->", "<![CDATA[<]]>", GROUP])


# Two groups within each other mirror nothing, and go one after the other.
@given(st.lists(parts, min_size=1).filter(lambda drawn: drawn.count(GROUP) < 2))
def test_any_content_is_the_same_after_two_flips(drawn: list[str]) -> None:
    content = "".join(drawn) + "</g>" * drawn.count(GROUP)
    data = drawing(content)
    once = flip(data).data
    assert once != data
    assert flip(once).data == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (drawing("<script>alert(1)</script>"), "a script"),
        (drawing('<g><rect onclick="alert(1)"/></g>'), "a script"),
        (drawing("<foreignObject/>"), "foreign content"),
        (drawing('<image href="http://host/a.png"/>'), "other files"),
        (drawing('<image xlink:href="a.png"/>'), "other files"),
        (drawing('<rect fill="url(http://host/a.svg#b)"/>'), "other files"),
        (drawing("<style>@import 'a.css';</style>"), "styles"),
        (drawing("<style>svg > rect { fill: red }</style>"), "styles"),
        (drawing("<style>g { opacity: 0.5 }</style>"), "styles"),
        (drawing("<style>* { opacity: 0.5 }</style>"), "styles"),
        (drawing("<style><![CDATA[rect:first-child { fill: red }]]></style>"), "styles"),
        (drawing('<animate attributeName="viewBox"/>'), "an animation of itself"),
        (drawing(root='viewBox="0 0 8 8" transform="scale(2)"'), "outermost"),
        (drawing(root='viewBox="0 0 8 8" preserveAspectRatio="xMinYMid"'), "outermost"),
        (drawing(root='viewBox="0 0 8 8" style="transform: scale(2)"'), "outermost"),
        (drawing(root='width="100%"'), "no size"),
        (drawing(root='width="8" style="width: 40px"'), "no size"),
        (drawing(root='viewBox="0 0 many 8"'), "no size"),
        (drawing().replace(b'><rect width="4" height="9"/></svg>', b"/>"), "draws nothing"),
        (drawing()[:-9], "cannot be read"),
        (drawing().replace(b"?>", b' encoding="UTF-16"?>'), "encoding"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + drawing()[21:], "not a picture|entities"),
        (b"<?xml-stylesheet href='a.css'?>" + drawing()[21:], "style sheet"),
        (drawing().replace(b"http://www.w3.org/2000/svg", b"http://host"), "XML page"),
        (drawing("<g>" * 256 + "</g>" * 256), "more than 256 elements deep"),
        (drawing(f'<g xmlns:a="{"a" * 1_001}"/>'), "a namespace of over 1,000 characters"),
    ],
)
def test_what_cannot_be_wrapped_safely_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(FlipError, match=message):
        flip(data)


MANIFEST = '<c2pa:manifest xmlns:c2pa="http://c2pa.org/manifest">AAAA</c2pa:manifest>'


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("layout", ["<metadata>{}</metadata><g/>", "<g/>\n<metadata>{}{}</metadata>", "<g>{}</g>"])
def test_content_credentials_are_taken_out_unless_they_are_to_be_kept(layout: str, *, keep: bool) -> None:
    data, bare = (drawing(layout.replace("{}", it)) for it in (MANIFEST, ""))
    result = flip(data, keep_credentials=keep)
    assert flip(result.data, keep_credentials=keep).data == (data if keep else bare)
    became = "kept, though they no longer hold" if keep else "taken out"
    assert result.notes == (f"content credentials {became}: a C2PA manifest",)


def test_references_inside_the_file_are_welcome() -> None:
    flip(drawing('<style>rect { fill: url(#a) }</style><use xlink:href="#b"/><rect fill="url(#a)" style="x:y"/>'))
    flip(drawing('<image href="data:image/png;base64,AAAA"/>'))


def test_styles_of_groups_with_a_name_are_welcome() -> None:
    flip(drawing("<style>/* of a */ g.a, .g, #g, g#b { fill: red }</style><g class='a'/>"))


def test_spaces_before_a_reference_are_passed_over_once() -> None:
    flip(drawing(f'<rect fill="url({" " * 400_000}#a)"/>'))  # for each of them, it would take minutes
