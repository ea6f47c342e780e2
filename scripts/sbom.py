#!/usr/bin/env python3
"""Write what Quadra ships as a CycloneDX list, with hashes: `make sbom`. The same commit gives the same file.

cyclonedx-py reads requirements.txt; what package-lock.json pins for the browser is added to its list.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "quadra.cdx.json"


CYCLONEDX_PY = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.txt"]
OPTIONS = [
    "--pyproject",
    "pyproject.toml",
    "--mc-type",
    "application",
    "--spec-version",
    "1.6",
    "--output-reproducible",
]


def main(target: Path) -> int:
    bom = components()
    text = json.dumps(bom, indent=1)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(f"The list is not valid CycloneDX: {problem}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n")
    print(f"{target}: {len(bom['components'])} components")
    return 0


def components() -> dict:
    """The list, not yet validated."""
    command = [*CYCLONEDX_PY, *OPTIONS, "--no-validate"]  # once is enough: it takes seconds
    bom = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    added = front_end()
    bom["components"] += added
    bom["dependencies"] += [{"ref": one["bom-ref"]} for one in added]
    return bom


def front_end() -> list[dict]:
    """What package-lock.json pins, except for what the tests alone use."""
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    shipped = {path: one for path, one in locked.items() if path and not one.get("dev")}
    return [component(path.rpartition("node_modules/")[2], one) for path, one in shipped.items()]


def component(name: str, locked: dict) -> dict:
    namespace, _, plain = name.rpartition("/")
    algorithm, _, value = locked["integrity"].partition("-")
    if algorithm != "sha512":
        raise SystemExit(f"package-lock.json has no SHA-512 of {name}")
    purl = PackageURL("npm", namespace or None, plain, locked["version"]).to_string()
    return {
        "bom-ref": purl,
        "type": "library",
        "name": name,
        "version": locked["version"],
        "purl": purl,
        "hashes": [{"alg": "SHA-512", "content": base64.b64decode(value).hex()}],
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET))
