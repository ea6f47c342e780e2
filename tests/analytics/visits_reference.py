"""The rules of visits once more, in plain Python and by brute force. It knows nothing of the SQL."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.analytics.reference import Event, People, Span, iso, person

GAP_US = 30 * 60 * 1_000_000
UNKNOWN = "(unknown)"
NETWORKS = {"gclid": "Paid Search", "ttclid": "Paid Social"}
SEARCH, SOCIAL = {"www.google.de", "google", "duckduckgo.com"}, {"facebook", "l.facebook.com", "x"}
AI, VIDEO = {"chatgpt.com", "perplexity.ai"}, {"youtube", "www.youtube.com"}


def page_of(event: Event) -> str:
    url = event.fields.get("page_url")
    if not url:
        return UNKNOWN
    parts = urlsplit(url)
    route = "#" + parts.fragment.partition("?")[0] if parts.fragment.startswith(("/", "!/")) else ""
    kept = event.fields.get("page_query")
    return (parts.path or "/") + route + (f"?{kept}" if kept else "")


def host_of(url: str | None) -> str:
    return (urlsplit(url or "").hostname or "").lower()


def source_of(view: Event) -> dict[str, str]:
    """channel, referrer, utm_* of a visit that begins with that page view."""
    url, host = view.fields.get("page_url") or "", host_of(view.fields.get("referrer"))
    if host.removeprefix("www.") == host_of(url).removeprefix("www."):
        host = ""
    asked = parse_qs(urlsplit(url).query) | parse_qs(urlsplit(url).fragment.partition("?")[2])
    utm = {
        f"utm_{name}": asked.get(f"utm_{name}", [""])[0] for name in ("source", "medium", "campaign", "term", "content")
    }
    source, medium = utm["utm_source"].lower() or host, utm["utm_medium"].lower()
    click = next((network for name, network in NETWORKS.items() if name in asked), "")
    if click or medium in ("cpc", "ppc") or medium.startswith("paid"):
        channel = "Paid Search" if source in SEARCH else "Paid Social" if source in SOCIAL else "Paid Other"
        channel = click if click and not source else channel
    elif medium in ("email", "e-mail", "newsletter"):
        channel = "Email"
    elif medium == "affiliate":
        channel = "Affiliates"
    elif medium in ("display", "banner", "cpm"):
        channel = "Display"
    elif source in AI or host in AI:
        channel = "AI Assistants"
    elif source in SEARCH:
        channel = "Organic Search"
    elif source in SOCIAL:
        channel = "Organic Social"
    elif source in VIDEO:
        channel = "Organic Video"
    else:
        channel = "Referral" if source else "Direct"
    return {"channel": channel, "referrer": host or "(direct)", **{name: text or UNKNOWN for name, text in utm.items()}}


@dataclass(frozen=True)
class Goal:
    event: str | None = None
    page: str | None = None
    value_property: str | None = None

    def fits(self, event: Event) -> bool:
        if self.page is None:
            return event.name == self.event
        pattern = re.escape(self.page).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        return event.kind == "page" and re.fullmatch(pattern, page_of(event)) is not None

    def worth(self, event: Event) -> float:
        value = event.props.get(self.value_property or "")
        return float(value) if isinstance(value, int | float) else 0.0


def is_act(event: Event) -> bool:
    """Whether somebody did something: other events a page sends by itself."""
    return event.kind not in ("page", "identify") and event.event_type not in ("engagement", "web_vital")


@dataclass(frozen=True)
class Visit:
    person: str
    events: tuple[Event, ...]

    @property
    def views(self) -> list[Event]:
        return [event for event in self.events if event.kind == "page"]

    @property
    def is_bounce(self) -> bool:
        return len(self.views) <= 1 and not any(is_act(event) for event in self.events)

    @property
    def seconds(self) -> float:
        return (self.events[-1].us - self.events[0].us) / 1e6

    def values(self, by: str) -> list[str]:
        """What the visit is called; several by a dimension of page views."""
        views = self.views
        if by == "page":
            return [page_of(view) for view in views]
        if by == "hostname":
            return [host_of(view.fields.get("page_url")) or UNKNOWN for view in views]
        if by in ("entry_page", "exit_page"):
            return [page_of(views[0 if by == "entry_page" else -1])] if views else []
        if by in ("country", "language"):
            found = [event.country if by == "country" else event.fields.get("language") for event in self.events]
            return [next((value for value in found if value), UNKNOWN)]
        if not views:
            return ["(direct)" if by == "referrer" else UNKNOWN]
        return [source_of(views[0])[by]]


def visits_of(events: Iterable[Event], people: People, start: int, end: int) -> list[Visit]:
    whose: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        who = person(event, people)
        if who is not None and not event.bot and start <= event.us < end:
            whose[who].append(event)
    found = []
    for who, mine in whose.items():
        mine.sort(key=lambda event: (event.us, event.fields["event_id"]))
        begin = 0
        for at in range(1, len(mine) + 1):
            if at == len(mine) or mine[at].us - mine[at - 1].us > GAP_US:
                found.append(Visit(who, tuple(mine[begin:at])))
                begin = at
    return found


def numbers(visits: Sequence[Visit], views: int, goal: Goal | None = None) -> dict[str, Any]:
    count, people = len(visits), {visit.person for visit in visits}
    found: dict[str, Any] = {
        "visitors": len(people),
        "visits": count,
        "page_views": views,
        "bounce_rate": sum(visit.is_bounce for visit in visits) / count * 100 if count else 0,
        "avg_duration_seconds": sum(visit.seconds for visit in visits) / count if count else 0,
    }
    if goal is not None:
        reached = [(visit.person, event) for visit in visits for event in visit.events if goal.fits(event)]
        converted = len({who for who, _event in reached})
        found["conversions"] = len(reached)
        found["conversion_rate"] = converted / len(people) * 100 if people else 0
        found["revenue"] = sum(goal.worth(event) for _who, event in reached) if goal.value_property else None
    return found


def totals(visits: Sequence[Visit], goal: Goal | None = None) -> dict[str, Any]:
    views = sum(len(visit.views) for visit in visits)
    return {**numbers(visits, views, goal), "views_per_visit": views / len(visits) if visits else 0}


def rows(visits: Sequence[Visit], by: str, goal: Goal | None = None) -> dict[str, dict[str, Any]]:
    """value -> the numbers."""
    called: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        for value in dict.fromkeys(visit.values(by)):
            called[value].append(visit)
    found = {}
    for value, mine in called.items():
        seen = [visit.values(by).count(value) if by in ("page", "hostname") else len(visit.views) for visit in mine]
        found[value] = numbers(mine, sum(seen), goal)
    return found


def series(visits: Sequence[Visit], span: Span) -> list[dict[str, Any]]:
    found = []
    for at in span.axis():
        inside = [(visit.person, event) for visit in visits for event in visit.events if span.period(event.us) == at]
        found.append(
            {
                "at": iso(at),
                "visitors": len({who for who, _event in inside}),
                "visits": sum(span.period(visit.events[0].us) == at for visit in visits),
                "page_views": sum(event.kind == "page" for _who, event in inside),
            }
        )
    return found
