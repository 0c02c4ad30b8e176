"""Who reads what on a stage, and what a read leaves behind."""

from typing import Any
from uuid import uuid4

from httpx import Response
from sqlmodel import col, select

from api.storage.models.journal import JournalEntry
from tests.support.stage import Call, Key
from tests.support.world import Person, World

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
    "/v1/accounts": "supervisor",
    "/v1/cases/{case_id}/accounts": "supervisor",
    "/v1/accounts/{client_account_id}": "supervisor",
    "/v1/imports": "software",
    "/v1/imports/{import_id}": "software",
    "/v1/imports/{import_id}/refusals": "software",
    "/fhir/AuditEvent": "privacy_officer",
    "/door/v1/who-reads": "client",
    "/door/v1/mine": "client",
    "/door/v1/questionnaire": "client",
    "/door/v1/responses": "client",
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


MOVING = {"/v1/journal", "/fhir/AuditEvent", "/metrics", "/v1/cases/{case_id}/export"}
"""Where a read stands in the very next answer."""


def headers_of(answer: Response) -> dict[str, str]:
    """Give the headers that do not differ from request to request."""
    left_out = {"x-request-id", "date"}
    return {name: value for name, value in answer.headers.items() if name not in left_out}


async def told_of(world: World, answer: Response) -> list[tuple[Any, ...]]:
    """Give what the journal tells of a request."""
    of_it = select(JournalEntry).where(
        JournalEntry.request_id == answer.headers["x-request-id"],
    )
    async with world.owner.transaction() as tx:
        entries = (await tx.exec(of_it.order_by(col(JournalEntry.id)))).all()
    return [(each.happening, each.record_type, each.record_ids, each.is_read) for each in entries]
