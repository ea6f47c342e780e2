"""BigQuery's client against a fake of its server: tables, insert ids, bounds of a request, poison, absence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.sinks.tables import QuarantinedEvent, QueuedBatch
from tests.sinks.conftest import Make, do, seal, state
from tests.sinks.fake_bigquery import FakeBigQuery


@pytest.fixture
def fake() -> Iterator[FakeBigQuery]:
    fake = FakeBigQuery()
    yield fake
    fake.close()


def given(fake: FakeBigQuery, **more: Any) -> dict[str, Any]:
    return {"bigquery_dataset": "quadra", "bigquery_endpoint": fake.url, **more}


def test_the_fake_gets_four_tables_partitioned_by_day_and_each_row_where_it_belongs(
    fake: FakeBigQuery, make: Make
) -> None:
    runtime = make(**given(fake))
    raw = lambda **fields: msgspec.Raw(orjson.dumps(fields))  # noqa: E731
    (plain,) = seal(runtime, "click", properties=raw(n=1))
    request_fields = raw(endpoint="/x", method="GET", status_code=503, error_message="no")
    (request,) = seal(runtime, "request", kind="request", fields=request_fields, duration_ms=12.5)
    (sold,) = seal(runtime, "m", kind="metric", fields=raw(metric_name="sold", business_id="b1", unit="EUR"), value=9.5)
    (load,) = seal(runtime, "m", kind="metric", fields=raw(metric_name="load", component="web", tags=["a"]), value=0.5)
    ended = do(runtime, "bigquery", gather=False)
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    assert set(fake.tables) == {"events", "request_logs", "business_metrics", "system_metrics"}
    assert {table["timePartitioning"]["type"] for table in fake.tables.values()} == {"DAY"}
    assert set(fake.rows["events"]) == {plain, request, sold, load}
    assert fake.rows["events"][plain]["properties"] == '{"n":1}'
    (logged,) = fake.rows["request_logs"].values()
    assert (logged["path"], logged["status_code"], logged["response_time_ms"]) == ("/x", 503, 12.5)
    assert (logged["error_message"], logged["ip_address"]) == ("no", None)
    (business,) = fake.rows["business_metrics"].values()
    assert (business["business_id"], business["metric_value"], business["metric_unit"]) == ("b1", 9.5, "EUR")
    (system,) = fake.rows["system_metrics"].values()
    assert (system["component"], system["metric_name"], system["tags"]) == ("web", "load", '["a"]')


def test_the_fake_gets_batches_together_and_never_more_rows_than_asked_for(fake: FakeBigQuery, make: Make) -> None:
    runtime = make(**given(fake, bigquery_batch_rows=25))
    sent = [one for _ in range(10) for one in seal(runtime, *"abcdefghij")]
    sent += seal(runtime, *map(str, range(60)))
    assert do(runtime, "bigquery") is not None
    sizes = [len(rows) for _table, rows in fake.requests]
    assert max(sizes) <= 25
    assert sizes[:5] == [20] * 5
    assert list(fake.rows["events"]) == sent


def test_fewer_rows_wait_a_minute_for_more(fake: FakeBigQuery, make: Make) -> None:
    runtime = make(**given(fake))
    sent = seal(runtime, "a", "b")
    assert do(runtime, "bigquery") is None
    with runtime.database.begin() as session:
        session.execute(sa.update(QueuedBatch).values(waits_since=clock.now() - timedelta(seconds=61)))
    assert do(runtime, "bigquery") is not None
    assert list(fake.rows["events"]) == sent


def test_what_the_fake_calls_invalid_is_quarantined_and_shown_and_the_rest_arrives(
    fake: FakeBigQuery, make: Make
) -> None:
    runtime = make(**given(fake))
    sent = seal(runtime, *"abcde")
    fake.poison = {sent[1], sent[3]}
    ended = do(runtime, "bigquery", gather=False)
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    assert list(fake.rows["events"]) == [sent[0], sent[2], sent[4]]
    shown = state(runtime, "bigquery")
    assert (shown.state, shown.delivered_events, shown.quarantined_events) == ("running", 3, 2)
    with runtime.database.read() as session:
        reasons = dict(session.execute(sa.select(QuarantinedEvent.event_id, QuarantinedEvent.reason)).all())
    assert reasons == dict.fromkeys([sent[1], sent[3]], "events: properties Invalid JSON")


def test_a_fake_that_is_away_and_comes_back_has_everything_once(fake: FakeBigQuery, make: Make) -> None:
    runtime = make(**given(fake))
    sent = seal(runtime, *"abc")
    fake.away = True
    ended = do(runtime, "bigquery", gather=False)
    assert ended is not None
    assert ended.state == "PENDING"
    assert state(runtime, "bigquery").state == "failing"
    fake.away = False
    with runtime.database.begin() as session:
        session.execute(sa.text("UPDATE job SET available_at = 0"))
    assert do(runtime, "bigquery", gather=False) is not None
    assert list(fake.rows["events"]) == sent
    assert state(runtime, "bigquery").state == "running"
