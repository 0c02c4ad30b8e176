#!/usr/bin/env bash
# fhirpathpy 2.2.4 (FHIRPath in Python), model of R4: an instant in milliseconds plus some days is
# an empty text, and one with an offset loses it.
#
# `issued + 30 days < today()` asks what is overdue. With whole seconds and a Z it is answered
# rightly, so one would guess that it is for every instant. With milliseconds and a Z, as many
# servers write all of them, the sum is a text of no characters: it exists, it is passed on as a
# value, and it is before every day, so what is due in a hundred years is overdue. The same in
# hours raises UnboundLocalError. With an offset and whole seconds the sum is told in UTC without
# saying so: as a local time, hours off. What helps: take the text, and count in Python.
#
# Seen with Python 3.11:
#   2024-05-01T10:00:00Z + 1 day: ['2024-05-02T10:00:00.000+00:00']
#   2024-05-01T10:00:00.250Z + 1 day: ['']
#   2024-05-01T10:00:00.250Z + 24 hours: UnboundLocalError
#   2024-05-01T10:00:00+02:00 + 1 day: ['2024-05-02T08:00:00']
#   2024-05-01T10:00:00.250+02:00 + 1 day: ['2024-05-02T08:00:00.250+00:00']
#   2024-05-01T10:00:00.250Z + 100 years < today(): [True]
#   2024-05-01T10:00:00Z + 100 years < today(): [False]
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check fhirpathpy==2.2.4
cat > add.py <<'PYTHON'
from fhirpathpy import evaluate
from fhirpathpy.models import models

for issued, more in (
    ("2024-05-01T10:00:00Z", "1 day"),
    ("2024-05-01T10:00:00.250Z", "1 day"),
    ("2024-05-01T10:00:00.250Z", "24 hours"),
    ("2024-05-01T10:00:00+02:00", "1 day"),
    ("2024-05-01T10:00:00.250+02:00", "1 day"),
    ("2024-05-01T10:00:00.250Z", "100 years < today()"),
    ("2024-05-01T10:00:00Z", "100 years < today()"),
):
    observation = {"resourceType": "Observation", "issued": issued}
    try:
        came = evaluate(observation, f"issued + {more}", {}, models["r4"])
    except Exception as error:
        came = type(error).__name__
    print(f"{issued} + {more}: {came}")
PYTHON
bin/python add.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
2024-05-01T10:00:00Z + 1 day: ['2024-05-02T10:00:00.000+00:00']
2024-05-01T10:00:00.250Z + 1 day: ['']
2024-05-01T10:00:00.250Z + 24 hours: UnboundLocalError
2024-05-01T10:00:00+02:00 + 1 day: ['2024-05-02T08:00:00']
2024-05-01T10:00:00.250+02:00 + 1 day: ['2024-05-02T08:00:00.250+00:00']
2024-05-01T10:00:00.250Z + 100 years < today(): [True]
2024-05-01T10:00:00Z + 100 years < today(): [False]
SEEN
echo holds
