"""Tags of a TIFF replaced, added or taken out, in directories that stay where they are."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from trio_mirror.flip.tiff.ifd import Entry, Ifd
from trio_mirror.flip.tiff.space import Span, appended, merged


class Value(NamedTuple):
    """The value of a tag."""

    kind: int  # the field type
    number: int  # how many values it has
    octets: bytes  # the values as they stand in the file


class Editor:
    """Changes tags in ``out``, a copy of the file; what does not fit in its old place goes to the end.

    ``images`` are all its directories, ``raster`` is where the strips and tiles of all images stand.
    """

    def __init__(self, images: list[Ifd], raster: list[Span], out: bytearray) -> None:
        self._file = images[0].file
        self._images = images
        self._raster = raster
        self._out = out
        self._users = Counter(entry.start for image in images for entry in image.entries.values())

    @cached_property
    def _used(self) -> list[Span]:
        return merged([*self._file.occupied(self._images), *self._raster])

    def has_room(self, image: Ifd) -> bool:
        """Whether one more tag has room behind a directory: unused zeros."""
        start, stop = image.stop, image.stop + self._file.entry_size
        before = bisect_left(self._used, stop, key=attrgetter("start"))  # never 0: the first is the header
        is_used = self._used[before - 1].stop > start
        return not is_used and self._file.data[start:stop] == bytes(stop - start)

    def stays(self, entry: Entry) -> bool:
        """Whether a value that does not grow stays in its place: only this entry has it."""
        return self._users[entry.start] == 1

    def change(self, image: Ifd, changes: Mapping[int, Value | None]) -> None:
        """Gives tags new values, or none: then they are taken out, and their old bytes cleared.

        At most one tag may be added, and only where :meth:`has_room`.
        """
        file, out = self._file, self._out
        first = image.at + file.count_size
        old = [out[at : at + file.entry_size] for at in range(first, image.link, file.entry_size)]
        kept = [entry for entry in old if self._tag(entry) not in changes]
        for tag, value in changes.items():
            entry = image.entries.get(tag)
            if entry and self.stays(entry):
                out[entry.start : entry.stop] = bytes(entry.size)
            if value:
                kept.append(self._packed(tag, value, entry))
        kept.sort(key=self._tag)
        count = struct.pack(f"{file.order}{file.count_code}", len(kept))
        link = out[image.link : image.stop]
        directory = b"".join([count, *kept, link])
        out[image.at : image.at + len(directory)] = directory
        out[image.at + len(directory) : image.stop] = bytes(max(0, image.stop - image.at - len(directory)))

    def _packed(self, tag: int, value: Value, old: Entry | None) -> bytearray:
        """A directory's entry, its value stored in its old place where only this entry has it and it fits."""
        file, out, octets = self._file, self._out, value.octets
        head = struct.pack(f"{file.order}HH{file.offset_code}", tag, value.kind, value.number)
        if len(octets) <= file.inline:
            return bytearray(head + octets.ljust(file.inline, b"\0"))
        if old and self.stays(old) and len(octets) <= old.size:
            start = old.start
            out[start : start + len(octets)] = octets
        else:
            start = appended(out, octets)
        return bytearray(head + struct.pack(f"{file.order}{file.offset_code}", start))

    def _tag(self, entry: bytes | bytearray) -> int:
        tag: int = struct.unpack_from(f"{self._file.order}H", entry)[0]
        return tag
