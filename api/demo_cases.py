"""The people and cases of the demo: all invented, and written down as data.

Every field that ends in `_on` holds a number of days before the day the demo is played.
"""

from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

CLINIC = "Harbour Lane Clinic (fictional)"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the clinic."""

    name: str
    role: str
    email: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A consultation: a draft, unless it was sent; completed, where there is advice."""

    request: Record
    sent: bool = True
    advice: Record | None = None


@dataclass(frozen=True, slots=True)
class DemoCase:
    """One case as its clinician told it, and what its supervisor did about it.

    `review` is of the first incident; `acknowledged` and `resolved` name the rule of a flag.
    """

    client_ref: str
    clinician: Person
    about: Record
    incidents: tuple[Record, ...] = ()
    promises: tuple[Record, ...] = ()
    told_to_supervisor: tuple[Record, ...] = ()
    asked: Asked | None = None
    review: Record | None = None
    acknowledged: str | None = None
    resolved: tuple[str, Record] | None = None


ADA = Person("Dr Ada Fenwick", "clinician", "ada@harbour-lane.example")
BRUNO = Person("Dr Bruno Castellan", "clinician", "bruno@harbour-lane.example")
CLEO = Person("Dr Cleo Marchbanks", "clinician", "cleo@harbour-lane.example")
DOROTHEA = Person("Dr Dorothea Quill", "supervisor", "dorothea@harbour-lane.example")
EMERIC = Person("Dr Emeric Vane", "consultant", "emeric@harbour-lane.example")
FLORA = Person("Flora Pennywhistle", "privacy_officer", "flora@harbour-lane.example")
ADMIN = Person("Admin", "admin", "admin@harbour-lane.example")

PEOPLE = (ADA, BRUNO, CLEO, DOROTHEA, EMERIC, FLORA, ADMIN)


def _told(
    ago: int, kind: str, details: Record, *, by: str, account: str, narrative: str, **more: Any
) -> Record:
    return {
        "occurred_on": ago,
        "initiator": by,
        "reported_by": account,
        "narrative": narrative,
        "details": {"kind": kind, **details},
        **more,
    }


def _promised(ago: int, wording: str, kind: str, **more: Any) -> Record:
    return {
        "made_on": ago,
        "wording": wording,
        "kind": kind,
        "made_by": "therapist",
        "source": "explicit",
        "scope": "within_frame",
        "keepable": "yes",
        "significance": "major",
        "reported_by": "client",
        **more,
    }


