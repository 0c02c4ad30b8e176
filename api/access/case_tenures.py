"""Who had a case when, said in SQL, and so whose doing a flag asks about."""

from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, Text, and_, bindparam, cast, exists, func, or_
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from api.access.visibility.records import visible_incidents, visible_promises
from api.domain.permissions.table import Actor
from api.domain.tenures import Tenure
from api.storage.compiled_queries import about_several, one_of
from api.storage.models.clinical import Case, CaseTenure, Incident, Promise
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction

_Former = aliased(CaseTenure)
_Later = aliased(CaseTenure)


async def former_clinicians(
    tx: Transaction, case_ids: Collection[UUID]
) -> defaultdict[UUID, list[Tenure]]:
    """Give by case who had it before its present clinician; nothing where nobody did."""
    found: defaultdict[UUID, list[Tenure]] = defaultdict(list)
    asked = {"clinic": tx.clinic.id, "cases": list(case_ids)}
    for case_id, *tenure in await tx.exec(_tenures(tx.is_postgresql), asked):
        found[case_id].append(Tenure(*tenure))
    return found


@cache
def _tenures(is_postgresql: bool) -> Any:  # noqa: FBT001 - the cache's key
    of_cases = one_of(col(CaseTenure.case_id), "cases", is_postgresql=is_postgresql)
    columns = (CaseTenure.case_id, CaseTenure.clinician_id, CaseTenure.since_on)
    statement = (
        sa_select(*map(col, columns), col(CaseTenure.until_on))
        .where(col(CaseTenure.clinic_id) == bindparam("clinic"), of_cases)
        .order_by(col(CaseTenure.until_on), col(CaseTenure.id))
    )
    return about_several(statement, is_postgresql=is_postgresql)


def had_case_on(person: UUID, day: Any) -> ColumnElement[bool]:
    """Say in SQL that somebody had the case of the row on a day: what `who_had_it` says of one."""
    return _had(person, lambda tenure: col(tenure.until_on) > day)


def had_case_at(person: UUID, instant: Any) -> ColumnElement[bool]:
    """Say in SQL that somebody had the case of the row at an instant."""
    return _had(person, lambda tenure: col(tenure.created_at) > instant)


def _had(person: UUID, ended_later: Callable[[Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whoever had it until the first transfer since; where there was none, who has it now."""
    former = (
        select(col(_Former.clinician_id))
        .where(*_of_case(_Former), ended_later(_Former))
        .order_by(col(_Former.until_on), col(_Former.id))
        .limit(1)
        .correlate_except(_Former)
        .scalar_subquery()
    )
    handed_on = exists().where(*_of_case(_Later), ended_later(_Later)).correlate_except(_Later)
    return or_(former == person, and_(col(Case.clinician_id) == person, ~handed_on))


def _of_case(tenure: Any) -> tuple[ColumnElement[bool], ...]:
    return col(tenure.clinic_id) == Case.clinic_id, col(tenure.case_id) == Case.id


def asks_about(tx: Transaction, me: Actor, person: UUID) -> ColumnElement[bool]:
    """Say in SQL whose doing a flag asks about; joined with its case.

    The conduct that an incident of its evidence is about; where that is nobody's, and for a
    promise, theirs who had the case on that day. A flag that no record holds up, as one raised by
    hand, asks about whoever had the case when it took effect. Evidence that the reader may not see
    says nothing.
    """
    incident, promise = _names(Incident), _names(Promise)
    seen, promises = visible_incidents(tx, me), visible_promises(tx, me)
    theirs = or_(
        col(Incident.about_user_id) == person,
        and_(col(Incident.about_user_id).is_(None), had_case_on(person, col(Incident.occurred_on))),
    )
    made = had_case_on(person, col(Promise.made_on))
    on_no_record = and_(~_some(Incident, incident, seen), ~_some(Promise, promise, promises))
    return or_(
        _some(Incident, incident, seen, theirs),
        _some(Promise, promise, promises, made),
        and_(on_no_record, had_case_at(person, col(Flag.effective_at))),
    )


def _some(model: Any, *wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    here = (model.clinic_id == Flag.clinic_id, model.case_id == Flag.case_id)
    return exists().where(*here, *wanted).correlate_except(model)


def _names(model: Any) -> ColumnElement[bool]:
    """Say in SQL that a flag's evidence names a row; ids are spelled with dashes, or without."""
    evidence = func.replace(cast(col(Flag.evidence), Text), "-", "")
    named: ColumnElement[bool] = evidence.contains(func.replace(cast(model.id, String), "-", ""))
    return named
