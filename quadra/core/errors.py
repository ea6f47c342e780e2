"""The few errors a caller can tell apart. Doors translate them; nobody below a door knows about HTTP."""

from __future__ import annotations

from collections.abc import Mapping


class QuadraError(Exception):
    """Something went wrong."""

    code = "error"
    status = 500

    def __init__(self, message: str | None = None, *, code: str | None = None, fields: Mapping[str, str] | None = None):
        super().__init__(message or (self.__doc__ or "").strip())
        self.code = code or type(self).code
        self.fields = dict(fields or {})

    @property
    def message(self) -> str:
        return str(self.args[0])

    def as_dict(self) -> dict[str, object]:
        """The body that every door sends: `{"code", "message", "fields"}`."""
        return {"code": self.code, "message": self.message, "fields": self.fields}


class Invalid(QuadraError):
    """The request can never become valid as it is."""

    code = "invalid"
    status = 400


class Unauthorised(QuadraError):
    """Nobody is logged in, or the key is not known."""

    code = "unauthorised"
    status = 401


class Forbidden(QuadraError):
    """You may not do this."""

    code = "forbidden"
    status = 403


class NotFound(QuadraError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class Conflict(QuadraError):
    """The thing is not in a state that allows this."""

    code = "conflict"
    status = 409


class TooLarge(QuadraError):
    """The request is larger than Quadra takes."""

    code = "too_large"
    status = 413


class Limited(QuadraError):
    """Too many requests; try again later."""

    code = "limited"
    status = 429

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1):
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(QuadraError):
    """Something Quadra depends on is away for the moment; try again."""

    code = "unavailable"
    status = 503

    def __init__(self, message: str | None = None, *, code: str | None = None, retry_after_seconds: int = 1):
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(QuadraError):
    """A setting is wrong; Quadra does not start."""

    code = "misconfigured"
