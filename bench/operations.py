"""What is asked of the two apps."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from jose import jwt

from api.desk.queue import A_PAGE
from api.security.tokens import AccessTokens
from bench.seed import WORDS, Seeded, Worker

App = Literal["ours", "plain", "template", "raw"]
Write = Callable[[App, "Signer", Seeded], list[str]]

DISTINCT = 2_000
"""Different requests in one plan."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Issues the tokens of both apps."""

    secret: str

    def token(self, app: App, worker: Worker) -> str:
        """Sign somebody in, as the app would have."""
        now = datetime.now(UTC)
        if app == "ours":
            return AccessTokens(self.secret, timedelta(minutes=10)).issue(worker.claims, now)
        claims = {
            "sub": str(worker.claims.user_id),
            "cid": str(worker.claims.clinic_id),
            "exp": now + timedelta(minutes=10),
        }
        signed: str = jwt.encode(claims, self.secret, algorithm="HS256")
        return signed


def reads(app: App, signer: Signer, seeded: Seeded) -> list[str]:
    """Read cases, each by its clinician."""
    asks = _signed(app, signer, seeded.clinicians)
    chance = random.Random(1)
    picked = (chance.choice(asks) for _ in range(DISTINCT))
    return [
        _get(_prefix(app, f"/cases/{chance.choice(who.cases)}"), token) for who, token in picked
    ]


def lists(path: str) -> Write:
    """List the first page of something, each clinician their own."""

    def write(app: App, signer: Signer, seeded: Seeded) -> list[str]:
        asks = _signed(app, signer, seeded.clinicians)
        return [_get(_prefix(app, path), token) for _, token in asks]

    return write


def supervised(path: str) -> Write:
    """List the same, for who answers for a few of those clinicians."""

    def write(app: App, signer: Signer, seeded: Seeded) -> list[str]:
        return [_get(_prefix(app, path), signer.token(app, seeded.of_a_few))]

    return write


def queue(app: App, signer: Signer, seeded: Seeded) -> list[str]:
    """Read the queue of who answers for everybody."""
    return [_get(_prefix(app, "/flagged-cases"), signer.token(app, seeded.supervisor))]


def part_of_queue(app: App, signer: Signer, seeded: Seeded) -> list[str]:
    """Read as much of it as stands on a page of the desk."""
    token = signer.token(app, seeded.supervisor)
    return [_get(_prefix(app, f"/flagged-cases?limit={A_PAGE}"), token)]


def page_of_queue(app: App, signer: Signer, seeded: Seeded) -> list[str]:  # noqa: ARG001 - a Write
    """Look at the same as a page."""
    head = f"GET /desk HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: bn-session={seeded.browser}"
    return [f"{head}\r\nAccept: text/html\r\n\r\n"]


class Reports:
    """Incidents to report: each app has cases of its own, and takes them in turn."""

    def __init__(self, app: App, seeded: Seeded) -> None:
        self.app = app
        # either app has every second case of each clinician
        half = slice(0 if app == "ours" else 1, None, 2)
        self._workers = seeded.clinicians
        self._rest = _over_and_over(
            [(who, case_id) for who in seeded.clinicians for case_id in who.cases[half]]
        )

    def __call__(self, signer: Signer) -> list[str]:
        """Give the next ones."""
        tokens = dict(_signed(self.app, signer, self._workers))
        return [
            _post(_prefix(self.app, f"/cases/{case_id}/incidents"), tokens[who], body)
            for (who, case_id), body in zip(
                islice(self._rest, DISTINCT), _over_and_over(_incidents()), strict=False
            )
        ]


def _over_and_over(items: list[Any]) -> Iterator[Any]:
    while True:
        yield from items


def _signed(app: App, signer: Signer, workers: tuple[Worker, ...]) -> list[tuple[Worker, str]]:
    return [(worker, signer.token(app, worker)) for worker in workers]


def _prefix(app: App, path: str) -> str:
    if app != "ours" or path.startswith("/fhir"):
        return path
    return f"/v1{path}"


def _incidents() -> list[dict[str, Any]]:
    """Write bodies of which about half raise a flag."""
    common = {
        "occurred_on": (datetime.now(UTC) - timedelta(days=1)).date().isoformat(),
        "initiator": "therapist",
        "reported_by": "client",
        "narrative": WORDS,
    }
    reason = {"rationale": "A written reason."}
    bodies: list[dict[str, Any]] = [
        {"details": {"kind": "crossing", "area": "time"}, **reason},
        {"details": {"kind": "crossing", "area": "self_disclosure"}},
        {"details": {"kind": "touch", "touch": "handshake", "consent": True, "times": 1}, **reason},
        {"details": {"kind": "touch", "touch": "holding", "consent": False}},
        {"details": {"kind": "disclosure", "of": "feelings", "responses": ["explored"]}},
        {"details": {"kind": "disclosure", "of": "love", "responses": ["dismissed", "shaming"]}},
        {"details": {"kind": "risk", "indicator": "self_harm", "response": "safety_plan"}},
        {"details": {"kind": "expression", "by": "client", "feelings": ["grief", "longing"]}},
    ]
    return [{**common, **body} for body in bodies]


def _get(path: str, token: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"


def _post(path: str, token: str, body: dict[str, Any]) -> str:
    content = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    )


LISTS = {
    "cases": ("50 cases", "/cases?limit=50"),
    "incidents": ("50 incidents", "/incidents?limit=50"),
    "flags": ("50 flags", "/flags?limit=50"),
    "fhir": ("50 as FHIR", "/fhir/EpisodeOfCare?_count=50"),
}
"""What is listed, by its name: how it is called, and where it is asked for."""

READ, REPORT, QUEUE, DESK = "read", "report", "queue", "desk"
NAMES = (READ, *LISTS, REPORT, QUEUE, DESK)
"""What can be measured by itself."""
