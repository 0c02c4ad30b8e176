"""Check a saved proof against a head kept elsewhere: python check_inclusion.py PROOF HEAD."""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def canonical(value: dict[str, object]) -> bytes:  # noqa: D103 - RFC 8785, for plain words
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


proof, head = (json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
signed = {name: head[name] for name in head if name not in ("public_key", "signature")}
key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["public_key"]))
key.verify(bytes.fromhex(head["signature"]), canonical(signed))
index, last = proof["leaf_index"], head["size"] - 1
is_fine = 0 <= index <= last and proof["entry"]["clinic_id"] == head["clinic_id"]
node = hashlib.sha256(b"\0" + canonical(proof["entry"])).digest()
for neighbour in map(bytes.fromhex, proof["path"]):
    left = index % 2 == 1 or index == last
    node = hashlib.sha256(b"\1" + (neighbour + node if left else node + neighbour)).digest()
    while left and index % 2 == 0 and index:
        index, last = index // 2, last // 2
    index, last = index // 2, last // 2
if last or not is_fine or node.hex() != head["root"]:
    sys.exit("This entry was NOT sealed under this head.")
print(f"Entry {proof['entry']['id']} was sealed under head {head['number']} at {head['at']}.")
