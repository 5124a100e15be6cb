"""The structure of a TIFF file: its directories (IFDs) and their entries, read and patched where they stand.

Classic TIFF after TIFF 6.0 section 2; BigTIFF (version 43) has the same shape with 8-byte offsets and counts.
"""

from __future__ import annotations

import contextlib
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import flips_rows
from trio_mirror.flip.tiff.space import Span

# Bytes of one value, by field type (TIFF 6.0 section 2; 13, 16, 17 and 18 are IFD, LONG8, SLONG8 and IFD8).
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_ORIENTATION, _SUB_IFDS = 274, 330
_XMP = 700  # the tags below it describe the image
_PRIVATE_IFDS = {34665, 34853, 40965}  # Exif, GPS and Interoperability
_MAX_ENTRIES = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a directory."""

    at: int  # where the entry itself stands in the file
    kind: int  # the field type
    count: int  # how many values it has
    start: int  # where its first value stands: in the entry itself where they all fit, else elsewhere

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return self.count * _SIZES[self.kind]

    @property
    def stop(self) -> int:
        """The first byte behind the values."""
        return self.start + self.size

    @property
    def whole_numbers(self) -> bool:
        """Whether it holds values that count or point."""
        return self.kind in UNSIGNED and self.count > 0


@dataclass(frozen=True)
class Ifd:
    """One directory: an image with its tags."""

    file: Structure
    at: int
    link: int  # where it says where the next directory of the chain stands, behind its entries
    stop: int
    entries: dict[int, Entry]
    following: int  # where the next directory of the chain stands; 0 at the end
    rows_first: bool  # whether it is displayed turned by a quarter: mirroring then reverses the order of its rows

    def numbers(self, tag: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The values of a tag that counts or points.

        Raises:
            FlipError: the tag is missing and has no default, or its values are not whole numbers.
        """
        entry = self.entries.get(tag)
        if entry is None:
            if default is None:
                raise FlipError(f"the TIFF lacks the tag {tag}, without which its image cannot be read")
            return default
        if not entry.whole_numbers:
            raise FlipError(f"the TIFF's tag {tag} does not hold whole numbers")
        return self.file.values(entry)

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag, or the default where the tag is missing or empty."""
        return self.numbers(tag)[0] if tag in self.entries and self.entries[tag].count else default

    def octets(self, tag: int) -> bytes:
        """The bytes of a tag's values; none where the tag is missing."""
        entry = self.entries.get(tag)
        return self.file.data[entry.start : entry.stop] if entry else b""

    @cached_property
    def private(self) -> list[Ifd]:
        """The directories behind it that are not images, such as EXIF's; those that can be read."""
        found = []
        for tag in _PRIVATE_IFDS & self.entries.keys():
            with contextlib.suppress(FlipError):  # unreadable metadata stays as it is, and needs no room kept free
                found.append(self.file.directory(self.number(tag, 0)))
        return found

    @property
    def spans(self) -> list[Span]:
        """The bytes of the file that it and its values take."""
        values = (Span(entry.start, entry.stop) for entry in self.entries.values() if entry.count)
        return [Span(self.at, self.stop), *values]


def with_private(images: Iterable[Ifd]) -> list[Ifd]:
    """These directories and those behind them that are not images, each once: pages may share their EXIF."""
    return [*{ifd.at: ifd for image in images for ifd in (image, *image.private)}.values()]


