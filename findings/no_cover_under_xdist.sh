#!/usr/bin/env bash
# pytest-cov 7.1.0 with pytest-xdist 3.8.0: the marker `no_cover` halts nothing in a worker.
#
# The marker is documented to disable coverage for a test, for example for one that is timed. With
# `-n 0` it does. In a worker of pytest-xdist pytest-cov starts coverage twice, once when it is
# loaded and once when the session starts; the marker stops the second, and stopping it lets the
# first go on (coverage keeps a stack of collectors). The test still runs under a trace function,
# and takes as long as with it. What helps: stop whatever `coverage.Coverage.current()` gives until
# it gives None, and start all of it again afterwards.
#
# Seen with Python 3.11, pytest 9.2.0, coverage 7.17.3:
#   -n 0: traced no
#   -n 1: traced yes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check \
    pytest==9.2.0 pytest-cov==7.1.0 pytest-xdist==3.8.0 coverage==7.17.3
cat > test_marked.py <<'PYTHON'
import sys

import pytest


@pytest.mark.no_cover
def test_is_it_traced():
    with open("seen", "w") as seen:
        seen.write("no" if sys.gettrace() is None else "yes")
PYTHON
failed=0
for expected in "0 no" "1 yes"; do
    read -r workers traced <<<"$expected"
    venv/bin/pytest -q --cov=. --cov-report= -n "$workers" >said 2>&1 || { cat said; exit 1; }
    echo "-n $workers: traced $(cat seen)"
    [ "$(cat seen)" = "$traced" ] || failed=1
done
if [ "$failed" -ne 0 ]; then
    echo "This is no longer so." >&2
    exit 1
fi
echo holds
