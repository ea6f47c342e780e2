"""What a question found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from quadra.core import clock
from quadra.core.errors import QuadraError


@dataclass(frozen=True)
class Answer:
    table: pa.Table
    rows_read: int
    """Rows in the files and fresh batches that were looked at."""
    elapsed_ms: float
    computed_at: datetime = field(default_factory=clock.now)

    @property
    def columns(self) -> list[str]:
        return list(self.table.column_names)

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        columns = [column.to_pylist() for column in self.table.columns]
        return list(zip(*columns, strict=True)) if columns else []


class Cancelled(QuadraError):
    """The question was cancelled."""

    code = "cancelled"
    status = 499
