#!/usr/bin/env python3
"""Look for known vulnerabilities in what Quadra ships: `make audit`. Ends with 0 only where everything was looked up.

pip-audit leaves out, and still says "none found", what its service does not know: behind a mirror that may be every package.
Therefore what it looked up is counted against what is pinned.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-node.txt")


def main(options: list[str]) -> int:
    results = [audit(ROOT / name, options) for name in REQUIREMENTS]
    results.append(audit_front_end(ROOT))
    return max(results)


def audit(requirements: Path, options: list[str]) -> int:
    """What pip-audit says of one lock file: 0 nothing known, 1 something known, 2 not everything was looked up."""
    pip_audit = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(
        [*pip_audit, "--format", "json", "--requirement", str(requirements), *options], capture_output=True, text=True
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"{requirements.name}: pip-audit gave no answer:\n{done.stderr.strip()}", file=sys.stderr)
        return 2
    known = [one for one in found if one.get("vulns")]
    for one in known:
        for vulnerability in one["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            print(f"{one['name']} {one['version']}: {vulnerability['id']}, mended in {fixed}", file=sys.stderr)
    looked_up = len([one for one in found if "skip_reason" not in one])
    return verdict(requirements.name, looked_up, pinned(requirements), len(known))


def pinned(requirements: Path) -> int:
    """How many packages the file pins for this machine: some are for others alone."""
    pins = [Requirement(line) for line in re.findall(r"^[a-zA-Z0-9][^\\\n]*", requirements.read_text(), re.MULTILINE)]
    return len([pin for pin in pins if pin.marker is None or pin.marker.evaluate()])


def audit_front_end(folder: Path) -> int:
    """What `npm audit` says of package-lock.json; it answers for all of the lock file or not at all."""
    name = "package-lock.json"
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        print(f"{name}: npm is not here, nothing of it was looked up", file=sys.stderr)
        return 2
    done = subprocess.run(
        [npm, "audit", "--json", "--package-lock-only"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    wanted = len(json.loads((folder / name).read_text())["packages"]) - 1  # the first is this project
    try:
        answer = json.loads(done.stdout)
        looked_up, known = answer["metadata"]["dependencies"]["total"], answer["vulnerabilities"]
    except (ValueError, KeyError):
        return verdict(name, 0, wanted, 0)
    for one in known.values():
        print(f"{one['name']} {one['range']}: {one['severity']}", file=sys.stderr)
    return verdict(name, looked_up, wanted, len(known))


def verdict(name: str, looked_up: int, wanted: int, known: int) -> int:
    if looked_up < wanted or not wanted:
        print(
            f"{name}: only {looked_up} of {wanted} packages were looked up. The vulnerability service was not reached, or does "
            "not know the others, as behind a mirror: run this where it is reachable (CONTRIBUTING.md, Dependencies).",
            file=sys.stderr,
        )
        return 2
    print(f"{name}: {looked_up} packages looked up, {known} with a known vulnerability")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
