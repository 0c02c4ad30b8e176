"""What the OpenAPI document promises, held against thousands of generated requests."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from schemathesis import AuthContext, Case, HookContext
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.meta import TestPhase
from structlog.testing import capture_logs

from api.http.oauth_refusals import TOKEN_PATH
from api.openapi.security_schemes import PERSON, SOFTWARE
from tests.support.matrix import ROLES, TABLE
from tests.support.requests import document
from tests.support.scene import Scene, set_scene
from tests.support.world import NOON, Urls, open_world

CASES = 2_500
"""Fewer are not enough, on each database."""

SEED = 20260302

NEAR = ("own", "linked", "unrelated")

ROWS = {f"{row.method} {row.path}": row for row in TABLE}

WELCOME = {
    label: [(role, on) for role, on, letter in row.expected() if letter in "yc" and on in NEAR]
    for label, row in ROWS.items()
}
"""Who may do what, and on whose record."""

IDS = {"about_user_id": "user_id", "clinician_id": "user_id"}
"""Fields that hold the id of a record under another name."""

FIRST, EVERY = 10, 12
"""Of the cases that walk through an operation's schema one by one, the first are asked, and every
so many of the rest: kinds of incidents alone make two thousand."""

FILES = {"POST /v1/imports"}
"""What takes a file, line by line."""

CONFIG = {
    "seed": SEED,
    "workers": 1,
    "continue-on-failure": True,
    "suppress-health-check": ["all"],
    "generation": {
        "max-examples": 4,
        "no-shrink": True,
        "deterministic": True,
        "database": "none",
        # who asks is ours to say; whether it matters is what `ignored_auth` looks at
        "with-security-parameters": False,
    },
    "checks": {
        # a schema does not say which versions, states, people and days fit each other: what it
        # allows may be refused as 409, 412 or 422, yet never as 405, 415 or 428; 400 is FHIR's and
        # OAuth's, and 406 FHIR's alone, see `of_others`
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", 400, 401, 403, 404, 406, 409, 412, 422, 429],
        },
        "negative_data_rejection": {
            "expected-statuses": [
                *(400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429)
            ],
        },
        "missing_required_header": {"expected-statuses": [401, 403, 415, 422, 428]},
        # these follow a record from request to request, and here nothing that is done is kept
        "use_after_free": {"enabled": False},
        "ensure_resource_availability": {"enabled": False},
        # it needs two identities of its own making; the matrix asks this in every cell
        "object_level_authorization": {"enabled": False},
    },
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": True},
        "fuzzing": {"enabled": True},
        # links between operations would need records that stay
        "stateful": {"enabled": False},
    },
}

CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
}


@schemathesis.serializer("application/x-ndjson", "text/csv")
def write_lines(_: Any, value: Any) -> bytes:
    """Send a file as it is."""
    file = getattr(value, "data", value)
    return file if isinstance(file, bytes) else file.encode()


@dataclass
class Played:
    """What came of one run."""

    answers: Counter[int] = field(default_factory=Counter)
    by_operation: dict[str, Counter[int]] = field(default_factory=dict)
    checks: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.answers.total()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application over HTTP on a free port, in the loop its database belongs to."""
    # said to be TCP, or the event loop would hold small packets back for 40 ms
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        # who knocks before the server has started waits
        listener.listen()
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.mark.timeout(400)  # a broken-off run would hold its database for those who come after
async def test_all_that_is_promised_is_kept(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    # nobody here is slowed down, but who guesses passwords
    for name, most in (("FAILURES", 100_000), ("OF_A_NETWORK", 100)):
        monkeypatch.setattr(
            f"api.access.rate_limits.{name}", RateLimitItemPerHour(most, namespace=name)
        )
    async with open_world(urls, NOON) as world:
        of_software = RateLimitItemPerMinute(100_000, namespace="software")
        monkeypatch.setattr(world.app.state.throttle, "of_software", of_software)
        scene = await set_scene(world)
        # nothing that is done is kept: every case finds the sessions and records there
        scene.rehearsing = True
        tokens = {role: await world.token_of(scene.here[role]) for role in ROLES}
        operations = sum(map(len, document()["paths"].values()))
        with capture_logs():
            async with served(world.app) as url:
                played = await asyncio.to_thread(play, scene, tokens, url)
    assert not played.failures, "\n\n".join(played.failures[:20])
    assert played.cases >= CASES
    assert played.checks.keys() == CHECKS
    assert min(played.checks.values()) >= CASES
    assert len(played.by_operation) == operations
    # not all of it stopped at a door
    assert sum(n for status, n in played.answers.items() if status < 300) >= CASES // 5


def play(scene: Scene, tokens: dict[str, str], url: str) -> Played:
    """Let schemathesis ask whatever comes to its mind."""
    played = Played()
    for event in from_schema(promised(scene, tokens, url)).execute():
        if isinstance(event, events.NonFatalError):
            played.failures.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            played.failures.append(repr(event.exception))
        elif isinstance(event, events.ScenarioFinished):
            write_down(event, played)
    return played


def write_down(event: events.ScenarioFinished, played: Played) -> None:
    """Count what one scenario asked, and what was found wrong."""
    recorder = event.recorder
    of_this = played.by_operation.setdefault(recorder.label, Counter())
    for case_id, checks in recorder.checks.items():
        asked = recorder.interactions[case_id]
        if asked.response is None:
            played.failures.append(f"{recorder.label}: no answer")
            continue
        status = asked.response.status_code
        if status in of_others(recorder.label.partition(" ")[2]):
            played.failures.append(f"{recorder.label}: {status} for {asked.request.uri}")
        played.answers[status] += 1
        of_this[status] += 1
        played.checks.update(check.name for check in checks)
        played.failures += [
            f"{check.name}: {asked.request.method} {asked.request.uri} {asked.request.body!r}\n"
            f"{status} {asked.response.text[:300]}\n{check.failure_info}"
            for check in checks
            if check.status is not Status.SUCCESS
        ]


def of_others(path: str) -> set[int]:
    """Name the statuses that are FHIR's, OAuth's or everybody else's, and not of this path."""
    if path.startswith("/fhir/"):
        return set()
    return {406, 422} if path == TOKEN_PATH else {400, 406}


def promised(scene: Scene, tokens: dict[str, str], url: str) -> Any:
    """Give the application's own document, with people and records to ask about."""
    # `ignored_auth` knows bearer tokens, but not under the name of OAuth 2
    schemes = {name: {"type": "http", "scheme": "bearer"} for name in (PERSON, SOFTWARE)}
    described = deepcopy(document())
    described["components"]["securitySchemes"] = schemes
    for on in described["paths"].values():
        for parameter in (each for does in on.values() for each in does.get("parameters", ())):
            if parameter["name"] == "If-Match":
                # the header's own grammar has `*`, lists and weak tags, which are told so by 428
                parameter["schema"] = {"type": "string", "pattern": '^"[!#-~]*"$'}
    config = schemathesis.Config.from_dict(CONFIG)
    schema = schemathesis.openapi.from_dict(described, config=config)
    schema.config.update(base_url=url)
    draw = random.Random(SEED)
    walked: Counter[str] = Counter()

    @schema.auth(refresh_interval=None)
    class Somebody:
        def get(self, case: Case[Any], context: AuthContext) -> tuple[str, str]:
            welcome = WELCOME.get(case.operation.label)
            if welcome and draw.random() < 0.75:
                return draw.choice(welcome)
            return draw.choice(ROLES), "linked"

        def set(self, case: Case[Any], data: tuple[str, str], context: AuthContext) -> None:
            role, relation = data
            case.headers["Authorization"] = f"Bearer {tokens[role]}"
            if draw.random() < 0.8:
                name_records(case, scene.records[role, relation])

    @schema.hook
    def filter_case(context: HookContext, case: Case[Any]) -> bool:
        if case.operation.label in FILES and not isinstance(case.body, str | bytes):
            # whatever is sent is a file, and bad lines of it are answered with their numbers
            return False
        if case.meta is None or case.meta.phase.name is not TestPhase.COVERAGE:
            return True
        walked[case.operation.label] += 1
        count = walked[case.operation.label]
        # the types of FHIR are all served by the same few lines
        first = FIRST // 4 if " /fhir/" in case.operation.label else FIRST
        return count <= first or count % EVERY == 0

    return schema


def name_records(case: Case[Any], records: dict[str, str]) -> None:
    """Put real records and their version in the place of what is made up."""
    row = ROWS.get(case.operation.label)
    on = {} if row is None else row.on
    for holder in (case.path_parameters, case.query, case.body):
        if isinstance(holder, dict):
            for name, value in holder.items():
                known = records.get(on.get(name, IDS.get(name, name)))
                if known is not None and is_id(value):
                    holder[name] = known
    if isinstance(case.headers.get("If-Match"), str):
        # a request that was sent has been through one change
        case.headers["If-Match"] = '"2"' if "requested" in on.values() else '"1"'


def is_id(value: Any) -> bool:
    """Say whether this is a well-formed id, as it is usually written."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
