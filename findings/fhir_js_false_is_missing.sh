#!/usr/bin/env bash
# The npm package fhir 4.12.0 (validation of FHIR R4): a choice of types that is required is told to
# be missing where it is there and is false, or is zero.
#
# `Task.input.value[x]` is required in R4 (1..1). With `valueBoolean: true` the validator has nothing
# to say. With `valueBoolean: false` it tells an error, "Missing property", once for each type that
# could stand there, and so it does for `valueInteger: 0`; the resource is called invalid. Required
# elements that are no choice of types, and choices that are optional, are taken as false and as
# zero. What helps: another validator, or read its errors "Missing property" beside the resource.
#
# Seen with Node 20:
#   valueBoolean true: valid, 0 missing
#   valueBoolean false: not valid, 49 missing
#   valueInteger 1: valid, 0 missing
#   valueInteger 0: not valid, 49 missing
#   optional, false: valid, 0 missing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund fhir@4.12.0
cat > validate.js <<'JS'
const { Fhir } = require('fhir');

const task = (value) => ({
  resourceType: 'Task',
  status: 'accepted',
  intent: 'plan',
  input: [{ type: { text: 'asked' }, ...value }],
});
const told = {
  'valueBoolean true': task({ valueBoolean: true }),
  'valueBoolean false': task({ valueBoolean: false }),
  'valueInteger 1': task({ valueInteger: 1 }),
  'valueInteger 0': task({ valueInteger: 0 }),
  'optional, false': { resourceType: 'Patient', deceasedBoolean: false },
};
for (const [name, resource] of Object.entries(told)) {
  const { valid, messages } = new Fhir().validate(resource);
  const missing = messages.filter(({ message }) => message === 'Missing property').length;
  console.log(`${name}: ${valid ? 'valid' : 'not valid'}, ${missing} missing`);
}
JS
node validate.js | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
valueBoolean true: valid, 0 missing
valueBoolean false: not valid, 49 missing
valueInteger 1: valid, 0 missing
valueInteger 0: not valid, 49 missing
optional, false: valid, 0 missing
SEEN
echo holds
