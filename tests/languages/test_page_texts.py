"""Texts of pages: all are gathered, pages ask for no other, and each page is in one language."""

import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from httpx import Response

from api.commands.page_texts import gathered
from api.desk import front, new_password, rendering, words
from api.desk.fields import kinds_of
from api.desk.marked import N_
from api.domain.bodies import IncidentCreate
from api.languages.messages import Text, messages, page_id
from api.languages.spoken import CATALOGUES, KNOWN, Spoken, language_of
from tests.support.desk import SIGN_IN, Seat, Shown, placed, routes_of, seated
from tests.support.door import invite, open_door
from tests.support.door_pages import (
    IN_SPANISH_TOO,
    LOOK_BACK,
    MINE,
    SAY,
    Caller,
    Values,
    form_of,
    receipt_on,
)
from tests.support.processes import run
from tests.support.scene import Scene, set_scene
from tests.support.world import NOON, Urls, World, made, ok, open_world

PAGES = CATALOGUES / "pages.txt"
WHOSE = (
    ("clinician", "own"),
    ("supervisor", "linked"),
    ("consultant", "own"),
    ("privacy_officer", "linked"),
    ("admin", "linked"),
)
"""Who looks, and on whose records."""
ALIKE = 1
"""How many pages are opened that differ by their ids alone, beside those that are begun with."""
EVERY_KIND = "clinician", "own"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def written(text: Text) -> str:
    """Write a text as it is kept."""
    return text if isinstance(text, str) else "\t".join(text)


def test_what_is_kept_is_what_pages_say_now() -> None:
    kept, said = PAGES.read_text().splitlines(), [written(text) for text in gathered()]
    assert ({*said} - {*kept}, {*kept} - {*said}) == (set(), set()), "python -m api page-texts"
    assert kept == said
    assert len({page_id(each.partition("\t")[0]) for each in kept}) == len(kept)


def test_the_command_writes_what_is_kept() -> None:
    assert run("page-texts").stdout == PAGES.read_text()


def test_a_mark_changes_nothing() -> None:
    assert N_("Queue") == "Queue"


class Strict:
    """A language that remembers what it was asked for and is not gathered."""

    def __init__(self, language: Spoken, missing: set[str]) -> None:
        self._language, self._missing = language, missing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._language, name)

    def text(self, message: str, number: int | None = None) -> str:
        """Give a text, or remember that there is none."""
        if message not in messages():
            self._missing.add(message)
        return self._language.text(message, number)


class Heard(HTMLParser):
    """What a page says in its own language: not what people wrote, nor names, nor quotations."""

    VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta"})
    TOLD = ("aria-label", "title", "alt", "placeholder")

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.language = ""
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an element says, and whether it is in another's words."""
        told = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = told["lang"]
        is_others = (
            tag in {"bdi", "code", "style"}
            or told.get("dir") == "auto"
            or told.get("translate") == "no"
            or told.get("lang", self.language) != self.language
        )
        if not self._silent():
            self.said += [told[name] for name in self.TOLD if name in told]
        if tag not in self.VOID:
            self._open.append((tag, is_others))

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and what is in it and needs no end."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Keep what stands there."""
        if not self._silent():
            self.said.append(data)

    def _silent(self) -> bool:
        return any(is_others for _, is_others in self._open)


ENGLISH = re.compile(
    r"\b(the|of|and|what|who|whose|is|are|was|it|not|nobody|this|that|with|from|your"
    r"|which|when|or|in|on|by|since|yes|all|January|February|March)\b",
    re.IGNORECASE,
)
"""Words that no Spanish text has."""


def english_in(shown: Shown) -> list[str]:
    """Give what a page says in English, where it says that it is in another language."""
    heard = Heard(shown.answer)
    # a name of the scene
    return [each.strip() for each in heard.said if ENGLISH.search(each.replace("Somebody", ""))]


