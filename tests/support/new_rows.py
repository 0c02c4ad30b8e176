"""Rows that are written by no door."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from api.domain.vocabulary import (
    Audience,
    Classification,
    ClientImpact,
    DatePrecision,
    Initiator,
    Repair,
    ReportedBy,
    Severity,
)
from api.storage.models.clinical import Incident
from api.storage.models.columns import new_row
from api.storage.models.flags import Flag
from api.storage.transaction import Transaction
from tests.support.world import World

WORDS = "the same words in each row"


def told(tx: Transaction, case_id: UUID, clinic_id: UUID, **other: Any) -> Incident:
    """Make an incident."""
    values = {
        "clinic_id": clinic_id,
        "id": uuid7(),
        "case_id": case_id,
        "created_at": tx.now,
        "updated_at": tx.now,
        "kind": "hurtful_words",
        "occurred_on": tx.today,
        "date_precision": DatePrecision.day,
        "initiator": Initiator.therapist,
        "reported_by": ReportedBy.client,
        "classification": Classification.rupture,
        "client_impact": ClientImpact.unknown,
        "repair": Repair.unknown,
        "details": {"kind": "hurtful_words", "repeated": True},
        "narrative": WORDS,
    }
    return new_row(Incident, **values | other)


def raised(tx: Transaction, case: dict[str, Any], world: World, **other: Any) -> Flag:
    """Make a flag."""
    values = {
        "clinic_id": world.clinician.clinic_id,
        "id": uuid7(),
        "case_id": UUID(case["id"]),
        "created_at": tx.now,
        "updated_at": tx.now,
        "rule": "frame_drift",
        "title": "t",
        "severity": Severity.low,
        "audience": Audience.supervisor,
        "because": "b",
        "evidence": [{"type": "incident", "id": str(uuid7())}],
        "effective_at": tx.now,
        "rule_version": 1,
    }
    return new_row(Flag, **values | other)
