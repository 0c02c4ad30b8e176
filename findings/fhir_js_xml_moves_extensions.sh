#!/usr/bin/env bash
# The npm package fhir 4.12.0 (XML to JSON of FHIR R4): where a value of several has only an
# extension, the extension is given to the next value.
#
# A `given` without a value that says why it is missing is valid. JSON keeps the places: `given`
# has null there, and `_given` the extension at the same place. One would guess that whoever
# writes XML of JSON by these places (the package does, rightly) reads them back. Reading, it
# leaves out the null: two names become one, and the reason for the absence of the first hangs on
# the second, so a name that is there is said to be masked. Where the last of several has none, or
# each has a value and an extension, the places are right. What helps: read XML elsewhere, or
# compare the number of names.
#
# Seen with Node 20:
#   the first masked, as XML: <given><extension/></given><given value="Ada"/>
#   the first masked, back: ["Ada"] [masked]
#   the last masked, back: ["Ada"] [null, masked]
#   a value and an extension each, back: ["Ada","Ina"] [masked, masked]
#   the package's own view of what came back: valid
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
npm init -y >/dev/null && npm install --silent --no-audit --no-fund fhir@4.12.0
cat > roundtrip.js <<'JS'
const { Fhir } = require('fhir');

const fhir = new Fhir();
const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
const masked = { extension: [{ url, valueCode: 'masked' }] };
const named = (given, _given) => ({ resourceType: 'Patient', name: [{ given, _given }] });
const shown = (list) => `[${list.map((each) => (each ? 'masked' : 'null')).join(', ')}]`;

const first = named([null, 'Ada'], [masked, null]);
const xml = fhir.objToXml(first).replace(/<extension .*?<\/extension>/g, '<extension/>');
console.log(`the first masked, as XML: ${xml.match(/<name>(.*)<\/name>/)[1]}`);
for (const [name, patient] of Object.entries({
  'the first masked': first,
  'the last masked': named(['Ada', null], [null, masked]),
  'a value and an extension each': named(['Ada', 'Ina'], [masked, masked]),
})) {
  const [{ given, _given }] = fhir.xmlToObj(fhir.objToXml(patient)).name;
  console.log(`${name}, back: ${JSON.stringify(given)} ${shown(_given)}`);
}
const { valid } = fhir.validate(fhir.xmlToObj(fhir.objToXml(first)));
console.log(`the package's own view of what came back: ${valid ? 'valid' : 'not valid'}`);
JS
node roundtrip.js | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
the first masked, as XML: <given><extension/></given><given value="Ada"/>
the first masked, back: ["Ada"] [masked]
the last masked, back: ["Ada"] [null, masked]
a value and an extension each, back: ["Ada","Ina"] [masked, masked]
the package's own view of what came back: valid
SEEN
echo holds
