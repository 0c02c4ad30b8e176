"""Seals what a session writes and opens what it reads, so that no door can forget to."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, event, inspect, orm
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import SQLModel, col, select

from api.security.crypto import Place, SealableText, Sealed, WrongKeyError, lookup_hash
from api.security.normalization import one_text
from api.storage.keyring import ClinicKeys, Keyring
from api.storage.models.clinical import Case
from api.storage.models.columns import sealed_columns
from api.storage.models.people import ClinicKey

SAFE = "seals and opens"
"""Where a session's `info` holds its safe."""

Ask = Callable[[Any, dict[str, Any]], Awaitable[Iterable[Any]]]
"""Runs a statement within the clinic of the transaction."""

_KEYS = select(ClinicKey).where(ClinicKey.clinic_id == bindparam("clinic"))
_CASE_KEYS = select(Case.id, Case.text_key).where(
    Case.clinic_id == bindparam("clinic"), col(Case.id).in_(bindparam("cases", expanding=True))
)


class Safe:
    """What one transaction seals and opens with: the clinic's keys, and those of its cases.

    Nothing is opened where texts are withheld from whoever asks: it is left out instead.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._case_keys: dict[UUID, AESGCM | None] = {}
        self._wrapped: dict[UUID, str | None] = {}
        self._unopened: list[Any] = []
        self.withholds = False

    def know(self, wrapped: Mapping[UUID, str | None]) -> None:
        """Note the wrapped keys of cases, that were read together with rows of theirs."""
        self._wrapped.update(wrapped)

    def take(self, row: Any) -> None:
        """Note a row that was loaded, to be opened before anybody looks at it."""
        names = sealed_columns(type(row))
        if self.withholds:
            for name in names:
                # as if it had been loaded so: it is not a change, and is never written back
                set_committed_value(row, name, None)
        elif names:
            self._unopened.append(row)

    async def open_loaded(self, ask: Ask) -> None:
        """Open the rows that were loaded."""
        rows, self._unopened = self._unopened, []
        await self.open(ask, rows)

    async def open(self, ask: Ask, rows: Iterable[Any], model: Any = None) -> None:
        """Open the texts of rows; `model` where they are plain values of its columns."""
        closed = [
            (model or type(row), row, name, value)
            for row in rows
            for name in sealed_columns(model or type(row))
            if type(value := row.__dict__.get(name)) is Sealed
        ]
        if not closed:
            return
        await self._fetch_keys(ask, [(kind, row) for kind, row, _, _ in closed])
        # what is plain is written nowhere, and need not know its place
        read = Sealed.open if model is None else Sealed.read
        for kind, row, name, value in closed:
            try:
                opened = self._opened(kind, row, name, partial(read, value))
            except WrongKeyError:
                # another process may have given the clinic a new key meanwhile
                await self.unlock(ask, row.clinic_id, anew=True)
                opened = self._opened(kind, row, name, partial(read, value))
            if model is None:
                set_committed_value(row, name, opened)
            else:
                row.__dict__[name] = opened

    async def prepare(self, ask: Ask, pending: Iterable[Any]) -> None:
        """Fetch what is needed to seal rows that are about to be written."""
        sealing = [(type(row), row) for row in pending if any(_unbound(row))]
        if sealing:
            await self._fetch_keys(ask, sealing)

    def seal(self, row: Any) -> None:
        """Bind the texts of a row that is about to be written to their places."""
        for name, text, place in list(_unbound(row)):
            found_by = row.__table__.c[name].type.found_by
            spelled = one_text(text) if found_by else text
            _put(row, name, SealableText.at(place, self._sealing_key(row), spelled))
            if found_by:
                _put(row, found_by, self.lookup(row.clinic_id, spelled))

    def lookup(self, clinic_id: UUID, text: str) -> str:
        """Hash a text as the column that finds it does."""
        return lookup_hash(self._keys_of(clinic_id).lookup, text)

    async def unlock(self, ask: Ask, clinic_id: UUID, *, anew: bool = False) -> ClinicKeys:
        """Give the keys of a clinic; `anew` where what is remembered may be out of date."""
        known = self._keyring.known(clinic_id)
        if known is not None and not anew:
            return known
        return self._keyring.unlock(clinic_id, await ask(_KEYS, {"clinic": clinic_id}))

    async def _fetch_keys(self, ask: Ask, rows: list[tuple[Any, Any]]) -> None:
        for clinic_id in {row.clinic_id for _, row in rows}:
            await self.unlock(ask, clinic_id)
        wrapped: dict[UUID, tuple[UUID, str | None]] = {}
        missing: dict[UUID, UUID] = {}
        for kind, row in rows:
            if kind is Case:
                wrapped[row.id] = row.clinic_id, row.text_key
            elif hasattr(kind, "case_id") and row.case_id not in self._case_keys:
                if row.case_id in self._wrapped:
                    wrapped[row.case_id] = row.clinic_id, self._wrapped[row.case_id]
                else:
                    missing[row.case_id] = row.clinic_id
        for case_id in wrapped.keys() & missing.keys():
            del missing[case_id]
        for clinic_id in set(missing.values()):
            cases = [case_id for case_id, of in missing.items() if of == clinic_id]
            found = await ask(_CASE_KEYS, {"clinic": clinic_id, "cases": cases})
            wrapped |= {case_id: (clinic_id, key) for case_id, key in found}
        for case_id, (clinic_id, key) in wrapped.items():
            if key is None:
                self._case_keys[case_id] = None
            elif case_id not in self._case_keys:
                try:
                    opened = self._keyring.case_key(self._keys_of(clinic_id), case_id, key)
                except WrongKeyError:
                    # another process may have given the clinic a new key meanwhile
                    keys = await self.unlock(ask, clinic_id, anew=True)
                    opened = self._keyring.case_key(keys, case_id, key)
                self._case_keys[case_id] = opened

    def _opened(
        self, kind: Any, row: Any, name: str, read: Callable[[Place, AESGCM], str]
    ) -> str | None:
        place = _place(kind, row, name)
        if (case_id := _case_of(kind, row)) is not None:
            key = self._case_keys[case_id]
            # its key was destroyed: the text is gone
            return None if key is None else read(place, key)
        texts = self._keys_of(row.clinic_id).texts
        for number in sorted(texts, reverse=True):
            with suppress(WrongKeyError):
                return read(place, texts[number])
        raise WrongKeyError(f"{place.table}.{place.column} of row {place.row_id}")

    def _sealing_key(self, row: Any) -> AESGCM:
        case_id = _case_of(type(row), row)
        if case_id is None:
            keys = self._keys_of(row.clinic_id)
            return keys.texts[keys.newest]
        if isinstance(row, Case) and row.text_key is None and row.purged_at is None:
            key, row.text_key = self._keys_of(row.clinic_id).new_case_key(row.id)
            self._case_keys[row.id] = key
        known = self._case_keys.get(case_id)
        if known is None:
            raise RuntimeError("this case has no key any more: nothing more is written to it")
        return known

    def _keys_of(self, clinic_id: UUID) -> ClinicKeys:
        known = self._keyring.known(clinic_id)
        if known is None:
            raise RuntimeError("the keys of this clinic were not fetched")
        return known


_statements: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def shows_sealed_text(statement: Any) -> bool:
    """Tell whether a statement loads rows that have sealed texts."""
    known = _statements.get(statement)
    if known is None:
        shown = getattr(statement, "column_descriptions", ())
        known = _statements[statement] = any(
            each["expr"] is each["entity"] and sealed_columns(inspect(each["entity"]).class_)
            for each in shown
            if each.get("entity") is not None
        )
    return known


def _unbound(row: Any) -> Iterator[tuple[str, str, Place]]:
    """Give the texts of a row that are not yet bound to their places."""
    for name in sealed_columns(type(row)):
        text = row.__dict__.get(name)
        if isinstance(text, str):
            place = _place(type(row), row, name)
            if getattr(text, "place", None) != place:
                yield name, text, place


def _put(row: Any, name: str, value: str) -> None:
    if row._sa_instance_state.key is None:
        # a new row is written whole: nobody needs to be told what of it has changed
        row.__dict__[name] = value
    else:
        setattr(row, name, value)


def _place(kind: Any, row: Any, name: str) -> Place:
    return Place(row.clinic_id, kind.__tablename__, name, row.id)


def _case_of(kind: Any, row: Any) -> UUID | None:
    """Give the case whose key seals a row's texts; None: the clinic's does."""
    case_id: UUID | None = row.id if kind is Case else getattr(row, "case_id", None)
    return case_id


def _take(row: SQLModel, context: Any, *_: object) -> None:
    safe = context.session.info.get(SAFE)
    if safe is not None:
        safe.take(row)


event.listen(SQLModel, "load", _take, propagate=True)
event.listen(SQLModel, "refresh", _take, propagate=True)


@event.listens_for(orm.Session, "before_flush")
def _seal(session: orm.Session, _context: object, _instances: object) -> None:
    safe = session.info.get(SAFE)
    if safe is not None:
        for row in (*session.new, *session.dirty):
            safe.seal(row)
