"""What moves with a case, or with somebody who is gone: drafts, covers, and flags taken on."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import exists, func, or_
from sqlmodel import col, select

from api.access.case_tenures import former_clinicians
from api.access.visibility.colleagues import sees_case
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.domain.vocabulary import FlagStatus, NoteClass, NoteStatus
from api.flags.catching_up import catch_up
from api.flags.reconcile import reconcile_flags
from api.journal.entries import Happening, record_row
from api.storage.models.access import AccessGrant, GrantKind
from api.storage.models.clinical import Case, CaseTenure, Note
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.people import User
from api.storage.transaction import Transaction


class DraftsWaiting(Output):
    """How many drafts of notes somebody (`author_id`) has begun on a case, and not signed."""

    author_id: UUID
    drafts: int


async def drafts_waiting(tx: Transaction, case_id: UUID) -> list[DraftsWaiting]:
    """Count the drafts on a case by author; of psychotherapy notes nothing is told, nor a word."""
    found = await tx.exec(
        select(col(Note.recorded_by_id), func.count(col(Note.id)))
        .where(
            Note.clinic_id == tx.clinic.id,
            Note.case_id == case_id,
            Note.status == NoteStatus.draft,
            Note.note_class != NoteClass.psychotherapy,
            col(Note.voided_at).is_(None),
        )
        .group_by(col(Note.recorded_by_id))
        .order_by(col(Note.recorded_by_id))
    )
    return [DraftsWaiting(author_id=author_id, drafts=number) for author_id, number in found]


async def end_covers(tx: Transaction, case: Case, *, actor_id: UUID, keep: bool) -> None:
    """End the covers of a case that was handed over, those to come too.

    `keep`: leave those of others than its new clinician, who stands in for nobody there.
    """
    statement = select(AccessGrant).where(
        AccessGrant.clinic_id == tx.clinic.id,
        AccessGrant.case_id == case.id,
        AccessGrant.kind == GrantKind.cover,
        or_(col(AccessGrant.ends_at).is_(None), col(AccessGrant.ends_at) > tx.now),
    )
    if keep:
        statement = statement.where(AccessGrant.user_id == case.clinician_id)
    for row in await tx.exec(statement.order_by(col(AccessGrant.id)).with_for_update()):
        end_cover_now(tx, row, actor_id=actor_id)


def end_cover_now(tx: Transaction, row: AccessGrant, *, actor_id: UUID) -> None:
    """End a cover, with an entry; one that has not begun holds never."""
    row.change({"ends_at": max(row.starts_at, tx.now)}, tx.now)
    record_row(tx, Happening.cover_ended, row, actor_id=actor_id)


async def let_go_of_flags(tx: Transaction, case: Case, *, actor_id: UUID) -> bool:
    """Open those flags of a case again whose assignee does not see it any more, as a supervisor.

    Each with an entry; tell whether there were any, for then the rules are to be asked. The caller
    holds the lock on the case, which was caught up before. A conflict by a hidden incident opens
    hidden flags only: by others the case's clinician would be told of it.
    """
    await tx.flush()
    assigned: Sequence[tuple[Flag, User]] = (
        await tx.exec(
            select(Flag, User)
            .join(User, col(User.id) == col(Flag.assigned_to_id))
            .where(
                Flag.clinic_id == tx.clinic.id,
                User.clinic_id == tx.clinic.id,
                Flag.case_id == case.id,
                IS_UNRESOLVED,
            )
            .order_by(col(Flag.id))
        )
    ).all()
    looks: dict[tuple[UUID, bool], bool] = {}
    for flag, user in assigned:
        key = user.id, flag.restricted
        if key not in looks:
            told = None if flag.restricted else Actor.of_a_clinician(case.clinician_id)
            looks[key] = await sees_case(tx, user, case, told=told)
        if not looks[key]:
            flag.change(
                {"status": FlagStatus.open, "assigned_to_id": None, "acknowledged_at": None}, tx.now
            )
            record_row(tx, Happening.flag_unassigned, flag, actor_id=actor_id)
    return not all(looks.values())


async def let_go_of_work(tx: Transaction, user_id: UUID, *, actor_id: UUID) -> None:
    """Open all flags again that somebody had taken on, and does not see any more."""
    await tx.flush()
    taken_on = exists().where(
        col(Flag.clinic_id) == tx.clinic.id,
        col(Flag.case_id) == Case.id,
        col(Flag.assigned_to_id) == user_id,
        IS_UNRESOLVED,
    )
    statement = (
        select(Case)
        .where(Case.clinic_id == tx.clinic.id, taken_on)
        .order_by(col(Case.id))
        .with_for_update(of=Case)
        .execution_options(populate_existing=True)
    )
    for case in (await tx.exec(statement)).all():
        await catch_up(tx, case)
        if await let_go_of_flags(tx, case, actor_id=actor_id):
            await reconcile_flags(tx, case, actor_id=actor_id)


async def remember_tenure(tx: Transaction, case: Case, *, actor_id: UUID) -> None:
    """Keep who has a case, which is just being handed over. The caller holds its lock."""
    before = (await former_clinicians(tx, [case.id]))[case.id]
    since: date | None = before[-1].until if before else None
    tx.add(
        CaseTenure(
            clinic_id=case.clinic_id,
            case_id=case.id,
            clinician_id=case.clinician_id,
            since_on=since,
            until_on=tx.today,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=actor_id,
        )
    )
