"""Who may do what: the permission table, as values and one question."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from api.vocabulary import Audience, Role, Severity


class Action(StrEnum):
    """Everything that can be done, noun first."""

    case_list = "case:list"
    case_open = "case:open"
    case_read = "case:read"
    case_change = "case:change"
    case_void = "case:void"
    case_transfer = "case:transfer"
    timeline_read = "timeline:read"
    incident_list = "incident:list"
    incident_report = "incident:report"
    incident_read = "incident:read"
    incident_change = "incident:change"
    incident_void = "incident:void"
    incident_review = "incident:review"
    promise_list = "promise:list"
    promise_record = "promise:record"
    promise_read = "promise:read"
    promise_change = "promise:change"
    promise_void = "promise:void"
    consultation_list = "consultation:list"
    consultation_draft = "consultation:draft"
    consultation_read = "consultation:read"
    consultation_change = "consultation:change"
    consultation_request = "consultation:request"
    consultation_accept = "consultation:accept"
    consultation_decline = "consultation:decline"
    consultation_start = "consultation:start"
    consultation_complete = "consultation:complete"
    consultation_cancel = "consultation:cancel"
    consultation_respond = "consultation:respond"
    flag_list = "flag:list"
    flag_read = "flag:read"
    flag_raise = "flag:raise"
    flag_acknowledge = "flag:acknowledge"
    flag_resolve = "flag:resolve"
    flag_reopen = "flag:reopen"
    queue_read = "queue:read"
    rules_read = "rules:read"
    vocabulary_read = "vocabulary:read"
    thresholds_read = "thresholds:read"
    thresholds_change = "thresholds:change"
    clinic_read = "clinic:read"
    clinic_change = "clinic:change"
    user_list = "user:list"
    user_create = "user:create"
    user_read = "user:read"
    user_change = "user:change"
    supervision_list = "supervision:list"
    supervision_create = "supervision:create"
    supervision_read = "supervision:read"
    supervision_change = "supervision:change"
    me_read = "me:read"
    me_change = "me:change"
    sign_out = "session:end"


A = Action

OWN_CASE = frozenset(
    {
        A.case_list,
        A.case_open,
        A.case_read,
        A.case_change,
        A.case_void,
        A.timeline_read,
        A.incident_list,
        A.incident_report,
        A.incident_read,
        A.incident_change,
        A.incident_void,
        A.promise_list,
        A.promise_record,
        A.promise_read,
        A.promise_change,
        A.promise_void,
        A.consultation_list,
        A.consultation_draft,
        A.consultation_read,
        A.consultation_change,
        A.consultation_request,
        A.consultation_cancel,
        A.consultation_respond,
        A.flag_list,
        A.flag_read,
        A.flag_resolve,
    }
)
"""What a case's clinician may do with it, whatever their role."""

LINKED_CASE = frozenset(
    {
        A.case_list,
        A.case_open,
        A.case_read,
        A.case_change,
        A.case_void,
        A.case_transfer,
        A.timeline_read,
        A.incident_list,
        A.incident_report,
        A.incident_read,
        A.incident_change,
        A.incident_void,
        A.incident_review,
        A.promise_list,
        A.promise_record,
        A.promise_read,
        A.promise_change,
        A.promise_void,
        A.consultation_list,
        A.consultation_read,
        A.consultation_accept,
        A.consultation_decline,
        A.consultation_start,
        A.consultation_complete,
        A.flag_list,
        A.flag_read,
        A.flag_raise,
        A.flag_acknowledge,
        A.flag_resolve,
        A.flag_reopen,
        A.queue_read,
    }
)
"""What a supervisor may do with the cases of the clinicians they answer for."""

_EVERYONE = frozenset(
    {
        A.rules_read,
        A.vocabulary_read,
        A.me_read,
        A.me_change,
        A.sign_out,
        A.user_read,
        A.supervision_list,
        A.supervision_read,
    }
)
_ADMINISTRATION = frozenset(
    {
        A.thresholds_read,
        A.thresholds_change,
        A.clinic_read,
        A.clinic_change,
        A.user_list,
        A.user_create,
        A.user_change,
        A.supervision_create,
        A.supervision_change,
    }
)
_ROOMS: dict[Role, frozenset[Action]] = {
    Role.clinician: _EVERYONE | OWN_CASE | {A.thresholds_read, A.clinic_read},
    Role.supervisor: _EVERYONE | OWN_CASE | LINKED_CASE | {A.thresholds_read, A.clinic_read},
    Role.consultant: _EVERYONE,
    Role.privacy_officer: _EVERYONE | {A.thresholds_read, A.clinic_read, A.user_list},
    Role.admin: _EVERYONE | _ADMINISTRATION,
    Role.service: frozenset(),
}

TREATING = frozenset({Role.clinician, Role.supervisor})
"""The roles that may be given a case."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking."""

    id: UUID
    role: Role
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands to one case."""

    own: bool = False
    """Its clinician."""
    linked: bool = False
    """A supervisor who answers for its clinician today."""
    conflicted: bool = False
    """An incident on it is about this person's conduct."""


def role_may_ever(role: Role, action: Action) -> bool:
    """Tell whether a role may use an operation at all, on some record."""
    return action in _ROOMS[role]


def may_see_case(actor: Actor, standing: Standing) -> bool:
    """Tell whether a case exists for somebody. Conflict of interest beats a link."""
    return standing.own or _supervises(actor, standing)


def may_see_restricted(actor: Actor, standing: Standing, recorded_by_id: UUID | None) -> bool:
    """Tell whether a restricted incident exists for somebody who sees its case."""
    return not standing.own or recorded_by_id == actor.id


def may_see_flag(standing: Standing, audience: Audience, *, restricted: bool) -> bool:
    """Tell whether a flag exists for somebody who sees its case.

    Restricted flags are hidden from the case's clinician, and prompts from everyone else.
    """
    if standing.own:
        return not restricted
    return audience == Audience.supervisor


def why_not(action: Action, standing: Standing) -> str | None:
    """Say why somebody who sees a case may not do this with it; None: they may."""
    allowed = OWN_CASE if standing.own else LINKED_CASE
    if action in allowed:
        return None
    if standing.own:
        return "A case's own clinician may not do this; it is for the supervisor."
    return "This is for the case's own clinician."


def why_not_rewrite(
    actor: Actor, standing: Standing, recorded_by_id: UUID | None, *, reviewed: bool
) -> str | None:
    """Say why somebody may not change or void a record; None: they may.

    Supervisors may; a case's clinician only what they recorded themselves and nobody reviewed.
    """
    if not standing.own:
        return None
    if recorded_by_id != actor.id:
        return "You may change or void only what you recorded yourself."
    if reviewed:
        return "This was reviewed. Only a supervisor may change or void it now."
    return None


def why_not_resolve(standing: Standing, severity: Severity) -> str | None:
    """Say why somebody who sees a flag may not resolve it; None: they may."""
    if standing.own and severity != Severity.info:
        return "A flag on your own case is resolved by a supervisor."
    return None


def _supervises(actor: Actor, standing: Standing) -> bool:
    return actor.role == Role.supervisor and standing.linked and not standing.conflicted
