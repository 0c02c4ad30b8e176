"""An incident of each kind."""

from typing import Any

KINDS: dict[str, dict[str, Any]] = {
    "expression": {"by": "client", "feelings": ["love", "rage"]},
    "disclosure": {
        "of": "attachment",
        "responses": ["explored", "boundary_explained"],
        "taken_up": True,
        "responded_on": "2026-03-01",
    },
    "crossing": {"area": "place_space"},
    "second_role": {
        "role": "recovery_peer",
        "timing": "during_therapy",
        "interaction": "regular",
        "precautions": "we sit apart",
    },
    "contact": {
        "therapist_participates": True,
        "social_meetings": False,
        "days_per_week": 3,
        "weeks": 4,
        "client_messages_30d": 25,
        "limits_agreed": False,
    },
    "exception": {"exception": "reduced_fee", "ends_on": "2026-12-31"},
    "gift": {"direction": "both", "item": "favour"},
    "touch": {"touch": "holding", "consent": True, "planned_method": False, "times": 2},
    "sexual_conduct": {"conduct": "proposal"},
    "role_reversal": {"form": "parental_care"},
    "frame_change": {
        "direction": "tighten",
        "elements": ["touch", "fee"],
        "discussed": False,
        "notice_days": 0,
    },
    "ending": {
        "stage": "ended",
        "ending": "therapist_initiated",
        "reason": "therapist_life_event",
        "applies_to": "agreed_contact",
        "planned_at_outset": False,
        "abrupt": True,
        "notice_days": 2,
        "closing_sessions": 0,
        "needs_ongoing_care": True,
        "referral_offered": False,
        "collateral_loss": ["medication"],
        "return_condition": "only_if_crisis",
        "plan": "a last letter",
    },
    "absence": {
        "absence": "parental_leave",
        "days": 90,
        "planned": True,
        "return_due_on": "2026-06-01",
        "returned": False,
        "coverage": True,
    },
    "risk": {
        "indicator": "suicidal_ideation_conditional",
        "count": 2,
        "screened": True,
        "response": "safety_plan",
        "responded_on": "2026-03-02",
    },
    "coercive_measure": {"measures": ["police_called", "site_ban"], "stated_reason": "fear"},
    "record_conflict": {"issue": "unsupported_label"},
    "record_request": {
        "request": "access",
        "requested_on": "2026-02-20",
        "answered_on": "2026-02-25",
    },
    "third_party_contact": {"party": "employer", "basis": "none"},
    "hurtful_words": {"repeated": True},
    "competence_gap": {},
    "consent": {
        "process_explained": False,
        "goals_known": True,
        "questions_refused": False,
        "harm_reported": True,
    },
    "outcome": {"trend": "worse", "months": 4, "times_wished_to_stop": 2, "doubt": True},
    "oversight": {"available": False},
    "cotreatment": {"coordinated": False},
}
"""Every kind with every one of its fields."""

NEEDED: dict[str, dict[str, Any]] = {
    "expression": {"by": "client"},
    "disclosure": {"of": "love"},
    "crossing": {"area": "time"},
    "second_role": {"role": "friend", "interaction": "close"},
    "contact": {},
    "exception": {"exception": "other"},
    "gift": {"direction": "from_client", "item": "gift"},
    "touch": {"touch": "hug"},
    "sexual_conduct": {"conduct": "remark"},
    "role_reversal": {"form": "other"},
    "frame_change": {"direction": "loosen", "elements": ["place"]},
    "ending": {"stage": "raised"},
    "absence": {"absence": "illness", "days": 1},
    "risk": {"indicator": "self_harm"},
    "coercive_measure": {"measures": ["restraint"]},
    "record_conflict": {"issue": "other"},
    "record_request": {"request": "amendment"},
    "third_party_contact": {"party": "friend"},
    "hurtful_words": {},
    "competence_gap": {},
    "consent": {},
    "outcome": {},
    "oversight": {},
    "cotreatment": {},
}
"""Every kind with only what it cannot do without."""

_UNKNOWN = {
    "contact": "therapist_participates social_meetings days_per_week weeks client_messages_30d "
    "limits_agreed",
    "touch": "consent planned_method times",
    "frame_change": "discussed notice_days",
    "ending": "ending planned_at_outset abrupt notice_days closing_sessions needs_ongoing_care "
    "referral_offered return_condition plan",
    "absence": "planned return_due_on returned coverage",
    "risk": "count screened response responded_on",
    "consent": "process_explained goals_known questions_refused harm_reported",
}

PRESUMED: dict[str, dict[str, Any]] = {
    **{kind: dict.fromkeys(names.split()) for kind, names in _UNKNOWN.items()},
    "expression": {"feelings": []},
    "disclosure": {"responses": [], "taken_up": None, "responded_on": None},
    "crossing": {},
    "second_role": {"timing": "unknown", "precautions": None},
    "exception": {"ends_on": None},
    "gift": {},
    "sexual_conduct": {},
    "role_reversal": {},
    "coercive_measure": {"stated_reason": None},
    "record_conflict": {},
    "record_request": {"requested_on": "2026-03-01", "answered_on": None},
    "third_party_contact": {"basis": None},
    "hurtful_words": {"repeated": False},
    "competence_gap": {},
    "outcome": {"trend": "unknown", "months": None, "times_wished_to_stop": None, "doubt": None},
    "oversight": {"available": None},
    "cotreatment": {"coordinated": None},
}
PRESUMED["ending"] |= {"reason": "unknown", "applies_to": "therapy", "collateral_loss": []}
"""What the rest of each kind is then taken to be: the table of the contract."""

COMMON: dict[str, Any] = {
    "occurred_on": "2026-03-01",
    "date_precision": "month",
    "initiator": "mutual",
    "reported_by": "colleague",
    "classification": "enactment",
    "client_impact": "sustained_distress",
    "rationale": "why it was done",
    "narrative": "what happened",
    "discussed_with_client": False,
    "repair": "attempted",
}
