"""Texts as small numbers: what is counted of each file names people, pages and labels by them, so that it is kept in little
memory and put together without comparing a text. Of one project in one process.
"""

from __future__ import annotations

import threading
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quadra.warehouse.query.people import Identities

TEXTS_MOST = 150_000
"""Of a project, and of all that were not asked about last: about 25 MB of names."""

Codes: TypeAlias = "npt.NDArray[np.int32]"


class TooMany(Exception):
    """More texts than may be kept."""


class Texts:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: list[str | None] = [None]
        """The first stands for no text."""
        self._codes: dict[str | None, int] = {None: 0}
        self._persons = np.zeros(0, np.int32)
        self._version: int | None = None

    def __len__(self) -> int:
        return len(self._names)

    def encoded(self, texts: pa.ChunkedArray) -> Codes:
        """Raises `TooMany`."""
        found = texts.combine_chunks().dictionary_encode()
        with self._lock:
            named = found.dictionary.to_pylist()
            codes = [
                self._code(text) if code is None else code
                for text, code in zip(named, map(self._codes.get, named), strict=True)
            ]
        places = found.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
        coded: Codes = np.array([*codes, 0], np.int32)[places]
        return coded

    def code(self, text: str | None) -> int | None:
        """None where no file says it."""
        return self._codes.get(text)

    def text(self, code: int) -> str | None:
        return self._names[code]

    def coded(self, text: str) -> int:
        """Raises `TooMany`."""
        with self._lock:
            return self._code(text)

    def named(self, codes: pa.Array) -> list[str | None]:
        return [self._names[code] for code in codes.to_pylist()]

    def all(self) -> pa.Array:
        """In the order of their codes."""
        return pa.array(self._names, pa.string())

    def persons(self, identities: Identities) -> Codes:
        """The code of an id -> the code of whose it is. Raises `TooMany`."""
        with self._lock:
            if identities.version != self._version:
                self._persons, self._version = np.zeros(0, np.int32), identities.version
            begin = len(self._persons)
            if begin < len(self._names):
                ids = pa.array(self._names[begin:], pa.string())
                place = pc.index_in(ids, value_set=identities.people["id"].combine_chunks())
                named = self.encoded(identities.people["person"].take(place.drop_null()))
                # whose name came along is nobody else: a person's name leads to no other one
                persons = np.arange(len(self._names), dtype=np.int32)
                persons[:begin] = self._persons
                persons[begin : begin + len(ids)][place.is_valid().to_numpy(zero_copy_only=False)] = named
                self._persons = persons
            return self._persons

    def _code(self, text: str | None) -> int:
        code = self._codes.get(text)
        if code is None:
            code = len(self._names)
            if code >= TEXTS_MOST:
                raise TooMany
            self._names.append(text)
            self._codes[text] = code
        return code
