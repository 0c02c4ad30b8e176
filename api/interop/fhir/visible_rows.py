"""Which rows each type shows: what the lists of our own API show, by the same walls."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_
from sqlmodel import col, select

from api.access.journal_reading import entries_for
from api.access.visibility.newest import Newest, newest_ids_seen, newest_seen
from api.domain.permissions.table import Actor
from api.domain.vocabulary import PromptName, RuleName, Word
from api.flags.lifecycle import MANUAL
from api.interop.fhir.care import EPISODE_STATUS, OBSERVATION_STATUS
from api.interop.fhir.codes import KIND, VOIDED, rule_coding
from api.interop.fhir.dates import days_in_spans, each_span, in_spans, read_days
from api.interop.fhir.flags import ACTIVITY, ISSUE_STATUS, OF_THE_CLIENT
from api.interop.fhir.patients import of_patients
from api.interop.fhir.requests import REQUEST_STATUS, TASK_STATUS
from api.interop.fhir.searching import (
    EverySearch,
    SearchByStatus,
    SearchEntries,
    SearchIssues,
    SearchObservations,
    SearchProvenance,
    code_is,
    ids_in,
    one_of,
    references_in,
)
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.columns import Named
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

W = TypeVar("W", bound=Word)
EPISODE = "http://hl7.org/fhir/episode-of-care-status"
OBSERVATION = "http://hl7.org/fhir/observation-status"
TASK = "http://hl7.org/fhir/task-status"
REQUEST = "http://hl7.org/fhir/request-status"
FLAG = "http://hl7.org/fhir/flag-status"
_KINDS = {KIND: sa.true()}
_RULES = {
    str(rule_coding(several[0]).system): col(Flag.rule).in_(several)
    for several in (list(RuleName), list(PromptName), [MANUAL])
}
"""By the system of what raised a flag: which flags are of it."""
_OF_THE_CLIENT = col(Flag.rule).in_(OF_THE_CLIENT)


def episodes(tx: Transaction, me: Actor, query: SearchByStatus) -> Any:
    """Select the cases somebody may see."""
    standing = col(Case.voided_at).is_(None)
    return newest_seen(
        tx,
        me,
        Case,
        *_common(tx, query, Case.id, Case.updated_at),
        *of_patients(query, col(Case.id)),
        _in_status(query, EPISODE, _meaning(Case.status, EPISODE_STATUS, standing), standing),
    )


def observations(tx: Transaction, me: Actor, query: SearchObservations) -> Any:
    """Select the incidents somebody may see; voided ones where they are asked for."""
    standing = and_(col(Incident.voided_at).is_(None), col(Case.voided_at).is_(None))
    statuses = _meaning(Incident.status, OBSERVATION_STATUS, standing)
    statuses[VOIDED] = col(Incident.voided_at).is_not(None)
    spans = each_span(query.date, "/query/date", tx.clinic.zone, read_days)
    return newest_seen(
        tx,
        me,
        Incident,
        *_common(tx, query, Incident.id, Incident.updated_at),
        *of_patients(query, col(Incident.case_id)),
        _in_status(query, OBSERVATION, statuses, standing),
        days_in_spans(col(Incident.occurred_on), col(Incident.date_precision), spans),
        *([] if query.code is None else [code_is(col(Incident.kind), query.code, _KINDS)]),
    )


def tasks(tx: Transaction, me: Actor, query: SearchByStatus) -> Any:
    """Select the promises on the cases somebody may see."""
    standing = and_(col(Promise.voided_at).is_(None), col(Case.voided_at).is_(None))
    return newest_seen(
        tx,
        me,
        Promise,
        *_common(tx, query, Promise.id, Promise.updated_at),
        *of_patients(query, col(Promise.case_id)),
        _in_status(query, TASK, _meaning(Promise.state, TASK_STATUS, standing), standing),
    )


def service_requests(tx: Transaction, me: Actor, query: SearchByStatus) -> Any:
    """Select the consultations on the cases somebody may see."""
    standing = col(Case.voided_at).is_(None)
    return newest_seen(
        tx,
        me,
        Consultation,
        *_common(tx, query, Consultation.id, Consultation.updated_at),
        *of_patients(query, col(Consultation.case_id)),
        _in_status(
            query, REQUEST, _meaning(Consultation.status, REQUEST_STATUS, standing), standing
        ),
    )


def issues(tx: Transaction, me: Actor, query: SearchIssues) -> Any:
    """Select the flags about conduct that somebody may see."""
    statuses = _meaning(Flag.status, ISSUE_STATUS, ~_OF_THE_CLIENT)
    coded = [] if query.code is None else [code_is(col(Flag.rule), query.code, _RULES)]
    return _flags(tx, me, query, OBSERVATION, statuses, ~_OF_THE_CLIENT, *coded)


def flags(tx: Transaction, me: Actor, query: SearchByStatus) -> Any:
    """Select the flags about clients' safety that somebody may see."""
    statuses = _meaning(Flag.status, ACTIVITY, _OF_THE_CLIENT)
    return _flags(tx, me, query, FLAG, statuses, _OF_THE_CLIENT)


