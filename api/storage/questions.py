"""What a transaction asks: within its clinic, of a session, or each time by itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.security.normalization import spellings
from api.storage.autocommit import Autocommit, Lost
from api.storage.compiled_queries import Prepared, Question
from api.storage.encryption import SAFE, Safe, shows_sealed_text
from api.storage.instants import Instants, oldest, told
from api.storage.keyring import ClinicKeys, Keyring
from api.storage.models.journal import WHAT_HAPPENED, JournalEntry
from api.storage.models.people import Clinic
from api.storage.record_versions import ACTOR, keep_versions
from api.storage.tenancy import (
    ENTERED,
    HERE,
    INSTANT,
    INSTANTS,
    OPEN_IN_CLINIC,
    LostBeforeBeginning,
    confined,
    enter_on_postgresql,
)

T = TypeVar("T")

Asked = tuple[Prepared, Mapping[str, Any]]
"""A statement, and what its placeholders are filled with."""

_LATEST = select(sa.func.max(col(JournalEntry.at))).where(
    col(JournalEntry.clinic_id) == sa.bindparam(HERE), WHAT_HAPPENED
)
"""When something was written last in a clinic, as its entry says: no row has a later instant."""

_WHERE_WORK_IS = select(col(Clinic.time_zone), col(Clinic.watched_events)).where(
    col(Clinic.id) == sa.bindparam(HERE)
)


class Rows(list[Any]):
    """What a statement found, read to the end and opened."""

    def all(self) -> list[Any]:
        """Give all rows."""
        return self

    def first(self) -> Any | None:
        """Give the first row; None where there is none."""
        return self[0] if self else None

    def one(self) -> Any:
        """Give the only row. Raises ValueError where there is not exactly one."""
        (row,) = self
        return row


class AcrossClinics(NamedTuple):
    """A question that is asked before a clinic is known: who signs in, and who has work to do.

    `plain` is for SQLite; PostgreSQL answers by a function of the owner's, named in `guarded`,
    because the role that serves sees no clinic's rows before it has entered one.
    """

    plain: Any
    guarded: sa.TextClause


@dataclass(frozen=True, slots=True)
class ClinicContext:
    """The clinic a transaction works in, its time zone, and what its software is told of."""

    id: UUID
    zone: ZoneInfo
    watched: Sequence[str] = ()


class Questions:
    """What is asked at one instant, within one clinic once it is entered."""

    def __init__(
        self,
        open_session: Callable[[], AsyncSession],
        instants: Instants,
        keyring: Keyring,
        *,
        walled: bool = True,
        is_postgresql: bool = False,
        alone: Autocommit | None = None,
    ) -> None:
        self.is_postgresql = is_postgresql
        self._open_session = open_session
        self._opened: AsyncSession | None = None
        self._alone = alone
        self._safe = Safe(keyring)
        self._walled = walled
        self._entered: UUID | None = None
        self._has_begun = False
        self._tells_alone = False
        self._clinic: ClinicContext | None = None
        self._instants = instants
        self._answered: dict[Prepared, tuple[Mapping[str, Any], list[Any]]] = {}
        self._told: dict[str, Any] = {SAFE: self._safe, INSTANTS: instants}
        self.now, self.instant = instants.read_clock()

    @property
    def _session(self) -> AsyncSession:
        """The session, opened when it is first needed: many who only look need none."""
        if self._opened is None:
            self._opened = self._open_session()
            self._opened.info.update(self._told)
        return self._opened

    def _tell(self, name: str, value: Any) -> None:
        """Let the session know something, as soon as there is one."""
        self._told[name] = value
        if self._opened is not None:
            self._opened.info[name] = value

    @property
    def _is_pending(self) -> bool:
        """Tell whether rows are still to be written."""
        # each question asks for it, and to make the lists of `new` and `dirty` takes longer
        session = self._opened
        return session is not None and not session.sync_session._is_clean()

    async def enter(self, clinic_id: UUID, zone: ZoneInfo | None = None) -> None:
        """Work in this clinic from here on, and see no other; `zone`, where it is known already."""
        self._entered = clinic_id
        self._tell(ENTERED, clinic_id)
        if zone is not None:
            self.know_zone(zone)
        if not self._has_begun:
            return
        if self.is_postgresql:
            await self._session.run_sync(enter_on_postgresql, clinic_id)
        await self._read_clock()

    async def enter_again(self, clinic: ClinicContext) -> None:
        """Enter a clinic that another transaction was in, with all that was known of it there."""
        await self.enter(clinic.id)
        self._clinic = clinic

    async def enter_for_work(self, clinic_id: UUID) -> None:
        """Enter a clinic where nobody signed in, and so nobody has read its time zone yet."""
        await self.enter(clinic_id)
        time_zone, watched = (await self.exec(_WHERE_WORK_IS)).one()
        self.know_zone(ZoneInfo(time_zone), watched)

    def know_zone(self, zone: ZoneInfo, watched: Sequence[str] = ()) -> None:
        """Count days as the entered clinic does; `watched`: what its software is told of."""
        self._clinic = ClinicContext(self._here, zone, watched)

    @property
    def clinic(self) -> ClinicContext:
        """The clinic entered. Raises RuntimeError before that: nothing is read from everywhere."""
        if self._clinic is None:
            raise RuntimeError("no clinic was entered, or not its zone is known")
        return self._clinic

    @property
    def today(self) -> date:
        """The calendar day in the clinic."""
        return self.now.astimezone(self.clinic.zone).date()

    def know_actor(self, actor_id: UUID) -> None:
        """Keep who writes from here on, for the versions of records that they write."""
        self._tell(ACTOR, actor_id)

    def withhold_sealed_text(self, *, unless: bool) -> None:
        """From here on, load rows without the texts that are sealed."""
        self._safe.withholds = not unless

    @property
    def withholds_sealed_text(self) -> bool:
        """Tell whether rows are loaded without the texts that are sealed."""
        return self._safe.withholds

    async def exec(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Run a statement, confined to the clinic entered; RuntimeError before one is."""
        await self._prepare_to_seal()
        if isinstance(statement, Prepared):
            return await self._run(statement, params or {})
        if not shows_sealed_text(statement):
            return await self._ask(statement, params)
        rows = Rows((await self._ask(statement, params)).all())
        await self._safe.open_loaded(self._ask)
        return rows

    async def open(self, model: Any, row: Any) -> None:
        """Open the sealed texts of a row that was read as plain columns of a model."""
        await self.open_several(model, [row])

    async def open_several(
        self, model: Any, rows: Sequence[Any], keys: Mapping[UUID, str | None] | None = None
    ) -> None:
        """Open the sealed texts of rows that were read as plain columns of a model.

        `keys`: of their cases, wrapped, where they were read together with them.
        """
        self._safe.know(keys or {})
        await self._safe.open(self._ask, rows, model)

    async def lookup_hashes(self, text: str) -> list[str]:
        """Hash a text as the column does that finds rows by it.

        After the first there are those of the text's other Unicode forms, which an earlier release
        told apart.
        """
        await self._safe.unlock(self._ask, self._here)
        return [self._safe.lookup(self._here, each) for each in spellings(text)]

    async def clinic_keys(self, *, anew: bool = False) -> ClinicKeys:
        """Give the keys of the clinic entered; `anew`: as the database has them now."""
        return await self._safe.unlock(self._ask, self._here, anew=anew)

    async def _ask(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        if self._walled:
            params = {**(params or {}), HERE: self._here}
            statement = confined(statement)
        if self._has_begun:
            return await self._session.exec(statement, params=params)
        return await self._begin_with(lambda: self._session.exec(statement, params=params))

    async def begin(self) -> None:
        """Begin now, where nothing was asked yet: what is written needs this one's instant."""
        if not self._has_begun and not self._tells_alone:
            self._give_back()
            connection = await self._session.connection()
            await self._begin_with(lambda: connection.exec_driver_sql("SELECT 1"))

    async def _begin_with(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask for the first time; where the connection was lost before that, on a fresh one."""
        self._has_begun = True
        self._give_back()
        # a session whose transaction failed forgets the rows it was to write
        may_begin_again = not self._session.new
        try:
            found = await ask()
        except DBAPIError as error:
            lost = isinstance(getattr(error.orig, "__cause__", None), LostBeforeBeginning)
            if not (lost and may_begin_again):
                raise
            await self._session.rollback()
            found = await ask()
        await self._read_clock()
        return found

    async def _read_clock(self) -> None:
        """Read the instant of this transaction, now that others can know that it is open."""
        self.now, self.instant = self._instants.read_clock()
        if self._entered is None:
            return
        if self._instants.went_back or self._entered not in self._instants.followed:
            with self._session.no_autoflush:
                latest = (await self._ask(_LATEST, {HERE: self._entered})).one()
            self._instants.followed.add(self._entered)
            if latest is not None:
                self._instants.follow(latest)
            self.now, self.instant = self._instants.read_clock()
        self._session.info[INSTANT] = self.instant

    async def listing_until(self) -> datetime:
        """Give an instant up to which the statements that follow see every row of the clinic.

        Nothing that is still to be committed will carry it, or one before it. It is asked in a
        statement of its own: one that is just committed would neither be open nor be seen.
        """
        present = self._instants.read_clock().instant
        if not self.is_postgresql:
            # whoever writes to the file waits until this transaction has ended
            return present
        clinic, _ = told(self._here, present)
        if self._alone is not None and self.asks_alone:
            with suppress(Lost):
                return oldest(await self._alone.open_since(clinic % (1 << 32)), present)
        connection = await self._session.connection()
        since = await connection.execute(OPEN_IN_CLINIC, {"clinic": clinic % (1 << 32)})
        return oldest(since.scalars(), present)

    async def ask_ahead(self, asked: Asked, following: Asked) -> None:
        """Ask two things in one message, where that can be; whoever asks one then has its answer.

        The first finds one row at most, and without it nothing is known of the second.
        """
        if self._alone is None or not self.asks_alone:
            return
        first, second = (self._question(*each) for each in (asked, following))
        with suppress(Lost):
            found = await asked[0].run_with(self._alone, self._here, first, second)
            self._answered = {asked[0]: (asked[1], found[0])}
            if found[0]:
                self._answered[following[0]] = (following[1], found[1])

    def _question(self, prepared: Prepared, params: Mapping[str, Any]) -> Question:
        if not self._walled:
            return Question(prepared, prepared.statement, params)
        return Question(prepared, confined(prepared.statement), {**params, HERE: self._here})

    async def _run(self, prepared: Prepared, params: Mapping[str, Any]) -> Rows:
        """Run what was compiled before, on the bare connection."""
        known = self._answered.pop(prepared, None)
        if known is not None and known[0] == params:
            return Rows(known[1])
        await self.flush()
        question = self._question(prepared, params)
        if self._alone is not None and self.asks_alone:
            with suppress(Lost):
                # as often as is wanted: nothing is written by it
                return Rows(await prepared.run_alone(self._alone, self._here, question))
        if not self._walled:
            return Rows((await self._ask(prepared.statement, params)).all())

        async def ask() -> list[Any]:
            return await self._session.run_sync(prepared.run, question)

        return Rows(await (ask() if self._has_begun else self._begin_with(ask)))

    @property
    def asks_alone(self) -> bool:
        """Tell whether the next question can be a transaction of its own.

        Where a clock went back, or what was written last in this clinic is not known yet, the
        instant of a transaction comes first.
        """
        times = self._instants
        is_known = self._entered in times.followed and not times.went_back
        return self._alone is not None and not self._has_begun and is_known

    @property
    def asks_at_once(self) -> bool:
        """Tell whether lists of rows can be asked in one message with what they stand beside."""
        return self.is_postgresql and self._walled

    async def _prepare_to_seal(self) -> None:
        if self._is_pending:
            session = self._session
            await self.begin()
            with session.no_autoflush:
                await keep_versions(self._ask, self._safe, session.sync_session)
                await self._safe.prepare(self._ask, (*session.new, *session.dirty))

    async def ask_everywhere(self, question: AcrossClinics, **params: Any) -> Any:
        """Ask what must be asked before a clinic is known."""

        async def ask() -> Any:
            if not self.is_postgresql:
                return await self._session.exec(question.plain, params=params)
            connection = await self._session.connection()
            return await connection.execute(question.guarded, params)

        return await (ask() if self._has_begun else self._begin_with(ask))

    async def connection(self) -> AsyncConnection:
        """Give the bare connection, which has only the database's own wall."""
        await self.begin()
        return await self._session.connection()

    async def flush(self) -> None:
        """Write what is pending, so that later statements of this transaction see it."""
        await self._prepare_to_seal()
        if self._is_pending:
            await self._session.flush()

    def _give_back(self) -> None:
        """Let go of the connection that was asked alone: nobody waits for one and holds another."""
        if self._alone is not None:
            self._alone.give_back()

    @property
    def _here(self) -> UUID:
        if self._entered is None:
            raise RuntimeError("no clinic was entered")
        return self._entered
