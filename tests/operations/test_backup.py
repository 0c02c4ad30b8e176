"""A backup is whole, is refused when it is not, and every word can be read after a restore."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlmodel import SQLModel, select
from typer.testing import CliRunner, Result

from api.commands.backups import back_up
from api.commands.cli import app
from api.commands.runtime_role import grant_to_runtime_role
from api.main import furnish
from api.runtime.settings import Settings, new_data_key
from api.storage.database import Database
from api.storage.migrations import migrate
from api.storage.models.columns import SealedText
from api.storage.models.journal import JournalEntry
from tests.support.checkout import ROOT
from tests.support.door import enter, invite, knock, open_door
from tests.support.postgres import Server
from tests.support.processes import environment
from tests.support.world import (
    DATA_KEY,
    NOON,
    PASSWORD,
    SETTINGS,
    SETTINGS_SECRET,
    Urls,
    World,
    ok,
    open_world,
)

DRILL = ROOT / "docs" / "postgresql-drill.sh"
Sealed = dict[tuple[str, str, str], str]
"""Every sealed text, by table, column and row."""


def command(*arguments: str | Path, url: str, data_key: str | None = None) -> Result:
    """Run `python -m api …` on a database, with the data key in use or another one."""
    settings = {
        "BN_DATABASE_URL": url,
        "BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(),
        "BN_DATA_KEY": data_key or DATA_KEY.get_secret_value(),
    }
    return CliRunner().invoke(app, list(map(str, arguments)), env=settings)


def url_of(path: Path) -> str:
    """Give the address of an SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


class Words:
    """A different word each time, so that each can be looked for."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self) -> str:
        """Give another word."""
        self.said.append(f"canary-{random.getrandbits(64):016x}")
        return self.said[-1]


async def some_cases(world: World, words: Words) -> list[str]:
    """Write a word in each sealed field that a clinician, a supervisor and a consultant have."""
    paths = []
    for _ in range(3):
        case = await world.clinician.case(client_ref=words())
        told = {"narrative": words(), "rationale": words()}
        incident = await world.clinician.incident(case, "hurtful_words", **told)
        promise = await world.clinician.promise(case, wording=words())
        asked = {
            "kind": "ethics",
            "urgency": "routine",
            "question": words(),
            "summary": words(),
            "consultant_id": str(world.here["consultant"].id),
        }
        path = f"/v1/cases/{case['id']}"
        consultation = await world.clinician.post(f"{path}/consultations", asked)
        assert consultation.status_code == 201, consultation.text
        (flag, *_) = await world.clinician.flag_list(case)
        note = {"determination": "crossing_needs_repair", "resolution_note": words()}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", note))
        paths += [path, f"/v1/incidents/{incident['id']}", f"/v1/promises/{promise['id']}"]
        paths += [f"/v1/consultations/{consultation.json()['id']}", f"{path}/flags"]
    return paths


async def shown(world: World, paths: list[str]) -> str:
    """Give what the clinician reads there."""
    return "\n".join([(await world.clinician.get(path)).text for path in paths])


async def kept(url: str, clinic_id: Any) -> tuple[Sealed, list[Any]]:
    """Give every sealed text of a clinic, opened, and its journal."""
    database = Database(url, keys=SETTINGS.data_keys, pool_size=1, walled=False)
    texts: Sealed = {}
    async with database.transaction() as tx:
        await tx.enter(clinic_id)
        for mapper in SQLModel._sa_registry.mappers:
            names = [each.name for each in mapper.columns if isinstance(each.type, SealedText)]
            if names:
                for row in (await tx.exec(select(mapper.class_))).all():
                    texts |= {
                        (mapper.class_.__tablename__, name, str(row.id)): getattr(row, name)
                        for name in names
                        if getattr(row, name, None) is not None
                    }
        entries = await tx.exec(select(JournalEntry).order_by(JournalEntry.id))  # type: ignore[arg-type]
        journal = [entry.model_dump() for entry in entries.all()]
    await database.dispose()
    return texts, journal


async def read_again(world: World, url: str, paths: list[str]) -> str:
    """Read the same from another database, through the API."""
    await world.database.dispose()
    furnish(world.app, SETTINGS.model_copy(update={"database_url": url}), world.clock)
    return await shown(world, paths)


# --------------------------------------------------------------------------------------- SQLite


async def test_an_sqlite_copy_made_while_it_is_served_is_read_after_a_restore(
    new_urls: Urls, tmp_path: Path
) -> None:
    words, copy, elsewhere = Words(), tmp_path / "copy.db", tmp_path / "elsewhere.db"
    async with open_world(new_urls, NOON) as world:
        paths = await some_cases(world, words)
        before = await shown(world, paths)
        texts, journal = await kept(new_urls.owner, world.clinician.clinic_id)
        copying = asyncio.create_task(
            asyncio.to_thread(command, "backup", copy, url=new_urls.runtime)
        )
        while not copying.done():
            await world.clinician.case()
        assert copying.result().exit_code == 0, copying.result().output
        assert copy.stat().st_mode & 0o777 == 0o600
        put_back = await asyncio.to_thread(command, "restore", copy, url=url_of(elsewhere))
        assert put_back.exit_code == 0, put_back.output
        restored, restored_journal = await kept(url_of(elsewhere), world.clinician.clinic_id)
        assert texts.items() <= restored.items()
        assert restored_journal[: len(journal)] == journal
        after = await read_again(world, url_of(elsewhere), paths)
    assert after == before
    assert [word for word in words.said if word not in after] == []
    assert {word for word in restored.values() if word.startswith("canary-")} == set(words.said)
    assert [each for each in os.listdir(tmp_path) if each.startswith(".")] == []  # noqa: PTH208 - at once


@pytest.fixture(scope="module")
def copy_of_a_clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound copy, from which each test makes its own."""
    folder = tmp_path_factory.mktemp("backup")
    url = url_of(folder / "clinic.db")
    migrate(url)

    async def play() -> None:
        async with open_world(Urls(url, url), NOON) as world:
            await some_cases(world, Words())

    asyncio.run(play())
    back_up(folder / "clinic.db", folder / "copy.db")
    return folder / "copy.db"


