"""What was corrected in a case: what stood before, and what was amended or voided."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import col, select

from api.domain.details import put_together
from api.domain.values import Output
from api.domain.vocabulary import ConsultationStatus
from api.records.patient_copy_schemas import (
    CaseBefore,
    CaseCopied,
    CaseCopy,
    CaseSaid,
    ConsultationBefore,
    ConsultationCopied,
    ConsultationSaid,
    Correction,
    IncidentBefore,
    IncidentCopied,
    IncidentSaid,
    People,
    PromiseBefore,
    PromiseCopied,
    PromiseSaid,
    RecordType,
)
from api.storage.models.clinical import Case, Consultation, Incident, Note, Promise, RecordVersion
from api.storage.record_versions import TYPES, as_it_stood
from api.storage.transaction import Transaction

S = TypeVar("S", bound=Output)
B = TypeVar("B", bound=Output)

_MODELS = {name: model for model, name in TYPES.items()}
_PROGRESS = frozenset({"status", "requested_at", "completed_at", "consultant"})
"""How far a consultation has come: that it goes on corrects nothing."""
_NAMED = {
    "clinician": "clinician_id",
    "recorded_by": "recorded_by_id",
    "asked_by": "recorded_by_id",
    "about": "about_user_id",
    "consultant": "consultant_id",
}
"""Who is named in a copy, by the column that has their id."""


async def earlier_versions(tx: Transaction, case: Case) -> list[list[Any]]:
    """Give the earlier versions of a case's records, each record's together, the oldest first.

    What was restricted then, or a draft, would not have been given, and is left out.
    """
    statement = (
        select(RecordVersion)
        .where(RecordVersion.case_id == case.id)
        .order_by(col(RecordVersion.record_id), col(RecordVersion.version))
    )
    before: dict[UUID, list[Any]] = {}
    for kept in await tx.exec(statement):
        stood = as_it_stood(_MODELS[kept.record_type], kept, case.created_at)
        if stood is not None and _was_told(stood):
            before.setdefault(kept.record_id, []).append(stood)
    return list(before.values())


def _was_told(stood: Any) -> bool:
    is_draft = isinstance(stood, Consultation) and stood.status == ConsultationStatus.draft
    return not (is_draft or getattr(stood, "restricted", False))


class History:
    """Shows records, each with what stood in it before it was corrected."""

    def __init__(self, before: Iterable[list[Any]], people: People) -> None:
        self._before = {rows[0].id: rows for rows in before}
        self._people = people

    def case(self, row: Case) -> CaseCopied:
        """Show the case."""
        earlier = self._earlier(row, CaseSaid, CaseBefore)
        return CaseCopied.model_validate({**self._said(row), "earlier": earlier})

    def incident(self, row: Incident) -> IncidentCopied:
        """Show an incident."""
        earlier = self._earlier(row, IncidentSaid, IncidentBefore)
        return IncidentCopied.model_validate({**self._said(row), "earlier": earlier})

    def promise(self, row: Promise) -> PromiseCopied:
        """Show a promise."""
        earlier = self._earlier(row, PromiseSaid, PromiseBefore)
        return PromiseCopied.model_validate({**self._said(row), "earlier": earlier})

    def consultation(self, row: Consultation) -> ConsultationCopied:
        """Show a consultation."""
        earlier = self._earlier(row, ConsultationSaid, ConsultationBefore, _PROGRESS)
        return ConsultationCopied.model_validate({**self._said(row), "earlier": earlier})

    def _said(self, row: Any) -> dict[str, Any]:
        """Give the fields of a row, with people by name."""
        named: dict[str, Any] = {
            name: self._people.get(getattr(row, column, None)) for name, column in _NAMED.items()
        }
        if isinstance(row, Incident):
            named["details"] = put_together(row.details, row.sealed_detail)
        return {**row.__dict__, **named}

    def _earlier(
        self, row: Any, said: type[S], before: type[B], progress: Collection[str] = ()
    ) -> list[B]:
        """Give what stood there, wherever something that was known was changed."""
        rows = [*self._before.get(row.id, ()), row]
        told = [
            said.model_validate({**self._said(each), "created_at": row.created_at}) for each in rows
        ]
        return [
            before.model_validate({**dict(old), "corrected_at": after.updated_at})
            for old, new, after in zip(told, told[1:], rows[1:], strict=False)
            if _corrects(old, new, {"updated_at", *progress})
        ]


def _corrects(old: Output, new: Output, ignored: Collection[str]) -> bool:
    """Tell whether something known was changed; what was only added corrects nothing."""
    return any(
        value not in (None, []) and value != getattr(new, name)
        for name, value in dict(old).items()
        if name not in ignored
    )


def changed(copy: CaseCopy) -> Iterator[Correction]:
    """Tell what was changed; what stood before is with the record itself."""
    shown: list[tuple[RecordType, Any]] = [("case", copy.case)]
    shown += [("incident", each) for each in copy.incidents]
    shown += [("promise", each) for each in copy.promises]
    shown += [("consultation", each) for each in copy.consultations]
    for record, row in shown:
        for each in row.earlier:
            yield Correction(
                kind="changed", record=record, id=row.id, at=each.corrected_at, why=None
            )


def amended_or_voided(
    incidents: list[Incident], promises: list[Promise], notes: list[Note]
) -> list[Correction]:
    """Tell what was amended or voided, and never what it said."""
    rows: list[tuple[RecordType, Any]] = [("incident", row) for row in incidents]
    rows += [("promise", row) for row in promises]
    rows += [("note", row) for row in notes]
    voided = [
        Correction(kind="voided", record=record, id=row.id, at=row.voided_at, why=row.void_reason)
        for record, row in rows
        if row.voided_at is not None
    ]
    known = {row.id for row in notes}
    amended = [
        Correction(kind="amended", record="note", id=row.amends_id, at=row.signed_at, why=None)
        for row in notes
        if row.amends_id in known and row.signed_at is not None and row.voided_at is None
    ]
    return [*voided, *amended]
