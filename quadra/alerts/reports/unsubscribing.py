"""The link under each mail that ends it for whoever got it: signed, so that it needs no login and cannot be guessed."""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from quadra.accounts.setup import installation_secret
from quadra.core.errors import NotFound

TOKEN_MOST = 500
SECRET = "report links"
"""One of their own, so that links in old mails go on working where SECRET_KEY is changed."""


def token_of(session: Session, report_id: str, channel_id: str) -> str:
    return str(_serializer(session).dumps([report_id, channel_id]))


def read_token(session: Session, token: str) -> tuple[str, str]:
    """The report and the channel. Raises `NotFound`."""
    try:
        if len(token) > TOKEN_MOST:
            raise BadSignature("too long")
        report_id, channel_id = _serializer(session).loads(token)
    except BadSignature as error:
        raise NotFound("This link is not whole. Copy all of it from the mail.") from error
    return str(report_id), str(channel_id)


def _serializer(session: Session) -> URLSafeSerializer:
    return URLSafeSerializer(installation_secret(session, SECRET), salt="quadra report")
