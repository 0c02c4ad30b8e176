"""Seals of the journal: signed heads to keep elsewhere, and proofs that an entry was sealed."""

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import WithJsonSchema
from sqlmodel import col

from api.access.guards import may, may_on_cases
from api.access.journal_reading import as_told, entries_for
from api.domain.errors import Conflict, NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.http.pagination import Marks, Page, PageQuery
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record
from api.journal.tree_heads import ENTRY, ENTRY_COLUMNS, HEAD, Head, inclusion_of, plain
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

router = APIRouter(prefix="/v1/journal", tags=["journal"], route_class=StrictRoute)

Microsecond = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time as it was hashed: in UTC, with six digits of the second."""


class SealHeadRead(Output):
    """A signed head. Its signature (Ed25519) is of the RFC 8785 JSON of all but the last two.

    `previous` is the SHA-256 of the head before, what was signed with its signature.
    """

    clinic_id: UUID
    number: int
    at: Microsecond
    size: int
    root: str
    previous: str
    floor_id: UUID
    public_key: str
    signature: str


class SealedEntryRead(Output):
    """An entry of the journal, exactly as it was hashed (in RFC 8785 JSON)."""

    actor_id: UUID | None
    at: Microsecond
    case_id: UUID | None
    changed: list[str]
    clinic_id: UUID
    happening: str
    id: UUID
    is_read: bool
    prompt: bool
    purpose: str | None
    record_ids: list[str]
    record_type: str | None
    request_id: str | None
    restricted: bool


class ProofRead(Output):
    """That an entry is leaf `leaf_index` of the `tree_size` leaves under a head (RFC 6962)."""

    entry: SealedEntryRead
    leaf_index: int
    tree_size: int
    path: list[str]
    head: SealHeadRead


class HeadsQuery(PageQuery):
    """Which heads: all of the clinic."""


@router.get("/heads")
async def list_journal_heads(
    query: Annotated[HeadsQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.journal_heads))],  # noqa: ARG001 - guards
    marks: Marks,
    tx: Tx,
) -> Page[SealHeadRead]:
    """List the signed heads of the journal, newest first, to keep elsewhere. For privacy officers.

    Whoever kept them finds out even when the end of the journal is cut off.
    """
    listing, number = f"{tx.clinic.id}/journal-heads", HEAD[1]
    statement = sa.select(*HEAD).order_by(number.desc()).limit(query.limit + 1)
    if (last := marks.decode_cursor(listing, query)) is not None:
        statement = statement.where(number < last[0])
    rows = (await tx.exec(statement)).all()
    page, following = marks.cut(listing, query, rows, lambda row: [row.number])
    return Page(items=[_shown(Head(*row)) for row in page], next=following)


@router.get("/{entry_id}/proof")
async def prove_journal_entry(
    entry_id: UUID,
    me: Annotated[Actor, Depends(may_on_cases(Action.journal_read))],
    tx: Tx,
) -> ProofRead:
    """Prove that an entry of the journal was sealed as it stands; 409 while it is not sealed yet.

    Anybody can check the proof later, with nothing but a head that was kept.
    """
    wanted = sa.select(*ENTRY).where(col(JournalEntry.id) == entry_id, await entries_for(tx, me))
    entry: Any = (await tx.exec(wanted)).first()
    if entry is None or await _names_what_is_hidden(tx, me, entry):
        raise NotFound
    found = await inclusion_of(tx, entry_id)
    if found is None:
        raise Conflict("This entry is not sealed yet. The worker does so within seconds.")
    record(
        tx,
        Happening.journal_read,
        actor_id=me.id,
        record_type="journal_entry",
        record_ids=[entry_id],
        case_id=entry.case_id,
        restricted=entry.restricted,
        prompt=entry.prompt,
        is_read=True,
    )
    return ProofRead(
        entry=SealedEntryRead.model_validate(plain(ENTRY_COLUMNS, entry)),
        leaf_index=found.leaf_index,
        tree_size=found.head.size,
        path=found.path,
        head=_shown(found.head),
    )


async def _names_what_is_hidden(tx: Transaction, me: Actor, entry: Any) -> bool:
    """Tell whether an entry is told with some of its ids only: what was hashed has them all."""
    (told,) = await as_told(tx, me, [entry])
    return bool(told.record_ids != entry.record_ids)


def _shown(head: Head) -> SealHeadRead:
    return SealHeadRead.model_validate(head.as_json())
