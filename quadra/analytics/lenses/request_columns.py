"""Requests out of what each file says of them: how often which time was taken. The same rows as the statements of
`performance.py` give, percentiles being of all times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quadra.analytics.questions.snapshot import Row
from quadra.analytics.questions.timeline import Numbers
from quadra.warehouse.query.tally import Tallied

PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Requests:
    """Those of one status, place and time each, the quickest first; what says no time comes last."""

    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, found: Tallied) -> Requests:
        columns = {"period": found.periods, **found.columns}
        order = np.argsort(columns["duration_ms"])
        return cls({name: column[order] for name, column in columns.items()})

    def measured(self) -> tuple[Any, ...]:
        """The columns of `performance.MEASURES`."""
        requests, status = self.columns["requests"].astype(np.int64), self.columns["status"]
        whole, failed = int(requests.sum()), int(requests[self.columns["failed"] > 0].sum())
        times = self.columns["duration_ms"]
        said = len(times) - int(np.count_nonzero(np.isnan(times)))
        average, *percentiles = _of_times(times[:said], requests[:said])
        errors = (int(requests[status // 100 == hundred].sum()) for hundred in (4, 5))
        return (whole, average, *percentiles, failed * 100 / whole if whole else None, *errors)

    def by(self, key: Numbers) -> Iterator[tuple[int, Requests]]:
        """Those of each key in turn."""
        order = np.argsort(key, kind="stable")
        sorted_keys = key[order]
        edges = np.flatnonzero(np.diff(sorted_keys, prepend=-1, append=-1)).tolist()
        for low, high in pairwise(edges):
            some = order[low:high]
            yield int(sorted_keys[low]), Requests({name: column[some] for name, column in self.columns.items()})

    def each(self, name: str) -> list[Row]:
        return [(value, *some.measured()) for value, some in self.by(self.columns[name].astype(np.int64))]

    def endpoints(self, found: Tallied) -> list[Row]:
        """(endpoint, method, the measures), of all."""
        endpoint, method = (self.columns[name].astype(np.int64) for name in ("endpoint", "method"))
        width = int(method.max(initial=0)) + 1
        text = found.texts.text
        found_by = self.by(endpoint * width + method)
        return [(text(key // width), text(key % width), *some.measured()) for key, some in found_by]


def _of_times(times: npt.NDArray[np.float64], often: Numbers) -> list[float | None]:
    """The mean and the percentiles, between neighbours where they fall between."""
    until = np.cumsum(often)
    if not len(until):
        return [None] * (1 + len(PERCENTILES))
    whole = int(until[-1])
    found: list[float | None] = [math.fsum((times * often).tolist()) / whole]
    for percentile in PERCENTILES:
        place = (whole - 1) * percentile
        part = place - math.floor(place)
        low, high = (
            float(times[np.searchsorted(until, at, side="right")]) for at in (math.floor(place), math.ceil(place))
        )
        found.append(low * (1 - part) + high * part)
    return found
