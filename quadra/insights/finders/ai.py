"""What AI calls cost, and whether they work."""

from __future__ import annotations

from collections.abc import Iterator

from quadra.insights.digest import Digest
from quadra.insights.finding import Finding
from quadra.insights.history import FEW, BatchContext, compare
from quadra.insights.odds import ALPHA, confidence, means_differ, pooled

DEARER_TIMES = 1.5


def ai_cost(context: BatchContext) -> Iterator[Finding]:
    """The cost of a call for each model (Welch's test on the means)."""
    for name, model in context.now.models.items():
        past = [
            (old.models[name].calls, old.models[name].mean_usd, old.models[name].variance)
            for old in context.before
            if name in old.models
        ]
        calls, usual, _variance = pooled(past)
        if len(past) < FEW or calls == 0 or model.mean_usd < usual * DEARER_TIMES:
            continue
        p = means_differ(model.calls, model.mean_usd, model.variance, past)
        if p >= ALPHA:
            continue
        total = model.mean_usd * model.calls
        yield Finding(
            "ai.dearer",
            "warning",
            confidence(p, n=model.calls, batches=len(past)),
            "A call to {model} costs {now:usd}; before it was {usual:usd}. {calls:count} calls cost {total:usd}.",
            {"model": name, "now": model.mean_usd, "usual": usual, "calls": model.calls, "total": total},
            "Compare the prompts and token counts of {model} with those of before.",
            weight=total,
        )


def ai_failures(context: BatchContext) -> Iterator[Finding]:
    """The share of calls to a model that fail."""
    for name, model in context.now.models.items():
        change = compare(context, lambda d, m=name: _failed(d, m), families=len(context.now.models))  # type: ignore[misc]
        if change is None or change.share - change.before_share < 0.02 or model.failed < 2:
            continue
        yield Finding(
            "ai.failing",
            "warning",
            confidence(change.p, n=change.n, batches=change.batches),
            "{share:percent} of the calls to {model} failed ({failed:count} of {of:count}); before it was {before:percent}.",
            {
                "model": name,
                "share": change.share,
                "before": change.before_share,
                "failed": change.k,
                "of": change.n,
            },
            "See what the provider of {model} answers.",
            weight=change.share,
        )


def _failed(digest: Digest, name: str) -> tuple[int, int] | None:
    model = digest.models.get(name)
    return (model.failed, model.calls) if model else None
