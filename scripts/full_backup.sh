#!/usr/bin/env bash
# Back up everything, then prove it by restoring it into a scratch database; for cron.
#
#   scripts/full_backup.sh [--tar DIRECTORY]     # also as one tar, unencrypted, with a .sha256 beside it
set -euo pipefail
cd "$(dirname "$0")/.."
tar=""
if [ "${1:-}" = --tar ]; then
    [ -d "${2:-}" ] || { echo "usage: $0 [--tar DIRECTORY]: there is no directory '${2:-}'" >&2; exit 2; }
    tar=$2
    shift 2
fi
.venv/bin/quadra backup take --kind full "$@"
.venv/bin/quadra backup verify latest
[ -z "$tar" ] || .venv/bin/quadra backup tar --to "$tar"
