"""The client that applications use: each call puts one event into a queue, a thread of its own sends them in batches.

    with Client("https://your-quadra", "qk_…") as quadra:
        quadra.track("signup", {"plan": "pro"}, user_id="user_42")

An event has its id from the call on, so that it counts once however often it must be sent. What is queued when the process ends
is sent then, as long as `close` may take.
"""

from __future__ import annotations

import atexit
import json
import os
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from quadra.client.delivery import Delivery, Lost

Json = Mapping[str, Any]
When = datetime | int | None
"""A time with an offset, or milliseconds since 1970."""


class Client:
    """Safe from any thread, and in processes that were forked."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        batch_events: int = 100,
        queue_events: int = 10_000,
        linger_seconds: float = 0.5,
        timeout_seconds: float = 10.0,
        close_seconds: float = 10.0,
        on_lost: Callable[[Lost], None] | None = None,
    ):
        """`key` is a write key. `on_lost` hears of events that will never be stored, and why; they are logged as well."""
        self._close_seconds = close_seconds
        self._delivery = Delivery(
            url.rstrip("/") + "/api/events",
            key,
            batch_events=batch_events,
            queue_events=queue_events,
            linger_seconds=linger_seconds,
            timeout_seconds=timeout_seconds,
            on_lost=on_lost,
        )
        atexit.register(self.close)
        delivery = weakref.ref(self._delivery)
        os.register_at_fork(after_in_child=lambda: found.after_fork() if (found := delivery()) else None)

    def track(
        self,
        event_type: str,
        properties: Json | None = None,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        session_id: str | None = None,
        timestamp: When = None,
        event_id: str | None = None,
        **fields: Any,
    ) -> str:
        """Put an event into the queue; the id that it has. `fields` are more fields of Quadra, such as `page_url` or `value`.

        Raises `ValueError` for what is not JSON. Never waits.
        """
        event = {
            "event_id": event_id or str(uuid.uuid4()),
            "event_type": event_type,
            "user_id": user_id,
            "anonymous_id": anonymous_id,
            "session_id": session_id,
            "timestamp": _milliseconds(timestamp),
            "properties": dict(properties) if properties is not None else None,
            **fields,
        }
        kept = {name: value for name, value in event.items() if value is not None}
        try:
            text = json.dumps(kept, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"The event {event_type!r} is not JSON: {error}") from error
        self._delivery.put(kept["event_id"], text.encode())
        return str(kept["event_id"])

    def identify(self, user_id: str, traits: Json | None = None, **more: Any) -> str:
        """Who somebody is; with `anonymous_id` also who they were before."""
        return self.track("identify", kind="identify", user_id=user_id, traits=dict(traits or {}), **more)

    def alias(self, user_id: str, previous_id: str, **more: Any) -> str:
        """Two ids are one person."""
        return self.track("alias", {"previousId": previous_id}, user_id=user_id, **more)

    def group(self, user_id: str, company: str, traits: Json | None = None, **more: Any) -> str:
        """Somebody belongs to a company."""
        return self.track("group", {"company": company, "traits": dict(traits or {})}, user_id=user_id, **more)

    def page(self, url: str, title: str | None = None, referrer: str | None = None, **more: Any) -> str:
        return self.track("page_view", kind="page", page_url=url, page_title=title, referrer=referrer, **more)

    def feature(self, name: str, action: Literal["opened", "used", "completed"] = "used", **more: Any) -> str:
        return self.track("feature", kind="feature", feature_name=name, action=action, **more)

    def funnel(self, name: str, stage: str, order: int, **more: Any) -> str:
        return self.track("funnel", kind="funnel", funnel_name=name, stage=stage, stage_order=order, **more)

    def survey(self, survey_type: Literal["nps", "csat", "ces"], score: float, **more: Any) -> str:
        return self.track("survey", kind="survey", survey_type=survey_type, score=score, **more)

    def ai(self, model: str, *, cost_usd: float | None = None, **more: Any) -> str:
        return self.track("ai", kind="ai", model=model, cost_usd=cost_usd, **more)

    def error(self, error: BaseException, **more: Any) -> str:
        return self.track("error", kind="error", error_type=type(error).__name__, message=str(error) or "-", **more)

    def metric(self, name: str, value: float, **more: Any) -> str:
        return self.track("metric", kind="metric", metric_name=name, metric_value=value, **more)

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything is answered for. Whether it was in time."""
        return self._delivery.flush(self._close_seconds if timeout_seconds is None else timeout_seconds)

    def close(self) -> bool:
        """`flush`, and take no more. What was not sent in time is told to `on_lost`. Whether there was nothing left."""
        atexit.unregister(self.close)
        return self._delivery.close(self._close_seconds)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _milliseconds(at: When) -> int:
    if at is None:
        return time.time_ns() // 1_000_000
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError("The timestamp has no offset: write datetime.now(UTC).")
        return int(at.timestamp() * 1000)
    return at
