#!/usr/bin/env bash
# FastAPI 0.165.0 with openapi-python-client 0.29.1: for one computed field, a client is generated
# whose operations answer nothing.
#
# Where a model is shown with more than is sent, as with a computed field, FastAPI writes two
# schemas, `Touch-Input` and `Touch-Output`, and gives both the title `Touch`. The generator names
# classes by titles and leaves out the second, then whatever refers to it, and so on up. One would
# guess that this ends in an error, or that what answers with it is left out as well. It is a
# warning among others, the exit code is 0, and the operation is there: it is carried out, and its
# answer is None. What helps: `--fail-on-warning`, and titles of their own in the document.
#
# Seen with Python 3.11, httpx 0.28.1, pydantic 2.14.3, ruff 0.17.6:
#   titles: Incident, Touch, Touch
#   written: generating ends with 0, told of duplicates: 1
#   written: classes Touch; an incident with 200 is told as NoneType
#   titled: generating ends with 0, told of duplicates: 0
#   titled: classes Incident, Touch, TouchRead; an incident with 200 is told as Incident
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    fastapi==0.165.0 openapi-python-client==0.29.1 httpx==0.28.1 pydantic==2.14.3 ruff==0.17.6
cat > describe.py <<'PYTHON'
import json

from fastapi import FastAPI
from pydantic import BaseModel, computed_field

app = FastAPI()


class Touch(BaseModel):
    times: int

    @computed_field
    def is_repeated(self) -> bool:
        return self.times > 1


class Incident(BaseModel):
    id: int
    details: Touch


@app.post("/incidents", operation_id="report", tags=["incidents"])
def report(details: Touch) -> Incident:
    return Incident(id=1, details=details)


whole = app.openapi()
json.dump(whole, open("written.json", "w"))
schemas = whole["components"]["schemas"]
print(f"titles: {', '.join(schemas[name]['title'] for name in sorted(schemas) if name[0] in 'IT')}")
schemas["Touch-Output"]["title"] = "TouchRead"
json.dump(whole, open("titled.json", "w"))
PYTHON
cat > call.py <<'PYTHON'
import importlib
import sys

import httpx

package = sys.argv[1]
models = importlib.import_module(f"{package}.models")
classes = ", ".join(name for name in models.__all__ if name[0] in "IT")
incident = {"id": 1, "details": {"times": 2, "is_repeated": True}}
client = importlib.import_module(package).Client("http://notes.example")
answer = httpx.MockTransport(lambda _: httpx.Response(200, json=incident))
client.set_httpx_client(httpx.Client(base_url="http://notes.example", transport=answer))
report = importlib.import_module(f"{package}.api.incidents.report")
told = report.sync_detailed(client=client, body=models.Touch(times=2))
came = f"an incident with {told.status_code.value} is told as {type(told.parsed).__name__}"
print(f"{package}: classes {classes}; {came}")
PYTHON
{
    bin/python describe.py
    for name in written titled; do
        code=0
        PATH="$PWD/bin:$PATH" bin/openapi-python-client generate --meta none \
            --path "$name.json" --output-path "$name" >told 2>&1 || code=$?
        echo "$name: generating ends with $code, told of duplicates: $(grep -c duplicate told)"
        bin/python call.py "$name"
    done
} | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
titles: Incident, Touch, Touch
written: generating ends with 0, told of duplicates: 1
written: classes Touch; an incident with 200 is told as NoneType
titled: generating ends with 0, told of duplicates: 0
titled: classes Incident, Touch, TouchRead; an incident with 200 is told as Incident
SEEN
echo holds
