#!/usr/bin/env bash
# fhirpy 2.3.1, the search of its clients: a list of nobody asks for everybody's records.
#
# One would guess that `search(subject=[…])` finds the records of any client in the list, and of a
# list without anybody none. A list is sent as a condition each, and R4 joins these by AND: two
# clients are a record's subject at once, so nothing is found, and an empty list sends no
# condition, so the server answers with whatever the caller may read. `None` is no absence either:
# it is sent as the word. A program that looks up whose records to show, and then searches by that
# list, shows everybody's on the day on which it looked up nobody, and no server can tell. What
# helps: one text with commas between the values, and no search at all where there is none.
#
# Seen with Python 3.11, requests 2.34.2:
#   two clients: /fhir/Flag?subject=Patient%2F1&subject=Patient%2F2
#   one client: /fhir/Flag?subject=Patient%2F1
#   no client: /fhir/Flag
#   no client, and a status: /fhir/Flag?status=active
#   None: /fhir/Flag?subject=None
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check fhirpy==2.3.1 requests==2.34.2
cat > search.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from fhirpy import SyncFHIRClient

asked = []


class WithoutRecords(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.end_headers()
        self.wfile.write(json.dumps({"resourceType": "Bundle", "type": "searchset"}).encode())

    def log_message(self, *_):
        """Say nothing of each request."""


server = HTTPServer(("127.0.0.1", 0), WithoutRecords)
threading.Thread(target=server.serve_forever, daemon=True).start()
flags = SyncFHIRClient(f"http://127.0.0.1:{server.server_port}/fhir").resources("Flag")
for name, search in {
    "two clients": {"subject": ["Patient/1", "Patient/2"]},
    "one client": {"subject": ["Patient/1"]},
    "no client": {"subject": []},
    "no client, and a status": {"subject": [], "status": "active"},
    "None": {"subject": None},
}.items():
    flags.search(**search).fetch()
    print(f"{name}: {asked.pop().rstrip('?')}")
PYTHON
bin/python search.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
two clients: /fhir/Flag?subject=Patient%2F1&subject=Patient%2F2
one client: /fhir/Flag?subject=Patient%2F1
no client: /fhir/Flag
no client, and a status: /fhir/Flag?status=active
None: /fhir/Flag?subject=None
SEEN
echo holds
