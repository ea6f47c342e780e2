"""What an analyst found: one sentence, the numbers it stands on, how sure it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quadra.insights.words import clean, say

SEVERITIES = {"info": 1, "notice": 2, "warning": 3}
"""How much a finding asks to be read: good to know; worth a look; something is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    """`subject.what`, a closed list: see docs/insights.md."""
    severity: str
    confidence: float
    template: str
    evidence: Mapping[str, Any]
    advice: str = ""
    """A template as well; empty where there is nothing to be done."""
    weight: float = field(default=1.0)
    """Of two findings with the same severity and confidence, the heavier one is told first."""
    since: str = ""
    """When the batch began in which it was found first, ISO 8601; empty where the batch before did not have it."""
    batches: int = 1
    """In how many batches in a row it was found."""

    @property
    def text(self) -> str:
        return say(self.template, self.evidence)

    @property
    def recommendation(self) -> str:
        return say(self.advice, self.evidence)

    @property
    def rank(self) -> tuple[int, float, float]:
        return SEVERITIES[self.severity], self.confidence, self.weight

    @property
    def numbers(self) -> dict[str, Any]:
        return {
            name: clean(value) if isinstance(value, str) else round(value, 6) if isinstance(value, float) else value
            for name, value in self.evidence.items()
        }

    def as_dict(self) -> dict[str, Any]:
        goes_on = {"since": self.since, "batches": self.batches} if self.since else {}
        return {
            "kind": self.kind,
            "severity": self.severity,
            "confidence": self.confidence,
            "text": self.text,
            "numbers": self.numbers,
            **goes_on,
        }


def subject(kind: str, numbers: Mapping[str, Any]) -> tuple[str, ...]:
    """What a finding is about: its kind and the names in its evidence. The same in the next batch, the finding goes on."""
    return kind, *(f"{name}={value}" for name, value in sorted(numbers.items()) if isinstance(value, str))
