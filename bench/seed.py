"""Fills a database with fictional clinics, by COPY."""

import math
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from api.domain.vocabulary import Audience, Determination, FlagStatus, Role, Severity
from api.flags.triage import level_of
from api.security.browser_tokens import BrowserTokens
from api.security.crypto import Place, SealableText, lookup_hash
from api.security.opaque_tokens import hash_of
from api.security.tokens import Claims
from api.storage.keyring import ClinicKeys, Keyring
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.flags import Flag
from api.storage.models.people import Clinic, ClinicKey, SignIn, User

CLINICIANS, OWN = 10, 100
"""Those who are measured, and how many cases each of them has."""
COLLEAGUES, A_COLLEAGUES = 500, 100
"""At most so many others treat at the clinic; before that each of them has so many cases."""
FEW = 3
"""The clinicians a supervisor of a few answers for; they are among those measured."""
NOW = datetime.now(UTC).replace(microsecond=0)
WORDS = "Fictional words of the length that such a note has. " * 6

_BATCH = 10_000
_SEVERITIES = (Severity.low, Severity.moderate, Severity.high, Severity.critical)
_RULES = ("hurtful_words", "physical_contact", "ending_unprepared")


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who is signed in, and the cases that are theirs."""

    claims: Claims
    cases: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Seeded:
    """A clinic that was filled: who may read what.

    `supervisor` answers for everybody at the clinic, `of_a_few` for `FEW` of the clinicians.
    `browser` is what the supervisor's browser shows at the desk.
    """

    supervisor: Worker
    of_a_few: Worker
    clinicians: tuple[Worker, ...]
    browser: str = ""


class _CaseKeys:
    """The keys of a clinic's cases, made as they are asked for."""

    def __init__(self, keys: ClinicKeys) -> None:
        self.keys = keys
        self._known: dict[UUID, tuple[AESGCM, str]] = {}

    def text_key(self, case_id: UUID) -> str:
        """Give what the case's row keeps of its key."""
        return self._of(case_id)[1]

    def bind(self, table: str, column: str, row_id: UUID, case_id: UUID, text: str) -> str:
        """Bind a text to its place."""
        place = Place(self.keys.clinic_id, table, column, row_id)
        return SealableText.at(place, self._of(case_id)[0], text)

    def _of(self, case_id: UUID) -> tuple[AESGCM, str]:
        if case_id not in self._known:
            self._known[case_id] = self.keys.new_case_key(case_id)
        return self._known[case_id]


async def open_connection(url: str) -> Any:
    """Connect by asyncpg to an SQLAlchemy URL."""
    parts = urlsplit(url.replace("+asyncpg", ""))
    options = parse_qs(parts.query)
    if host := options.get("host"):
        return await asyncpg.connect(
            host=host[0], user=parts.username, database=parts.path.lstrip("/")
        )
    return await asyncpg.connect(parts.geturl())


async def seed_clinic(
    connection: Any,
    keyring: Keyring,
    *,
    cases: int,
    flagged: int,
    own: int = OWN,
    browsers: BrowserTokens | None = None,
) -> Seeded:
    """Write one clinic whose first cases, `own` of each, are those of the clinicians measured.

    So their cases are older than all others, and whoever looks for them newest first comes by
    every case of their colleagues. What is flagged is theirs, unless it is more than they have.
    """
    clinic = Clinic(name="Fictional Clinic", created_at=NOW, updated_at=NOW)
    await copy_rows(connection, Clinic, [clinic.model_dump()])
    keys = keyring.forge(clinic.id, NOW)
    await copy_rows(connection, ClinicKey, (key.model_dump() for key in keys))
    unlocked = keyring.unlock(clinic.id, keys)
    theirs = min(cases, CLINICIANS * own)
    colleagues = min(COLLEAGUES, math.ceil((cases - theirs) / A_COLLEAGUES))
    people = [_person(clinic.id, number) for number in range(2 + CLINICIANS + colleagues)]
    await copy_rows(connection, User, (person.model_dump() for person in people))
    sessions = [_session(clinic.id, person.id) for person in people[: 2 + CLINICIANS]]
    at_desk = _session(clinic.id, people[0].id)
    shown = None if browsers is None else browsers.new(clinic.id, people[0].id, at_desk.id)
    if shown is not None:
        at_desk.cookie_hash = hash_of(shown.text)
    every = (*sessions, at_desk)
    await copy_rows(connection, SignIn, (session.model_dump() for session in every))
    await copy_rows(connection, Supervision, _links(clinic.id, people))
    clinicians, others = people[2 : 2 + CLINICIANS], people[2 + CLINICIANS :]
    chosen = set(random.Random(5).sample(range(theirs if flagged <= theirs else cases), flagged))
    numbers = range(theirs)
    ids = [uuid7() for _ in numbers]
    async with _trusted(connection):
        owners = [clinicians[number % CLINICIANS].id for number in numbers]
        await _write(connection, _CaseKeys(unlocked), numbers, ids, owners, chosen, full=True)
        for start in range(theirs, cases, _BATCH):
            numbers = range(start, min(cases, start + _BATCH))
            owners = [others[number % colleagues].id for number in numbers]
            # keys of their own: those of a million cases would need much memory
            safe, more = _CaseKeys(unlocked), [uuid7() for _ in numbers]
            await _write(connection, safe, numbers, more, owners, chosen, full=False)
    signed_in = [
        Claims(clinic.id, person.id, session.id)
        for person, session in zip(people, sessions, strict=False)
    ]
    return Seeded(
        Worker(signed_in[0]),
        Worker(signed_in[1]),
        tuple(
            Worker(claims, tuple(ids[number::CLINICIANS]))
            for number, claims in enumerate(signed_in[2:])
        ),
        "" if shown is None else shown.text,
    )


