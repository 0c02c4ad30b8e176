#!/usr/bin/env bash
# fhir.resources 8.3.0 (fhir-core 1.1.12, pydantic 2.14.3), R4B and R5: a decimal is kept as a
# Decimal, and written as a float.
#
# FHIR says of `decimal` that its precision shall be kept: 1.00 is another statement than 1.0. As
# the library's fields hold `decimal.Decimal`, one would guess that they are written as they are
# held. A Decimal("1.00") is still that in the model and is 1.0 in JSON, in XML and in
# `model_dump`, and whatever a float cannot hold is another number. `model_validate_json` reads by
# way of a float already. A signature or hash over a resource, or a comparison with what was
# received, then fails after reading and writing. What helps: keep the bytes that came, and change
# only what changes.
#
# Seen with Python 3.11, lxml 6.1.3:
#   1.00 in the model: 1.00
#   1.00 in JSON: {"value":1.0}
#   1.00 in XML: <value value="1.0"/>
#   1.00 from JSON to the model: 1.0
#   123456789.0123456789 in JSON: {"value":123456789.01234567}
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    fhir.resources==8.3.0 fhir-core==1.1.12 pydantic==2.14.3 lxml==6.1.3
cat > write.py <<'PYTHON'
import re
from decimal import Decimal

from fhir.resources.quantity import Quantity as OfR5
from fhir.resources.R4B.quantity import Quantity

exact = Quantity(value=Decimal("1.00"))
print(f"1.00 in the model: {exact.value}")
print(f"1.00 in JSON: {exact.model_dump_json()}")
print(f"1.00 in XML: {re.search(rb'<value .*?>', exact.model_dump_xml())[0].decode()}")
read = Quantity.model_validate_json('{"value":1.00}')
print(f"1.00 from JSON to the model: {read.value}")
long = Quantity(value=Decimal("123456789.0123456789"))
print(f"{long.value} in JSON: {long.model_dump_json()}")
assert OfR5(value=long.value).model_dump_json() == long.model_dump_json()
PYTHON
bin/python write.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
1.00 in the model: 1.00
1.00 in JSON: {"value":1.0}
1.00 in XML: <value value="1.0"/>
1.00 from JSON to the model: 1.0
123456789.0123456789 in JSON: {"value":123456789.01234567}
SEEN
echo holds
