"""Who reads what on a stage."""

from uuid import uuid4

from tests.support.stage import Call, Key
from tests.support.world import Person

READERS = {
    "/v1/users": "admin",
    "/v1/flagged-cases": "supervisor",
    "/v1/supervisions": "admin",
    "/v1/service-accounts": "admin",
    "/v1/service-accounts/{account_id}": "admin",
    "/v1/webhooks": "admin",
    "/v1/webhooks/{webhook_id}": "admin",
    "/v1/webhooks/{webhook_id}/deliveries": "admin",
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}": "admin",
    "/v1/break-glass": "privacy_officer",
    "/v1/journal/heads": "privacy_officer",
    "/v1/legal-holds": "privacy_officer",
    "/v1/legal-holds/{hold_id}": "privacy_officer",
    "/v1/imports": "software",
    "/v1/imports/{import_id}": "software",
    "/v1/imports/{import_id}/refusals": "software",
    "/fhir/AuditEvent": "privacy_officer",
}
"""Who may use a GET that a clinician may not, or sees more there."""


def ids_of(calls: dict[Key, Call]) -> dict[str, str]:
    """Give one id for each name that may stand in a path."""
    named = {name: value for call in reversed(calls.values()) for name, value in call.ids.items()}
    # nobody writes an entry of the journal by its id, or who recorded something, and a code is no
    # record
    unwritten = {
        "entry_id": str(uuid4()),
        "record_id": named["incident_id"],
        "code": "conflict",
        "version_id": "1",
        "definition_id": "happening",
    }
    return {**unwritten, **named}


def reader(people: dict[str, Person], path: str) -> Person:
    return people[READERS.get(path, "clinician")]