@pytest.fixture
def copy(copy_of_a_clinic: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    path = tmp_path / "copy.db"
    path.write_bytes(copy_of_a_clinic.read_bytes())
    return path


def spoil(copy: Path, how: str) -> None:
    """Spoil a copy."""
    if how == "overwritten":
        size = copy.stat().st_size
        with copy.open("r+b") as file:
            file.seek(size // 3)
            file.write(os.urandom(size // 3))
    elif how == "cut off":
        os.truncate(copy, copy.stat().st_size // 2)
    else:
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute(how)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("overwritten", "copy.db is "),
        ("cut off", "no sound database"),
        ("DELETE FROM users", "damaged"),
        ("DROP TABLE journal_entries", "not a database of this program"),
        ("UPDATE alembic_version SET version_num = '9999'", "a newer one made it"),
        ("UPDATE clinic_keys SET wrapped_by = 'another'", "the data key another"),
    ],
)
def test_a_copy_that_is_spoiled_is_refused(how: str, why: str, copy: Path, tmp_path: Path) -> None:
    spoil(copy, how)
    refused = command("restore", copy, url=url_of(tmp_path / "clinic.db"))
    assert refused.exit_code == 2
    assert why in refused.stderr
    assert not (tmp_path / "clinic.db").exists()
    assert sorted(tmp_path.iterdir()) == [copy]


def test_a_copy_of_a_broken_database_is_not_made(copy: Path, tmp_path: Path) -> None:
    spoil(copy, "overwritten")
    refused = command("backup", tmp_path / "backup.db", url=url_of(copy))
    assert refused.exit_code == 2
    assert sorted(tmp_path.iterdir()) == [copy]


def test_without_the_data_key_a_copy_is_refused(copy: Path, tmp_path: Path) -> None:
    place = url_of(tmp_path / "clinic.db")
    refused = command("restore", copy, url=place, data_key=new_data_key())
    assert refused.exit_code == 2
    assert "without the data key" in refused.stderr
    both = f"{new_data_key()},{DATA_KEY.get_secret_value()}"
    assert command("restore", copy, url=place, data_key=both).exit_code == 0


def test_an_older_copy_asks_for_a_migration(copy: Path, tmp_path: Path) -> None:
    spoil(copy, "UPDATE alembic_version SET version_num = '0002'")
    spoil(copy, "DROP TABLE clinic_keys")
    done = command("restore", copy, url=url_of(tmp_path / "clinic.db"))
    assert done.exit_code == 0
    assert "python -m api migrate" in done.stdout


async def test_a_restore_ends_every_invitation_and_every_visit_and_keeps_the_receipts(
    new_urls: Urls, tmp_path: Path
) -> None:
    copy, place = tmp_path / "copy.db", tmp_path / "elsewhere.db"
    async with open_world(new_urls, NOON) as world:
        await open_door(world)
        code = (await invite(world.clinician, await world.clinician.case()))["code"]
        visit = await enter(world, code=code)
        receipt = (await visit.says())["receipt"]
        ok(await visit.send("GET", "/who-reads"))
        done = await asyncio.to_thread(command, "backup", copy, url=new_urls.runtime)
        assert done.exit_code == 0, done.output
    done = await asyncio.to_thread(command, "restore", copy, url=url_of(place))
    assert "Every invitation to a client's door has ended" in done.stdout
    async with open_world(Urls(url_of(place), url_of(place)), NOON) as world:
        assert (await knock(world, code=code)).status_code == 401
        visit = replace(visit, world=world)
        assert (await visit.send("GET", "/who-reads")).status_code == 401
        assert len(await (await enter(world, receipt=receipt)).mine()) == 1


def test_nothing_is_overwritten_unasked(copy: Path, tmp_path: Path) -> None:
    place, again = tmp_path / "clinic.db", tmp_path / "again.db"
    again.write_text("something else")
    for attempt in (("backup", again), ("restore", copy)):
        place.write_bytes(copy.read_bytes())
        refused = command(*attempt, url=url_of(place))
        assert refused.exit_code == 2
        assert "--force" in refused.stderr
        assert command(*attempt, "--force", url=url_of(place)).exit_code == 0
    assert again.read_bytes()[:6] == b"SQLite"
    # what an earlier database left would be read as part of this one
    place.unlink()
    place.with_name("clinic.db-wal").write_text("left")
    assert command("restore", copy, url=url_of(place)).exit_code == 2
    assert command("restore", copy, "--force", url=url_of(place)).exit_code == 0
    assert not place.with_name("clinic.db-wal").exists()
    # a broken database is a reason to restore
    place.write_text("no database at all" * 1000)
    assert command("restore", copy, "--force", url=url_of(place)).exit_code == 0


def test_a_database_that_somebody_has_open_is_not_replaced(copy: Path, tmp_path: Path) -> None:
    place = tmp_path / "clinic.db"
    place.write_bytes(copy.read_bytes())

    async def play() -> None:
        database = Database(url_of(place))
        async with database.transaction() as tx:
            await tx.connection()
        # idle, with nothing under way: the server is still there
        refused = await asyncio.to_thread(command, "restore", copy, "--force", url=url_of(place))
        assert refused.exit_code == 2
        assert "open elsewhere" in refused.stderr
        await database.dispose()

    asyncio.run(play())
    assert command("restore", copy, "--force", url=url_of(place)).exit_code == 0


def test_what_cannot_be_copied_is_said_in_a_sentence(tmp_path: Path) -> None:
    url = url_of(tmp_path / "clinic.db")
    server = "postgresql+asyncpg://somebody:a-password@127.0.0.1:1/notes"
    for attempt, place, why in (
        (("backup", tmp_path / "copy.db"), url, "There is no database clinic.db."),
        (("restore", tmp_path / "copy.db"), url, "There is no database copy.db."),
        (("backup", tmp_path / "copy.db"), server, "docs/backup.md"),
        (("restore", tmp_path / "copy.db"), server, "docs/backup.md"),
        (("backup", tmp_path / "copy.db"), "sqlite+aiosqlite:///:memory:", "is not a file"),
    ):
        refused = command(*attempt, url=place)
        assert refused.exit_code == 2
        assert why in refused.stderr
        assert "a-password" not in refused.stderr
    sqlite3.connect(tmp_path / "clinic.db").close()
    nowhere = command("backup", tmp_path / "no" / "folder.db", url=url)
    assert (nowhere.exit_code, "FileNotFoundError" in nowhere.stderr) == (2, True)


# ----------------------------------------------------------------------------------- PostgreSQL


class Drill:
    """Two databases, one of them empty, of an owner who is nothing but their owner."""

    def __init__(self, server: Server) -> None:
        self.server = server
        for role in ("drill_owner", "drill_app"):
            self.sql(f"CREATE ROLE {role} LOGIN")
        self.sql("CREATE DATABASE drill OWNER drill_owner")
        migrate(self.urls("drill").owner)
        asyncio.run(grant_to_runtime_role(*reversed(self.urls("drill"))))

    def sql(self, statement: str) -> None:
        """Run a statement as the superuser."""
        psql = f"{self.server.binaries / 'psql'} -qX -vON_ERROR_STOP=1 -Upostgres"
        command = [*psql.split(), "-h", str(self.server.folder), "-c", statement]
        subprocess.run(command, check=True)

    def urls(self, name: str) -> Urls:
        """Give the addresses of a database."""
        address = make_url(f"postgresql+asyncpg:///{name}?host={quote(str(self.server.folder))}")
        serves, owns = (
            address.set(username=role).render_as_string() for role in ("drill_app", "drill_owner")
        )
        return Urls(serves, owns)

    def play(self, email: str, path: str = "") -> tuple[int, str]:
        """Play the drill into a new database; give its exit code and what it said."""
        self.sql("DROP DATABASE IF EXISTS drill_restored")
        self.sql("CREATE DATABASE drill_restored OWNER drill_owner")
        restored = self.urls("drill_restored")
        settings = {
            "database_url": restored.runtime,
            "migrate_database_url": restored.owner,
            "secret_key": SETTINGS_SECRET.get_secret_value(),
            "data_key": DATA_KEY.get_secret_value(),
        }
        more = {
            "PATH": f"{path}:{self.server.binaries}:{os.environ['PATH']}",
            "PGHOST": str(self.server.folder),
            "PGUSER": "drill_owner",
            "PGDATABASE": "drill",
            "DRILL_DATABASE": "drill_restored",
            "DRILL_EMAIL": email,
            "DRILL_PASSWORD": PASSWORD,
            "PYTHON": sys.executable,
        }
        done = subprocess.run(
            [DRILL],
            env=environment(settings) | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def drill(own_server: Server) -> Iterator[Drill]:
    """The drill, on a server of our own."""
    made = Drill(own_server)
    yield made
    for name in ("drill", "drill_restored"):
        made.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in ("drill_app", "drill_owner"):
        made.sql(f"DROP ROLE {role}")


async def test_every_word_is_read_after_the_postgresql_drill(drill: Drill, tmp_path: Path) -> None:
    words, urls, restored = Words(), drill.urls("drill"), drill.urls("drill_restored")
    async with open_world(urls, NOON) as world:
        paths = await some_cases(world, words)
        before = await shown(world, paths)
        sources = await kept(urls.owner, world.clinician.clinic_id)
        email = world.clinician.email
        code, said = await asyncio.to_thread(drill.play, email)
        assert code == 0, said
        copies = await kept(restored.owner, world.clinician.clinic_id)
        assert copies[0] == sources[0]
        # reading a case in the drill, and signing in for it, are entries of their own
        assert copies[1][: len(sources[1])] == sources[1]
        after = await read_again(world, restored.runtime, paths)
        assert after == before
        assert [word for word in words.said if word not in after] == []
        await _refuse_another_data_key(world, restored, paths)
        code, said = await asyncio.to_thread(drill.play, email, str(_forgetful(tmp_path)))
        assert (code, "differs from the dump" in said) == (1, True), said


async def _refuse_another_data_key(world: World, urls: Urls, paths: list[str]) -> None:
    await world.database.dispose()
    changes = {"database_url": urls.runtime, "data_key": SecretStr(new_data_key())}
    other = Settings(secret_key=SETTINGS_SECRET, **changes)  # type: ignore[arg-type]
    furnish(world.app, other, world.clock)
    assert (await world.http.get("/readyz")).status_code == 503
    assert {(await world.clinician.get(path)).status_code for path in paths} == {500}
    await world.database.dispose()


def _forgetful(folder: Path) -> Path:
    """Make a pg_restore that loses a row."""
    shim = folder / "pg_restore"
    shim.write_text(
        '#!/bin/sh\nPATH=${PATH#*:}\npg_restore "$@" || exit\ncase "$*" in *--dbname*) '
        'psql -qX -d "$DRILL_DATABASE" -c "DELETE FROM promises WHERE id = '
        '(SELECT id FROM promises LIMIT 1)";; esac\n'
    )
    shim.chmod(0o755)
    return folder
