"""Copies an SQLite database while it is served, and puts a copy back."""

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

PAGES_AT_A_TIME = 500

_OURS = {"alembic_version", "clinics", "users", "cases", "journal_entries"}
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; left there, it would be read as part of the next one."""
_HELD_ELSEWHERE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class BackupError(Exception):
    """What was asked for is not done. It says why, in a sentence."""


def sqlite_file(url: str) -> Path:
    """Give the file of an SQLite address. Raises BackupError for another database."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        raise BackupError("On PostgreSQL use pg_dump and pg_restore: docs/backup.md has the steps.")
    if not address.database or address.database == ":memory:":
        raise BackupError("The database in BN_DATABASE_URL is not a file.")
    return Path(address.database)


def back_up(database: Path, to: Path, *, force: bool = False) -> None:
    """Copy a database as it is at one moment, also while others write to it.

    Nobody but the owner of the copy may read it. Raises BackupError where it would not be sound.
    """
    _refuse_to_overwrite(to, force=force)
    with _sound_copy(database, beside=to) as copy:
        _refuse_to_overwrite(to, force=force)
        _put(copy, to)


def restore(
    backup: Path,
    database: Path,
    *,
    revisions: Collection[str],
    data_keys: Collection[str],
    force: bool = False,
) -> str:
    """Put a copy in the place of a database that nobody has open; give its tables' revision.

    `revisions`: those this program knows; `data_keys`: the names of those that are set. Every
    invitation to a client's door ends. Raises BackupError for a copy that is not sound, or that
    could not be read.
    """
    _refuse_to_overwrite(database, force=force)
    with _sound_copy(backup, beside=database) as copy:
        with _opened(copy) as connection:
            revision = _revision(connection)
            if revision not in revisions:
                raise BackupError(
                    f"The tables of {backup.name} are at revision {revision}, which this program "
                    "does not know: a newer one made it."
                )
            _refuse_what_stays_locked(connection, data_keys)
            _end_invitations(connection)
        with _held_alone(database):
            for leftover in _leftovers(database):
                leftover.unlink(missing_ok=True)
            _put(copy, database)
    return revision


def _refuse_to_overwrite(path: Path, *, force: bool) -> None:
    there = [each for each in (path, *_leftovers(path)) if each.exists()]
    if there and not force:
        raise BackupError(f"{there[0].name} is there already; --force replaces it.")


def _leftovers(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _BESIDE]


@contextmanager
def _sound_copy(path: Path, *, beside: Path) -> Iterator[Path]:
    """Copy a database to a file of another name in a folder, and look the copy through."""
    if not path.is_file():
        raise BackupError(f"There is no database {path.name}.")
    number, name = tempfile.mkstemp(prefix=f".{beside.name}.", dir=beside.absolute().parent)
    os.close(number)
    copy = Path(name)
    try:
        with _opened(path, "ro") as source, _opened(copy) as target:
            # without a transaction around it, a copy begins anew whenever somebody writes
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(target, pages=PAGES_AT_A_TIME)
            # all in one file
            target.execute("PRAGMA journal_mode=DELETE")
            _refuse_what_is_broken(target, path)
        yield copy
    except sqlite3.Error as error:
        raise BackupError(f"{path.name} is no sound database ({error.sqlite_errorname}).") from None
    finally:
        for each in (copy, *_leftovers(copy)):
            each.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        yield connection


def _refuse_what_is_broken(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",) or connection.execute("PRAGMA foreign_key_check").fetchone():
        raise BackupError(f"{path.name} is damaged: it is not copied.")
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    if _OURS - {name for (name,) in tables}:
        raise BackupError(f"{path.name} is not a database of this program.")


def _revision(connection: sqlite3.Connection) -> str:
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else "none"


def _refuse_what_stays_locked(connection: sqlite3.Connection, data_keys: Collection[str]) -> None:
    """Refuse a copy whose clinics' keys were wrapped by a data key that is not set."""
    kept = "SELECT count(*) FROM sqlite_schema WHERE name = 'clinic_keys'"
    if connection.execute(kept).fetchone() == (0,):
        # older than sealed text
        return
    wrapped_by = connection.execute("SELECT DISTINCT wrapped_by FROM clinic_keys").fetchall()
    missing = sorted({name for (name,) in wrapped_by} - set(data_keys))
    if missing:
        raise BackupError(
            f"The backup cannot be read without the data key {', '.join(missing)}, which is "
            "neither in BN_DATA_KEY nor in BN_DATA_KEY_FILE."
        )


def _end_invitations(connection: sqlite3.Connection) -> None:
    """End every invitation to a client's door, and every visit: it may have been revoked since."""
    kept = "SELECT count(*) FROM sqlite_schema WHERE name = 'invitations'"
    if connection.execute(kept).fetchone() == (0,):
        # older than the door
        return
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    connection.execute(
        "UPDATE invitations SET revoked_at = ?, updated_at = ?, version = version + 1"
        " WHERE revoked_at IS NULL",
        (now, now),
    )
    connection.execute("DELETE FROM door_sessions")


@contextmanager
def _held_alone(database: Path) -> Iterator[None]:
    """Keep others out of a database. Raises BackupError where somebody has it open."""
    if not database.exists():
        yield
        return
    with _opened(database) as held:
        held.execute("PRAGMA busy_timeout=0")
        try:
            # only the last who has it open may do this: also one who does nothing just now is seen
            held.execute("PRAGMA journal_mode=DELETE")
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            # & 0xFF: the kinds of one error in more detail
            if error.sqlite_errorcode & 0xFF in _HELD_ELSEWHERE:
                raise BackupError(
                    f"{database.name} is open elsewhere: stop the server and the worker first."
                ) from None
            # what is broken is the reason to restore
        yield


def _put(copy: Path, place: Path) -> None:
    """Give a copy its name, for good: also a power cut leaves all of it or nothing."""
    _wait_for_the_disk(copy)
    copy.replace(place)
    _wait_for_the_disk(place.absolute().parent)


def _wait_for_the_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
