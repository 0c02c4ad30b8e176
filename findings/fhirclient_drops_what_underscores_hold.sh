#!/usr/bin/env bash
# fhirclient 4.4.0 (SMART's client for Python, R4): extensions of plain values are read over
# without a word, and are gone from what is written back.
#
# In FHIR's JSON the extensions of a plain value stand beside it: `_birthDate` has those of
# `birthDate`, and says why there is none. The library is strict about names that it does not
# know, so one would guess that it keeps these, or raises. It drops them. A program that reads a
# resource, changes one word and puts it back has deleted them: why a date is absent, how exact it
# is, who translated a text. A required element that only has an extension, as R4 allows, is
# refused as missing. What helps: change the JSON, and use the classes only for looking.
#
# Seen with Python 3.11:
#   a value with an extension: {"birthDate": "1980-05", "resourceType": "Patient"}
#   an extension in the place of a value: {"resourceType": "Patient"}
#   one name of two: {"name": [{"given": ["Ada", null]}], "resourceType": "Patient"}
#   a name that is not known: FHIRValidationError
#   a required status, absent with a reason: FHIRValidationError
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check fhirclient==4.4.0
cat > roundtrip.py <<'PYTHON'
import json

from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}
PATIENT = {"resourceType": "Patient"}
OBSERVATION = {"resourceType": "Observation", "code": {"text": "mood"}}
for name, kind, sent in (
    ("a value with an extension", Patient, {"birthDate": "1980-05", "_birthDate": MASKED}),
    ("an extension in the place of a value", Patient, {"_birthDate": MASKED}),
    ("one name of two", Patient, {"name": [{"given": ["Ada", None], "_given": [None, MASKED]}]}),
    ("a name that is not known", Patient, {"bornOn": "1980-05"}),
    ("a required status, absent with a reason", Observation, {"_status": MASKED}),
):
    whole = {**(PATIENT if kind is Patient else OBSERVATION), **sent}
    try:
        came = json.dumps(kind(whole).as_json())
    except Exception as error:
        came = type(error).__name__
    print(f"{name}: {came}")
PYTHON
bin/python roundtrip.py 2>warnings | tee said
diff said - <<'SEEN' || { cat warnings; echo "This is no longer so." >&2; exit 1; }
a value with an extension: {"birthDate": "1980-05", "resourceType": "Patient"}
an extension in the place of a value: {"resourceType": "Patient"}
one name of two: {"name": [{"given": ["Ada", null]}], "resourceType": "Patient"}
a name that is not known: FHIRValidationError
a required status, absent with a reason: FHIRValidationError
SEEN
echo holds
