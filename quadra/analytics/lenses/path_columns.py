"""Edges of whole sessions from the histories of many people at once, in columns, without sorting what people did as text.

A history is a list of integers in order: a time shifted left by the bits of a node's number. Which of several events of one
instant came first is said by their event ids, which are read for those alone and put in their place here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions import columns
from quadra.analytics.questions.visits import GAP_US

POSITION_BITS = 5


def bits_of(nodes: int, length_us: int) -> int | None:
    """Of a node's number; None where it and a time within so long, or an edge, are more than an integer holds."""
    bits = max(nodes - 1, 1).bit_length()
    return bits if bits + length_us.bit_length() < 63 and 2 * bits + POSITION_BITS < 63 else None


@dataclass(frozen=True)
class Block:
    """Events of some people, by person and time."""

    who: pa.Array
    """The number of the person."""
    us: pa.Array
    nodes: pa.Array

    def begins(self) -> pa.Array:
        """Where another instant begins, or another person."""
        return pc.or_(columns.begins(self.who), columns.begins(self.us))

    def tied(self) -> pa.Array:
        """Whether different nodes meet at the instant of an event."""
        begins = self.begins()
        instants = pc.cumulative_sum(begins.cast(pa.int64()))
        mixed = pc.and_not(columns.begins(self.nodes), begins)
        return pc.is_in(instants, value_set=pc.unique(pc.filter(instants, mixed)))

    def edges(self, bits: int, most: int) -> pa.Table:
        """Columns (edge, count, us): position, source and target in one integer. `most` is of nodes, from a begin on."""
        pauses = pc.subtract(self.us.slice(1), self.us.slice(0, len(self.us) - 1))
        begins = pc.or_(columns.begins(self.who), pa.concat_arrays([pa.array([True]), pc.greater(pauses, GAP_US)]))
        kept = pc.or_(begins, columns.begins(self.nodes))
        begins, nodes, us = (pc.filter(column, kept) for column in (begins, self.nodes, self.us))
        places = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(us)))
        positions = pc.subtract(places, pc.fill_null_forward(pc.if_else(begins, pc.subtract(places, 1), None)))
        end = len(us) - 1
        counts = pc.and_not(pc.less(positions.slice(0, end), most), begins.slice(1))
        edge = pc.bit_wise_or(
            pc.shift_left(positions.slice(0, end), 2 * bits), pc.shift_left(nodes.slice(0, end), bits)
        )
        edge = pc.filter(pc.bit_wise_or(edge, nodes.slice(1)), counts)
        taken = pc.filter(pc.subtract(us.slice(1), us.slice(0, end)), counts)
        ones = pa.repeat(pa.scalar(1, pa.int64()), len(edge))
        return _summed(pa.table({"edge": edge, "count": ones, "us": taken}))


def blocks(histories: pa.ChunkedArray, bits: int) -> Iterator[Block]:
    number = 0
    for part in columns.blocks(histories):
        packed = part.flatten()
        who = pc.add(pc.list_parent_indices(part).cast(pa.int64()), number)
        yield Block(who, pc.shift_right(packed, bits), pc.bit_wise_and(packed, (1 << bits) - 1))
        number += len(part)


def ties(histories: pa.ChunkedArray, bits: int) -> tuple[list[int], list[int]]:
    """(numbers of people, times) of the instants at which different nodes meet."""
    people, times = [], []
    for block in blocks(histories, bits):
        first = pc.and_(block.tied(), block.begins())
        people += pc.filter(block.who, first).to_pylist()
        times += pc.filter(block.us, first).to_pylist()
    return people, times


def edges(histories: pa.ChunkedArray, bits: int, most: int, settled: pa.Array) -> pa.Table:
    """Columns (position, source, target, count, us). `settled`: the nodes of all tied events in their true order."""
    kept, used = [], 0
    for block in blocks(histories, bits):
        if len(settled):
            tied = block.tied()
            count = pc.sum(tied).as_py()
            nodes = pc.replace_with_mask(block.nodes, tied, settled.slice(used, count))
            kept.append(Block(block.who, block.us, nodes).edges(bits, most))
            used += count
        else:
            kept.append(block.edges(bits, most))
    summed = _summed(pa.concat_tables(kept))
    mask = (1 << bits) - 1
    return pa.table(
        {
            "position": pc.shift_right(summed["edge"], 2 * bits),
            "source": pc.bit_wise_and(pc.shift_right(summed["edge"], bits), mask),
            "target": pc.bit_wise_and(summed["edge"], mask),
            "count": summed["count"],
            "us": summed["us"],
        }
    )


def _summed(table: pa.Table) -> pa.Table:
    found = table.group_by("edge").aggregate([("count", "sum"), ("us", "sum")])
    return pa.table({"edge": found["edge"], "count": found["count_sum"], "us": found["us_sum"]})
