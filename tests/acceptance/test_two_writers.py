"""Two web processes on one PostgreSQL, which also get the same events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.acceptance.load import Load, SealedBatches, assert_kept
from tests.clients import database_of, stored_ids
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.servers.redis import RedisServer
from tests.waiting import PATIENCE_SECONDS


def test_two_web_processes_store_each_event_once_and_no_sealed_batch_changes(
    postgres: PostgresServer, redis_server: RedisServer, quadra_process: Callable[..., QuadraProcess]
) -> None:
    env = {
        "DATABASE_URL": postgres.database(),
        "REDIS_URL": redis_server.database(),
        "QUADRA_BATCH_MAX_EVENTS": "150",
        "QUADRA_BATCH_MAX_AGE": "500ms",
        "QUADRA_INGEST_TIMEOUT": "60s",
    }
    first, second = quadra_process(env), quadra_process(env)

    def names(worker: int) -> Iterator[str]:
        """Worker n of the one process sends the same ids as worker n of the other."""
        return (f"{worker % 4}-{n}" for n in range(100_000))

    with database_of(first) as database:
        sealed = SealedBatches(database)
        with Load(first.init["write_key"], names).on(first, second) as load:
            least = time.monotonic() + 6
            while time.monotonic() < least or len(sealed.held) <= 10 or load.new <= 1_000:
                assert time.monotonic() < least + PATIENCE_SECONDS, (len(sealed.held), load.new)
                sealed.look()
                time.sleep(0.02)
        assert_kept(load, database)
        sealed.assert_unchanged()
        # nobody was killed, so every event that is there was answered as new to exactly one sender
        assert load.new == len(stored_ids(database)) == len(load.acknowledged)
    assert load.refusals.total() == 0
