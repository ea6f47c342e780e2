"""The breakdown of a funnel: whose way counts for which value of a property."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quadra.analytics.funnels.walk import Times, Walk

OTHER = "Other"
TOUCHES = {"first_touch": 0, "last_touch": -1}
Labelled = tuple[int, int, str]
"""An event: its time, its bits, its value ("" for none)."""
Ways = list[Times]


@dataclass(frozen=True)
class Grouping:
    attribution: str
    """first_touch, last_touch, all_events or step."""
    step: int
    limit: int

    def groups(self, people: Iterable[Sequence[Labelled]], walk: Walk) -> dict[str, Ways]:
        """Value -> the ways of the people in its group, the largest groups first."""
        by_label: dict[str, dict[int, Times]] = {}
        for who, events in enumerate(people):
            for label, mine in self._views(events, walk):
                if times := walk.best(mine):
                    by_label.setdefault(label, {})[who] = times
        return self.limited(by_label)

    def limited(self, by_label: Mapping[str, Mapping[int, Times]]) -> dict[str, Ways]:
        """The largest groups first, beyond the limit as one. `found` is value -> somebody -> their way."""
        ranked = sorted(by_label, key=lambda label: (-len(by_label[label]), label))
        if len(ranked) <= self.limit:
            return {label: list(by_label[label].values()) for label in ranked}
        kept = [label for label in ranked[: self.limit] if label != OTHER]
        rest: dict[int, Times] = {}
        for label in ranked:
            if label not in kept:
                for who, times in by_label[label].items():  # somebody in several of them counts once, at their best
                    rest[who] = max(rest.get(who, ()), times, key=len)
        return {**{label: list(by_label[label].values()) for label in kept}, OTHER: list(rest.values())}

    def _views(self, events: Sequence[Labelled], walk: Walk) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Each value that the person is evaluated for, with the events as that evaluation sees them."""
        of_steps = (1 << walk.steps) - 1
        if self.attribution in TOUCHES:
            touched = [label for _at, code, label in events if code & of_steps and label]
            label = touched[TOUCHES[self.attribution]] if touched else ""
            yield label, [(at, code) for at, code, _label in events]
        elif self.attribution == "all_events":
            for label in dict.fromkeys(label for _at, code, label in events if code & of_steps):
                yield label, [(at, code) for at, code, its in events if its == label]
        else:
            bit = 1 << self.step
            for label in dict.fromkeys(label for _at, code, label in events if code & bit) or [""]:
                yield label, [(at, code if its == label else code & ~bit) for at, code, its in events]
