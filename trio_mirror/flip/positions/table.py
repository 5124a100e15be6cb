"""The list itself: what a file states in which container, in which unit, and the rule by which it is mirrored."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

EXIF = {0x9214: "SubjectArea", 0xA214: "SubjectLocation"}
"""Fields of EXIF that begin with a pixel's x and y (Exif 2.32, section 4.6.5): x → width - 1 - x. Sizes stay."""

EXIF_LEFT = {0x4748: "the place in Microsoft's panorama"}
"""Fields of EXIF that are only noted: the angles that a panorama of Photo Gallery spans (ExifTool, Microsoft.pm)."""


class Unit(Enum):
    """What a number counts, which is also how it is mirrored; v is the number, s the size that goes with it."""

    SHARE = "share of a side"  # v → 1 - v - s
    PIXEL = "pixels"  # v → whole - v - s, if it lies inside; the whole is the raster's side, or another field
    STATED = "shares or pixels, as another field says"
    INDEX = "number of a pixel"  # v → side - 1 - v
    CORNER = "x, y, width and height in one text, shares of the sides"
    ANGLE = "degrees or radians, of which zero is upright"  # v → -v
    ROLL = "degrees from 0 to 360 against the stored rows"  # v → -v, and 180° - v where rows change places
    HEADING = "degrees of the compass"  # v → 2 × heading of the centre - v
    PICTURE = "an encoded picture in base64"  # mirrored as the raster is
    UNKNOWN = "of several kinds"  # named in a note


class Position(NamedTuple):
    """How one property of XMP is mirrored. Other properties are named in its own namespace."""

    unit: Unit
    axis: str = "xy"  # where it counts: only while this coordinate changes, or always
    size: str = ""  # the property with its size along the axis
    whole: str = ""  # the property with what its place is counted within
    source: str = ""  # the opposite edge, which this one becomes
    unless: str = ""  # the property that, where it is true, says that the raster does not depend on it


def _point(unit: Unit, x: str, y: str, **other: str) -> dict[str, Position]:
    """The two coordinates of a point, or what counts along x and along y."""
    return {x: Position(unit, "x", **other), y: Position(unit, "y", **other)}


def _unknown(*names: str, **other: str) -> dict[str, Position]:
    return dict.fromkeys(names, Position(Unit.UNKNOWN, **other))


_PENDING = {"unless": "AlreadyApplied"}
_CAMERA_RAW = {
    "CropLeft": Position(Unit.SHARE, "x", source="CropRight", **_PENDING),
    "CropRight": Position(Unit.SHARE, "x", source="CropLeft", **_PENDING),
    "CropTop": Position(Unit.SHARE, "y", source="CropBottom", **_PENDING),
    "CropBottom": Position(Unit.SHARE, "y", source="CropTop", **_PENDING),
    "CropAngle": Position(Unit.ANGLE, **_PENDING),
    **_point(Unit.ANGLE, "PerspectiveHorizontal", "PerspectiveVertical", **_PENDING),
    "PerspectiveRotate": Position(Unit.ANGLE, **_PENDING),
    **_point(Unit.ANGLE, "PerspectiveX", "PerspectiveY", **_PENDING),
    **_point(Unit.SHARE, "UprightCenterNormX", "UprightCenterNormY", **_PENDING),
    **_unknown(
        "GradientBasedCorrections",
        "CircularGradientBasedCorrections",
        "PaintBasedCorrections",
        "MaskGroupBasedCorrections",
        "RetouchInfo",
        "RetouchAreas",
        "RedEyeInfo",
        "UprightTransform_0",
        **_PENDING,
    ),
}
_WIDTH, _HEIGHT = "CroppedAreaImageWidthPixels", "CroppedAreaImageHeightPixels"
_PANORAMA = {
    "CroppedAreaLeftPixels": Position(Unit.PIXEL, "x", size=_WIDTH, whole="FullPanoWidthPixels"),
    "CroppedAreaTopPixels": Position(Unit.PIXEL, "y", size=_HEIGHT, whole="FullPanoHeightPixels"),
    "LargestValidInteriorRectLeft": Position(Unit.PIXEL, "x", size="LargestValidInteriorRectWidth", whole=_WIDTH),
    "LargestValidInteriorRectTop": Position(Unit.PIXEL, "y", size="LargestValidInteriorRectHeight", whole=_HEIGHT),
    "PoseRollDegrees": Position(Unit.ANGLE),
    "InitialViewRollDegrees": Position(Unit.ANGLE),
    "InitialViewHeadingDegrees": Position(Unit.HEADING, whole="PoseHeadingDegrees"),
}
_LENS = {**_point(Unit.SHARE, "PrincipalPointX", "PrincipalPointY"), "Skew": Position(Unit.ANGLE)}
_DEPTH_PICTURES = dict.fromkeys(("Data", "Confidence"), Position(Unit.PICTURE))

