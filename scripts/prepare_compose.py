#!/usr/bin/env python3
"""Write what the Compose files ask for into .env: new secrets, and the digests of the images as the registry tells them now.

    python3 scripts/prepare_compose.py            # what is missing; what is there already stays
    python3 scripts/prepare_compose.py --renew    # ask for all digests again: newer images of the same tags

A tag may be given to another image at any time, a digest cannot. Needs `docker` with buildx, or `skopeo`; Python's standard
library does the rest.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("Dockerfile", "docker-compose.yml", "docker-compose.loki.yml", "docker-compose.elk.yml")
IMAGE = re.compile(r"(?:image:|FROM) (\S+:[\w.-]+)@\$\{([A-Z_]+_DIGEST)\b")
SECRETS = {"QUADRA_SECRET_KEY": 32, "POSTGRES_PASSWORD": 24, "REDIS_PASSWORD": 24, "GRAFANA_PASSWORD": 12}
"""Name -> bytes. PostgreSQL keeps the password of its first start, so none is ever made anew."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main(env_file: Path, *, renew: bool) -> int:
    text = env_file.read_text() if env_file.exists() else ""
    known = dict(re.findall(r"^([A-Z_]+)=(.+)$", text, re.MULTILINE))
    wanted = {name: secrets.token_hex(size) for name, size in SECRETS.items() if name not in known}
    for name, image in sorted(images().items()):
        if renew or name not in known:
            wanted[name] = digest(image)
            print(f"{image} is {wanted[name]}")
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in wanted]
    lines = [*kept, *(f"{name}={value}" for name, value in wanted.items())]
    write(env_file, "\n".join(lines) + "\n")
    print(f"{env_file}: {len(wanted)} new. Keep it: the next start needs the same secrets.")
    return 0


def images() -> dict[str, str]:
    """The variable that a digest is asked for by -> the image, of every file here."""
    found = {}
    for name in FILES:
        for image, variable in IMAGE.findall((ROOT / name).read_text()):
            found[variable] = image
    return found


def digest(image: str) -> str:
    """Asks the registry. Ends the program where it does not answer: no digest is ever guessed."""
    if shutil.which("docker"):
        command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    elif shutil.which("skopeo"):
        first = image.partition("/")[0] if "/" in image else ""
        full = image if "." in first else f"docker.io/{image}" if first else f"docker.io/library/{image}"
        command = ["skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", f"docker://{full}"]
    else:
        sys.exit("Neither docker nor skopeo is here: one of them must ask the registry for the digests of the images.")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 or not DIGEST.fullmatch(done.stdout.strip()):
        sys.exit(f"The registry did not tell the digest of {image}:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def write(target: Path, text: str) -> None:
    """Whole or not at all, for this user alone."""
    new = target.with_name(target.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(target)


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--renew"]):
        sys.exit("usage: prepare_compose.py [--renew]")
    sys.exit(main(ROOT / ".env", renew="--renew" in sys.argv))
