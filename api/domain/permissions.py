"""Who may do what: the permission table, as values and one question."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from api.domain.vocabulary import Audience, NoteClass, NoteStatus, Role, Scope, Severity


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
    consultation_read_in_full = "consultation:read_in_full"
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
    notice_list = "notice:list"
    notice_read = "notice:read"
    sign_out = "session:end"
    session_list = "session:list"
    session_close = "session:close"
    totp_read = "totp:read"
    totp_change = "totp:change"
    user_reset = "user:reset"
    service_list = "service:list"
    service_create = "service:create"
    service_read = "service:read"
    service_change = "service:change"
    recusal_list = "recusal:list"
    recusal_create = "recusal:create"
    recusal_end = "recusal:end"
    cover_list = "cover:list"
    cover_create = "cover:create"
    cover_end = "cover:end"
    glass_list = "glass:list"
    glass_break = "glass:break"
    glass_review = "glass:review"
    queue_unwatched = "queue:unwatched"
    note_list = "note:list"
    note_draft = "note:draft"
    note_read = "note:read"
    note_change = "note:change"
    note_void = "note:void"
    note_sign = "note:sign"
    note_amend = "note:amend"
    note_cosign = "note:cosign"
    case_export = "case:export"
    disclosure_list = "disclosure:list"
    journal_read = "journal:read"
    journal_heads = "journal:heads"
    hold_list = "hold:list"
    hold_place = "hold:place"
    hold_release = "hold:release"
    webhook_list = "webhook:list"
    webhook_create = "webhook:create"
    webhook_read = "webhook:read"
    webhook_change = "webhook:change"
    import_run = "import:run"
    import_read = "import:read"
    patterns_read = "patterns:read"
    summary_read = "summary:read"


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
        A.consultation_read_in_full,
        A.consultation_change,
        A.consultation_request,
        A.consultation_cancel,
        A.consultation_respond,
        A.flag_list,
        A.flag_read,
        A.flag_resolve,
        A.note_list,
        A.note_draft,
        A.note_read,
        A.note_change,
        A.note_void,
        A.note_sign,
        A.note_amend,
        A.case_export,
        A.disclosure_list,
        A.journal_read,
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
        A.consultation_read_in_full,
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
        A.note_list,
        A.note_read,
        A.note_cosign,
        A.case_export,
        A.disclosure_list,
    }
)
"""What a supervisor may do with the cases of the clinicians they answer for."""

_READING = frozenset(
    {
        A.case_list,
        A.case_read,
        A.timeline_read,
        A.incident_list,
        A.incident_read,
        A.promise_list,
        A.promise_read,
        A.consultation_list,
        A.consultation_read,
        A.consultation_read_in_full,
        A.flag_list,
        A.flag_read,
        A.note_list,
        A.note_read,
    }
)

COVERED_CASE = OWN_CASE - {
    A.case_open,
    A.case_void,
    A.case_export,
    A.disclosure_list,
    A.journal_read,
}
"""What a colleague may do who stands in for a case's clinician."""

OPENED_CASE = _READING
"""What a supervisor may do with a case opened in an emergency: read."""

KEPT_NOTE = frozenset({A.note_read, A.note_change, A.note_void, A.note_sign, A.note_amend})
"""What an author may do with a note of their own, wherever they have come to stand to its case."""

EXCEPTIONS = frozenset(
    {A.recusal_list, A.recusal_create, A.cover_list, A.cover_create, A.cover_end, A.glass_list}
)
"""What those who treat or supervise may do about who sees a case."""

BRIEFS = frozenset(
    {
        A.consultation_list,
        A.consultation_read,
        A.consultation_accept,
        A.consultation_decline,
        A.consultation_start,
        A.consultation_complete,
    }
)
"""What a consultant may do, with the requests that reach them."""

