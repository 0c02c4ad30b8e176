"""The de-identified view of a case that a consultant reads, built from an allowed list of fields.

Nothing is taken away from a fuller view: a field that is not named here is never there.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, literal
from sqlmodel import col, select

from api.domain.rules.moment import last_day
from api.domain.values import Output
from api.domain.vocabulary import (
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    DatePrecision,
    Phase,
    Setting,
)
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.transaction import Transaction


class BriefRecord(Output):
    """A record that the request is about: what kind, and how many whole months before it.

    Where only the month or year of a record is known, as `date_precision` says, they are counted
    from its end: so many at least.
    """

    type: Literal["incident", "promise"]
    kind: str
    months_before: int
    date_precision: DatePrecision


class ConsultationBrief(Output):
    """A request for another clinician's view, as a consultant outside the case reads it.

    It says nothing of who the client or the clinician is. `therapy_months` is the length of the
    therapy in whole months, null where its start is not known. `outcome` and `advice` are the
    reader's own answer. Texts are null once those of the case were destroyed.
    """

    id: UUID
    version: int
    kind: ConsultationKind
    urgency: ConsultationUrgency
    status: ConsultationStatus
    due_at: datetime | None
    question: str | None
    summary: str | None
    phase: Phase
    setting: Setting | None
    therapy_months: int | None
    records: list[BriefRecord]
    outcome: ConsultationOutcome | None
    advice: str | None


class _Linked(NamedTuple):
    """What is known of a record that a request is about."""

    type: Literal["incident", "promise"]
    kind: str
    day: date
    precision: DatePrecision

    def before(self, asked_on: date) -> BriefRecord:
        """Tell how long before the request it was, as far as that is known."""
        ended = last_day(self.day, self.precision)
        return BriefRecord(
            type=self.type,
            kind=self.kind,
            months_before=max(0, whole_months(ended, asked_on)),
            date_precision=self.precision,
        )


async def brief_of(tx: Transaction, consultation: Consultation, case: Case) -> ConsultationBrief:
    """Build the brief of one request."""
    (brief,) = await briefs_of(tx, [(consultation, case)])
    return brief


async def briefs_of(
    tx: Transaction, asked: Iterable[tuple[Consultation, Case]]
) -> list[ConsultationBrief]:
    """Build the briefs of several requests."""
    pairs = list(asked)
    known = await _linked(tx, [consultation for consultation, _ in pairs])
    return [_brief(tx, consultation, case, known) for consultation, case in pairs]


def _brief(
    tx: Transaction, consultation: Consultation, case: Case, known: Mapping[str, _Linked]
) -> ConsultationBrief:
    asked_on = _day(tx, consultation.requested_at or consultation.created_at)
    linked = (*consultation.incident_ids, *consultation.promise_ids)
    records = [known[row_id].before(asked_on) for row_id in linked if row_id in known]
    return ConsultationBrief(
        id=consultation.id,
        version=consultation.version,
        kind=consultation.kind,
        urgency=consultation.urgency,
        status=consultation.status,
        due_at=consultation.due_at,
        question=consultation.question,
        summary=consultation.summary,
        phase=case.phase,
        setting=case.setting,
        therapy_months=_therapy_months(tx, case),
        # in an order that tells nothing of when each was recorded
        records=sorted(records, key=lambda each: (each.months_before, each.type, each.kind)),
        outcome=consultation.outcome,
        advice=consultation.advice,
    )


def _therapy_months(tx: Transaction, case: Case) -> int | None:
    if case.started_on is None:
        return None
    return max(0, whole_months(case.started_on, case.ended_on or tx.today))


def whole_months(since: date, until: date) -> int:
    """Count the whole months from one day to another."""
    months = (until.year - since.year) * 12 + until.month - since.month
    return months - (until.day < since.day)


def _day(tx: Transaction, instant: datetime) -> date:
    return instant.astimezone(tx.clinic.zone).date()


_INCIDENTS = select(
    col(Incident.id), col(Incident.kind), col(Incident.occurred_on), col(Incident.date_precision)
).where(
    col(Incident.id).in_(bindparam("ids", expanding=True)),
    col(Incident.voided_at).is_(None),
    # a consultant is told of no more than the case's clinician, who asks
    col(Incident.restricted).is_(False),
)
_PROMISES = select(
    col(Promise.id),
    col(Promise.kind),
    col(Promise.made_on),
    # as incidents have it
    literal(DatePrecision.day, Incident.__table__.c.date_precision.type),  # type: ignore[attr-defined]
).where(
    col(Promise.id).in_(bindparam("ids", expanding=True)),
    col(Promise.voided_at).is_(None),
    col(Promise.restricted).is_(False),
)


async def _linked(tx: Transaction, asked: Iterable[Consultation]) -> dict[str, _Linked]:
    """Give what is known of the records that requests are about, by id."""
    known: dict[str, _Linked] = {}
    consultations = list(asked)
    asking: tuple[tuple[Literal["incident", "promise"], Any, str], ...] = (
        ("incident", _INCIDENTS, "incident_ids"),
        ("promise", _PROMISES, "promise_ids"),
    )
    for type_, statement, name in asking:
        ids = [UUID(row_id) for each in consultations for row_id in getattr(each, name)]
        if ids:
            for row_id, kind, day, precision in await tx.exec(statement, {"ids": ids}):
                known[str(row_id)] = _Linked(type_, str(kind), day, precision)
    return known
