"""Types that several threads decode for the first time at once: the process must outlive it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from quadra.core.typed import Typed

QUADRA = Path(__file__).resolve().parents[2] / "quadra"

RACE = """
import sys, threading, msgspec
from quadra.core.typed import Typed

def struct(number):
    fields = [(f"f{n}", "dict[str, list[int | None]] | None", None) for n in range(8)]
    parts = [msgspec.defstruct(f"Part{n}", fields) | None for n in range(6)]
    return msgspec.defstruct(f"Struct{number}", [(f"g{n}", part, None) for n, part in enumerate(parts)])

sys.setswitchinterval(1e-6)
for number in range(60):
    DECODER
    together = threading.Barrier(6)

    def first():
        together.wait()
        decode(b'{"g5": {"f3": {"a": [1]}}}')

    threads = [threading.Thread(target=first) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_decode_a_type_for_the_first_time_do_not_end_the_process():
    code = RACE.replace("DECODER", "decode = Typed(struct(number)).decode")

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")


def test_no_type_is_looked_through_while_threads_run():
    others = [path for path in QUADRA.rglob("*.py") if path != QUADRA / "core" / "typed.py"]
    assert len(others) > 300
    assert [f"{path}:{line}" for path in others for line in late_decoders(ast.parse(path.read_text()))] == []


def late_decoders(tree: ast.Module) -> list[int]:
    """Lines at which a function hands msgspec a type."""
    calls = [
        call
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
    ]
    return sorted({call.lineno for call in calls if hands_over_a_type(call)})


def hands_over_a_type(call: ast.Call) -> bool:
    name = ast.unparse(call.func).removeprefix("msgspec.").removeprefix("json.").lstrip("_").partition("[")[0]
    typed = any(keyword.arg == "type" for keyword in call.keywords)
    return (name.endswith("decode") and typed) or name in {"convert", "Decoder", "Typed"}


@pytest.mark.parametrize(
    "body",
    [
        "msgspec.convert(1, int)",
        "msgspec.json.decode(b'1', type=int)",
        "_decode(b'1', type=int)",
        "_convert(1, int)",
        "msgspec.json.Decoder(int)",
        "Typed(int)",
        "Typed[int](int)",
    ],
)
def test_a_type_that_a_function_hands_over_is_found(body):
    assert late_decoders(ast.parse(f"def f():\n    return {body}\n")) == [2]
    assert late_decoders(ast.parse(f"made = {body}\n")) == []


def test_strict_and_lenient_types_decode_and_convert():
    assert Typed(int).decode(b"1") == Typed(int).convert(1) == 1
    assert Typed(int, strict=False).decode(b'"1"') == Typed(int, strict=False).convert("1") == 1
    with pytest.raises(msgspec.ValidationError):
        Typed(int).convert("1")