class Structure:
    """The directories of one TIFF file.

    Raises:
        FlipError: the header is not a TIFF's, or a directory or a value lies outside the file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        # Some writers swap the version's two bytes; Pillow reads those files as well.
        self.big = 43 in data[2:4]
        if not self.order or len(data) < 8 or not (self.big or 42 in data[2:4]):
            raise FlipError("the file does not begin as a TIFF does")
        self.count_code, self.offset_code = ("Q", "Q") if self.big else ("H", "I")
        self.count_size, self.inline = (8, 8) if self.big else (2, 4)
        self.entry_size = 20 if self.big else 12
        # What directories and their lists of numbers may take. Some writers let pages share short lists.
        self._unread = 2 * len(data)
        self._beyond: list[int] = []  # where offsets stand that point beyond the end of the file

    def images(self, most: int) -> list[Ifd]:
        """All images of the file, ``most`` at most: the chain of pages, and behind each page the images of its SubIFDs.

        A chain that comes back to a directory that was already read ends there.
        """
        found: dict[int, Ifd] = {}
        pages = set()
        at = self._read(self.offset_code, self.inline)
        while at and at not in pages:
            pages.add(at)
            self._collect(at, found, most)
            at = found[at].following
        if not found:
            raise FlipError("the TIFF holds no image")
        return list(found.values())

    def occupied(self, images: Iterable[Ifd]) -> list[Span]:
        """The bytes of the file that the header, the directories and their values take."""
        found = with_private(images)
        return [Span(0, 16 if self.big else 8)] + [span for ifd in found for span in ifd.spans]

    def values(self, entry: Entry) -> tuple[int, ...]:
        """The values of an entry of whole numbers."""
        return struct.unpack_from(f"{self.order}{entry.count}{UNSIGNED[entry.kind]}", self.data, entry.start)

    def keep_beyond(self, out: bytearray) -> None:
        """Keeps what pointed beyond the end of the file from pointing at what ``out`` has gained there."""
        for at in self._beyond:
            out[at : at + self.inline] = b"\xff" * self.inline

    def _read(self, code: str, at: int) -> int:
        try:
            value: int = struct.unpack_from(f"{self.order}{code}", self.data, at)[0]
        except struct.error as error:
            raise FlipError("the TIFF is cut short: a directory lies outside the file") from error
        return value

    def _collect(self, page: int, found: dict[int, Ifd], most: int) -> None:
        """Adds a page and what its SubIFDs lead to, each directory once."""
        waiting = deque([page])
        while waiting:
            at = waiting.popleft()
            if not at or at in found:
                continue
            # What a page's SubIFDs hold is shown like the page, unless it says otherwise itself.
            found[at] = self.directory(at, rows_first=at != page and found[page].rows_first)
            if len(found) > most:
                raise FlipError(f"the picture has more than {most:,} frames or pages (--max-frames)")
            if at != page:
                waiting.append(found[at].following)
            waiting.extend(found[at].numbers(_SUB_IFDS, default=()))

    def directory(self, at: int, *, rows_first: bool = False) -> Ifd:
        """Reads the directory at an offset; ``rows_first`` is for where it states no orientation."""
        if at >= len(self.data):
            raise FlipError("the TIFF is cut short: a directory lies outside the file")
        count = self._read(self.count_code, at)
        if not 0 < count <= _MAX_ENTRIES:
            raise FlipError(f"the TIFF is damaged: a directory states {count:,} entries")
        first = at + self.count_size
        stop = first + count * self.entry_size
        # Some files end within the last directory's pointer to the next one; readers take that for the end.
        following = self._read(self.offset_code, stop) if stop + self.inline <= len(self.data) else 0
        self._charge(stop - at)
        entries: dict[int, Entry] = {}
        for entry_at in range(first, stop, self.entry_size):
            if entry := self._entry(entry_at):
                entries.setdefault(self._read("H", entry_at), entry)
        self._charge(sum(entry.size for tag, entry in entries.items() if tag < _XMP and entry.whole_numbers))
        orientation = entries.get(_ORIENTATION)
        if orientation and orientation.whole_numbers:
            rows_first = flips_rows(self.values(orientation)[0])
        return Ifd(self, at, stop, stop + self.inline, entries, following, rows_first)

    def _charge(self, size: int) -> None:
        self._unread -= size
        if self._unread < 0:
            raise FlipError("the TIFF is damaged: its directories share their bytes")

    def _entry(self, at: int) -> Entry | None:
        """The entry there; none where its type is unknown or its values lie outside the file."""
        kind = self._read("H", at + 2)
        if kind not in _SIZES:
            return None
        count = self._read(self.offset_code, at + 4)
        start = at + self.entry_size - self.inline
        is_inline = count * _SIZES[kind] <= self.inline
        entry = Entry(at, kind, count, start if is_inline else self._read(self.offset_code, start))
        if entry.stop <= len(self.data):
            return entry
        if not is_inline:
            self._beyond.append(start)
        return None
