"""The signals of projects, those of their goals among them, are judged each minute."""

from __future__ import annotations

from quadra.analytics.kept.goal_signals import goal_signals
from quadra.insights.upkeep import watch_signals

UPKEEP = (watch_signals(goal_signals),)
