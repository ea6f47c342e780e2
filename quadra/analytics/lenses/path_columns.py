"""Edges of whole sessions of many people at once, in columns, without sorting what people did as text.

Events of one instant come in their order already: `settling.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions.stretches import sessions
from quadra.analytics.questions.timeline import Codes, Numbers, begins

NODE_BITS = 28
"""Of a node's number: a position and two of them are one integer."""


def edges(who: Codes, us: Numbers, nodes: Codes, most: int) -> pa.Table:
    """Columns (edge, count, us): position, source and target in one integer. `most` is of nodes, from a begin on."""
    starts = sessions(who, us)
    kept = np.flatnonzero(starts | begins(nodes))
    starts, us, node = starts[kept], us[kept], nodes[kept].astype(np.int64)
    place = np.arange(len(kept))
    position = place - np.maximum.accumulate(np.where(starts, place, 0)) + 1
    source = np.flatnonzero((position[:-1] < most) & ~starts[1:])
    edge = (position[source] << 2 * NODE_BITS) | (node[source] << NODE_BITS) | node[source + 1]
    ones = np.ones(len(source), np.int64)
    return _summed(pa.table({"edge": edge, "count": ones, "us": us[source + 1] - us[source]}))


def together(parts: Sequence[pa.Table]) -> pa.Table:
    """Columns (position, source, target, count, us)."""
    summed = _summed(pa.concat_tables(parts))
    mask = (1 << NODE_BITS) - 1
    return pa.table(
        {
            "position": pc.shift_right(summed["edge"], 2 * NODE_BITS),
            "source": pc.bit_wise_and(pc.shift_right(summed["edge"], NODE_BITS), mask),
            "target": pc.bit_wise_and(summed["edge"], mask),
            "count": summed["count"],
            "us": summed["us"],
        }
    )


def _summed(table: pa.Table) -> pa.Table:
    found = table.group_by("edge").aggregate([("count", "sum"), ("us", "sum")])
    return pa.table({"edge": found["edge"], "count": found["count_sum"], "us": found["us_sum"]})
