#!/usr/bin/env bash
# Backups by cron: install, remove or show the lines in this user's crontab. Other lines stay as they are.
#
#   scripts/setup_automated_backups.sh [install|remove|show]
#
# The settings of this shell (QUADRA_…, DATABASE_URL, REDIS_URL) are not copied into the crontab, which everybody may be able
# to read: put them into a file and name it in QUADRA_ENV_FILE. Output goes to LOGS, by default data/backup.log.
set -euo pipefail

action=${1:-install}
here=$(cd "$(dirname "$0")/.." && pwd)
begin="# quadra backups: begin"
end="# quadra backups: end"
absolute() { case $1 in "" | /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; } # cron starts elsewhere
logs=$(absolute "${LOGS:-$here/data/backup.log}")
environment=$(absolute "${QUADRA_ENV_FILE:-}")
PATH=$here/.venv/bin:$PATH

case $action in
install | remove | show) ;;
*)
    echo "usage: $0 [install|remove|show]" >&2
    exit 2
    ;;
esac

command -v crontab >/dev/null || {
    if [ "$action" = show ]; then
        echo "There is no crontab on this machine."
        exit
    fi
    echo "There is no crontab on this machine: install cron, or leave it to the worker (QUADRA_BACKUP_SCHEDULE=true)." >&2
    exit 1
}

current() { crontab -l 2>/dev/null || true; }
others() { current | sed "/^$begin\$/,/^$end\$/d"; }

line() { # schedule, command
    local load=""
    if [ -n "$environment" ]; then
        load="set -a; . $(printf '%q' "$environment"); set +a; "
    fi
    # a percent sign would be a new line to cron
    printf '%s %s%s >>%q 2>&1\n' "$1" "$load" "$2" "$logs" | sed 's/%/\\%/g'
}

wal_archive() { # as the settings of the jobs will have it
    if [ -n "$environment" ]; then
        # shellcheck disable=SC1090
        (set -a && . "$environment" && echo "${QUADRA_WAL_ARCHIVE:-}")
    else
        echo "${QUADRA_WAL_ARCHIVE:-}"
    fi
}

ours() {
    local scripts quadra
    scripts=$(printf '%q' "$here/scripts")
    # from the checkout: DATA_DIR is ./data unless the settings say otherwise
    quadra="cd $(printf '%q' "$here") && $(printf '%q' "$(command -v quadra)")"
    echo "$begin"
    if [ -n "$(wal_archive)" ]; then
        line "0 1 * * 0" "$quadra wal base"
        line "30 4 * * *" "$quadra wal prune"
    fi
    line "0 * * * *" "$scripts/backup_models.sh"
    line "0 2 * * *" "$scripts/backup_database.sh"
    line "0 3 * * 0" "$scripts/full_backup.sh"
    line "0 4 * * *" "$quadra backup prune"
    line "0 5 * * *" "$quadra backup verify latest"
    echo "$end"
}

case $action in
install)
    if [ -n "$environment" ] && [ ! -r "$environment" ]; then
        echo "QUADRA_ENV_FILE: cannot read $environment" >&2
        exit 1
    fi
    command -v quadra >/dev/null || {
        echo "There is no \`quadra\` in $here/.venv/bin or on the PATH: run \`make install\` first." >&2
        exit 1
    }
    mkdir -p "$(dirname "$logs")"
    { others; ours; } | crontab -
    echo "Installed. Set QUADRA_BACKUP_SCHEDULE=false, so that the worker does not take them too."
    ours
    ;;
remove)
    others | crontab -
    echo "Removed; other lines of the crontab are as they were."
    ;;
show)
    current | sed -n "/^$begin\$/,/^$end\$/p" | grep . || echo "The crontab has no backups of Quadra."
    ;;
esac
