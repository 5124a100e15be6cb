"""JPEG 2000: it knows no orientation, so that it is decoded and encoded again, exactly where it is reversible.

ISO/IEC 15444-1; in a JP2 file (annex I) the codestream alone is replaced, and what the other boxes state of places in
the picture is mirrored.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from uuid import UUID

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.credentials import credentials
from trio_mirror.flip.isobmff import DAMAGED, Box, Edits, whole_boxes
from trio_mirror.flip.jpeg2000.header import Coding, read_coding
from trio_mirror.flip.limits import check_density, check_size
from trio_mirror.flip.metadata import Metadata
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.flip.positions import Mirror
from trio_mirror.model import Flipped, Limits

_CODESTREAM = b"\xff\x4f\xff\x51"
_MOST_SAMPLES = 60_000_000  # pixels by components; decoding and encoding take up to 16 bytes for each
# In decibels: what is close enough, and what is asked of the encoder, one after the other, to get there.
_CLOSE = 40
_DECIBELS = (45, 50, 60)
_LOSSY_NOTE = "It was encoded again, within 40 dB, since its JPEG 2000 is not reversible."
# The identifiers of UUID boxes, which stand at their start.
_XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_EXIF = b"JpgTiffExif->JP2"
_GEOGRAPHY = UUID("b14bf8bd-083d-4b43-a5ae-8cd7d5a6ce03").bytes
_GEOGRAPHY_NOTE = "not mirrored: the place on earth that it states (GeoJP2)"


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a codestream or a JP2 file, exactly where its wavelet is reversible, and else within 40 dB.

    Raises:
        FlipError: damaged, over a limit, or of a kind that Pillow cannot keep.
    """
    if data.startswith(_CODESTREAM):
        mirrored, coding = _mirrored_stream(data, limits)
        return Flipped(mirrored, "image/j2c", lossless=coding.reversible, notes=_notes(coding))
    top = whole_boxes(data)
    streams = [box for box in top if box.kind == b"jp2c"]
    if len(streams) != 1:
        raise FlipError(f"{DAMAGED}: the JPEG 2000 has {len(streams)} codestreams instead of one")
    [stream] = streams
    mirrored, coding = _mirrored_stream(data[stream.body : stream.end], limits)
    headers = [box for box in top if box.kind == b"jp2h"]
    if not coding.reversible and any(header.child(data, b"pclr") for header in headers):
        raise FlipError("the picture is a JPEG 2000 with a palette that is not reversible, which cannot be kept")
    edits = Edits(data)
    edits.splice(stream, stream.body, stream.end, mirrored)
    metadata = Metadata(Mirror(*coding.size), keep_credentials=keep_credentials)
    notes = _notes(coding) + _mirror_metadata(data, top, metadata, edits)
    notes += credentials(data, top, edits, keep=keep_credentials)
    return Flipped(edits.apply(), "image/jp2", lossless=coding.reversible, notes=notes)


def _notes(coding: Coding) -> tuple[str, ...]:
    return () if coding.reversible else (_LOSSY_NOTE,)


def _mirrored_stream(stream: bytes, limits: Limits) -> tuple[bytes, Coding]:
    coding = read_coding(stream)
    width, height = coding.size
    check_size(width, height, limits)
    samples = width * height * coding.components
    if samples > _MOST_SAMPLES:
        raise FlipError(f"the JPEG 2000 has {samples:,} samples, more than the {_MOST_SAMPLES:,} decoded here")
    check_density(samples * coding.sample_bytes, len(stream))
    with map_pillow_errors("the JPEG 2000"):
        image = open_image(stream, "JPEG2000", limits)
        wanted = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        comment = {"comment": image.info["comment"]} if "comment" in image.info else {}
        del image  # as large as what it was made into
        for quality in ({},) if coding.reversible else ({"quality_layers": [each]} for each in _DECIBELS):
            out = io.BytesIO()
            wanted.save(out, "JPEG2000", **coding.options, **quality, **comment)
            got = open_image(out.getvalue(), "JPEG2000")
            got.load()
            if got.tobytes() == wanted.tobytes() or (quality and closeness(got, wanted) >= _CLOSE):
                return out.getvalue(), coding
    raise FlipError("the JPEG 2000 cannot be encoded again closely enough")


def _mirror_metadata(data: bytes, top: Sequence[Box], metadata: Metadata, edits: Edits) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    mirrors = {_XMP: metadata.xmp, _EXIF: metadata.exif}
    for box in top:
        kind = data[box.body : box.body + 16] if box.kind == b"uuid" else b""
        if kind in mirrors:
            content, more = mirrors[kind](data[box.body + 16 : box.end])
            edits.splice(box, box.body + 16, box.end, content)
            notes += more
        elif kind == _GEOGRAPHY:
            notes += (_GEOGRAPHY_NOTE,)
    return notes
