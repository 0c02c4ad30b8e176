"""The demo: one command, no settings, a clinic of invented people; nothing is kept."""

import asyncio
import errno
import logging
import signal
import socket
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import structlog
import typer
import uvicorn
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import event

from api.commands.demo_cases import (
    ADMIN,
    BRUNO,
    CASES,
    CLINIC,
    DOOR,
    DOROTHEA,
    PEOPLE,
    SAID_AT_DOOR,
    WHOSE_DOOR,
    DemoCase,
    Person,
    Record,
)
from api.commands.founding import found_clinic
from api.commands.worker import deliver_until, seal_until
from api.main import create_app
from api.runtime.logs import configure_logs
from api.runtime.settings import Settings, new_data_key, random_secret
from api.storage.database import Database, utc_now
from api.storage.migrations import migrate

HOST = "127.0.0.1"
PASSWORD = "only-for-this-demo"  # noqa: S105 - everyone may know it
SOFTWARE_REQUESTS_A_MINUTE = 200
"""Fewer than a clinic's software may send, so that who tries it out meets the limit soon."""
WRITTEN_AGO = timedelta(hours=30)
"""How long ago the records seem to have been written: a critical flag is overdue by then."""

_SIGN_IN = """\
{name}=$(curl -sS {url}/v1/auth/token \\
  -d grant_type=password -d username={email} \\
  -d password={password} |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
"""
_READ_QUEUE = """\
curl -sS '{url}/v1/flagged-cases?limit=1' \\
  -H "Authorization: Bearer $SUPERVISOR" | python3 -m json.tool
"""
_REPORT = """\
CASE=$(curl -sS '{url}/v1/cases?client_ref=HL-0007' \\
  -H "Authorization: Bearer $CLINICIAN" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["id"])')
curl -sS "{url}/v1/cases/$CASE/incidents" \\
  -H "Authorization: Bearer $CLINICIAN" \\
  -H 'Content-Type: application/json' -d @- <<END | python3 -m json.tool
{{
  "occurred_on": "$(date -u +%Y-%m-%d)",
  "initiator": "therapist",
  "reported_by": "therapist",
  "narrative": "I told him at the door that I no longer answer mail.",
  "details": {{
    "kind": "frame_change",
    "direction": "tighten",
    "elements": ["email_replies"],
    "discussed": false
  }}
}}
END
"""


