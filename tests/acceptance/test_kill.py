"""kill -9 in the middle of everything: what was acknowledged is there, once."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.load import Load, assert_kept
from tests.clients import database_of
from tests.servers.quadra import QuadraProcess


def test_what_was_acknowledged_survives_five_kills_under_load(
    any_database_url: str, quadra_process: Callable[..., QuadraProcess]
) -> None:
    quadra = quadra_process({"DATABASE_URL": any_database_url})
    with Load(quadra.init["write_key"]).on(quadra) as load:
        for _ in range(5):
            load.wait_for_more(500)
            quadra.kill()
            quadra.start()
        load.wait_for_more(500)
    with database_of(quadra) as database:
        assert_kept(load, database)
    assert len(load.acknowledged) > 3_000
