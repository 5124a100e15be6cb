"""Tags of a TIFF replaced, added or taken out, in directories that stay where they are."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.tiff.ifd import UNSIGNED, Entry, Ifd, with_private
from trio_mirror.flip.tiff.space import Span, appended, merged

_LONG, _LONG8 = 4, 16


class Value(NamedTuple):
    """The value of a tag."""

    kind: int  # the field type
    number: int  # how many values it has
    octets: bytes  # the values as they stand in the file


class Editor:
    """Changes tags in ``out``, a copy of the file; what does not fit in its old place goes to the end.

    ``images`` are all its directories of images, ``raster`` is where the strips and tiles of all images stand.
    """

    def __init__(self, images: list[Ifd], raster: list[Span], out: bytearray) -> None:
        self.out = out
        self._file = images[0].file
        self._ifds = with_private(images)
        self._raster = raster
        self._users = Counter(entry.start for ifd in self._ifds for entry in ifd.entries.values())

    @cached_property
    def _used(self) -> list[Span]:
        return merged([*self._file.occupied(self._ifds), *self._raster])

    def has_room(self, image: Ifd) -> bool:
        """Whether one more tag has room behind a directory: unused zeros."""
        start, stop = image.stop, image.stop + self._file.entry_size
        before = bisect_left(self._used, stop, key=attrgetter("start"))  # never 0: the first is the header
        is_used = self._used[before - 1].stop > start
        return not is_used and self._file.data[start:stop] == bytes(stop - start)

    def stays(self, entry: Entry) -> bool:
        """Whether a value that does not grow stays in its place: only this entry has it."""
        return self._users[entry.start] == 1

    def store(self, entry: Entry, numbers: list[int]) -> None:
        """Replaces the first values of an entry of whole numbers, by a larger type where they outgrew their own.

        Raises:
            FlipError: a value is larger than this kind of TIFF can hold.
        """
        file, old = self._file, self._file.values(entry)
        values = (*numbers, *old[len(numbers) :])
        if values == old:
            return
        larger = _LONG8 if file.big else _LONG
        kind = entry.kind if max(values) < 1 << 8 * entry.size // entry.count else larger
        try:
            octets = struct.pack(f"{file.order}{len(values)}{UNSIGNED[kind]}", *values)
        except struct.error as error:
            raise FlipError("the mirrored picture would be too large for a classic TIFF (4 GB)") from error
        stored = self._packed(self._tag(self.out[entry.at : entry.at + 2]), Value(kind, len(values), octets), entry)
        self.out[entry.at : entry.at + file.entry_size] = stored

    def change(self, image: Ifd, changes: Mapping[int, Value | None]) -> None:
        """Gives tags new values, or none: then they are taken out, and their old bytes cleared.

        At most one tag may be added, and only where :meth:`has_room`.
        """
        file, out = self._file, self.out
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
        file, out, octets = self._file, self.out, value.octets
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
