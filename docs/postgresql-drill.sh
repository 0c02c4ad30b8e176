#!/usr/bin/env bash
# Dumps a PostgreSQL database, restores the dump into another one, and looks whether anything
# differs and whether it can be read. Exits with 0 only if all is well. The restored database stays;
# the dump is removed. From the environment:
#
#   PGHOST, PGPORT, PGUSER, PGPASSWORD or PGPASSFILE   how libpq reaches the server, as the owner
#   PGDATABASE                                    the database that is dumped
#   DRILL_DATABASE                                another database of the owner's, with nothing in it
#   BN_MIGRATE_DATABASE_URL, BN_DATABASE_URL      the addresses of that other one
#   BN_SECRET_KEY, BN_DATA_KEY or BN_DATA_KEY_FILE   as they are in use
#   DRILL_EMAIL, DRILL_PASSWORD                   somebody who may read a case
#   PYTHON                                        default: .venv/bin/python
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
: "${PGDATABASE:?}" "${DRILL_DATABASE:?}" "${DRILL_EMAIL:?}" "${DRILL_PASSWORD:?}"
: "${BN_MIGRATE_DATABASE_URL:?}" "${BN_DATABASE_URL:?}"
PYTHON=${PYTHON:-.venv/bin/python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

stop() {
    echo "drill: $1" >&2
    exit 1
}

# What a dump says, without the word that is drawn anew each time, and without the brackets and casts
# in the conditions of indexes, which PostgreSQL writes otherwise once it has read them again.
said_by() {
    pg_restore --file=- "$1" |
        sed '/^\\\(un\)\{0,1\}restrict /d; /^CREATE .*INDEX/ s/::text\(\[\]\)\{0,1\}\|[()]//g' |
        sha256sum
}

"$PYTHON" - <<'END_OF_CHECK' || stop "BN_DATABASE_URL and BN_MIGRATE_DATABASE_URL must name DRILL_DATABASE"
import os, sys
from sqlalchemy import make_url
names = {make_url(os.environ[f"BN_{each}DATABASE_URL"]).database for each in ("", "MIGRATE_")}
sys.exit(names != {os.environ["DRILL_DATABASE"]} or os.environ["PGDATABASE"] in names)
END_OF_CHECK
tables=$(psql --no-psqlrc --quiet --tuples-only --no-align --dbname="$DRILL_DATABASE" \
    --command="SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
[ "$tables" = 0 ] || stop "$DRILL_DATABASE is not empty"

# Row-level security is forced on the owner too, whose own policy shows every row.
pg_dump --format=custom --enable-row-security --file="$folder/dump"
pg_restore --exit-on-error --single-transaction --dbname="$DRILL_DATABASE" "$folder/dump"
pg_dump --format=custom --enable-row-security --file="$folder/again" --dbname="$DRILL_DATABASE"
[ "$(said_by "$folder/dump")" = "$(said_by "$folder/again")" ] ||
    stop "the restored database differs from the dump"
echo "drill: every table, row, policy and right is restored"

"$PYTHON" -m api migrate
if "$PYTHON" -m api --help | grep -q verify-journal; then
    "$PYTHON" -m api verify-journal || stop "the journal does not verify"
else
    echo "drill: this program has no verify-journal; the journal's rows are those of the dump"
fi

"$PYTHON" - <<'END_OF_READING' || stop "a case cannot be read"
import os, socket, subprocess, sys, time
import httpx

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [sys.executable, "-m", "api", "serve", "--port", str(port)]
served = subprocess.Popen(command, stdout=subprocess.DEVNULL)
http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
try:
    while served.poll() is None:
        try:
            http.get("/healthz")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    if http.get("/readyz").status_code != 200:
        sys.exit("drill: not ready: is the data key the one in use?")
    who = {"username": os.environ["DRILL_EMAIL"], "password": os.environ["DRILL_PASSWORD"]}
    token = http.post("/v1/auth/token", data={"grant_type": "password", **who}).raise_for_status()
    http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    (case,) = http.get("/v1/cases?limit=1").raise_for_status().json()["items"]
    read = http.get(f"/v1/cases/{case['id']}").raise_for_status().json()
    assert read["client_ref"]
finally:
    served.terminate()
    served.wait()
END_OF_READING
echo "drill: a case was read; all is well"
