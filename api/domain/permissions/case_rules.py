"""What somebody may do with one case, by how they stand to it."""

from dataclasses import dataclass
from uuid import UUID

from api.domain.permissions.actions import Action
from api.domain.permissions.on_a_case import (
    ADDRESSED,
    BRIEFS,
    COVERED_CASE,
    KEPT_NOTE,
    LINKED_CASE,
    OPENED_CASE,
    OWN_CASE,
    OWN_INVITATION,
)
from api.domain.permissions.table import A, Actor, may_ever, why_lacking
from api.domain.vocabulary import Scope, Severity


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
    overseeing: bool = False
    """Answers for its clinician, and has just read what its client said at their door."""
    inviting: bool = False
    """Invited its client, which stays theirs, and with it alone sees nothing else of the case."""
    addressed: bool = False
    """Reads what a client said at their door, and with it alone sees nothing else of the case."""
    conflicted: bool = False
    """An incident on it is about this person's conduct, or they keep away from it."""
    service: bool = False
    """The clinic's software."""


OVERSIGHT = "oversight"
"""What is read on the way from what a client said: the therapist is not told who read it."""


def purpose_of(standing: Standing) -> str | None:
    """Say what somebody sees a case for, where that is out of the ordinary; else None."""
    if standing.overseeing:
        return OVERSIGHT
    if standing.opened and not (standing.own or standing.linked or standing.covering):
        return "emergency"
    if standing.covering and not (standing.own or standing.linked):
        return "cover"
    return "consultation" if standing.consulting else None


def may_count_restricted(actor: Actor) -> bool:
    """Tell whether restricted findings are in the clinic's numbers for somebody.

    For those who keep the clinic's rules and its privacy: a number could tell a clinician, in a
    small clinic, of an incident that is hidden from them.
    """
    return may_ever(actor, A.thresholds_change) or may_ever(actor, A.summary_read_all)


def why_not(action: Action, standing: Standing) -> str | None:
    """Say why somebody who sees a case may not do this with it; None: they may."""
    if action in _allowed(standing):
        return None
    if standing.own:
        return "A case's own clinician may not do this; it is for the supervisor."
    if standing == Standing(keeping=True):
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
        ADDRESSED if standing.addressed else (),
        OWN_INVITATION if standing.inviting else (),
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
        return why_lacking([Scope.restricted_write])
    return None


def why_not_say_whose(standing: Standing) -> str | None:
    """Say why somebody may not put right whose conduct an incident is about; None: they may.

    One whose own conduct it is does not see the case as a supervisor, and so sheds nothing by it.
    """
    if standing.own or not standing.linked:
        return "Whose conduct this is about is put right by a supervisor of the case's clinician."
    return None


A_PERSON_RELEASES = "A person releases a request, after checking that it names nobody."


def why_not_revoke(actor: Actor, made_by_id: UUID | None) -> str | None:
    """Say why somebody may not revoke an invitation that they may read; None: they may."""
    if made_by_id != actor.id:
        return "An invitation is revoked by whoever made it."
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
