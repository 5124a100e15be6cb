from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flip.jpegs import drawn, encoded, exif_block, exif_segment, with_segments
from tests.flip.jpegs import photoshop_resource as resource
from tests.flip.xmp_packets import FORMS, packet, structure
from trio_mirror import flip
from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.jpeg.segments import parse
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.exif import mirrored_fields
from trio_mirror.flip.positions.left import positions_left
from trio_mirror.flip.positions.properties import read_properties
from trio_mirror.flip.positions.table import XMP, Unit
from trio_mirror.flip.positions.xmp import mirrored_packet

if TYPE_CHECKING:
    from collections.abc import Callable

AREA = "http://ns.adobe.com/xmp/sType/Area#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"
APPLE = "http://ns.apple.com/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
THUMBNAIL = "http://ns.adobe.com/xap/1.0/g/img/"
ACROSS, DOWN = Mirror(64, 48), Mirror(64, 48, rows=True)


def refuse(_: bytes) -> bytes:
    raise FlipError("it is a fresco")


def mirrored(data: bytes, mirror: Mirror = ACROSS) -> bytes:
    result, notes = mirrored_packet(data, mirror, refuse)
    assert notes == ()
    return result


def mirrored_resources(
    resources: bytes, mirror: Mirror, mirror_jpeg: Callable[[bytes], bytes], *, keep: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    return Metadata(mirror, mirror_jpeg, keep_credentials=keep).photoshop(resources)


def stated(data: bytes, space: str) -> dict[str, str]:
    """The properties of one namespace, as an RDF reader finds them."""
    found = [it for structure in read_properties(data) for it in structure.fields.items()]
    return {name.removeprefix(space): value.text for name, value in found if name.startswith(space)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prefix", ["stArea", "ns1", "_"])
@pytest.mark.parametrize(("mirror", "wanted"), [(ACROSS, ("0.805", "0.219")), (DOWN, ("0.195", "0.781"))])
def test_the_centre_of_a_region_moves_along_the_mirrored_axis(
    form: str, prefix: str, mirror: Mirror, wanted: tuple[str, str]
) -> None:
    fields = {"h": "0.23", "unit": "normalized", "w": "0.17", "x": "0.195", "y": "0.219"}
    result = mirrored(packet(structure(AREA, "Area", fields, form, prefix)), mirror)
    assert stated(result, AREA) == fields | dict(zip("xy", wanted, strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("unit", "x", "wanted"), [("relative", "0.11", "0.72"), ("pixel", "7", "56.83")])
def test_the_edge_of_a_region_moves_by_its_size_too(form: str, unit: str, x: str, wanted: str) -> None:
    fields = {"rbX": x, "rbY": "0.1", "rbW": "0.17", "rbH": "0.2", "rbUnit": unit, "rbShape": "rectangle"}
    assert stated(mirrored(packet(structure(IPTC, "RegionBoundary", fields, form))), IPTC)["rbX"] == wanted


def test_the_corners_of_a_polygon_have_no_size_and_the_unit_of_the_whole() -> None:
    corners = "".join(f'<rdf:li i:rbX="{x}" i:rbY="1"/>' for x in (3, 60))
    vertices = f"<i:rbVertices><rdf:Seq>{corners}</rdf:Seq></i:rbVertices>"
    region = f'<i:RegionBoundary xmlns:i="{IPTC}" rdf:parseType="Resource"><i:rbUnit>pixel</i:rbUnit>{vertices}'
    result = mirrored(packet(f"{region}</i:RegionBoundary>"))
    assert result.index(b'i:rbX="61"') < result.index(b'i:rbX="4"')


def test_a_crop_that_is_not_applied_yet_changes_its_sides() -> None:
    crop = {"CropLeft": "0.05", "CropRight": "0.5", "CropTop": "0.1", "CropBottom": "1", "CropAngle": "2.5"}
    pending = packet(structure(CAMERA_RAW, "Settings", crop))
    assert stated(mirrored(pending), CAMERA_RAW) == crop | {"CropLeft": "0.5", "CropRight": "0.95", "CropAngle": "-2.5"}
    applied = packet(structure(CAMERA_RAW, "Settings", crop | {"AlreadyApplied": "True"}))
    assert mirrored(applied) == applied


def test_a_cropped_panorama_keeps_looking_at_what_it_showed() -> None:
    fields = {
        "CroppedAreaImageWidthPixels": "64",
        "FullPanoWidthPixels": "256",
        "CroppedAreaLeftPixels": "20",
        "PoseHeadingDegrees": "225.0",
        "PoseRollDegrees": "3.0",
        "InitialViewHeadingDegrees": "350",
    }
    changed = {"CroppedAreaLeftPixels": "172", "PoseRollDegrees": "-3.0", "InitialViewHeadingDegrees": "100.0"}
    assert stated(mirrored(packet(structure(PANORAMA, "Panorama", fields))), PANORAMA) == fields | changed


def test_a_heading_of_many_digits_is_mirrored_exactly() -> None:
    fields = {"PoseHeadingDegrees": f"0.{29 * '0'}1", "InitialViewHeadingDegrees": f"1.{29 * '0'}5"}
    once = mirrored(packet(structure(PANORAMA, "Panorama", fields)))
    assert stated(once, PANORAMA)["InitialViewHeadingDegrees"] == f"358.{29 * '9'}7"
    assert stated(mirrored(once), PANORAMA) == fields


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        (IPTC, {"rbX": "4,5", "rbUnit": "relative"}),
        (IPTC, {"rbX": "400", "rbUnit": "pixel"}),
        (AREA, {"x": "1e999999999"}),
        (PANORAMA, {"CroppedAreaLeftPixels": "20"}),
        (CAMERA_RAW, {"RetouchInfo": "centerX = 0.2"}),
        (f"{APPLE}depthData/1.0/", {"LensDistortionCenterOffsetX": "1011.5"}),
        *((f"{APPLE}adjustment-settings/1.0/", {it: "331"}) for it in ("CropX", "CropY", "AffineX", "AffineY")),
        ("http://ns.xiaomi.com/photos/1.0/camera/", {"XMPMeta": "paddingx=12"}),
    ],
)
def test_what_cannot_be_mended_is_named_and_left_as_it_was(space: str, fields: dict[str, str]) -> None:
    data = packet(structure(space, "Any", fields))
    assert mirrored_packet(data, ACROSS, refuse) == (data, (f"not mirrored: {next(iter(fields))} in XMP",))


def test_entities_are_never_expanded() -> None:
    data = packet(structure(AREA, "Area", {"x": "&x;"}))
    doctype = b'<!DOCTYPE x [<!ENTITY x "0.5">]>' + data
    assert mirrored_packet(doctype, ACROSS, refuse) == (
        doctype,
        ("not mirrored: XMP that cannot be read (it declares a document type)",),
    )


def test_the_padding_takes_up_what_a_packet_grows_by() -> None:
    data = packet(structure(AREA, "Area", {"x": "1", "y": "0"}), padding=100)
    tenth = data.replace(b">1<", b">.25<")
    assert len(mirrored(tenth)) == len(tenth)
    assert mirrored(mirrored(data)) == data


def test_a_picture_in_the_packet_is_mirrored_in_lines_as_before() -> None:
    data = packet(structure(THUMBNAIL, "li", {"image": "AAAA&#xA;AAAA&#xA;AA=="}, "attributes"))
    result, notes = mirrored_packet(data, ACROSS, lambda picture: bytes(reversed(picture)) + b"\xff\xff")
    assert b"'AAAA&#xA;AAAA&#xA;AP//'" in result
    assert notes == ()


def test_a_picture_that_cannot_be_mirrored_is_dropped_with_the_reason() -> None:
    data = packet(structure(THUMBNAIL, "li", {"image": "AAAA", "width": "5"}))
    result, notes = mirrored_packet(data, ACROSS, refuse)
    assert stated(result, THUMBNAIL) == {"width": "5"}
    assert notes == ("a picture in the XMP was dropped: it is a fresco",)
    qualified = packet(structure(THUMBNAIL, "li", {"image": "AAAA"}, "qualified"))
    assert mirrored_packet(qualified, ACROSS, refuse)[0] == packet(structure(THUMBNAIL, "li", {}))


@pytest.mark.parametrize("keep", [False, True])
def test_a_signature_goes_unless_it_is_to_be_kept(*, keep: bool) -> None:
    signature = '<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"><s:SignedInfo/></s:Signature>'
    provenance = "self#jumbf=c2pa</d:provenance>"
    data = packet(signature, f'<d:provenance xmlns:d="http://purl.org/dc/terms/">{provenance}')
    result, notes = mirrored_packet(data, ACROSS, refuse, keep_credentials=keep)
    assert result == (data if keep else packet())
    assert len(notes) == 1
    assert notes[0].startswith("content credentials kept" if keep else "content credentials taken out")


def test_positions_of_other_pictures_stay() -> None:
    pantry = f'<m:Pantry xmlns:m="http://ns.adobe.com/xap/1.0/mm/">{structure(AREA, "Area", {"x": "0.1"})}</m:Pantry>'
    data = packet(pantry)
    assert mirrored(data) == data


@given(st.sampled_from([(space, name) for space, names in XMP.items() for name in names]), st.data())
def test_mirrored_twice_every_property_has_its_first_value_again(row: tuple[str, str], data: st.DataObject) -> None:
    space, name = row
    rule = XMP[space][name]
    if rule.unit in {Unit.PICTURE, Unit.UNKNOWN, Unit.INDEX}:
        return
    number = st.decimals(0, 1, places=4) if rule.unit in {Unit.SHARE, Unit.CORNER, Unit.STATED} else st.integers(0, 15)
    fields = {other: str(data.draw(number)) for other in (name, rule.size, rule.source) if other}
    fields |= {rule.whole: "normalized" if rule.unit is Unit.STATED else "32"} if rule.whole else {}
    if rule.source:
        fields = {name: "0.2", rule.source: str(data.draw(number))}
    if rule.unit is Unit.CORNER:
        fields = {name: "0.1, 0.25, 0.5, 0.5"}
    mirror = data.draw(st.sampled_from([ACROSS, DOWN]))
    before = packet(structure(space, "Any", fields, data.draw(st.sampled_from(FORMS))), padding=100)
    once = mirrored(before, mirror)
    assert numbers(stated(mirrored(once, mirror), space)) == numbers(fields)


def numbers(fields: dict[str, str]) -> dict[str, list[float]]:
    return {name: [*map(float, text.split(","))] for name, text in fields.items() if text != "normalized"}


@given(st.binary(max_size=80))
def test_no_bytes_make_a_reader_fail(noise: bytes) -> None:
    for data in (AREA.encode() + noise, packet(structure(AREA, "Area", {"x": "1"})) + noise, b"8BIM\x04\x08" + noise):
        mirrored_packet(data, ACROSS, refuse)
        mirrored_resources(data, ACROSS, refuse)


CODES = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i", 11: "f"}  # of struct, by type


def subject(order: str, values: list[int], tag: int = 0x9214, kind: int = 3) -> bytes:
    """An EXIF block whose Exif directory states where the subject is, by default as SHORT."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    ifd0 = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    stored = struct.pack(f"{order}{len(values)}{CODES[kind]}", *values)
    place, behind = (stored, b"") if len(stored) <= 4 else (struct.pack(f"{order}I", 44), stored)
    return head + ifd0 + struct.pack(f"{order}HHHI4sI", 1, tag, kind, len(values), place, 0) + behind


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("rest", [[], [11], [11, 7]])
@pytest.mark.parametrize("tag", [0x9214, 0xA214])
def test_the_subject_of_a_photo_is_still_pointed_at(order: str, rest: list[int], tag: int) -> None:
    for mirror, place in ((ACROSS, [51, 10]), (DOWN, [12, 37])):
        result, notes = mirrored_fields(subject(order, [12, 10, *rest], tag), mirror, refuse)
        assert (result, notes) == (subject(order, [*place, *rest], tag), ())
        assert mirrored_fields(result, mirror, refuse)[0] == subject(order, [12, 10, *rest], tag)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 4, 8, 9])
def test_the_subject_may_be_of_any_type_of_integers(order: str, kind: int) -> None:
    for rest in ([], [11], [11, 7], [11, 7, 0]):
        result, notes = mirrored_fields(subject(order, [12, 10, *rest], kind=kind), ACROSS, refuse)
        assert (result, notes) == (subject(order, [51, 10, *rest], kind=kind), ())
        assert mirrored_fields(result, ACROSS, refuse)[0] == subject(order, [12, 10, *rest], kind=kind)


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        ([2000, 1500, 300], 3, "outside of the picture"),
        ([2000, 1500], 4, "outside of the picture"),
        ([-1, 10], 9, "outside of the picture"),
        ([12], 3, "of an unusual form"),
        ([12, 10], 11, "of an unusual form"),
    ],
)
def test_a_subject_that_cannot_be_mirrored_stays_and_is_named(values: list[int], kind: int, why: str) -> None:
    block = subject("<", values, kind=kind)
    assert mirrored_fields(block, ACROSS, refuse) == (block, (f"not mirrored: SubjectArea {why}",))


def test_a_subject_whose_place_has_no_room_in_its_type_stays_and_is_named() -> None:
    block = subject("<", [12, 10], kind=1)
    wide = "not mirrored: SubjectArea whose type is too narrow for its new place"
    assert mirrored_fields(block, Mirror(640, 480), refuse) == (block, (wide,))


def with_packet(xmp: bytes, kind: int, order: str, tag: int = 700) -> bytes:
    """An EXIF block with an XMP packet, or something else, in its first directory."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + struct.pack(f"{order}HHHIII", 1, tag, kind, len(xmp), 26, 0) + xmp + b"what follows"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 7])
@pytest.mark.parametrize(("x", "moved"), [("0.125", "0.875"), ("1.00", "0.00")])
def test_an_xmp_packet_in_exif_is_mirrored_in_its_place(order: str, kind: int, x: str, moved: str) -> None:
    before, after = (packet(structure(AREA, "Area", {"x": it})) for it in (x, moved))
    assert mirrored_fields(with_packet(before, kind, order), ACROSS, refuse) == (with_packet(after, kind, order), ())


def test_an_xmp_packet_in_exif_that_has_no_room_to_grow_is_named() -> None:
    tight = packet(structure(AREA, "Area", {"x": "1", "y": ".25"}))
    block = with_packet(tight, 1, "<")
    named = ("not mirrored: XMP that would outgrow its place in EXIF",)
    assert mirrored_fields(block, DOWN, refuse) == (block, named)
    padded = packet(structure(AREA, "Area", {"x": "1", "y": ".25"}), padding=100)
    result, notes = mirrored_fields(with_packet(padded, 1, "<"), DOWN, refuse)
    assert (stated(result[26 : 26 + len(padded)], AREA)["y"], notes) == ("0.75", ())


def test_what_follows_an_xmp_packet_in_exif_stays_where_the_packet_gets_shorter() -> None:
    long, short = (packet(structure(AREA, "Area", {"x": it})) for it in ("0.5e-0", "0.5"))
    result, notes = mirrored_fields(with_packet(long, 1, "<"), ACROSS, refuse)
    assert (result, notes) == (with_packet(short.ljust(len(long)), 1, "<"), ())


@pytest.mark.parametrize("keep", [False, True])
def test_credentials_in_the_xmp_of_an_exif_block_go_unless_they_are_to_be_kept(*, keep: bool) -> None:
    signed = packet('<d:provenance xmlns:d="http://purl.org/dc/terms/">self#jumbf=c2pa</d:provenance>')
    bare = packet().ljust(len(signed))
    exif = exif_segment(with_packet(signed, 1, "<"))
    result = flip(with_segments(encoded(drawn(64, 48)), exif), keep_credentials=keep)
    wanted = exif if keep else exif_segment(with_packet(bare, 1, "<"))
    assert [it for it in parse(result.data).segments if it.marker == exif.marker] == [wanted]
    became = "kept, though they no longer hold" if keep else "taken out"
    assert result.notes == (f"content credentials {became}: a signature in the XMP",)
    assert positions_left(with_packet(signed, 1, "<"), signed, ACROSS) == ()


def test_what_xmp_in_exif_states_that_cannot_be_mirrored_is_named() -> None:
    block = with_packet(packet(structure(CAMERA_RAW, "Any", {"RetouchInfo": "x"})), 1, "<")
    assert mirrored_fields(block, ACROSS, refuse) == (block, ("not mirrored: RetouchInfo in XMP",))


@pytest.mark.parametrize(
    ("tag", "named"), [(0x4748, "the place in Microsoft's panorama"), (0x8649, "Photoshop's resources in EXIF")]
)
def test_what_exif_states_that_is_not_read_is_named(tag: int, named: str) -> None:
    block = with_packet(bytes(28), 7, "<", tag)
    assert mirrored_fields(block, ACROSS, refuse) == (block, (f"not mirrored: {named}",))


ONE = 1 << 24


@pytest.mark.parametrize("number", [1025, 2000, 2997])
def test_the_knots_of_a_path_move_along_the_axis(number: int) -> None:
    def path(*points: tuple[int, int]) -> bytes:
        knots = [struct.pack(">H2i2i2i", kind, *point * 3) for kind, point in zip((1, 2, 4, 5), points, strict=True)]
        header = struct.pack(">H24x", 6) + struct.pack(">HH22x", 0, 4)
        return resource(number, header + b"".join(knots))

    points = [(0, ONE // 4), (ONE, 0), (5, 7), (-3, 2 * ONE)]  # y, x
    before = path(*points)
    across = path(*((y, ONE - x) for y, x in points))
    assert mirrored_resources(before, ACROSS, refuse) == (across, ())
    assert mirrored_resources(before, DOWN, refuse) == (path(*((ONE - y, x) for y, x in points)), ())
    assert mirrored_resources(across, ACROSS, refuse)[0] == before


def test_guides_move_along_the_axis() -> None:
    def guides(x: int, y: int) -> bytes:
        return resource(1032, struct.pack(">4IiBiB", 1, 576, 576, 2, 32 * x, 0, 32 * y, 1))

    assert mirrored_resources(guides(18, 5), ACROSS, refuse) == (guides(46, 5), ())
    other = resource(4000, b"ImageReady's").replace(b"8BIM", b"MeSa")
    assert mirrored_resources(other + guides(18, 5), ACROSS, refuse) == (other + guides(46, 5), ())
    assert mirrored_resources(guides(18, 5), DOWN, refuse) == (guides(18, 43), ())


def test_slices_move_along_the_axis() -> None:
    def text(it: str) -> bytes:
        return struct.pack(">I", len(it)) + it.encode("utf-16-be")

    def descriptor(left: int, right: int) -> bytes:
        edges = zip((b"Top ", b"Left", b"Btom", b"Rght"), (0, left, 48, right), strict=True)
        return b"".join(bytes(4) + name + b"long" + struct.pack(">i", edge) for name, edge in edges)

    def slices(left: int, right: int) -> bytes:
        one = struct.pack(">3I", 1, 0, 1) + struct.pack(">I", 9) + text("a") + struct.pack(">I4i", 1, left, 3, right, 9)
        one += text("url") + text("") * 3 + b"\0" + text("cell") + bytes(12)
        two = one.replace(struct.pack(">4I", 1, 0, 1, 9), struct.pack(">3I", 2, 0, 2))
        body = struct.pack(">I4i", 6, 3, left, 9, right) + text("all") + struct.pack(">I", 2) + one + two
        return resource(1050, body + descriptor(left, right))

    assert mirrored_resources(slices(10, 30), ACROSS, refuse) == (slices(34, 54), ())


def test_a_resource_of_unknown_layout_is_named() -> None:
    samplers = struct.pack(">4I2H", 2, 1, 0, 0, 0, 8)
    for number, body, name in (
        (1050, b"\0\0\0\x09", "slices"),
        (1038, samplers, "colour samplers"),
        (1073, samplers, "colour samplers"),
        (1080, bytes(90), "counts"),
        (1028, b"\x1c\2\xca\0\4JPEG", "preview in IPTC"),
    ):
        data = resource(number, body)
        assert mirrored_resources(data, ACROSS, refuse) == (data, (f"not mirrored: Photoshop's {name}",))
    for number in (1028, 1038, 1073, 1080):
        nothing = resource(number, struct.pack(">2I", 2, 0))
        assert mirrored_resources(nothing, ACROSS, refuse) == (nothing, ())


def test_spaces_that_are_not_padding_take_no_time() -> None:
    data = packet(structure(AREA, "Area", {"x": "0.5"}), padding=60_000) + b"x"
    assert mirrored(data) == data


APPLE = "http://ns.apple.com/faceinfo/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
MICROSOFT = "http://ns.microsoft.com/photo/1.2/t/Region#"


@pytest.mark.parametrize(("mirror", "roll"), [(ACROSS, "90"), (DOWN, "270")])
def test_a_face_that_is_upright_as_displayed_stays_so(mirror: Mirror, roll: str) -> None:
    data = packet(structure(APPLE, "Face", {"AngleInfoRoll": "270", "AngleInfoYaw": "45"}))
    assert stated(mirrored(data, mirror), APPLE) == {"AngleInfoRoll": roll, "AngleInfoYaw": "-45"}


@pytest.mark.parametrize(
    ("mirror", "wanted"), [(ACROSS, "0.375, 0.25, 0.5, 0.125"), (DOWN, "0.125, 0.625, 0.5, 0.125")]
)
def test_the_corner_of_a_rectangle_moves_by_its_size(mirror: Mirror, wanted: str) -> None:
    data = packet(structure(MICROSOFT, "li", {"Rectangle": "0.125, 0.25, 0.5, 0.125"}))
    assert stated(mirrored(data, mirror), MICROSOFT) == {"Rectangle": wanted}


@pytest.mark.parametrize(("mirror", "wanted"), [(ACROSS, ["51", "10", "7"]), (DOWN, ["12", "37", "7"])])
def test_the_subject_is_an_array_in_xmp(mirror: Mirror, wanted: list[str]) -> None:
    def area(values: list[str]) -> bytes:
        listed = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
        return packet(f"<e:SubjectArea xmlns:e='{EXIF}'><rdf:Seq>{listed}</rdf:Seq></e:SubjectArea>")

    assert mirrored(area(["12", "10", "7"]), mirror) == area(wanted)
    outside = area(["2000", "1500", "7"])
    assert mirrored_packet(outside, mirror, refuse) == (outside, ("not mirrored: SubjectArea in XMP",))


def test_a_value_may_have_qualifiers() -> None:
    seq = "<rdf:Seq><rdf:li>{}</rdf:li><rdf:li rdf:value='10' xml:lang='x'/><rdf:li>7</rdf:li></rdf:Seq>"
    area = f"<e:SubjectArea xmlns:e='{EXIF}' rdf:parseType='Resource'><e:by>me</e:by><rdf:value>{seq}</rdf:value>"
    before, after = (packet(area.format(x) + "</e:SubjectArea>") for x in (12, 51))
    assert mirrored(before) == after


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le"])
def test_a_packet_that_is_not_in_utf_8_is_named(encoding: str) -> None:
    data = packet(structure(AREA, "Area", {"x": "0.1"})).decode().encode(encoding)
    result, [note] = mirrored_packet(data, ACROSS, refuse)
    assert result == data
    assert note.startswith("not mirrored: XMP that cannot be read")


def test_references_to_characters_are_read() -> None:
    data = packet(structure(AREA, "Area", {"x": "0&#46;2&#x35;"}))
    assert stated(mirrored(data), AREA) == {"x": "0.75"}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("<a xmlns='http://a/'>" * 200, "</a>" * 200, "it is nested too deeply"),
        ("<rdf:li/>" * 100_000, "", "it has more than 100,000 elements"),
        (f"<a xmlns='{'a' * 1_001}'/>", "", "a namespace in it is too long"),
    ],
    ids=["nested", "many", "namespace"],
)
def test_a_packet_that_would_cost_too_much_is_left_as_it_was(before: str, after: str, why: str) -> None:
    data = packet(before, structure(AREA, "Area", {"x": "0.1"}), after)
    assert mirrored_packet(data, ACROSS, refuse) == (data, (f"not mirrored: XMP that cannot be read ({why})",))


def test_a_sentence_about_where_a_picture_comes_from_stays() -> None:
    data = packet("<d:provenance xmlns:d='http://purl.org/dc/terms/'>a gift of the painter's heirs</d:provenance>")
    assert mirrored(data) == data


def test_metadata_among_photoshops_resources_is_mirrored_too() -> None:
    xmp = packet(structure(AREA, "Area", {"x": "0.25"}))
    before = resource(1060, xmp) + resource(1058, subject("<", [12, 10, 11]))
    after = resource(1060, xmp.replace(b"0.25", b"0.75")) + resource(1058, subject("<", [51, 10, 11]))
    assert mirrored_resources(before, ACROSS, refuse) == (after, ())


@pytest.mark.parametrize("keep", [False, True])
def test_credentials_among_photoshops_resources_go_unless_they_are_to_be_kept(*, keep: bool) -> None:
    signed = packet('<d:provenance xmlns:d="http://purl.org/dc/terms/">self#jumbf=c2pa</d:provenance>')
    before, after = resource(1060, signed), resource(1060, signed if keep else packet())
    assert mirrored_resources(before, ACROSS, refuse, keep=keep)[0] == after


def test_the_thumbnail_in_exif_among_photoshops_resources_is_mirrored_too() -> None:
    jpeg = encoded(drawn(16, 8))
    before, after = (resource(1058, exif_block(thumbnail=it)) for it in (jpeg, jpeg[::-1]))
    assert mirrored_resources(before, ACROSS, lambda picture: picture[::-1]) == (after, ())


@pytest.mark.parametrize(("mirror", "wanted"), [(ACROSS, (1, 3, 5, 6)), (DOWN, (3, 2, 7, 5))])
def test_the_clipboard_of_a_path_changes_its_sides(mirror: Mirror, wanted: tuple[int, ...]) -> None:
    def clipboard(top: int, left: int, bottom: int, right: int) -> bytes:
        edges = (ONE // 8 * edge for edge in (top, left, bottom, right))
        return resource(2000, struct.pack(">H5i4x", 7, *edges, ONE))

    assert mirrored_resources(clipboard(1, 2, 5, 5), mirror, refuse)[0] == clipboard(*wanted)
