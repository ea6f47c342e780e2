"""Minify the scripts that pages of others load, with terser of package.json. Where Node is missing they are served as they are.

Beside each result stands the hash of its source: a script that was changed since is served as it is, too.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SOURCES = TOP / "quadra" / "ingest" / "static"
MADE = SOURCES / "min"
TERSER = TOP / "node_modules" / "terser" / "bin" / "terser"
OPTIONS = ["--compress", "passes=3,ecma=2018", "--mangle", "--ecma", "2018"]
LONGEST = 120  # seconds


def main() -> None:
    sources = sorted(SOURCES.glob("*.js"))
    if all(_hash_beside(source) == _hash(source) for source in sources):
        return
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None or not TERSER.exists():
        print("No Node or terser here: the tracker is served as it is, which is larger.", file=sys.stderr)
        return
    print("Minifying the tracker ...", flush=True)
    MADE.mkdir(exist_ok=True)
    for source in sources:
        made = MADE / source.name
        command = [node, str(TERSER), str(source), *OPTIONS, "--output", str(made.with_suffix(".new"))]
        if subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, timeout=LONGEST).returncode != 0:
            sys.exit(f"terser could not read {source.relative_to(TOP)}; its own words are above.")
        made.with_suffix(".new").replace(made)
        made.with_suffix(".sha256").write_text(_hash(source))


def _hash(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def _hash_beside(source: Path) -> str:
    made = MADE / source.name
    beside = made.with_suffix(".sha256")
    return beside.read_text() if made.exists() and beside.exists() else ""


if __name__ == "__main__":
    main()
