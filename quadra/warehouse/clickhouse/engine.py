"""Questions answered by ClickHouse: what it does not have yet is handed over first, then the statement runs there.

The database and the segments stay what they are, and ClickHouse holds a copy: every segment that is listed, every row that no
compaction has taken, who is who, and every erasure that is done. What was handed over is noted there, in `quadra_handed_over`; a
row that comes twice is the same row. So a copy that is lost or emptied fills itself again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.clickhouse.dialect import marked, translate
from quadra.warehouse.clickhouse.server import INSIDE, TABLE, connect, create_table, insert
from quadra.warehouse.query.people import says_person
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.segments.writing import COLUMNS, files
from quadra.warehouse.tables import Erasure

ROWS_AT_ONCE = 100_000
SEGMENTS_AT_ONCE = 20
"""Of one question. A copy that begins empty is filled by several, which say so."""
CHOSEN_MOST = 50_000
"""People of a segment of people: they go with the statement."""
SETTINGS: dict[str, Any] = {
    "join_use_nulls": 1,
    "aggregate_functions_null_for_empty": 1,
    "union_default_mode": "DISTINCT",
    "prefer_column_name_to_alias": 1,
    "joined_subquery_requires_alias": 0,
    "enable_named_columns_in_function_tuple": 1,
}
"""ClickHouse's own answers to these questions differ from standard SQL, and from DuckDB's."""
PERSON = "coalesce(known.person, row.user_id)"
TIMEOUT, MEMORY = "(TIMEOUT_EXCEEDED)", "(MEMORY_LIMIT_EXCEEDED)"


class ClickHouse:
    """The copy, as one process sees it."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._handed: dict[str, set[str]] = {}
        """Project -> segments, erasures, and fresh batches with their number of rows, that are there."""
        self._people: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._handed.clear()  # the next connection asks what is there
            self._people.clear()

    def ask(self, look: Look, sql: str, params: Mapping[str, Any], seconds: float) -> pa.Table:
        """The answer of a statement that is written for DuckDB. Raises `Unavailable`."""
        try:
            # chdb is one engine in this process; a server has a client for many threads, but handing over is for one
            with self._lock:
                client = self._connected()
                project = self._slug(look.project_id)
                self._hand_over(client, project, look)
                if _asks_who(look, sql):
                    self._tell_who(client, project, look)
                return self._answer(client, project, look, sql, params, seconds)
        except Error as error:
            raise _unavailable(error, seconds) from error

    def _connected(self) -> Client:
        if self._client is None:
            client = connect(self._runtime.settings.warehouse_url)
            create_table(client)
            client.command(
                "CREATE TABLE IF NOT EXISTS quadra_handed_over (project String, what String) ENGINE = ReplacingMergeTree "
                "ORDER BY (project, what)"
            )
            client.command(
                "CREATE TABLE IF NOT EXISTS quadra_people (project String, id String, person String, told UInt64) "
                "ENGINE = ReplacingMergeTree(told) ORDER BY (project, id)"
            )
            self._client = client
        return self._client

    def _slug(self, project_id: int) -> str:
        with self._runtime.database.read() as session:
            return session.get_one(Project, project_id).slug

    def _hand_over(self, client: Client, project: str, look: Look) -> None:
        if project not in self._handed:
            found = client.query(
                "SELECT what FROM quadra_handed_over WHERE project = {project:String}", parameters={"project": project}
            )
            self._handed[project] = {what for (what,) in found.result_rows}
        handed = self._handed[project]
        missing = [pair for pair in look.files() if f"segment {pair[0].id}" not in handed]
        for segment, path in missing[:SEGMENTS_AT_ONCE]:
            reader = look.cursor.sql(f"SELECT {COLUMNS} FROM {files([path])}").to_arrow_reader(ROWS_AT_ONCE)
            for number, batch in enumerate(reader):
                insert(client, project, pa.Table.from_batches([batch]), f"{segment.id} {number}")
            self._note(client, project, f"segment {segment.id}")
        if len(missing) > SEGMENTS_AT_ONCE:
            left = len(missing) - SEGMENTS_AT_ONCE
            raise Unavailable(
                f"ClickHouse is being filled: {left} files are left. Ask again.",
                code="filling",
                retry_after_seconds=1,
            )
        self._hand_over_fresh(client, project, look)
        self._erase(client, project, look.project_id)

    def _hand_over_fresh(self, client: Client, project: str, look: Look) -> None:
        """Rows that no compaction has taken. An open batch comes again when it has grown."""
        rows = look.fresh.table
        sizes = {f"{one['values']} {one['counts']}" for one in pc.value_counts(rows["batch_id"]).to_pylist()}
        new = sizes - self._handed[project]
        if not new:
            return
        ids = pa.array([one.partition(" ")[0] for one in new], pa.string())
        insert(client, project, rows.filter(pc.is_in(rows["batch_id"], value_set=ids)), " ".join(sorted(new)))
        self._handed[project] |= new

    def _erase(self, client: Client, project: str, project_id: int) -> None:
        """Once an erasure is done nothing brings its rows any more."""
        done = sa.and_(Erasure.project_id == project_id, Erasure.done_at.is_not(None))
        with self._runtime.database.read() as session:
            found = session.scalars(sa.select(Erasure).where(done)).all()
        for erasure in found:
            at = clock.to_us(erasure.done_at) if erasure.done_at is not None else 0
            what = f"erasure {erasure.id} {at}"
            if what in self._handed[project]:
                continue
            client.command(
                f"DELETE FROM {TABLE} WHERE project = {{project:String}} AND has({{ids:Array(String)}}, "
                "ifNull(user_id, '')) AND toUnixTimestamp64Micro(received_at) <= {until:Int64}",
                parameters={"project": project, "ids": erasure.ids, "until": clock.to_us(erasure.requested_at)},
            )
            client.command(
                "DELETE FROM quadra_people WHERE project = {project:String} AND "
                "(has({ids:Array(String)}, id) OR has({ids:Array(String)}, person))",
                parameters={"project": project, "ids": erasure.ids},
            )
            self._note(client, project, what)
            self._people.pop(project, None)

    def _note(self, client: Client, project: str, what: str) -> None:
        client.insert("quadra_handed_over", [[project, what]], column_names=["project", "what"])
        self._handed[project].add(what)

    def _tell_who(self, client: Client, project: str, look: Look) -> None:
        """Who is who, as far as it changed since this process told it last. An id that is no longer an alias is its
        own."""
        known = dict(zip(*(column.to_pylist() for column in look.identities().people.columns), strict=True))
        before = self._people.get(project, {})
        changed = {one: who for one, who in known.items() if before.get(one) != who}
        changed |= {one: one for one in before if one not in known}
        if changed:
            at = clock.now_us()
            client.insert(
                "quadra_people",
                [[project, one, who, at] for one, who in changed.items()],
                column_names=["project", "id", "person", "told"],
            )
        self._people[project] = known

    def _answer(
        self, client: Client, project: str, look: Look, sql: str, params: Mapping[str, Any], seconds: float
    ) -> pa.Table:
        given: dict[str, Any] = {**params, "quadra_project": project}
        if look.chosen is not None:
            given["quadra_chosen"] = look.chosen["person"].to_pylist()
        traits = {} if look.traits is None else _traits(look.traits, given)
        if any(isinstance(people, list) and len(people) > CHOSEN_MOST for people in given.values()):
            message = f"On ClickHouse a segment or a trait may be of {CHOSEN_MOST:,} people; ask about fewer."
            raise Unavailable(message, code="query_too_large")
        statement = marked(translate(sql), given)
        relation = f"events AS ({_relation(client, look, _asks_who(look, sql), traits)})"
        whole = f"WITH {relation}, {statement[5:]}" if statement.startswith("WITH ") else f"WITH {relation} {statement}"
        settings = self._runtime.settings
        bounds = {
            "max_execution_time": max(1, round(seconds)),
            "max_memory_usage": settings.query_memory_mb * 2**20,
            "max_threads": settings.query_threads,
        }
        return client.query_arrow(whole, parameters=given, settings={**SETTINGS, **bounds}, use_strings=True)


