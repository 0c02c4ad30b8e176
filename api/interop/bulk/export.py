"""Writes a clinic's records out as the lines that an import reads."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, or_
from sqlmodel import col, select

from api.domain.bodies import CaseCreate, ConsultationCreate, IncidentCreate, PromiseCreate
from api.domain.details import put_together
from api.domain.tenures import whom_it_is_about, whom_it_may_be_about
from api.domain.vocabulary import ConsultationStatus, IncidentStatus
from api.interop.bulk.lines import LINE, ConsultationHistory
from api.journal.entries import Happening, record_shown
from api.storage.database import Database
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.integration import ImportedRecord
from api.storage.models.people import User
from api.storage.questions import ClinicContext
from api.storage.transaction import Transaction

BATCH = 100
"""Cases read in one transaction."""

Line = dict[str, Any]
_OfCases = dict[UUID, dict[type, list[Any]]]
"""By case: the rows of each type."""


@dataclass(slots=True)
class Written:
    """The lines of some cases, and how many cases were left out: their texts were destroyed."""

    lines: list[Line]
    left_out: int


class _Names(NamedTuple):
    """What people and records are called in a file."""

    people: Mapping[UUID | None, str]
    keys: Mapping[tuple[str, str], str]
    zone: ZoneInfo

    def key(self, kind: str, row_id: UUID | str) -> str:
        return self.keys.get((kind, str(row_id)), str(row_id))

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


_SOME: Any = bindparam("some", expanding=True)
_RECORDS: dict[type, Any] = {
    model: select(model)
    .where(col(model.case_id).in_(_SOME))
    .order_by(col(model.case_id), col(model.id))
    for model in (Incident, Promise, Consultation)
}
for _model in (Incident, Promise):
    # accounts are not written out, and what is as hidden as one would have other readers elsewhere
    _of_none = or_(col(_model.account_id).is_(None), col(_model.restricted).is_(False))
    _RECORDS[_model] = _RECORDS[_model].where(_of_none)
_KEYS = select(ImportedRecord).where(col(ImportedRecord.case_id).in_(_SOME))


async def records_of(
    database: Database, clinic: ClinicContext, *, actor_id: UUID | None
) -> AsyncIterator[Written]:
    """Give the lines of a clinic's records, some cases at a time, in the order they came in.

    What is given has entries in the journal before: one for each case and type of record.
    """
    last: UUID | None = None
    while True:
        async with database.transaction() as tx:
            await tx.enter_again(clinic)
            cases = await _cases_after(tx, last)
            kept = [case for case in cases if case.purged_at is None]
            records = await _records_of(tx, kept)
            lines = await _lines(tx, kept, records)
            _journal(tx, kept, records, actor_id)
        if not cases:
            return
        last = cases[-1].id
        yield Written(lines, len(cases) - len(kept))


async def _cases_after(tx: Transaction, last: UUID | None) -> Sequence[Case]:
    statement = select(Case).where(Case.clinic_id == tx.clinic.id).order_by(col(Case.id))
    if last is not None:
        statement = statement.where(col(Case.id) > last)
    found: Sequence[Case] = (await tx.exec(statement.limit(BATCH))).all()
    return found


async def _records_of(tx: Transaction, cases: Sequence[Case]) -> _OfCases:
    some = {"some": [case.id for case in cases]}
    of: _OfCases = {case.id: {model: [] for model in _RECORDS} for case in cases}
    for model, statement in _RECORDS.items():
        for row in await tx.exec(statement, some):
            of[row.case_id][model].append(row)
    return of


def _journal(
    tx: Transaction, cases: Sequence[Case], records: _OfCases, actor_id: UUID | None
) -> None:
    of_cases = [row for model in _RECORDS for case in cases for row in records[case.id][model]]
    record_shown(tx, Happening.records_exported, [*cases, *of_cases], actor_id=actor_id)


async def _lines(tx: Transaction, cases: Sequence[Case], records: _OfCases) -> list[Line]:
    some = {"some": [case.id for case in cases]}
    keys = {
        (row.record_type, str(row.record_id)): str(row.source_key)
        for row in await tx.exec(_KEYS, some)
    }
    people = await tx.exec(select(col(User.id), col(User.email)))
    names = _Names(dict(people.all()), keys, tx.clinic.zone)
    return [
        LINE.validate_python(line).model_dump(mode="json", exclude_defaults=True)
        for case in cases
        for line in _of_case(case, records[case.id], names)
    ]


def _of_case(case: Case, records: Mapping[type, Iterable[Any]], names: _Names) -> Iterable[Line]:
    data = _given(CaseCreate, case)
    yield {
        "type": "case",
        "key": names.key("case", case.id),
        "clinician": names.people[data.pop("clinician_id")],
        "data": data,
        "history": _history(case, names) or None,
    }
    for incident in records[Incident]:
        yield _incident(incident, case, names)
    for promise in records[Promise]:
        said = {"data": _given(PromiseCreate, promise), "restricted": promise.restricted}
        yield _line("promise", promise, names, **said, history=_history(promise, names))
    for consultation in records[Consultation]:
        yield _consultation(consultation, names, records)


def _incident(incident: Incident, case: Case, names: _Names) -> Line:
    details = put_together(incident.details, incident.sealed_detail)
    data = _given(IncidentCreate, incident) | {"details": details.model_dump(mode="json")}
    about = data.pop("about_user_id")
    # not said is false in an import
    data["restricted"] = data["restricted"] or None
    # whoever reads it in does not know who had the case before
    maybe = whom_it_may_be_about((), case.clinician_id, IncidentCreate.model_validate(data))
    by_default = whom_it_is_about(maybe)
    history = _history(incident, names)
    if incident.reviewed_at is not None:
        history["review"] = {
            "determination": incident.determination,
            "review_note": incident.review_note,
            "reviewed_on": names.day(incident.reviewed_at),
            "reviewed_by": names.people.get(incident.reviewed_by_id),
            "stands": incident.status != IncidentStatus.reported,
        }
    if about is None and by_default is not None:
        history["about_nobody"] = True
    said = None if about == by_default else names.people.get(about)
    return _line("incident", incident, names, data=data, about=said, history=history)


def _consultation(
    consultation: Consultation, names: _Names, records: Mapping[type, Iterable[Any]]
) -> Line:
    data = _given(ConsultationCreate, consultation)
    history = {name: getattr(consultation, name) for name in ConsultationHistory.model_fields}
    return _line(
        "consultation",
        consultation,
        names,
        data=data,
        consultant=names.people.get(data.pop("consultant_id")),
        incidents=_keys(names, records[Incident], data.pop("incident_ids")),
        promises=_keys(names, records[Promise], data.pop("promise_ids")),
        history={} if consultation.status == ConsultationStatus.draft else history,
    )


def _keys(names: _Names, rows: Iterable[Any], linked: Iterable[str]) -> list[str]:
    """Give the keys of linked records, as far as they are written out."""
    kinds = {str(row.id): row.noun for row in rows}
    return [names.key(kinds[each], each) for each in linked if each in kinds]


def _line(kind: str, row: Any, names: _Names, **said: Any) -> Line:
    said["history"] = said["history"] or None
    key, case = names.key(kind, row.id), names.key("case", row.case_id)
    return {"type": kind, "key": key, "case": case, **said}


def _given(body: Any, row: Any) -> Line:
    return {name: getattr(row, name, None) for name in body.model_fields}


def _history(row: Case | Incident | Promise, names: _Names) -> Line:
    if row.voided_at is None:
        return {}
    return {"voided": {"reason": row.void_reason, "on": names.day(row.voided_at)}}
