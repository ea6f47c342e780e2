#!/usr/bin/env bash
# What must outlive a container, and whether it does here: print the directories and check each.
set -uo pipefail
[ $# -eq 0 ] || { echo "usage: $0, without anything: QUADRA_DATA_DIR and its siblings say which directories" >&2; exit 2; }
data=${QUADRA_DATA_DIR:-data}
backups=${QUADRA_BACKUP_DIR:-$data/backups}
failed=0

check() { # directory, what it holds
    local mount
    if [ ! -d "$1" ]; then
        echo "missing   $1  ($2): make it, or mount a volume there"
        failed=1
    elif [ ! -w "$1" ]; then
        echo "read-only $1  ($2): give it to the user that runs Quadra"
        failed=1
    else
        mount=$(df -P "$1" | awk 'NR == 2 { print $6 }')
        if [ "$mount" = / ] && { [ -e /.dockerenv ] || [ -e /run/.containerenv ]; }; then
            echo "lost      $1  ($2): it is in the container itself; mount a volume there"
            failed=1
        else
            echo "ok        $1  ($2), on $mount"
        fi
    fi
}

check "$data" "database, segments, models, keys"
check "$backups" "backups; best on another disk"
[ -z "${QUADRA_LOGS_DIR:-}" ] || check "$QUADRA_LOGS_DIR" "log files"
[ -z "${QUADRA_BACKUP_SECONDARY_DIR:-}" ] || check "$QUADRA_BACKUP_SECONDARY_DIR" "the second copy of backups"
exit $failed
