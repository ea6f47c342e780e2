"""What stands before the time in a line of an access log: the client's one address, the virtual host, or a refusal; and
that no address of a line is kept, wherever it stands in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quadra.ingest.importers.access_log import read_line
from quadra.ingest.importers.access_log_events import Visitors, fields_of
from quadra.ingest.importers.access_log_json import is_entry, read_json
from quadra.ingest.importers.addresses import address_of, without
from quadra.ingest.wire import Refused

VISITORS = Visitors("a secret")


def line(head: str, request: str = "GET /a HTTP/1.1", referrer: str = "-", more: str = "") -> str:
    return f'{head} [17/May/2015:10:05:03 +0000] "{request}" 200 12 "{referrer}" "UA"{more}'


@pytest.mark.parametrize(
    ("head", "address", "host", "user"),
    [
        ("203.0.113.7 - -", "203.0.113.7", None, None),
        ("203.0.113.7", "203.0.113.7", None, None),
        ("203.0.113.7 - ada lovelace", "203.0.113.7", None, "ada lovelace"),
        ("198.51.100.7:51234 - -", "198.51.100.7", None, None),
        ("[2001:db8::7]:51234 - -", "2001:db8::7", None, None),
        ("2001:DB8:0:0::7 - -", "2001:db8::7", None, None),
        ("fe80::1%eth0 - -", "fe80::1", None, None),
        ("::ffff:203.0.113.7 - -", "203.0.113.7", None, None),
        ("::FFFF:cb00:7107 - -", "203.0.113.7", None, None),
        ("203.0.113.7, 10.0.0.2 - -", "203.0.113.7", None, None),
        ("10.0.0.2,203.0.113.7 , 192.168.0.1 - ada", "203.0.113.7", None, "ada"),
        ("10.0.0.2, 192.168.0.1 - -", "10.0.0.2", None, None),
        ("unknown, 203.0.113.7 - -", "203.0.113.7", None, None),
        ("Nov 28 10:00:00 web1 nginx: 198.51.100.4 - -", "198.51.100.4", None, None),
        ("<190>Nov  8 10:00:00 web1 nginx[12]: 198.51.100.4 - -", "198.51.100.4", None, None),
        ("2026-11-28T10:00:00.123456+00:00 web1 httpd[1]: 198.51.100.4 - -", "198.51.100.4", None, None),
        ("<190>1 2026-11-28T10:00:00Z web1 nginx 12 - - 198.51.100.4 - -", "198.51.100.4", None, None),
        ("2026-11-28T10:00:00.1Z stdout F 198.51.100.4 - -", "198.51.100.4", None, None),
        ("web_1  | 198.51.100.4 - -", "198.51.100.4", None, None),
        ("shop.example:443 203.0.113.7 - -", "203.0.113.7", "shop.example:443", None),
        ("Nov 28 10:00:00 web1 nginx: shop.example 203.0.113.7, 10.0.0.2 - -", "203.0.113.7", "shop.example", None),
        ("web1 203.0.113.7 - -", "203.0.113.7", "web1", None),
        ("203.0.113.7 shop.example - -", "203.0.113.7", "shop.example", None),
        ("_ 203.0.113.7 - -", "203.0.113.7", None, None),
        ("shop.example dsl1.isp.example - -", "dsl1.isp.example", "shop.example", None),
        ("DSL1.isp.example - -", "dsl1.isp.example", None, None),
        ("- - -", "", None, None),
        ("unix: - -", "", None, None),
    ],
)
def test_a_head_is_a_client_with_one_spelling_a_host_and_a_user(
    head: str, address: str, host: str | None, user: str | None
) -> None:
    found = read_line(line(head))
    assert (found.address, found.host, found.user) == (address, host, user)


@pytest.mark.parametrize(
    "head",
    [
        "198.51.100.1:80 203.0.113.7 - -",
        "203.0.113.7 10.0.0.1 - -",
        "203.0.113.7, evil - -",
        "nginx: 203.0.113.7 - -",
        "web1 nginx: 203.0.113.7 - -",
        "Nov 28 10:00:00 203.0.113.7 - -",
        "foo bar - -",
        "shop - -",
        "999.1.1.1 - -",
        "010.0.0.1 - -",
        "203.0.113.7 - - -",
        "shop.example dsl1.isp.example 203.0.113.7 - -",
    ],
)
def test_any_other_head_is_refused_without_its_addresses(head: str) -> None:
    with pytest.raises(Refused) as refused:
        read_line(line(head))
    assert "does not begin as an access log does" in refused.value.message
    assert not any(word in refused.value.message for word in head.split() if "." in word)


@pytest.mark.parametrize("address", ["203.0.113.99", "2001:db8::99"])
def test_no_address_of_anybody_is_kept_in_a_user_a_query_or_a_referrer(address: str) -> None:
    """Other than that of the line's client: who mails a link about, who forwards a request."""
    quoted = address.replace(":", "%3A").replace(".", "%2E")
    host = f"[{address}]" if ":" in address else address
    target = f"/lib/1.2.3.4/a?ip={address}&b={quoted}"
    made = (
        f'203.0.113.7 - bob@{address} [28/Nov/2026:10:00:00 +0000] "GET {target} HTTP/1.1" 200 5 "http://{host}/x" "B"'
    )
    fields = fields_of(read_line(made), Visitors("s"))
    assert address not in str(fields)
    assert quoted not in str(fields)
    assert fields["page_url"] == "/lib/1.2.3.4/a?ip=[address]&b=[address]"  # a version is none
    assert fields["properties"]["remote_user"] == "bob@[address]"


