#!/usr/bin/env bash
# Bring an installation back on a bare machine or in a bare container: what is missing is installed, then `quadra recover`.
# The settings say where the backups are: QUADRA_BACKUP_DIR, QUADRA_BACKUP_S3 (in the environment, or in .env).
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v quadra >/dev/null && [ ! -x .venv/bin/quadra ]; then
    command -v python3 >/dev/null || { echo "Quadra needs Python 3.11 or newer: install python3 first." >&2; exit 1; }
    python3 scripts/install.py run
fi
exec python3 scripts/recovery.py "$@"
