"""The directory of what a file contains, in its XMP: Google's Container, of Ultra HDR, motion photos and Dynamic Depth.

It states the length of each item. They follow the first image in its order, each with padding behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trio_mirror.flip.jpeg.layout import Layout
from trio_mirror.flip.jpeg.segments import SOI
from trio_mirror.flip.positions.properties import LIST_ITEM, Structure, Value, read_properties
from trio_mirror.flip.positions.xmp import edited

GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"  # the namespace of what an Ultra HDR picture says of its gain map

_ITEMS = ("http://ns.google.com/photos/1.0/container/item/", "http://ns.google.com/photos/dd/1.0/item/")
_VIDEO = "http://ns.google.com/photos/1.0/camera/MicroVideoOffset"
_NAMESPACES = tuple(space.encode() for space in (*_ITEMS, _VIDEO.removesuffix("MicroVideoOffset"), GAIN_MAP))
# What reads as a longer number is damaged or malicious.
_DIGITS = 12


class Item(NamedTuple):
    """An item of the directory."""

    semantic: str
    length: Value | None
    size: int  # bytes of it that the directory states
    padding: int
    whole: slice  # in the packet, in bytes


class Directory(NamedTuple):
    """What a packet says of the bytes behind the first image."""

    items: list[Item]  # the first is the first image
    video: Value | None  # how far before the end of the file a video begins
    gain_map: list[slice]  # what it says of the gain map, in the packet, in bytes

    def places(self, data: bytes, end: int) -> list[slice]:
        """Where the items from the offset ``end`` on stand in the file, in bytes; empty where they do not fit it."""
        total = sum(item.size + item.padding for item in self.items[1:])
        for begin in (end + self.items[0].padding, len(data) - total) if self.items and total else ():
            places, at = [], begin
            for item in self.items[1:]:
                places.append(slice(at, at + item.size))
                at += item.size + item.padding
            known = (data.startswith(SOI, it.start) or data.startswith(b"ftyp", it.start + 4) for it in places)
            if end <= begin <= len(data) - total + self.items[-1].padding and any(known):
                return places
        return []


def read_directory(packet: bytes) -> Directory:
    """Reads a packet in UTF-8, damaged or not."""
    directory = Directory([], None, [])
    if not any(space in packet for space in _NAMESPACES):
        return directory
    try:
        structures = read_properties(packet)
    except ValueError:
        return directory
    for structure in structures:
        directory.items.extend(_items(structure))
        directory.gain_map.extend(value.whole for name, value in structure.fields.items() if name.startswith(GAIN_MAP))
        if structure.name.startswith(GAIN_MAP):
            directory.gain_map.append(structure.whole)
        if _VIDEO in structure.fields:
            directory = directory._replace(video=structure.fields[_VIDEO])
    return directory


def _items(structure: Structure) -> Iterator[Item]:
    for space in _ITEMS:
        if any(name.startswith(space) for name in structure.fields):
            length, padding = structure.fields.get(f"{space}Length"), structure.fields.get(f"{space}Padding")
            semantic = structure.fields.get(f"{space}Semantic")
            whole = next((it.whole for it in structure.around() if it.name == LIST_ITEM), structure.whole)
            yield Item(semantic.text if semantic else "", length, _size(length), _size(padding), whole)


def _size(value: Value | None) -> int:
    text = value.text.strip() if value else ""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else 0


def with_lengths(packet: bytes, layout: Layout, new_end: int, *, without_gain_map: bool) -> bytes:
    """The packet with what it says of the bytes behind the first image brought up to date.

    ``layout`` is where they went, ``new_end`` the bytes of the new first image.
    """
    directory, data, end = read_directory(packet), layout.data, layout.end
    edits: list[tuple[slice, bytes]] = []
    for item, place in zip(directory.items[1:], directory.places(data, end), strict=False):
        if without_gain_map and item.semantic == "GainMap":
            edits.append((item.whole, b""))
        elif item.length and item.size:
            edits.append((item.length.place, b"%d" % (layout.moved(place.stop) - layout.moved(place.start))))
    if directory.items and directory.items[0].length and directory.items[0].size == end:
        edits.append((directory.items[0].length.place, b"%d" % new_end))
    offset = _size(directory.video)
    if directory.video and 0 < offset <= len(data) - end:
        behind = layout.moved(len(data)) - layout.moved(len(data) - offset)
        edits.append((directory.video.place, b"%d" % behind))
    if without_gain_map:
        edits += [(whole, b"") for whole in directory.gain_map]
    return edited(packet, edits) if edits else packet
