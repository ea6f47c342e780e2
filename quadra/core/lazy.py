"""Large libraries are loaded when something of them is first used, not when a module that may use them is imported.

A web process that nobody asks a question, a worker that compacts nothing and most commands need neither DuckDB nor PyArrow,
which are 70 MB and a good part of the start. Modules import them at their top as any other library; entry points call `put_off`
before they import those. A constant or a base class that is made of one loads it at once: a test tells.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    "duckdb",
    "pyarrow",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "numpy",
    "numpy.typing",
    "psycopg",
    "psycopg.rows",
    "PIL",
    "PIL.Image",
    "PIL.ImageDraw",
    "PIL.ImageFont",
)
"""With the parts that are imported by name, each after what it is a part of."""

SHARED = {
    "duckdb": "_duckdb.*.so",
    "pyarrow": "pyarrow/lib.*.so",
    "numpy": "numpy/_core/_multiarray_umath.*.so",
}
"""Where each has its machine code, which is many megabytes."""

_loading = threading.RLock()
"""One for all: they load one another."""


class _Lazy(ModuleType):
    """Becomes the library at the first look at anything in it."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__version__":  # what the import system asks of every module
            raise AttributeError(name)
        with _loading:  # other threads wait here until it is whole
            if type(self) is _Loading:
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
            _load(self)
        return getattr(self, name)


class _Loading(_Lazy):
    """While it is executed: the thread that does so sees what is there already."""


def _load(module: ModuleType) -> None:
    if parent := sys.modules.get(module.__name__.rpartition(".")[0]):
        _load(parent)
    if type(module) is _Lazy:
        _execute(module)


def _execute(module: Any) -> None:
    module.__class__ = _Loading
    _map(module)
    try:
        module.__spec__.loader.exec_module(module)
    except BaseException:
        module.__class__ = _Lazy  # the next look fails in the same way
        raise
    module.__class__ = ModuleType


def _map(module: Any) -> None:
    """Loads the machine code ahead of the import, which holds the interpreter meanwhile: 40 to 250 ms in which a web process
    answers nobody, the most where it is read from a disk. A foreign function is called without the interpreter. Where this
    fails, the import says why.
    """
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for folder in module.__spec__.submodule_search_locations or ():
        for path in Path(folder).parent.glob(SHARED.get(module.__name__, ".none")):
            load(os.fsencode(path), os.RTLD_NOW)


_asked: set[str] = set()


def is_ready(module: ModuleType) -> bool:
    """Whether a library is loaded. If not, it is loaded on a thread meanwhile: for callers who have another way and must not
    wait.
    """
    if isinstance(module, _Lazy) and module.__spec__ is not None and module.__spec__.name not in _asked:
        _asked.add(module.__spec__.name)
        threading.Thread(target=_loaded, args=(module,), name="lazy", daemon=True).start()
    return not isinstance(module, _Lazy)


def _loaded(module: ModuleType) -> None:
    with _loading:
        _load(module)


def put_off() -> None:
    """Before other modules are imported. What is loaded already stays so."""
    # Arrow's own allocator keeps what it had at its fullest: 180 MB after a merge, where the system's keeps 30
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    for name in LIBRARIES:
        spec = None if name in sys.modules else find_spec(name)
        if spec is None:
            continue
        module: Any = module_from_spec(spec)
        module.__class__ = _Lazy
        sys.modules[name] = module
        parent, _, part = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], part, module)
