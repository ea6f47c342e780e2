"""Files become events: what each line is, what is refused, and that nothing is stored twice."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from quadra.accounts.setup import installation_secret
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.importers import access_log, formats, source
from quadra.ingest.importers import run as run_module
from quadra.ingest.importers.access_log import Entry, read_line
from quadra.ingest.importers.access_log_events import Visitors, fields_of
from quadra.ingest.importers.access_log_json import is_entry, read_json
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Item, Reading
from quadra.ingest.importers.records import DELIMITERS
from quadra.ingest.importers.run import Result, _identified, _wire, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.log import Log
from quadra.ingest.wire import Refused
from tests.ingest.conftest import opened
from tests.ingest.real import Project, new_project
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

SAMPLES = Path(__file__).parent / "samples"
LOG = SAMPLES / "access.log"
VISITORS = Visitors("a secret")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def entry(request: str = "GET /a HTTP/1.1", status: int = 200, agent: str = FIREFOX, rest: str = "") -> Entry:
    return read_line(f'203.0.113.7 - - [17/May/2015:10:05:03 +0000] "{request}" {status} 12 "-" "{agent}"{rest}')


def kind(request: str = "GET /a HTTP/1.1", status: int = 200, agent: str = FIREFOX) -> Any:
    return fields_of(entry(request, status, agent), VISITORS)["kind"]


NOW, KNOWN = Times(or_now=True), Times()


def imported(name: Path | str, form: str = "auto", times: Times = KNOWN, **more: Any) -> tuple[Result, list[Item]]:
    """A dry run, and what was read."""
    with closing(Source(str(name), **more)) as opened_source, closing(Ids("secret")) as ids:
        items = list(formats.read(opened_source, form, Reading(VISITORS, times))[1])
        result = Result()
        run(items, project_id=1, ids=ids, log=None, result=result)
    return result, items


def test_a_successful_get_of_a_page_by_a_person_is_a_page_view_and_everything_else_a_request() -> None:
    assert (
        kind()
        == kind("GET / HTTP/1.0")
        == kind("GET /a.html?b=c.css HTTP/1.1")
        == kind("GET /john.doe HTTP/1.1")
        == "page"
    )
    assert kind(status=304) == "page"
    assert kind(status=404) == kind(status=301) == kind(status=500) == "request"
    assert kind("POST /a HTTP/1.1") == kind("HEAD /a HTTP/1.1") == "request"
    assert (
        kind("GET /a/style.CSS?v=1 HTTP/1.1")
        == kind("GET /feed.xml HTTP/1.1")
        == kind("GET /robots.txt HTTP/1.1")
        == "request"
    )
    assert kind(agent="Googlebot/2.1") == kind(agent="UniversalFeedParser/4.2 +http://feedparser.org/") == "request"


def test_an_entry_has_its_path_status_bytes_and_where_it_came_from() -> None:
    found = fields_of(entry("GET /a?b=1 HTTP/1.1", 503), VISITORS)
    assert (found["endpoint"], found["method"], found["status_code"]) == ("/a", "GET", 503)
    assert (found["page_url"], found["properties"]) == ("/a?b=1", {"bytes": 12})
    assert found["timestamp"] == "2015-05-17T10:05:03+00:00"
    assert fields_of(entry(), VISITORS)["properties"]["status_code"] == 200


def test_a_visitor_is_an_address_and_a_user_agent_under_the_key_of_the_installation() -> None:
    one = VISITORS.id_of("203.0.113.7", "a")
    assert one == Visitors("a secret").id_of("203.0.113.7", "a")
    others = {
        VISITORS.id_of("203.0.113.8", "a"),
        VISITORS.id_of("203.0.113.7", "b"),
        Visitors("x").id_of("203.0.113.7", "a"),
    }
    assert len({one, *others}) == 4
    assert "203.0.113.7" not in json.dumps(fields_of(entry(), VISITORS))


def test_escapes_quotes_and_lines_that_were_cut_off_are_read() -> None:
    lines = LOG.read_text().splitlines()
    searched = read_line(lines[6])
    assert (searched.target, searched.agent) == ('/search?q="pans"', 'Say "hi" ☃')
    greeting = read_line(lines[7])
    assert (greeting.method, greeting.target) == (None, None)
    assert greeting.raw_request == r"\x16\x03\x01\x02\x00\x01\x00"
    assert read_line(lines[10]).agent == "Mozilla/5.0 (X11; Linux x86_64) Gec"
    bare = read_line('1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /"a" HTTP/1.1" 200 1 "-" "an "agent""')
    assert (bare.target, bare.agent) == ('/"a"', 'an "agent"')


def test_users_virtual_hosts_and_the_common_format_are_read() -> None:
    lines = LOG.read_text().splitlines()
    assert read_line(lines[5]).user == "ada"
    hosted = read_line(lines[8])
    assert (hosted.address, fields_of(hosted, VISITORS)["page_url"]) == ("198.51.100.6", "https://site.example/contact")
    assert (read_line(lines[9]).agent, read_line(lines[9]).sent_bytes) == ("", 12)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "a" * 70_000,
        '1.2.3.4 - - [17/May/2015:10:05:03] "GET /" 200 1',
        '1.2.3.4 - - [99/May/2015:10:05:03 +0000] "GET /" 200 1',
        '1.2.3.4 - - [17/Mai/2015:10:05:03 +0000] "GET /" 200 1',
        '1.2.3.4 - - [17/May/2015:10:05:03 +9999] "GET /" 200 1',
    ],
)
def test_what_is_no_line_of_a_log_is_refused_and_nothing_breaks(line: str) -> None:
    with pytest.raises(Refused):
        read_line(line)


def test_a_line_made_to_be_slow_is_read_quickly() -> None:
    head = '1.2.3.4 - - [17/May/2015:10:05:03 +0000] "'
    for filler in ('" 200 1 "', '" "', '\\"', " [", '"'):
        line = (head + filler * access_log.MAX_LINE)[: access_log.MAX_LINE]
        with pytest.raises(Refused):
            read_line(line + "\n")


def test_nginx_json_is_told_from_events_and_read() -> None:
    first, second = (json.loads(line) for line in (SAMPLES / "nginx.ndjson").read_text().splitlines())
    assert is_entry(first)
    assert is_entry(second)
    assert not is_entry({"event_type": "e", "status": 200, "request": "x"})
    assert not is_entry({"user_id": "u"})
    page = fields_of(read_json(first), VISITORS)
    assert (page["kind"], page["page_url"], page["duration_ms"]) == ("page", "/pricing?a=1", 42)
    assert page["properties"]["upstream"] == "app1"
    assert "203.0.113.9" not in json.dumps(page)
    call = fields_of(read_json(second), VISITORS)
    assert (call["endpoint"], call["status_code"], call["timestamp"]) == ("/api/orders", 503, 1431857104250)
    assert call["page_url"] == "https://shop.example/api/orders"


def test_the_sample_log_is_stored_but_for_its_two_bad_lines() -> None:
    result, _ = imported(LOG)
    assert (result.read, result.accepted, result.refused, result.bots) == (13, 11, 2, 1)
    assert [line for line, _, _ in result.refusals] == [12, 13]


def test_identical_lines_are_events_of_their_own_and_keep_their_ids() -> None:
    with closing(Ids("a")) as first, closing(Ids("a")) as again, closing(Ids("b")) as other:
        ids = [first.of(b"x"), first.of(b"x"), first.of(b"y")]
        assert len(set(ids)) == 3
        assert [again.of(b"x"), again.of(b"x"), again.of(b"y")] == ids
        assert other.of(b"x") not in ids


def test_a_csv_header_is_mapped_and_unknown_columns_become_properties() -> None:
    result, items = imported(SAMPLES / "events.csv")
    assert (result.read, result.accepted, result.refused) == (6, 5, 1)
    assert [(line, why) for line, why, _ in result.refusals] == [
        (6, "timestamp: not a date (ISO 8601 with an offset, or integer milliseconds)")
    ]
    first, second = items[0].fields, items[1].fields
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["event_type"], first["user_id"], first["success"]) == ("signed_up", "u1", True)
    assert first["properties"] == {"Zip": "01234", "Gift": "yes", "source": "mail"}
    assert second["properties"]["Amount"] == 19.9
    assert isinstance(items[5].fields, dict)
    assert items[5].fields["event_type"] == "two\nlines"


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_any_usual_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"event_type{delimiter}user_id{delimiter}colour\nclicked{delimiter}u1{delimiter}red\n")
    _, items = imported(path, times=NOW)
    assert items[0].fields == {"event_type": "clicked", "user_id": "u1", "properties": {"colour": "red"}}


def test_a_csv_that_never_says_what_happened_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("timestamp,value\n2024-01-01T00:00:00Z,3\n")
    with pytest.raises(Invalid, match="event, event_type or kind"):
        imported(path, "csv", NOW)
    with pytest.raises(Invalid, match="--format"):
        imported(path)


def test_ndjson_keeps_ids_takes_times_leniently_and_ignores_an_old_clock() -> None:
    result, items = imported(SAMPLES / "events.ndjson")
    assert (result.read, result.accepted, result.refused) == (7, 4, 3)
    assert [line for line, _, _ in result.refusals] == [5, 6, 7]
    assert len(items) == 7


def test_when_a_file_was_sent_corrects_no_time_of_it(tmp_path: Path) -> None:
    """The clock of whoever sent it then says nothing about that of now."""
    path = tmp_path / "old.ndjson"
    path.write_text('{"event_type": "a", "timestamp": "2026-01-01T00:00:00Z", "sentAt": "2026-01-01T00:05:00Z"}\n')
    _, (item,) = imported(path)
    with closing(Ids("secret")) as ids:
        row = accept(_wire(_identified(item.fields, item.identity, ids)), Sender(1, "import"), clock.now_us())
    assert clock.iso(clock.from_us(row.occurred_at)).startswith("2026-01-01T00:00:00")


def test_a_json_file_may_be_an_array_an_envelope_or_objects_over_many_lines(tmp_path: Path) -> None:
    events = [{"event_type": f"e{number}", "properties": {"text": "ü" * 1000}} for number in range(1000)]
    path = tmp_path / "a.json"
    for text in (
        json.dumps(events),
        json.dumps(events, indent=2, ensure_ascii=False),
        json.dumps({"events": events}, indent=1),
        "\n".join(json.dumps(event, indent=2) for event in events),
    ):
        path.write_text(text)
        assert imported(path, times=NOW)[0].accepted == 1000
    path.write_text(json.dumps(events)[:-50])
    with pytest.raises(Invalid, match="not JSON from here on"):
        imported(path)


@pytest.mark.parametrize(
    ("name", "form"), [("access.log", "combined"), ("events.csv", "csv"), ("events.ndjson", "ndjson")]
)
def test_auto_tells_the_formats_apart(name: str, form: str) -> None:
    assert formats.guess_format((SAMPLES / name).read_bytes(), name) == form


def test_packed_files_bytes_that_are_no_utf8_and_blank_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    lines = LOG.read_bytes().splitlines()
    path.write_bytes(gzip.compress(source.BOM + lines[0].replace(b"first", b"f\xfcrst") + b"\r\n\r\n" + lines[1]))
    result, items = imported(path)
    assert result.accepted == 2
    assert isinstance(items[0].fields, dict)
    assert items[0].fields["page_url"] == "/blog/fürst-post"
    assert items[1].number == 3


def test_a_packed_file_that_was_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    packed = gzip.compress(b"".join(b'{"event_type":"%x"}\n' % (number * 7919**3) for number in range(20_000)))
    path.write_bytes(packed[: len(packed) // 2])
    result = Result()
    with closing(Source(str(path))) as cut, closing(Ids("s")) as ids:
        items = formats.read(cut, "ndjson", Reading(VISITORS, NOW))[1]
        with pytest.raises(Invalid, match="cut off"):
            run(items, project_id=1, ids=ids, log=None, result=result)
    assert result.accepted > 1000


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"event_type":"' + b"x" * (3 * 2**20) + b'"}\n{"event_type":"e"}\n')
    result, items = imported(path, times=NOW)
    assert (result.read, result.refused, len(items[0].identity)) == (2, 1, 2**20)


def test_a_file_that_is_not_there_or_empty_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Source(str(tmp_path / "none"))
    (tmp_path / "empty").touch()
    assert imported(tmp_path / "empty")[0].read == 0


def test_the_secret_of_ids_is_made_once_for_each_installation(any_database_url: str) -> None:
    with opened(any_database_url) as database:
        found = set()
        for _ in range(2):
            with database.begin() as session:
                found.add(installation_secret(session, "import"))
        assert len(found) == 1


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


def bring(project: Project, name: Path, *more: str) -> dict[str, Any]:
    done = project.quadra.run("import", str(name), "--project", project.slug, "--json", *more)
    found: dict[str, Any] = json.loads(done.stdout)
    return {key: found[key] for key in ("read", "stored", "duplicates", "refused", "bots")}


def test_importing_a_file_twice_beside_a_running_server_stores_it_once(project: Project) -> None:
    assert bring(project, LOG, "--dry-run")["stored"] == 0
    assert project.events() == []
    assert bring(project, LOG) == {"read": 13, "stored": 11, "duplicates": 0, "refused": 2, "bots": 1}
    assert bring(project, LOG) == {"read": 13, "stored": 0, "duplicates": 11, "refused": 2, "bots": 1}
    stored = project.events()
    assert len(stored) == 11
    assert {event["kind"] for event in stored} == {"page", "request"}
    (bot,) = [event for event in stored if event["bot"]]
    assert (bot["kind"], bot["fields"]["endpoint"], bot["device_type"]) == ("request", "/about/", "bot")
    assert "203.0.113.7" not in json.dumps(stored)


def test_a_summary_names_the_first_refused_lines_and_why(project: Project) -> None:
    said = project.quadra.run("import", str(LOG), "--project", project.slug).stdout
    assert "11  stored" in said
    assert "line 12: not a line of an access log" in said
    assert "line 13: time: not a date: 31/Feb/2015" in said


def test_standard_input_is_read_and_a_file_with_nothing_but_refusals_fails(project: Project) -> None:
    environment = {**os.environ, "QUADRA_DATA_DIR": str(project.quadra.directory / "data")}
    command = [sys.executable, "-m", "quadra", "import", "-", "--project", project.slug, "--json"]

    def pipe(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=60)

    done = pipe((SAMPLES / "events.ndjson").read_text())
    assert (done.returncode, json.loads(done.stdout)["stored"]) == (0, 4)
    failed = pipe("{}\n")
    assert (failed.returncode, json.loads(failed.stdout)["refused"]) == (1, 1)
    nowhere = subprocess.run([*command[:4], "none.log"], capture_output=True, text=True, env=environment, timeout=60)
    assert (nowhere.returncode, nowhere.stderr.strip()) == (1, "There is no file none.log.")


def test_a_line_that_waits_is_said_and_stored_once_when_it_is_written(project: Project, tmp_path: Path) -> None:
    path, lines = tmp_path / "access.log", LOG.read_text().splitlines()[:2]
    path.write_text(f"{lines[0]}\n{lines[1][:-20]}")
    said = project.quadra.run("import", str(path), "--project", project.slug).stdout
    assert "line 2 has no end yet and waits" in said
    assert len(project.events()) == 1
    path.write_text(f"{lines[0]}\n{lines[1]}\n")
    assert bring(project, path)["stored"] == 1
    assert len(project.events()) == 2


def test_an_import_that_was_killed_after_a_group_is_run_again_and_each_line_is_stored_once(
    project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(f'{{"event_type":"bought","timestamp":{1_772_359_200 + n // 3}}}\n' for n in range(9_000)))
    environment = {**os.environ, "QUADRA_DATA_DIR": str(project.quadra.directory / "data")}
    command = [sys.executable, "-m", "quadra", "import", "-", "--project", project.slug]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as importing:
        assert importing.stdin is not None
        importing.stdin.write(path.read_bytes())
        importing.stdin.flush()
        eventually(project.events)
        importing.send_signal(signal.SIGKILL)
    again = bring(project, path)
    assert (again["read"], again["stored"] + again["duplicates"], again["refused"]) == (9_000, 9_000, 0)
    assert again["duplicates"] >= 2_000
    assert again["stored"] > 0, "else it was not killed in the middle"
    assert len(project.events()) == 9_000
    assert bring(project, path)["duplicates"] == 9_000


def test_large_events_of_a_file_are_not_gathered_beyond_a_groups_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = []

    def append(_log: Any, rows: list[Row]) -> list[tuple[str, bool]]:
        groups.append(len(rows))
        return [("batch", False)] * len(rows)

    monkeypatch.setattr(run_module, "append", append)
    large = {"event_type": "bought", "timestamp": 1_772_359_200, "properties": {"text": "x" * 32_000}}
    result = Result()
    with closing(Ids("secret")) as ids:
        items = (Item(n, b"", {**large, "event_id": f"e{n}"}) for n in range(300))
        run(items, project_id=1, ids=ids, log=cast(Log, object()), result=result)
    assert (result.stored, sum(groups)) == (300, 300)
    assert max(groups) * 32_000 <= run_module.GROUP_BYTES + 64_000
