"""No other site writes in anybody's name: every form of the desk, forged in every way known."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from httpx import ASGITransport, AsyncClient, Response

from api.desk.same_origin import TOKEN
from api.security.browser_tokens import FormTokens, new_form_cookie
from tests.support.cases import full_case
from tests.support.desk import (
    FORM,
    FORM_TYPE,
    NOT_OURS,
    OURS,
    SESSION,
    SIGN_IN,
    SIGN_OUT,
    Seat,
    placed,
    routes_of,
    seated,
)
from tests.support.matrix import kept
from tests.support.notes import drafted
from tests.support.scene import Scene
from tests.support.world import NOON, PASSWORD, Urls, World, open_world

EVIL = "https://evil.example"
BEFORE_SIGN_IN = (SIGN_IN, "/desk/new-password")
"""Where forms are sent by whoever is not signed in."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Attack:
    """Somebody is signed in at the desk, and something is sent in their name."""

    scene: Scene
    victim: Seat
    other: Seat
    """Somebody else who is signed in."""
    sender: AsyncClient
    records: dict[str, str]

    @property
    def tokens(self) -> FormTokens:
        tokens: FormTokens = self.scene.world.app.state.form_tokens
        return tokens

    def paths(self) -> list[str]:
        """Give every address that takes forms, with records of the victim's."""
        places = defaultdict(lambda: str(uuid4()), self.records, kind="crossing")
        posts = routes_of(self.scene.world.app, "POST")
        assert len(posts) > 30
        return [placed(path, places) for path in posts]

    def token_of(self, cookie: str | None, ago: timedelta = timedelta()) -> str:
        return self.tokens.new(cookie or "", self.scene.world.clock.now - ago)


@pytest.fixture(scope="module")
async def attack(module_urls: Urls) -> AsyncIterator[Attack]:
    async with open_world(module_urls, NOON) as world:
        at = {noun: path.rpartition("/")[2] for noun, path in (await full_case(world)).items()}
        note = await drafted(world.clinician, {"id": at["case"]})
        records = {f"{noun}_id": value for noun, value in {**at, "note": note["id"]}.items()}
        victim = await seated(world, world.clinician)
        other = await seated(world, world.supervisor)
        scene = Scene(world)
        scene.rehearse()
        async with AsyncClient(transport=ASGITransport(app=world.app), base_url=OURS) as sender:
            yield Attack(scene, victim, other, sender, records)


@dataclass
class Sent:
    """One request: as the victim's browser would send their own form, but for what is forged."""

    cookie: str
    pairs: list[tuple[str, str]]
    headers: list[tuple[str, str]] = field(default_factory=list)
    query: str = ""
    content: bytes | None = None

    async def by(self, sender: AsyncClient, path: str) -> Response:
        content = urlencode(self.pairs).encode() if self.content is None else self.content
        types = [] if "content-type" in dict(self.headers) else [("content-type", FORM_TYPE)]
        cookie = [("cookie", self.cookie)] if self.cookie else []
        return await sender.post(
            f"{path}{self.query}", content=content, headers=[*types, *cookie, *self.headers]
        )


SAME = ("sec-fetch-site", "same-origin")
FROM_OURS = [("origin", OURS), SAME]


def _plain(attack: Attack, *headers: tuple[str, str]) -> Sent:
    """What the victim's own form sends, with these headers."""
    victim = attack.victim.session
    told = [(TOKEN, attack.token_of(victim)), ("resolution_note", "forged"), ("body", "forged")]
    return Sent(f"{SESSION}={victim}", told, [*headers])


def _with_token(attack: Attack, *tokens: str) -> Sent:
    sent = _plain(attack, *FROM_OURS)
    sent.pairs = [*((TOKEN, each) for each in tokens), *sent.pairs[1:]]
    return sent


def _with_cookie(attack: Attack, cookie: str) -> Sent:
    sent = _plain(attack, *FROM_OURS)
    sent.cookie = cookie
    return sent


def _before_sign_in(attack: Attack) -> Sent:
    """A form that was shown before sign-in, sent after it: its cookie is there still."""
    held = new_form_cookie()
    sent = _with_token(attack, attack.token_of(held))
    sent.cookie = f"{FORM}={held}; {sent.cookie}"
    return sent


