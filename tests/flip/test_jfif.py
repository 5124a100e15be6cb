from __future__ import annotations

import pytest
from PIL import Image, ImageOps

from tests.flip.jpegs import drawn
from trio_mirror.flip.jpeg.jfif import mirrored_jfif, mirrored_jfxx

HEAD = b"JFIF\0\1\2\1\0\x48\0\x48"
BITMAP = drawn(7, 5)


@pytest.mark.parametrize(("rows", "wanted"), [(False, ImageOps.mirror(BITMAP)), (True, ImageOps.flip(BITMAP))])
def test_a_bitmap_is_mirrored_exactly(rows: bool, wanted: Image.Image) -> None:
    payload = HEAD + b"\7\5" + BITMAP.tobytes() + b"behind"
    assert mirrored_jfif(payload, rows=rows) == (HEAD + b"\7\5" + wanted.tobytes() + b"behind", ())
    extension = b"JFXX\0\x13\7\5"
    assert mirrored_jfxx(extension + BITMAP.tobytes(), bytes, rows=rows) == (extension + wanted.tobytes(), ())


def test_a_palette_stays_and_its_indices_are_mirrored() -> None:
    head = b"JFXX\0\x11\3\2" + bytes(range(256)) * 3
    assert mirrored_jfxx(head + b"abcdef", bytes, rows=False) == (head + b"cbafed", ())


@pytest.mark.parametrize("payload", [HEAD + b"\0\0", HEAD + b"\0\5", HEAD, HEAD[:9]])
def test_a_segment_without_a_bitmap_stays_as_it_is(payload: bytes) -> None:
    assert mirrored_jfif(payload, rows=False) == (payload, ())


def test_a_bitmap_that_is_cut_off_is_dropped_with_a_note() -> None:
    payload, notes = mirrored_jfif(HEAD + b"\7\5" + bytes(104), rows=False)
    assert payload == HEAD + b"\0\0"
    assert notes == ("the JFIF thumbnail was dropped: it is cut off",)


@pytest.mark.parametrize("payload", [b"JFXX\0\x13\7\5" + bytes(104), b"JFXX\0\x12abcdef", b"JFXX\0"])
def test_an_extension_that_makes_no_sense_is_dropped_with_a_note(payload: bytes) -> None:
    mirrored, notes = mirrored_jfxx(payload, bytes, rows=False)
    assert mirrored is None
    assert len(notes) == 1


def test_a_jpeg_that_outgrows_its_segment_is_dropped_with_a_note() -> None:
    mirrored, notes = mirrored_jfxx(b"JFXX\0\x10" + bytes(10), lambda _: bytes(65_528), rows=False)
    assert mirrored is None
    assert "larger than its segment" in notes[0]
