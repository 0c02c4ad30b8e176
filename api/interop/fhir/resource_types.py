"""The types that are served: what each is made of, who may read it, and how that is journalled."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from api.access.actor_names import Known, known_by
from api.access.guards import (
    case_for,
    consultation_for,
    incident_for,
    promise_for,
    response_for,
)
from api.access.journal_reading import as_told
from api.access.visibility.named import seen_of
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.http.pagination import Bookmarks, Find, newest_first, newest_of_several, page_of
from api.interop.fhir.care import EpisodeOfCare, Observation, show_case, show_incident
from api.interop.fhir.codes import Client
from api.interop.fhir.elements import Resource
from api.interop.fhir.flags import DetectedIssue, Flag, Rules, show_flag, show_issue
from api.interop.fhir.guards import entry_for, opened_flag, opened_issue, recorded_on
from api.interop.fhir.provenance import (
    AuditEvent,
    Provenance,
    Recorded,
    show_entry,
    show_provenance,
)
from api.interop.fhir.requests import ServiceRequest, Task, show_consultation, show_promise
from api.interop.fhir.responses import QuestionnaireResponse, show_response
from api.interop.fhir.searching import (
    EverySearch,
    SearchByStatus,
    SearchEntries,
    SearchIssues,
    SearchObservations,
    SearchOfSubjects,
    SearchProvenance,
)
from api.interop.fhir.visible_rows import (
    entries,
    episodes,
    flags,
    issues,
    observations,
    recorded,
    responses,
    rules_of,
    service_requests,
    tasks,
)
from api.journal.entries import Happening, record, record_shown
from api.records.asked_versions import questionnaire_rows, version_answered
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.columns import Named
from api.storage.models.door import Questionnaire
from api.storage.models.flags import Flag as FlagRow
from api.storage.models.journal import JournalEntry
from api.storage.transaction import Transaction

Found = tuple[list[Any], str | None]
"""A page of rows, and the cursor of the next."""


class Seen(NamedTuple):
    """What a row is shown with: clients, the records it may point at, and who did something.

    `rules` are those of the flags among these records; `asked` are the versions that a clinic has
    of what was answered, told in `language` where they are.
    """

    clients: Mapping[UUID, Client]
    named: Collection[Named]
    rules: Rules
    actors: Mapping[UUID, Known]
    asked: Sequence[Questionnaire] = ()
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One type of resource. `noun` names its operations; `rows` says what it is made of."""

    name: str
    noun: str
    rows: str
    resource: type[Resource]
    query: type[EverySearch]
    lists: Action
    guard: Any
    find: Callable[[Transaction, Actor, Bookmarks, str, Any], Awaitable[Found]]
    """Finds a page of what is searched for."""
    show: Callable[[Any, Seen], Resource]
    tell: Callable[[Transaction, Actor, Iterable[Any], str | None], None]
    """Journals that rows were shown."""
    kept: type[Any] | None = None
    """The record of which every version is kept, where it is one."""
    names_clients: bool = True
    of_flags: bool = False
    of_actors: bool = False
    of_answers: bool = False
    names: Callable[[Any], Iterable[Named]] | None = None
    """Gives the records that a row stores the ids of."""


def _telling(happening: Happening) -> Any:
    """Journal as the lists of our own API do."""

    def tell(tx: Transaction, me: Actor, rows: Iterable[Any], purpose: str | None) -> None:
        record_shown(tx, happening, rows, actor_id=me.id, purpose=purpose)

    return tell


def _tell_of_recorded(tx: Transaction, me: Actor, rows: Iterable[Any], purpose: str | None) -> None:
    told = [_recorded(row) for row in rows]
    for noun, happening in _READS.items():
        of_noun = [each for each in told if each.noun == noun]
        record_shown(tx, happening, of_noun, actor_id=me.id, purpose=purpose)


_READS = {
    "case": Happening.case_read,
    "incident": Happening.incident_read,
    "promise": Happening.promise_read,
}


def _tell_of_entries(
    tx: Transaction, me: Actor, rows: Iterable[JournalEntry], purpose: str | None
) -> None:
    read = [str(entry.id) for entry in rows]
    record(
        tx,
        Happening.journal_read,
        actor_id=me.id,
        record_type="journal_entry",
        record_ids=map(UUID, read),
        is_read=True,
        purpose=purpose,
    )


def _show_entry(entry: JournalEntry, actors: Mapping[UUID, Known]) -> AuditEvent:
    actor = actors.get(entry.actor_id) if entry.actor_id else None
    return show_entry(entry, actor and actor.name, actor and actor.role)


async def seen_with(
    tx: Transaction,
    me: Actor,
    kind: Kind,
    rows: Sequence[Any],
    clients: Mapping[UUID, Client],
) -> Seen:
    """Look up what the rows of a page are shown with."""
    named: Collection[Named] = ()
    if kind.names is not None:
        named = await seen_of(tx, me, (each for row in rows for each in kind.names(row)))
    asked = {row.questionnaire_id for row in rows} if kind.of_answers else set[UUID]()
    return Seen(
        clients,
        named,
        await rules_of(tx, named) if named else {},
        await known_by(tx, (row.actor_id for row in rows)) if kind.of_actors else {},
        await questionnaire_rows(tx, asked) if asked else (),
        me.reads_in() if asked else "",
    )


