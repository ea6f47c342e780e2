#!/usr/bin/env bash
# Back up everything, then prove it by restoring it into a scratch database; for cron.
#
#   scripts/full_backup.sh [--tar DIRECTORY]     # also as one tar, unencrypted, with a .sha256 beside it
set -euo pipefail
tar=""
if [ "${1:-}" = --tar ]; then
    [ -d "${2:-}" ] || { echo "usage: $0 [--tar DIRECTORY]: there is no directory '${2:-}'" >&2; exit 2; }
    tar=$(cd "$2" && pwd)
    shift 2
fi
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
quadra backup take --kind full "$@"
quadra backup verify latest
[ -z "$tar" ] || quadra backup tar --to "$tar"
