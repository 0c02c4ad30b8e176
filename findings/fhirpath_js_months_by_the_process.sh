#!/usr/bin/env bash
# The npm package fhirpath 5.2.2 (HL7's own): an instant plus a month is another instant on each
# server, by the time zone of the process, though the instant says its zone.
#
# A FHIR instant carries its offset, so one would guess that a sum hangs on nothing else, as
# comparisons do. It is made on the calendar and the clock of the process: where it is still
# February there, a month later is in March, and a day across the change of clocks has 23 hours.
# The result is told in that zone too. A rule such as "a month after it was recorded" then comes
# true days apart on two servers, or in a browser and on its server. What helps: run with TZ=UTC,
# or add to dates only.
#
# Seen with Node 20:
#   UTC: 2024-04-01T00:30:00.000Z 2024-03-31T12:00:00.000Z true
#   America/New_York: 2024-03-29T23:30:00.000Z 2024-03-31T12:00:00.000Z true
#   Europe/Berlin: 2024-03-31T23:30:00.000Z 2024-03-31T11:00:00.000Z true
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
npm init -y >/dev/null && npm install --silent --no-audit --no-fund fhirpath@5.2.2
cat > add.js <<'JS'
const fhirpath = require('fhirpath');
const r4 = require('fhirpath/fhir-context/r4');

const observation = { resourceType: 'Observation', issued: '2024-03-01T00:30:00Z' };
const of = (expression) => fhirpath.evaluate(observation, expression, {}, r4)[0];
const month = new Date(of('issued + 1 month'));
const day = new Date(of('@2024-03-30T12:00:00Z + 1 day'));
console.log(`${process.env.TZ}:`, month.toISOString(), day.toISOString(),
  of('issued = @2024-02-29T19:30:00-05:00'));
JS
for zone in UTC America/New_York Europe/Berlin; do TZ=$zone node add.js; done | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
UTC: 2024-04-01T00:30:00.000Z 2024-03-31T12:00:00.000Z true
America/New_York: 2024-03-29T23:30:00.000Z 2024-03-31T12:00:00.000Z true
Europe/Berlin: 2024-03-31T23:30:00.000Z 2024-03-31T11:00:00.000Z true
SEEN
echo holds