def _in_the_address(attack: Attack) -> Sent:
    sent = _with_token(attack)
    sent.query = f"?{urlencode({TOKEN: attack.token_of(attack.victim.session)})}"
    return sent


def _other_last_letter(token: str) -> str:
    return token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]


WAYS: dict[str, Callable[[Attack], Sent]] = {
    "from another site": lambda a: _plain(a, ("origin", EVIL)),
    "from another site, as one's own": lambda a: _plain(a, ("origin", EVIL), SAME),
    "from nowhere": lambda a: _plain(a, ("origin", "null")),
    "from nowhere, as one's own": lambda a: _plain(a, ("origin", "null"), SAME),
    "nobody says from where": _plain,
    "cross-site": lambda a: _plain(a, ("origin", OURS), ("sec-fetch-site", "cross-site")),
    "same-site": lambda a: _plain(a, ("origin", OURS), ("sec-fetch-site", "same-site")),
    "typed": lambda a: _plain(a, ("origin", OURS), ("sec-fetch-site", "none")),
    "another port": lambda a: _plain(a, ("origin", f"{OURS}:8443"), SAME),
    "without TLS": lambda a: _plain(a, ("origin", OURS.replace("https", "http")), SAME),
    "a host that begins alike": lambda a: _plain(a, ("origin", f"{OURS}.evil.example"), SAME),
    "an address for a site": lambda a: _plain(a, ("origin", f"{OURS}/"), SAME),
    "two sites": lambda a: _plain(a, ("origin", OURS), ("origin", EVIL), SAME),
    "two ways": lambda a: _plain(a, *FROM_OURS, ("sec-fetch-site", "cross-site")),
    "an empty header": lambda a: _plain(a, ("origin", ""), SAME),
    "no secret": _with_token,
    "an empty secret": lambda a: _with_token(a, ""),
    "nonsense": lambda a: _with_token(a, "not-base64!é"),
    "the secret of nobody": lambda a: _with_token(a, a.token_of("")),
    "another session's secret": lambda a: _with_token(a, a.token_of(a.other.session)),
    "an old secret": lambda a: _with_token(a, a.token_of(a.victim.session, FormTokens.lasts)),
    "a changed secret": lambda a: _with_token(a, _other_last_letter(a.token_of(a.victim.session))),
    "the secret twice": lambda a: _with_token(a, *[a.token_of(a.victim.session)] * 2),
    "the secret in the address": _in_the_address,
    "a form from before sign-in": _before_sign_in,
    "another's cookie": lambda a: _with_cookie(a, f"{SESSION}={a.other.session}"),
    "no cookie": lambda a: _with_cookie(a, ""),
    "a cookie of the plain name": lambda a: _with_cookie(a, f"bn-session={a.victim.session}"),
    "a made-up cookie": lambda a: _with_cookie(a, f"{SESSION}=made-up"),
}
"""What is refused as no form of ours."""

ITS_OWN = {("a form from before sign-in", path) for path in BEFORE_SIGN_IN}
"""What is forged nowhere else, and right there."""

NO_FORMS: dict[str, Callable[[Attack], Sent]] = {
    "JSON": lambda a: _other_media(a, "application/json", b'{"form_token": "x"}'),
    "JSON as text": lambda a: _other_media(a, "text/plain", b'{"form_token": "x"}'),
    "a form as text": lambda a: _other_media(a, "text/plain", None),
    "parts": lambda a: _other_media(a, "multipart/form-data; boundary=x", b"--x--"),
    "nothing said": lambda a: _other_media(a, "", None),
}
"""What is refused as no form at all."""


def _other_media(attack: Attack, media: str, content: bytes | None) -> Sent:
    sent = _plain(attack, *FROM_OURS, ("content-type", media))
    sent.content = content
    return sent


@pytest.mark.parametrize("way", WAYS)
async def test_a_forged_form_is_refused_and_nothing_is_changed(attack: Attack, way: str) -> None:
    before = await kept(attack.scene.world)
    for path in attack.paths():
        if (way, path) in ITS_OWN:
            continue
        answer = await WAYS[way](attack).by(attack.sender, path)
        assert (answer.status_code, NOT_OURS in answer.text) == (403, True), path
        assert "set-cookie" not in answer.headers
    assert await kept(attack.scene.world) == before


