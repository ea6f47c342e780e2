"""Secrets that must be read again, as the database keeps them: encrypted by a key that is derived from the installation's secret.

Where the operator sets `SECRET_KEY`, a copy of the database alone opens none of them. A changed secret makes them unreadable.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret: str, *, purpose: str) -> Fernet:
    """A key of its own for each purpose: what one part of Quadra encrypted, no other part reads."""
    material = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"quadra {purpose}".encode()).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(material))


def decrypt(key: Fernet, text: str) -> bytes | None:
    """None where another secret encrypted it."""
    try:
        return key.decrypt(text.encode())
    except InvalidToken:
        return None
