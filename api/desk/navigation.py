"""What somebody finds at the desk: the same for everybody who may do the same."""

from typing import NamedTuple

from api.desk.marked import N_
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever


class Place(NamedTuple):
    """A page that is always at hand."""

    path: str
    name: str
    """In English; its name in other languages is looked up by it."""


A = Action
FROM_THE_DOOR = "/desk/accounts"
LOOKED_AT_TOGETHER = frozenset({"/desk/agenda", "/desk/report", "/desk/summary", "/desk/patterns"})
"""Pages that are shown to others, too: they tell of nothing that is kept from anybody."""
PLACES: tuple[tuple[Action | None, Place], ...] = (
    (A.queue_read, Place("/desk", N_("Queue"))),
    (A.queue_unwatched, Place("/desk", N_("Unwatched cases"))),
    (A.account_reply, Place(FROM_THE_DOOR, N_("From the door"))),
    (A.case_list, Place("/desk/cases", N_("Cases"))),
    (A.incident_review, Place("/desk/incidents", N_("To review"))),
    (A.consultation_list, Place("/desk/consultations", N_("Consultations"))),
    (A.queue_read, Place("/desk/agenda", N_("Agenda"))),
    (A.summary_read, Place("/desk/report", N_("Report"))),
    (A.summary_read, Place("/desk/summary", N_("Summary"))),
    (A.patterns_read, Place("/desk/patterns", N_("Patterns"))),
    (A.journal_read, Place("/desk/journal", N_("Journal"))),
    (A.glass_list, Place("/desk/openings", N_("Emergency openings"))),
    (A.hold_list, Place("/desk/holds", N_("Holds"))),
    (A.user_list, Place("/desk/people", N_("People"))),
    (A.supervision_list, Place("/desk/links", N_("Links"))),
    (A.service_list, Place("/desk/software", N_("Software"))),
    (A.rules_read, Place("/desk/rules", N_("Rules"))),
    (A.clinic_read, Place("/desk/clinic", N_("Clinic"))),
    (A.questionnaire_list, Place("/desk/questionnaires", N_("Questionnaires"))),
    (A.notice_list, Place("/desk/notices", N_("Notices"))),
    (None, Place("/desk/me", N_("My account"))),
)


def places_of(me: Actor) -> list[Place]:
    """Give the pages that somebody of this role has at hand."""
    return [place for action, place in PLACES if action is None or may_ever(me, action)]
