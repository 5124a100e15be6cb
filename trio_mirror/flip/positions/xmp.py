"""Positions in an XMP packet, mirrored in its text: all that is not a changed value stays byte by byte."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from trio_mirror.errors import FlipError
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.properties import Structure, Value, read_properties
from trio_mirror.flip.positions.rules import mirrored_texts
from trio_mirror.flip.positions.table import OTHER_PICTURES, SIGNATURES, XMP, Unit

_POSITIONS = {space + name: (space, rule) for space, names in XMP.items() for name, rule in names.items()}
_SIGNATURES = {space + name for space, name in SIGNATURES.items()}
_NAMESPACES = re.compile("|".join(map(re.escape, sorted({*XMP, *SIGNATURES}))).encode())
_TRAILER = b"<?xpacket end="
# Fewer spaces are not padding (XMP specification, part 1, section 7.3.2, advises thousands).
_LEAST_PADDING = 32
# The lines of base64: how long they are, and what ends them.
_LINE = re.compile(rb"\s*([A-Za-z0-9+/]+)((?:\s|&#x?[0-9A-Fa-f]{1,4};)+)(?=[A-Za-z0-9+/=])")


def outermost_texts(packets: Iterable[bytes]) -> dict[str, str]:
    """The simple properties, by name, that packets state of the picture itself."""
    texts: dict[str, str] = {}
    for packet in filter(_NAMESPACES.search, packets):
        with suppress(ValueError):
            texts |= {name: value.text for name, value in read_properties(packet)[0].fields.items()}
    return texts


def mirrored_packet(
    packet: bytes,
    mirror: Mirror,
    mirror_picture: Callable[[bytes], bytes],
    *,
    elsewhere: Mapping[str, str] | None = None,
    keep_credentials: bool = False,
) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the positions and pictures that an XMP packet in UTF-8 states, and takes out signatures.

    The joined extended XMP of a JPEG is one too, and ``elsewhere`` what the other packets of the picture state of it.
    ``mirror_picture`` mirrors an encoded picture along the same axis, and raises FlipError where it cannot.

    Returns:
        The packet, as long as before where its padding allows that, and notes.
    """
    if not _NAMESPACES.search(packet.replace(b"\0", b"")):  # also in UTF-16, which is noted
        return packet, ()
    try:
        structures = read_properties(packet)
    except ValueError as error:
        return packet, (f"not mirrored: XMP that cannot be read ({error})",)
    structures[0].elsewhere = elsewhere or {}
    mirroring = _Mirroring(packet, mirror, mirror_picture)
    for structure in structures:
        if not any(around.name == OTHER_PICTURES for around in structure.around()):
            mirroring.structure(structure)
    signed = [whole for structure in structures for whole in _signatures(structure)]
    if signed:
        mirroring.notes.append(credentials_note("a signature in the XMP", kept=keep_credentials))
    if not keep_credentials:
        mirroring.edits += [(whole, b"") for whole in signed]
    return edited(packet, mirroring.edits), (*dict.fromkeys(mirroring.notes), *not_mirrored(mirroring.unmended))


def credentials_note(what: str, *, kept: bool) -> str:
    """The note on what vouches for bytes that the mirroring changes."""
    became = "kept, though they no longer hold" if kept else "taken out"
    return f"content credentials {became}: {what}"


class _Mirroring:
    def __init__(self, packet: bytes, mirror: Mirror, mirror_picture: Callable[[bytes], bytes]) -> None:
        self.packet = packet
        self.mirror = mirror
        self.mirror_picture = mirror_picture
        self.edits: list[tuple[slice, bytes]] = []
        self.unmended: set[str] = set()
        self.notes: list[str] = []

    def structure(self, structure: Structure) -> None:
        """Mirrors what the table knows of a structure."""
        for name, value in structure.fields.items():
            if name in _POSITIONS:
                self._property(name, structure, [value])
        array = structure.parent.name if structure.parent else ""
        if structure.items and array in _POSITIONS:
            self._property(array, structure, structure.items)
        if structure.name in _POSITIONS and _POSITIONS[structure.name][1].unit is Unit.UNKNOWN:
            self._property(structure.name, structure, [])

    def _property(self, name: str, structure: Structure, values: list[Value]) -> None:
        space, rule = _POSITIONS[name]
        if rule.axis not in {self.mirror.axis, "xy"} or (rule.unless and structure.find(space + rule.unless) == "True"):
            return
        try:
            if rule.unit is Unit.PICTURE:
                self.edits += [(value.place, self._picture(value)) for value in values]
            else:
                texts = mirrored_texts([value.text for value in values], rule, space, structure, self.mirror)
                self.edits += [(value.place, new.encode()) for value, new in zip(values, texts, strict=True)]
        except FlipError as error:
            self.edits += [(value.whole, b"") for value in values]
            self.notes.append(f"a picture in the XMP was dropped: {error}")
        except (ValueError, LookupError):
            self.unmended.add(f"{name.removeprefix(space)} in XMP")

    def _picture(self, value: Value) -> bytes:
        picture = base64.b64decode(value.text)  # which skips what is not of its alphabet, line breaks too
        encoded = base64.b64encode(self.mirror_picture(picture))
        line = _LINE.match(self.packet, value.place.start, value.place.stop)
        if line is None:
            return encoded
        size, ending = len(line[1]), line[2]
        lines = (encoded[at : at + size] for at in range(0, len(encoded), size))
        stored = self.packet[value.place]
        return (
            stored[: line.start(1) - line.start()] + ending.join(lines) + (ending if stored.endswith(ending) else b"")
        )


def edited(packet: bytes, edits: Iterable[tuple[slice, bytes]]) -> bytes:
    """A packet with other bytes in some places, as long as before where its padding allows that."""
    pieces, at = [], 0
    for place, new in sorted(edits, key=lambda edit: edit[0].start):
        if place.start >= at:  # what was dropped may hold further places
            pieces += [packet[at : place.start], new]
            at = place.stop
    result = b"".join([*pieces, packet[at:]])
    padding = _padding(result)
    room = max(0, padding.stop - padding.start + len(packet) - len(result))
    return result[: padding.start] + b" " * room + result[padding.stop :] if padding.stop else result


def _padding(packet: bytes) -> slice:
    """The last run of spaces before the end of a packet; empty, at its start, without one long enough."""
    end = packet.rfind(_TRAILER)
    stop = len(packet[: len(packet) if end < 0 else end].rstrip(b"\0\r\n\t"))
    start = len(packet[:stop].rstrip(b" "))
    return slice(start, stop) if stop - start >= _LEAST_PADDING else slice(0, 0)


def _signatures(structure: Structure) -> Iterator[slice]:
    """Where what vouches for the file's bytes stands among the properties of a structure."""
    if structure.name in _SIGNATURES:
        yield structure.whole
    for name in structure.fields.keys() & _SIGNATURES:
        # The provenance of a picture may also be a sentence, which stays true.
        if structure.fields[name].text.startswith(("self#jumbf=", "http")):
            yield structure.fields[name].whole
