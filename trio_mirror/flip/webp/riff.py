"""The container of WebP (RFC 9649, section 2): chunks in a RIFF file, read and written byte for byte."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trio_mirror.errors import FlipError

_RIFF_HEADER = 12
_CHUNK_HEADER = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a RIFF file: its four-character code and what it holds."""

    code: bytes
    payload: bytes
    padding: bytes = b"\0"  # what follows a payload of odd length: a zero, or whatever (or nothing) the file has there

    def to_bytes(self) -> bytes:
        """The chunk as it stands in a file."""
        padding = self.padding if len(self.payload) % 2 else b""
        return self.code + struct.pack("<I", len(self.payload)) + self.payload + padding


@dataclass(frozen=True, slots=True)
class Container:
    """A WebP file: its chunks, and bytes that follow the RIFF part."""

    chunks: list[Chunk]
    trailer: bytes = b""

    def to_bytes(self) -> bytes:
        """The whole file."""
        body = b"".join(chunk.to_bytes() for chunk in self.chunks)
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + self.trailer


def read_container(data: bytes) -> Container:
    """Reads a WebP file."""
    end = _CHUNK_HEADER + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise FlipError(f"the WebP is damaged: {end - len(data):,} bytes are missing at its end")
    return Container(read_chunks(data[_RIFF_HEADER:end]), data[end:])


def read_chunks(data: bytes) -> list[Chunk]:
    """Reads chunks side by side."""
    chunks = []
    at = 0
    while at < len(data):
        body, size = at + _CHUNK_HEADER, int.from_bytes(data[at + 4 : at + 8], "little")
        end = body + size
        if end > len(data):
            raise FlipError("the WebP is damaged: a part of it is cut short")
        padding = data[end : end + 1] if size % 2 else b"\0"  # which a payload of another length may need
        chunks.append(Chunk(data[at : at + 4], data[body:end], padding))
        at = end + size % 2
    return chunks
