"""The doors and commands of the field on a running Quadra, with its worker."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.field.traffic import batch
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_BATCH_MAX_EVENTS": "50"})) as process:
        send(process, 20)
        assert trained(process, cells=128)["status"] == "completed"
        yield process


def call(quadra: QuadraProcess, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key or quadra.init['admin_key']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(quadra.base_url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wire(seed: int, *, shifted: bool = False) -> list[dict[str, Any]]:
    """A batch that began a quarter of an hour ago."""
    began = time.time() - 900
    return [
        {
            "event_type": sight.name,
            "page_url": sight.page_url,
            "session_id": f"{seed}-{sight.who}",
            "timestamp": int(sight.occurred_us / 1000),
        }
        for sight in batch(random.Random(seed), began, size=50, shifted=shifted)
    ]


def send(quadra: QuadraProcess, batches: int) -> None:
    key = quadra.init["write_key"]
    for seed in range(batches):
        events = [{"event_id": f"{seed}-{i}", **event} for i, event in enumerate(wire(seed))]
        assert call(quadra, "POST", "/api/events", {"events": events}, key)[1]["stored"] == 50


def trained(quadra: QuadraProcess, **asked: Any) -> dict[str, Any]:
    status, body = call(quadra, "POST", "/api/train", asked)
    assert status == 202, body
    assert body["status"] in ("started", "running")
    return finished(quadra, body["training_id"])


def finished(quadra: QuadraProcess, training_id: str) -> dict[str, Any]:
    for _ in range(1200):
        status, body = call(quadra, "GET", "/api/training/status")
        assert (status, body["training_id"]) == (200, training_id)
        if body["status"] in ("completed", "failed"):
            return dict(body)
        time.sleep(0.1)
    raise AssertionError(body)


def test_train_then_predict_then_promote(keeper: Keeper) -> None:
    with closing(QuadraProcess(keeper, {"QUADRA_BATCH_MAX_EVENTS": "50"})) as quadra:
        send(quadra, 20)
        assert call(quadra, "GET", "/api/model/versions") == (200, {"versions": []})
        _train_then_predict_then_promote(quadra)


def _train_then_predict_then_promote(quadra: QuadraProcess) -> None:
    done = trained(quadra, cells=64, seed=3)
    assert done["status"] == "completed", done
    assert len(done["metrics"]["history"]) >= 8
    assert done["reward"] == pytest.approx(1 / (1 + done["loss"]))
    trained(quadra, field_size=128)
    _, body = call(quadra, "GET", "/api/model/versions")
    assert [(one["version"], one["active"], one["cells"]) for one in body["versions"]] == [
        (2, False, 128),
        (1, True, 64),
    ]

    status, usual = call(quadra, "POST", "/api/predict", {"events": wire(100)})
    assert status == 200
    assert (usual["model_version"], usual["prediction"]) == ("1", "normal")
    strange = [{"eventType": "intrusion", "page": "/admin"} for _ in range(50)]
    _, odd = call(quadra, "POST", "/api/predict", {"events": strange})
    assert odd["loss"] > usual["loss"]
    assert odd["anomalous"]
    assert odd["cells"][0]["label"] == "intrusion"
    assert call(quadra, "POST", "/api/predict", {"events": strange})[1]["loss"] == odd["loss"]  # it taught nothing

    assert call(quadra, "POST", "/api/model/2/promote", {})[1]["version"]["active"]
    assert call(quadra, "POST", "/api/predict", {"vector": [1] * 128})[1]["model_version"] == "2"
    status, drift = call(quadra, "GET", "/api/model/drift")
    assert (status, drift["drift"], drift["since"]) == (200, 0.0, None)


def test_a_batch_is_compared_by_its_id(quadra: QuadraProcess) -> None:
    _, body = call(quadra, "GET", "/api/admin/batches?status=ANALYZED")
    batch_id = body["batches"][0]["batch_id"]
    assert call(quadra, "POST", "/api/predict", {"batch_id": batch_id})[0] == 200
    assert call(quadra, "POST", "/api/predict", {"batch_id": "none"})[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "events"),
        ({"events": [{"event_type": "a"}], "vector": [1]}, "events"),
        ({"events": []}, "events"),
        ({"events": [7]}, "events[0]"),
        ({"events": [{"page": "/"}]}, "events[0].event_type"),
        ({"events": [{"event_type": "a", "timestamp": "yesterday"}]}, "events[0].timestamp"),
        ({"vector": [1, 2, 3]}, "vector"),
        ({"vector": ["1"] * 128}, "vector"),
        ({"vektor": [1]}, "vektor"),
    ],
)
def test_a_wrong_prediction_names_its_field(quadra: QuadraProcess, body: Any, field: str) -> None:
    status, answer = call(quadra, "POST", "/api/predict", body)
    assert status == 400
    assert field in answer["error"]["fields"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cells": 9}, "cells"),
        ({"cells": 5000}, "cells"),
        ({"decay": 1.5}, "decay"),
        ({"from": "soon"}, "from"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
        ({"cels": 64}, "cels"),
    ],
)
def test_a_wrong_training_names_its_field(quadra: QuadraProcess, body: Any, field: str) -> None:
    status, answer = call(quadra, "POST", "/api/train", body)
    assert status == 400
    assert field in answer["error"]["fields"]


def test_a_read_key_may_ask_and_not_train(quadra: QuadraProcess) -> None:
    key = json.loads(quadra.run("key", "create", "--project", "default", "--scope", "read", "--json").stdout)["key"]
    assert call(quadra, "POST", "/api/train", {}, key)[0] == 403
    assert call(quadra, "POST", "/api/model/1/promote", {}, key)[0] == 403
    assert call(quadra, "GET", "/api/model/drift", key=key)[0] == 200


def test_what_the_field_does_is_measured(quadra: QuadraProcess) -> None:
    request = urllib.request.Request(quadra.base_url + "/metrics")
    with urllib.request.urlopen(request, timeout=90) as answer:
        lines = {line.split(" ")[0] for line in answer.read().decode().splitlines() if not line.startswith("#")}
    names = ("training_loss", "training_reward", "training_field_variance", "field_size", "iteration_count")
    names += ("active_training_sessions", "system_state", "model_predictions_total", "model_drift")
    assert {f"quadra_matrix_{name}" for name in names} <= lines


def test_the_commands_agree_and_the_backup_has_the_files(quadra: QuadraProcess) -> None:
    made = json.loads(quadra.run("train", "--cells", "32", "--json").stdout)
    assert (made["status"], made["message"]) == ("completed", "")
    rows = json.loads(quadra.run("field", "versions", "--json").stdout)["versions"]
    assert rows[0]["version"] == made["version"]
    assert json.loads(quadra.run("field", "promote", str(made["version"]), "--json").stdout)["version"]["active"]
    stands = json.loads(quadra.run("field", "status", "--json").stdout)
    assert (stands["version"], stands["artifact_ok"], stands["initialized"]) == (made["version"], True, True)
    taken = json.loads(quadra.run("backup", "take", "--kind", "models", "--json").stdout)
    assert taken["bytes"] > 0
    assert json.loads(quadra.run("backup", "verify", taken["id"], "--json").stdout)["ok"]
