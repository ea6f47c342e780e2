"""A client of one deployment, as strict as a customer's: bounded in time, and every surprise is a sentence."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx2

from quadra.core.errors import Invalid


class Unexpected(Exception):
    """The deployment answered something else than it should, or nothing; the text says what."""


class Probe:
    """Requests to one address, with a key or, after `log_in`, with a session. Use it as a context."""

    def __init__(self, address: str, *, key: str = "", timeout_seconds: float = 10):
        if not address.startswith(("http://", "https://")):
            raise Invalid("Which deployment?", fields={"URL": "an address that begins with http:// or https://"})
        headers = {"User-Agent": "quadra-validate", "Accept": "application/json"}
        self._client = httpx2.Client(base_url=address.rstrip("/"), headers=headers, timeout=timeout_seconds)
        self._key = {"Authorization": f"Bearer {key}"} if key else {}

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        expect: tuple[int, ...] = (200,),
        body: Any = None,
        key: str | None = None,
        csrf: str = "",
        **params: str,
    ) -> httpx2.Response:
        """Raises `Unexpected` for another status than expected and for no answer. `key` instead of the own one; "" for none."""
        own = dict(self._key) if key is None else ({"Authorization": f"Bearer {key}"} if key else {})
        if csrf:
            own["X-CSRF-Token"] = csrf
        try:
            answer = self._client.request(method, path, json=body, headers=own, params=params or None)
        except httpx2.HTTPError as error:
            raise Unexpected(f"{method} {path}: no answer ({str(error) or type(error).__name__})") from None
        if answer.status_code not in expect:
            wanted = " or ".join(str(status) for status in expect)
            raise Unexpected(f"{method} {path} answers {answer.status_code} instead of {wanted}{_reason(answer)}")
        return answer

    def json(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """The JSON object of the answer. Raises `Unexpected`."""
        answer = self.ask(method, path, **given)
        try:
            found = answer.json()
        except ValueError:
            raise Unexpected(f"{method} {path} does not answer JSON") from None
        if not isinstance(found, dict):
            raise Unexpected(f"{method} {path} does not answer a JSON object")
        return found


def _reason(answer: httpx2.Response) -> str:
    """What an error of Quadra's says of itself; nothing of a stranger's page."""
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(message)[:200]}"
