"""SVG: mirrored by a group around all that it draws, where nothing in it could make that mean something else.

Scripts, references to other files, and styles that select by the structure are refused, as are drawings that a viewer
would not centre (SVG 2, sections 5.1.1 and 8.6).
"""

from __future__ import annotations

import re
from decimal import Decimal
from xml.parsers import expat

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.positions.xmp import credentials_note
from trio_mirror.model import Flipped, Limits

_ENCODINGS = {"utf-8", "us-ascii", "ascii", "iso-8859-1"}
_NAMESPACE = "http://www.w3.org/2000/svg"
_REFUSED = {**dict.fromkeys(("script", "handler", "listener"), "a script"), "foreignobject": "foreign content"}
# What draws nothing: readers look for most of it among the children of the outermost element.
_UNDRAWN = {"title", "desc", "metadata", "defs", "style", "namedview"}
_ANIMATIONS = {"animate", "animatetransform", "animatemotion", "animatecolor", "set"}
_FOREIGN = re.compile(r"@import|url\(\s*+(?![\s\"']*(?:#|data:))", re.IGNORECASE)
# Selectors by which the group would be counted or styled, and escapes that could hide them.
_STRUCTURAL = re.compile(r"(?i)>|:root|:empty|:(?:first|last|only|nth)-|\\|(?<![\w.#-])g(?![\w.#-])|(?<!/)\*(?!/)")
_OUTWARD = re.compile(r"\s*(?!#|data:image/(?!svg))\S", re.IGNORECASE)
_NUMBER = r"[+-]?(?:\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})"
_VIEW_BOX = re.compile(rf"\s*({_NUMBER})[\s,]+{_NUMBER}[\s,]+({_NUMBER})[\s,]+{_NUMBER}\s*")
_LENGTH = re.compile(rf"\s*({_NUMBER})(?:px)?\s*")
_MANIFEST = "http://c2pa.org/manifest manifest"  # of C2PA, as the text of an element of the metadata
_DEEPEST = 256  # as libxml2, by which librsvg reads
_LONGEST_NAMESPACE = 1_000  # characters: expat writes it out before each name
_OPEN, _CLOSE = '<g transform="matrix(-1 0 0 1 {} 0)">', b"</g>"


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:  # noqa: ARG001 (nothing is drawn)
    """Mirrors an SVG drawing exactly.

    Raises:
        FlipError: damaged, or it holds what cannot be mirrored safely.
    """
    drawing = _Drawing()
    try:
        drawing.parser.Parse(data, True)  # noqa: FBT003 (expat takes it by place)
    except (expat.ExpatError, ValueError) as error:
        raise FlipError(f"the SVG cannot be read: {error}") from error
    if drawing.content is None or not data.startswith(b"</", drawing.end):
        raise FlipError("the SVG draws nothing")
    begin, end = drawing.content, drawing.behind or drawing.end
    group, edits = _OPEN.format(drawing.sides).encode(), Edits(data)
    if drawing.first == (begin, end - len(_CLOSE)) and data.startswith(group, begin):  # by an earlier mirroring
        edits.splice(None, begin, begin + len(group), b"")
        edits.splice(None, end - len(_CLOSE), end, b"")
    else:
        edits.splice(None, begin, begin, group)
        edits.splice(None, end, end, _CLOSE)
    for start, stop in [] if keep_credentials else drawing.manifests:
        edits.splice(None, start, data.index(b">", stop) + 1, b"")
    notes = (credentials_note("a C2PA manifest", kept=keep_credentials),) if drawing.manifests else ()
    return Flipped(edits.apply(), "image/svg+xml", lossless=True, notes=notes)


