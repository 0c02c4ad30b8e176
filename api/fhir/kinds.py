"""The types that are served: what each is made of, who may read it, and how that is journalled."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from api.access import case_for, consultation_for, incident_for, promise_for
from api.db import Transaction
from api.domain.permissions import Action, Actor
from api.fhir.accounts import AuditEvent, Provenance, Recorded, show_entry, show_provenance
from api.fhir.care import EpisodeOfCare, Observation, show_case, show_incident
from api.fhir.codes import Client
from api.fhir.elements import Resource
from api.fhir.finding import (
    entries,
    episodes,
    flags,
    issues,
    observations,
    recorded,
    service_requests,
    tasks,
)
from api.fhir.guards import entry_for, opened_flag, opened_issue, recorded_on
from api.fhir.notices import DetectedIssue, Flag, Rules, show_flag, show_issue
from api.fhir.requests import ServiceRequest, Task, show_consultation, show_promise
from api.fhir.searching import (
    EverySearch,
    SearchByStatus,
    SearchEntries,
    SearchIssues,
    SearchObservations,
    SearchOfSubjects,
    SearchProvenance,
)
from api.journal import Happening, record, record_shown
from api.models import Case, Consultation, Incident, JournalEntry, Promise
from api.models import Flag as FlagRow
from api.pages import Bookmarks, newest_first, newest_of_several

Found = tuple[list[Any], str | None]
"""A page of rows, and the cursor of the next."""


class Seen(NamedTuple):
    """What a row is shown with: the clients of the page, and the rules of flags it points at."""

    clients: Mapping[UUID, Client]
    rules: Rules


@dataclass(frozen=True, slots=True)
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
    names_clients: bool = True
    of_flags: bool = False


def _telling(happening: Happening, record_type: str) -> Any:
    """Journal as the lists of our own API do."""

    def tell(tx: Transaction, me: Actor, rows: Iterable[Any], purpose: str | None) -> None:
        record_shown(tx, happening, rows, actor_id=me.id, record_type=record_type, purpose=purpose)

    return tell


def _tell_of_recorded(tx: Transaction, me: Actor, rows: Iterable[Any], purpose: str | None) -> None:
    told = [_recorded(row) for row in rows]
    for record_type, happening in _READS.items():
        of_type = [each for each in told if each.type == record_type]
        _telling(happening, record_type)(tx, me, of_type, purpose)


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


def _recorded(row: Any) -> Recorded:
    """Take from a row what Provenance tells, whether it was searched for or read by its id."""
    if hasattr(row, "type"):
        return Recorded(*row)
    sorts: dict[type[Any], str] = {Incident: "incident", Promise: "promise"}
    return Recorded(
        sorts.get(type(row), "case"),
        row.id,
        getattr(row, "case_id", row.id),
        getattr(row, "restricted", False),
        row.recorded_by_id,
        row.created_at,
    )


def _by(select: Callable[[Transaction, Actor, Any], Any], model: Any) -> Any:
    def find(tx: Transaction, me: Actor, marks: Bookmarks, listing: str, query: Any) -> Any:
        return newest_first(tx, marks, listing, query, select(tx, me, query), model)

    return find


def _find_recorded(
    tx: Transaction, me: Actor, marks: Bookmarks, listing: str, query: Any
) -> Awaitable[Found]:
    return newest_of_several(tx, marks, listing, query, recorded(tx, me, query))


KINDS = (
    Kind(
        "EpisodeOfCare",
        "episode_of_care",
        "cases",
        EpisodeOfCare,
        SearchByStatus,
        Action.case_list,
        case_for(Action.case_read),
        _by(episodes, Case),
        lambda row, seen: show_case(row, seen.clients[row.id]),
        _telling(Happening.case_read, "case"),
    ),
    Kind(
        "Observation",
        "observation",
        "incidents",
        Observation,
        SearchObservations,
        Action.incident_list,
        incident_for(Action.incident_read),
        _by(observations, Incident),
        lambda row, seen: show_incident(row, seen.clients[row.case_id]),
        _telling(Happening.incident_read, "incident"),
    ),
    Kind(
        "Task",
        "task",
        "promises",
        Task,
        SearchOfSubjects,
        Action.promise_list,
        promise_for(Action.promise_read),
        _by(tasks, Promise),
        lambda row, seen: show_promise(row, seen.clients[row.case_id]),
        _telling(Happening.promise_read, "promise"),
    ),
    Kind(
        "ServiceRequest",
        "service_request",
        "consultations",
        ServiceRequest,
        SearchOfSubjects,
        Action.consultation_read_in_full,
        consultation_for(Action.consultation_read_in_full),
        _by(service_requests, Consultation),
        lambda row, seen: show_consultation(row, seen.clients[row.case_id]),
        _telling(Happening.consultation_read, "consultation"),
    ),
    Kind(
        "DetectedIssue",
        "detected_issue",
        "flags about conduct",
        DetectedIssue,
        SearchIssues,
        Action.flag_list,
        opened_issue(Action.flag_read),
        _by(issues, FlagRow),
        lambda row, seen: show_issue(row, seen.clients[row.case_id], seen.rules),
        _telling(Happening.flag_read, "flag"),
        of_flags=True,
    ),
    Kind(
        "Flag",
        "flag_resource",
        "flags about clients' safety",
        Flag,
        SearchOfSubjects,
        Action.flag_list,
        opened_flag(Action.flag_read),
        _by(flags, FlagRow),
        lambda row, seen: show_flag(row, seen.clients[row.case_id], seen.rules),
        _telling(Happening.flag_read, "flag"),
        of_flags=True,
    ),
    Kind(
        "Provenance",
        "provenance",
        "who recorded cases, incidents and promises",
        Provenance,
        SearchProvenance,
        Action.case_list,
        recorded_on(Action.case_read),
        _find_recorded,
        lambda row, _: show_provenance(_recorded(row)),
        _tell_of_recorded,
        names_clients=False,
    ),
    Kind(
        "AuditEvent",
        "audit_event",
        "entries of the journal",
        AuditEvent,
        SearchEntries,
        Action.journal_read,
        entry_for(Action.journal_read),
        _by(entries, JournalEntry),
        lambda row, _: show_entry(row),
        _tell_of_entries,
        names_clients=False,
    ),
)
"""All that is served, in the order of the document; the CapabilityStatement is read from it."""
