"""The range of a question: which segments it needs, and which of them lie wholly inside."""

from __future__ import annotations

from dataclasses import dataclass

from quadra.warehouse.segments.catalogue import Listed


@dataclass(frozen=True, slots=True)
class Range:
    """Microseconds since 1970; the start is included, the end is not. None is without bound."""

    start_us: int | None
    end_us: int | None

    def overlaps(self, segment: Listed) -> bool:
        late = self.start_us is not None and segment.max_occurred_us < self.start_us
        early = self.end_us is not None and segment.min_occurred_us >= self.end_us
        return not late and not early

    def holds(self, segment: Listed) -> bool:
        """Whether all of the segment lies inside, so that its times need not even be read."""
        begun = self.start_us is None or segment.min_occurred_us >= self.start_us
        ended = self.end_us is None or segment.max_occurred_us < self.end_us
        return begun and ended

    def within(self, start_us: int, end_us: int) -> Range:
        """The part of it that lies in a shorter one."""
        start = start_us if self.start_us is None else max(start_us, self.start_us)
        return Range(start, end_us if self.end_us is None else min(end_us, self.end_us))

    @property
    def sql(self) -> str:
        """A condition; of integers, which need no quoting."""
        bounds = ((">=", self.start_us), ("<", self.end_us))
        conditions = [f"occurred_at {sign} make_timestamptz({int(us)})" for sign, us in bounds if us is not None]
        return " AND ".join(conditions) or "true"
