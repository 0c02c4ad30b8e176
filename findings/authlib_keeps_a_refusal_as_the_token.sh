#!/usr/bin/env bash
# Authlib 1.9.10, OAuth2Session over requests: a token endpoint's 4xx whose JSON has no member
# `error` raises nothing, and its body becomes the session's token.
#
# `fetch_token` raises for 5xx, and for a JSON object with `error` (RFC 6749, 5.2). Whatever else a
# server answers with 400 or 401 is parsed and kept: a problem document (RFC 9457), say, which has
# `type`, `title` and `status`. The call returns it, `session.token` is true, and the mistake shows
# at the next request, as a missing token. A server that refuses with problem documents has to put
# `error` beside their members; a program that signs in looks for `access_token` in what came.
#
# Seen with Python 3.11, requests 2.34.2:
#   401 without error: kept as the token
#   400 without error: kept as the token
#   400 with error: OAuthError
#   503 without error: HTTPError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check authlib==1.9.10 requests==2.34.2 2>warnings ||
    { cat warnings; exit 1; }
cat > sign_in.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from authlib.integrations.requests_client import OAuth2Session

PROBLEM = {"type": "about:blank", "title": "Refused", "detail": "Not known here."}


class Refusing(BaseHTTPRequestHandler):
    answer = (401, PROBLEM)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, said = self.answer
        body = json.dumps({**said, "status": status}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing of each request."""


server = HTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
named = {**PROBLEM, "error": "invalid_client"}
for status, said in ((401, PROBLEM), (400, PROBLEM), (400, named), (503, PROBLEM)):
    Refusing.answer = (status, said)
    session = OAuth2Session("some-client", "some-secret")
    url = f"http://127.0.0.1:{server.server_port}/token"
    try:
        session.fetch_token(url, grant_type="client_credentials")
        kept = session.token and session.token["title"] == "Refused"
        came = "kept as the token" if kept else "something else"
    except Exception as error:
        came = type(error).__name__
    print(f"{status} {'with' if 'error' in said else 'without'} error: {came}")
PYTHON
venv/bin/python sign_in.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
401 without error: kept as the token
400 without error: kept as the token
400 with error: OAuthError
503 without error: HTTPError
SEEN
echo holds
