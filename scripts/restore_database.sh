#!/usr/bin/env bash
# Restore the newest backup of the database, or the one that is named: `quadra restore`. Stop Quadra and its workers first.
#
#   scripts/restore_database.sh [ID] [--yes] [--dry-run]
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
case ${1:-} in
"" | --yes | --dry-run | --json) which=(--latest) ;;
-*) which=() ;;
*)
    which=(--id "$1")
    shift
    ;;
esac
exec quadra restore "${which[@]}" "$@"
