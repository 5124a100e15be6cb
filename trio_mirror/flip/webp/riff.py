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
    if len(data) < _RIFF_HEADER:
        raise FlipError("the WebP is damaged: it ends inside its header")
    end = _CHUNK_HEADER + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise FlipError(f"the WebP is damaged: {end - len(data):,} bytes are missing at its end")
    return Container(read_chunks(data[_RIFF_HEADER:end]), data[end:])


def read_chunks(data: bytes) -> list[Chunk]:
    """Reads chunks side by side."""
    chunks = []
    at = 0
    while at < len(data):
        if len(data) - at < _CHUNK_HEADER:
            raise FlipError("the WebP is damaged: it ends inside the header of a part")
        code, size = struct.unpack_from("<4sI", data, at)
        at += _CHUNK_HEADER
        payload = data[at : at + size]
        if len(payload) < size:
            raise FlipError("the WebP is damaged: a part of it is cut short")
        at += size
        if size % 2:
            chunks.append(Chunk(code, payload, padding=data[at : at + 1]))
            at += 1
        else:
            chunks.append(Chunk(code, payload))
    return chunks
