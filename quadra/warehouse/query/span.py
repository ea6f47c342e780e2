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
        return self.meets(segment.min_occurred_us, segment.max_occurred_us)

    def meets(self, first_us: int, last_us: int) -> bool:
        """Whether some of what occurred between these two may lie inside."""
        late = self.start_us is not None and last_us < self.start_us
        early = self.end_us is not None and first_us >= self.end_us
        return not late and not early

    def holds(self, segment: Listed) -> bool:
        """Whether all of the segment lies inside, so that its times need not even be read."""
        begun = self.start_us is None or segment.min_occurred_us >= self.start_us
        ended = self.end_us is None or segment.max_occurred_us < self.end_us
        return begun and ended

    def within(self, start_us: int | None, end_us: int | None) -> Range:
        """The part of it that lies in a shorter one."""
        starts = [us for us in (self.start_us, start_us) if us is not None]
        ends = [us for us in (self.end_us, end_us) if us is not None]
        return Range(max(starts, default=None), min(ends, default=None))

    def around(self, other: Range) -> Range:
        """The shortest one that holds both."""
        starts, ends = (self.start_us, other.start_us), (self.end_us, other.end_us)
        return Range(
            None if None in starts else min(us for us in starts if us is not None),
            None if None in ends else max(us for us in ends if us is not None),
        )

    @property
    def sql(self) -> str:
        """A condition; of integers, which need no quoting."""
        bounds = ((">=", self.start_us), ("<", self.end_us))
        conditions = [f"occurred_at {sign} make_timestamptz({int(us)})" for sign, us in bounds if us is not None]
        return " AND ".join(conditions) or "true"
