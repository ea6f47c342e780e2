"""Funnels over any events, as a lens: the one question that is too long for an address."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from quadra.analytics.funnels.funnel import Funnel, FunnelAnswer, judged, people_of, statement
from quadra.analytics.funnels.groups import Grouping
from quadra.analytics.funnels.walk import Exclusion, Walk
from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Match
from quadra.analytics.questions.snapshot import Snapshot
from quadra.core.api.params import choice, says, within
from quadra.core.api.raw_params import RawParams, Where
from quadra.core.names import snake_case

ORDERS = ("ordered", "strict", "unordered")
ATTRIBUTIONS = ("first_touch", "last_touch", "all_events", "step:<number>")
STEPS_MOST = 20
WINDOW_SECONDS, WINDOW_SECONDS_MOST = 14 * 86_400, 3_660 * 86_400


class AskedStep(Struct, kw_only=True):
    event: Annotated[str | None, says("Its name. Left out: any event.", "signed_up")] = None
    where: Annotated[Where, says("A filter of this step alone.")] = ()

    @property
    def match(self) -> Match:
        return Match(self.event, self.where)


class AskedExclusion(AskedStep, kw_only=True):
    event: Annotated[str, says("Its name.", "cancelled")]
    from_step: Annotated[int, within(0, STEPS_MOST - 2, "Counted from 0.")]
    to_step: Annotated[int, within(1, STEPS_MOST - 1, "Later than `from_step`.")]


class Params(Asked, kw_only=True, frozen=True):
    """As in an address, numbers may be written as texts, names as numbers, and an empty text is left out."""

    steps: Annotated[list[AskedStep], Meta(min_length=1, max_length=STEPS_MOST)]
    order: Annotated[str, choice(ORDERS)] = "ordered"
    window_seconds: (
        Annotated[
            float, Meta(le=WINDOW_SECONDS_MOST, description="From the first step to the last. Left out: 14 days.")
        ]
        | None
    ) = None
    exclusions: Annotated[list[AskedExclusion], Meta(max_length=20)] = field(default_factory=list)
    breakdown: Annotated[str | None, says("A field or property: the steps of each of its values too.")] = None
    breakdown_attribution: Annotated[str, says("first_touch, last_touch, all_events or step:0, step:1, …")] = (
        "first_touch"
    )
    people_of: (
        Annotated[int, within(0, STEPS_MOST - 1, "Name the people, too, who came to this step, counted from 0.")] | None
    ) = None
    people_stopped: Annotated[bool, says("With `people_of`: only those who went no further.")] = False
    breakdown_limit: Annotated[int, within(1, 200, "The largest groups keep their names.")] = 25

    def check(self, raw: RawParams) -> None:
        if any(name.startswith("steps") for name in raw.wrong):
            return  # how many there are is not known
        last = len(self.steps) - 1
        for number, exclusion in enumerate(self.exclusions):
            place = f"exclusions[{number}].from_step"
            if not 0 <= exclusion.from_step < exclusion.to_step <= last:
                raw.wrong[place] = f"from_step and to_step count from 0: from_step < to_step <= {last}"
            elif self.order == "unordered" and (exclusion.from_step, exclusion.to_step) != (0, last):
                raw.wrong[place] = f"in an unordered funnel from 0 to {last}"
        attribution, colon, step = self.attribution
        if attribution == "step" and colon:
            if not (step.isascii() and step.isdigit() and len(step) < 4 and int(step) <= last):
                raw.wrong["breakdown_attribution"] = f"step:0 to step:{last}"
            elif self.order == "unordered" and int(step):
                raw.wrong["breakdown_attribution"] = "of an unordered funnel only step:0"
        elif colon or attribution not in ATTRIBUTIONS[:3]:
            raw.wrong["breakdown_attribution"] = "one of " + ", ".join(ATTRIBUTIONS)

    @property
    def attribution(self) -> tuple[str, str, str]:
        return snake_case(self.breakdown_attribution).partition(":")

    @property
    def funnel(self) -> Funnel:
        attribution, _colon, step = self.attribution
        pairs = tuple(Exclusion(each.from_step, each.to_step) for each in self.exclusions)
        # zero, negative or absent falls back to the default
        seconds = max(self.window_seconds or 0, 0) or WINDOW_SECONDS
        return Funnel(
            question=self.question,
            steps=tuple(step.match for step in self.steps),
            walk=Walk(len(self.steps), round(seconds * 1_000_000), self.order, pairs),
            exclusions=tuple(exclusion.match for exclusion in self.exclusions),
            breakdown=self.breakdown,
            grouping=Grouping(attribution, int(step or 0), self.breakdown_limit) if self.breakdown else None,
        )


def answer(events: Snapshot, asked: Params) -> FunnelAnswer:
    found = judged(events, asked.funnel)
    if asked.people_of is not None:
        found.people = people_of(events, asked.funnel, asked.people_of, stopped=asked.people_stopped)
    return found


LENS = Lens(
    path="funnels/query",
    title="Funnel over any events",
    says="How many people took one step after another (`ordered`), with nothing between (`strict`) or in any order "
    "(`unordered`), within the window (14 days). An exclusion takes out people who did something between two steps, "
    "counted from 0. Rates are in per cent. `breakdown_attribution`: first_touch, last_touch, all_events or step:0, "
    "step:1, …",
    group=QUESTIONS,
    Params=Params,
    Answer=FunnelAnswer,
    statements=lambda asked: [statement(asked.funnel)],
    answer=answer,
    in_body=True,
)
