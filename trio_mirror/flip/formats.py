"""What becomes of each format: the table of ``--help-all`` and the README."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One row of the table."""

    name: str
    exact: str
    reencoded: str
    refused: str

    @property
    def in_short(self) -> str:
        """The row as a line of ``--help-all``."""
        cells = {"exact": self.exact, "re-encoded": self.reencoded, "refused:": self.refused}
        return "; ".join(f"{what} {which}" for what, which in cells.items() if which != "–")


FORMATS = (
    Format(
        "JPEG",
        "with libturbojpeg, sides a multiple of the MCU",
        "otherwise, within 40 dB",
        "12-bit, lossless and hierarchical JPEG, arithmetic over 25 megapixels",
    ),
    Format("PNG, APNG, GIF", "always", "–", "PNG sides over a million pixels, GIF frames that widen a canvas in use"),
    Format("WebP", "lossless ones, and alpha", "lossy ones, within 40 dB", "frames that cannot be moved exactly"),
    Format(
        "TIFF",
        "always; JPEG inside as JPEG above",
        "JPEG inside otherwise, within 40 dB",
        "codecs and pixels that Pillow lacks, camera raws, volumes",
    ),
    Format("HEIC, HEIF, AVIF, JPEG XL", "always, by their orientation", "–", "sequences with HEVC"),
    Format(
        "JPEG 2000",
        "reversible ones (5/3)",
        "the others, within 40 dB",
        "depths, signs and subsampling that Pillow cannot keep, HTJ2K, over 60 M samples",
    ),
    Format(
        "BMP, PPM and kin, TGA, QOI, PCX, ICO",
        "always",
        "–",
        "BMP with a JPEG or PNG for printers or codes of OS/2, TGA with offset tables, QOI over 1 MP",
    ),
    Format("SVG", "always, by a group around it", "–", "scripts, references to other files, no size"),
    Format("others", "–", "–", "by name: camera raws, text; else as no known format"),
)
