#!/usr/bin/env bash
# standardwebhooks 1.1.0 (Python), `Webhook.sign`: an aware datetime of another zone than UTC is
# signed for another instant, which is not the one that is sent.
#
# `sign` takes a datetime, and a sender writes the header `webhook-timestamp` of the same one by
# `int(when.timestamp())`. One would guess that an aware datetime is the same instant in any zone.
# `sign` puts UTC in the place of its zone, and so signs the figures of the clock on the wall:
# hours from what the header says. Nothing is raised; every receiver refuses, and says that no
# signature matches, not that a time is wrong. On a server in UTC it is never seen, and in a
# clinic's own time zone it is there in every request, in London from spring to autumn. A naive
# datetime is taken for UTC, where Python takes it for local time. What helps:
# `when.astimezone(UTC)` before it is signed.
#
# Seen with Python 3.11, time-machine 3.6.0:
#   UTC: taken
#   America/New_York: No matching signature found
#   Europe/London, in winter: taken
#   Europe/London, in summer: No matching signature found
#   America/New_York, turned into UTC: taken
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    standardwebhooks==1.1.0 time-machine==3.6.0 tzdata==2026.6
cat > sign.py <<'PYTHON'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_" + "c29tZWJvZHkncyBzZWNyZXQ=")
WINTER, SUMMER = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)
NEW_YORK, LONDON = ZoneInfo("America/New_York"), ZoneInfo("Europe/London")
for name, when in {
    "UTC": WINTER,
    "America/New_York": WINTER.astimezone(NEW_YORK),
    "Europe/London, in winter": WINTER.astimezone(LONDON),
    "Europe/London, in summer": SUMMER.astimezone(LONDON),
    "America/New_York, turned into UTC": WINTER.astimezone(NEW_YORK).astimezone(UTC),
}.items():
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": webhook.sign("msg_1", when, '{"type":"flag.opened"}'),
    }
    with time_machine.travel(when):
        try:
            webhook.verify('{"type":"flag.opened"}', headers)
            came = "taken"
        except WebhookVerificationError as error:
            came = str(error)
    print(f"{name}: {came}")
PYTHON
bin/python sign.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
UTC: taken
America/New_York: No matching signature found
Europe/London, in winter: taken
Europe/London, in summer: No matching signature found
America/New_York, turned into UTC: taken
SEEN
echo holds
