"""A form that is sent twice, as by a double click, is taken once; and both answers say the same."""

from hashlib import sha256
from uuid import UUID

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.desk.same_origin import TOKEN
from api.door.at_pages import Door
from api.http.idempotency import hold_key
from api.security.door_secrets import DoorSecrets
from api.storage.models.accounts import Account
from api.storage.models.door import Box
from api.storage.models.integration import RepeatableRequest

_CREATED = 201


async def hold_form_sent(door: Door) -> RepeatableRequest:
    """Give the row of the form that is sent, which says what came of it if it was sent before.

    Until the end of the transaction nobody else gets it; what is refused keeps nothing.
    """
    key = sha256(door.value(TOKEN).encode()).hexdigest()
    tried = {
        "clinic_id": door.tx.clinic.id,
        "id": uuid7(),
        "created_at": door.tx.now,
        "updated_at": door.tx.now,
        "version": 1,
        # whoever sends it is nobody's account here
        "recorded_by_id": door.inside.case.id,
        "key_hash": key,
        "body_hash": key,
        "flag_ids": [],
    }
    return await hold_key(door.tx, tried)


def note_what_came(door: Door, row: RepeatableRequest, account: Account) -> None:
    """Keep what came of a form."""
    row.change(
        {
            "status": _CREATED,
            "record_type": Account.noun,
            "record_id": account.id,
            "case_id": account.case_id,
        },
        door.tx.now,
    )


async def account_made(door: Door, account_id: UUID) -> Account:
    """Load what a form made before."""
    statement = select(Account).where(
        Account.clinic_id == door.tx.clinic.id, Account.id == account_id
    )
    account: Account = (await door.tx.exec(statement)).one()
    return account


def give_receipt_of_form(door: Door, box: Box) -> str:
    """Let the receipt of this very form open a box, which nobody was shown another for."""
    secrets: DoorSecrets = door.request.app.state.door_secrets
    receipt = secrets.receipt_for(door.value(TOKEN))
    box.receipt_hash = secrets.hash_of(receipt)
    return receipt


async def receipt_shown_before(door: Door, account: Account) -> str | None:
    """Give the receipt again that this very form was answered with; None where it was with none.

    Of a double click a browser shows the second answer alone.
    """
    secrets: DoorSecrets = door.request.app.state.door_secrets
    receipt = secrets.receipt_for(door.value(TOKEN))
    statement = select(Box).where(
        Box.clinic_id == door.tx.clinic.id,
        Box.id == account.box_id,
        col(Box.receipt_hash) == secrets.hash_of(receipt),
    )
    return None if (await door.tx.exec(statement)).first() is None else receipt