def _recorded(row: Any) -> Recorded:
    """Take from a row what Provenance tells, whether it was searched for or read by its id."""
    if hasattr(row, "type"):
        return Recorded(*row)
    return Recorded(
        row.noun,
        row.id,
        getattr(row, "case_id", row.id),
        getattr(row, "restricted", False),
        row.recorded_by_id,
        row.created_at,
    )


def _by(finding: Callable[[Transaction, Actor, Any], Find]) -> Any:
    def find(tx: Transaction, me: Actor, marks: Bookmarks, listing: str, query: Any) -> Any:
        return page_of(tx, marks, listing, query, finding(tx, me, query))

    return find


async def _find_entries(
    tx: Transaction, me: Actor, marks: Bookmarks, listing: str, query: Any
) -> Found:
    found = await entries(tx, me, query)
    rows, following = await newest_first(tx, marks, listing, query, found, JournalEntry)
    return [*await as_told(tx, me, rows)], following


def _find_recorded(
    tx: Transaction, me: Actor, marks: Bookmarks, listing: str, query: Any
) -> Awaitable[Found]:
    return newest_of_several(tx, marks, listing, query, recorded(tx, me, query))


KINDS = (
    Kind(
        name="EpisodeOfCare",
        noun="episode_of_care",
        rows="cases",
        resource=EpisodeOfCare,
        query=SearchByStatus,
        lists=Action.case_list,
        guard=case_for(Action.case_read),
        find=_by(episodes),
        show=lambda row, seen: show_case(row, seen.clients[row.id]),
        tell=_telling(Happening.case_read),
        kept=Case,
    ),
    Kind(
        name="Observation",
        noun="observation",
        rows="incidents",
        resource=Observation,
        query=SearchObservations,
        lists=Action.incident_list,
        guard=incident_for(Action.incident_read),
        find=_by(observations),
        show=lambda row, seen: show_incident(row, seen.clients[row.case_id]),
        tell=_telling(Happening.incident_read),
        kept=Incident,
    ),
    Kind(
        name="Task",
        noun="task",
        rows="promises",
        resource=Task,
        query=SearchOfSubjects,
        lists=Action.promise_list,
        guard=promise_for(Action.promise_read),
        find=_by(tasks),
        show=lambda row, seen: show_promise(row, seen.clients[row.case_id]),
        tell=_telling(Happening.promise_read),
        kept=Promise,
    ),
    Kind(
        name="ServiceRequest",
        noun="service_request",
        rows="consultations",
        resource=ServiceRequest,
        query=SearchOfSubjects,
        lists=Action.consultation_read_in_full,
        guard=consultation_for(Action.consultation_read_in_full),
        find=_by(service_requests),
        show=lambda row, seen: show_consultation(row, seen.clients[row.case_id], seen.named),
        tell=_telling(Happening.consultation_read),
        kept=Consultation,
        names=Consultation.named_records,
    ),
    Kind(
        name="DetectedIssue",
        noun="detected_issue",
        rows="flags about conduct",
        resource=DetectedIssue,
        query=SearchIssues,
        lists=Action.flag_list,
        guard=opened_issue(Action.flag_read),
        find=_by(issues),
        show=lambda row, seen: show_issue(row, seen.clients[row.case_id], seen.named, seen.rules),
        tell=_telling(Happening.flag_read),
        of_flags=True,
        names=FlagRow.named_records,
    ),
    Kind(
        name="Flag",
        noun="flag_resource",
        rows="flags about clients' safety",
        resource=Flag,
        query=SearchOfSubjects,
        lists=Action.flag_list,
        guard=opened_flag(Action.flag_read),
        find=_by(flags),
        show=lambda row, seen: show_flag(row, seen.clients[row.case_id], seen.named, seen.rules),
        tell=_telling(Happening.flag_read),
        of_flags=True,
        names=FlagRow.named_records,
    ),
    Kind(
        name="QuestionnaireResponse",
        noun="questionnaire_response",
        rows="responses to questionnaires",
        resource=QuestionnaireResponse,
        query=SearchOfSubjects,
        lists=Action.response_list,
        guard=response_for(Action.response_read),
        find=_by(responses),
        show=lambda row, seen: show_response(
            row, seen.clients[row.case_id], version_answered(row, seen.asked), seen.language
        ),
        tell=_telling(Happening.response_read),
        of_answers=True,
    ),
    Kind(
        name="Provenance",
        noun="provenance",
        rows="who recorded cases, incidents and promises",
        resource=Provenance,
        query=SearchProvenance,
        lists=Action.case_list,
        guard=recorded_on(Action.case_read),
        find=_find_recorded,
        show=lambda row, _: show_provenance(_recorded(row)),
        tell=_tell_of_recorded,
        names_clients=False,
    ),
    Kind(
        name="AuditEvent",
        noun="audit_event",
        rows="entries of the journal",
        resource=AuditEvent,
        query=SearchEntries,
        lists=Action.journal_read,
        guard=entry_for(Action.journal_read),
        find=_find_entries,
        show=lambda row, seen: _show_entry(row, seen.actors),
        tell=_tell_of_entries,
        names_clients=False,
        of_actors=True,
    ),
)
"""All that is served, in the order of the document; the CapabilityStatement is read from it."""
