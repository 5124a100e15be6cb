from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.galleries.listing import WINDOW, ListingParser
from trio_mirror.names import MAX_NAME_BYTES


def parse(*chunks: bytes) -> list[str]:
    parser = ListingParser()
    return [name for chunk in chunks for name in parser.feed(chunk)] + parser.end()


def test_a_bom_crlf_blank_lines_and_repeats_are_normal() -> None:
    assert parse(b"\xef\xbb\xbfa.png\r\n\r\n  \nb.png\na.png\nc d.png") == ["a.png", "b.png", "c d.png"]


def test_a_name_keeps_its_spaces_and_its_letters() -> None:
    assert parse(" a .png\nbäume.jpg\n".encode()) == [" a .png", "bäume.jpg"]


@given(text=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_where_the_chunks_are_cut_makes_no_difference(text: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(edges)]

    assert parse(*chunks) == parse(text)


def test_a_line_without_end_is_held_only_as_far_as_it_can_be_a_name() -> None:
    parser = ListingParser()
    for _ in range(1_000):
        assert parser.feed(b"x" * 65_536) == []

    [name] = parser.feed(b"\nnext.png")
    assert len(name) == MAX_NAME_BYTES + 1
    assert parser.end() == ["next.png"]


def test_repeats_are_noticed_within_the_window_only() -> None:
    many = b"".join(b"%d\n" % number for number in range(WINDOW + 10))

    assert len(parse(many, b"%d\n" % (WINDOW + 5))) == WINDOW + 10
    assert len(parse(many, b"0\n")) == WINDOW + 11