@pytest.fixture(scope="module")
async def scene(sqlite_urls: Urls) -> AsyncIterator[Scene]:
    async with open_world(sqlite_urls, NOON) as world:
        yield await set_scene(world)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Give what is asked for and not gathered, as long as a test lasts."""
    found: set[str] = set()
    for room in (words, rendering, front, new_password):
        monkeypatch.setattr(room, "language_of", lambda code: Strict(language_of(code), found))
    rendering._templates.cache_clear()
    yield found
    rendering._templates.cache_clear()


def addresses(scene: Scene, role: str, whose: str) -> list[str]:
    """Give every address of a page, with the records of a case."""
    found, records = [], scene.records[role, whose]
    for path in routes_of(scene.world.app, "GET"):
        kinds = kinds_of(IncidentCreate) if (role, whose) == EVERY_KIND else ["touch"]
        for kind in kinds if "{kind}" in path else [""]:
            found.append(placed(path, defaultdict(lambda: "x", {**records, "kind": kind})))
    return list(dict.fromkeys(found))


async def walked(seat: Seat, start: list[str], language: str) -> AsyncIterator[Shown]:
    """Open pages and what they lead to; of those that differ by ids alone, a few."""
    ahead, met = list(start), set(start)
    alike: Counter[str] = Counter()
    while ahead:
        page = await seat.open(ahead.pop(0), accept_language=language)
        if page.is_page:
            yield page
        for link in page.links:
            path, asked = urlsplit(link).path, parse_qs(urlsplit(link).query)
            kind = f"{UUID.sub('…', path)} {sorted(asked)}"
            if path.startswith("/desk") and link not in met and alike[kind] < ALIKE:
                alike[kind] += 1
                met.add(link)
                ahead.append(link)


@pytest.mark.parametrize(("role", "whose"), WHOSE)
async def test_a_page_says_what_is_gathered_and_in_one_language(
    scene: Scene, missing: set[str], role: str, whose: str
) -> None:
    seat = await seated(scene.world, scene.here[role])
    count, english = 0, {}
    async for page in walked(seat, addresses(scene, role, whose), "es-ES,es;q=0.9,en;q=0.5"):
        count += 1
        assert '<html lang="es">' in page.text, page.path
        if found := english_in(page):
            english[page.path] = found
    assert count > 60
    assert missing == set()
    assert not english, english


async def test_a_text_that_is_not_gathered_would_be_found(missing: set[str]) -> None:
    told = words.Words.of("es", ZoneInfo("UTC"), NOON)
    assert (told.text("Cola"), told.word("not_a_word"), told.word("info")) == (
        "Cola",
        "not a word",
        "sugerencia",
    )
    assert missing == {"page:Cola", "page:not a word"}


def test_a_refusal_is_told_in_english_and_says_so_where_no_page_has_it() -> None:
    spanish, english = language_of("es"), language_of("en")
    assert words.told(spanish, "Not found") == "No se encontró"
    assert words.told(spanish, "a <b>") == '<span lang="en">a &lt;b&gt;</span>'
    assert words.told(english, "a <b>") == "a &lt;b&gt;"


@pytest.mark.parametrize(
    ("code", "kind", "letters"),
    [
        ("en", "role_reversal", "Rr"),
        ("en", "touch", "To"),
        ("es", "role_reversal", "Ir"),
        ("es", "risk", "Ri"),
        ("es", "third_party_contact", "Co"),
    ],
)
def test_a_mark_has_two_letters_of_what_it_is_called(code: str, kind: str, letters: str) -> None:
    assert words.Words.of(code, ZoneInfo("UTC"), NOON).letters(kind) == letters


@pytest.mark.parametrize("code", KNOWN)
async def test_pages_before_sign_in_are_in_the_language_of_the_browser(
    scene: Scene, missing: set[str], code: str
) -> None:
    seat = Seat(scene.world)
    for path in ("/", SIGN_IN, "/desk/new-password", "/desk/new-password/done", "/desk/nowhere"):
        page = await seat.open(path, accept_language=f"{code},de;q=0.5")
        assert f'<html lang="{code}">' in page.text, path
        assert code == "en" or english_in(page) == [], path
    sent = await seat.submit((await seat.open(SIGN_IN)).form, {"address": "a@b.example"})
    assert '<html lang="en">' in sent.text
    page = await seat.open("/desk/cases", sec_fetch_site="cross-site", accept_language=code)
    assert f'<html lang="{code}">' in page.text
    assert missing == set()


async def test_a_page_of_the_door_says_what_is_gathered_and_in_one_language(
    scene: Scene, missing: set[str]
) -> None:
    count = 0
    async for page in at_the_door(scene.world):
        count += 1
        assert '<html lang="es">' in page.text, page.path
        assert english_in(page) == [], page.path
    assert count > 25
    assert missing == set()


BEHIND_IT = ("in", "say", "look-back", "mine", "who-reads", "leave")
TOO_LONG = "x" * 20_001
WRONG: Values = {"year": "x", "happened": "", "reach": TOO_LONG, "wants": ["x"], "safe_now": ["no"]}
SAID: Values = {"topics": ["touch"], "wants": ["an_answer"], "year": "2025", "reach": "x"}


async def at_the_door(world: World) -> AsyncIterator[Shown]:
    """Come to the door of a minor, and say something there."""
    await open_door(world, **IN_SPANISH_TOO)
    case = await world.clinician.case(is_minor=True)
    code = (await invite(world.clinician, case))["code"]
    caller = Caller(world)
    caller.http.headers["accept-language"] = "es-ES,es;q=0.9,en;q=0.5"
    for typed in ("no", ""):
        yield await caller.knock(typed)
    await caller.come_in(code)
    for name in BEHIND_IT:
        yield await caller.open(f"/door/{name}")
    yield await caller.say(WRONG)
    yield await caller.say({"happened": TOO_LONG})
    yield (sent := await caller.say({"safe_now": ["unsure"], **SAID}))
    yield await caller.say({"happened": "x"})
    yield await caller.open("/door")
    async for page in looking_back(world, caller, code):
        yield page
    for moves in (("told", "reason"), ("reply", "reply")):
        async for page in _by_the_receipt(world, case, receipt_on(sent), moves):
            yield page


ANSWERED_WRONG: tuple[Values, ...] = (
    {"listened_to": ["x"], "anything_else": TOO_LONG, "shared": ["x"]},
    {"listened_to": []},
    {"anything_else": "a\x00b"},
)


async def looking_back(world: World, caller: Caller, code: str) -> AsyncIterator[Shown]:
    """Look back by a code of one's own, wrongly first, and once more when the visit is over."""
    minor = await world.clinician.case(is_minor=True)
    elsewhere = await invite(world.clinician, minor, **{"for": "guardian"})
    other = Caller(world)
    other.http.headers["accept-language"] = caller.http.headers["accept-language"]
    await other.come_in(code)
    for wrong in ANSWERED_WRONG:
        yield await other.look_back(wrong)
    yield (sent := await other.look_back({"anything_else": "x", "shared": ["with_therapist"]}))
    yield await other.look_back()
    await other.come_in(receipt_on(sent))
    yield await other.open(MINE)
    await other.come_in(code)
    yield await other.look_back({"no_receipt": ["true"]})
    late = (await other.open(LOOK_BACK)).form_at(LOOK_BACK)
    world.clock.forward(minutes=31)
    yield (ended := await other.submit(late))
    yield await other.submit(ended.form_at(LOOK_BACK), {"code": elsewhere["code"]})


