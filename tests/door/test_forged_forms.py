"""Forms of the door that another site sends, or that are not ours, do nothing."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from api.desk.same_origin import TOKEN
from api.security.browser_tokens import FormTokens
from tests.support.desk import FORM_TYPE, OURS, Shown
from tests.support.door_pages import (
    ENTRY,
    INSIDE,
    LEAVE,
    LOOK_BACK,
    MINE,
    SAY,
    TITLE,
    Caller,
    form_of,
    sent_and_read,
)
from tests.support.matrix import kept
from tests.support.world import World

EVIL = "https://evil.example"
ELSEWHERE: dict[str, dict[str, str]] = {
    "another site": {"origin": EVIL},
    "another site, as one's own": {"origin": EVIL, "sec-fetch-site": "same-origin"},
    "cross-site": {"origin": OURS, "sec-fetch-site": "cross-site"},
    "same-site": {"origin": OURS, "sec-fetch-site": "same-site"},
    "nowhere": {"origin": "null"},
    "nobody says": {},
    "typed": {"origin": OURS, "sec-fetch-site": "none"},
}


async def _posts(world: World) -> tuple[Caller, dict[str, list[tuple[str, str]]]]:
    """Give somebody inside, and what each of their forms would send."""
    _, receipt, client = await sent_and_read(world)
    one = form_of(await client.open(f"{MINE}/1"), "take_back")
    return client, {
        ENTRY: [("code", receipt)],
        SAY: [("happened", "forged")],
        LOOK_BACK: [("answer-anything_else", "forged")],
        MINE: [("sure", "true")],
        f"{MINE}/1": [*one.filled({"sure": "true"})[1:]],
        LEAVE: [],
    }


@pytest.mark.parametrize("way", ELSEWHERE)
async def test_what_another_site_sends_is_refused_and_changes_nothing(
    world: World, way: str
) -> None:
    client, posts = await _posts(world)
    token = (await client.open(INSIDE)).form_at(LEAVE).token
    before = await kept(world)
    for path, told in posts.items():
        headers = {"content-type": FORM_TYPE, **ELSEWHERE[way]}
        content = urlencode([(TOKEN, token), *told])
        answer = Shown(await client.http.post(path, content=content, headers=headers))
        assert (answer.status, answer.title) == (403, TITLE), path
        assert "set-cookie" not in answer.answer.headers
    assert await kept(world) == before


def _none(client: Caller, token: str) -> list[tuple[str, str]]:
    return []


def _twice(client: Caller, token: str) -> list[tuple[str, str]]:
    return [(TOKEN, token)] * 2


def _another(client: Caller, token: str) -> list[tuple[str, str]]:
    tokens: FormTokens = client.world.app.state.form_tokens
    return [(TOKEN, tokens.new("another's cookie", client.world.clock.now))]


def _old(client: Caller, token: str) -> list[tuple[str, str]]:
    tokens: FormTokens = client.world.app.state.form_tokens
    return [(TOKEN, tokens.new(client.visit or "", client.world.clock.now - FormTokens.lasts))]


@pytest.mark.parametrize("forged", [_none, _twice, _another, _old])
async def test_a_form_without_its_own_secret_does_nothing_and_loses_nothing(
    world: World, forged: Callable[[Caller, str], list[tuple[str, str]]]
) -> None:
    client, posts = await _posts(world)
    token = (await client.open(INSIDE)).form_at(LEAVE).token
    before = await _without_visits(world)
    for path, told in posts.items():
        page = await client.send(path, [*forged(client, token), *told])
        assert page.status == 403, path
        assert page.title == f"Error: {TITLE}"
        if path == SAY:
            assert page.form_at(SAY)["happened"].values == ["forged"]
        if path == LOOK_BACK:
            assert page.form_at(LOOK_BACK)["answer-anything_else"].values == ["forged"]
    assert await _without_visits(world) == before
    assert (await client.open(INSIDE)).status == 200


async def _without_visits(world: World) -> list[tuple[str, ...]]:
    """Sum up all that is kept, but when somebody was last seen at the door."""
    return [each for each in await kept(world) if each[0] != "door_sessions"]


async def test_what_is_no_form_is_refused(world: World) -> None:
    client, posts = await _posts(world)
    for path in posts:
        for media, content, status in (
            ("application/json", b"{}", 415),
            ("multipart/form-data; boundary=x", b"--x--", 415),
            (FORM_TYPE, b"a=%ff", 400),
        ):
            headers = {"origin": OURS, "content-type": media}
            answer = Shown(await client.http.post(path, content=content, headers=headers))
            assert (answer.status, answer.title) == (status, TITLE), path
    assert (await client.http.put(SAY)).status_code == 405