CASES = (
    DemoCase(
        "HL-0001",
        ADA,
        {"started_on": 420, "setting": "clinic", "attachment_roles": ["mother"]},
        incidents=(
            _told(
                30,
                "expression",
                {"by": "client", "feelings": ["longing", "trust"]},
                by="client",
                account="client",
                narrative="She keeps the appointment card in her coat pocket, like a spare key.",
            ),
            _told(
                23,
                "disclosure",
                {"of": "attachment", "responses": ["explored", "normalised"], "taken_up": True},
                by="client",
                account="therapist",
                narrative="She said what the card means to her; together they wondered what "
                "door it opens.",
            ),
        ),
    ),
    DemoCase(
        "HL-0002",
        ADA,
        {"started_on": 300, "setting": "clinic", "attachment_roles": ["romantic_love"]},
        incidents=(
            _told(
                16,
                "disclosure",
                {
                    "of": "love",
                    "responses": ["affirmed_caring", "boundary_explained", "explored"],
                    "taken_up": True,
                    "responded_on": 16,
                },
                by="client",
                account="client",
                narrative="He said, almost too quietly to hear, that he is in love with her. She "
                "thanked him for his trust, said what therapy can be, and asked how it was to "
                "say it.",
            ),
        ),
    ),
    DemoCase(
        "HL-0003",
        ADA,
        {"started_on": 640, "setting": "clinic", "phase": "termination"},
        incidents=(
            _told(
                9,
                "ending",
                {"stage": "raised", "reason": "goals_met"},
                by="client",
                account="client",
                narrative="He asked whether spring might be a good time to finish.",
            ),
        ),
        promises=(
            _promised(
                9,
                "If you want to come back one day, you can ask for an hour with me.",
                "professional_availability",
                open_ended=True,
                discussed_with_client=True,
            ),
        ),
    ),
    DemoCase(
        "HL-0004",
        ADA,
        {"started_on": 75, "setting": "clinic", "phase": "beginning"},
        incidents=(
            _told(
                6,
                "crossing",
                {"area": "place_space"},
                by="therapist",
                account="therapist",
                narrative="The lift was out of order, and the hour took place on a bench in the "
                "courtyard.",
            ),
        ),
    ),
    DemoCase(
        "HL-0005",
        ADA,
        {"started_on": 510, "setting": "clinic", "attachment_roles": ["family"]},
        promises=(
            _promised(
                90,
                "I will write down for you how the waiting list works.",
                "information_or_explanation",
                state="kept",
                significance="minor",
                due_on=76,
            ),
            _promised(
                60,
                "You will have me in your corner for the rest of your life.",
                "personal_relationship",
                scope="outside_frame",
                keepable="no",
                open_ended=True,
                discussed_with_client=False,
            ),
            _promised(
                21,
                "I will ring you on the morning of the court hearing.",
                "contact_or_scheduling",
                state="broken",
                due_on=14,
                client_impact="sustained_distress",
            ),
        ),
        asked=Asked(
            {
                "kind": "peer_consultation",
                "urgency": "urgent",
                "question": "How can a promise that was kindly meant be taken back without "
                "taking back the kindness?",
                "summary": "A call was missed on a hard day, and an older promise weighs more now.",
                "released": True,
            }
        ),
    ),
    DemoCase(
        "HL-0006",
        BRUNO,
        {"started_on": 200, "setting": "clinic", "phase": "frustration_protest"},
        incidents=(
            _told(
                11,
                "expression",
                {"by": "client", "feelings": ["rage", "hurt"]},
                by="client",
                account="therapist",
                narrative="She shouted about the hour that had been moved, called him a clerk, "
                "and stayed to find out what it had stirred.",
                discussed_with_client=True,
                repair="repaired",
            ),
        ),
    ),
    DemoCase(
        "HL-0007",
        BRUNO,
        {"started_on": 150, "setting": "clinic", "phase": "feelings_present"},
        incidents=(
            _told(
                12,
                "expression",
                {"by": "client", "feelings": ["grief", "gratitude"]},
                by="client",
                account="client",
                narrative="He wept for the aunt who raised him, and for once did not apologise.",
            ),
        ),
    ),
    DemoCase(
        "HL-0008",
        BRUNO,
        {"started_on": 260, "setting": "clinic"},
        incidents=(
            _told(
                4,
                "risk",
                {"indicator": "emergency_visits", "count": 1, "response": "unknown"},
                by="client",
                account="client",
                narrative="She spent a frightened night in the emergency department; what was "
                "agreed there has not reached us yet.",
                client_impact="severe",
            ),
        ),
        acknowledged="client_safety",
    ),
    DemoCase(
        "HL-0009",
        BRUNO,
        {"started_on": 380, "setting": "clinic"},
        incidents=(
            _told(
                20,
                "contact",
                {
                    "therapist_participates": True,
                    "days_per_week": 4,
                    "weeks": 8,
                    "limits_agreed": False,
                },
                by="mutual",
                account="therapist",
                narrative="While the client nursed his brother abroad, voice messages went back "
                "and forth on most evenings; nobody had said what they were for.",
            ),
        ),
        asked=Asked(
            {
                "kind": "supervision",
                "urgency": "priority",
                "question": "What would be a fair frame for messages until the client is back?",
            },
            advice={
                "outcome": "frame_plan_agreed",
                "advice": "Agree on one call a week, tell him why, and ask what he will miss.",
            },
        ),
        resolved=(
            "contact_out_of_frame",
            {
                "determination": "crossing_needs_repair",
                "resolution_note": "Well meant; a weekly call was agreed and talked over.",
            },
        ),
    ),
    DemoCase(
        "HL-0010",
        BRUNO,
        {"started_on": 110, "setting": "online"},
        incidents=(
            _told(
                2,
                "risk",
                {"indicator": "ambiguous_statement"},
                by="client",
                account="therapist",
                narrative="At the end of the hour she said she would like to switch the world off.",
            ),
            _told(
                3,
                "contact",
                {"client_messages_30d": 14},
                by="client",
                account="therapist",
                narrative="She writes when the house is quiet; the messages wait for the session.",
            ),
        ),
    ),
    DemoCase(
        "HL-0011",
        CLEO,
        {"started_on": 900, "ended_on": 25, "status": "ended", "phase": "post_termination"},
        incidents=(
            _told(
                25,
                "ending",
                {
                    "stage": "ended",
                    "ending": "planned_mutual",
                    "reason": "goals_met",
                    "notice_days": 120,
                    "closing_sessions": 8,
                    "return_condition": "by_appointment",
                },
                by="mutual",
                account="therapist",
                narrative="They looked back over the years, laughed about the broken radiator, "
                "and said goodbye.",
                client_impact="positive",
            ),
        ),
    ),
    DemoCase(
        "HL-0012",
        CLEO,
        {"started_on": 180, "setting": "clinic"},
        incidents=(
            _told(
                15,
                "coercive_measure",
                {
                    "measures": ["security_called"],
                    "stated_reason": "The desk had heard shouting and feared for the other guests.",
                },
                by="institution",
                account="client",
                narrative="Somebody else had shouted in the waiting room, and the porter was "
                "sent to her chair.",
                client_impact="transient_distress",
            ),
        ),
        review={
            "determination": "mistaken_for_danger",
            "review_note": "The desk took one voice for another; the clinic has apologised.",
        },
    ),
    DemoCase(
        "HL-0013",
        CLEO,
        {"started_on": 730, "ended_on": 8, "status": "ended"},
        incidents=(
            _told(
                8,
                "ending",
                {
                    "stage": "ended",
                    "ending": "institution_initiated",
                    "reason": "institutional_policy",
                    "planned_at_outset": False,
                    "abrupt": False,
                    "notice_days": 60,
                    "closing_sessions": 6,
                    "needs_ongoing_care": True,
                    "referral_offered": True,
                    "collateral_loss": ["medication"],
                },
                by="institution",
                account="therapist",
                narrative="The evening programme closed. A new therapist was found in time; "
                "nobody was found to renew the prescriptions it used to write.",
            ),
        ),
    ),
    DemoCase(
        "HL-0014",
        CLEO,
        {"started_on": 340, "setting": "clinic"},
        incidents=(
            _told(
                44,
                "record_request",
                {"request": "access"},
                by="client",
                account="client",
                narrative="He would like to read the notes of his first year, and waits to hear.",
            ),
        ),
    ),
    DemoCase(
        "HL-0015",
        CLEO,
        {"started_on": 225, "setting": "clinic"},
        told_to_supervisor=(
            _told(
                10,
                "hurtful_words",
                {"repeated": False},
                by="therapist",
                account="colleague",
                narrative="A colleague heard, through an open door, the client being told to "
                "grow up, and did not know whom to tell.",
            ),
        ),
    ),
    DemoCase(
        "HL-0016",
        CLEO,
        {"started_on": 95, "setting": "clinic"},
        incidents=(
            _told(
                18,
                "disclosure",
                {"of": "fear_of_ending", "taken_up": False},
                by="client",
                account="client",
                narrative="With his hand on the door he asked whether the summer break means the "
                "end; the hour was over.",
            ),
        ),
        asked=Asked(
            {
                "kind": "peer_consultation",
                "urgency": "routine",
                "question": "How do you come back to something that was said at the door?",
            },
            sent=False,
        ),
    ),
)
