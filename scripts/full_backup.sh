#!/usr/bin/env bash
# Back up everything, then prove it by restoring it into a scratch database; for cron.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/quadra backup take --kind full "$@"
exec .venv/bin/quadra backup verify latest
