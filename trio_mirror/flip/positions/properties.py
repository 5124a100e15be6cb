"""The properties of an XMP packet and where they stand in it, whatever their prefix, quoting or form.

RDF writes a property as an attribute or as an element, and a structure as an element of either, or with a
``rdf:Description`` between (XMP specification, part 1, section 7). expat reads it, in linear time; what declares
entities is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple
from xml.parsers import expat

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TRANSPARENT = {"adobe:ns:meta/xmpmeta", f"{_RDF}RDF", f"{_RDF}Description"}
LIST_ITEM = f"{_RDF}li"
_QUALIFIED = f"{_RDF}value"  # the value of a property, where qualifiers stand beside it
_DEEPEST = 100
_MOST_ELEMENTS = 100_000  # each takes up to 1 KB
_LONGEST_NAMESPACE = 1_000  # characters: expat writes it out before each name
_ATTRIBUTE = re.compile(rb"""\s([^\s=<>/"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TAG = re.compile(rb"""<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")


class Value(NamedTuple):
    """A simple property."""

    text: str  # without references to characters
    place: slice  # in the packet, in bytes
    whole: slice  # the same with its name: the attribute, or the element


@dataclass(slots=True)
class Structure:
    """A property that holds others, or a list of them."""

    name: str  # namespace and local name in one, as all names here
    parent: Structure | None
    whole: slice = field(default_factory=lambda: slice(0))  # the element in the packet, in bytes
    fields: dict[str, Value] = field(default_factory=dict)
    items: list[Value] = field(default_factory=list)  # the simple items of an array
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Of the outermost one, the texts of properties in other packets of the same picture."""

    def text(self, name: str) -> str | None:
        """The text of a property of this structure."""
        return self.fields[name].text if name in self.fields else self.elsewhere.get(name)

    def find(self, name: str) -> str | None:
        """The text of a property of this structure, or of one that it is part of."""
        texts = (around.text(name) for around in self.around())
        return next((text for text in texts if text is not None), None)

    def around(self) -> Iterator[Structure]:
        """This structure and those that it is part of."""
        at: Structure | None = self
        while at is not None:
            yield at
            at = at.parent


@dataclass(slots=True)
class _Element:
    structure: Structure
    at: int
    content: int  # offset of what follows the start tag
    is_simple: bool = True  # whether there is no element inside


def read_properties(packet: bytes) -> list[Structure]:
    """The structures of a packet in UTF-8, in the order of their start; zeros may follow it.

    Raises:
        ValueError: it is not XML, declares entities, is nested too deeply, or is too large.
    """
    reader = _Reader(packet)
    try:
        reader.parser.Parse(packet.rstrip(b"\0"), True)  # noqa: FBT003
    except expat.ExpatError as error:
        # Some writers leave bytes behind the packet.
        if reader.stack or not reader.elements:
            raise ValueError(str(error)) from error
    return reader.structures


class _Reader:
    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.structures = [Structure("", None)]
        self.stack: list[_Element] = []
        self.elements = 0
        # Namespace and local name without anything between, as RDF joins them.
        self.parser = expat.ParserCreate(namespace_separator="")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = _refuse
        self.parser.StartNamespaceDeclHandler = _check_namespace

    def _start(self, name: str, attributes: list[str]) -> None:
        at = self.parser.CurrentByteIndex
        tag = _TAG.match(self.packet, at)
        if tag is None or len(self.stack) >= _DEEPEST:
            raise ValueError("it is not in UTF-8" if tag is None else "it is nested too deeply")
        self.elements += 1
        if self.elements > _MOST_ELEMENTS:
            raise ValueError(f"it has more than {_MOST_ELEMENTS:,} elements")
        parent = self.structures[0]
        if self.stack:
            self.stack[-1].is_simple = False
            parent = self.stack[-1].structure
        structure = parent
        if name not in _TRANSPARENT:
            # The value of a property is called as the property is.
            structure = Structure(parent.name if name == _QUALIFIED else name, parent)
            self.structures.append(structure)
        places = (it for it in _ATTRIBUTE.finditer(self.packet, at, tag.end()) if not it[1].startswith(b"xmlns"))
        for attribute, value, place in zip(attributes[::2], attributes[1::2], places, strict=False):
            structure.fields[attribute] = Value(value, slice(*place.span(place.lastindex or 0)), slice(*place.span()))
        self.stack.append(_Element(structure, at, tag.end()))

    def _end(self, name: str) -> None:
        element = self.stack.pop()
        structure = element.structure
        if name in _TRANSPARENT or structure.parent is None:
            return
        stop = self.parser.CurrentByteIndex
        end = self.packet.find(b">", stop) + 1
        if not self.packet.startswith(b"</", stop):
            stop = end = element.content  # <an-empty-tag/>
        structure.whole = slice(element.at, end)
        if element.is_simple and (stop > element.content or not structure.fields):
            raw = self.packet[element.content : stop].decode("utf-8", "replace")
            value = Value(unescape(raw), slice(element.content, stop), structure.whole)
            if not structure.fields:
                self.structures.pop()
        elif _QUALIFIED in structure.fields:
            value = structure.fields[_QUALIFIED]._replace(whole=structure.whole)
        else:
            return
        if name == LIST_ITEM:
            structure.parent.items.append(value)
        else:
            structure.parent.fields[name] = value


def _check_namespace(_prefix: str | None, uri: str | None) -> None:
    if len(uri or "") > _LONGEST_NAMESPACE:
        raise ValueError("a namespace in it is too long")


def _refuse(*_: object) -> None:
    raise ValueError("it declares a document type")
