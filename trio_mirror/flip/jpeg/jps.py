"""Which eye sees which view of a JPS, a stereo pair in one picture.

Source: General Purpose Stereoscopic Data Descriptor (VRex, 1997), and of the red view of an anaglyph image_meta_tools.
"""

from __future__ import annotations

from trio_mirror.flip.positions import Mirror, not_mirrored

SIGNATURE = b"_JPSJPS_"

_DESCRIPTOR = slice(11, 14)  # flags, layout and media type, behind the signature, a length and the separation
_MONOSCOPIC, _STEREOSCOPIC = 0, 1
_OTHER_EYE = {1: 2, 2: 1}
_LEFT_FIRST = 4
# Along which coordinate the views of a layout are beside each other: interleaved, side by side, over under, anaglyph.
_ALONG = {1: "y", 2: "x", 3: "y", 4: ""}


def mirrored_descriptor(payload: bytes, mirror: Mirror) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the descriptor in an APP3 segment: what one eye saw is, mirrored, what the other would see.

    Views that are beside each other along the mirrored axis have changed places already.
    """
    if len(payload) < _DESCRIPTOR.stop:
        return payload, not_mirrored({"a damaged description of stereo views"})
    flags, layout, media = payload[_DESCRIPTOR]
    if media == _MONOSCOPIC:
        layout = _OTHER_EYE.get(layout, layout)
    elif media != _STEREOSCOPIC or layout not in _ALONG:
        return payload, not_mirrored({"the order of stereo views in an unknown layout"})
    elif _ALONG[layout] != mirror.axis:
        flags ^= _LEFT_FIRST
    return payload[: _DESCRIPTOR.start] + bytes((flags, layout, media)) + payload[_DESCRIPTOR.stop :], ()
