"""Small sound pictures of every kind, for the fuzzer to damage: drawn by the helpers of the tests."""

from __future__ import annotations

import dataclasses
import functools
import random
from importlib.util import find_spec
from typing import TYPE_CHECKING

from PIL import Image

from tests.flip import (
    drawn_tiff,
    jpegs,
    slow_gif,
    slow_png,
    test_avif,
    test_bmp,
    test_georeference,
    test_gif,
    test_gif_extensions,
    test_heif,
    test_idot,
    test_jpeg2000,
    test_jpeg_pictures,
    test_jpeg_readers,
    test_jpeg_trailer,
    test_jxl,
    test_multi_picture,
    test_old_jpeg_forms,
    test_png,
    test_png_surroundings,
    test_small_formats,
    test_sparse_tiff,
    test_svg,
    test_tiff,
    test_tiff_tags,
    test_webp,
)
from tests.flip.xmp_packets import packet
from tests.helpers import pictures
from trio_mirror.flip import sniff
from trio_mirror.flip.jpeg.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def jpeg() -> Iterator[bytes]:
    thumbnail = jpegs.encoded(jpegs.drawn(16, 16))
    photoshop = jpegs.photoshop_resource(1036, jpegs.photoshop_thumbnail(thumbnail, 16, 16))
    plain = jpegs.encoded(jpegs.drawn(32, 16))
    for mode in ("L", "RGB", "CMYK"):
        for size in ((32, 16), (21, 11)):
            yield jpegs.encoded(jpegs.drawn(*size, mode))
    for options in ({"progressive": True}, {"subsampling": "4:4:4"}, {"restart_marker_blocks": 1}, {"keep_rgb": True}):
        yield jpegs.encoded(jpegs.drawn(33, 17), **options)
    for orientation, order in ((3, "<"), (6, ">")):
        block = jpegs.exif_block(orientation=orientation, thumbnail=thumbnail, maker_note=b"note", order=order)
        yield jpegs.with_segments(plain, jpegs.exif_segment(block))
    yield jpegs.with_segments(plain, Segment(jpegs.APP13, b"Photoshop 3.0\0" + photoshop))
    yield test_multi_picture.stereo(jpegs.drawn(32, 16), jpegs.drawn(16, 16))
    yield test_multi_picture.several(plain, thumbnail, order=">", gap=b"gap")
    yield test_multi_picture.gain_mapped(thumbnail)
    yield plain + test_jpeg_trailer.samsung((0x0001, b"DualShot_1", thumbnail), (0x0AB1, b"Depth", b"map"))
    named = test_jpeg_trailer.directory(("GainMap", len(thumbnail)), own=test_jpeg_trailer.HDR)
    yield jpegs.with_segments(plain, named) + thumbnail + test_jpeg_trailer.VIDEO
    yield test_jpeg_pictures.turned(6, *test_jpeg_pictures.flir(bytes(90), "<"), *test_jpeg_pictures.jumbf(b"c2pa", 1))
    depth = packet(test_jpeg_pictures.google(test_jpeg_pictures.IMAGE, "Data", thumbnail))
    yield jpegs.with_segments(plain, *test_jpeg_pictures.extended(packet(test_jpeg_pictures.NAMED), depth))
    yield test_jpeg_readers.stated(1, "<")


def png() -> Iterator[bytes]:
    for colour, depth in slow_png.KINDS:
        for interlaced in (False, True):
            filters = random.Random(depth)
            kind = slow_png.Kind(colour, depth, interlaced)
            pixels = [[pixel % (1 << kind.bits) for pixel in row] for row in test_png.gradient(11, 9)]
            yield slow_png.draw(pixels, kind, functools.partial(filters.randrange, 5))
    for sideways in (False, True):
        yield test_png.animation(sideways=sideways, default_image=sideways)
        yield test_idot.screenshot(6, sideways=sideways)
    for before, *_ in test_png_surroundings.MOVING.values():
        yield test_png_surroundings.picture(*before, (b"caBX", b"signed"))


def gif() -> Iterator[bytes]:
    for bits in (1, 2, 4, 8):
        yield slow_gif.draw(9, 7, slow_gif.Frame(test_gif.indices_of(9, 7, bits), bits=bits))
    frames = [
        slow_gif.Frame(
            test_gif.indices_of(6, 5, seed=at), left=at, top=1, interlaced=at == 1, control=(at, 5, at or None)
        )
        for at in range(4)
    ]
    yield slow_gif.draw(9, 7, *frames)
    yield slow_gif.draw(9, 7, slow_gif.Frame(test_gif.indices_of(6, 5), palette=bytes(768)), frames[1])
    extensions = test_gif_extensions
    yield extensions.with_extensions(extensions.xmp("0.25"), extensions.C2PA, extensions.plain_text(3))


def webp() -> Iterator[bytes]:
    yield from test_webp.SMALL
    for sequence in test_webp.SEQUENCES.values():
        yield test_webp.lossless_animation(
            sequence, [test_webp.noise(20, 5, "RGBA", at) for at in range(len(sequence))]
        )


def bmp() -> Iterator[bytes]:
    yield from test_bmp.SMALL
    for bits in (1, 4, 8, 16, 24, 32):
        yield test_bmp.bitmap(9, 3, bits, header=12 if bits < 16 else 40)


