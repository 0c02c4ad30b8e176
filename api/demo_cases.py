"""The people and cases of the demo: all invented. A case is a line of steps, in their order.

Every `on`, and every field that ends in `_on`, counts days before the day the demo is played.
"""

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the clinic."""

    name: str
    role: str
    email: str


@dataclass(frozen=True, slots=True)
class Incident:
    """A clinician's report, or the supervisor's; `by` began it, by the account of `told_by`."""

    on: int
    by: str
    told_by: str
    narrative: str
    details: Record
    more: Record = field(default_factory=dict)
    by_supervisor: bool = False


@dataclass(frozen=True, slots=True)
class Promise:
    """An entry in the promise ledger, by the client's account."""

    on: int
    wording: str
    more: Record


@dataclass(frozen=True, slots=True)
class Consultation:
    """A draft; sent, if told so; accepted and completed by the supervisor, where advice is."""

    request: Record
    sent: bool = True
    advice: Record | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """The supervisor's determination of the last incident."""

    determination: Record


@dataclass(frozen=True, slots=True)
class Look:
    """The supervisor takes on the flag of a rule, and resolves it where a resolution is given."""

    rule: str
    resolution: Record | None = None


Step = Incident | Promise | Consultation | Review | Look


@dataclass(frozen=True, slots=True)
class Case:
    """A case, its clinician, and what was recorded on it."""

    client_ref: str
    clinician: Person
    fields: Record
    steps: tuple[Step, ...]


CLINIC = "Harbour Lane Clinic"
ADA = Person("Dr Ada Fenwick", "clinician", "ada@harbour-lane.example")
BRUNO = Person("Dr Bruno Castellan", "clinician", "bruno@harbour-lane.example")
CLEO = Person("Dr Cleo Marchbanks", "clinician", "cleo@harbour-lane.example")
DOROTHEA = Person("Dr Dorothea Quill", "supervisor", "dorothea@harbour-lane.example")
EMERIC = Person("Dr Emeric Vane", "consultant", "emeric@harbour-lane.example")
FLORA = Person("Flora Pennywhistle", "privacy_officer", "flora@harbour-lane.example")
ADMIN = Person("Admin", "admin", "admin@harbour-lane.example")
PEOPLE = (ADA, BRUNO, CLEO, DOROTHEA, EMERIC, FLORA, ADMIN)


def _case(client_ref: str, clinician: Person, started_on: int, *steps: Step, **more: Any) -> Case:
    return Case(client_ref, clinician, {"started_on": started_on, **more}, steps)


CASES = (
    _case(
        "HL-0001",
        ADA,
        420,
        Incident(
            30,
            "client",
            "therapist",
            "She keeps the appointment card in her coat pocket; together they wondered what "
            "door it opens.",
            {"kind": "disclosure", "of": "attachment", "responses": ["explored"], "taken_up": True},
        ),
        attachment_roles=["mother"],
    ),
    _case(
        "HL-0002",
        ADA,
        300,
        Incident(
            16,
            "client",
            "client",
            "He said, almost too quietly to hear, that he is in love with her. She thanked him "
            "for his trust, said what therapy can be, and asked how it was to say it.",
            {
                "kind": "disclosure",
                "of": "love",
                "responses": ["boundary_explained", "explored"],
                "taken_up": True,
            },
        ),
        attachment_roles=["romantic_love"],
    ),
)
