"""Picture names: what is refused, and that nothing accepted leaves the base."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror import names
from trio_mirror.errors import NameRefusedError
from trio_mirror.names import MAX_NAME_BYTES, PictureName, media_type_of, printable

# Text that is rich in what the rules are about.
hostile_names = st.lists(
    st.sampled_from(["/", "\\", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "%00", "%", "2e", "a", "\n", "ü"])
    | st.text(max_size=2),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "sub/deep/a.jpg",
        "Grüße aus 東京.png",
        "100%.jpg",
        "a%20b.jpg",
        "...",
        ".hidden",
        "a..b",
        "a b?#&.gif",
    ],
)
def test_ordinary_and_odd_names_are_accepted_as_written(name: str) -> None:
    assert "/".join(PictureName(name).segments) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("//host/a.jpg", "absolute"),
        ("http://host/a.jpg", "is a URL"),
        ("a//b.jpg", "empty segment"),
        ("a/", "empty segment"),
        ("..", "'..' segment"),
        ("a/../../b.jpg", "'..' segment"),
        ("./a.jpg", "'.' or"),
        ("%2e%2e/a.jpg", "'..' segment"),
        ("%252e%252e/a.jpg", "'..' segment"),
        ("%2%65./a.jpg", "'..' segment"),
        ("..%2Fa.jpg", "hides a slash"),
        ("a%2fb.jpg", "hides a slash"),
        ("..\\a.jpg", "backslash"),
        ("a%5cb.jpg", "backslash"),
        ("a\0.jpg", "control character"),
        ("a%00.jpg", "control character"),
        ("a\x1b[31m.jpg", "control character"),
        ("a\u2028b.jpg", "control character"),
        ("a\udcff.jpg", "not valid UTF-8"),
        ("%" + "25" * 50 + "2e", "over and over"),
        ("a" * (MAX_NAME_BYTES + 1), "longer than 4,096 bytes"),
        ("ü" * (MAX_NAME_BYTES // 2 + 1), "longer than 4,096 bytes"),
    ],
)
def test_a_name_that_is_no_place_below_the_base_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(NameRefusedError, match=reason):
        PictureName(name)


@given(hostile_names)
def test_no_accepted_name_leaves_the_base_however_often_it_is_decoded(name: str) -> None:
    try:
        segments = PictureName(name).segments
    except NameRefusedError:
        return
    for _ in range(6):
        place = posixpath.normpath(posixpath.join("/base", name.replace("\\", "/")))
        assert place.startswith("/base/")
        assert place.count("/") == len(segments) + 1
        name = unquote(name)


def verdict(name: str) -> str | None:
    try:
        PictureName(name)
    except NameRefusedError as refused:
        return str(refused)
    return None


@given(st.text("aZ9_.-/\\%:é\n ", max_size=12))
def test_what_passes_as_ordinary_is_refused_by_no_rule(name: str) -> None:
    quick = verdict(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_ORDINARY", re.compile("(?!)"))
        assert verdict(name) == quick


@given(st.text())
def test_printable_text_moves_no_cursor_and_turns_no_line(text: str) -> None:
    shown = printable(text)
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in shown}
    assert len((shown + ".").splitlines()) == 1


def test_printable_keeps_what_people_write_and_shows_what_tricks_them() -> None:
    assert printable("Grüße\u3000東京 👨\u200d👩\u200d👧.jpg") == "Grüße\u3000東京 👨\u200d👩\u200d👧.jpg"
    assert printable("a\x1b[2J\u202egnp.exe\udcff") == r"a\x1b[2J\u202egnp.exe\udcff"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.JPG", "image/jpeg"),
        ("sub.png/a.webp", "image/webp"),
        ("a.tif", "image/tiff"),
        ("sub.png/a", "application/octet-stream"),
    ],
)
def test_the_media_type_is_told_by_the_extension(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type
