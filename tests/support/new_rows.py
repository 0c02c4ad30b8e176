"""Rows that are written by no door."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from api.domain.vocabulary import (
    Classification,
    ClientImpact,
    DatePrecision,
    Initiator,
    Repair,
    ReportedBy,
)
from api.storage.models.clinical import Incident
from api.storage.models.columns import new_row
from api.storage.transaction import Transaction

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