class _SetBack:
    """The demo's clock: behind while the records are written, then right."""

    def __init__(self) -> None:
        self.behind = WRITTEN_AGO

    def __call__(self) -> datetime:
        return utc_now() - self.behind


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Try the whole product on a throw-away database with fictional cases."""
    # on this machine alone, until Ctrl-C or SIGTERM; then all of it is removed
    _stop_as_with_ctrl_c()
    # it may end by the interruption, or having been told of it
    with (
        suppress(KeyboardInterrupt),
        _listen(port) as listener,
        TemporaryDirectory(prefix="boundary-notes-demo-") as folder,
    ):
        url = f"sqlite+aiosqlite:///{Path(folder) / 'demo.db'}"
        migrate(url)
        key_file = _make_key_file(Path(folder))
        asyncio.run(_fill_and_serve(url, key_file, listener))
    typer.echo("The demo has stopped, and nothing of it is kept.")


def receiver_of(port: int) -> str:
    """Give the one address, beside public ones, that a demo on this port sends events to."""
    return f"{HOST}:{port + 765 if port < 64_000 else port - 765}"


def requests_to_try(port: int) -> tuple[str, str, str]:
    """Give three requests for a POSIX shell; the second uses what the first one set."""
    url = f"http://{HOST}:{port}"
    supervisor, clinician = (
        _SIGN_IN.format(name=name, url=url, email=person.email, password=PASSWORD)
        for name, person in (("SUPERVISOR", DOROTHEA), ("CLINICIAN", BRUNO))
    )
    show = 'echo "$SUPERVISOR"\n'
    return supervisor + show, _READ_QUEUE.format(url=url), clinician + _REPORT.format(url=url)


def _stop_as_with_ctrl_c() -> None:
    """Let a `kill`, or a closed terminal, end the demo in the one way that cleans up."""
    # a shell starts what runs in its background with Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # what the caller chose to ignore (nohup) stays ignored
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def _listen(port: int) -> socket.socket:
    """Take the port before any work is done; whoever knocks early is answered when it is ready."""
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = f"Port {port} is taken; try another: python -m api demo --port {port + 1}"
        else:
            reason = f"Port {port} cannot be used; try: python -m api demo --port 8000"
        typer.echo(reason, err=True)
        raise typer.Exit(2) from error


def _make_key_file(folder: Path) -> Path:
    """Write a data key that only this user may read."""
    path = folder / "data-key"
    path.touch(mode=0o600)
    path.write_text(new_data_key())
    return path


async def _fill_and_serve(url: str, key_file: Path, listener: socket.socket) -> None:
    configure_logs()
    # a line for each request would push what is printed below off the screen
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock = _SetBack()
    port = listener.getsockname()[1]
    # built without asking the environment: its settings belong to a real clinic
    settings = Settings.model_construct(
        database_url=url,
        secret_key=random_secret(),
        data_key_file=key_file,
        webhook_test_addresses=receiver_of(port),
        software_requests_a_minute=SOFTWARE_REQUESTS_A_MINUTE,
    )
    app = create_app(settings, clock)
    event.listen(app.state.database.engine.sync_engine, "connect", _do_not_wait_for_the_disk)
    try:
        code = await fill(app, clock().date())
        clock.behind = timedelta()
        typer.echo(_welcome(port, code))
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        config.timeout_graceful_shutdown = 2
        told_to_stop = asyncio.Event()
        beside = asyncio.gather(
            seal_until(told_to_stop, app.state.database),
            deliver_until(told_to_stop, app.state.database, app.state.destinations),
        )
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            told_to_stop.set()
            await _to_its_end(beside)
    finally:
        await app.state.database.dispose()


async def _to_its_end(work: "asyncio.Future[Any]") -> None:
    """Wait for work that was told to stop, though Ctrl-C cancels whoever waits.

    Broken off in the midst of a transaction it may leave its connection open, and a process that
    waits for that never ends.
    """
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(work)


def _do_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    # what is not to be kept need not survive a power cut, and is written in half the time
    connection.execute("PRAGMA synchronous=OFF")


async def fill(app: FastAPI, today: date) -> str:
    """Found the clinic; everything else goes through the API, as its people would send it.

    Gives the code of an invitation to the clients' door.
    """
    database: Database = app.state.database
    password_hash = await app.state.passwords.hash(PASSWORD)
    async with database.transaction() as tx:
        await found_clinic(
            tx,
            database.keyring,
            name=CLINIC,
            admin_email=ADMIN.email,
            password_hash=password_hash,
        )
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://demo") as http:
        await _hire(http)
        writers = (DOROTHEA, *CASES)
        tokens = await asyncio.gather(*(_sign_in(http, person) for person in writers))
        bearers = dict(zip(writers, tokens, strict=True))
        opened = {
            case.client_ref: await _tell(http, bearers, clinician, case, today)
            for clinician, cases in CASES.items()
            for case in cases
        }
        return await _open_door(http, bearers[BRUNO], opened[WHOSE_DOOR])


async def _open_door(http: AsyncClient, token: str, case_id: str) -> str:
    """Invite the client of a case, and let them say something; give the code of the invitation."""
    invited = await _post(http, token, f"cases/{case_id}/invitations", {})
    entered = await http.post("/door/v1/session", json={"code": invited["code"]})
    at_door = {"Authorization": f"Bearer {entered.raise_for_status().json()['token']}"}
    sent = await http.post("/door/v1/accounts", json=SAID_AT_DOOR, headers=at_door)
    sent.raise_for_status()
    code: str = invited["code"]
    return code


async def _hire(http: AsyncClient) -> None:
    """Let the admin create everybody, link the supervisor to every clinician, and open the door."""
    admin = await _sign_in(http, ADMIN)
    asking = {"Authorization": f"Bearer {admin}"}
    clinic = await http.get("/v1/clinic", headers=asking)
    unchanged = {**asking, "If-Match": clinic.headers["ETag"]}
    (await http.patch("/v1/clinic", json=DOOR, headers=unchanged)).raise_for_status()
    ids = {}
    for person in PEOPLE:
        if person != ADMIN:
            body = {"name": person.name, "email": person.email, "role": person.role}
            made = await _post(http, admin, "users", {**body, "password": PASSWORD})
            ids[person] = made["id"]
    for clinician in CASES:
        link = {"supervisor_id": ids[DOROTHEA], "clinician_id": ids[clinician]}
        await _post(http, admin, "supervisions", {**link, "starts_on": "2020-01-01"})


async def _sign_in(http: AsyncClient, person: Person) -> str:
    form = {"grant_type": "password", "username": person.email, "password": PASSWORD}
    answer = await http.post("/v1/auth/token", data=form)
    return str(answer.raise_for_status().json()["access_token"])


async def _tell(
    http: AsyncClient, bearers: dict[Person, str], clinician: Person, case: DemoCase, today: date
) -> str:
    """Open a case, and take its steps with the ids that later ones speak of; give its own id."""
    about = {"client_ref": case.client_ref, "started_on": case.started_on, "setting": "clinic"}
    body = _dated({**about, **case.more}, today)
    opened = await _post(http, bearers[clinician], "cases", body)
    ids = {"case": opened["id"]}
    narrative: str | None = case.narrative
    for step in case.steps:
        body = _dated(step.body, today)
        noun = step.path.rpartition("/")[2].removesuffix("s")
        if noun == "incident":
            body, narrative = {**body, "narrative": narrative}, None
        token = bearers[step.by or clinician]
        answer = await _post(http, token, step.path.format(**ids), body)
        ids[noun] = answer["id"]
        ids |= {flag["rule"]: flag["id"] for flag in answer.get("flags_raised", ())}
    return str(opened["id"])


async def _post(http: AsyncClient, token: str, path: str, body: Record) -> dict[str, Any]:
    answer = await http.post(f"/v1/{path}", json=body, headers={"Authorization": f"Bearer {token}"})
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


def _dated(body: Record, today: date) -> Record:
    """Turn the days ago of every `…_on` field into dates."""
    return {
        name: (today - timedelta(days=value)).isoformat() if name.endswith("_on") else value
        for name, value in body.items()
    }


def _welcome(port: int, code: str) -> str:
    url = f"http://{HOST}:{port}"
    people = "\n".join(f"  {p.role:<16} {p.name:<21} {p.email}" for p in PEOPLE)
    titles = (
        "1. Sign in as the supervisor (a token holds for ten minutes)",
        "2. Read the most urgent case of her queue",
        "3. As a clinician, report a limit drawn without warning; see `flags_raised`",
    )
    pairs = zip(titles, requests_to_try(port), strict=True)
    tries = "\n".join(f"{title}\n\n{request}" for title, request in pairs)
    return f"""
Boundary Notes: {CLINIC}, where everybody is invented

  The desk         {url}/desk
                   pages for people: sign in as the supervisor,
                   {DOROTHEA.email}, and look at her queue
  Clients' door    {url}/door
                   say something with the code {code},
                   and find it on her desk under From the door

  The API          {url}/v1
  Try it out       {url}/docs
  Read about it    {url}/redoc
  OpenAPI          {url}/openapi.json
  Events           to https addresses, or to http://{receiver_of(port)}

Everybody's password is {PASSWORD}

{people}

Three requests to try in another terminal:

{tries}
Ctrl-C stops the demo and removes everything it wrote."""