_ANYONE = frozenset({A.rules_read, A.vocabulary_read, A.sign_out})
_EVERYONE = _ANYONE | {
    A.me_read,
    A.me_change,
    A.notice_list,
    A.notice_read,
    A.session_list,
    A.session_close,
    A.totp_read,
    A.totp_change,
    A.user_read,
    A.supervision_list,
    A.supervision_read,
}
_ADMINISTRATION = frozenset(
    {
        A.thresholds_read,
        A.thresholds_change,
        A.clinic_read,
        A.clinic_change,
        A.user_list,
        A.user_create,
        A.user_change,
        A.user_reset,
        A.service_list,
        A.service_create,
        A.service_read,
        A.service_change,
        A.supervision_create,
        A.supervision_change,
        A.recusal_list,
        A.recusal_create,
        A.recusal_end,
        A.webhook_list,
        A.webhook_create,
        A.webhook_read,
        A.webhook_change,
    }
)
_WATCHING = frozenset(
    {
        A.thresholds_read,
        A.clinic_read,
        A.user_list,
        A.service_list,
        A.service_read,
        A.recusal_list,
        A.cover_list,
        A.glass_list,
        A.glass_review,
        A.queue_unwatched,
        A.summary_read,
        A.webhook_list,
        A.webhook_read,
        A.journal_read,
        A.journal_heads,
        A.hold_list,
        A.hold_place,
        A.hold_release,
    }
)
_OVERSEEING = frozenset({A.thresholds_read, A.clinic_read, A.patterns_read, A.summary_read})
_ALLOWED_BY_ROLE: dict[Role, frozenset[Action]] = {
    Role.clinician: _EVERYONE | OWN_CASE | EXCEPTIONS | _OVERSEEING,
    Role.supervisor: _EVERYONE
    | OWN_CASE
    | LINKED_CASE
    | EXCEPTIONS
    | _OVERSEEING
    | {A.glass_break},
    Role.consultant: _EVERYONE | BRIEFS,
    Role.privacy_officer: _EVERYONE | _WATCHING,
    Role.admin: _EVERYONE | _ADMINISTRATION,
    Role.service: _ANYONE,
}

_SCOPES: dict[Scope, frozenset[Action]] = {
    Scope.cases_read: frozenset(
        {
            A.case_list,
            A.case_read,
            A.timeline_read,
            A.incident_list,
            A.incident_read,
            A.promise_list,
            A.promise_read,
        }
    ),
    Scope.cases_write: frozenset(
        {
            A.case_open,
            A.case_change,
            A.case_void,
            A.incident_report,
            A.incident_change,
            A.incident_void,
            A.promise_record,
            A.promise_change,
            A.promise_void,
            A.import_run,
            A.import_read,
        }
    ),
    Scope.consultations_create: frozenset(
        {
            A.consultation_draft,
            A.consultation_change,
            A.consultation_request,
            A.consultation_cancel,
        }
    ),
    Scope.consultations_read: frozenset(
        {A.consultation_list, A.consultation_read, A.consultation_read_in_full}
    ),
    Scope.flags_read: frozenset({A.flag_list, A.flag_read, A.queue_read, A.summary_read}),
}
"""What clinic software may do by each scope; the others only widen these."""

TREATING = frozenset({Role.clinician, Role.supervisor})
"""The roles that may be given a case."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a person, or clinic software with its scopes."""

    id: UUID
    role: Role
    session_id: UUID
    authenticated_at: datetime | None = None
    """When they last proved who they are; None where nobody asks for it."""
    scopes: frozenset[Scope] = frozenset()

    @property
    def is_software(self) -> bool:
        """Tell whether this is no person."""
        return self.role == Role.service

    def signed_in_since(self, earliest: datetime) -> bool:
        """Tell whether they have proved who they are since then."""
        return self.authenticated_at is not None and self.authenticated_at >= earliest


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands to one case."""

    own: bool = False
    """Its clinician."""
    linked: bool = False
    """A supervisor who answers for its clinician today."""
    covering: bool = False
    """Stands in for its clinician today."""
    opened: bool = False
    """Opened it in an emergency, a short while ago."""
    consulting: bool = False
    """Reads the brief of one request on it."""
    keeping: bool = False
    """Wrote one note on it, which stays theirs, and with it alone sees nothing else of the case."""
    conflicted: bool = False
    """An incident on it is about this person's conduct, or they keep away from it."""
    service: bool = False
    """The clinic's software."""


