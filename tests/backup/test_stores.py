"""What lies in the stores, and how it is sealed: without a database."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from quadra.backup.stores.cipher import CHUNK, Decrypting, Encrypting, Key
from quadra.backup.stores.manifest import MANIFEST, SUMS, Damage
from quadra.backup.stores.stores import DirectoryStore, Stores
from quadra.backup.take import take
from quadra.core.durable import sha256_of
from quadra.core.errors import Misconfigured, NotFound, Unavailable
from quadra.core.settings import Settings, load

KEY = Key(b"k" * 32)
PLAIN = bytes(range(256)) * (CHUNK // 256 * 2) + b"the rest"  # three chunks


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.npz").write_bytes(b"model")
    return load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'quadra.db'}")


def sealed(plain: bytes = PLAIN, key: Key = KEY) -> bytes:
    file = io.BytesIO()
    writing = Encrypting(file, key)
    writing.write(plain)
    writing.close()
    return file.getvalue()


def opened(content: bytes, key: Key = KEY) -> bytes:
    return Decrypting(io.BytesIO(content), key, "part").read()


def chunks(content: bytes) -> tuple[bytes, list[bytes]]:
    """The header, and the chunks with their lengths."""
    head, rest, found = content[:24], content[24:], []
    while rest:
        size = 5 + int.from_bytes(rest[:4], "big")
        found.append(rest[:size])
        rest = rest[size:]
    return head, found


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, len(PLAIN)])
def test_what_is_sealed_comes_back(size: int) -> None:
    assert opened(sealed(PLAIN[:size])) == PLAIN[:size]
    assert PLAIN[:32] not in sealed()


def test_chunks_that_were_swapped_repeated_left_out_or_changed_are_damage() -> None:
    head, (first, second, last) = chunks(sealed())
    assert opened(head + first + second + last) == PLAIN
    flipped = bytearray(second)
    flipped[100] ^= 1
    for order in (
        [second, first, last],
        [first, first, second, last],
        [first, last],
        [first, second],
        [first],
        [],
        [first, second, last[:-1]],
        [first, bytes(flipped), last],
    ):
        with pytest.raises(Damage):
            opened(head + b"".join(order))
    with pytest.raises(Damage):
        opened(b"X" + (head + first + second + last)[1:])
    with pytest.raises(Damage, match="the key is another one"):
        opened(sealed(), Key(b"o" * 32))


@pytest.mark.parametrize(("size", "taken"), [(31, False), (32, True)])
def test_a_key_has_32_bytes_at_least(tmp_path: Path, size: int, taken: bool) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * size + b"\n")
    if taken:
        assert Key.read(path).id == KEY.id
    else:
        with pytest.raises(Misconfigured, match=f"holds {size} bytes"):
            Key.read(path)


def test_what_arrives_damaged_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    store = DirectoryStore(tmp_path / "store")
    with pytest.raises(Unavailable, match="arrived damaged"):
        store.put("backup/part", source, "0" * 64)
    assert list(store.names("")) == []
    store.put("backup/part", source, sha256_of(source))
    assert list(store.names("")) == ["backup/part"]


def test_a_backup_that_lacks_a_file_or_bears_another_name_is_not_listed_and_said(settings: Settings) -> None:
    first, second, third = (take(settings, "models") for _ in range(3))
    stores = Stores(settings)
    (stores.home.root / first.id / first.parts[0].file).unlink()
    path = stores.home.root / second.id / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "id": third.id}))
    found = stores.look()
    assert [kept.manifest.id for kept in found.kept] == [third.id]
    assert any(first.id in said and "lacks" in said for said in found.damaged)
    assert any(second.id in said and third.id in said for said in found.damaged)
    with pytest.raises(NotFound, match="lacks"):
        stores.find(first.id)


def test_the_hashes_beside_a_backup_are_taken_by_sha256sum(settings: Settings, tmp_path: Path) -> None:
    second = settings.model_copy(update={"backup_secondary_dir": tmp_path / "second"})
    manifest = take(second, "models")
    for store in (DirectoryStore(tmp_path / "backups"), DirectoryStore(tmp_path / "second")):
        place = store.root / manifest.id
        check = ["sha256sum", "--check", "--strict", SUMS]
        assert subprocess.run(check, cwd=place, capture_output=True).returncode == 0
        (place / manifest.parts[0].file).write_bytes(b"damaged")
        assert subprocess.run(check, cwd=place, capture_output=True).returncode == 1