async def _write(
    connection: Any,
    safe: "_CaseKeys",
    numbers: range,
    ids: list[UUID],
    owners: list[UUID],
    chosen: set[int],
    *,
    full: bool,
) -> None:
    """Write cases and what is on them: in full, or one short incident and no promise."""
    await copy_rows(connection, Case, _cases(safe, numbers, ids, owners))
    await copy_rows(connection, Incident, _incidents(safe, ids, owners, full=full))
    if full:
        await copy_rows(connection, Promise, _promises(safe, ids))
    clinic_id, numbered = safe.keys.clinic_id, list(zip(numbers, ids, strict=True))
    looked_at = (case_id for number, case_id in numbered if number % 2)
    await copy_rows(connection, Flag, _resolved_flags(clinic_id, looked_at))
    waiting = [case_id for number, case_id in numbered if number in chosen]
    await copy_rows(connection, Flag, _flags(clinic_id, waiting))
    await _keep_triage(connection, clinic_id)


@asynccontextmanager
async def _trusted(connection: Any) -> AsyncIterator[None]:
    """Leave out that each row's references are looked up one by one: they are right."""
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    yield
    await connection.execute("RESET session_replication_role; RESET synchronous_commit")


def _made(clinic_id: UUID) -> dict[str, Any]:
    return {"clinic_id": clinic_id, "created_at": NOW, "updated_at": NOW}


def _person(clinic_id: UUID, number: int) -> User:
    return User(
        **_made(clinic_id),
        name=f"Person {number}",
        email=f"person-{number}-{clinic_id.hex}@clinic.example",
        role=Role.supervisor if number < 2 else Role.clinician,
        password_hash="nobody signs in here",
    )


def _session(clinic_id: UUID, user_id: UUID) -> SignIn:
    tomorrow = NOW + timedelta(days=1)
    return SignIn(
        **_made(clinic_id),
        user_id=user_id,
        authenticated_at=NOW,
        expires_at=tomorrow,
        idle_at=tomorrow,
    )


def _links(clinic_id: UUID, people: list[User]) -> Iterator[dict[str, Any]]:
    everyones, of_a_few, *clinicians = people
    for supervisor, supervised in ((everyones, clinicians), (of_a_few, clinicians[:FEW])):
        for clinician in supervised:
            link = Supervision(
                **_made(clinic_id),
                supervisor_id=supervisor.id,
                clinician_id=clinician.id,
                starts_on=NOW.date() - timedelta(days=365),
            )
            yield link.model_dump()


# One row of each kind is built with its defaults; the others are copies that differ in a few
# fields, because building a hundred thousand takes long.


def _cases(
    safe: "_CaseKeys", numbers: range, ids: list[UUID], owners: list[UUID]
) -> Iterator[dict[str, Any]]:
    plain = Case.model_validate(
        {
            **_made(safe.keys.clinic_id),
            "client_ref": "",
            "clinician_id": owners[0],
            "status": "active",
            "setting": "clinic",
            "started_on": NOW.date() - timedelta(days=200),
            "phase": "feelings_present",
            "attachment_roles": ["attachment_figure"],
            "sessions_per_week": 1.0,
            "is_minor": False,
        }
    ).model_dump()
    for number, case_id, owner in zip(numbers, ids, owners, strict=True):
        client_ref = f"client-{number}"
        # some wait for a day to come, and none is due
        recheck_at = NOW + timedelta(days=1 + number % 60) if number % 3 == 0 else None
        yield {
            **plain,
            "id": case_id,
            "client_ref": safe.bind("cases", "client_ref", case_id, case_id, client_ref),
            "client_ref_hash": lookup_hash(safe.keys.lookup, client_ref),
            "text_key": safe.text_key(case_id),
            "clinician_id": owner,
            "recheck_at": recheck_at,
        }


