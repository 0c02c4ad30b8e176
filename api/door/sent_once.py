"""A form that is sent twice, as by a double click, is taken once, and both answers are alike."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, TypeVar

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from api.desk.same_origin import TOKEN
from api.domain.errors import Forbidden
from api.door.at_pages import ONCE_MORE, SECRET, Door
from api.http.idempotency import hold_key
from api.security.door_secrets import DoorSecrets
from api.storage.models.accounts import Account
from api.storage.models.door import Box, Response
from api.storage.models.integration import RepeatableRequest

_CREATED = 201

Kept = Account | Response
"""What a form makes that is sent at the door."""
Made = TypeVar("Made", Account, Response)


async def hold_form_sent(door: Door, of: type[Kept]) -> RepeatableRequest:
    """Give the row of the form that is sent, which says what came of it if it was sent before.

    What was corrected, and sent once more by the same form, is another sending: nothing that
    somebody adds is lost. Until the end of the transaction nobody else gets the row; what is
    refused keeps nothing.
    """
    form, said = _hash(door.value(TOKEN)), _hash(repr(_said(door)))
    row = await _hold(door, form, said)
    if row.record_type == of.noun and row.body_hash != said:
        row = await _hold(door, _hash(f"{form} {said}"), said)
    return row


def _said(door: Door) -> list[tuple[str, str]]:
    """Give what was typed and chosen, but for what opens the door."""
    return [each for each in door.sent if each[0] not in (TOKEN, SECRET)]


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def _hold(door: Door, key: str, said: str) -> RepeatableRequest:
    tried = {
        "clinic_id": door.tx.clinic.id,
        "id": uuid7(),
        "created_at": door.tx.now,
        "updated_at": door.tx.now,
        "version": 1,
        # whoever sends it is nobody's account here
        "recorded_by_id": door.inside.case.id,
        "key_hash": key,
        "body_hash": said,
        "flag_ids": [],
    }
    return await hold_key(door.tx, tried)


def note_what_came(door: Door, row: RepeatableRequest, made: Kept) -> None:
    """Keep what came of a form."""
    row.change(
        {
            "status": _CREATED,
            "record_type": made.noun,
            "record_id": made.id,
            "case_id": made.case_id,
        },
        door.tx.now,
    )


async def made_before(door: Door, row: RepeatableRequest, model: type[Made]) -> Made | None:
    """Load what a form made before; None where it is sent for the first time.

    Raises 403 for the secret of a form that made something else: it is one form's alone.
    """
    if row.record_id is None:
        return None
    if row.record_type != model.noun:
        raise Forbidden(ONCE_MORE)
    statement = select(model).where(model.clinic_id == door.tx.clinic.id, model.id == row.record_id)
    made: Made = (await door.tx.exec(statement)).one()
    return made


def give_receipt_of_form(door: Door, box: Box) -> str:
    """Let the receipt of this very form open a box, which nobody was shown another for."""
    secrets: DoorSecrets = door.request.app.state.door_secrets
    receipt = secrets.receipt_for(door.value(TOKEN))
    box.receipt_hash = secrets.hash_of(receipt)
    return receipt


async def receipt_shown_before(door: Door, made: Kept) -> str | None:
    """Give the receipt again that this very form was answered with; None where it was with none.

    Of a double click a browser shows the second answer alone.
    """
    secrets: DoorSecrets = door.request.app.state.door_secrets
    receipt = secrets.receipt_for(door.value(TOKEN))
    statement = select(Box).where(
        Box.clinic_id == door.tx.clinic.id,
        Box.id == made.box_id,
        col(Box.receipt_hash) == secrets.hash_of(receipt),
    )
    return None if (await door.tx.exec(statement)).first() is None else receipt


def needs_receipt(door: Door) -> bool:
    """Tell whether no receipt opens yet what is sent in this visit."""
    visit = door.visit
    return visit is None or (
        visit.invitation is not None and (visit.box is None or visit.box.receipt_hash is None)
    )


def receipt_told(door: Door, receipt: str | None) -> Mapping[str, Any]:
    """Give what is told of the receipt, once something was sent: it is shown, or known already."""
    return {
        "receipt": receipt,
        "by_receipt": door.inside.own_box is not None,
        "opens": not needs_receipt(door),
    }