class _Drawing:
    """Reads a drawing: where what it draws begins and ends (bytes), and what of it is unsafe to wrap."""

    def __init__(self) -> None:
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        self.content: int | None = None
        self.end = self.behind = 0  # where its end tag, and undrawn children behind the last drawn one, begin
        self.first: tuple[int, int] | None = None  # where the tags of the first drawn child begin
        self.manifests: list[tuple[int, int]] = []  # where the tags of each C2PA manifest begin
        self._open: list[int] = []  # where those begin whose end is still to come
        self.sides = Decimal(0)  # the sum of its left and its right side, in its own units
        self._depth = 0
        self._style: list[str] | None = None  # the text of the style sheet that it is in
        parser.XmlDeclHandler = self._declaration
        parser.EntityDeclHandler = self._entity
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = parser.StartCdataSectionHandler = self._other
        parser.ProcessingInstructionHandler = self._instruction

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise FlipError(f"the SVG is in the encoding {encoding!r}, in which it is not mirrored here")

    def _entity(self, *_: object) -> None:
        raise FlipError("the SVG declares entities, which are not followed here")

    def _namespace(self, _prefix: str | None, uri: str | None) -> None:
        if len(uri or "") > _LONGEST_NAMESPACE:
            raise FlipError(f"the SVG has a namespace of over {_LONGEST_NAMESPACE:,} characters")

    def _instruction(self, target: str, _data: str) -> None:
        if target == "xml-stylesheet":
            raise FlipError("the SVG refers to a style sheet in another file")
        self._other()

    def _other(self, *_: object) -> None:
        if self._depth and self.content is None:
            self.content = self.parser.CurrentByteIndex

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._other()
        space, _, local = name.rpartition(" ")
        local = local.lower()
        if self._depth == 0:
            if (space, local) != (_NAMESPACE, "svg"):
                raise FlipError("the body is an XML page, not a picture")
            self.sides = _sides(attributes)
        elif self._depth == 1 and local not in _UNDRAWN:
            self.first = self.first or (self.parser.CurrentByteIndex, 0)
            self.behind = 0
        elif self._depth == 1 and self.first:
            self.behind = self.behind or self.parser.CurrentByteIndex
        if local in _REFUSED or (local in _ANIMATIONS and self._depth == 1):
            raise FlipError(f"the SVG holds {_REFUSED.get(local, 'an animation of itself')}, and is not mirrored")
        for key, value in attributes.items():
            attribute = key.rpartition(" ")[2].lower()
            if attribute.startswith("on"):
                raise FlipError("the SVG holds a script, and is not mirrored")
            if (attribute in {"href", "src"} and _OUTWARD.match(value)) or _FOREIGN.search(value):
                raise FlipError("the SVG refers to other files, and is not mirrored")
        if name == _MANIFEST:
            self._open.append(self.parser.CurrentByteIndex)
        self._style = [] if local == "style" else None
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FlipError(f"the SVG is nested more than {_DEEPEST} elements deep")

    def _stop(self, name: str) -> None:
        self._other()
        if name == _MANIFEST:
            start, stop = self._open.pop(), self.parser.CurrentByteIndex
            if start < stop:  # else it is empty, and vouches for nothing
                self.manifests.append((start, stop))
        self._depth -= 1
        style, self._style = "".join(self._style or ()), None
        if _FOREIGN.search(style) or _STRUCTURAL.search(style):
            raise FlipError("the SVG has styles that depend on its structure or on other files, and is not mirrored")
        if self._depth == 1 and self.first and not self.first[1]:
            self.first = (self.first[0], self.parser.CurrentByteIndex)
        elif self._depth == 1 and not self.first:
            self.content = None  # it begins behind this child
        self.end = self.parser.CurrentByteIndex

    def _text(self, text: str) -> None:
        self._other()
        if self._style is not None:
            self._style.append(text)


def _sides(root: dict[str, str]) -> Decimal:
    """The left and the right side of what is drawn, added up."""
    style = set(re.findall(r"[a-z]+", root.get("style", "")))
    if "transform" in {*root, *style} or re.search(r"xM(in|ax)", root.get("preserveAspectRatio", "")):
        raise FlipError("the SVG moves its drawing by an attribute of its outermost element, and is not mirrored")
    if box := _VIEW_BOX.fullmatch(root.get("viewBox", "")):
        return 2 * Decimal(box[1]) + Decimal(box[2])
    if "width" not in style and (length := _LENGTH.fullmatch(root.get("width", ""))):
        return Decimal(length[1])
    raise FlipError("the SVG states no size, neither a viewBox nor a width in pixels")
