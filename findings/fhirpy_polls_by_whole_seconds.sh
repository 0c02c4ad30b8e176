#!/usr/bin/env bash
# fhirpy 2.3.1, the search of its clients: an instant is cut to whole seconds, and a poll loses
# rows.
#
# Whoever polls keeps the latest `meta.lastUpdated` that was seen, and asks for what came after
# it. One would guess that a datetime is sent as it is: FHIR's instants have fractions of a
# second. Only the second is sent, which in R4 stands for all of it: `gt` goes on behind that
# second, so what was written in the rest of it is never told, and `le` gives more than was asked
# for. No error, no warning; a naive datetime is refused, and other zones are turned into UTC
# rightly. What helps: keep the text that the server gave, which is sent as it is written, or ask
# by `ge` and drop what is known.
#
# Seen with Python 3.11, pytz 2026.6, for 2026-03-01T09:00:00.123+02:00:
#   gt, a datetime: Flag?_lastUpdated=gt2026-03-01T07:00:00Z
#   le, a datetime: Flag?_lastUpdated=le2026-03-01T07:00:00Z
#   gt, a text: Flag?_lastUpdated=gt2026-03-01T07:00:00.123Z
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check fhirpy==2.3.1 pytz==2026.6
cat > poll.py <<'PYTHON'
from datetime import datetime

from fhirpy import SyncFHIRClient

flags = SyncFHIRClient("http://127.0.0.1:9/fhir").resources("Flag")
latest = datetime.fromisoformat("2026-03-01T09:00:00.123+02:00")
for name, search in {
    "gt, a datetime": flags.search(_lastUpdated__gt=latest),
    "le, a datetime": flags.search(_lastUpdated__le=latest),
    "gt, a text": flags.search(_lastUpdated__gt="2026-03-01T07:00:00.123Z"),
}.items():
    print(f"{name}: {str(search).split()[1].rstrip('>')}")
PYTHON
bin/python poll.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
gt, a datetime: Flag?_lastUpdated=gt2026-03-01T07:00:00Z
le, a datetime: Flag?_lastUpdated=le2026-03-01T07:00:00Z
gt, a text: Flag?_lastUpdated=gt2026-03-01T07:00:00.123Z
SEEN
echo holds
