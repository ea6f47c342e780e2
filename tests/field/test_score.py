"""`quadra field score`: what comes out for each kind of file, and that no row knows of a later one."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quadra.cli import quadra
from quadra.field.series import Series
from quadra.field.tail import Tail

HEADER = "timestamp,value\n"


def score(tmp_path: Path, content: str | bytes) -> Result:
    path = tmp_path / "series.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CliRunner().invoke(quadra, ["field", "score", str(path)])


def scores_of(outcome: Result) -> list[float]:
    assert outcome.exit_code == 0, outcome.output
    return [float(row["anomaly_score"]) for row in csv.DictReader(io.StringIO(outcome.output))]


def minutes(values: list[object]) -> str:
    return HEADER + "".join(f"2024-05-01 {i // 60 % 24:02}:{i % 60:02}:00,{value}\n" for i, value in enumerate(values))


def noise(count: int, seed: int = 1) -> list[float]:
    source = random.Random(seed)
    return [round(100 + source.gauss(0, 5), 3) for _ in range(count)]


def test_rows_come_back_as_they_are_with_a_score(tmp_path: Path) -> None:
    outcome = score(tmp_path, "timestamp,host,value\n2024-05-01 00:00:00,web-1, 1.50\n2024-05-01 00:01:00,web-1,2\n")
    lines = outcome.output.splitlines()
    assert lines[0] == "timestamp,host,value,anomaly_score"
    assert lines[1].startswith("2024-05-01 00:00:00,web-1, 1.50,")
    assert len(lines) == 3


def test_only_a_header_is_a_series_without_rows(tmp_path: Path) -> None:
    outcome = score(tmp_path, HEADER)
    assert outcome.exit_code == 0
    assert outcome.output == "timestamp,value,anomaly_score\n"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("timestamp,number\n1,2\n", "no column value"),
        ("time,value\n1,2\n", "no column timestamp"),
        (HEADER + "2024-05-01 00:00:00,1\n2024-05-01 00:01:00,many\n", "Line 3"),
        (HEADER + "yesterday,1\n", "'yesterday' is not an ISO 8601 time"),
    ],
)
def test_what_is_no_series_is_refused_by_one_sentence(tmp_path: Path, content: str, names: str) -> None:
    path = tmp_path / "series.csv"
    path.write_text(content)
    outcome = CliRunner().invoke(quadra, ["field", "score", str(path)])
    assert outcome.exit_code == 1
    assert outcome.stdout == ""
    said = str(outcome.exception)
    assert names in said
    assert "\n" not in said


def test_values_that_are_no_finite_number_get_a_defined_score(tmp_path: Path) -> None:
    values: list[object] = [*noise(50), "NaN", "", "inf", "-inf", "null", 1e308, -1e308, *noise(50)]
    found = scores_of(score(tmp_path, minutes(values)))
    assert len(found) == len(values)
    assert all(0.0 <= one <= 1.0 for one in found)
    assert found[50] == found[51] == found[54] == 0.0
    assert found[52] == found[53] == 1.0


def test_one_row_has_a_score(tmp_path: Path) -> None:
    assert scores_of(score(tmp_path, minutes([3]))) == [0.0]


@pytest.mark.parametrize("value", [0, 5, -3.5, 1e12, 1e-12])
def test_a_constant_series_is_never_an_anomaly(tmp_path: Path, value: float) -> None:
    assert max(scores_of(score(tmp_path, minutes([value] * 1500)))) <= 0.5


def test_byte_order_mark_line_ends_of_windows_and_iso_times_are_read(tmp_path: Path) -> None:
    plain = scores_of(score(tmp_path, minutes(list(noise(30)))))
    windows = b"\xef\xbb\xbf" + minutes(list(noise(30))).replace("\n", "\r\n").encode()
    assert scores_of(score(tmp_path, windows)) == plain
    iso = minutes(list(noise(30))).replace("2024-05-01 ", "2024-05-01T").replace(":00,", ":00+00:00,")
    assert scores_of(score(tmp_path, iso)) == plain


def test_a_clock_that_goes_backwards_and_times_left_out_give_scores(tmp_path: Path) -> None:
    lines = minutes(list(noise(40))).splitlines()
    backwards = "\n".join([lines[0], *reversed(lines[1:]), ",100", ",101"])
    assert len(scores_of(score(tmp_path, backwards))) == 42


def test_a_value_far_outside_of_what_came_before_scores_high(tmp_path: Path) -> None:
    values = [*noise(1000), 400.0, *noise(100, seed=2)]
    found = scores_of(score(tmp_path, minutes(list(values))))
    assert max(found[200:1000]) < found[1000]


@pytest.mark.parametrize(
    ("second", "rows_later", "told_again"),
    [(-300.0, 30, False), (-300.0, 99, False), (-300.0, 150, True), (4_000.0, 30, True)],
)
def test_for_a_hundred_rows_after_an_anomaly_only_a_greater_one_is_told(
    second: float, rows_later: int, told_again: bool
) -> None:
    series = Series()
    values = [*noise(1000), 400.0, *noise(rows_later - 1, seed=2), second]
    found = [series.score(value) for value in values]
    assert found[1000] > 0.9
    assert found[-1] > 0.9 if told_again else found[-1] < 0.5


def test_a_score_does_not_change_when_the_future_does() -> None:
    values = noise(600)
    one, other = Series(), Series()
    first = [one.score(value, i * 60.0) for i, value in enumerate([*values, *[0.0] * 200])]
    second = [other.score(value, i * 60.0) for i, value in enumerate([*values, *noise(200, seed=9)])]
    assert first[:600] == second[:600]
    assert first[600:] != second[600:]


def test_each_distance_is_judged_before_it_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[int, list[tuple[str, float]]] = {}
    surprise, learn = Tail.surprise, Tail.learn

    def judged(tail: Tail, number: float) -> float:
        calls.setdefault(id(tail), []).append(("judged", number))
        return surprise(tail, number)

    def learned(tail: Tail, number: float) -> None:
        calls.setdefault(id(tail), []).append(("learned", number))
        learn(tail, number)

    monkeypatch.setattr(Tail, "surprise", judged)
    monkeypatch.setattr(Tail, "learn", learned)
    series = Series()
    for i, value in enumerate(noise(1700)):
        series.score(value, i * 300.0)
    orders = [made for made in calls.values() if made[0][0] == "judged" or any(word == "judged" for word, _ in made)]
    assert len(orders) == 4  # short runs, long runs, flatness, seasons
    for made in orders:
        assert [word for word, _ in made] == ["judged", "learned"] * (len(made) // 2)
        assert all(made[i][1] == made[i + 1][1] for i in range(0, len(made), 2))
