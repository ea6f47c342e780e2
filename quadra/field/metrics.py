"""What the field did, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import FAST, counter, gauge, histogram, maybe
from quadra.core.settings import Settings
from quadra.field.cells import Reading
from quadra.field.tables import FieldState, FieldVersion, SignalProgress, TrainingRun

training_batches_total = counter("training_batches_total", "Batches that fields learned, as they came or in trainings.")
training_duration_seconds = histogram("training_duration_seconds", "Of learning a batch as it came.", buckets=FAST)
model_predictions_total = counter("model_predictions_total", "Predictions that were asked for.")
model_inference_duration_seconds = histogram(
    "model_inference_duration_seconds", "Of a prediction.", ("model_version",), buckets=FAST
)
RUNNING = ("started", "running")


def learned(_reading: Reading, *, seconds: float) -> None:
    training_batches_total.inc()
    training_duration_seconds.observe(seconds)


def predicted(version: str, seconds: float) -> None:
    model_predictions_total.inc()
    model_inference_duration_seconds.labels(version).observe(seconds)


def fields(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    """Over all projects: the mean of losses, rewards and variances, the greatest drift."""
    loss, variance, drift, iterations = session.execute(
        sa.select(
            sa.func.avg(FieldState.loss),
            sa.func.avg(FieldState.variance),
            sa.func.max(FieldState.drift),
            sa.func.sum(FieldState.iterations),
        )
    ).one()
    running = session.scalar(sa.select(sa.func.count()).select_from(TrainingRun).where(TrainingRun.status.in_(RUNNING)))
    cells = session.scalar(sa.select(sa.func.max(FieldVersion.cells)).where(FieldVersion.active))
    yield maybe("training_loss", "Divergence of the latest batches from the field, in bits: 0 the same.", loss)
    yield maybe("training_reward", "1 / (1 + loss).", None if loss is None else 1 / (1 + loss))
    yield maybe("training_field_variance", "Instability of the cells: 0 always the same shares.", variance)
    yield maybe("model_drift", "How far a field has come from its version: 0 not at all, 1 nothing in common.", drift)
    yield maybe("field_size", "Cells of the largest field in use.", cells)
    going = session.scalars(sa.select(SignalProgress.going)).all()
    yield gauge("signal_anomalies", "Signals outside of what was expected of them now.", float(sum(map(len, going))))
    yield gauge("iteration_count", "Batches that the fields have learned.", float(iterations or 0))
    yield gauge("active_training_sessions", "Trainings that wait or run.", float(running or 0))
    yield gauge("system_state", "0 nothing learned, 1 learning from batches, 2 training.", _state(running, iterations))


GAUGES = (fields,)


def _state(running: int | None, iterations: int | None) -> float:
    if running:
        return 2.0
    return 1.0 if iterations else 0.0
