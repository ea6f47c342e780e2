"""A line chart as a PNG: mail programs show neither SVG nor scripts. Twice as large as it is shown, for sharp screens."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from quadra.alerts.reports import words
from quadra.alerts.reports.blocks import Chart

WIDTH, HEIGHT = 552, 200
SCALE = 2
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
COLOURS = ("#3b5bdb", "#b5541c", "#0b7a53", "#8f3fbf", "#5b6472")
INK, RULE, GROUND = "#5b6472", "#e4e7ec", "#ffffff"
STEPS = 4
LABELS_MOST = 7


def png(chart: Chart, labels: list[str]) -> bytes:
    """`labels` name its periods."""
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), GROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=11 * SCALE)
    top = _round_up(max((value for line in chart.lines.values() for value in line), default=0))
    for step in range(STEPS + 1):
        value = top * step / STEPS
        y = _y(value, top)
        draw.line([(LEFT * SCALE, y), ((WIDTH - RIGHT) * SCALE, y)], fill=RULE, width=SCALE)
        draw.text(((LEFT - 8) * SCALE, y), words.number(value), fill=INK, font=font, anchor="rm")
    every = -(-len(labels) // LABELS_MOST)
    for place in range(0, len(labels), every):
        x = _x(place, len(labels))
        draw.text((x, (HEIGHT - BOTTOM + 8) * SCALE), labels[place], fill=INK, font=font, anchor="ma")
    for line, colour in zip(chart.lines.values(), COLOURS, strict=False):
        points = [(_x(place, len(line)), _y(value, top)) for place, value in enumerate(line)]
        draw.line(points, fill=colour, width=2 * SCALE, joint="curve")
        for x, y in points if len(points) <= 31 else ():
            draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=colour)
    file = BytesIO()
    picture.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def _x(place: int, count: int) -> float:
    """With room beside the outer ones for their labels."""
    inner = WIDTH - LEFT - RIGHT - 48
    return (LEFT + 24 + inner * (place / (count - 1) if count > 1 else 0.5)) * SCALE


def _y(value: float, top: float) -> float:
    return (HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(0.0, value) / top) * SCALE


def _round_up(value: float) -> float:
    """The next of 4, 8, 20, 40, 80, … so that a quarter of it is a round number."""
    top = 4.0
    while True:
        for factor in (1, 2, 5):
            if value <= top * factor:
                return top * factor
        top *= 10
