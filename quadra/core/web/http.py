"""What every HTTP answer has in common: a request id, one shape of error, JSON by orjson, and the thread it runs on.

Most routes block (database, password hashes, questions), so the whole request runs on a native thread. Routes that must
not leave the event loop, such as ingest, say so with `on_loop`.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import orjson
from flask import Flask, Response, current_app, g, has_request_context, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from quadra.core.errors import Invalid, NotFound, QuadraError, TooLarge
from quadra.core.ids import uuid7
from quadra.core.names import snake_case
from quadra.core.runtime import Runtime
from quadra.core.web.loop import Loop, Threads

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 5 * 2**20
"""Of what comes in at the doors of ingest."""
MAX_REQUEST_BYTES = 512 * 1024
"""Of a body at any other door; `bound_body` takes less where less is enough."""
MAX_FIELDS = 1_000
ERROR_PAGE = "quadra.error_page"
"""The app's extension that turns an error into HTML; the dashboard sets it."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

CODES = {
    400: "invalid",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson; a time that has no offset is an error, not a guess."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return orjson.loads(s)


def set_up(app: Flask) -> None:
    """Give `app` request ids, the error shape and orjson."""
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.before_request(_take_request_id)
    app.before_request(_refuse_unreadable)
    app.after_request(_send_request_id)
    app.register_error_handler(QuadraError, _on_quadra_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_unexpected)


def runtime() -> Runtime:
    """What the process holds whose app serves the current request."""
    found: Runtime = current_app.extensions["quadra"]
    return found


def request_id() -> str:
    """The id of the current request, the sender's own where it was a valid one."""
    if not has_request_context():
        return ""
    if "request_id" not in g:
        _take_request_id()
    found: str = g.request_id
    return found


def about_request() -> dict[str, str]:
    """What each log line that is written during a request says of it; nothing outside of one."""
    if not has_request_context():
        return {}
    return {"request_id": request_id(), "user": g.get("actor", ""), "project": g.get("project", "")}


def error_response(error: QuadraError) -> Response:
    """The error in its one shape; as a page where a person asked for a page."""
    page: Callable[[QuadraError], str] | None = current_app.extensions.get(ERROR_PAGE)
    if page is not None and wants_page():
        return Response(page(error), error.status, content_type="text/html; charset=utf-8")
    body = {"error": {**error.as_dict(), "request_id": request_id()}}
    response = Response(orjson.dumps(body), error.status, content_type="application/json")
    if (seconds := getattr(error, "retry_after_seconds", None)) is not None:
        response.headers["Retry-After"] = str(seconds)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def wants_page() -> bool:
    """Whether the current request comes from a browser that shows what comes back."""
    return request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"


def bound_body(most: int) -> None:
    """Have the current request's body refused as too large beyond `most` bytes."""
    request.max_content_length = most


def json_body() -> dict[str, Any]:
    """The request's JSON object, keys as sent. Raises `Invalid`. An empty body is an empty object."""
    raw = request.get_data(cache=True)
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.")
    if len(body) > MAX_FIELDS:
        raise Invalid(f"The body has more than {MAX_FIELDS} fields.")
    return {snake_case(key): value for key, value in body.items()}


def _take_request_id() -> None:
    came = request.headers.get("X-Request-ID", "")
    g.request_id = came if REQUEST_ID.fullmatch(came) else uuid7()


def _refuse_unreadable() -> None:
    """An address that is no text; and one with NUL, which no name or value of ours has, and which PostgreSQL takes for a mistake
    of the program."""
    if "\0" in request.path:
        raise NotFound("There is nothing at this address.")
    try:
        pairs = list(request.args.items(multi=True))
    except UnicodeDecodeError as error:  # bytes as they are, where percent signs belong
        raise Invalid("The address cannot be read: write what is not ASCII as UTF-8, percent-encoded.") from error
    wrong = {name.replace("\0", ""): "holds a NUL character" for name, value in pairs if "\0" in name or "\0" in value}
    if wrong:
        raise Invalid("The question cannot be read.", fields=wrong)


def _send_request_id(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    return response


def _on_quadra_error(error: QuadraError) -> Response:
    return error_response(error)


def _on_http_exception(error: HTTPException) -> Response:
    if error.response is not None:  # a redirect or a response somebody raised on purpose
        return cast(Response, error.response)
    if isinstance(error, RequestEntityTooLarge):
        return error_response(TooLarge(f"The body is larger than {request.max_content_length} bytes."))
    status = error.code or 500
    text = "There is nothing at this address." if status == 404 else error.description
    translated = QuadraError(text, code=CODES.get(status, "error"))
    translated.status = status
    response = error_response(translated)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _on_unexpected(error: Exception) -> Response:
    logger.error("http.request.failed", exc_info=error)
    return error_response(QuadraError("Quadra made a mistake; it is in the log under this request id."))


class OffLoop:
    """WSGI: run each request on a native thread, except the paths that asked to stay on the loop."""

    def __init__(self, app: WSGIApp, runtime: Runtime):
        self._app = app
        self._loop = runtime.loop
        self._threads = runtime.threads
        self._on_loop = runtime.on_loop
        self._apart = runtime.apart

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        if chunked:  # both servers end such a body where it ends, and Flask must be told so
            environ["wsgi.input_terminated"] = True
        if environ["PATH_INFO"] in self._on_loop:
            return self._app(environ, start_response)
        # the body is read here: a green socket must not be read from another thread
        length = environ.get("CONTENT_LENGTH") or ""
        most = MAX_REQUEST_BYTES + 1
        size = min(int(length), most) if length.isdecimal() else chunked * most
        try:
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size) if size else b"")
        except QuadraError as error:
            environ["wsgi.input"] = _Unreadable(error)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = status, headers

        threads = self._apart.get(environ["PATH_INFO"], self._threads)
        chunks = threads.run(self._app, environ, start)
        if isinstance(chunks, list | tuple):
            start_response(*started)
            return chunks
        pieces = _Pieces(chunks, self._loop)
        start_response(*started)
        return pieces


class _Pieces:
    """An answer that is made as it is sent, all of it on one thread: each thread that ever made a piece keeps tens of megabytes
    for its allocators. The first piece is made at once, so that what is wrong is told while there is still a status."""

    def __init__(self, chunks: Any, loop: Loop):
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._thread = Threads(loop, 1, "stream")
        try:
            self._piece: bytes | None = self._thread.run(_next, self._iterator)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        while self._piece is not None:
            yield self._piece
            self._piece = self._thread.run(_next, self._iterator)

    def close(self) -> None:
        """Called by the server however the answer ended."""
        try:
            if hasattr(self._chunks, "close"):
                self._thread.run(self._chunks.close)
        finally:
            self._thread.stop()


class _Unreadable:
    """A body that cannot be read: whoever asks for it is told why."""

    def __init__(self, error: QuadraError):
        self._error = error

    def read(self, *_size: int) -> bytes:
        raise self._error

    readline = readlines = read


def _next(iterator: Iterator[bytes]) -> bytes | None:
    return next(iterator, None)
