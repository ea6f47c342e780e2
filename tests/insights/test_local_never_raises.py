"""Whatever senders wrote, the analyst answers, and its sentences hold exactly the numbers that stand in the evidence."""

from __future__ import annotations

import re
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.insights import words
from quadra.insights.history import HourPast
from quadra.insights.local import analyse
from quadra.insights.seen import Line
from tests.insights.contexts import START_US, context

names = st.one_of(
    st.sampled_from(["a", "b", "/x", "https://[bad", "\x00\u202e<b>", "{x}", "{0!r}", "é" * 300]), st.text(max_size=30)
)
numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, -1, 1e300, -1e300, 10**400, True]),
    st.integers(0, 10),
)
junk = st.one_of(numbers, names, st.lists(names, max_size=2), st.dictionaries(names, numbers, max_size=2))
FIELDS = [
    "endpoint",
    "status_code",
    "error_type",
    "message",
    "funnel_name",
    "stage",
    "stage_order",
    "survey_type",
    "model",
]
fields = st.one_of(
    st.none(), junk, st.dictionaries(st.sampled_from([*FIELDS, "total_tokens", "prompt_tokens"]), junk, max_size=6)
)
KINDS = ["event", "page", "request", "error", "funnel", "survey", "ai", "metric", "odd"]

lines = st.builds(
    Line,
    kind=st.sampled_from(KINDS),
    event_type=names,
    name=names,
    user_id=st.one_of(st.none(), names),
    session_id=st.one_of(st.none(), names),
    occurred_at=st.integers(START_US - 10**15, START_US + 10**12),
    received_at=st.just(START_US),
    page_url=st.one_of(st.none(), names),
    browser=st.one_of(st.none(), names),
    duration_ms=numbers,
    value=numbers,
    success=st.one_of(st.none(), st.booleans()),
    bot=st.booleans(),
    fields=fields,
)
batches = st.tuples(st.lists(lines, min_size=1, max_size=8), st.integers(1, 30)).map(lambda made: made[0] * made[1])
seconds = st.one_of(st.none(), st.floats(0.1, 1e9))

# `p95` and the time of an hour are words here, not measurements
WORDS = re.compile(r"p95|\d\d:\d\d")
NUMBER = re.compile(r"\d[\d,.]*(?:e[+-]?\d+)?")


def shown(evidence: dict[str, Any]) -> str:
    """Every way in which the numbers and names of the evidence may be shown."""
    texts = [words.clean(value) for value in evidence.values() if isinstance(value, str)]
    values = [value for value in evidence.values() if isinstance(value, int | float)]
    shown = [form(float(value)) for value in values for form in words.FORMS.values()]
    # several of one sentence have the unit of the smallest
    shown += [
        form(float(value), float(other)) for value in values for other in values for form in words.WITH_UNITS.values()
    ]
    return " ".join(texts + shown)


@given(
    now=batches,
    before=st.lists(batches, max_size=5),
    window=seconds,
    windows=seconds,
    days=st.lists(st.integers(0, 10**6), max_size=9),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_junk_is_analysed_and_every_number_in_a_sentence_is_in_its_evidence(
    now: list[Line], before: list[list[Line]], window: float | None, windows: float | None, days: list[int]
) -> None:
    made = context(now, before, seconds=window, seconds_before=windows, hours=[HourPast(START_US, 0, len(now), days)])
    analysis = analyse(made)
    assert 0 <= analysis.confidence < 1
    assert analysis.summary
    orjson.dumps(analysis.evidence)
    for finding in analysis.findings:
        assert 0 <= finding.confidence < 1, finding.kind
        assert "\n" not in finding.text
        known = shown(dict(finding.evidence))
        for number in NUMBER.findall(WORDS.sub("", finding.text)):
            assert number.rstrip(",.") in known, (finding.text, number, known)


@given(st.text(max_size=500), st.integers(1, 100))
def test_a_name_is_one_printable_line(text: str, length: int) -> None:
    shown_as = words.clean(text, length)
    assert len(shown_as) <= length
    assert shown_as.isprintable()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_can_be_shown(value: float) -> None:
    for form in words.FORMS.values():
        assert form(value)


def test_a_template_shows_values_and_never_runs_them() -> None:
    assert words.say("{name} rose", {"name": "{share:percent} {0.__class__}"}) == "{share:percent} {0.__class__} rose"
