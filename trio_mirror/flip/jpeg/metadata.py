"""Blocks of metadata that JPEG and other containers hold, mirrored: what they state, and the pictures in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trio_mirror.flip.exif import SIGNATURE as EXIF
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif
from trio_mirror.flip.jpeg.mirror_image import thumbnail_mirror
from trio_mirror.flip.jpeg.previews import mirrored_inside
from trio_mirror.flip.positions import Mirror, not_mirrored, photoshop
from trio_mirror.flip.positions.exif import mirrored_fields
from trio_mirror.flip.positions.maker_note import mirrored_maker_note
from trio_mirror.flip.positions.xmp import credentials_note, mirrored_packet

XMP = b"http://ns.adobe.com/xap/1.0/\0"  # what stands before a packet in a JPEG

Mirrored = tuple[bytes, tuple[str, ...]]  # a block, and notes


class Metadata:
    """Mirrors the blocks of one picture.

    ``mirror`` is its raster. ``mirror_picture`` mirrors an encoded picture along the same axis, by default a thumbnail,
    and raises FlipError where it cannot.
    """

    def __init__(
        self, mirror: Mirror, mirror_picture: Callable[[bytes], bytes] | None = None, *, keep_credentials: bool
    ) -> None:
        self.mirror = mirror
        self.mirror_picture = mirror_picture or thumbnail_mirror(rows=mirror.rows)
        self.axis = int(mirror.rows)
        """0 where columns are reversed, 1 where rows are."""
        self.keep_credentials = keep_credentials
        self.inflatable = 1 << 20
        """How many bytes its compressed texts may still take."""
        self.stated: Mapping[str, str] = {}
        """The properties, by name, that its XMP packets state of it, where they are several."""

    def exif(self, block: bytes) -> Mirrored:
        """An EXIF block, with or without the six bytes that a JPEG has before it."""
        prefix = EXIF if block.startswith(EXIF) else b""
        block, dropped = mirrored_exif(block.removeprefix(prefix), self.mirror_picture)
        block, unmended = mirrored_fields(
            block, self.mirror, self.mirror_picture, keep_credentials=self.keep_credentials
        )
        return prefix + block, dropped + unmended

    def xmp(self, packet: bytes) -> Mirrored:
        """An XMP packet, with or without the signature that a JPEG has before it."""
        prefix = XMP if packet.startswith(XMP) else b""
        packet, notes = mirrored_packet(
            packet.removeprefix(prefix),
            self.mirror,
            self.mirror_picture,
            elsewhere=self.stated,
            keep_credentials=self.keep_credentials,
        )
        return prefix + packet, notes

    def segment(self, payload: bytes) -> Mirrored:
        """What a JPEG has in APP1: EXIF or XMP."""
        return self.xmp(payload) if payload.startswith(XMP) else self.exif(payload)

    def photoshop(self, resources: bytes) -> Mirrored:
        """Photoshop's image resources."""
        blocks = {photoshop.EXIF: self.exif, photoshop.XMP: self.xmp}
        return photoshop.mirrored_resources(resources, self.mirror, self.mirror_picture, blocks)

    def maker_note(self, note: bytes, make: bytes = b"", at: int = 0) -> Mirrored:
        """A maker's note outside of an EXIF block: its maker, as EXIF names it, and its offset in a TIFF, in bytes."""
        note, left = self.pictures(note, "MakerNote")
        note, unmended = mirrored_maker_note(note, make, at, self.mirror)
        return note, left + not_mirrored(unmended)

    def pictures(self, block: bytes, what: str) -> Mirrored:
        """A block of unknown layout, and the JPEGs in it; ``what`` is its name for notes."""
        return mirrored_inside(block, self.mirror_picture, what)

    def credentials(self, what: str) -> tuple[str, ...]:
        """The note on a signature that was kept or taken out."""
        return (credentials_note(what, kept=self.keep_credentials),)