async def _by_the_receipt(
    world: World, case: dict[str, Any], receipt: str, moves: tuple[str, str]
) -> AsyncIterator[Shown]:
    """Let somebody do something with an account, and its client look at it."""
    (*_, line) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    path = f"/v1/accounts/{line['id']}"
    ok(await world.supervisor.get(path))
    made(await world.supervisor.post(f"{path}/{moves[0]}", {moves[1]: "x"}))
    caller = Caller(world)
    caller.http.headers["accept-language"] = "es"
    await caller.come_in(receipt)
    yield await caller.open(MINE)
    for typed in ("", TOO_LONG):
        yield await caller.do("words", {"words": typed})
    await caller.do("words", {"words": "x"})
    await caller.do("share", {"shared": ["with_therapist"]})
    yield await caller.open(f"{MINE}/1")
    for what in ("take_back", "nonsense"):
        form = form_of(await caller.open(f"{MINE}/1"), "take_back")
        yield await caller.submit(form, {"do": what})
    yield await caller.open(f"{MINE}/9")
    yield await caller.open("/door/nothing")
    async for page in _after_the_visit(world, caller, receipt):
        yield page


async def _after_the_visit(world: World, caller: Caller, receipt: str) -> AsyncIterator[Shown]:
    """Let half an hour pass, and send what was open."""
    late = form_of(await caller.open(f"{MINE}/1"), "words"), (await caller.open(SAY)).form_at(SAY)
    world.clock.forward(minutes=31)
    for form in late:
        yield (page := await caller.submit(form, {}))
        yield await caller.submit(page.form_at(form.action), {"code": "no"})
    yield await caller.open("/door")
    await caller.come_in(receipt)
    form = (await caller.open(MINE)).form_at(MINE)
    yield await caller.submit(form)
    yield await caller.submit(late[1], {"happened": "x"})
