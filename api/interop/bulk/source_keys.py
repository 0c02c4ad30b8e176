"""What records are called where they come from: keyed hashes, by which they are found again.

A text is hashed in one Unicode form. What was taken when each form was a text of its own is found
by the hashes of its other forms.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from api.interop.bulk.lines import AnyLine, CaseLine, ConsultationLine
from api.security.crypto import lookup_hash
from api.security.normalization import one_text, spellings


class Name(NamedTuple):
    """What a record was called, as it is found again: its type, and a keyed hash."""

    record_type: str
    source_hash: str


class HashedLine(NamedTuple):
    """A line with its hashes."""

    line: AnyLine
    name: Name
    body_hash: str


class SourceKeys:
    """Hashes what the lines of one sender are called, and what they say, with a clinic's key."""

    def __init__(self, lookup_key: bytes, sender_id: UUID) -> None:
        self._lookup_key, self._sender_id = lookup_key, sender_id
        self._names: dict[tuple[str, str], Name] = {}
        self.now_called: dict[Name, Name] = {}
        """By the names in other Unicode forms, so far: the name as it is hashed now."""

    def hash_line(self, line: AnyLine) -> HashedLine:
        """Hash what a line is called, and what it says."""
        said = self._hash_content(one_text(_written(line)))
        return HashedLine(line, self.name_of(line.type, line.key), said)

    def says_the_same(self, hashed: HashedLine, body_hash: str) -> bool:
        """Tell whether a line says what was taken before, in this Unicode form or another."""
        if body_hash == hashed.body_hash:
            return True
        before = spellings(_written(hashed.line))[1:]
        return body_hash in {self._hash_content(each) for each in before}

    def name_of(self, kind: str, key: str) -> Name:
        """Hash what a record is called."""
        known = self._names.get((kind, key))
        if known is not None:
            return known
        now, *before = (Name(kind, self._hash(f"called {kind} {each}")) for each in spellings(key))
        self.now_called |= dict.fromkeys(before, now)
        self._names[kind, key] = now
        return now

    def names_in(self, hashed: HashedLine) -> Iterator[Name]:
        """Give the names of all records that a line speaks of, its own first."""
        yield hashed.name
        line = hashed.line
        if not isinstance(line, CaseLine):
            yield self.name_of("case", line.case)
        if isinstance(line, ConsultationLine):
            yield from (self.name_of("incident", key) for key in line.incidents)
            yield from (self.name_of("promise", key) for key in line.promises)

    def by_sender(self, name: Name) -> Name:
        """Give the name under which the sender's own record is kept, where the name was taken."""
        return Name(name.record_type, self._hash(f"{name.source_hash} by {self._sender_id}"))

    def hash_reference(self, client_ref: str) -> list[str]:
        """Hash a client's reference in each of its Unicode forms, the present one first."""
        return [self._hash(each) for each in spellings(client_ref)]

    def _hash_content(self, written: str) -> str:
        return self._hash(f"said {_escaped(written)}")

    def _hash(self, text: str) -> str:
        return lookup_hash(self._lookup_key, text)


def _written(line: AnyLine) -> str:
    said = line.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def _escaped(written: str) -> str:
    """Write JSON in ASCII alone, as the hashes of lines have always had it."""
    return written if written.isascii() else json.dumps(json.loads(written), sort_keys=True)
