"""Which rows each type shows: what the lists of our own API show, by the same walls."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from api.access.journal_reading import entries_for
from api.access.visibility.listings import Listing
from api.access.visibility.newest import Newest, newest_ids_seen
from api.domain.permissions.table import Actor
from api.domain.vocabulary import PromptName, RuleName, Word
from api.flags.lifecycle import MANUAL
from api.http.pagination import Find
from api.interop.fhir.care import EPISODE_STATUS, OBSERVATION_STATUS
from api.interop.fhir.codes import KIND, VOIDED, rule_coding
from api.interop.fhir.dates import days_in_spans, each_span, in_spans, read_days
from api.interop.fhir.flags import ACTIVITY, ISSUE_STATUS, OF_THE_CLIENT
from api.interop.fhir.patients import of_patients
from api.interop.fhir.requests import REQUEST_STATUS, TASK_STATUS
from api.interop.fhir.responses import COMPLETED
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
from api.storage.models.door import Response
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

W = TypeVar("W", bound=Word)
EPISODE = "http://hl7.org/fhir/episode-of-care-status"
OBSERVATION = "http://hl7.org/fhir/observation-status"
TASK = "http://hl7.org/fhir/task-status"
REQUEST = "http://hl7.org/fhir/request-status"
FLAG = "http://hl7.org/fhir/flag-status"
ANSWERED = "http://hl7.org/fhir/questionnaire-answers-status"
_KINDS = {KIND: sa.true()}
_RULES = {
    str(rule_coding(several[0]).system): col(Flag.rule).in_(several)
    for several in (list(RuleName), list(PromptName), [MANUAL])
}
"""By the system of what raised a flag: which flags are of it."""
_OF_THE_CLIENT = or_(*(col(Flag.rule) == rule for rule in sorted(OF_THE_CLIENT)))


def episodes(tx: Transaction, me: Actor, query: SearchByStatus) -> Find:
    """Find the cases somebody may see."""
    return _find(EPISODES, tx, me, query)


def observations(tx: Transaction, me: Actor, query: SearchObservations) -> Find:
    """Find the incidents somebody may see; voided ones where they are asked for."""
    more = []
    if query.date:
        spans = each_span(query.date, "/query/date", tx.clinic.zone, read_days)
        more = [days_in_spans(col(Incident.occurred_on), col(Incident.date_precision), spans)]
    if query.code is not None:
        more.append(code_is(col(Incident.kind), query.code, _KINDS))
    return _find(OBSERVATIONS, tx, me, query, *more)


def tasks(tx: Transaction, me: Actor, query: SearchByStatus) -> Find:
    """Find the promises on the cases somebody may see."""
    return _find(TASKS, tx, me, query)


def service_requests(tx: Transaction, me: Actor, query: SearchByStatus) -> Find:
    """Find the consultations on the cases somebody may see."""
    return _find(REQUESTS, tx, me, query)


def issues(tx: Transaction, me: Actor, query: SearchIssues) -> Find:
    """Find the flags about conduct that somebody may see."""
    coded = [] if query.code is None else [code_is(col(Flag.rule), query.code, _RULES)]
    return _find(ISSUES, tx, me, query, *coded)


def flags(tx: Transaction, me: Actor, query: SearchByStatus) -> Find:
    """Find the flags about clients' safety that somebody may see."""
    return _find(FLAGS, tx, me, query)


def responses(tx: Transaction, me: Actor, query: SearchByStatus) -> Find:
    """Find what was answered, as far as it exists for somebody."""
    return _find(RESPONSES, tx, me, query)


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


def _common(
    tx: Transaction, query: EverySearch, row_id: Any, updated_at: Any
) -> Iterable[ColumnElement[bool]]:
    if query.updated:
        yield in_spans(updated_at, each_span(query.updated, _UPDATED, tx.clinic.zone))
    if query.ids is not None:
        yield row_id.in_(ids_in(query.ids, "/query/_id"))


_UPDATED = "/query/_lastUpdated"


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


_IS_NO_VOIDED_CASE = col(Case.voided_at).is_(None)


class Sort:
    """The rows of one type: those that stand, and all of them where a status is asked for.

    `statuses`: which rows are meant by each code of `system`.
    """

    def __init__(
        self,
        model: Any,
        system: str,
        statuses: Mapping[str, ColumnElement[bool]],
        standing: ColumnElement[bool],
    ) -> None:
        self.model = model
        self.system = system
        self.statuses = statuses
        self.standing = Listing(model, standing)
        self.all = Listing(model)


def _sort(
    model: Any, column: Any, codes: Mapping[W, str], system: str, *also: ColumnElement[bool]
) -> Sort:
    standing = and_(*also, _IS_NO_VOIDED_CASE)
    return Sort(model, system, _meaning(column, codes, standing), standing)


def _of_flags(codes: Mapping[W, str], system: str, sort: ColumnElement[bool]) -> Sort:
    return Sort(Flag, system, _meaning(Flag.status, codes, sort), sort)


EPISODES = _sort(Case, Case.status, EPISODE_STATUS, EPISODE)
_STANDING_INCIDENTS = and_(col(Incident.voided_at).is_(None), _IS_NO_VOIDED_CASE)
OBSERVATIONS = Sort(
    Incident,
    OBSERVATION,
    {
        **_meaning(Incident.status, OBSERVATION_STATUS, _STANDING_INCIDENTS),
        VOIDED: col(Incident.voided_at).is_not(None),
    },
    _STANDING_INCIDENTS,
)
TASKS = _sort(Promise, Promise.state, TASK_STATUS, TASK, col(Promise.voided_at).is_(None))
REQUESTS = _sort(Consultation, Consultation.status, REQUEST_STATUS, REQUEST)
ISSUES = _of_flags(ISSUE_STATUS, OBSERVATION, ~_OF_THE_CLIENT)
FLAGS = _of_flags(ACTIVITY, FLAG, _OF_THE_CLIENT)
_STANDING_RESPONSES = and_(
    col(Response.voided_at).is_(None),
    _IS_NO_VOIDED_CASE,
    # when what came by the door was written is not the therapist's to find by searching
    col(Response.box_id).is_(None),
)
RESPONSES = Sort(
    Response,
    ANSWERED,
    {COMPLETED: _STANDING_RESPONSES, VOIDED: sa.false()},
    _STANDING_RESPONSES,
)


def _find(
    sort: Sort, tx: Transaction, me: Actor, query: SearchByStatus, *more: ColumnElement[bool]
) -> Find:
    """Find the rows of a type that are searched for, as plain rows."""
    model, listing = sort.model, sort.standing
    filters = [
        *_common(tx, query, model.id, model.updated_at),
        *of_patients(query, _case_of(model)),
        *more,
    ]
    if query.status is not None:
        listing = sort.all
        filters.append(one_of(query.status, sort.system, sort.statuses))
    return partial(listing.rows, tx, me, filters)


def _case_of(model: Any) -> Any:
    return Case.id if model is Case else model.case_id


def _recorders(record_type: str, newest: Newest, model: Any) -> Newest:
    """Select who recorded the newest of some rows."""
    restricted: Any = getattr(model, "restricted", sa.false())
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
