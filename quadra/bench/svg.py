"""Two kinds of plot as SVG: bars beside a limit, and lines. No script; one file serves light and dark pages by a media query.

A code host shows such a file as an image: it takes no style from the page around it, so each brings its colours along.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import msgspec

WIDTH, MARGIN = 760, 16
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.quiet { fill: #57606a }
.back { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 }
.bar0, .dot0 { fill: #0b62c4 } .bar1, .dot1 { fill: #b3590a } .bar2, .dot2 { fill: #6f42c1 }
.line0 { stroke: #0b62c4 } .line1 { stroke: #b3590a } .line2 { stroke: #6f42c1 }
.line0, .line1, .line2 { fill: none; stroke-width: 2 }
.line1 { stroke-dasharray: 7 3 } .line2 { stroke-dasharray: 2 3 }
.limit { stroke: #24292f; stroke-width: 3 }
.band { fill: #0b62c4; opacity: .08 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9ea7b3 } .back { fill: #0d1117 } .grid { stroke: #3d444d }
.bar0, .dot0 { fill: #58a6ff } .bar1, .dot1 { fill: #f0a04b } .bar2, .dot2 { fill: #bc8cff }
.line0 { stroke: #58a6ff } .line1 { stroke: #f0a04b } .line2 { stroke: #bc8cff }
.limit { stroke: #e6edf3 } .band { fill: #58a6ff; opacity: .14 }
}
"""


class Bar(msgspec.Struct, frozen=True):
    label: str
    value: float
    limit: float | None = None
    """A mark on the same scale."""


class Line(msgspec.Struct, frozen=True):
    label: str
    points: Sequence[tuple[float, float]]


class Band(msgspec.Struct, frozen=True):
    """A stretch of the x axis that is shaded."""

    label: str
    start: float
    end: float


def bars(title: str, about: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars; `about` says unit and what the mark means."""
    left, right, step = 370, WIDTH - 80, 26
    most = nice(max(max(row.value, row.limit or 0) for row in rows))
    parts, top = [], 64
    for number in range(5):
        x = left + (right - left) * number / 4
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{top + step * len(rows)}"/>')
        parts.append(_text(x, top + step * len(rows) + 18, short(most * number / 4), "quiet", "middle"))
    for number, row in enumerate(rows):
        y, long = top + number * step, (right - left) / most
        parts.append(_text(left - 8, y + 17, row.label, "", "end"))
        parts.append(
            f'<rect class="bar0" x="{left}" y="{y + 5}" width="{max(1.0, row.value * long):.1f}" height="16" rx="2"/>'
        )
        end = max(row.value, row.limit or 0) * long
        if row.limit is not None:
            parts.append(f'<path class="limit" d="M{left + row.limit * long:.1f} {y + 2}v22"/>')
        parts.append(_text(left + end + 8, y + 17, short(row.value), "quiet", "start"))
    return _svg(title, about, top + step * len(rows) + 30, parts)


def lines(
    title: str,
    about: str,
    series: Sequence[Line],
    *,
    x_label: str,
    logarithmic: bool = False,
    bands: Sequence[Band] = (),
) -> str:
    """Lines over one x axis; `logarithmic` is about that axis."""
    left, right, top, bottom = 64, WIDTH - 24, 88, 300
    xs = [x for line in series for x, _ in line.points]
    most = nice(max(y for line in series for _, y in line.points))
    scale = math.log10 if logarithmic else float
    least = min(xs) if logarithmic else 0.0
    low, high = scale(least), scale(max(xs))
    wide = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * (scale(x) - low) / wide, bottom - (bottom - top) * y / most

    parts = []
    for band in bands:
        start, end = place(band.start, 0)[0], place(band.end, 0)[0]
        parts.append(
            f'<rect class="band" x="{start:.1f}" y="{top}" width="{end - start:.1f}" height="{bottom - top}"/>'
        )
        parts.append(_text((start + end) / 2, top + 14, band.label, "quiet", "middle"))
    for number in range(5):
        y = place(least, most * number / 4)[1]
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(_text(left - 8, y + 4, short(most * number / 4), "quiet", "end"))
    step = nice(max(xs) / 8)
    marks = sorted(set(xs)) if logarithmic else [step * number for number in range(int(max(xs) / step) + 1)]
    for x in marks:
        parts.append(_text(place(x, 0)[0], bottom + 18, short(x), "quiet", "middle"))
    parts.append(_text((left + right) / 2, bottom + 36, x_label, "quiet", "middle"))
    at = float(left)
    for number, line in enumerate(series):
        points = [place(x, y) for x, y in line.points]
        parts.append(f'<polyline class="line{number}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        if len(points) <= 12:
            parts += [f'<circle class="dot{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points]
        parts.append(f'<path class="line{number}" d="M{at:.0f} 70h26"/>')
        parts.append(_text(at + 32, 74, line.label, "", "start"))
        at += 56 + 7.2 * len(line.label)
    return _svg(title, about, bottom + 48, parts)


def nice(most: float) -> float:
    """The next round figure: the end of a scale."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10) if step * power >= most * 0.999)


def short(value: float) -> str:
    """1,500,000 as 1.5M: three digits say enough in a plot."""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if name == 'k' else size):.4g}{name}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, about: str, height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        f"<title>{escape(title)}. {escape(about)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" {size} rx="8"/>',
        _text(MARGIN, 28, title, "title", "start"),
        _text(MARGIN, 48, about, "quiet", "start"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"
