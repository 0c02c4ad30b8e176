#!/usr/bin/env bash
# fhirpathpy 2.2.4 (FHIRPath in Python), model of R4: a plain value with an extension is two.
#
# In FHIR's JSON the extensions of a plain value stand beside it, under its name with an
# underscore; value and extensions are one element. One would guess that `count()` says 1 of a
# birth date, whether or not something more is said of it. With an extension it says 2, though the
# path alone gives one value: so `single()` is an error, `last()` is empty, and `count() <= 1`, as
# rules of profiles are written, is false for a valid record. Two given names, of which one is
# masked, are four. What helps: take what the path gives without those that are None, and count in
# Python.
#
# Seen with Python 3.11:
#   birthDate: plain ['1980-05'], extended ['1980-05']
#   birthDate.count(): plain [1], extended [2]
#   birthDate.count() <= 1: plain [True], extended [False]
#   birthDate.last(): plain ['1980-05'], extended []
#   name.given.count(): plain [2], extended [4]
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check fhirpathpy==2.2.4
cat > count.py <<'PYTHON'
from fhirpathpy import evaluate
from fhirpathpy.models import models

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}
PLAIN = {"resourceType": "Patient", "birthDate": "1980-05", "name": [{"given": ["Ada", "Ina"]}]}
EXTENDED = {
    **PLAIN,
    "_birthDate": MASKED,
    "name": [{"given": ["Ada", None], "_given": [None, MASKED]}],
}
for expression in (
    "birthDate",
    "birthDate.count()",
    "birthDate.count() <= 1",
    "birthDate.last()",
    "name.given.count()",
):
    plain, extended = (evaluate(each, expression, {}, models["r4"]) for each in (PLAIN, EXTENDED))
    print(f"{expression}: plain {plain}, extended {extended}")
PYTHON
bin/python count.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
birthDate: plain ['1980-05'], extended ['1980-05']
birthDate.count(): plain [1], extended [2]
birthDate.count() <= 1: plain [True], extended [False]
birthDate.last(): plain ['1980-05'], extended []
name.given.count(): plain [2], extended [4]
SEEN
echo holds
