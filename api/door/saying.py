"""Saying what happened: the form, what is told before it, and what is shown once it was sent."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from fastapi import Response
from pydantic import ValidationError

from api.desk.marked import N_
from api.domain.door import ENDANGERED
from api.domain.errors import FieldError, Invalid, Refusal
from api.domain.vocabulary import (
    AccountTo,
    AccountTopic,
    AccountWant,
    ResponseBy,
    SafeNow,
    Sharing,
)
from api.door.at_pages import Door, Rooms
from api.door.places import SAY
from api.door.schemas import WhoReads
from api.door.sent_once import (
    give_receipt_of_form,
    hold_form_sent,
    made_before,
    needs_receipt,
    note_what_came,
    receipt_shown_before,
    receipt_told,
)
from api.door.visits import told, who_reads
from api.records.client_accounts import send_account
from api.records.door_bodies import AccountCreate
from api.storage.models.accounts import Account

rooms = Rooms()

_YEAR, _MONTH, _DAY = "year", "month", "day"
_TOO_LONG = "string_too_long"
_NOTHING = N_("Write what happened. A few words are enough.")
_OTHER_SIGNS = N_("There is a sign in this text that cannot be kept. Take it out.")
_NO_SUCH_DAY = N_("There is no such day. The year is enough; a month or a day may be added.")
_NOT_OFFERED = N_("Choose from what is offered here.")
_SAID = {
    ("happened", _TOO_LONG): N_("This is longer than 20,000 characters. Send it in parts."),
    ("reach", _TOO_LONG): N_("This is longer than 1,000 characters. Make it shorter."),
    ("happened", "string_too_short"): _NOTHING,
    ("happened", "value_error"): _OTHER_SIGNS,
    ("reach", "value_error"): _OTHER_SIGNS,
}
"""What is said of a field, by what is wrong with it."""


async def show_form(door: Door, refusal: Refusal | None) -> Response:
    """Show the form, empty or as it was sent; before it, what is good to know first."""
    reads, guardian = None, False
    if door.visit is not None:
        reads = await who_reads(door.tx, door.visit)
        guardian = door.visit.by == ResponseBy.guardian
    return door.page(
        "say.html",
        refusal=refusal,
        **told_first(door, reads),
        topics=[*AccountTopic],
        wants=[each for each in AccountWant if not (guardian and each == AccountWant.a_copy)],
        safe=[*SafeNow],
        sharing=[Sharing.not_yet, Sharing.with_therapist, Sharing.not_with_therapist],
        addressees=[*AccountTo],
        unsafe=door.value("safe_now") in ENDANGERED,
        asks_for_receipt=needs_receipt(door),
    )


def told_first(door: Door, reads: WhoReads | None) -> Mapping[str, Any]:
    """Give what is told before anything is asked; nothing of a case without a visit."""
    if reads is None:
        return {"reads": None, "emergency": None}
    return {
        "reads": reads,
        "read_by": door.tx.today + timedelta(days=reads.read_within_days),
        "emergency": door.said(reads.emergency),
        "duty": door.said(reads.duty),
        "elsewhere": door.said(reads.elsewhere),
        "is_guardian": door.inside.by == ResponseBy.guardian,
    }


@rooms.form(SAY, show_form)
async def send_form(door: Door) -> Response:
    """Take what is said, once, and show the receipt."""
    held = await hold_form_sent(door, Account)
    account = await made_before(door, held, Account)
    if account is not None:
        return _sent(door, account, await receipt_shown_before(door, account), already=True)
    visit, secrets = door.inside, door.request.app.state.door_secrets
    sent = await send_account(door.tx, visit, _said_in(door), door.language, secrets)
    receipt = None
    if sent.receipt is not None and visit.box is not None:
        receipt = give_receipt_of_form(door, visit.box)
    note_what_came(door, held, sent.account)
    return _sent(door, sent.account, receipt, already=sent.account.created_at < door.tx.now)


def _sent(door: Door, account: Account, receipt: str | None, *, already: bool) -> Response:
    clinic = door.clinic
    assert clinic is not None  # noqa: S101 - whoever sent something is inside
    unsafe = account.safe_now in ENDANGERED
    return door.page(
        "sent.html",
        already=already,
        **receipt_told(door, receipt),
        emergency=door.said(told(clinic.door_emergency_text)) if unsafe else None,
        read_by=door.tx.today + timedelta(days=clinic.door_read_within_days),
    )


def _said_in(door: Door) -> AccountCreate:
    """Read the form. Raises Invalid, with what is wrong at each field."""
    told = {
        "happened": door.value("happened"),
        "topics": list(dict.fromkeys(door.values("topics"))),
        "wants": list(dict.fromkeys(door.values("wants"))),
        "safe_now": door.value("safe_now") or SafeNow.not_said,
        "reach": door.value("reach").strip() or None,
        "to": door.value("to") or AccountTo.supervisors,
        "not_to": list(dict.fromkeys(door.values("not_to"))),
        "shared": door.value("shared") or Sharing.not_yet,
        "language": door.language,
        "no_receipt": bool(door.value("no_receipt")),
        **_day_in(door),
    }
    try:
        return AccountCreate.model_validate(told)
    except ValidationError as error:
        raise _refused(error) from error


def _refused(error: ValidationError) -> Invalid:
    refusal = Invalid("", "")
    refusal.errors = [_told_of(str(each["loc"][0]), each["type"]) for each in error.errors()]
    return refusal


def _told_of(name: str, kind: str) -> FieldError:
    said = _NO_SUCH_DAY if name == "when" else _SAID.get((name, kind), _NOT_OFFERED)
    return FieldError(pointer=f"/{name}", message=said)


def _day_in(door: Door) -> dict[str, str]:
    """Read how much is known of a day: its year, its month, or all of it; or what is no day."""
    typed = [door.value(name).strip() for name in (_YEAR, _MONTH, _DAY)]
    known = [each for each in typed if each]
    if not known:
        return {}
    # a day without its month, or a month without its year, is none
    if typed[: len(known)] != known or not all(each.isdecimal() for each in known):
        return {"when": ""}
    numbers = [int(each[:4]) for each in known] + [1] * (3 - len(known))
    try:
        day = date(*numbers)
    except ValueError:
        return {"when": ""}
    return {"when": day.isoformat(), "date_precision": (_YEAR, _MONTH, _DAY)[len(known) - 1]}
