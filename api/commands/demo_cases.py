"""The people and cases of the demo: all invented. A case is what was told of it, step by step.

Days are written as days before the day the demo is played, here and in every `…_on` field.
"""

from dataclasses import dataclass, replace
from typing import Any

from api.domain.look_back import LOOK_BACK_ID

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the clinic."""

    name: str
    role: str
    email: str


@dataclass(frozen=True, slots=True)
class Step:
    """One POST under `/v1`, by the case's clinician where `by` is None.

    `{…}` in the path is the id of the last such record of the case, or of the flag of that rule.
    """

    path: str
    body: Record
    by: Person | None = None


@dataclass(frozen=True, slots=True)
class DemoCase:
    """A case and its steps. The narrative is that of its first incident."""

    client_ref: str
    started_on: int
    narrative: str
    steps: tuple[Step, ...]
    more: Record


CLINIC = "Harbour Lane Clinic"

ADA = Person("Dr Ada Fenwick", "clinician", "ada@harbour-lane.example")
BRUNO = Person("Dr Bruno Castellan", "clinician", "bruno@harbour-lane.example")
CLEO = Person("Dr Cleo Marchbanks", "clinician", "cleo@harbour-lane.example")
DOROTHEA = Person("Dr Dorothea Quill", "supervisor", "dorothea@harbour-lane.example")
EMERIC = Person("Dr Emeric Vane", "consultant", "emeric@harbour-lane.example")
FLORA = Person("Flora Pennywhistle", "privacy_officer", "flora@harbour-lane.example")
ADMIN = Person("Admin", "admin", "admin@harbour-lane.example")
PEOPLE = (ADA, BRUNO, CLEO, DOROTHEA, EMERIC, FLORA, ADMIN)

DOOR: Record = {
    "door_emergency_text": {"en": "In danger, call the emergency number of where you are."},
    "door_duty_text": {"en": "A danger to somebody's life may have to be passed on."},
    "door_elsewhere_text": {"en": "You can also ask the patients' office in the town hall."},
    "door_leave_to": "https://weather.example/",
}
"""What the clinic tells its clients at their door."""
WHOSE_DOOR = "HL-0007"
"""The case, of Dr Castellan's, to whose door its client is invited."""
SAID_AT_DOOR: Record = {
    "happened": "Twice he took a telephone call while I was speaking. I have not told him that I "
    "minded, because I do not want to seem ungrateful.",
    "topics": ["absence"],
    "wants": ["an_answer"],
}
"""What that client says there, and what is asked of whoever reads it."""


def _case(ref: str, started_on: int, narrative: str, *steps: Step, **more: Any) -> DemoCase:
    return DemoCase(ref, started_on, narrative, steps, more)


def _incident(
    on: int, who: str, kind: str, account: str = "client", impact: str = "unknown", **details: Any
) -> Step:
    body = {"occurred_on": on, "initiator": who, "reported_by": account, "client_impact": impact}
    return Step("cases/{case}/incidents", {**body, "details": {"kind": kind, **details}})


def _promise(on: int, kind: str, wording: str, **more: Any) -> Step:
    said = {"made_on": on, "wording": wording, "kind": kind, "made_by": "therapist"}
    usual = {"source": "explicit", "reported_by": "client", "significance": "major"}
    in_frame = {"scope": "within_frame", "keepable": "yes"}
    return Step("cases/{case}/promises", {**said, **usual, **in_frame, **more})


def _draft(kind: str, question: str, **more: Any) -> Step:
    body = {"kind": kind, "urgency": "priority", "question": question, **more}
    return Step("cases/{case}/consultations", body)


def _look_back(on: int, **answers: int | str) -> Step:
    told = [{"link_id": name, "value": value} for name, value in answers.items()]
    body = {"questionnaire_id": str(LOOK_BACK_ID), "answered_on": on, "answers": told}
    return Step("cases/{case}/responses", body)


def _supervisor(path: str, **body: Any) -> Step:
    return Step(path, body, DOROTHEA)


_SEND = Step("consultations/{consultation}/request", {})

_OF_ADA = (
    _case(
        "HL-0001",
        420,
        "She keeps the appointment card in her coat; they wondered what door it opens.",
        _incident(30, "client", "expression", by="client", feelings=["longing", "trust"]),
        _incident(23, "client", "disclosure", of="attachment", responses=["explored"]),
        attachment_roles=["mother"],
    ),
    _case(
        "HL-0002",
        300,
        "He said, almost too quietly to hear, that he loves her. She thanked him for his trust, "
        "said what therapy can be, and asked how it was to say it.",
        _incident(
            16, "client", "disclosure", of="love", responses=["explored", "boundary_explained"]
        ),
        attachment_roles=["romantic_love"],
    ),
    _case(
        "HL-0003",
        640,
        "He asked whether spring might be a good time to finish.",
        _incident(9, "client", "ending", stage="raised", reason="goals_met"),
        _promise(9, "professional_availability", "My door stays open to you.", open_ended=True),
    ),
    _case(
        "HL-0004",
        75,
        "The lift was out of order, and the hour was spent on a bench in the courtyard.",
        _incident(6, "therapist", "crossing", account="therapist", area="place_space"),
    ),
    _case(
        "HL-0005",
        510,
        "He waited by the telephone until noon, and then went to court alone.",
        _incident(14, "client", "expression", by="client", feelings=["hurt", "sadness"]),
        _promise(90, "information_or_explanation", "I will explain the list.", state="kept"),
        _promise(
            60,
            "personal_relationship",
            "I will be in your corner for the rest of your life.",
            scope="outside_frame",
            keepable="no",
            discussed_with_client=False,
        ),
        _promise(21, "contact_or_scheduling", "I will ring you before court.", state="broken"),
        _draft(
            "peer_consultation",
            "How can one take back a promise without taking back the kindness in it?",
            summary="A call was missed on a hard day; an older promise weighs more since then.",
            released=True,
        ),
        _SEND,
        _look_back(
            5,
            listened_to=4,
            hard_things=4,
            put_right=2,
            helps=3,
            what_was_agreed="told_afterwards",
            touch="none",
            anything_else="I would still like to know why nobody rang.",
        ),
    ),
)