async def entries(tx: Transaction, me: Actor, query: SearchEntries) -> Any:
    """Select the entries of the journal that somebody may read."""
    spans = each_span(query.date, "/query/date", tx.clinic.zone)
    return select(JournalEntry).where(
        await entries_for(tx, me),
        *_common(tx, query, JournalEntry.id, JournalEntry.at),
        *of_patients(query, col(JournalEntry.case_id)),
        in_spans(col(JournalEntry.at), spans),
    )


def recorded(tx: Transaction, me: Actor, query: SearchProvenance) -> list[tuple[Any, Any]]:
    """Select who recorded the cases, the incidents and the promises somebody may see."""
    parts: tuple[tuple[str, str, Any], ...] = (
        ("EpisodeOfCare", "case", Case),
        ("Observation", "incident", Incident),
        ("Task", "promise", Promise),
    )
    wanted = _targets(query)
    return [
        (
            _recorders(
                record_type,
                newest_ids_seen(
                    tx,
                    me,
                    model,
                    col(Case.voided_at).is_(None),
                    model.voided_at.is_(None),
                    *_common(tx, query, model.id, model.created_at),
                    *of_patients(query, _case_of(model)),
                    *([] if wanted is None else [model.id.in_(wanted[served_as])]),
                ),
                model,
            ),
            model,
        )
        for served_as, record_type, model in parts
    ]


def _flags(
    tx: Transaction,
    me: Actor,
    query: SearchByStatus,
    system: str,
    statuses: Mapping[str, ColumnElement[bool]],
    sort: ColumnElement[bool],
    *coded: ColumnElement[bool],
) -> Any:
    return newest_seen(
        tx,
        me,
        Flag,
        *coded,
        *_common(tx, query, Flag.id, Flag.updated_at),
        *of_patients(query, col(Flag.case_id)),
        _in_status(query, system, statuses, sort),
    )


def _common(
    tx: Transaction, query: EverySearch, row_id: Any, updated_at: Any
) -> Iterable[ColumnElement[bool]]:
    pointer = "/query/_lastUpdated"
    yield in_spans(updated_at, each_span(query.updated, pointer, tx.clinic.zone))
    if query.ids is not None:
        yield row_id.in_(ids_in(query.ids, "/query/_id"))


def _meaning(
    column: Any, codes: Mapping[W, str], standing: ColumnElement[bool]
) -> dict[str, ColumnElement[bool]]:
    """Say in SQL what each code of a status means in our words."""
    words: dict[str, list[W]] = {}
    for word, code in codes.items():
        words.setdefault(code, []).append(word)
    known = {code: and_(column.in_(ours), standing) for code, ours in words.items()}
    # what was entered in error is in no list, and still found by its id
    return {VOIDED: sa.false(), **known}


def _in_status(
    query: SearchByStatus,
    system: str,
    statuses: Mapping[str, ColumnElement[bool]],
    otherwise: ColumnElement[bool],
) -> ColumnElement[bool]:
    if query.status is None:
        return otherwise
    return one_of(query.status, system, statuses)


def _case_of(model: Any) -> Any:
    return Case.id if model is Case else model.case_id


def _recorders(record_type: str, newest: Newest, model: Any) -> Newest:
    """Select who recorded the newest of some rows."""
    restricted: Any = col(Incident.restricted) if model is Incident else sa.false()
    chosen = sa.select(
        sa.literal(record_type).label("type"),
        model.id.label("id"),
        _case_of(model).label("case_id"),
        restricted.label("restricted"),
        model.recorded_by_id.label("recorded_by_id"),
        model.created_at.label("created_at"),
    ).select_from(model)
    return lambda before, most: chosen.where(model.id.in_(newest(before, most)))


def _targets(query: SearchProvenance) -> dict[str, list[UUID]] | None:
    """Give the ids of the records asked about, by what they are served as; None for all."""
    if query.target is None:
        return None
    wanted: dict[str, list[UUID]] = {"EpisodeOfCare": [], "Observation": [], "Task": []}
    for kind, row_id in references_in(query.target, "/query/target"):
        for known in wanted if kind is None else wanted.keys() & {kind}:
            wanted[known].append(row_id)
    return wanted


async def rules_of(tx: Transaction, seen: Iterable[Named]) -> dict[UUID, str]:
    """Give by which rules the flags among these records were raised."""
    named = [row_id for record_type, row_id in seen if record_type == "flag"]
    if not named:
        return {}
    asked = select(col(Flag.id), col(Flag.rule))
    found = await tx.exec(asked.where(col(Flag.clinic_id) == tx.clinic.id, col(Flag.id).in_(named)))
    return dict(found.all())