def purpose_of(standing: Standing) -> str | None:
    """Say what somebody sees a case for, where that is out of the ordinary; else None."""
    if standing.opened and not (standing.own or standing.linked or standing.covering):
        return "emergency"
    if standing.covering and not (standing.own or standing.linked):
        return "cover"
    return "consultation" if standing.consulting else None


def may_ever(actor: Actor, action: Action) -> bool:
    """Tell whether somebody may use an operation at all, on some record."""
    if actor.is_software:
        return action in _ANYONE or any(action in _SCOPES.get(s, ()) for s in actor.scopes)
    return action in _ALLOWED_BY_ROLE[actor.role]


def may_anybody(action: Action) -> bool:
    """Tell whether everybody who is signed in may use an operation, software too."""
    return action in _ANYONE


def roles_that_may(action: Action) -> frozenset[Role]:
    """Give the roles of people that may use an operation on some record."""
    return frozenset(role for role, allowed in _ALLOWED_BY_ROLE.items() if action in allowed) - {
        Role.service
    }


def scopes_that_let(action: Action) -> list[Scope]:
    """Give the scopes by which software may use an operation."""
    return [scope for scope, actions in _SCOPES.items() if action in actions]


def opens_others_work(role: Role) -> bool:
    """Tell whether a role opens more of the clinic to somebody than cases of their own."""
    return role != Role.clinician


def why_no_scope(action: Action) -> str:
    """Say which scope software lacks for an operation, or that none opens it."""
    scopes = scopes_that_let(action)
    if not scopes:
        return "No software does this: no scope opens it. A person does."
    return _lacks(scopes)


def _lacks(scopes: Sequence[Scope]) -> str:
    needed = " or ".join(scopes)
    return f"Software needs the scope {needed} for this, and this token was not given it."


def reads_every_word(scopes: Collection[str]) -> bool:
    """Tell whether software with these scopes reads what was said on every case."""
    return Scope.narrative_read in scopes


def may_see_case(standing: Standing) -> bool:
    """Tell whether a case exists for somebody.

    Conflict of interest beats every other standing, but never hides a case from its clinician.
    """
    if standing.own or standing.service:
        return True
    admitted = standing.linked or standing.covering or standing.opened
    return admitted and not standing.conflicted


def may_see_restricted(actor: Actor, standing: Standing, recorded_by_id: UUID | None) -> bool:
    """Tell whether a restricted incident exists for somebody who sees its case.

    Software records such an incident and never reads one.
    """
    if standing.service:
        return False
    return (standing.linked and not standing.own) or recorded_by_id == actor.id


def may_see_flag(standing: Standing, audience: Audience, *, restricted: bool) -> bool:
    """Tell whether a flag exists for somebody who sees its case.

    Restricted flags are for the linked supervisor alone, and prompts for the case's clinician
    and whoever stands in.
    """
    if restricted and (standing.own or not standing.linked):
        return False
    return audience == Audience.supervisor or standing.own or standing.covering


def may_count_restricted(actor: Actor) -> bool:
    """Tell whether restricted findings are in the clinic's numbers for somebody.

    For those who keep the clinic's rules and its privacy: a number could tell a clinician, in a
    small clinic, of an incident that is hidden from them.
    """
    return may_ever(actor, A.thresholds_change) or may_ever(actor, A.queue_unwatched)


def may_read_note(
    actor: Actor,
    standing: Standing,
    note_class: NoteClass,
    status: NoteStatus,
    author_id: UUID | None,
) -> bool:
    """Tell whether a note exists for somebody who sees its case.

    A draft is its author's alone, and so is a psychotherapy note for ever (45 CFR 164.501).
    """
    if standing.service:
        return False
    if author_id == actor.id:
        return True
    if status == NoteStatus.draft or note_class == NoteClass.psychotherapy:
        return False
    shared = standing.own or standing.linked or standing.covering
    return shared or (standing.opened and note_class == NoteClass.progress)


