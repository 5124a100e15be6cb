"""The rules of the table's units, as exact arithmetic on the decimal numbers of XMP."""

from __future__ import annotations

import re
from decimal import Context, Decimal

from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.properties import Structure
from trio_mirror.flip.positions.table import Position, Unit

# What reads as longer numbers is damaged or malicious.
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,20}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?)\s*", re.ASCII)
_EXACT = Context(prec=200)
_SHARES = {None, "normalized", "relative"}
_ZERO, _ONE = Decimal(), Decimal(1)


def mirrored_texts(texts: list[str], rule: Position, space: str, structure: Structure, mirror: Mirror) -> list[str]:
    """Mirrors what a property states, or an array, by its row of the table.

    ``space`` is its namespace, and ``structure`` is where the properties stand to which the rule refers.

    Raises:
        LookupError: there are fewer values than the rule takes.
        ValueError: a value is missing or not a number, lies outside of the picture, or has no rule.
    """

    def other(name: str, default: str = "") -> Decimal:
        text = structure.text(space + name)
        return _number(default if text is None else text)

    match rule.unit:
        case Unit.INDEX:
            x, y = map(int, texts[:2])
            place = mirror.pixel(x, y)
            if place is None:
                raise ValueError("it lies outside of the picture")
            return [*map(str, place), *texts[2:]]
        case Unit.CORNER:
            numbers = [_number(text) for text in texts[0].split(",")]
            at = int(mirror.rows)
            numbers[at] = _minus(_ONE, numbers[at], numbers[at + 2])
            return [", ".join(map(_written, numbers))]
        case Unit.UNKNOWN:
            raise ValueError("its kind is unknown")
    value = other(rule.source) if rule.source else _number(texts[0])
    match rule.unit:
        case Unit.ANGLE:
            new = _minus(_ZERO, value)
        case Unit.ROLL:
            new = _turn(_minus(Decimal(180 if mirror.rows else 0), value))
        case Unit.HEADING:
            centre = other(rule.whole, "0")
            new = _turn(_minus(centre, _minus(value, centre)))
        case Unit.PIXEL:
            whole = other(rule.whole) if rule.whole else Decimal(mirror.length)
            new = _inside(value, _minus(whole, value, other(rule.size) if rule.size else _ZERO))
        case _:
            # Regions that are circles or polygons are placed by points, which have no size.
            size = other(rule.size, "0")
            if rule.unit is Unit.SHARE or structure.find(space + rule.whole) in _SHARES:
                new = _minus(_ONE, value, size)
            else:
                new = _inside(value, _minus(Decimal(mirror.length), value, size))
    return [_written(new)]


def _minus(one: Decimal, *others: Decimal) -> Decimal:
    for other in others:
        one = _EXACT.subtract(one, other)
    return one


def _turn(degrees: Decimal) -> Decimal:
    rest = _EXACT.remainder(degrees, Decimal(360))
    return _EXACT.add(rest, 360) if rest < 0 else rest


def _inside(old: Decimal, new: Decimal) -> Decimal:
    if min(old, new) < 0:
        raise ValueError("it lies outside of the picture")
    return new


def _number(text: str) -> Decimal:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError("it is not a number")
    return Decimal(found[1])


def _written(number: Decimal) -> str:
    return format(number, "f")