@pytest.mark.parametrize("spelt", ["203.0.113.7", "203.0.113.7:81", "::ffff:203.0.113.7", "203.0.113.7, 10.0.0.2"])
def test_one_visitor_stays_one_however_the_address_is_spelt(spelt: str) -> None:
    def visitor(head: str) -> str:
        return str(fields_of(read_line(line(head)), VISITORS)["anonymous_id"])

    assert visitor(f"{spelt} - -") == visitor("203.0.113.7 - -") != visitor("203.0.113.8 - -")


@pytest.mark.parametrize("client", ["203.0.113.7", "2001:db8::7", "dsl1.isp.example", "203.0.113.7, 10.1.2.3"])
def test_no_address_of_a_line_is_kept(client: str) -> None:
    spelt = [
        "::FFFF:203.0.113.7",
        "2001:DB8:0::7",
        "2001%3Adb8%3A%3A7",
        "203.0.113.7:80",
        "dsl1.isp.example",
        "10.1.2.3",
    ]
    for text in (f"GET /a?x={one}&y=1 HTTP/1.1" for one in (*spelt, client)):
        found = json.dumps(fields_of(read_line(line(f"{client} - {client}", text, f"http://{client}/")), VISITORS))
        assert not any(address in found.lower() for address in client.lower().split(", "))
    assert without("/v1.2.3.4/203.0.113.70?a=203.0.113.7", ["203.0.113.7"]) == "/v1.2.3.4/203.0.113.70?a=[address]"


def test_behind_a_proxy_the_client_is_the_one_that_the_last_field_names() -> None:
    forwarded = ' "203.0.113.7, 10.0.0.1"'
    assert read_line(line("10.0.0.1 - -", more=forwarded)).address == "203.0.113.7"
    assert read_line(line("198.51.100.9 - -", more=forwarded)).address == "198.51.100.9"  # anybody can send the header
    assert read_line(line("10.0.0.1 - -", more=' "-"')).address == "10.0.0.1"


def test_an_address_is_what_programs_take_for_one() -> None:
    assert address_of('"[2001:DB8::1]:80"') == "2001:db8::1"
    assert [address_of(text) for text in ("", "-", "1.2.3", "1.2.3.4.5", "07.1.1.1", "example", "12")] == [None] * 7


