"""Encryption of what leaves this machine: AES-256-GCM in chunks, so that a file of any size is checked as it is read.

A file is a header (a mark and a random salt, from which the file's own key is derived) and chunks, each with its length. A
chunk's nonce is its number and whether it is the last one: chunks that were swapped, repeated or cut off do not decrypt.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from quadra.backup.stores.manifest import Damage
from quadra.core.errors import Misconfigured

MARK = b"QUADRA\x00\x01"
SALT_BYTES, CHUNK = 16, 2**20
TAG_BYTES = 16
SHORTEST = 32


class Key:
    """The installation's key for backups."""

    def __init__(self, secret: bytes):
        self._secret = secret
        self.id = hashlib.sha256(self._derive(b"", b"quadra backup key id")).hexdigest()[:16]

    @classmethod
    def read(cls, path: Path) -> Key:
        """Raises `Misconfigured`."""
        try:
            secret = path.read_bytes().strip()
        except OSError as error:
            raise Misconfigured(f"QUADRA_BACKUP_KEY_FILE: cannot read {path}: {error.strerror}") from error
        if len(secret) < SHORTEST:
            raise Misconfigured(
                f"QUADRA_BACKUP_KEY_FILE: {path} holds {len(secret)} bytes; a key has at least {SHORTEST}, "
                "such as from `openssl rand -hex 32`. Keep a copy of it elsewhere: without it nobody can read the backups."
            )
        return cls(secret)

    def of_file(self, salt: bytes) -> AESGCM:
        return AESGCM(self._derive(salt, b"quadra backup file"))

    def _derive(self, salt: bytes, info: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt, info).derive(self._secret)


class Encrypting:
    """A file to write to. `close` writes the last chunk; without it the file does not decrypt."""

    def __init__(self, file: IO[bytes], key: Key):
        salt = os.urandom(SALT_BYTES)
        self._file, self._cipher, self._number = file, key.of_file(salt), 0
        self._waiting = bytearray()
        file.write(MARK + salt)

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._put(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def flush(self) -> None:
        """A chunk is written when it is full."""

    def close(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, data: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), data, None)
        self._file.write(struct.pack("!I?", len(sealed), last) + sealed)
        self._number += 1


class Decrypting:
    """A file to read from. Raises `Damage` for another key and for every change of the file."""

    def __init__(self, file: IO[bytes], key: Key, name: str):
        self._file, self._name, self._number, self._ended = file, name, 0, False
        self._ready = b""
        header = file.read(len(MARK) + SALT_BYTES)
        if len(header) < len(MARK) + SALT_BYTES or not header.startswith(MARK):
            raise Damage(f"{name} is damaged: it does not begin as an encrypted backup does.")
        self._cipher = key.of_file(header[len(MARK) :])

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._ready += self._next()
        size = len(self._ready) if size < 0 else size
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def _next(self) -> bytes:
        head = self._file.read(5)
        if len(head) < 5:
            raise Damage(f"{self._name} is damaged: it ends in the middle.")
        length, last = struct.unpack("!I?", head)
        if not TAG_BYTES <= length <= CHUNK + TAG_BYTES:
            raise Damage(f"{self._name} is damaged: chunk {self._number} has an impossible length.")
        try:
            data = self._cipher.decrypt(_nonce(self._number, last=last), self._file.read(length), None)
        except InvalidTag:
            raise Damage(
                f"{self._name} cannot be decrypted: chunk {self._number} was changed, or the key is another one."
            ) from None
        self._number += 1
        self._ended = last
        return data


def _nonce(number: int, *, last: bool) -> bytes:
    return struct.pack("!3xQ?", number, last)
