"""Who is at a client's door: by an invitation's code or a receipt, for a short visit."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from sqlalchemy import (
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    null,
    or_,
    text,
    union_all,
)
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from api.access.case_relationship import locked
from api.access.door_guesses import GuessesAtDoor
from api.access.sessions import NOBODY
from api.access.visibility.cases import on_its_case
from api.domain.errors import Unauthorized
from api.domain.vocabulary import AccountStatus, CameBy, InvitationFor, ResponseBy
from api.http.request_transaction import Tx
from api.security.door_secrets import DoorSecrets, DoorToken, new_door_token, parse_door_token
from api.security.opaque_tokens import hash_of
from api.storage.models.accounts import Account
from api.storage.models.clinical import Case
from api.storage.models.columns import new_row
from api.storage.models.door import Box, DoorSession, Invitation
from api.storage.models.people import Clinic
from api.storage.questions import AcrossClinics
from api.storage.transaction import Transaction

KEPT_OPEN = timedelta(days=365)
"""How long a receipt opens its box after the last that was written of what is in it."""
IDLE, WHOLE = timedelta(minutes=30), timedelta(hours=4)
"""How long a visit lasts since the last request, and at most."""

WRONG = "This code or receipt does not open the door. Look whether each sign is the one written."
_ENDED = "This visit has ended. Enter the code or the receipt again."

door_bearer = HTTPBearer(auto_error=False)

_NONE = cast(null(), Uuid)
_SECRETS_AT = AcrossClinics(
    plain=union_all(
        sa_select(col(Invitation.clinic_id), col(Invitation.id), _NONE).where(
            col(Invitation.code_hash) == bindparam("secret")
        ),
        sa_select(col(Box.clinic_id), _NONE, col(Box.id)).where(
            col(Box.receipt_hash) == bindparam("secret")
        ),
    ),
    guarded=text("SELECT clinic_id, invitation_id, box_id FROM door_secrets_at(:secret)"),
)


@dataclass(slots=True)
class Visit:
    """Somebody at the door of a case; `box` once they sent something, or came by its receipt.

    By a code nothing is shown that was ever sent, not even in the same visit: whoever made the
    invitation knows the code.
    """

    session: DoorSession
    case: Case
    by: ResponseBy
    invitation: Invitation | None
    box: Box | None

    @property
    def came_by(self) -> CameBy:
        """What opened the door."""
        return CameBy.receipt if self.invitation is None else CameBy.invitation

    @property
    def own_box(self) -> Box | None:
        """The box that may be shown: one that its receipt opened."""
        return self.box if self.invitation is None else None


async def begin_visit(request: Request, tx: Transaction, typed: str) -> tuple[Visit, DoorToken]:
    """Open the door by a code or a receipt. Raises 401 for any other, after the same work."""
    secrets: DoorSecrets = request.app.state.door_secrets
    secret = secrets.hash_of(typed)
    found = list(await tx.ask_everywhere(_SECRETS_AT, secret=secret))
    clinic_id, invitation_id, box_id = found[0] if found else (NOBODY, NOBODY, NOBODY)
    await tx.enter(clinic_id)
    opened = await _opened(tx, invitation_id, box_id, secret)
    if opened is None:
        guesses: GuessesAtDoor = request.app.state.guesses_at_door
        await guesses.count_wrong(request)
        raise Unauthorized(WRONG)
    case, invitation, box, zone = opened
    tx.know_zone(ZoneInfo(zone))
    session = new_row(
        DoorSession,
        clinic_id=clinic_id,
        created_at=tx.now,
        updated_at=tx.now,
        case_id=case.id,
        invitation_id=None if invitation is None else invitation.id,
        box_id=None if box is None else box.id,
        token_hash="",
    )
    token = new_door_token(clinic_id, session.id)
    session.token_hash = hash_of(token.text)
    tx.add(session)
    return Visit(session, case, _by(invitation, box), invitation, box), token


async def _opened(
    tx: Transaction, invitation_id: UUID | None, box_id: UUID | None, secret: str
) -> tuple[Case, Invitation | None, Box | None, str] | None:
    """Give what a code or a receipt opens today; the case, and the clinic's zone, beside it."""
    zone = col(Clinic.time_zone)
    invited = (
        select(Case, Invitation, zone)
        .join(Case, on_its_case(Invitation))
        .join(Clinic, col(Clinic.id) == Invitation.clinic_id)
        .where(
            Invitation.id == (invitation_id or NOBODY),
            Invitation.code_hash == secret,
            col(Invitation.revoked_at).is_(None),
            col(Case.purged_at).is_(None),
        )
    )
    boxed = (
        select(Case, Box, zone)
        .join(Case, on_its_case(Box))
        .join(Clinic, col(Clinic.id) == Box.clinic_id)
        .where(
            Box.id == (box_id or NOBODY),
            Box.receipt_hash == secret,
            _lasts(tx),
            col(Case.purged_at).is_(None),
        )
    )
    by_code, by_receipt = (await tx.exec(invited)).first(), (await tx.exec(boxed)).first()
    if by_code is not None:
        case, invitation, time_zone = by_code
        today = tx.now.astimezone(ZoneInfo(time_zone)).date()
        return (case, invitation, None, time_zone) if invitation.expires_on >= today else None
    if by_receipt is not None:
        case, box, time_zone = by_receipt
        return case, None, box, time_zone
    return None


