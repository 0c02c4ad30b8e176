"""What a dry run took and undid again, and what its later lines may name."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from api.flags.case_facts import Room
from api.interop.bulk.sender import is_hidden_from_software
from api.interop.bulk.source_keys import Name
from api.storage.models.clinical import Case, Consultation, Incident, Promise

Row = Case | Incident | Promise | Consultation


class Known(NamedTuple):
    """A record that was taken before, under some name."""

    record_id: UUID
    case_id: UUID
    body_hash: str


@dataclass(slots=True)
class Memory:
    """What was taken before and is not in the database; nothing, where an import is no dry run.

    `hidden`: the records among it of which only the operator's requests may speak.
    """

    known: dict[Name, Known] = field(default_factory=dict)
    cases: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    references: set[tuple[str, object]] = field(default_factory=set)
    hidden: set[UUID] = field(default_factory=set)
    rooms: dict[UUID, Room] = field(default_factory=dict)

    def keep(self, name: Name, body_hash: str, case: Case, row: Row) -> None:
        """Keep of a row that is undone what later lines may name."""
        self.known[name] = Known(row.id, case.id, body_hash)
        if isinstance(row, Incident | Promise) and is_hidden_from_software(row):
            self.hidden.add(row.id)
        if not isinstance(row, Case):
            self.rooms.setdefault(case.id, Room()).take(row)
            return
        self.cases[row.id] = row.model_dump()
        if row.voided_at is None:
            reference = (row.client_ref_hash, row.started_on)
            self.references.add(reference)  # type: ignore[arg-type]
