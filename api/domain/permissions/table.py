"""Who may do what: the one place where roles and scopes are given actions."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from api.domain.permissions.actions import Action
from api.domain.permissions.on_a_case import ADDRESSED, BRIEFS, LINKED_CASE, OWN_CASE
from api.domain.vocabulary import Role, Scope

A = Action

EXCEPTIONS = frozenset(
    {A.recusal_list, A.recusal_create, A.cover_list, A.cover_create, A.cover_end, A.glass_list}
)
"""What those who treat or supervise may do about who sees a case."""

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
    A.colleague_list,
    A.supervision_list,
    A.supervision_read,
}
_QUESTIONNAIRES = frozenset({A.questionnaire_list, A.questionnaire_read})
_ADMINISTRATION = _QUESTIONNAIRES | frozenset(
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
        A.questionnaire_create,
        A.questionnaire_retire,
        A.webhook_read,
        A.webhook_change,
    }
)
_WATCHING = _QUESTIONNAIRES | frozenset(
    {
        A.thresholds_read,
        A.clinic_read,
        A.user_list,
        A.service_list,
        A.service_read,
        A.recusal_list,
        A.cover_list,
        A.glass_list,
        A.glass_read_all,
        A.glass_review,
        A.notice_read_all,
        A.queue_unwatched,
        A.summary_read,
        A.summary_read_all,
        A.webhook_list,
        A.webhook_read,
        A.journal_read,
        A.journal_read_all,
        A.journal_heads,
        A.hold_list,
        A.hold_place,
        A.hold_release,
        A.invitation_make_by_reference,
        A.invitation_read,
        A.invitation_revoke,
        A.account_list,
        *ADDRESSED,
    }
)
_OVERSEEING = _QUESTIONNAIRES | frozenset(
    {A.thresholds_read, A.clinic_read, A.patterns_read, A.summary_read}
)
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
    Scope.invitations_create: frozenset({A.invitation_make, A.invitation_make_by_reference}),
    # these two only widen what the others open
    Scope.narrative_read: frozenset(),
    Scope.restricted_write: frozenset(),
}
"""What clinic software may do by each scope."""


def _those_given(actions: frozenset[Action]) -> frozenset[Role]:
    return frozenset(role for role, allowed in _ALLOWED_BY_ROLE.items() if actions <= allowed)


TREATING = _those_given(OWN_CASE)
"""The roles that may be given a case."""

SUPERVISING = _those_given(LINKED_CASE)
"""The roles that may answer for the work of those who treat."""

CONSULTING = _those_given(BRIEFS) - TREATING
"""The roles that stand outside every case, and answer requests by their briefs."""

OFFICERS = _those_given(frozenset({A.queue_unwatched}))
"""The roles that keep the clinic's privacy."""

FOUNDER = Role.admin
"""The role of whoever a clinic begins with: they let in everybody else."""

PEOPLE: dict[Role, str] = {
    Role.clinician: "clinicians",
    Role.supervisor: "supervisors",
    Role.consultant: "consultants",
    Role.privacy_officer: "privacy officers",
    Role.admin: "admins",
}
"""What people of a role are called."""

PersonRole = Literal["clinician", "supervisor", "consultant", "privacy_officer", "admin"]
"""The roles that a person may be given: all but that of software."""


def is_software(role: Role) -> bool:
    """Tell whether who has this role is no person."""
    return role == Role.service


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a person, or clinic software with its scopes."""

    id: UUID
    role: Role
    session_id: UUID
    authenticated_at: datetime | None = None
    """When they last proved who they are; None where nobody asks for it."""
    scopes: frozenset[Scope] = frozenset()
    reads_in: Callable[[], str] = field(default=lambda: "en", compare=False, repr=False)
    """Gives the code of the language that they read; looked for only where something is told."""

    @property
    def is_software(self) -> bool:
        """Tell whether this is no person."""
        return is_software(self.role)

    @classmethod
    def of_software(
        cls, account_id: UUID, session_id: UUID, scopes: frozenset[Scope] = frozenset()
    ) -> "Actor":
        """Give clinic software as who asks."""
        return cls(account_id, Role.service, session_id, scopes=scopes)

    @classmethod
    def of_a_clinician(cls, user_id: UUID) -> "Actor":
        """Give somebody as who would ask, with no more sight than cases of their own give."""
        return cls(user_id, Role.clinician, user_id)

    def signed_in_since(self, earliest: datetime) -> bool:
        """Tell whether they have proved who they are since then."""
        return self.authenticated_at is not None and self.authenticated_at >= earliest


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
    return _those_given(frozenset({action})).intersection(PEOPLE)


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
    return why_lacking(scopes)


def why_lacking(scopes: Sequence[Scope]) -> str:
    """Say that software was not given any of these scopes."""
    needed = " or ".join(scopes)
    return f"Software needs the scope {needed} for this, and this token was not given it."


def reads_every_word(scopes: Collection[str]) -> bool:
    """Tell whether software with these scopes reads what was said on every case."""
    return Scope.narrative_read in scopes
