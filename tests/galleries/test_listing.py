from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.errors import ListError
from trio_mirror.galleries.dedup_window import WINDOW
from trio_mirror.galleries.list_decoder import ListDecoder
from trio_mirror.galleries.listing import ListingParser
from trio_mirror.names import MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


def parse(*chunks: bytes) -> list[str]:
    decoder, parser = ListDecoder("names.txt"), ListingParser("names.txt")
    texts = chain(chain.from_iterable(map(decoder.feed, chunks)), decoder.end())
    return [name for text in texts for name in parser.feed(text)] + parser.end()


def outcome(*chunks: bytes) -> list[str] | str:
    try:
        return parse(*chunks)
    except ListError as error:
        return str(error)


def test_a_bom_crlf_blank_lines_and_repeats_are_normal() -> None:
    assert parse(b"\xef\xbb\xbfa.png\r\n\r\n  \nb.png\na.png\nc d.png") == ["a.png", "b.png", "c d.png"]


def test_a_name_keeps_its_spaces_and_its_letters() -> None:
    assert parse(" a .png\nbäume.jpg\n".encode()) == [" a .png", "bäume.jpg"]


@given(text=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_where_the_chunks_are_cut_makes_no_difference(text: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(edges)]

    assert outcome(*chunks) == outcome(text)


FORMS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a BOM": lambda text: text.encode("utf-8-sig"),
    "UTF-16, little end first": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "UTF-16 in gzip": lambda text: gzip.compress(text.encode("utf-16")),
    "between NULs": lambda text: text.replace("\r\n", "\0").encode(),
}


@pytest.mark.parametrize("form", FORMS)
@given(
    names=st.lists(st.sampled_from(["a.png", "b c.png", "日本.png", "😀.png", "x"]), unique=True),
    size=st.integers(1, 9),
)
def test_a_list_is_read_in_each_form_that_programs_write(form: str, names: list[str], size: int) -> None:
    data = FORMS[form]("".join(f"{name}\r\n" for name in names))

    assert parse(*(data[at : at + size] for at in range(0, len(data), size))) == names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a.png\nb.png\n".encode("utf-32"), "is in UTF-32, and not text in UTF-8"),
        (codecs.BOM_UTF32_BE + "a.png".encode("utf-32-be"), "is in UTF-32, and not text in UTF-8"),
        *(
            (f"{first}.png\nb.png\n".encode(wide), "not in UTF-8, but in UTF-16 or UTF-32 without a byte order mark")
            for wide, first in (
                ("utf-16-le", "a"),
                ("utf-16-be", "a"),
                ("utf-32-le", "a"),
                ("utf-32-le", "日"),
                ("utf-32-be", "日"),
            )
        ),
        ("a.png\nb.png\n".encode("utf-16")[:-1], "is in UTF-16 and ends early"),
        ("ä.png\nö.png\n".encode("latin-1"), "is not in UTF-8: not one of its lines is"),
        ("".join(f"ä{n}.png\n" for n in range(100)).encode("latin-1") + b"a.png", "not one of its first 100 lines is"),
        (gzip.compress(b"a.png")[:-3], "is in gzip and ends early"),
        (gzip.compress(b"a.png")[:-8] + bytes(8), "is a damaged gzip file"),
        (b"PK\x03\x04" + bytes(30), "is a ZIP file"),
        (bz2.compress(b"a.png"), "is compressed by bzip2"),
        (lzma.compress(b"a.png"), "is compressed by xz"),
    ],
)
def test_a_list_in_another_form_is_one_error_that_names_it(data: bytes, message: str) -> None:
    assert message in outcome(data)
    assert outcome(data) == outcome(*(bytes([byte]) for byte in data))


def test_lines_that_are_not_utf_8_come_out_beside_one_that_is() -> None:
    assert parse(b"\xe4.png\n\xf6.png\na.png\n") == ["\udce4.png", "\udcf6.png", "a.png"]
    assert parse(b"\xe4.png\n") == ["\udce4.png"]
    assert parse(codecs.BOM_UTF16_LE + b"\x00\xd8\n\x00a\x00") == ["\udced\udca0\udc80", "a"]


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_list_that_find_has_written_names_what_is_below_the_folder(separator: bytes) -> None:
    found = [b"./a.png", b"./b/c.png", b"a.png", b"./../d.png", b"././e.png", b".//f.png", b".g.png", b""]

    assert parse(separator.join(found)) == ["a.png", "b/c.png", "../d.png", "./e.png", "/f.png", ".g.png"]


def test_a_nul_within_a_list_of_lines_stays_in_its_name() -> None:
    assert parse(b"a.png\nb\0c.png\n") == ["a.png", "b\0c.png"]
    assert parse(b"a.png\0b\nc.png\0") == ["a.png", "b\nc.png"]


def test_however_much_a_gzip_list_decodes_to_it_comes_in_small_pieces() -> None:
    pieces = ListDecoder("names.txt").feed(gzip.compress(b"a.png\n" * 1_000_000))

    assert max(map(len, pieces)) <= 65_536


def test_a_line_without_end_is_held_only_as_far_as_it_can_be_a_name() -> None:
    parser = ListingParser("names.txt")
    for _ in range(1_000):
        assert parser.feed(b"x" * 65_536) == []

    [name] = parser.feed(b"\nnext.png")
    assert len(name) == MAX_NAME_BYTES + 1
    assert parser.end() == ["next.png"]


def test_repeats_are_noticed_within_the_window_only() -> None:
    many = b"".join(b"%d\n" % number for number in range(WINDOW + 10))

    assert len(parse(many, b"%d\n" % (WINDOW + 5))) == WINDOW + 10
    assert len(parse(many, b"0\n")) == WINDOW + 11
