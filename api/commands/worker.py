"""The command `worker`: flags of due cases each minute, seals and deliveries each second, e-mail.

It runs beside the server, and no answer waits for it. Whoever reads flags first brings them up to
date; what is sealed and what is sent waits for it alone.
"""

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy import true
from sqlmodel import col

from api.commands.terminal import read_settings, refuse_unsafe, refuse_without_its_key
from api.flags.catching_up import catch_up_batch
from api.flags.triage import mend_triage
from api.interop.email.handing_over import PostOffice
from api.interop.email.letters import Letterhead
from api.interop.email.post import Post
from api.interop.webhooks.deliveries import Deliveries
from api.journal.tree_heads import LARGEST, clinics_to_seal, seal_clinic
from api.runtime.logs import configure_logs, say_started, where
from api.runtime.settings import Settings
from api.security.outbound_addresses import Destinations
from api.storage.database import Database
from api.storage.models.clinical import Case
from api.storage.questions import AcrossClinics

CATCH_UP_EVERY_SECONDS = 60
SEAL_EVERY_SECONDS = 1
DELIVER_EVERY_SECONDS = 1
MAIL_EVERY_SECONDS = 5
_WHILE_MORE_IS_DUE = 0.05
MENDED_BACK_TO = timedelta(minutes=2)
"""How long ago a flag may have moved whose case is put in its place."""

_CLINICS_WITH_DUE_CASES = AcrossClinics(
    plain=sa.select(col(Case.clinic_id))
    .where(col(Case.recheck_at) <= sa.bindparam("present"))
    .distinct(),
    guarded=sa.text("SELECT id FROM clinics_with_due_cases(:present)"),
)

log = structlog.get_logger("worker")


def worker() -> None:
    """Keep flags up to date, seal the journal, deliver events and e-mail, beside the server."""
    settings = read_settings()
    refuse_unsafe(settings)
    refuse_without_its_key(settings, settings.database_url)
    configure_logs(settings.log_format)
    database = Database(settings.database_url, keys=settings.data_keys)
    destinations = Destinations(settings.test_addresses)
    asyncio.run(_work_until_told(database, destinations, post_office(settings)))


def post_office(settings: Settings) -> PostOffice | None:
    """Give where e-mail is handed over. None: none is sent."""
    server, sender, url = settings.mail_server, settings.mail_from, settings.public_url
    if server is None or sender is None or url is None:
        return None
    return PostOffice(server, Letterhead(sender, url.rstrip("/")))


async def _work_until_told(
    database: Database, destinations: Destinations, office: PostOffice | None
) -> None:
    """Work until SIGTERM or Ctrl-C; what is under way is finished first."""
    told_to_stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, told_to_stop.set)
    await work_until(told_to_stop, database, destinations, office)


async def work_until(
    told_to_stop: asyncio.Event,
    database: Database,
    destinations: Destinations,
    office: PostOffice | None = None,
) -> None:
    """Work, wait, and work again; once told to stop, finish what is under way and go home.

    It is told, not cancelled: a transaction that is broken off may leave its connection open, and
    a process that waits for it never ends.
    """
    say_started()
    await asyncio.gather(
        _catch_up_until(told_to_stop, database),
        seal_until(told_to_stop, database),
        deliver_until(told_to_stop, database, destinations),
        *([] if office is None else [mail_until(told_to_stop, database, office)]),
    )
    await database.dispose()


async def _catch_up_until(told_to_stop: asyncio.Event, database: Database) -> None:
    while not told_to_stop.is_set():
        caught_up = await _whatever_happens("flags", catch_up_once(database))
        log.info("worked", cases=caught_up)
        await _wait(CATCH_UP_EVERY_SECONDS, told_to_stop)


async def seal_until(told_to_stop: asyncio.Event, database: Database) -> None:
    """Seal, wait a second, and seal again, until told to stop."""
    while not told_to_stop.is_set():
        await _whatever_happens("seals", seal_once(database))
        await _wait(SEAL_EVERY_SECONDS, told_to_stop)


async def deliver_until(
    told_to_stop: asyncio.Event, database: Database, destinations: Destinations
) -> None:
    """Send what webhooks are owed, until told to stop; then wait for what is under way."""
    deliveries = Deliveries(database, destinations)
    while not told_to_stop.is_set():
        begun = await _whatever_happens("deliveries", deliveries.begin())
        await _wait(_WHILE_MORE_IS_DUE if begun else DELIVER_EVERY_SECONDS, told_to_stop)
    await deliveries.finish()


async def mail_until(told_to_stop: asyncio.Event, database: Database, office: PostOffice) -> None:
    """Write to people of what waits for them, until told to stop."""
    post = Post(database, office)
    while not told_to_stop.is_set():
        carried = await _whatever_happens("mail", post.go_round())
        await _wait(_WHILE_MORE_IS_DUE if carried else MAIL_EVERY_SECONDS, told_to_stop)


async def _wait(seconds: float, told_to_stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(told_to_stop.wait(), seconds)


async def seal_once(database: Database) -> int:
    """Seal what is not sealed yet of every clinic's journal; count the entries.

    Where something was journalled, flags may have moved.
    """
    clinics = await clinics_to_seal(database)
    for each in clinics:
        await _whatever_happens("places", _mend_places(database, each))
    return sum([await _whatever_happens("seals", seal(database, each)) for each in clinics])


async def _mend_places(database: Database, clinic_id: UUID) -> int:
    async with database.transaction() as tx:
        await tx.enter_for_work(clinic_id)
        return await mend_triage(tx, tx.now - MENDED_BACK_TO)


async def seal(database: Database, clinic_id: UUID) -> int:
    """Seal what is not sealed yet of one clinic's journal, head after head; count the entries."""
    total = sealed = await seal_clinic(database, clinic_id)
    while sealed == LARGEST:
        sealed = await seal_clinic(database, clinic_id)
        total += sealed
    return total


async def _whatever_happens(work: str, doing: Awaitable[int]) -> int:
    """Go on when one sort of work fails, or that of one clinic; it is tried again in its turn."""
    try:
        return await doing
    except Exception as error:
        # never its text: it may show what was stored
        log.error("work failed", work=work, kind=type(error).__name__, where=where(error))
        return 0


async def catch_up_once(database: Database) -> int:
    """Catch up every due case of every clinic; count the cases."""
    async with database.transaction() as tx:
        due = (await tx.ask_everywhere(_CLINICS_WITH_DUE_CASES, present=tx.now)).all()
    return sum([await catch_up_clinic(database, clinic_id) for (clinic_id,) in due])


async def catch_up_clinic(database: Database, clinic_id: UUID) -> int:
    """Catch up every due case of one clinic, a batch a transaction; count the cases."""
    total = 0
    while caught_up := await _catch_up_some(database, clinic_id):
        total += caught_up
    return total


async def _catch_up_some(database: Database, clinic_id: UUID) -> int:
    async with database.transaction() as tx:
        await tx.enter_for_work(clinic_id)
        return await catch_up_batch(tx, true(), skip_locked=True)
