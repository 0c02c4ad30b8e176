"""A request that is sent again with its idempotency key is carried out once."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, col, select
from uuid_utils.compat import uuid7

from api.domain.errors import Conflict, Invalid
from api.http.strict_route import KEY
from api.journal.entries import Happening, told
from api.storage.engine import LOCK_NOT_AVAILABLE
from api.storage.models.integration import RepeatableRequest
from api.storage.transaction import Transaction

REMEMBERED_FOR = timedelta(hours=24)

WHERE = {
    "case": "/v1/cases/{id}",
    "incident": "/v1/incidents/{id}",
    "promise": "/v1/promises/{id}",
    "consultation": "/v1/consultations/{id}",
    "note": "/v1/notes/{id}",
    "flag": "/v1/flags/{id}",
    "recusal": "/v1/cases/{case_id}/recusals/{id}",
    "cover": "/v1/covers/{id}",
    "break_glass": "/v1/break-glass/{id}",
    "disclosure": "/v1/cases/{case_id}/disclosures/{id}",
    "legal_hold": "/v1/legal-holds/{id}",
    "response": "/v1/responses/{id}",
    "account": "/v1/accounts/{id}",
    "questionnaire": "/v1/questionnaires/{id}",
    "user": "/v1/users/{id}",
    "supervision": "/v1/supervisions/{id}",
    "notice": "/v1/me/notices",
    "webhook": "/v1/webhooks/{id}",
    "webhook_delivery": "/v1/webhooks/{webhook_id}/deliveries/{id}",
}
"""Where a record is read, by its type in the journal, or as `remember` calls it.

What else stands in the path is its case, or stood in the path of the request that made it."""

_REMEMBERED = "remembered"
_RAISED = {Happening.flag_opened, Happening.flag_escalated}
_TABLE = SQLModel.metadata.tables[RepeatableRequest.__tablename__]


class DoneBefore(Exception):
    """No refusal: what is asked for was done before, and is shown again, without its text kept."""

    def __init__(self, row: RepeatableRequest, asked: Mapping[str, Any]) -> None:
        super().__init__()
        self.status, self.case_id = row.status or 200, row.case_id
        self.flag_ids = [UUID(flag_id) for flag_id in row.flag_ids]
        names = {**asked, "id": row.record_id, "case_id": row.case_id}
        self.path = WHERE[str(row.record_type)].format_map(names)


class Fingerprints:
    """Tells requests and their bodies apart without keeping either.

    What a body says may be guessed, and a bare hash would confirm the guess: so they have a key.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"repeats:" + secret.encode()).digest()

    def of_key(self, request: Request) -> str:
        """Hash a request's idempotency key, with what it asks for."""
        asked = (request.method, request.url.path, request.headers[KEY])
        return self._hash("\n".join(asked).encode())

    async def of_body(self, request: Request) -> str:
        """Hash what a request says; in JSON, neither order nor white space says anything."""
        said = await request.body()
        # what is no JSON says what it says as it stands
        with suppress(ValueError, RecursionError):
            said = json.dumps(json.loads(said), sort_keys=True).encode()
        return self._hash(request.url.query.encode() + b"\n" + said)

    def _hash(self, what: bytes) -> str:
        return hmac.new(self._key, what, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _FirstTry:
    """A request that is carried out now; at its end, what it made is kept with its key."""

    row: RepeatableRequest
    request: Request
    body_hash: str

    async def __call__(self, tx: Transaction) -> None:
        by_me = self.row.recorded_by_id
        entries = [each for each in told(tx) if each["actor_id"] == by_me and not each["is_read"]]
        made = entries[0] | getattr(self.request.state, _REMEMBERED, {}) if entries else {}
        if made.get("record_type") not in WHERE:
            raise RuntimeError("this request made nothing that can be shown again")
        self.row.change(
            {
                "created_at": tx.now,
                "body_hash": self.body_hash,
                "status": self.request.scope["route"].status_code or 200,
                "record_type": made["record_type"],
                "record_id": UUID(made["record_ids"][0]),
                "case_id": made["case_id"],
                "flag_ids": _flags_raised(entries),
            },
            tx.now,
        )


async def only_once(request: Request, tx: Transaction, actor_id: UUID) -> None:
    """Keep the key of a POST, if it has one, in the transaction of what it does.

    The row is written first: who sends the same at the same time waits here. Raises DoneBefore
    where the same was done within 24 hours, 422 for another body, and 409 where it is being done
    just now. What is refused or fails keeps nothing, so it may be tried again.
    """
    if request.method != "POST" or KEY not in request.headers:
        return
    fingerprints: Fingerprints = request.app.state.fingerprints
    body_hash = await fingerprints.of_body(request)
    tried = {
        "clinic_id": tx.clinic.id,
        "id": uuid7(),
        "created_at": tx.now,
        "updated_at": tx.now,
        "version": 1,
        "recorded_by_id": actor_id,
        "key_hash": fingerprints.of_key(request),
        "body_hash": body_hash,
        "flag_ids": [],
    }
    row = await hold_key(tx, tried)
    if row.id != tried["id"] and row.created_at > tx.now - REMEMBERED_FOR:
        if row.body_hash != body_hash:
            raise Invalid(
                f"/header/{KEY}", "This key came before with another body: take a new key."
            )
        raise DoneBefore(row, request.path_params)
    tx.run_before_commit(_FirstTry(row, request, body_hash))


def remember(request: Request, record_type: str, record_id: UUID) -> None:
    """Show this record where a request is sent again: its entry tells of what it hangs on."""
    made = {"record_type": record_type, "record_ids": [str(record_id)]}
    setattr(request.state, _REMEMBERED, made)


async def hold_key(tx: Transaction, tried: dict[str, Any]) -> RepeatableRequest:
    """Give the row of a key, written now or before; until the end nobody else gets it."""
    kept = select(RepeatableRequest).where(
        RepeatableRequest.recorded_by_id == tried["recorded_by_id"],
        col(RepeatableRequest.key_hash) == tried["key_hash"],
    )
    try:
        await tx.insert_unless_there(_TABLE, tried)
        row: RepeatableRequest = (await tx.exec(kept.with_for_update())).one()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise being_carried_out() from error
        raise
    return row


def being_carried_out() -> Conflict:
    """Refuse what is asked twice at the same time."""
    return Conflict(
        "The same request is being carried out just now. Send it again in a moment.",
        headers={"Retry-After": "2"},
    )


def _flags_raised(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [
        flag_id
        for each in entries
        if each["happening"] in _RAISED
        for flag_id in each["record_ids"]
    ]
