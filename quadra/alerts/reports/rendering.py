"""A report as a mail: HTML of tables and styles in place, which is what mail programs show, its charts as pictures beside it, and
the same as plain text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from quadra.alerts.reports.blocks import Chart, Number, Table
from quadra.alerts.reports.chart import COLOURS, HEIGHT, WIDTH, png
from quadra.alerts.reports.content import Content

TEMPLATES = Environment(
    loader=PackageLoader("quadra.alerts.reports"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.tests.update(
    numbers=lambda block: isinstance(block, list),
    chart=lambda block: isinstance(block, Chart),
    table=lambda block: isinstance(block, Table),
)
PER_ROW = 3
"""Key numbers beside one another: more do not fit a phone."""


@dataclass(frozen=True)
class Rendered:
    subject: str
    html: str
    text: str
    images: Mapping[str, bytes]
    """Content id -> PNG, as the HTML names them."""

    def standing_alone(self) -> str:
        """The HTML with its pictures inside, for a browser."""
        html = self.html
        for cid, picture in self.images.items():
            html = html.replace(f"cid:{cid}", f"data:image/png;base64,{base64.b64encode(picture).decode()}")
        return html


def render(content: Content) -> Rendered:
    images: dict[str, bytes] = {}
    charts: dict[int, str] = {}
    for part in content.parts:
        for block in part.blocks:
            if isinstance(block, Chart):
                cid = f"chart{len(images) + 1}@quadra"
                images[cid] = png(block, [content.label(at) for at in block.at])
                charts[id(block)] = cid
    context = {
        "content": content,
        "cid": lambda block: charts[id(block)],
        "colours": COLOURS,
        "rows": _rows,
        "width": WIDTH,
        "height": HEIGHT,
        "aligned": aligned,
    }
    html = TEMPLATES.get_template("report.html").render(context)
    text = TEMPLATES.get_template("report.txt").render(context)
    return Rendered(f"{content.name}: {content.period}", html, text.strip() + "\n", images)


def aligned(table: Table) -> list[str]:
    """The lines of a table in plain text."""
    everything = [table.columns, *table.rows]
    widths = [max(len(row[place]) for row in everything) for place in range(len(table.columns))]
    return [
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, table.numeric, strict=True)
        ).rstrip()
        for row in everything
    ]


def _rows(numbers: list[Number]) -> list[list[Number]]:
    return [numbers[place : place + PER_ROW] for place in range(0, len(numbers), PER_ROW)]
