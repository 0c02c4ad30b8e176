"""Looking back by the form: what is asked, what is told beside it, and what is shown once sent."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter, ValidationError

from api.desk.marked import N_
from api.domain.asked_items import asked_parts
from api.domain.errors import FieldError, Invalid, NotFound, Refusal
from api.domain.questionnaires import AnswerText, Item
from api.domain.vocabulary import ItemType, Sharing
from api.door.at_pages import SECRET, Door, Rooms
from api.door.places import LOOK_BACK
from api.door.saying import told_first
from api.door.sent_once import (
    give_receipt_of_form,
    hold_form_sent,
    made_before,
    needs_receipt,
    note_what_came,
    receipt_shown_before,
    receipt_told,
)
from api.door.visits import who_reads
from api.records.asked_versions import AskedVersion, find_version
from api.records.door_bodies import AnswersSent
from api.records.door_responses import asked_at, receive_answers
from api.security.door_secrets import DoorSecrets, ShownQuestions
from api.storage.models.door import Response as Answered

rooms = Rooms()

_ANSWER = "answer-"
"""How the field of an item begins: no item, and no other field, is called so."""
_ASKED, _SHARED = "asked", "shared"
_UNSIGHTLY = N_("There is a sign in this text that cannot be kept. Take it out.")
_TOO_LONG = N_("This is longer than 5,000 characters. Make it shorter.")
_NOT_OFFERED = N_("Choose from what is offered here.")
_NOTHING = N_("Nothing is answered yet: give one answer at least.")
_NOT_HERE = N_(
    "These questions are not asked there. Enter the code or receipt that you had for them."
)
_WORDS: TypeAdapter[str] = TypeAdapter(AnswerText)
_YES_NO = {"true": True, "false": False}


async def show_form(door: Door, refusal: Refusal | None) -> Response:
    """Show what is asked, empty or as it was sent. Raises 404 where nothing is."""
    asked = await _asked_inside(door)
    is_here = asked is not None
    if asked is None:
        asked = await _asked_before(door)
    offered = asked.body.languages
    language = door.language if door.language in offered else offered[0]
    items = [_field_of(item) for item in asked.body.items()]
    return door.page(
        "look_back.html",
        refusal=refusal,
        **await _told_first(door, is_here=is_here),
        title=asked.body.texts.said()[language].title,
        parts_asked=asked_parts(asked.body.parts, asked.body.texts.said()[language]),
        spoken=language,
        begins=_ANSWER,
        mark_field=_ASKED,
        mark=_mark_of(door, asked),
        names=[*items, _SHARED, SECRET],
        sharing=[Sharing.not_yet, Sharing.with_therapist, Sharing.not_with_therapist],
        asks_for_secret=not is_here,
        asks_for_receipt=needs_receipt(door),
    )


@rooms.form(LOOK_BACK, show_form)
async def send_form(door: Door) -> Response:
    """Take what is answered, once, and show the receipt."""
    held = await hold_form_sent(door, Answered)
    before = await made_before(door, held, Answered)
    if before is not None:
        return _sent(door, await receipt_shown_before(door, before), already=True)
    asked = await _asked_inside(door)
    if asked is None and _shown_with(door) is None:
        raise NotFound
    if asked is None:
        raise Invalid(f"/{SECRET}", _NOT_HERE)
    visit, secrets = door.inside, _secrets(door)
    sent = await receive_answers(door.tx, visit, _answers_in(door, asked), secrets)
    receipt = None
    if sent.receipt is not None and visit.box is not None:
        receipt = give_receipt_of_form(door, visit.box)
    note_what_came(door, held, sent.response)
    return _sent(door, receipt, already=False)


def _sent(door: Door, receipt: str | None, *, already: bool) -> Response:
    return door.page("looked_back.html", already=already, **receipt_told(door, receipt))


async def _told_first(door: Door, *, is_here: bool) -> Mapping[str, Any]:
    """Give what is told before anything is asked: supervisors read answers, and by no set day."""
    if door.visit is None or not is_here:
        return told_first(door, None)
    reads = await who_reads(door.tx, door.visit)
    theirs = {"privacy_officers": [], "nobody": not reads.supervisors}
    return {**told_first(door, reads.model_copy(update=theirs)), "read_by": None}


async def _asked_inside(door: Door) -> AskedVersion | None:
    """Give what is asked in this visit: what the form was shown with, or what is asked now."""
    if door.visit is None:
        return None
    shown = _shown_with(door)
    if shown is None:
        return door.asked
    if shown.clinic_id != door.tx.clinic.id:
        return None
    return await asked_at(door.tx, door.visit, shown.questionnaire_id, shown.number)


async def _asked_before(door: Door) -> AskedVersion:
    """Give what a form was shown with that was sent too late, or to where that is not asked.

    Raises 404 where it was shown with nothing. What is asked is about nobody; that it was shown at
    the door is known by its mark.
    """
    shown = _shown_with(door)
    if shown is None:
        raise NotFound
    tx = door.tx
    here = None if door.visit is None else tx.clinic
    await tx.flush()
    await tx.enter_for_work(shown.clinic_id)
    asked = await find_version(tx, shown.questionnaire_id, shown.number)
    if here is not None:
        await tx.enter_again(here)
    if asked is None:
        raise NotFound
    return asked


def _mark_of(door: Door, asked: AskedVersion) -> str:
    """Write into a form what it is shown with; once it was sent, it stays that."""
    shown = _shown_with(door)
    if shown is None:
        shown = ShownQuestions(door.tx.clinic.id, asked.questionnaire_id, asked.number)
    return _secrets(door).marked(shown)


def _shown_with(door: Door) -> ShownQuestions | None:
    return _secrets(door).read_marked(door.value(_ASKED))


def _secrets(door: Door) -> DoorSecrets:
    secrets: DoorSecrets = door.request.app.state.door_secrets
    return secrets


def _field_of(item: Item) -> str:
    return f"{_ANSWER}{item.link_id}"


def _answers_in(door: Door, asked: AskedVersion) -> AnswersSent:
    """Read the form. Raises Invalid, with what is wrong at each field."""
    answers, wrong = [], []
    for item in asked.body.items():
        try:
            value = _read(item, door.value(_field_of(item)))
        except _NoAnswer as error:
            wrong.append(FieldError(pointer=f"/{_field_of(item)}", message=error.says))
            continue
        if value is not None:
            answers.append({"link_id": item.link_id, "value": value})
    shared = door.value(_SHARED) or Sharing.not_yet
    if shared not in Sharing.__members__:
        wrong.append(FieldError(pointer=f"/{_SHARED}", message=_NOT_OFFERED))
    if not (answers or wrong):
        first = next(asked.body.items())
        wrong.append(FieldError(pointer=f"/{_field_of(first)}", message=_NOTHING))
    if wrong:
        refusal = Invalid("", "")
        refusal.errors = wrong
        raise refusal
    told = {"answers": answers, "shared": shared, "no_receipt": bool(door.value("no_receipt"))}
    which = {"questionnaire_id": asked.questionnaire_id, "questionnaire_version": asked.number}
    return AnswersSent.model_validate({**told, **which})


class _NoAnswer(Exception):
    """What was typed is no answer to an item; `says` why."""

    def __init__(self, says: str) -> None:
        super().__init__()
        self.says = says


def _read(item: Item, typed: str) -> bool | int | str | None:
    """Read the answer to an item; None where there is none. Raises _NoAnswer."""
    value: bool | int | str | None = typed.strip() or None
    match item.type:
        case _ if value is None:
            return None
        case ItemType.words:
            return _words_in(typed)
        case ItemType.yes_no:
            value = _YES_NO.get(typed)
        case ItemType.scale:
            numbers = range(item.lowest, item.highest + 1)
            value = next((each for each in numbers if str(each) == typed), None)
    if value is None or not item.may_be(value):
        raise _NoAnswer(_NOT_OFFERED)
    return value


def _words_in(typed: str) -> str:
    try:
        return _WORDS.validate_python(typed)
    except ValidationError as error:
        (first, *_) = error.errors()
        too_long = first["type"] == "string_too_long"
        raise _NoAnswer(_TOO_LONG if too_long else _UNSIGHTLY) from error
