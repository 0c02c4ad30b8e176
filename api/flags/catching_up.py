"""What time alone has changed: a case that is due is looked at again before its flags are read."""

from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select, update

from api.flags.case_facts import open_file
from api.flags.reconcile import settle_in_order
from api.flags.rule_runs import Run
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

BATCH = 100
"""Due cases that are locked and caught up at once."""


async def catch_up(tx: Transaction, case: Case) -> None:
    """Replay, one instant after the other, what time alone has changed on a locked case.

    Each step runs as of its own instant, so the flags are the same whoever looks, and whenever.
    """
    if not is_due(case, tx.now):
        return
    file = await open_file(tx, case)
    while (step := case.recheck_at) is not None and step <= tx.now:
        await settle_in_order(tx, file, Run(step, None))
        if is_due(case, step):
            raise RuntimeError("time did not move on")
    # what is read next in this request must show it, the timeline too
    await tx.write_early()


async def catch_up_due(tx: Transaction, scope: ColumnElement[bool]) -> None:
    """Catch up every case in `scope` that is due, in batches, until none is."""
    due = select(col(Case.id)).where(
        col(Case.clinic_id) == tx.clinic.id, col(Case.recheck_at) <= tx.now, scope
    )
    if (await tx.exec(due.limit(1))).first() is None:
        return
    while await catch_up_batch(tx, scope):
        pass


async def catch_up_batch(
    tx: Transaction, scope: ColumnElement[bool], *, skip_locked: bool = False
) -> int:
    """Catch up some of the cases in `scope` that are due; count them."""
    due = (
        select(Case)
        .where(col(Case.clinic_id) == tx.clinic.id, col(Case.recheck_at) <= tx.now, scope)
        .order_by(col(Case.recheck_at), col(Case.id))
        .limit(BATCH)
        .with_for_update(of=Case, skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )
    cases = (await tx.exec(due)).all()
    for case in cases:
        await catch_up(tx, case)
    return len(cases)


async def ask_every_rule_again(tx: Transaction) -> None:
    """Make every case due: whoever reads its flags next runs its rules first."""
    await tx.exec(
        update(Case)
        .where(
            col(Case.clinic_id) == tx.clinic.id,
            # of a voided case the door's rules go on to be asked
            or_(col(Case.voided_at).is_(None), col(Case.door_used)),
            col(Case.purged_at).is_(None),
        )
        .values(recheck_at=tx.now)
    )


def is_due(case: Case, now: datetime) -> bool:
    """Tell whether time alone may have moved a case's flags by now."""
    return case.recheck_at is not None and case.recheck_at <= now