@pytest.mark.parametrize("way", NO_FORMS)
async def test_what_is_no_form_is_refused_and_nothing_is_changed(attack: Attack, way: str) -> None:
    before = await kept(attack.scene.world)
    for path in attack.paths():
        answer = await NO_FORMS[way](attack).by(attack.sender, path)
        assert answer.status_code == 415, path
    assert await kept(attack.scene.world) == before


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"&".join([b"a=b"] * 1_001)])
async def test_what_cannot_be_read_is_refused(attack: Attack, body: bytes) -> None:
    sent = _plain(attack, *FROM_OURS)
    sent.content = body
    before = await kept(attack.scene.world)
    for path in attack.paths():
        assert (await sent.by(attack.sender, path)).status_code == 400, path
    assert await kept(attack.scene.world) == before


OTHER_METHODS = ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")


async def test_looking_at_where_a_form_is_sent_changes_nothing(attack: Attack) -> None:
    victim = attack.victim
    # the first page of a while puts off the session's end
    await victim.open("/desk/cases")
    before, others = await kept(attack.scene.world), cycle(OTHER_METHODS)
    for path in attack.paths():
        told = {TOKEN: attack.token_of(victim.session), "resolution_note": "forged"}
        for method in ("GET", next(others)):
            answer = await victim.http.request(method, path, params=told)
            assert answer.status_code in {200, 403, 404, 405}, (method, path)
            assert method in {"GET", "HEAD"} or answer.status_code == 405, (method, path)
    assert await kept(attack.scene.world) == before


async def test_the_same_form_that_is_not_forged_is_taken(attack: Attack) -> None:
    """Otherwise nothing of the above would tell anything."""
    taken, ways = 0, cycle((FROM_OURS, FROM_OURS[:1], FROM_OURS[1:]))
    for path in attack.paths():
        if path not in {*BEFORE_SIGN_IN, SIGN_OUT}:
            headers = next(ways)
            attack.scene.rehearsing = True
            answer = await _plain(attack, *headers).by(attack.sender, path)
            attack.scene.rehearsing = False
            assert NOT_OURS not in answer.text, path
            assert answer.status_code in {200, 303, 403, 404, 409, 422, 428}, path
            taken += answer.status_code == 303
    assert taken > 5


async def test_a_token_of_the_api_opens_no_page(attack: Attack) -> None:
    world, path = attack.scene.world, f"/desk/cases/{attack.records['case_id']}"
    person = world.clinician
    bearer = {"authorization": f"Bearer {await world.token_of(person)}"}
    answer = await attack.sender.get(path, headers=bearer)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(SIGN_IN)
    sent = _with_cookie(attack, "")
    sent.headers += bearer.items()
    assert (await sent.by(attack.sender, f"{path}/change")).status_code == 403


async def test_what_a_browser_holds_opens_nothing_of_the_api(attack: Attack) -> None:
    held = attack.victim.session
    assert held is not None
    for headers in (
        {"cookie": f"{SESSION}={held}"},
        {"cookie": f"{SESSION}={held}", **dict(FROM_OURS)},
        {"authorization": f"Bearer {held}"},
    ):
        for path in ("/v1/me", "/v1/cases", "/fhir/Observation", "/v1/sessions"):
            assert (await attack.sender.get(path, headers=headers)).status_code == 401, path
    for form in (
        {"grant_type": "refresh_token", "refresh_token": held},
        {"grant_type": "password", "username": "a@b.example", "password": held},
    ):
        assert (await attack.sender.post("/v1/auth/token", data=form)).status_code == 400
    # nor is the session harmed by it
    assert (await attack.victim.open("/desk/cases")).status == 200


async def test_what_the_api_gives_opens_nothing_of_the_desk(world: World) -> None:
    form = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    given = (await world.http.post("/v1/auth/token", data=form)).json()
    seat = Seat(world)
    for name in ("access_token", "refresh_token", "device_token"):
        seat.hold(given[name])
        assert (await seat.open("/desk/cases")).status == 303
        sent: Any = [(TOKEN, world.app.state.form_tokens.new(given[name], world.clock.now))]
        assert (await seat.send(SIGN_OUT, sent)).status == 403
