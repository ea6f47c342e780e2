#!/usr/bin/env bash
# Back up the database and its segments: `quadra backup take --kind database`, for cron.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
exec quadra backup take --kind database "$@"