def _incidents(
    safe: "_CaseKeys", ids: list[UUID], owners: list[UUID], *, full: bool
) -> Iterator[dict[str, Any]]:
    plain = Incident.model_validate(
        {
            **_made(safe.keys.clinic_id),
            "case_id": ids[0],
            "kind": "",
            "occurred_on": NOW.date() - timedelta(days=30),
            "date_precision": "day",
            "initiator": "client",
            "reported_by": "therapist",
            "classification": "normal_process",
            "client_impact": "none",
            "repair": "none",
        }
    ).model_dump()
    felt = {"kind": "expression", "by": "client", "feelings": ["longing", "anger"]}
    late = {"kind": "crossing", "area": "time"}
    written = {"rationale": "A written reason.", **({"narrative": WORDS} if full else {})}
    for case_id, owner in zip(ids, owners, strict=True):
        common = {**plain, "case_id": case_id, "recorded_by_id": owner}
        for details in (felt, late) if full else (late,):
            row_id = uuid7()
            texts = {
                name: safe.bind("incidents", name, row_id, case_id, text)
                for name, text in written.items()
            }
            yield {**common, **texts, "id": row_id, "kind": details["kind"], "details": details}


def _promises(safe: "_CaseKeys", ids: list[UUID]) -> Iterator[dict[str, Any]]:
    plain = Promise.model_validate(
        {
            **_made(safe.keys.clinic_id),
            "case_id": ids[0],
            "wording": "",
            "made_by": "therapist",
            "source": "explicit",
            "kind": "professional_availability",
            "scope": "within_frame",
            "keepable": "yes",
            "significance": "major",
            "made_on": NOW.date() - timedelta(days=60),
            "state": "open",
            "client_impact": "none",
            "reported_by": "therapist",
        }
    ).model_dump()
    for case_id in ids:
        row_id = uuid7()
        wording = safe.bind("promises", "wording", row_id, case_id, "A fictional promise.")
        yield {**plain, "id": row_id, "case_id": case_id, "wording": wording}


async def _keep_triage(connection: Any, clinic_id: UUID) -> None:
    """Let each case that waits keep where it stands in the queue; nothing here is restricted."""
    levels = " ".join(f"WHEN '{each}' THEN {level_of(each)}" for each in _SEVERITIES)
    await connection.execute(
        "UPDATE cases SET triage_level = level, triage_due_at = due_at,"
        " unrestricted_triage_level = level, unrestricted_triage_due_at = due_at FROM ("
        f"SELECT case_id, min(CASE severity {levels} END) AS level, min(due_at) AS due_at"
        " FROM flags WHERE clinic_id = $1 AND status = 'open' GROUP BY case_id) AS waiting"
        " WHERE cases.clinic_id = $1 AND cases.id = waiting.case_id",
        clinic_id,
        timeout=300,
    )


def _flags(clinic_id: UUID, ids: list[UUID]) -> Iterator[dict[str, Any]]:
    for number, case_id in enumerate(ids):
        for rule in _RULES[: 1 + number % len(_RULES)]:
            yield {
                **_flag(clinic_id, case_id, rule).model_dump(),
                "severity": _SEVERITIES[number % len(_SEVERITIES)],
                "due_at": NOW + timedelta(hours=24 + number),
            }


def _resolved_flags(clinic_id: UUID, ids: Iterable[UUID]) -> Iterator[dict[str, Any]]:
    """Write flags that somebody looked at: they stand in lists, and in no queue."""
    plain = {
        **_flag(clinic_id, clinic_id, _RULES[0]).model_dump(),
        "status": FlagStatus.resolved,
        "determination": Determination.normal_process,
        "resolved_at": NOW,
    }
    for case_id in ids:
        yield {**plain, "id": uuid7(), "case_id": case_id}


def _flag(clinic_id: UUID, case_id: UUID, rule: str) -> Flag:
    return Flag(
        **_made(clinic_id),
        case_id=case_id,
        rule=rule,
        title="A fictional flag",
        severity=Severity.moderate,
        audience=Audience.supervisor,
        because="By the client's account, something is recorded.",
        evidence=[{"type": "incident", "id": str(uuid7())}],
        effective_at=NOW,
        due_at=NOW + timedelta(days=1),
        rule_version=1,
    )


async def copy_rows(connection: Any, model: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as the column types of the model write them."""
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]
    processors = [
        (column.name, column.type.dialect_impl(dialect).bind_processor(dialect))
        for column in table.columns
    ]
    await connection.copy_records_to_table(
        table.name,
        records=_processed(processors, rows),
        columns=[name for name, _ in processors],
        timeout=300,
    )


def _processed(
    processors: list[tuple[str, Any]], rows: Iterable[dict[str, Any]]
) -> Iterator[list[Any]]:
    # most of a row is the very same as in the row before, and is written once
    last, written = [object()] * len(processors), [None] * len(processors)
    for row in rows:
        for place, (name, process) in enumerate(processors):
            value = row[name]
            if value is not last[place]:
                last[place] = value
                written[place] = process(value) if process else value
        yield list(written)
