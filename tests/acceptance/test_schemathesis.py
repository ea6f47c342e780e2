"""A running Quadra against its own description: whatever is sent, the answer is one that is described, and never a 5xx.

Events of a batch are judged one by one, so a bad one among them is no bad request; everywhere else what the description
does not allow must be refused.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from schemathesis.checks import load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.requests import ManagedCookiesSession

from quadra.core.api.openapi import WRITE_KEY
from quadra.core.api.openapi_document import document
from quadra.doors import DESCRIBED
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

LENIENT = (
    "/api/events",
    "/batch",
    "/capture",
    "/e",
    "/i/v0/e",
    "/v1/",
    "/array/",
    "/q.js",
    "/q-",
    "/script.js",
    "/js/",
    "/api/send",
    "/api/event",
    "/matomo.php",
    "/piwik.php",
)
"""Doors that keep what they can, as the SDKs that knock there expect."""
SAYS_BY_503 = ("/health/", "/status")
"""Doors whose 503 is an answer: a busy machine is not well. It must be described all the same."""
EXAMPLES = int(os.environ.get("QUADRA_TEST_EXAMPLES", "4"))
"""Random cases of each door, the same in every run, on top of those that the description leads to by itself."""
ALL = "QUADRA_TEST_EXAMPLES" in os.environ
EVERY = 5
"""A door is asked so manieth case of the sorts below: the description leads to twelve thousand cases, and most are one type
after the other in one field after the other, or one choice of optional fields after the other. 5 shares no factor with the number
of types, so that each field gets another one than its neighbour. A run with more random cases asks all.
"""
MANY = {
    CoverageScenario.INCORRECT_TYPE,
    CoverageScenario.VALID_OBJECT,
    CoverageScenario.OBJECT_REQUIRED_AND_OPTIONAL,
    CoverageScenario.OBJECT_UNEXPECTED_PROPERTIES,
    CoverageScenario.UNSPECIFIED_HTTP_METHOD,
}
OWN_KEYS = 100
"""Ids below may be keys that this test itself goes in by."""


def sealed(schema: Any) -> Any:
    """The shape without room for fields that are not described."""
    if isinstance(schema, list):
        return [sealed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: sealed(value) for name, value in schema.items()}
    return found | ({"additionalProperties": False} if "properties" in found and "title" in found else {})


def strict_document() -> dict[str, Any]:
    """The description, in which an answer has nothing but what is described."""
    found = document(DESCRIBED, "http://127.0.0.1")
    schemas = found["components"]["schemas"]
    schemas |= {f"Strict{name}": _renamed(sealed(schema)) for name, schema in schemas.items()}
    for methods in found["paths"].values():
        for operation in methods.values():
            operation["responses"] = _renamed(operation["responses"])
    found["components"]["responses"] = _renamed(found["components"]["responses"])
    return found


def _renamed(found: Any) -> Any:
    if isinstance(found, list):
        return [_renamed(item) for item in found]
    if not isinstance(found, dict):
        return found.replace("/schemas/", "/schemas/Strict") if isinstance(found, str) else found
    return {name: _renamed(value) for name, value in found.items()}


# all fields of all kinds, alone and in lists: thousands of cases, which the typed doors go through one kind at a time
NO_COVERAGE = {"include-path": "/api/events", "phases": {"coverage": {"enabled": False}}}
DOCUMENT = strict_document()
DOORS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
API = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict({"operations": [NO_COVERAGE]}))


asked: Counter[tuple[str, Any]] = Counter()


def is_like_those_before(case: schemathesis.Case) -> bool:
    data = None if ALL or case.meta is None else case.meta.phase.data
    if not isinstance(data, CoveragePhaseData) or data.scenario not in MANY:
        return False
    asked[case.operation.label, data.scenario] += 1
    return asked[case.operation.label, data.scenario] % EVERY != 1


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_RATE_LIMIT_LOGIN": "20"})) as process:
        yield process


@pytest.fixture(scope="module")
def session() -> Iterator[ManagedCookiesSession]:
    """One connection for all cases: to make one costs as much as to ask."""
    with ManagedCookiesSession() as session:
        session.headers.clear()  # as in the session that each case has without this one
        yield session


def is_empty(value: Any) -> bool:
    """Counts as left out of an address, or is: `[{}]` is sent as nothing."""
    return value in ("", None, [], {}) or (isinstance(value, list) and all(map(is_empty, value)))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def ask(case: schemathesis.Case, quadra: QuadraProcess, session: ManagedCookiesSession) -> None:
    if is_like_those_before(case):
        return
    needs = case.operation.definition.raw["x-needs"]
    headers = {"X-Quadra-Key": quadra.init["write_key"]} if needs == WRITE_KEY else {}
    if needs not in (WRITE_KEY, "nobody"):
        headers = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
    if case.method == "DELETE" and isinstance(key_id := (case.path_parameters or {}).get("key_id"), int):
        case.path_parameters["key_id"] = max(key_id, OWN_KEYS)
    if case.path == "/api/analytics/flush" and "timeout" in (case.query or {}):
        case.query["timeout"] = min(case.query["timeout"], 1) if type(case.query["timeout"]) is int else "soon"
    answer = case.call(base_url=quadra.base_url, session=session, headers=headers, timeout=30)
    wanted = [
        *([] if case.path.startswith(SAYS_BY_503) else [checks.not_a_server_error]),
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    if not case.path.startswith(LENIENT) and not any(map(is_empty, (case.query or {}).values())):
        wanted.append(negative_data_rejection)
    case.validate_response(answer, checks=wanted)
    if answer.status_code == 400:
        assert answer.json()["error"]["message"].strip(), "a refusal says why"


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_every_answer_is_described(
    door: tuple[str, str], quadra: QuadraProcess, session: ManagedCookiesSession
) -> None:
    """The cases of a door are made here: `parametrize` of Schemathesis makes those of all doors, in each process that collects
    tests, and has no public way to make those of one.
    """
    method, path = door
    load_all_checks()
    test = build_operation_test(
        config=API.config, operation=API[path][method], test_func=ask, given_kwargs={}, feedback=FeedbackSources()
    )
    test(quadra=quadra, session=session)