def tiff() -> Iterator[bytes]:
    for bits, samples, photometric, sample_format in test_tiff.READABLE:
        for compression in (1, 8, 32773):
            image = drawn_tiff.Drawn(
                rows=test_tiff.noise(9, 7, bits, samples),
                bits=bits,
                photometric=photometric,
                sample_format=sample_format,
                compression=compression,
                rows_per_strip=3,
            )
            yield drawn_tiff.write(image, order="<" if compression == 1 else ">", big=compression == 1)
    for mode, name in (
        ("RGB", "tiff_lzw"),
        ("RGB", "tiff_adobe_deflate"),
        ("RGB", "packbits"),
        ("L", "lzma"),
        ("L", "zstd"),
        ("L", "jpeg"),
        ("RGB", "jpeg"),
        ("1", "group3"),
        ("1", "group4"),
        ("1", "tiff_ccitt"),
        ("P", "tiff_lzw"),
        ("CMYK", "raw"),
    ):
        yield test_tiff.drawn_by_pillow(mode, (19, 11), compression=name)
    page = drawn_tiff.Drawn(rows=test_tiff.noise(9, 7, 8, 3), photometric=2, tile=(16, 16), orientation=6, predictor=2)
    mask = drawn_tiff.Drawn(rows=test_tiff.noise(5, 4, 8, 1), below=(page,), planar=2, fill_order=2)
    yield drawn_tiff.write(page, mask)
    yield test_tiff.old_style_jpeg(2, 1)
    yield from test_old_jpeg_forms.in_pieces()
    yield test_sparse_tiff.sparse(dataclasses.replace(page, orientation=None, predictor=1, compression=8), {0})
    for region, *_ in test_tiff_tags.KINDS.values():
        yield drawn_tiff.write(test_tiff_tags.with_tags(test_tiff_tags.imagej(region)))
    yield drawn_tiff.write(test_tiff_tags.with_tags(test_tiff_tags.ome('<Polygon Points="1,2 3,4"/>')))
    for place in (test_georeference.NORTH_UP, test_georeference.ROTATED):
        yield test_georeference.placed(place, by_point=True, orientation=6)


def heif() -> Iterator[bytes]:
    yield test_avif.encoded()
    yield test_avif.encoded(mode="RGBA", orientation=6)
    yield test_avif.encoded(mode="RGBA", frames=3)
    data, config = test_avif.coded()
    turned = test_avif.box(b"irot", b"\1"), test_avif.box(b"imir", b"\0")
    items = [(b"av01", data, [1, 2, 3, 4]), (b"av01", data, [1, 2, 4])]
    described = test_avif.reference(b"auxl", 2, 1)
    for base_size, offset_size in ((0, 8), (4, 4), (8, 0)):
        yield test_avif.file(
            items,
            [test_avif.ispe(64, 64), config, *turned],
            [described],
            base_size=base_size,
            offset_size=offset_size,
            wide=base_size == 4,
            data_first=base_size == 8,
            brand=b"avif" if base_size else b"heic",
        )
    yield test_heif.with_exif(6, test_avif.box(b"irot", b"\3"))
    yield test_heif.with_properties(test_heif.CLAP, test_heif.TOP_BOTTOM)
    yield test_avif.box(b"ftyp", b"mif3", bytes(4), b"mif3") + test_avif.box(b"mini", bytes(30))


def jxl() -> Iterator[bytes]:
    yield test_jxl.SMALL
    head = b"\0" + bytes(2) + b"\0" + bytes(4)
    parts = [test_avif.box(b"jxlp", bytes(4), part) for part in (test_jxl.SMALL[:3], test_jxl.SMALL[3:])]
    index = test_avif.box(b"jxli", b"\2", bytes(8), bytes(6))
    yield test_jxl.SIGNATURE + index + test_avif.box(b"jhgm", head, test_jxl.SMALL) + b"".join(parts)
    made_of = (b"", test_jxl.WITHOUT_ORIENTATION, jpegs.exif_block(orientation=6))
    for exif in made_of if find_spec("pylibjxl") else ():
        yield test_jxl.from_jpeg(exif, restart=2)
        yield test_jxl.from_jpeg(exif, compressed=True)


def jpeg2000() -> Iterator[bytes]:
    for no_jp2 in (False, True):
        yield test_jpeg2000.coded(pictures.draw(9, 7), no_jp2=no_jp2, mct=1)
        yield test_jpeg2000.coded(pictures.draw(9, 7, "L"), no_jp2=no_jp2, irreversible=True, precinct_size=(64, 64))
    yield test_jpeg2000.coded(tile_size=(16, 16)) + test_avif.box(b"uuid", test_jpeg2000.XMP, test_jpeg2000.REGION)


def svg() -> Iterator[bytes]:
    for content in ("<rect/>", test_svg.GROUP + "</g>", "<style>rect { fill: url(#a) }</style><![CDATA[x]]>"):
        yield test_svg.drawing(content)


def netpbm() -> Iterator[bytes]:
    yield from small("netpbm")
    yield pictures.encode(Image.new("I;16", (9, 4), 77), "PPM")


def qoi() -> Iterator[bytes]:
    yield from small("qoi")


def ico() -> Iterator[bytes]:
    yield from small("ico")
    for bits in (1, 8, 24):
        icon_image = test_small_formats.icon_image(bits)
        yield test_small_formats.icon(icon_image, pictures.png(9, 4), kind=1 + bits % 2)


def pcx() -> Iterator[bytes]:
    yield from small("pcx")


def tga() -> Iterator[bytes]:
    yield from small("tga")
    yield pictures.encode(pictures.draw(9, 4).convert("P"), "TGA", compression="tga_rle")


def small(container: str) -> Iterator[bytes]:
    return (data for data in test_small_formats.SMALL if sniff(data) == container)


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    each.__name__: each
    for each in (jpeg, png, gif, webp, bmp, tiff, heif, jxl, jpeg2000, svg, netpbm, qoi, ico, pcx, tga)
}
"""The seeds of each parser, by the name of its container."""
