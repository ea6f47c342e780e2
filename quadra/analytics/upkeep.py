"""The signals of projects, those of their goals among them, are judged each minute; exported files go when they are old."""

from __future__ import annotations

from datetime import timedelta

from quadra.analytics import export_files
from quadra.analytics.kept.goal_signals import goal_signals
from quadra.core.upkeep import Upkeep
from quadra.insights.upkeep import watch_signals

UPKEEP = (
    watch_signals(goal_signals),
    Upkeep("exports", lambda _: timedelta(hours=1), export_files.tidy),
)
