"""The kinds of incidents, by their words."""

from typing import Literal

IncidentKind = Literal[
    "expression",
    "disclosure",
    "crossing",
    "second_role",
    "contact",
    "exception",
    "gift",
    "touch",
    "sexual_conduct",
    "role_reversal",
    "frame_change",
    "ending",
    "absence",
    "risk",
    "coercive_measure",
    "record_conflict",
    "record_request",
    "third_party_contact",
    "hurtful_words",
    "competence_gap",
    "consent",
    "outcome",
    "oversight",
    "cotreatment",
    "safeguarding",
    "fitness",
    "recording",
]

ABOUT_NOBODY = frozenset({"expression", "risk", "outcome", "record_request"})
"""Kinds that speak of the client, never of anyone's conduct."""