def may_keep_note(actor: Actor, author_id: UUID | None) -> bool:
    """Tell whether a note stays somebody's own, also where they do not see its case any more.

    Nobody else ever reads a draft, or signs, changes or amends a note: without its author nobody
    could. A conflict of interest does not end this, as it would then be told by the note's absence.
    """
    return author_id == actor.id and actor.role in TREATING


def why_not(action: Action, standing: Standing) -> str | None:
    """Say why somebody who sees a case may not do this with it; None: they may."""
    if action in _allowed(standing):
        return None
    if standing.own:
        return "A case's own clinician may not do this; it is for the supervisor."
    if standing.keeping and not may_see_case(standing):
        return "You no longer see this case: only the notes that you wrote stay yours."
    if standing.opened:
        return "A case opened in an emergency is open for reading."
    if action not in OWN_CASE:
        return "This is for a supervisor who answers for the case's clinician."
    if action in LINKED_CASE:
        return "This is for the case's own clinician, and a supervisor who answers for them."
    return "This is for the case's own clinician."


def _allowed(standing: Standing) -> frozenset[Action]:
    if standing.own:
        return OWN_CASE
    return frozenset[Action]().union(
        LINKED_CASE if standing.linked else (),
        COVERED_CASE if standing.covering else (),
        OPENED_CASE if standing.opened else (),
        BRIEFS if standing.consulting else (),
        KEPT_NOTE if standing.keeping else (),
    )


def why_not_rewrite(
    actor: Actor, standing: Standing, recorded_by_id: UUID | None, *, reviewed: bool
) -> str | None:
    """Say why somebody may not change or void a record; None: they may.

    Supervisors may; everyone else only what they recorded themselves and nobody reviewed.
    """
    if standing.linked and not standing.own:
        return None
    if recorded_by_id != actor.id:
        return "You may change or void only what you recorded yourself."
    if reviewed:
        return "This was reviewed. Only a supervisor may change or void it now."
    return None


def why_not_rewrite_note(actor: Actor, author_id: UUID | None) -> str | None:
    """Say why somebody may not change, void, sign or amend a note; None: they may."""
    if author_id != actor.id:
        return "A note is changed, signed and amended by its author only."
    return None


def why_not_cosign(actor: Actor, author_id: UUID | None) -> str | None:
    """Say why a supervisor may not co-sign a note they may read; None: they may."""
    if author_id == actor.id:
        return "Your own note is co-signed by somebody else."
    return None


def why_not_restrict(actor: Actor, standing: Standing) -> str | None:
    """Say why somebody may not hide an incident from the case's clinician; None: they may."""
    if standing.own:
        return "A case's own clinician does not decide what is restricted."
    if standing.service and Scope.restricted_write not in actor.scopes:
        return _lacks([Scope.restricted_write])
    return None


def why_not_say_whose(standing: Standing) -> str | None:
    """Say why somebody may not put right whose conduct an incident is about; None: they may.

    One whose own conduct it is does not see the case as a supervisor, and so sheds nothing by it.
    """
    if standing.own or not standing.linked:
        return "Whose conduct this is about is put right by a supervisor of the case's clinician."
    return None


def why_not_respond(actor: Actor, consultant_id: UUID | None) -> str | None:
    """Say why somebody may not respond to the advice of a consultant; None: they may."""
    if consultant_id == actor.id:
        return "Nobody responds to advice that they gave themselves."
    return None


def why_not_resolve(standing: Standing, severity: Severity) -> str | None:
    """Say why somebody who sees a flag may not resolve it; None: they may."""
    if (standing.own or not standing.linked) and severity != Severity.info:
        return "A flag on your own case is resolved by a supervisor."
    return None