def _lasts(tx: Transaction) -> ColumnElement[bool]:
    """Say in SQL that a receipt still opens its box.

    While an account in it is not closed, and for a year after anything was last written of it.
    """
    since = tx.now - KEPT_OPEN
    waits = exists().where(
        col(Account.clinic_id) == Box.clinic_id,
        col(Account.box_id) == Box.id,
        or_(col(Account.status) != AccountStatus.closed, col(Account.updated_at) > since),
    )
    return or_(col(Box.last_sent_at) > since, waits.correlate_except(Account))


async def at_door(
    request: Request, tx: Tx, shown: Annotated[object, Depends(door_bearer)]
) -> Visit:
    """Give who is at the door, by the token of their visit. Raises 401 where it has ended."""
    token = getattr(shown, "credentials", None)
    sends = request.method != "GET"
    visit = None if token is None else await find_visit(tx, token, sends=sends)
    if visit is None:
        raise Unauthorized(_ENDED)
    return visit


async def find_visit(tx: Transaction, text_of_token: str, *, sends: bool) -> Visit | None:
    """Find a visit that lasts, and carry it on; `sends`: its case is locked for what is sent."""
    token = parse_door_token(text_of_token)
    if token is None:
        return None
    await tx.enter(token.clinic_id)
    statement = (
        select(DoorSession, Case, Box, col(Clinic.time_zone))
        .join(Case, on_its_case(DoorSession))
        .join(Clinic, col(Clinic.id) == DoorSession.clinic_id)
        .outerjoin(
            Box,
            and_(
                col(Box.clinic_id) == DoorSession.clinic_id,
                col(Box.id) == DoorSession.box_id,
            ),
        )
        .where(
            DoorSession.id == token.visit_id,
            DoorSession.token_hash == hash_of(token.text),
            DoorSession.updated_at > tx.now - IDLE,
            DoorSession.created_at > tx.now - WHOLE,
            col(Case.purged_at).is_(None),
        )
    )
    found = (await tx.exec(locked(statement, Case) if sends else statement)).first()
    if found is None:
        return None
    session, case, box, zone = found
    tx.know_zone(ZoneInfo(zone))
    invited = select(Invitation).where(
        Invitation.clinic_id == tx.clinic.id, Invitation.id == session.invitation_id
    )
    invitation = (await tx.exec(invited)).first()
    if invitation is None and (box is None or box.receipt_hash is None):
        # it was thrown away since
        return None
    session.change({}, tx.now)
    return Visit(session, case, _by(invitation, box), invitation, box)


async def end_visit(tx: Transaction, visit: Visit) -> None:
    """End a visit: nothing of it is kept."""
    await tx.exec(delete(DoorSession).where(col(DoorSession.id) == visit.session.id))


def _by(invitation: Invitation | None, box: Box | None) -> ResponseBy:
    if box is not None:
        return box.by
    guardian = invitation is not None and invitation.for_whom == InvitationFor.guardian
    return ResponseBy.guardian if guardian else ResponseBy.client


AtDoor = Annotated[Visit, Depends(at_door)]
"""Who is at the door, in what is asked there."""
