"""A field as bytes, and as a pair of files: `npz` with the arrays, JSON with what they are. Nothing is pickled.

The same field gives the same bytes. A file is written aside and renamed; the JSON comes last and holds the SHA-256 of the
arrays, so that a pair which was torn or changed is told from a sound one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import zipfile
from pathlib import Path

import msgspec
import numpy as np

from quadra.core.durable import write_whole
from quadra.core.errors import Conflict
from quadra.core.typed import Typed
from quadra.field.cells import LEAST_CELLS, MOST_CELLS, Field, Running
from quadra.field.features import FAMILIES

FORMAT = 1
HISTORIES = (*FAMILIES, "novelty")
DAMAGED = (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, AttributeError)
"""What reading arrays raises of bytes that are none."""


class BadArtifact(Conflict):
    """The file of a model is not what was written."""

    code = "bad_artifact"


class Manifest(msgspec.Struct, frozen=True):
    """What lies beside the arrays."""

    project: str
    version: int
    training_id: str
    created_at: str
    file: str
    sha256: str
    cells: int
    seed: int
    decay: float
    iterations: int
    events: int
    loss: float
    window_from: str
    window_to: str
    code_version: str
    format: int = FORMAT


MANIFEST = Typed(Manifest)


def encode(field: Field) -> bytes:
    labels = {str(cell): field.labels[cell] for cell in sorted(field.labels)}
    text = json.dumps(labels, ensure_ascii=True, separators=(",", ":")).encode()
    out = io.BytesIO()
    np.savez_compressed(
        out,
        about=np.array([FORMAT, field.cells, field.seed, field.iterations, field.events], dtype=np.int64),
        decay=np.array([field.decay]),
        mean=field.mean,
        variance=field.variance,
        seen=np.array([field.seen[name] for name in FAMILIES], dtype=np.int64),
        history=np.array([[field.history[name].mean, field.history[name].variance] for name in HISTORIES]),
        labels=np.frombuffer(text, dtype=np.uint8),
    )
    return out.getvalue()


def decode(data: bytes, name: str) -> Field:
    """Raises `BadArtifact` naming the file for bytes that no field was made into."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            format_, cells, seed, iterations, events = (int(one) for one in arrays["about"])
            if format_ != FORMAT or not LEAST_CELLS <= cells <= MOST_CELLS:
                raise ValueError(f"format {format_} with {cells} cells")
            field = Field(cells, seed, float(arrays["decay"][0]))
            field.mean, field.variance = arrays["mean"].copy(), arrays["variance"].copy()
            if field.mean.shape != (cells,) or field.variance.shape != (cells,):
                raise ValueError(f"arrays of {field.mean.shape}")
            field.iterations, field.events = iterations, events
            field.seen = dict(zip(FAMILIES, (int(one) for one in arrays["seen"]), strict=True))
            pairs = arrays["history"]
            field.history = {
                name: Running(float(mean), float(variance))
                for name, (mean, variance) in zip(HISTORIES, pairs, strict=True)
            }
            field.labels = {int(cell): label for cell, label in json.loads(arrays["labels"].tobytes()).items()}
    except DAMAGED as error:
        raise BadArtifact(f"{name} is damaged: {error}.") from error
    return field


def pack(field: Field) -> str:
    """As text, for a column that every database has."""
    return base64.b64encode(encode(field)).decode()


def unpack(text: str, name: str) -> Field:
    """Raises `BadArtifact`."""
    try:
        return decode(base64.b64decode(text, validate=True), name)
    except binascii.Error as error:
        raise BadArtifact(f"{name} is damaged: {error}.") from error


def write(directory: Path, stem: str, data: bytes, manifest: Manifest) -> None:
    """Both files, the arrays first. A reader finds the whole pair or no manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / f"{stem}.npz", data)
    write_whole(directory / f"{stem}.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def read(directory: Path, stem: str, sha256: str) -> Field:
    """The field of a version. Raises `BadArtifact` naming the file that is wrong."""
    return decode(check(directory, stem, sha256), f"{stem}.npz")


def check(directory: Path, stem: str, sha256: str) -> bytes:
    """The arrays of a version, whose hash the database knows. Raises `BadArtifact` naming the file that is wrong."""
    path = directory / f"{stem}.npz"
    try:
        data = path.read_bytes()
        manifest = MANIFEST.decode((directory / f"{stem}.json").read_bytes())
    except FileNotFoundError as error:
        raise BadArtifact(f"{Path(str(error.filename)).name} is not there.") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise BadArtifact(f"{stem}.json cannot be read: {error}.") from error
    if digest(data) != sha256:
        raise BadArtifact(f"{path.name} was changed: its SHA-256 is not the one that was recorded.")
    if manifest.sha256 != sha256:
        raise BadArtifact(f"{stem}.json was changed: its SHA-256 is not the one that was recorded.")
    return data


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def remove(directory: Path, stem: str) -> None:
    """The manifest first: what lies there without one is no version."""
    for suffix in ("json", "npz"):
        (directory / f"{stem}.{suffix}").unlink(missing_ok=True)