_OF_BRUNO = (
    _case(
        "HL-0006",
        200,
        "She shouted about the hour he had moved, and stayed to find out what it had stirred.",
        _incident(11, "client", "expression", by="client", feelings=["rage", "hurt"]),
    ),
    _case(
        "HL-0007",
        150,
        "He wept for the aunt who raised him, and for once did not apologise.",
        _incident(12, "client", "expression", by="client", feelings=["grief", "gratitude"]),
    ),
    _case(
        "HL-0008",
        260,
        "She spent a night in the emergency department; what was agreed there is not known yet.",
        _incident(4, "client", "risk", impact="severe", indicator="emergency_visits", count=1),
        _supervisor("flags/{client_safety}/acknowledge"),
    ),
    _case(
        "HL-0009",
        380,
        "They met by chance at a park race, and took to having tea after it; nobody had said "
        "what the tea was.",
        _incident(20, "mutual", "contact", therapist_participates=True, social_meetings=True),
        _draft("supervision", "How do I give up the tea without shutting the door?"),
        _SEND,
        _supervisor("consultations/{consultation}/accept"),
        _supervisor("consultations/{consultation}/start"),
        _supervisor(
            "consultations/{consultation}/complete",
            outcome="frame_plan_agreed",
            advice="Say why, say it soon, and ask what he will miss.",
        ),
        _supervisor(
            "flags/{contact_out_of_frame}/resolve",
            determination="crossing_needs_repair",
            resolution_note="Kindly meant; ended, and talked over with the client.",
        ),
    ),
    _case(
        "HL-0010",
        110,
        "At the end of the hour she said she would like to switch the world off.",
        _incident(2, "client", "risk", account="therapist", indicator="ambiguous_statement"),
        _incident(3, "client", "contact", account="therapist", client_messages_30d=14),
    ),
)

_OF_CLEO = (
    _case(
        "HL-0011",
        900,
        "They looked back over the years, laughed about the broken radiator, and said goodbye.",
        _incident(25, "mutual", "ending", stage="ended", ending="planned_mutual", notice_days=120),
        status="ended",
        ended_on=25,
    ),
    _case(
        "HL-0012",
        180,
        "Somebody else had shouted in the waiting room; the porter was sent to her chair.",
        _incident(15, "institution", "coercive_measure", measures=["security_called"]),
        _supervisor(
            "incidents/{incident}/review",
            determination="mistaken_for_danger",
            review_note="The desk took one voice for another. The clinic has apologised.",
        ),
    ),
    _case(
        "HL-0013",
        730,
        "The evening programme closed. A new therapist was found in time, but nobody to renew "
        "the prescriptions it used to write.",
        _incident(
            8,
            "institution",
            "ending",
            stage="ended",
            ending="institution_initiated",
            notice_days=60,
            collateral_loss=["medication"],
        ),
        status="ended",
        ended_on=8,
    ),
    _case(
        "HL-0014",
        340,
        "He would like to read the notes of his first year, and waits to hear.",
        _incident(44, "client", "record_request", request="access"),
    ),
    _case(
        "HL-0015",
        225,
        "Through an open door a colleague heard the client being told to grow up.",
        replace(_incident(10, "therapist", "hurtful_words", account="colleague"), by=DOROTHEA),
    ),
    _case(
        "HL-0016",
        95,
        "With his hand on the door he asked whether the summer break is the end.",
        _incident(18, "client", "disclosure", of="fear_of_ending", taken_up=False),
        _draft("peer_consultation", "How does one come back to what was said at the door?"),
    ),
    _case(
        "HL-0017",
        520,
        "In autumn she had wondered how long she could go on; neither has mentioned it since.",
        _incident(36, "therapist", "ending", stage="raised", reason="therapist_overwhelmed"),
    ),
    _case(
        "HL-0018",
        130,
        "He spoke of a neighbour's child who is shut out on the balcony at night.",
        _incident(
            3,
            "client",
            "safeguarding",
            account="therapist",
            concern="child",
            present=True,
            duty=True,
        ),
        _incident(
            120, "institution", "recording", means="ai_scribe", consent=True, may_refuse=False
        ),
    ),
)

CASES = {ADA: _OF_ADA, BRUNO: _OF_BRUNO, CLEO: _OF_CLEO}
