"""The second factor: codes of an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 s) and ten recovery codes, each once.

A code is used up by a conditional update in the transaction of the login: of two requests with the same code, one gets in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import segno
import sqlalchemy as sa
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from flask import current_app
from sqlalchemy.orm import Session

from quadra.accounts.secrets_at_rest import decrypt, derive
from quadra.accounts.tables import RecoveryCode, SecondFactor
from quadra.core import clock
from quadra.core.errors import Conflict, Invalid, Unauthorised

REQUIRED, WRONG = "second_factor_required", "second_factor_wrong"
ISSUER = "Quadra"
DIGITS, STEP_SECONDS = 6, 30
DRIFT = 1
"""Steps that a phone's clock may be wrong, both ways."""
RECOVERY_CODES = 10


def key() -> Fernet:
    """What encrypts secrets of second factors, in a web process."""
    return derive(str(current_app.secret_key), purpose="second factor")


def find(session: Session, user_id: int) -> SecondFactor | None:
    """The second factor of a user, where it was confirmed."""
    query = sa.select(SecondFactor).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    return session.scalar(query)


def count_recovery_codes(session: Session, user_id: int) -> int:
    """Those that are left."""
    unused = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalar(sa.select(sa.func.count()).where(*unused)) or 0


def begin(session: Session, *, user_id: int, key: Fernet) -> bytes:
    """A new secret, which counts once it is confirmed. Raises `Conflict` where a second factor is in use."""
    if find(session, user_id) is not None:
        raise Conflict("Your account has a second factor. Turn it off first.")
    secret = secrets.token_bytes(20)
    session.merge(
        SecondFactor(user_id=user_id, secret=key.encrypt(secret).decode(), last_step=0, created_at=clock.now())
    )
    return secret


def uri(secret: bytes, email: str) -> str:
    """What the QR code says to an authenticator app."""
    return _totp(secret).get_provisioning_uri(email, ISSUER)


def qr(text: str) -> list[str]:
    """The QR code of `text`: its rows, where 1 is dark."""
    return ["".join(map(str, row)) for row in segno.make_qr(text).matrix]


def typed(secret: bytes) -> str:
    """The secret as one types it into an app that sees no QR code."""
    return base64.b32encode(secret).decode()


def confirm(session: Session, *, user_id: int, code: str, key: Fernet) -> list[str]:
    """Ask for the second factor from now on. The recovery codes, which nobody can read again.

    Raises `Conflict` where none was begun or it is confirmed already, `Invalid` for a wrong code.
    """
    begun = session.get(SecondFactor, user_id)
    if begun is None or begun.confirmed_at is not None:
        raise Conflict("No second factor waits for its first code. Begin again.")
    if not _use_totp(session, begun, code, key):
        raise Invalid("The code is wrong.", fields={"code": "the 6 digits that the app shows now"})
    session.execute(sa.update(SecondFactor).where(SecondFactor.user_id == user_id).values(confirmed_at=clock.now()))
    return renew_recovery_codes(session, user_id=user_id)


def renew_recovery_codes(session: Session, *, user_id: int) -> list[str]:
    """Ten new ones; those of before open nothing any more."""
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(sha256=_digest(code), user_id=user_id) for code in codes)
    session.flush()
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def remove(session: Session, *, user_id: int) -> bool:
    """The password is enough again. Whether there was anything to remove."""
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    removed = session.execute(sa.delete(SecondFactor).where(SecondFactor.user_id == user_id))
    return bool(removed.rowcount)  # type: ignore[attr-defined]


def check(session: Session, *, user_id: int, code: str, key: Fernet) -> None:
    """Use up `code`, where the user has a second factor. Raises `Unauthorised`."""
    found = find(session, user_id)
    if found is None:
        return
    if not code.strip():
        raise Unauthorised("Enter the code of your authenticator app, or a recovery code.", code=REQUIRED)
    if not _use_totp(session, found, code, key) and not _use_recovery_code(session, user_id, code):
        raise Unauthorised("The code is wrong, or it was used before. Wait for the next one.", code=WRONG)


def demand(session: Session, *, user_id: int, code: str, key: Fernet) -> None:
    """As `check`, for what only a user with a second factor can do. Raises `Conflict` too."""
    if find(session, user_id) is None:
        raise Conflict("Your account has no second factor.")
    check(session, user_id=user_id, code=code, key=key)


def _use_totp(session: Session, found: SecondFactor, code: str, key: Fernet) -> bool:
    plain = code.replace(" ", "")
    secret = decrypt(key, found.secret)
    if secret is None or len(plain) != DIGITS or not (plain.isascii() and plain.isdecimal()):
        return False
    now = int(clock.now().timestamp()) // STEP_SECONDS
    totp = _totp(secret)
    for step in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(totp.generate(step * STEP_SECONDS), plain.encode()):
            newer = (SecondFactor.user_id == found.user_id, SecondFactor.last_step < step)
            return _updated(session, sa.update(SecondFactor).where(*newer).values(last_step=step))
    return False


def _use_recovery_code(session: Session, user_id: int, code: str) -> bool:
    plain = code.strip().replace("-", "").replace(" ", "").lower()
    unused = (RecoveryCode.sha256 == _digest(plain), RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return _updated(session, sa.update(RecoveryCode).where(*unused).values(used_at=clock.now()))


def _updated(session: Session, statement: sa.Update) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return bool(result.rowcount)  # type: ignore[attr-defined]


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
