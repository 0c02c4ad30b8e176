"""What the OpenAPI document promises, held against thousands of generated requests."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import schemathesis
import uvicorn
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from schemathesis.engine import Status, events, from_schema

from tests.conftest import NOON
from tests.scene import Scene, set_scene
from tests.world import Urls, open_world

CASES = 2_500
"""Fewer are not enough, on each database."""

ROLES = ("admin", "clinician", "supervisor", "consultant", "privacy_officer", "service")

CONFIG = {
    "seed": 20260302,
    "workers": 1,
    "continue-on-failure": True,
    "suppress-health-check": ["all"],
    "generation": {
        "max-examples": 12,
        "no-shrink": True,
        "deterministic": True,
        "database": "none",
        # who asks is ours to say; whether it matters is asked by the check of ignored tokens
        "with-security-parameters": False,
    },
    "phases": {
        "examples": {"enabled": False},
        "coverage": {"enabled": True},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": False},
    },
}


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
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an application over HTTP on a free port, in the loop its database belongs to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def test_all_that_is_promised_is_kept(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("FAILURES", 100_000), ("OF_A_NETWORK", 100)):
        monkeypatch.setattr(f"api.throttle.{name}", RateLimitItemPerHour(most, namespace=name))
    software = RateLimitItemPerMinute(100_000, namespace="software")
    monkeypatch.setattr("api.throttle.OF_SOFTWARE", software)
    async with open_world(urls, NOON) as world:
        scene = await set_scene(world)
        # nothing that is done is kept: every case finds the sessions and records there
        scene.rehearsing = True
        tokens = [await world.token_of(scene.here[role]) for role in ROLES]
        async with served(world.app) as url:
            played = await asyncio.to_thread(play, scene, tokens, url)
    print(played.cases, sorted(played.answers.items()), dict(played.checks))
    assert not played.failures, "\n\n".join(played.failures)
    assert played.cases >= CASES


def play(scene: Scene, tokens: list[str], url: str) -> Played:
    """Let schemathesis ask whatever comes to its mind."""
    played = Played()
    for event in from_schema(promised(scene, tokens, url)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            played.failures.append(repr(getattr(event, "value", None) or vars(event)))
        if isinstance(event, events.ScenarioFinished):
            write_down(event, played)
    return played


def write_down(event: events.ScenarioFinished, played: Played) -> None:
    """Count what one scenario asked, and what was found wrong."""
    recorder = event.recorder
    of_this = played.by_operation.setdefault(recorder.label, Counter())
    for case_id, checks in recorder.checks.items():
        answer = recorder.interactions[case_id].response
        if answer is None:
            played.failures.append(f"{recorder.label}: no answer")
            continue
        played.answers[answer.status_code] += 1
        of_this[answer.status_code] += 1
        for check in checks:
            played.checks[check.name] += 1
            if check.status is not Status.SUCCESS:
                request = recorder.interactions[case_id].request
                played.failures.append(
                    f"{check.name}: {request.method} {request.uri} {request.body!r}\n"
                    f"{answer.status_code} {answer.text[:300]}\n{check.failure_info}"
                )


def promised(scene: Scene, tokens: list[str], url: str) -> Any:
    """Give the application's own document, with people and records to ask about."""
    document = scene.world.app.openapi()
    scheme = {"OAuth2PasswordBearer": {"type": "http", "scheme": "bearer"}}
    # the check of ignored tokens knows bearer tokens, yet not by the name of OAuth 2
    document = {**document, "components": {**document["components"], "securitySchemes": scheme}}
    config = schemathesis.Config.from_dict(CONFIG)
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.config.update(base_url=url)
    draw = random.Random(CONFIG["seed"])  # type: ignore[arg-type]
    turns = iter_tokens(tokens)

    @schema.auth(refresh_interval=None)
    class _Token:
        def get(self, case: Any, context: Any) -> str:
            return next(turns)

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    @schema.hook
    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        known = (
            scene.records[draw.choice(ROLES), draw.choice(("own", "linked", "unrelated"))]
            if False
            else None
        )
        replace(scene, case, draw)

    return schema


def iter_tokens(tokens: list[str]) -> Iterator[str]:
    """Let everybody ask in turn."""
    while True:
        yield from tokens


def replace(scene: Scene, case: Any, draw: random.Random) -> None:
    """Put a record's id where a well-formed one of no record is, most of the time."""
    if draw.random() < 0.2:
        return
    records = scene.records[draw.choice(ROLES[:5]), draw.choice(("own", "linked"))]
    if isinstance(case.path_parameters, dict):
        for name, value in case.path_parameters.items():
            if is_id(value):
                case.path_parameters[name] = records.get(name) or records["requested"]
    for container in (case.query, case.body):
        if isinstance(container, dict):
            for name, value in container.items():
                if name in records and is_id(value):
                    container[name] = records[name]


def is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
