"""By what visits are told apart, and how what a visit is called is found."""

from __future__ import annotations

from quadra.analytics.visits.channels import DIRECT, UNKNOWN
from quadra.core.api.raw_params import Filter, Where

OF_EVENTS = ("country", "region", "browser", "os", "device_type", "language", "screen")
"""A visit has the value of its first event that has one."""
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
OF_SOURCE = ("channel", "referrer", *UTM)
"""Of the first page view."""
ENDS = ("entry_page", "exit_page")
OF_VIEWS = ("page", "hostname", "title")
"""Of each page view: a visit counts under each of its own."""
DIMENSIONS = ("page", "entry_page", "exit_page", "hostname", "title", *OF_SOURCE, *OF_EVENTS)
PLACES = ("country", "region")


def split(where: Where) -> tuple[Where, Where, Where]:
    """(filters of visits, of page views, of events). Labels of what is unknown are taken for no value."""
    known = tuple(_labelled(each) if each.prop in DIMENSIONS else each for each in where)
    visits = tuple(each for each in known if each.prop in DIMENSIONS and each.prop not in OF_VIEWS)
    views = tuple(each for each in known if each.prop in OF_VIEWS)
    return visits, views, tuple(each for each in known if each.prop not in DIMENSIONS)


def _labelled(wanted: Filter) -> Filter:
    label = DIRECT if wanted.prop == "referrer" else UNKNOWN
    return wanted._replace(values=tuple("" if value == label else value for value in wanted.values))


def label_of(dimension: str) -> str:
    """What a row without a value is called."""
    return DIRECT if dimension == "referrer" else UNKNOWN
