#!/usr/bin/env bash
# Back up the online models: `quadra backup take --kind models`, for cron.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
exec quadra backup take --kind models "$@"
