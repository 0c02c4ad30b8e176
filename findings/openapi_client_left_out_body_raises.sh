#!/usr/bin/env bash
# FastAPI 0.165.0 with openapi-python-client 0.29.1: a body that may be left out cannot be left
# out.
#
# `note: Note | None = None` is how FastAPI declares a body that need not be sent; the document
# says so by `anyOf` with null, and no `required`. One would guess that a client generated from it
# sends nothing where nothing is given. Its default for the body is UNSET, as its types say, and
# with null among the alternatives nothing asks for UNSET before the body is made into JSON: the
# call without a body raises TypeError, and who wants nothing to be sent has to say None. The
# generator warns of nothing, so it is met when it is called. What helps: take null out of the
# schema of the body, as in the second document here.
#
# Seen with Python 3.11, httpx 0.28.1, ruff 0.17.6:
#   as FastAPI writes it, left out: TypeError: Object of type Unset is not JSON serializable
#   as FastAPI writes it, None: b''
#   without null, left out: b''
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    fastapi==0.165.0 openapi-python-client==0.29.1 httpx==0.28.1 ruff==0.17.6
cat > describe.py <<'PYTHON'
import json

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Note(BaseModel):
    text: str


@app.post("/resolve", operation_id="resolve", tags=["flags"])
def resolve(note: Note | None = None) -> str:
    return "resolved"


whole = app.openapi()
json.dump(whole, open("written.json", "w"))
content = whole["paths"]["/resolve"]["post"]["requestBody"]["content"]["application/json"]
content["schema"] = content["schema"]["anyOf"][0]
json.dump(whole, open("plain.json", "w"))
PYTHON
cat > call.py <<'PYTHON'
import importlib

import httpx


def call(package, **given):
    client = importlib.import_module(package).Client("http://notes.example")
    answer = httpx.MockTransport(lambda asked: httpx.Response(200, json=str(asked.content)))
    client.set_httpx_client(httpx.Client(base_url="http://notes.example", transport=answer))
    resolve = importlib.import_module(f"{package}.api.flags.resolve")
    try:
        return resolve.sync(client=client, **given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


print(f"as FastAPI writes it, left out: {call('written')}")
print(f"as FastAPI writes it, None: {call('written', body=None)}")
print(f"without null, left out: {call('plain')}")
PYTHON
bin/python describe.py
for name in written plain; do
    PATH="$PWD/bin:$PATH" bin/openapi-python-client generate --fail-on-warning --meta none \
        --path "$name.json" --output-path "$name" >generated || { cat generated; exit 1; }
done
bin/python call.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
as FastAPI writes it, left out: TypeError: Object of type Unset is not JSON serializable
as FastAPI writes it, None: b''
without null, left out: b''
SEEN
echo holds
