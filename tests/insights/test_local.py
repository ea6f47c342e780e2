"""The local analyst on batches made by hand: each finding appears where it should, and nowhere else."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from quadra.insights.digest import dump, load
from quadra.insights.history import HourPast, Told
from quadra.insights.local import FINDERS, analyse
from quadra.insights.seen import Line, add_up, add_up_columns
from quadra.insights.words import say
from quadra.warehouse.columns import schema
from tests.insights.contexts import START_US, batch, context, findings, line, request

HOUR_US = 3_600_000_000


def clicks(number: int = 100, people: int = 40, **fields: object) -> list[Line]:
    return [line(user_id=f"u{at % people}", session_id=f"s{at % people}", **fields) for at in range(number)]


def requests(
    number: int, failed: int = 0, endpoint: str = "/checkout", browsers: str = "Chrome", ms: float = 100
) -> list[Line]:
    names = list(islice(cycle(browsers.split()), number))
    return [
        request(endpoint, status=500 if at < failed else 200, ms=ms + at % 20, browser=names[at], user_id=f"u{at % 30}")
        for at in range(number)
    ]


def test_a_batch_like_those_before_it_says_so() -> None:
    analysis = analyse(context(clicks(), [clicks()] * 20))
    assert analysis.summary == "Nothing unusual: 100 events of 40 people, much like the 20 batches before."
    assert analysis.patterns == []
    assert 0.5 < analysis.confidence < 0.8


def test_what_goes_on_says_since_when_and_for_how_many_batches() -> None:
    began = datetime(2026, 11, 30, 21, 53, tzinfo=UTC)
    bad, usual = requests(100, failed=60), [requests(100, failed=1)] * 20
    first = analyse(context(bad, usual))
    assert "Since" not in first.summary
    assert "since" not in first.evidence["findings"][0]
    told = Told(began, first.evidence["findings"])
    second = analyse(replace(context(bad, usual), told=told))
    assert second.summary == f"Since 21:53, 2 batches: {first.summary}"
    assert second.patterns == first.patterns
    later = Told(began + timedelta(minutes=1), second.evidence["findings"])
    third = analyse(replace(context(bad, usual), told=later)).evidence["findings"][0]
    assert (third["since"], third["batches"]) == ("2026-11-30T21:53:00.000Z", 3)
    elsewhere = analyse(replace(context(requests(100, failed=60, endpoint="/login"), usual), told=told))
    assert {one.batches for one in elsewhere.findings if "/login" in one.text} == {1}


def test_a_batch_added_up_by_column_is_the_same_as_line_by_line() -> None:
    source = random.Random(5)
    fields: list[dict[str, Any] | None] = [
        {"endpoint": "/a/17", "status_code": 500, "message": "row 3 failed", "error_type": "TypeError"},
        {"funnel_name": "buy", "stage": "cart", "stage_order": 1},
        {"survey_type": "nps", "model": "m", "total_tokens": 10**20},
        {"endpoint": 7, "stage_order": True, "status_code": "x"},
        {},
    ]
    lines = [
        line(
            kind=source.choice(["event", "event", "page", "error", "request", "funnel", "survey", "ai"]),
            name=source.choice(["click", "view", "über@example.com"]),
            user_id=source.choice([None, "", "u1", "u2", "u3"]),
            session_id=source.choice([None, "s1", "s2"]),
            page_url=source.choice([None, "", "https://a/p/12?q=1", "/p/13"]),
            browser=source.choice([None, "", "Firefox", "Chrome"]),
            duration_ms=source.choice([None, 0.5, 20.0]),
            value=source.choice([None, 9.0, 0.1]),
            success=source.choice([None, True, False]),
            bot=source.random() < 0.2,
            fields=source.choice([None, None, *fields]),
            at=START_US + source.randrange(10) * HOUR_US // 3,
        )
        for _ in range(400)
    ]
    columns = {name: [getattr(one, name) for one in lines] for name in Line._fields}
    columns["fields"] = [None if one is None else json.dumps(one) for one in columns["fields"]]
    rows = pa.table({name: pa.array(columns[name], schema().field(name).type) for name in columns})
    long, short = add_up(lines), add_up_columns(rows)
    assert vars(short) == vars(long)
    assert list(short.users.items()) == list(long.users.items()), "of equals the first one is named"
    assert short.digest(events=400, window_seconds=1.0) == long.digest(events=400, window_seconds=1.0)
    assert vars(add_up_columns(rows.slice(0, 0))) == vars(add_up([]))


def test_the_first_batch_has_nothing_to_be_compared_with() -> None:
    analysis = analyse(context(clicks()))
    assert analysis.summary == "The first batch: 100 events of 40 people. Nothing to compare with yet."
    assert analysis.confidence == 0


def test_two_earlier_batches_are_too_few_to_say_what_is_usual() -> None:
    analysis = analyse(context(requests(100, failed=90), [requests(100)] * 2))
    assert not [found for found in analysis.findings if found.kind != "failures.many"]


def test_a_small_quiet_batch_is_believed_less_than_a_large_one() -> None:
    small, large = (analyse(context(clicks(number), [clicks(number)] * 10)) for number in (5, 500))
    assert small.confidence < 0.2 < large.confidence


def test_errors_that_rose_at_one_place_name_the_browser_they_hit() -> None:
    before = [requests(100, browsers="Chrome Firefox Safari Edge") for _ in range(20)]
    now = requests(97, browsers="Chrome Firefox Edge") + [
        request(status=500, browser="Safari" if at else "Chrome", user_id="u1") for at in range(11)
    ]
    found = findings(now, before)["place.failing"]
    assert found.text == "Errors on /checkout rose from 0 % to 10 %; 91 % of them are Safari."
    assert found.confidence > 0.7
    assert found.severity == "warning"


def test_failures_that_rose_tell_the_status() -> None:
    found = findings(requests(100, failed=20), [requests(100, failed=1)] * 20)["failures.rose"]
    assert found.text == "Failures rose from 1 % to 20 % (20 of 100 events). 20 of them have the status 500."


def test_failures_as_usual_are_no_finding() -> None:
    assert not findings(requests(100, failed=6), [requests(100, failed=5)] * 20)


def test_what_happens_by_chance_in_one_batch_of_a_hundred_is_no_finding() -> None:
    """Some thirty comparisons are made of each batch: one in a hundred is not rare among them."""
    before = [requests(100, failed=5)] * 20
    assert not findings(requests(100, failed=12), before)
    assert "failures.rose" in findings(requests(100, failed=18), before)


def test_failures_that_vary_from_batch_to_batch_are_no_finding_within_what_they_did_before() -> None:
    before = [requests(100, failed=failed) for failed in (0, 35, 0, 32, 0, 35, 0, 38, 0, 35)]
    assert "failures.rose" not in findings(requests(100, failed=34), before)
    assert "failures.rose" in findings(requests(100, failed=60), before)


def test_failures_that_fell_are_good_news() -> None:
    found = findings(requests(200, failed=1), [requests(100, failed=20)] * 10)["failures.fell"]
    assert found.severity == "info"
    assert "from 20 % to 0.5 %" in found.text


def test_a_first_batch_full_of_failures_is_told_though_nothing_is_known() -> None:
    found = findings(requests(50, failed=25))["failures.many"]
    assert found.text == "25 of 50 events failed (50 %)."
    assert found.confidence < 0.3


def broken(number: int, message: str = "row 17 is gone") -> list[Line]:
    return [
        line(
            kind="error",
            name="error",
            user_id=f"u{at}",
            fields={"error_type": "KeyError", "message": message, "endpoint": f"/cart/{at}"},
        )
        for at in range(number)
    ]


def test_a_new_error_says_where_and_whom() -> None:
    found = findings(clicks() + broken(6), [clicks()] * 10)["error.new"]
    assert found.text == "New error “KeyError: row # is gone”: 6 times, mostly on /cart/:id, 6 people."


def test_an_error_that_was_there_before_is_not_new_but_may_rise() -> None:
    before = [clicks(99) + broken(1)] * 10
    assert "error.new" not in findings(clicks(99) + broken(2, "row 99 is gone"), before)
    assert "error.rose" not in findings(clicks(99) + broken(2), before)
    assert "error.rose" in findings(clicks(90) + broken(15), before)


def test_an_endpoint_that_became_slow() -> None:
    found = findings(requests(100, ms=900), [requests(100)] * 10)["endpoint.slow"]
    assert found.text == (
        "/checkout became slower: p95 is 918 ms, usual is 118 ms; 100 of 100 requests took longer than that."
    )


def test_a_few_slow_requests_are_not_a_slow_endpoint() -> None:
    assert "endpoint.slow" not in findings(requests(97) + requests(3, ms=5000), [requests(100)] * 10)


def test_volume_that_rose_and_fell() -> None:
    before, seconds = [clicks()] * 10, [55.0, 65.0] * 5
    rose = findings(clicks(), before, seconds=6.0, seconds_before=seconds)["volume.rose"]
    assert rose.text == "Events came at 16.7 a second, 9.93 times the usual 1.68 a second."
    fell = findings(clicks(20), before, seconds=600.0, seconds_before=seconds)["volume.fell"]
    assert fell.severity == "warning"
    assert "Events came at only 2 a minute" in fell.text


def test_volume_that_always_varies_is_no_finding() -> None:
    seconds = [1.0, 100.0, 5.0, 60.0, 2.0, 200.0]
    assert not findings(clicks(), [clicks()] * 6, seconds=1.0, seconds_before=seconds)


def test_a_volume_that_cannot_be_told_is_not_guessed() -> None:
    assert not findings(clicks(), [clicks()] * 6, seconds=None)


def test_a_quiet_hour_that_is_not_quiet_is_told_once() -> None:
    def past(already: int) -> list[HourPast]:
        return [HourPast(START_US // HOUR_US * HOUR_US, already, 100, [2, 0, 3, 1, 2, 0, 2])]

    found = findings(clicks(), [clicks()] * 5, hours=past(0))["hour.unusual"]
    assert "100 events came in the hour from" in found.text
    assert "on the 7 days before it was 2 in that hour, and 3 at the most." in found.text
    assert not findings(clicks(), [clicks()] * 5, hours=past(400))


def test_an_hour_that_is_busy_every_day_is_no_finding() -> None:
    hours = [HourPast(START_US // HOUR_US * HOUR_US, 0, 100, [90, 110, 100, 95, 120])]
    assert not findings(clicks(), [clicks()] * 5, hours=hours)


def test_an_event_type_that_nobody_sent_before() -> None:
    found = findings(clicks(90) + clicks(10, name="coupon <b>"), [clicks()] * 10)["type.new"]
    assert found.text == "“coupon <b>” is new: 10 events; the 10 batches before had none."


def test_a_type_is_not_called_new_where_old_digests_were_cut() -> None:
    many = [line(name=f"type {at}") for at in range(100) for _ in range(2)]
    assert "type.new" not in findings(clicks(90) + clicks(10, name="coupon"), [many] * 5)


def test_a_mix_that_shifted() -> None:
    before = [clicks(80) + clicks(20, name="search")] * 10
    found = findings(clicks(40) + clicks(60, name="search"), before)
    assert found["mix.rose"].text == "“search” made 60 % of all events; before it was 20 %."
    assert "mix.fell" not in found, "one gain is the others' loss"


def test_a_page_that_everybody_wants() -> None:
    pages = [line(kind="page", name="page_view", page_url=f"https://x.example/p{at % 20}x") for at in range(100)]
    spike = pages[:60] + [line(kind="page", name="page_view", page_url="/launch?utm=1")] * 40
    assert findings(spike, [pages] * 10)["page.rose"].text.startswith("/launch got 40 % of all events (40 of 100)")


def test_bots_that_came() -> None:
    found = findings(clicks(50) + clicks(50, bot=True), [clicks(95) + clicks(5, bot=True)] * 10)
    assert found["bots.rose"].text == "Bots sent 50 % of the events (50 of 100); before it was 5 %."


def test_one_person_who_is_everywhere_is_told_without_their_name() -> None:
    found = findings(clicks(50) + clicks(70, people=1), [clicks()] * 10)["person.busy"]
    assert "One person made" in found.text
    assert "u0" not in str(found.as_dict())


def test_people_who_come_without_making_more_events() -> None:
    found = findings(clicks(100, people=100), [clicks(100, people=10)] * 10)
    assert found["people.rose"].evidence["people"] == 100
    both = findings(clicks(400, people=160), [clicks()] * 10)
    assert "volume.rose" in both
    assert "people.rose" not in both, "the volume says it"


def test_sessions_that_end_at_once() -> None:
    short = [line(session_id=f"s{at}") for at in range(80)]
    usual = [line(session_id=f"s{at // 4}") for at in range(80)]
    assert findings(short, [usual] * 10)["sessions.short"].text.startswith("100 % of the sessions have a single event")


def funnel(cart: int, pay: int) -> list[Line]:
    stages = [("cart", 1, cart), ("pay", 2, pay)]
    return [
        line(
            kind="funnel",
            name="funnel",
            user_id=f"u{at}",
            fields={"funnel_name": "buy", "stage": stage, "stage_order": order},
        )
        for stage, order, people in stages
        for at in range(people)
    ]


def test_a_funnel_that_people_leave() -> None:
    found = findings(funnel(50, 10), [funnel(50, 30)] * 10)["funnel.dropped"]
    assert found.text == "In the funnel buy 20 % went from cart to pay (10 of 50); before it was 60 %."


def test_a_funnel_stage_that_nobody_reaches_any_more() -> None:
    found = findings(funnel(50, 0), [funnel(50, 30)] * 10)["funnel.dropped"]
    assert "0 % went from cart to pay (0 of 50)" in found.text
    assert not findings(funnel(50, 29), [funnel(50, 30)] * 10)


def answers(*scores: int) -> list[Line]:
    return [line(kind="survey", name="survey", value=score, fields={"survey_type": "nps"}) for score in scores]


def test_a_handful_of_answers_says_nothing_of_satisfaction() -> None:
    before = [answers(*[9, 10, 9, 8, 10, 9] * 5)] * 10
    assert not [kind for kind in findings(answers(1, 1, 1, 1), before) if kind.startswith("satisfaction")]


def test_units_in_one_sentence_agree() -> None:
    numbers = {"rate": 2.0, "usual": 0.2, "now": 2400, "before": 850}
    said = say("{rate:rate}, usually {usual:rate}; {now:ms} after {before:ms}", numbers)
    assert said == "120 a minute, usually 12 a minute; 2,400 ms after 850 ms"


def test_satisfaction_that_fell() -> None:
    before = [answers(9, 10, 9, 8, 10, 9, 7, 10)] * 10
    found = findings(answers(*[3, 4, 9, 2, 5, 8] * 5), before)["satisfaction.fell"]
    assert found.text == "NPS fell from 75 to -50 points (30 answers)."
    assert not findings(answers(9, 10, 8, 9), before)


def calls(number: int, cost: float, failed: int = 0) -> list[Line]:
    return [
        line(kind="ai", name="ai", value=cost + at % 3 / 1e4, success=at >= failed, fields={"model": "gpt-x"})
        for at in range(number)
    ]


def test_ai_calls_that_became_dearer_or_fail() -> None:
    before = [calls(30, 0.01)] * 10
    assert findings(calls(30, 0.05), before)["ai.dearer"].text == (
        "A call to gpt-x costs $0.05; before it was $0.01. 30 calls cost $1.50."
    )
    assert "10 of 30" in findings(calls(30, 0.01, failed=10), before)["ai.failing"].text
    assert not findings(calls(30, 0.0101), before)


def test_the_same_batch_gives_the_same_answer_in_any_order_of_its_events() -> None:
    lines = clicks(60) + requests(40, failed=20) + broken(5) + funnel(9, 2)
    before = [clicks()] * 5
    one, other = (analyse(context(order, before)) for order in (lines, list(reversed(lines))))
    assert one == other
    assert one.findings


def test_the_most_urgent_is_told_first_and_few_of_a_kind() -> None:
    many = [line(name=f"new {at}") for at in range(30) for _ in range(3)]
    analysis = analyse(context(many + requests(100, failed=60), [requests(100)] * 20))
    assert analysis.findings[0].severity == "warning"
    assert analysis.summary.startswith(analysis.patterns[0])
    assert len([found for found in analysis.findings if found.kind == "type.new"]) == 3
    assert len(analysis.patterns) <= 12


def test_a_digest_comes_back_as_it_was_stored_and_stays_small() -> None:
    many = [
        line(
            name=f"t{at}",
            page_url=f"/p{at}x",
            browser=f"b{at}",
            user_id=f"u{at}",
            kind="error",
            fields={"message": f"m{at}"},
        )
        for at in range(3000)
    ]
    digest, _seen = batch(many)
    stored = dump(digest)
    assert load(stored) == digest
    assert len(str(stored)) < 12_000
    assert "u1" not in str(stored), "no user ids"
    assert load({**stored, "version": 0}) is None
    assert load({"events": "junk"}) is None


def test_every_finder_is_on_the_list_once() -> None:
    assert len({find.__name__ for find in FINDERS}) == len(FINDERS) == 17


def test_every_kind_of_finding_is_explained() -> None:
    root = Path(__file__).resolve().parents[2]
    sources = "".join(path.read_text() for path in (root / "quadra" / "insights" / "finders").glob("*.py"))
    kinds = set(re.findall(r'"([a-z]+\.[a-z]+)"', sources))
    explained = set(re.findall(r"`([a-z]+\.[a-z]+)`", (root / "docs" / "insights.md").read_text()))
    assert kinds == explained - {"local.py"}
    assert len(kinds) > 20
