"""What somebody sent, by its receipt: what became of it, and what they may still do with it."""

from hashlib import sha256

from fastapi import Response
from pydantic import ValidationError

from api.desk.cookies import hold_done
from api.desk.desk import go
from api.desk.marked import N_
from api.domain.door import ENDANGERED
from api.domain.errors import Invalid, NotFound, Refusal
from api.domain.vocabulary import AccountStatus, Sharing
from api.door.at_pages import Door, Rooms, drop_visit
from api.door.my_answers import look_backs_of
from api.door.places import ENTRY, MINE
from api.door.sent_once import hold_form_sent, note_what_came
from api.door.visits import page_of_mine, shown_to_its_writer, throw_away, told
from api.http.pagination import PageQuery
from api.records.client_accounts import add_words, own_account, share, take_back
from api.records.door_bodies import FurtherWords
from api.records.from_accounts import is_shared
from api.storage.models.accounts import Account

rooms = Rooms()

_PATH = f"{MINE}/{{n:int}}"
_NOT_SURE = N_("Say that you are sure, by the box above the button.")
_CHOOSE = N_("Choose from what is offered here.")
_NO_WORDS = N_("Write something first.")
_MOST_WORDS = N_("This is longer than 5,000 characters. Send it in parts.")
_NOT_OPENED = N_("This is not opened by what you came by. Enter the receipt that belongs to it.")
_LAST = 100_000
_LONGEST_CURSOR = 1_024


async def show_mine(door: Door, refusal: Refusal | None) -> Response:
    """List what was sent by this receipt; by a code nothing is shown."""
    if door.visit is None:
        return go(ENTRY)
    query = PageQuery(cursor=_from(door, "cursor"))
    try:
        listed = await page_of_mine(door.tx, door.visit, door.request.app.state.bookmarks, query)
        looked_back = await look_backs_of(door, _from(door, "answered"))
    except Invalid:
        # an address of another receipt, or of another server
        return go(MINE)
    return door.page(
        "mine.html",
        refusal=refusal,
        listed=listed,
        looked_back=looked_back,
        has_receipt=door.visit.own_box is not None,
    )


def _from(door: Door, name: str) -> str | None:
    """Give from where on a list is asked for."""
    asked = door.request.query_params.get(name)
    return None if asked is None else asked[:_LONGEST_CURSOR]


@rooms.form(MINE, show_mine)
async def throw_receipt_away(door: Door) -> Response:
    """Throw the receipt away, and show that nobody opens by it any more what was sent."""
    if not door.value("sure"):
        raise Invalid("/sure", _NOT_SURE)
    await throw_away(door.tx, door.inside)
    await door.tx.flush()
    door.visit = door.clinic = None
    answer = door.page("thrown_away.html")
    drop_visit(door.request, answer)
    return answer


async def show_one(door: Door, refusal: Refusal | None) -> Response:
    """Show one account, what became of it, and the forms for what may still be done with it."""
    try:
        if door.visit is None:
            raise NotFound
        account = await _own(door)
    except NotFound:
        if not door.sent:
            raise NotFound(_NOT_OPENED) from None
        # what was typed is not lost with the visit
        if isinstance(refusal, NotFound):
            refusal = NotFound(_NOT_OPENED)
        return door.page("again.html", refusal=refusal, kept=_KEPT)
    (mine,) = await shown_to_its_writer(door.tx, [account])
    assert door.clinic is not None  # noqa: S101 - they are inside
    unsafe = mine.safe_now in ENDANGERED
    is_open = mine.status != AccountStatus.taken_back
    return door.page(
        "account.html",
        refusal=refusal,
        mine=mine,
        which=mark_of(account),
        sharing=[Sharing.not_yet, Sharing.with_therapist, Sharing.not_with_therapist],
        is_open=is_open,
        is_shared=is_shared(door.tx, account, door.inside.case),
        emergency=door.said(told(door.clinic.door_emergency_text)) if unsafe else None,
    )


_KEPT = ("do", "which", "shared", "sure")
"""What is sent on, beside words, by whoever opens the door anew."""


@rooms.form(_PATH, show_one)
async def change_one(door: Door) -> Response:
    """Add words, say who may read it, or take it back; and show how it stands."""
    account = await _own(door)
    match door.value("do"):
        case "words":
            await _add_words(door, account)
        case "share":
            await _share(door, account)
        case "take_back":
            if not door.value("sure"):
                raise Invalid("/sure", _NOT_SURE)
            await take_back(door.tx, door.inside, account)
        case _:
            raise Invalid("/do", _CHOOSE)
    answer = go(door.request.scope["path"])
    hold_done(door.request, answer)
    return answer


async def _add_words(door: Door, account: Account) -> None:
    try:
        body = FurtherWords.model_validate({"words": door.value("words")})
    except ValidationError as error:
        (first, *_) = error.errors()
        too_long = first["type"] == "string_too_long"
        raise Invalid("/words", _MOST_WORDS if too_long else _NO_WORDS) from error
    held = await hold_form_sent(door, Account)
    if held.record_id is None:
        await add_words(door.tx, door.inside, account, body.words)
        note_what_came(door, held, account)


async def _share(door: Door, account: Account) -> None:
    chosen = door.value("shared")
    if chosen not in Sharing.__members__:
        raise Invalid("/shared", _CHOOSE)
    await share(door.tx, door.inside, account, Sharing[chosen])


async def _own(door: Door) -> Account:
    """Load the account of the address. Raises 404 where this visit does not show it.

    A form says which one it was shown with: another receipt has a first one, too.
    """
    number: int = door.request.path_params["n"]
    if not 1 <= number <= _LAST:
        raise NotFound
    account = await own_account(door.tx, door.inside, number)
    if door.sent and door.value("which") != mark_of(account):
        raise NotFound
    return account


def mark_of(account: Account) -> str:
    """Give what forms tell an account by."""
    return sha256(account.id.bytes).hexdigest()[:16]
