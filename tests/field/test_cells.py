"""The field of cells: scored before it is learned, the same bytes from the same history, bounded, and able to see a shift."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from quadra.field import artifact
from quadra.field.artifact import BadArtifact
from quadra.field.cells import Field, Reading, divergence
from quadra.field.features import FAMILIES, Sight, count, gap_label, hour_label, path_of
from tests.field.traffic import MIX, auc, batch


def learn(field: Field, sights: list[Sight]) -> Reading:
    came = field.came(count(sights))
    reading = field.score(came)
    field.learn(came, reading)
    return reading


def trained(batches: int, seed: int = 1, cells: int = 128) -> Field:
    source, field = random.Random(5), Field(cells, seed, 0.98)
    for number in range(batches):
        learn(field, batch(source, number * 450.0))
    return field


def test_a_batch_is_scored_by_what_came_before_it_alone() -> None:
    """Two futures after the same past: the readings of the past are the same, and so is that of the first batch after it."""
    readings = []
    for future in (True, False):
        source, field = random.Random(5), Field(128, 1, 0.98)
        seen = [learn(field, batch(source, number * 450.0)) for number in range(30)]
        seen.append(learn(field, batch(random.Random(9), 30 * 450.0)))
        seen += [learn(field, batch(random.Random(7), 31 * 450.0, shifted=future))]
        readings.append(seen)
    assert readings[0][:31] == readings[1][:31]
    assert readings[0][31] != readings[1][31]


def test_scoring_teaches_nothing() -> None:
    field = trained(5)
    before = artifact.encode(field)
    field.score(field.came(count(batch(random.Random(1), 0.0))))
    assert artifact.encode(field) == before


def test_an_anomaly_teaches_a_fifth_of_what_it_says() -> None:
    """Else an attack that lasts is soon the usual thing."""
    moved = []
    for anomalous in (False, True):
        field = trained(12)
        before = field.mean.copy()
        came = field.came(count(batch(random.Random(9), 5400.0, shifted=True)))
        field.learn(came, replace(field.score(came), anomalous=anomalous))
        moved.append(field.mean - before)
    assert moved[1] == pytest.approx(moved[0] / 5)
    assert abs(moved[0]).max() > 0


def test_the_same_seed_and_history_give_the_same_bytes_and_another_seed_others() -> None:
    assert artifact.encode(trained(12)) == artifact.encode(trained(12))
    assert artifact.encode(trained(12)) != artifact.encode(trained(12, seed=2))


def test_what_was_written_is_read_again_and_goes_on_alike() -> None:
    field = trained(12)
    again = artifact.decode(artifact.encode(field), "copy")
    more = batch(random.Random(3), 5400.0)
    assert learn(again, more) == learn(field, more)
    assert artifact.encode(again) == artifact.encode(field)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_bytes_that_are_no_field_are_refused_by_name(damage: bytes) -> None:
    with pytest.raises(BadArtifact, match="copy is damaged"):
        artifact.decode(damage, "copy")


def test_loss_and_reward_lie_within_their_bounds() -> None:
    field = trained(15)
    source = random.Random(8)
    strange = [Sight(f"x{source.random()}", "https://a/b", None, 0) for _ in range(100)]
    for sights in (batch(source, 0.0), strange, strange[:1]):
        reading = field.score(field.came(count(sights)))
        assert 0 <= reading.loss <= 1
        assert reading.reward == pytest.approx(1 / (1 + reading.loss))
        assert 0 <= reading.variance <= 1


def test_divergence_is_nothing_for_the_same_and_one_bit_for_nothing_in_common() -> None:
    field = Field(10, 1, 0.98)
    one, other = field.mean.copy(), field.mean.copy()
    one[0], other[1] = 1.0, 1.0
    assert divergence(one, one) == 0
    assert divergence(one, other) == pytest.approx(1.0)


def test_the_cells_that_moved_are_named() -> None:
    field = trained(30)
    errors = [sight._replace(name="error") for sight in batch(random.Random(4), 0.0)]
    reading = field.score(field.came(count(errors)))
    assert reading.anomalous
    assert reading.moved[0].label == "error"
    assert reading.moved[0].share > reading.moved[0].usual


def test_names_without_end_take_no_more_memory() -> None:
    field = Field(64, 1, 0.98)
    for number in range(40):
        learn(field, [Sight(f"event-{number}-{i}", f"https://a/{number}/{i}", f"{i}", i) for i in range(400)])
    assert len(field.labels) <= 64
    assert len(artifact.encode(field)) < 20_000


def test_nothing_of_a_query_becomes_a_label() -> None:
    assert path_of("https://shop.example/pay?token=secret#x") == "/pay"
    assert path_of("/pay?token=secret") == "/pay"
    assert path_of("https://shop.example") == "/"
    assert path_of("https://shop.example/#/pay?token=secret") == "/#/pay"


def test_labels_of_gaps_and_hours() -> None:
    assert [gap_label(seconds) for seconds in (0, 1, 2, 3, 4, 5, 60)] == [
        "within 1 s",
        "within 1 s",
        "within 2 s",
        "within 4 s",
        "within 4 s",
        "within 8 s",
        "within 64 s",
    ]
    assert hour_label(0) == "Thursday 0:00 UTC".replace(" 0:", " 00:")
    assert hour_label(4 * 24) == "Monday 00:00 UTC"


@pytest.mark.parametrize("cells", [10, 11, 4096])
def test_each_family_has_cells_of_its_own(cells: int) -> None:
    field = Field(cells, 1, 0.98)
    taken = [place for family in FAMILIES for place in range(field.slices[family].start, field.slices[family].stop)]
    assert sorted(taken) == list(range(cells))


@pytest.mark.parametrize("cells", [9, 4097])
def test_a_field_that_is_too_small_or_too_large_is_refused(cells: int) -> None:
    with pytest.raises(ValueError, match="10 to 4096"):
        Field(cells, 1, 0.98)


def test_a_fifth_of_other_traffic_is_told_from_clean_batches() -> None:
    """Against two baselines: how many bits the mix of types is off, and how much of the batch is its commonest type."""
    source, field = random.Random(11), Field(256, 1, 0.98)
    z: dict[bool, list[float]] = {False: [], True: []}
    commonest: dict[bool, list[float]] = {False: [], True: []}
    distance: dict[bool, list[float]] = {False: [], True: []}
    total = sum(MIX.values())
    for number in range(260):
        clean = batch(source, number * 450.0)
        if number >= 140:
            for shifted, sights in ((False, clean), (True, batch(source, number * 450.0, shifted=True))):
                counts = count(sights)
                z[shifted].append(field.score(field.came(counts)).novelty_z)
                shares = {name: counts["type"][name] / len(sights) for name in MIX}
                commonest[shifted].append(-max(shares.values()))
                distance[shifted].append(sum(abs(shares[name] - MIX[name] / total) for name in MIX))
        learn(field, clean)
    found = {name: auc(of[True], of[False]) for name, of in {"z": z, "commonest": commonest, "l1": distance}.items()}
    assert len(z[False]) >= 100
    assert found["z"] >= 0.93, found
    assert found["z"] > found["commonest"], found
