#!/usr/bin/env bash
# fastapi-offline 1.7.7 (Swagger UI and ReDoc without a network), its page of ReDoc: each reader's
# browser asks ReDoc's makers for a picture.
#
# The package brings the scripts of both pages along, so that no other server is asked for
# anything; the page at `/redoc` names none. One would guess that none is asked. The script
# itself, once it has drawn the description, adds its makers' logo from their own server. Whoever
# reads how a clinic's API works is seen there, with the address of the clinic's network; without
# a way out, the picture is missing, and nothing else shows it. No setting takes it away. What
# helps: serve a copy of the script in which that address is another, or a Content-Security-Policy
# with `img-src 'self' data:`.
#
# Seen with Python 3.11, FastAPI 0.165.0, Node 20, jsdom 26.1.0:
#   addresses of others in the page: []
#   scripts that it loads: ["/static-offline-docs/redoc.standalone.js"]
#   drawn: yes
#   pictures: ["https://cdn.redoc.ly/redoc/logo-mini.svg"]
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    fastapi-offline==1.7.7 fastapi==0.165.0 httpx==0.28.1
npm init -y >/dev/null && npm install --silent --no-audit --no-fund jsdom@26.1.0
cat > served.py <<'PYTHON'
import asyncio
from pathlib import Path

from fastapi_offline import FastAPIOffline
from httpx import ASGITransport, AsyncClient

app = FastAPIOffline(title="Some notes")
app.get("/notes")(lambda: [])


async def keep():
    async with AsyncClient(transport=ASGITransport(app), base_url="http://notes.example") as http:
        for path in ("/redoc", "/openapi.json", "/static-offline-docs/redoc.standalone.js"):
            answer = (await http.get(path)).raise_for_status()
            Path(path.rpartition("/")[2]).write_bytes(answer.content)


asyncio.run(keep())
PYTHON
cat > look.js <<'JS'
const { readFileSync } = require('fs');
const { JSDOM, ResourceLoader } = require('jsdom');

const page = readFileSync('redoc', 'utf8');
const elsewhere = page.match(/(https?:)?\/\/[a-z0-9][^"' ]*/g) ?? [];
console.log('addresses of others in the page:', JSON.stringify(elsewhere));
const loaded = [];
class OurOwn extends ResourceLoader {
  fetch(url) {
    loaded.push(new URL(url).pathname);
    return Promise.resolve(readFileSync('redoc.standalone.js'));
  }
}
class Idle { observe() {} disconnect() {} postMessage() {} addEventListener() {} }
const furnish = (window) => {
  Object.assign(window, {
    fetch: async () => new Response(readFileSync('openapi.json')),
    matchMedia: () => ({ matches: false, addListener() {}, removeListener() {} }),
    IntersectionObserver: Idle, Worker: Idle, TextDecoder, TextEncoder, structuredClone,
    scrollTo() {},
  });
  window.URL.createObjectURL = () => 'blob:nothing';
};
const { window: { document } } = new JSDOM(page, {
  url: 'http://notes.example/redoc', runScripts: 'dangerously', pretendToBeVisual: true,
  resources: new OurOwn(), beforeParse: furnish,
});
const deadline = Date.now() + 30_000;
const look = () => {
  // the picture comes a moment after all else
  if (document.images.length === 0 && Date.now() < deadline) return setTimeout(look, 200);
  const heading = document.querySelector('h1')?.textContent ?? '';
  console.log('scripts that it loads:', JSON.stringify(loaded));
  console.log('drawn:', heading.startsWith('Some notes') ? 'yes' : 'no');
  console.log('pictures:', JSON.stringify([...document.images].map((image) => image.src)));
  process.exit();
};
look();
JS
bin/python served.py
node look.js 2>errors | tee said
diff said - <<'SEEN' || { cat errors; echo "This is no longer so." >&2; exit 1; }
addresses of others in the page: []
scripts that it loads: ["/static-offline-docs/redoc.standalone.js"]
drawn: yes
pictures: ["https://cdn.redoc.ly/redoc/logo-mini.svg"]
SEEN
echo holds
