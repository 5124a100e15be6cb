"""The scenes of the sample pictures: drawn so that a person sees at once which way round they are."""

from __future__ import annotations

import math
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

Colour: TypeAlias = str
"""As ``#rrggbb``."""

# Pixels of a scene as it is drawn; the clock and the sticker are squares of the height. All are reduced to half of
# that, which smooths the edges.
_WIDTH, _HEIGHT = 960, 640
_CREAM = "#fff6e0"
_INK = "#1d2b45"


def harbour() -> Image.Image:
    """A boat that sails to the right, away from the sun."""
    horizon = 400
    scene = Image.new("RGB", (_WIDTH, _HEIGHT))
    scene.paste(_gradient(_WIDTH, horizon, "#6fa8dc", "#ffd9a0"))
    scene.paste(_gradient(_WIDTH, _HEIGHT - horizon, "#2f7f9e", "#123a5a"), (0, horizon))
    glow = ImageOps.invert(Image.radial_gradient("L")).resize((380, 380))
    scene.paste("#fff1c4", (20, 110), glow.point(lambda level: max(0, level - 75)))
    draw = ImageDraw.Draw(scene)
    draw.ellipse((130, 220, 290, 380), fill="#fff3cf")
    draw.polygon([(560, 400), (700, 330), (790, 352), (880, 290), (960, 330), (960, 400)], fill="#557a8c")
    for row in range(12):
        y, reach, centre = 412 + row * 18, 90 - row * 5, 210 + 14 * math.sin(2 * row)
        draw.rounded_rectangle((centre - reach, y, centre + reach, y + 5), 3, fill="#f3c98b")
    for index in range(1, 31):
        # Strewn evenly: the additive recurrence whose steps come from the plastic number.
        left, top = 340 + 590 * (index * 0.7548777 % 1), 425 + 205 * (index * 0.5698403 % 1)
        draw.rounded_rectangle((left, top, left + 24 + top % 32, top + 4), 2, fill="#4b9ab5")
    draw.line((636, 150, 636, 470), fill="#5b3a24", width=10)
    draw.polygon([(622, 170), (622, 440), (450, 440)], fill=_CREAM)
    draw.polygon([(652, 190), (652, 440), (780, 440)], fill="#e4572e")
    draw.polygon([(636, 150), (636, 112), (576, 131)], fill="#e4572e")
    draw.polygon([(430, 462), (830, 462), (760, 530), (490, 530)], fill="#7a2e1f")
    draw.polygon([(430, 462), (830, 462), (818, 475), (442, 475)], fill=_CREAM)
    _write(scene, (600, 503), "MIRIAM", 32, _CREAM)
    for x, y, wing in ((380, 130, 26), (450, 90, 18), (330, 76, 14)):
        draw.arc((x - 2 * wing, y, x, y + wing), 200, 340, fill=_INK, width=5)
        draw.arc((x, y, x + 2 * wing, y + wing), 200, 340, fill=_INK, width=5)
    _write(scene, (800, 70), "Sailing east", 44, _INK)
    draw.line((690, 120, 890, 120), fill=_INK, width=10)
    draw.polygon([(910, 120), (874, 98), (874, 142)], fill=_INK)
    return scene.reduce(2)


def clock(hour: int, minute: int, face: Colour = "#fdf3dc") -> Image.Image:
    """A clock, whose hands turn the wrong way in a mirror."""
    centre = _HEIGHT // 2
    scene = _gradient(_HEIGHT, _HEIGHT, "#2a9d8f", "#17545c")
    draw = ImageDraw.Draw(scene)
    draw.ellipse((34, 42, 622, 630), fill="#0f3f46")
    draw.ellipse((26, 26, 614, 614), fill="#e9b44c")
    draw.ellipse((50, 50, 590, 590), fill=face)
    for tick in range(60):
        inner, thick = (244, 8) if tick % 5 == 0 else (256, 3)
        draw.line((_polar(centre, inner, tick / 60), _polar(centre, 264, tick / 60)), fill=_INK, width=thick)
    for number in range(1, 13):
        _write(scene, _polar(centre, 204, number / 12), str(number), 64, _INK)
    _write(scene, (centre, 220), "TRIO", 40, "#b3541e")
    turn = minute / 60
    _hand(draw, centre, 112, (hour + turn) / 12, 18)
    _hand(draw, centre, 170, turn, 12)
    draw.ellipse((centre - 18, centre - 18, centre + 18, centre + 18), fill="#b3541e")
    return scene.reduce(2)


def sticker() -> Image.Image:
    """A letter on a round sticker, its shadow half transparent and the rest of the square clear."""
    shadow = Image.new("L", (_HEIGHT, _HEIGHT))
    ImageDraw.Draw(shadow).ellipse((70, 80, 600, 610), fill=150)
    scene = Image.new("RGBA", (_HEIGHT, _HEIGHT), _INK)
    scene.putalpha(shadow.reduce(4).filter(ImageFilter.GaussianBlur(5)).resize((_HEIGHT, _HEIGHT)))
    draw = ImageDraw.Draw(scene)
    draw.ellipse((40, 40, 570, 570), fill=_CREAM)
    draw.ellipse((62, 62, 548, 548), fill="#e63973")
    draw.pieslice((62, 62, 548, 548), 100, 190, fill="#f7a1bd")
    _write(scene, (305, 268), "R", 400, _CREAM)
    _write(scene, (305, 484), "read me", 60, _CREAM)
    return scene.reduce(2)


def signpost(word: str = "THIS SIDE UP", colours: tuple[Colour, Colour] = ("#457b9d", "#1d3557")) -> Image.Image:
    """A word below an arrow that points up, between the words left and right."""
    scene = _gradient(_WIDTH, _HEIGHT, *colours)
    draw = ImageDraw.Draw(scene)
    draw.polygon([(0, 0), (190, 0), (0, 190)], fill="#e63946")
    draw.ellipse((820, 500, 1020, 700), fill="#f4a261")
    draw.rounded_rectangle((60, 60, _WIDTH - 60, _HEIGHT - 60), 40, outline=_CREAM, width=8)
    draw.polygon([(480, 110), (610, 260), (530, 260), (530, 380), (430, 380), (430, 260), (350, 260)], fill=_CREAM)
    _write(scene, (210, 300), "left", 100, _CREAM)
    _write(scene, (745, 300), "right", 100, _CREAM)
    _write(scene, (480, 480), word, 104, _CREAM)
    return scene.reduce(2)


def _gradient(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    return ImageOps.colorize(Image.linear_gradient("L").resize((width, height)), top, bottom)


def _write(scene: Image.Image, centre: tuple[float, float], text: str, size: int, colour: Colour) -> None:
    ImageDraw.Draw(scene).text(centre, text, colour, ImageFont.load_default(size), anchor="mm")


def _polar(centre: int, radius: float, turn: float) -> tuple[float, float]:
    """The point at a part of a turn, clockwise from noon."""
    angle = 2 * math.pi * turn
    return centre + radius * math.sin(angle), centre - radius * math.cos(angle)


def _hand(draw: ImageDraw.ImageDraw, centre: int, length: int, turn: float, thick: int) -> None:
    draw.line((_polar(centre, -30, turn), _polar(centre, length, turn)), fill=_INK, width=thick)