CADDY: dict[str, Any] = {
    "level": "info",
    "ts": 1646861401.5241024,
    "logger": "http.log.access",
    "msg": "handled request",
    "request": {
        "remote_ip": "10.0.0.2",
        "remote_port": "41342",
        "client_ip": "203.0.113.7",
        "proto": "HTTP/2.0",
        "method": "GET",
        "host": "shop.example",
        "uri": "/pans?a=1",
        "headers": {
            "User-Agent": ["Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"],
            "Referer": ["https://search.example/"],
            "X-Forwarded-For": ["203.0.113.7"],
            "Cookie": ["id=1"],
        },
        "tls": {"resumed": False},
    },
    "user_id": "ada",
    "duration": 0.25,
    "size": 10900,
    "status": 200,
    "resp_headers": {"Server": ["Caddy"]},
}
TRAEFIK: dict[str, Any] = {
    "ClientAddr": "10.0.0.2:51234",
    "ClientHost": "10.0.0.2",
    "ClientUsername": "-",
    "DownstreamContentSize": 13,
    "DownstreamStatus": 404,
    "Duration": 12_500_000,
    "RequestHost": "shop.example",
    "RequestMethod": "GET",
    "RequestPath": "/nowhere?ip=203.0.113.7",
    "RequestScheme": "https",
    "ServiceAddr": "10.1.1.1:80",
    "StartUTC": "2026-11-28T10:00:00.123456789Z",
    "request_User-Agent": "curl/8",
    "request_X-Forwarded-For": "203.0.113.7",
    "time": "2026-11-28T10:00:01Z",
}


def test_a_line_of_caddy_is_a_page_view_by_its_client() -> None:
    assert is_entry(CADDY)
    found = fields_of(read_json(CADDY), VISITORS)
    assert (found["kind"], found["page_url"], found["referrer"]) == (
        "page",
        "https://shop.example/pans?a=1",
        "https://search.example/",
    )
    assert (found["timestamp"], found["duration_ms"]) == (1646861401524, 250)
    assert found["properties"] == {
        "bytes": 10900,
        "remote_user": "ada",
        "endpoint": "/pans",
        "method": "GET",
        "status_code": 200,
        "response_time_ms": 250,
    }
    direct = {**CADDY["request"], "client_ip": None, "remote_ip": None, "remote_addr": "203.0.113.7:41342"}
    for request in (CADDY["request"], direct, {**direct, "remote_addr": "10.0.0.2:1"}):
        assert read_json({**CADDY, "request": request}).address == "203.0.113.7"
    with pytest.raises(Refused, match="its access log"):
        read_json({**CADDY, "logger": "http.log.error.log0"})


def test_a_line_of_traefik_is_a_request_by_the_client_that_it_forwards_for() -> None:
    assert is_entry(TRAEFIK)
    entry = read_json(TRAEFIK)
    assert (entry.address, entry.agent, entry.status) == ("203.0.113.7", "curl/8", 404)
    found = fields_of(entry, VISITORS)
    assert (found["kind"], found["endpoint"], found["response_time_ms"]) == ("request", "/nowhere", 12.5)
    assert found["timestamp"] == "2026-11-28T10:00:00.123456789Z"
    assert "203.0.113.7" not in json.dumps(found)
    assert "10." not in json.dumps(found["properties"])


def test_what_else_a_json_line_says_is_kept_without_addresses() -> None:
    said = {
        "remote_addr": "10.0.0.2",
        "http_x_forwarded_for": "203.0.113.7, 10.0.0.2",
        "time_iso8601": "2026-11-28T10:00:00Z",
        "request": "GET /a HTTP/1.1",
        "status": 404,
        "upstream_addr": "10.1.1.1:8080",
        "forwarded": "for=203.0.113.7;proto=https",
        "geo": {"ip": "203.0.113.7", "country": "FR"},
        "chain": ["203.0.113.7", "edge1"],
        "cache": "HIT",
    }
    entry = read_json(said)
    assert entry.address == "203.0.113.7"
    assert fields_of(entry, VISITORS)["properties"] == {
        "forwarded": "for=[address];proto=https",
        "geo": {"country": "FR"},
        "chain": ["edge1"],
        "cache": "HIT",
    }
    with pytest.raises(Refused, match="required"):
        read_json({name: value for name, value in said.items() if name != "time_iso8601"})
    with pytest.raises(Refused, match="not an address"):
        read_json({**said, "remote_addr": "Nov"})