def _asks_who(look: Look, sql: str) -> bool:
    return says_person(sql) or look.chosen is not None or look.traits is not None


def _traits(traits: pa.Table, given: dict[str, Any]) -> dict[str, str]:
    """Column -> its value for a person, whose values are added to what is given: they go with the statement."""
    columns = {}
    for number, name in enumerate(traits.column_names[1:]):
        known = traits.filter(pc.is_valid(traits[name]))
        if not known.num_rows:
            columns[name] = "CAST(NULL AS Nullable(String))"
            continue
        who, values = f"quadra_who{number}", f"quadra_trait{number}"
        given[who], given[values] = known["person"].to_pylist(), known[name].to_pylist()
        columns[name] = f"transform({PERSON}, {{{who}:Array(String)}}, {{{values}:Array(String)}}, NULL)"
    return columns


def _relation(client: Client, look: Look, who: bool, traits: Mapping[str, str]) -> str:
    """The events of the look, with the columns that statements know."""
    columns = [f"row.`{outside}` AS `{inside}`" for outside, inside in INSIDE.items()]
    columns += [f"toUnixTimestamp64Micro(row.{at}_at) AS {at}_us" for at in ("occurred", "received")]
    bounds = ["row.project = {quadra_project:String}"]
    for sign, us in ((">=", look.span.start_us), ("<", look.span.end_us)):
        if us is not None:
            bounds.append(f"row.occurred_at {sign} fromUnixTimestamp64Micro(toInt64({int(us)}), 'UTC')")
    source = f"{client.database or 'default'}.{TABLE} AS row FINAL"
    if not who:
        return f"SELECT {', '.join(columns)} FROM {source} WHERE {' AND '.join(bounds)}"
    columns.append(f"{PERSON} AS person")
    columns += [f"{value} AS `{name}`" for name, value in traits.items()]
    people = "(SELECT id, person FROM quadra_people FINAL WHERE project = {quadra_project:String}) AS known"
    if look.chosen is not None:
        bounds.append(f"has({{quadra_chosen:Array(String)}}, {PERSON})")
    return (
        f"SELECT {', '.join(columns)} FROM {source} LEFT JOIN {people} ON known.id = row.user_id "
        f"WHERE {' AND '.join(bounds)}"
    )


def _unavailable(error: Error, seconds: float) -> Unavailable:
    said = str(error)
    if TIMEOUT in said:
        return Unavailable(f"The question took longer than {seconds:g} s; ask about less.", code="query_timeout")
    if MEMORY in said:
        message = "The question needs more memory than QUADRA_QUERY_MEMORY_MB allows; ask about less."
        return Unavailable(message, code="query_too_large")
    return Unavailable(f"ClickHouse (QUADRA_WAREHOUSE_URL) did not answer: {said[:300]}", code="clickhouse")


def clickhouse_of(runtime: Runtime) -> ClickHouse:
    return runtime.the(ClickHouse)