XMP: dict[str, dict[str, Position]] = {
    # Regions: of the Metadata Working Group (Guidelines 2.0, section 5.9), Apple's, ACDSee's, Microsoft's, IPTC's.
    "http://ns.adobe.com/xmp/sType/Area#": _point(Unit.STATED, "x", "y", whole="unit"),
    "http://www.metadataworkinggroup.com/schemas/regions/": {"Rotation": Position(Unit.ANGLE)},
    "http://ns.apple.com/faceinfo/1.0/": {"AngleInfoRoll": Position(Unit.ROLL), "AngleInfoYaw": Position(Unit.ANGLE)},
    "http://ns.acdsee.com/sType/Area#": _point(Unit.SHARE, "x", "y"),
    "http://ns.microsoft.com/photo/1.2/t/Region#": {"Rectangle": Position(Unit.CORNER)},
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": {
        "rbX": Position(Unit.STATED, "x", size="rbW", whole="rbUnit"),
        "rbY": Position(Unit.STATED, "y", size="rbH", whole="rbUnit"),
    },
    "http://ns.adobe.com/exif/1.0/": {"SubjectArea": Position(Unit.INDEX), "SubjectLocation": Position(Unit.INDEX)},
    "http://ns.google.com/photos/1.0/panorama/": _PANORAMA,
    "http://ns.adobe.com/camera-raw-settings/1.0/": _CAMERA_RAW,
    # What the camera of iOS 5 to 7 was asked to crop, and left to those who show the picture.
    "http://ns.apple.com/adjustment-settings/1.0/": _unknown("CropX", "CropY", "AffineX", "AffineY"),
    "http://ns.google.com/photos/1.0/focus/": _point(Unit.SHARE, "FocalPointX", "FocalPointY"),
    # Lenses: Dynamic Depth 1.0, its forerunner XDM, and makers of drones.
    "http://ns.google.com/photos/dd/1.0/imagingmodel/": _LENS,
    "http://ns.xdm.org/photos/1.0/imagingmodel/": _LENS,
    "http://www.dji.com/drone-dji/1.0/": {
        **_point(Unit.PIXEL, "CalibratedOpticalCenterX", "CalibratedOpticalCenterY"),
        **_unknown("DewarpData"),
    },
    "http://pix4d.com/camera/1.0/": _unknown(
        "PrincipalPoint", "PerspectiveDistortion", "FisheyeAffineMatrix", "VignettingCenter"
    ),
    # What a depth map of Apple's states of the lens, and where Xiaomi's camera laid its watermark.
    "http://ns.apple.com/depthData/1.0/": _unknown(
        "IntrinsicMatrix", "LensDistortionCenterOffsetX", "LensDistortionCenterOffsetY"
    ),
    "http://ns.xiaomi.com/photos/1.0/camera/": _unknown("XMPMeta"),
    # Pictures.
    "http://ns.adobe.com/xap/1.0/g/img/": {"image": Position(Unit.PICTURE)},
    "http://ns.google.com/photos/1.0/depthmap/": _DEPTH_PICTURES,
    "http://ns.google.com/photos/1.0/image/": _DEPTH_PICTURES,
}
"""By namespace and property."""

OTHER_PICTURES = "http://ns.adobe.com/xap/1.0/mm/Pantry"
"""The XMP of pictures from which this one was composed; its positions are theirs."""

SIGNATURES = {"http://www.w3.org/2000/09/xmldsig#": "Signature", "http://purl.org/dc/terms/": "provenance"}
"""Properties of XMP that vouch for the bytes of the file: a signature, and where its content credentials are (C2PA)."""
