"""What happens to an account: it is sent, added to, shared, taken back; read, answered, closed."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, func, select

from api.access.at_door import Visit
from api.domain.errors import Conflict, Invalid, NotFound, TooMany
from api.domain.rules.moment import midnight
from api.domain.vocabulary import (
    AccountStatus,
    AccountWant,
    FlagStatus,
    ResponseBy,
    SafeNow,
    Sharing,
)
from api.flags.catching_up import catch_up
from api.flags.reconcile import reconcile_flags
from api.journal.entries import Happening, record_row
from api.records.create import recorded
from api.records.door_bodies import MOST_ACCOUNTS_A_DAY, AccountCreate
from api.records.door_readers import readers_of
from api.records.from_accounts import is_shared, requests_in
from api.records.repeated_accounts import sent_already
from api.security.door_secrets import DoorSecrets, id_made_at, new_door_secret
from api.storage.models.accounts import (
    Account,
    AccountExclusion,
    AccountMove,
    AccountReply,
    AccountWords,
    MoveKind,
)
from api.storage.models.clinical import Case, LegalHold
from api.storage.models.columns import new_row
from api.storage.models.door import Box
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.transaction import Transaction

TOMORROW = "This is as much as can be sent in one day. Keep what you wrote, and send it tomorrow."
NOT_SHOWN = "This is nobody whose name was shown; name one of those, or leave it out."
NO_COPY = "A guardian asks the clinic itself for a copy, and not at this door."
TAKEN_BACK = "This was taken back; nothing is added to it."
SHARED_BY_NOW = "The therapist may read it by now; that cannot be taken back any more."


class Sent(NamedTuple):
    """What was sent: its number in the box, and the receipt, the first time alone."""

    account: Account
    receipt: str | None


async def send_account(
    tx: Transaction, visit: Visit, body: AccountCreate, language: str, secrets: DoorSecrets
) -> Sent:
    """Take what somebody says at the door of a case, whose lock is held.

    Raises 429 where their box took as much today as it takes, unless they are not safe. What is
    sent twice in one visit is one account.
    """
    await _refuse_who_was_not_shown(tx, visit.case, body.not_to)
    if visit.by == ResponseBy.guardian and AccountWant.a_copy in body.wants:
        raise Invalid("/wants", NO_COPY)
    await catch_up(tx, visit.case)
    if (sent := await sent_already(tx, visit, body)) is not None:
        return Sent(sent, None)
    box, receipt = await box_of(tx, visit, secrets, wants_receipt=not body.no_receipt)
    if body.safe_now != SafeNow.no:
        await refuse_more_today(tx, Account, box, MOST_ACCOUNTS_A_DAY)
    account = await _new_account(tx, visit, box, body, language)
    await tx.flush()
    for user_id in dict.fromkeys(body.not_to):
        tx.add(_exclusion(tx, account, user_id, by_client=True))
    if visit.case.clinician_id not in body.not_to:
        tx.add(_exclusion(tx, account, visit.case.clinician_id, by_client=False))
    for request in requests_in(tx, account):
        tx.add(request)
        record_row(tx, Happening.incident_reported, request, actor_id=box.id)
    visit.case.door_used = True
    record_row(tx, Happening.account_received, account, actor_id=box.id)
    await reconcile_flags(tx, visit.case, actor_id=box.id)
    return Sent(account, receipt)


async def box_of(
    tx: Transaction, visit: Visit, secrets: DoorSecrets, *, wants_receipt: bool
) -> tuple[Box, str | None]:
    """Give the box of a visit, made with the first that is sent; and its receipt, when it is made.

    Of what was sent by a code before nothing is known: every visit by one has a box of its own.
    """
    box = visit.box
    if box is None:
        box = new_row(
            Box,
            **recorded(tx, None),
            case_id=visit.case.id,
            by=visit.by,
            receipt_hash=None,
            last_sent_at=tx.now,
        )
        tx.add(box)
        await tx.flush()
        visit.box, visit.session.box_id = box, box.id
    box.last_sent_at = tx.now
    if visit.invitation is None or not wants_receipt or box.receipt_hash is not None:
        return box, None
    receipt = new_door_secret()
    box.receipt_hash = secrets.hash_of(receipt)
    return box, receipt


async def own_account(tx: Transaction, visit: Visit, number: int) -> Account:
    """Load one account of a box that its receipt opened. Raises 404 for any other."""
    box = visit.own_box
    if box is None:
        raise NotFound
    statement = select(Account).where(
        Account.clinic_id == tx.clinic.id, Account.box_id == box.id, Account.number == number
    )
    account = (await tx.exec(statement)).first()
    if account is None:
        raise NotFound
    found: Account = account
    return found


async def add_words(tx: Transaction, visit: Visit, account: Account, words: str) -> None:
    """Add further words: the account is received anew, and waits for an answer from today on."""
    if account.status == AccountStatus.taken_back:
        raise Conflict(TAKEN_BACK)
    await catch_up(tx, visit.case)
    tx.add(
        new_row(
            AccountWords,
            **recorded(tx, None),
            case_id=account.case_id,
            account_id=account.id,
            words=words,
        )
    )
    await _keep_from_therapist(tx, visit.case, account)
    account.change({"status": AccountStatus.received, "words_at": tx.now, "read_at": None}, tx.now)
    _touch(tx, visit)
    await _moved(tx, visit, account, Happening.account_worded)


async def take_back(tx: Transaction, visit: Visit, account: Account) -> None:
    """Take an account back: what nobody has read is destroyed, unless the case is held.

    What was read stays read, and its readers see that it was taken back.
    """
    if account.status == AccountStatus.taken_back:
        return
    await catch_up(tx, visit.case)
    if not await _was_read(tx, account) and not await _is_held(tx, account.case_id):
        await _destroy(tx, account)
    taken = {"status": AccountStatus.taken_back, "taken_back_at": tx.now}
    account.change({**taken, **_unshared(tx, account)}, tx.now)
    await _moved(tx, visit, account, Happening.account_taken_back)


async def share(tx: Transaction, visit: Visit, account: Account, sharing: Sharing) -> None:
    """Say whether the therapist may read it: from the next midnight on, and until then not yet."""
    if account.status == AccountStatus.taken_back:
        raise Conflict(TAKEN_BACK)
    # who has the case now reads nothing that was shared with another
    is_theirs = account.shared_with_id in (None, visit.case.clinician_id)
    if account.shared == sharing and is_theirs:
        return
    if is_shared(tx, account, visit.case):
        raise Conflict(SHARED_BY_NOW)
    account.change(_sharing(tx, visit.case, sharing), tx.now)
    record_row(tx, Happening.account_shared, account, actor_id=account.box_id)


async def reply_to(tx: Transaction, account: Account, reply: str, by: UUID) -> AccountReply:
    """Answer an account. Raises 409 where it was taken back or closed."""
    _refuse_settled(account)
    row = new_row(
        AccountReply,
        **recorded(tx, by),
        case_id=account.case_id,
        account_id=account.id,
        reply=reply,
    )
    tx.add(row)
    account.change({"status": AccountStatus.answered, "answered_at": tx.now}, tx.now)
    record_row(tx, Happening.account_answered, account, actor_id=by)
    return row


def _refuse_settled(account: Account) -> None:
    if account.status == AccountStatus.taken_back:
        raise Conflict("The client took this back.")
    if account.status == AccountStatus.closed:
        raise Conflict("This account is closed. It is open again once the client adds words.")


def refuse_unanswered(account: Account) -> None:
    """Raise 409 where an answer is wanted and the latest words have none."""
    _refuse_settled(account)
    wanted = AccountWant.an_answer in account.wants
    if wanted and account.status != AccountStatus.answered:
        raise Conflict("An answer is wanted: reply first, and close then.")


def new_move(
    tx: Transaction, account: Account, kind: MoveKind, by: UUID, reason: str | None = None
) -> AccountMove:
    """Keep what a reader did with an account."""
    return new_row(
        AccountMove,
        **recorded(tx, by),
        case_id=account.case_id,
        account_id=account.id,
        kind=kind,
        reason=reason,
    )


async def step_out(tx: Transaction, account: Account, by: UUID, reason: str) -> None:
    """Let somebody read an account no more; why is kept for its readers.

    What they had taken on of it waits for somebody else.
    """
    taken_on = select(Flag).where(
        Flag.clinic_id == tx.clinic.id,
        Flag.account_id == account.id,
        Flag.assigned_to_id == by,
        IS_UNRESOLVED,
    )
    for flag in await tx.exec(taken_on):
        open_again = {"status": FlagStatus.open, "assigned_to_id": None, "acknowledged_at": None}
        flag.change(open_again, tx.now)
        record_row(tx, Happening.flag_unassigned, flag, actor_id=by)
    tx.add(new_move(tx, account, MoveKind.stepped_out, by, reason))
    tx.add(_exclusion(tx, account, by, by_client=False))
    record_row(tx, Happening.account_stepped_out, account, actor_id=by)


async def _new_account(
    tx: Transaction, visit: Visit, box: Box, body: AccountCreate, language: str
) -> Account:
    counted = select(func.count()).where(
        Account.clinic_id == tx.clinic.id, Account.box_id == box.id
    )
    number = (await tx.exec(counted.select_from(Account))).one() + 1
    apart = {"when", "to", "not_to", "shared", "language", "no_receipt"}
    said = body.model_dump(exclude=apart)
    account = new_row(
        Account,
        **said,
        **_sharing(tx, visit.case, body.shared),
        **recorded(tx, None),
        case_id=visit.case.id,
        box_id=box.id,
        number=number,
        by=visit.by,
        came_by=visit.came_by,
        language=language,
        happened_on=body.when,
        addressed_to=body.to,
        words_at=tx.now,
    )
    tx.add(account)
    return account


def _sharing(tx: Transaction, case: Case, sharing: Sharing) -> dict[str, Any]:
    if sharing != Sharing.with_therapist:
        nobody = dict.fromkeys(("shared_from", "shared_with_id", "shared_as"))
        return {"shared": sharing, **nobody}
    begins = begins_to_be_shared(tx)
    return {
        "shared": sharing,
        "shared_from": begins,
        "shared_with_id": case.clinician_id,
        # the therapist could tell from an id of now when it was sent
        "shared_as": id_made_at(midnight(begins, tx.clinic.zone)),
    }


def begins_to_be_shared(tx: Transaction) -> date:
    """Give the day from whose first instant on the therapist reads what is shared now."""
    return tx.today + timedelta(days=1)


def _unshared(tx: Transaction, account: Account) -> dict[str, Any]:
    """Share no more what is not shared yet."""
    if account.shared_from is None or account.shared_from <= tx.today:
        return {}
    return dict.fromkeys(("shared_from", "shared_with_id", "shared_as"))


def _exclusion(
    tx: Transaction, account: Account, user_id: UUID, *, by_client: bool
) -> AccountExclusion:
    return new_row(
        AccountExclusion,
        **recorded(tx, None),
        account_id=account.id,
        user_id=user_id,
        by_client=by_client,
    )


async def _keep_from_therapist(tx: Transaction, case: Case, account: Account) -> None:
    """Keep an account from who has the case now, whatever they come to be to it later."""
    kept = select(col(AccountExclusion.id)).where(
        AccountExclusion.clinic_id == tx.clinic.id,
        AccountExclusion.account_id == account.id,
        AccountExclusion.user_id == case.clinician_id,
    )
    if (await tx.exec(kept)).first() is None:
        tx.add(_exclusion(tx, account, case.clinician_id, by_client=False))


async def _refuse_who_was_not_shown(tx: Transaction, case: Case, not_to: Sequence[UUID]) -> None:
    if not not_to:
        return
    shown = (await readers_of(tx, case)).shown
    for place, user_id in enumerate(not_to):
        if user_id not in shown:
            raise Invalid(f"/not_to/{place}", NOT_SHOWN)


async def refuse_more_today(tx: Transaction, model: Any, box: Box, most: int) -> None:
    """Raise 429 where a box took as much of something as it takes in a day of the clinic."""
    begins, ends = (midnight(tx.today + timedelta(days=n), tx.clinic.zone) for n in (0, 1))
    sent = select(func.count()).where(
        model.clinic_id == tx.clinic.id, model.box_id == box.id, model.created_at >= begins
    )
    if (await tx.exec(sent.select_from(model))).one() >= most:
        raise TooMany(int((ends - tx.now).total_seconds()) + 1, TOMORROW)


async def _was_read(tx: Transaction, account: Account) -> bool:
    read = select(col(AccountMove.id)).where(
        AccountMove.clinic_id == tx.clinic.id,
        AccountMove.account_id == account.id,
        AccountMove.kind == MoveKind.read,
    )
    return (await tx.exec(read.limit(1))).first() is not None


async def _is_held(tx: Transaction, case_id: UUID) -> bool:
    held = select(col(LegalHold.id)).where(
        LegalHold.clinic_id == tx.clinic.id,
        LegalHold.case_id == case_id,
        col(LegalHold.released_at).is_(None),
    )
    return (await tx.exec(held.limit(1))).first() is not None


async def _destroy(tx: Transaction, account: Account) -> None:
    account.happened = account.reach = None
    words = select(AccountWords).where(
        AccountWords.clinic_id == tx.clinic.id, AccountWords.account_id == account.id
    )
    for row in await tx.exec(words):
        row.words = None


def _touch(tx: Transaction, visit: Visit) -> None:
    if visit.box is not None:
        visit.box.last_sent_at = tx.now


async def _moved(tx: Transaction, visit: Visit, account: Account, happening: Happening) -> None:
    record_row(tx, happening, account, actor_id=account.box_id)
    await reconcile_flags(tx, visit.case, actor_id=account.box_id)
