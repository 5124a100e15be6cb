from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.galleries.http.coding import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def decoded(coding: str, chunks: Iterable[bytes]) -> bytes:
    decoder = Decoder(coding)
    body = b"".join(piece for chunk in chunks for piece in decoder.feed(chunk))
    decoder.end()
    return body


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "capitals": (" GZip ", gzip.compress),
    "old name": ("x-gzip", gzip.compress),
    "no coding": ("UTF-8", bytes),
    "the framing of an upload": ("aws-chunked", bytes),
    "no coding beside one": ("aws-chunked, gzip", gzip.compress),
    "identity beside one": ("gzip, identity", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its wrapper": ("deflate", bare_deflate),
}


@pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)
@given(part=st.binary(max_size=300), times=st.sampled_from([1, 1_000]), size=st.integers(1, 70_000))
def test_what_was_encoded_comes_out_however_it_is_cut_into_chunks(
    coding: str, encode: Callable[[bytes], bytes], part: bytes, times: int, size: int
) -> None:
    body = times * part

    assert decoded(coding, cut(encode(body), size)) == body


def test_all_members_of_a_gzip_body_come_out() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two")

    assert decoded("gzip", [body]) == decoded("gzip", cut(body, 1)) == b"one two"


def test_no_piece_is_large_however_much_a_chunk_decodes_to() -> None:
    sizes = [len(piece) for piece in Decoder("gzip").feed(gzip.compress(bytes(10_000_000)))]

    assert sum(sizes) == 10_000_000
    assert max(sizes) <= 65_536


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "UTF-8, br"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(httpx.DecodingError, match="not asked for"):
        Decoder(coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_damage_is_told(coding: str) -> None:
    with pytest.raises(httpx.DecodingError, match="damaged"):
        decoded(coding, [b"\x08 these are just words"])


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_body_that_ends_early_is_told(coding: str, encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(httpx.DecodingError, match="ends early"):
        decoded(coding, [encode(b"all of it")[:-3]])
