#!/usr/bin/env bash
# fhir.resources 8.3.0 (fhir-core 1.1.12, pydantic 2.14.3): it has R5, R4B and STU3, and no R4; a
# type that R4 has and R4B has not is a KeyError from the midst of validation.
#
# Most servers speak R4 (4.0.1), and R4B (4.3.0) is the nearest that the library has. One would
# guess that what differs is a ValidationError, as anything else is that is wrong. Where a Bundle
# holds, or a resource contains, one of the types that R4B dropped, nothing is collected: the name
# that was sent comes back as a KeyError. Whoever catches ValidationError around each resource of
# a strange server falls over a valid Bundle, and all else in it is lost. At the top the same name
# is a ValueError, as ValidationError is one; KeyError is none. What helps: look at each
# `resourceType` before, or catch both.
#
# Seen with Python 3.11:
#   Bundle of a Patient: valid
#   Bundle of a Patient without sense: ValidationError
#   Bundle of a Patient and a SubstancePolymer: KeyError
#   Bundle of a Patient and a MedicinalProduct: KeyError
#   Basic that contains a SubstancePolymer: KeyError
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    fhir.resources==8.3.0 fhir-core==1.1.12 pydantic==2.14.3
cat > read.py <<'PYTHON'
from fhir.resources.R4B import get_fhir_model_class

PATIENT = {"resourceType": "Patient", "active": True}
POLYMER = {"resourceType": "SubstancePolymer", "id": "polymer"}
PRODUCT = {
    "resourceType": "MedicinalProduct",
    "name": [{"productName": "Somnifer"}],
}


def bundle(*resources):
    entries = [{"fullUrl": f"urn:{n}", "resource": each} for n, each in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


for name, resource in {
    "Bundle of a Patient": bundle(PATIENT),
    "Bundle of a Patient without sense": bundle({**PATIENT, "active": "perhaps"}),
    "Bundle of a Patient and a SubstancePolymer": bundle(PATIENT, POLYMER),
    "Bundle of a Patient and a MedicinalProduct": bundle(PATIENT, PRODUCT),
    "Basic that contains a SubstancePolymer": {
        "resourceType": "Basic",
        "code": {"text": "a note"},
        "contained": [POLYMER],
    },
}.items():
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        came = "valid"
    except Exception as error:
        came = type(error).__name__
    print(f"{name}: {came}")
PYTHON
bin/python read.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
Bundle of a Patient: valid
Bundle of a Patient without sense: ValidationError
Bundle of a Patient and a SubstancePolymer: KeyError
Bundle of a Patient and a MedicinalProduct: KeyError
Basic that contains a SubstancePolymer: KeyError
SEEN
echo holds
