"""The pages of the door in Chromium: without script, by keyboard, on a phone, and left in haste."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from api.commands.demo_cases import BRUNO, DOROTHEA
from tests.support.axe import violations
from tests.support.browsing import Visit, visiting
from tests.support.door_browsing import (
    WORDS,
    come_in,
    invited_to,
    open_door_at,
    press,
    say,
    speaking,
)
from tests.support.door_pages import ENTRY, INSIDE, LEAVE, LOOK_BACK, MINE, SAY, TITLE, WHO_READS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

AWAY = "https://weather.example/"
NO_DAY = "Nobody reads these answers by a set day."


@pytest.fixture(scope="module")
def sqlite_door(sqlite_desk: str) -> str:
    open_door_at(sqlite_desk)
    return sqlite_desk


@pytest.fixture(scope="module")
def postgresql_door(postgresql_desk: str) -> str:
    open_door_at(postgresql_desk)
    return postgresql_desk


@pytest.fixture(params=["sqlite", "postgresql"])
def door(request: pytest.FixtureRequest) -> str:
    """The door on one of the databases."""
    url: str = request.getfixturevalue(f"{request.param}_door")
    return url


@contextmanager
def coming(chromium: Browser, url: str, **how: Any) -> Iterator[Visit]:
    """Open an empty page, from which the page to leave to is within reach."""
    with visiting(chromium, url, **how) as visit:
        told = "<!doctype html><title>Weather</title><p>It rains."
        visit.page.context.route(
            f"{AWAY}**", lambda route: route.fulfill(body=told, content_type="text/html")
        )
        yield visit


def complaints(visit: Visit) -> list[str]:
    """Give what is complained of, but that it was left to where it is left to."""
    return [each for each in visit.complaints() if each != f"elsewhere: {AWAY}"]


def end_visit(visit: Visit) -> None:
    """Let the visit be over, as it is after half an hour; the browser does not know."""
    (token,) = [
        each.get("value")
        for each in visit.page.context.cookies(visit.url)
        if each.get("name") == "door"
    ]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.delete(f"{visit.url}/door/v1/session", headers=headers).status_code == 204


def leave(visit: Visit) -> None:
    """Press the button on each page, and see that it leads away."""
    press(visit, "Leave")
    visit.page.wait_for_url(AWAY)
    assert visit.page.title() == "Weather"


# ------------------------------------------------------------------------------ the whole way


def test_it_is_said_read_answered_and_taken_back_without_script(
    chromium: Browser, door: str
) -> None:
    case, code = invited_to(door, is_minor=True)
    with coming(chromium, door, width=320) as hers:
        come_in(hers, code)
        page = hers.page
        page.get_by_role("link", name="Say what happened").first.click()
        page.wait_for_url(f"**{SAY}")
        first = page.locator("main").inner_text().partition("What happened?")[0]
        for said in (DOROTHEA.name, BRUNO.name, "You are under age", "A danger to somebody's life"):
            assert said in first
        page.fill("#happened", WORDS)
        page.get_by_label("I am not sure").check()
        page.get_by_label("Something was promised").check()
        page.fill("#year", "2026")
        page.get_by_label("An answer", exact=True).check()
        press(hers, "Send it")
        assert "Call the emergency number of where you are." in page.locator("main").inner_text()
        receipt = page.locator(".receipt").inner_text()
        leave(hers)
        with speaking(door, DOROTHEA) as supervisor:
            (line,) = supervisor.get(f"/v1/cases/{case}/accounts").json()["items"]
            at = f"/v1/accounts/{line['id']}"
            assert supervisor.get(at).json()["happened"] == WORDS
            assert supervisor.post(f"{at}/reply", json={"reply": "Thank you."}).is_success
        come_in(hers, receipt.lower())
        page.get_by_role("link", name="See what I sent").click()
        page.get_by_role("link", name="Sent on").click()
        page.wait_for_url(f"**{MINE}/1")
        told = page.locator("main").inner_text()
        assert all(each in told for each in (WORDS, "Thank you.", DOROTHEA.name, "It was answered"))
        page.fill("#words", "zq more of it")
        press(hers, "Send it")
        assert "zq more of it" in page.locator("main").inner_text()
        page.get_by_label("My therapist may read it").check()
        press(hers, "Keep this choice")
        assert page.get_by_label("My therapist may read it").is_checked()
        page.get_by_label("I am sure").check()
        press(hers, "Take it back")
        assert "You took it back." in page.locator("main").inner_text()
        leave(hers)
        assert complaints(hers) == []


def test_one_looks_back_without_script_and_sees_it_again(chromium: Browser, door: str) -> None:
    case, code = invited_to(door)
    with coming(chromium, door, width=320) as hers:
        come_in(hers, code)
        page = hers.page
        page.locator("main").get_by_role("link", name="Look back").click()
        page.wait_for_url(f"**{LOOK_BACK}")
        first = page.locator("main").inner_text().partition("How it is between us")[0]
        assert NO_DAY in first
        assert DOROTHEA.name in first
        listens = page.get_by_role("group", name="My therapist listens to me.")
        listens.get_by_label("4", exact=True).check()
        touch = page.get_by_role("group", name="Touch, such as a hand or a hug:")
        touch.get_by_label("It happens, and I was not asked.").check()
        page.get_by_label("Is there anything else?").fill(WORDS)
        press(hers, "Send it")
        assert NO_DAY in page.locator("main").inner_text()
        receipt = page.locator(".receipt").inner_text()
        page.locator("main").get_by_role("link", name="say what happened").click()
        page.wait_for_url(f"**{SAY}")
        leave(hers)
        with speaking(door, DOROTHEA) as supervisor:
            (read,) = supervisor.get(f"/v1/cases/{case}/responses").json()["items"]
        told = {each["link_id"]: each["value"] for each in read["answers"]}
        given = {name: value for name, value in told.items() if value is not None}
        assert given == {"listened_to": 4, "touch": "not_asked", "anything_else": WORDS}
        come_in(hers, receipt)
        hers.open(MINE)
        page.locator("summary", has_text="Sent on").click()
        shown = page.locator("main").inner_text()
        assert all(each in shown for each in (WORDS, "It happens, and I was not asked."))
        leave(hers)
        assert complaints(hers) == []


def test_of_a_double_click_on_what_was_answered_the_receipt_is_seen(
    chromium: Browser, sqlite_door: str
) -> None:
    case, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        visit.open(LOOK_BACK)
        visit.page.fill("#answer-anything_else", WORDS)
        visit.page.get_by_role("button", name="Send it").dblclick(no_wait_after=True)
        visit.page.wait_for_selector(".receipt")
        come_in(visit, visit.page.locator(".receipt").inner_text())
    with speaking(sqlite_door, DOROTHEA) as supervisor:
        assert len(supervisor.get(f"/v1/cases/{case}/responses").json()["items"]) == 1


def test_what_was_answered_before_a_visit_ended_is_sent_after(
    chromium: Browser, sqlite_door: str
) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        visit.open(LOOK_BACK)
        visit.page.fill("#answer-anything_else", HOSTILE)
        chosen = "[name=answer-touch][value=greeting]"
        visit.page.check(chosen)
        end_visit(visit)
        press(visit, "Send it")
        assert visit.page.locator("#answer-anything_else").input_value() == HOSTILE
        assert visit.page.is_checked(chosen)
        assert visit.page.locator(".zq").count() == 0
        visit.page.fill("#code", code)
        press(visit, "Send it")
        come_in(visit, visit.page.locator(".receipt").inner_text())
        visit.open(MINE)
        visit.page.locator("summary", has_text="Sent on").click()
        assert HOSTILE[:200] in (visit.page.locator("main").text_content() or "")
        assert visit.page.locator(".zq, script").count() == 0
        assert visit.is_within_its_width()
        assert complaints(visit) == []


# ------------------------------------------------------------------------------ for everybody


def _look(visit: Visit, axe: str, named: str, wrong: dict[str, list[str]]) -> None:
    """Look at a page as it is, and then in the dark on a small screen."""
    found = []
    for dark in (False, True):
        visit.page.emulate_media(color_scheme="dark" if dark else "light")
        visit.page.set_viewport_size({"width": 320 if dark else 1280, "height": 900})
        found += violations(visit.page, axe)
        if not visit.is_within_its_width():
            found.append("it is wider than the screen")
    if visit.page.locator("script").count():
        found.append("it has a script")
    if found:
        wrong[named] = found


def test_no_page_keeps_anybody_out(chromium: Browser, sqlite_door: str, axe: str) -> None:
    wrong: dict[str, list[str]] = {}
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door, script=True) as visit:
        visit.open(ENTRY)
        _look(visit, axe, ENTRY, wrong)
        visit.page.fill("#code", "wrong")
        press(visit, "Go in")
        _look(visit, axe, "a wrong code", wrong)
        visit.open("/door/nothing")
        _look(visit, axe, "no such page", wrong)
        come_in(visit, code)
        for path in (INSIDE, SAY, LOOK_BACK, MINE, WHO_READS, LEAVE, ENTRY):
            assert visit.open(path) == 200
            assert visit.page.title() == TITLE
            _look(visit, axe, path, wrong)
        visit.open(SAY)
        visit.page.fill("#year", "never")
        press(visit, "Send it")
        assert visit.page.locator("#errors a").count() == 2
        _look(visit, axe, "errors", wrong)
        for link in visit.page.locator("#errors a").all():
            link.click()
            assert visit.page.locator(link.get_attribute("href") or "").is_visible()
        visit.page.fill("#year", "")
        visit.page.fill("#happened", WORDS)
        press(visit, "Send it")
        receipt = visit.page.locator(".receipt").inner_text()
        _look(visit, axe, "sent", wrong)
        come_in(visit, receipt)
        for path in (MINE, f"{MINE}/1"):
            visit.open(path)
            _look(visit, axe, f"{path} by the receipt", wrong)
        press(visit, "Take it back")
        _look(visit, axe, "not sure", wrong)
        visit.open(SAY)
        visit.page.fill("#happened", WORDS)
        end_visit(visit)
        press(visit, "Send it")
        assert visit.page.locator("#happened").input_value() == WORDS
        _look(visit, axe, "ended", wrong)
        assert complaints(visit) == []
    assert wrong == {}


def test_no_page_for_looking_back_keeps_anybody_out(
    chromium: Browser, sqlite_door: str, axe: str
) -> None:
    wrong: dict[str, list[str]] = {}
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door, script=True) as visit:
        come_in(visit, code)
        visit.open(LOOK_BACK)
        press(visit, "Send it")
        assert visit.page.locator("#errors a").count() == 1
        _look(visit, axe, "nothing answered", wrong)
        link = visit.page.locator("#errors a")
        link.click()
        assert visit.page.locator(link.get_attribute("href") or "").is_visible()
        visit.page.fill("#answer-anything_else", "x" * 5_001)
        press(visit, "Send it")
        _look(visit, axe, "too long", wrong)
        visit.page.fill("#answer-anything_else", WORDS)
        press(visit, "Send it")
        receipt = visit.page.locator(".receipt").inner_text()
        _look(visit, axe, "sent", wrong)
        come_in(visit, receipt)
        visit.open(MINE)
        visit.page.locator("summary", has_text="Sent on").click()
        _look(visit, axe, "by the receipt", wrong)
        visit.open(LOOK_BACK)
        end_visit(visit)
        press(visit, "Send it")
        _look(visit, axe, "ended", wrong)
        assert complaints(visit) == []
    assert wrong == {}


def test_one_looks_back_by_keyboard_alone(chromium: Browser, sqlite_door: str) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        page = visit.page
        come_in(visit, code)
        visit.open(LOOK_BACK)
        _tab_to(page, "[name=answer-listened_to]")
        for _ in range(2):
            page.keyboard.press("ArrowDown")
        assert page.is_checked("[name=answer-listened_to][value='2']")
        _tab_to(page, "#answer-anything_else")
        page.keyboard.type("By keyboard alone.")
        _tab_to(page, "main form button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".receipt").count() == 1
        assert complaints(visit) == []


def _tab_to(page: Page, selector: str) -> None:
    """Press the key until something has the focus that a person may see has it."""
    wanted = page.locator(f"{selector}:focus")
    for _ in range(120):
        if wanted.count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {selector}")


def test_it_is_said_and_left_by_keyboard_alone(chromium: Browser, sqlite_door: str) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        page = visit.page
        visit.open(ENTRY)
        _tab_to(page, "#code")
        page.keyboard.type(code)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{INSIDE}")
        page.keyboard.press("Tab")
        assert page.locator(".skip:focus").is_visible()
        page.keyboard.press("Enter")
        _tab_to(page, f"main a[href='{SAY}']")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{SAY}")
        _tab_to(page, "#happened")
        page.keyboard.type("By keyboard alone.")
        _tab_to(page, "main form button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".receipt").count() == 1
        _tab_to(page, f"form[action='{LEAVE}'] button")
        page.keyboard.press("Enter")
        page.wait_for_url(AWAY)
        assert complaints(visit) == []


# ------------------------------------------------------------------------------ what is kept


@pytest.mark.parametrize("width", [1280, 320])
def test_nothing_is_shown_to_who_goes_back_after_leaving(
    chromium: Browser, sqlite_door: str, width: int
) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door, width=width) as visit:
        come_in(visit, code)
        receipt = say(visit)
        come_in(visit, receipt)
        visit.open(MINE)
        visit.open(f"{MINE}/1")
        visit.page.fill("#words", "zq typed and never sent")
        visit.open(SAY)
        visit.page.fill("#happened", "zq typed and never sent")
        visit.open(LOOK_BACK)
        visit.page.fill("#answer-what_helps_or_is_missing", "zq answered, and sent")
        press(visit, "Send it")
        visit.open(MINE)
        assert "zq answered, and sent" in visit.page.content()
        visit.open(LOOK_BACK)
        visit.page.fill("#answer-anything_else", "zq answered and never sent")
        leave(visit)
        assert visit.page.context.cookies(sqlite_door) == []
        for _ in range(12):
            visit.page.go_back()
            shown = visit.page.content()
            assert "zq " not in shown
            assert receipt not in shown
            assert code not in shown
            for field in visit.page.locator("input:not([type=hidden]), textarea").all():
                assert field.input_value() == ""


def test_what_was_typed_is_gone_for_who_goes_back(chromium: Browser, sqlite_door: str) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        visit.open(SAY)
        visit.page.fill("#happened", WORDS)
        visit.open(WHO_READS)
        visit.page.go_back()
        assert visit.page.locator("#happened").input_value() == ""
        visit.open(ENTRY)
        visit.page.go_back()
        assert complaints(visit) == []


def test_of_a_double_click_the_receipt_is_seen(chromium: Browser, sqlite_door: str) -> None:
    case, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        visit.open(SAY)
        visit.page.fill("#happened", WORDS)
        visit.page.get_by_role("button", name="Send it").dblclick(no_wait_after=True)
        visit.page.wait_for_selector(".receipt")
        receipt = visit.page.locator(".receipt").inner_text()
        come_in(visit, receipt)
        visit.open(MINE)
        assert visit.page.locator("main .doors li").count() == 1
    with speaking(sqlite_door, DOROTHEA) as supervisor:
        assert len(supervisor.get(f"/v1/cases/{case}/accounts").json()["items"]) == 1


def test_what_was_typed_before_a_visit_ended_is_sent_after(
    chromium: Browser, sqlite_door: str
) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        visit.open(SAY)
        visit.page.fill("#happened", WORDS)
        end_visit(visit)
        press(visit, "Send it")
        assert visit.page.locator("#happened").input_value() == WORDS
        visit.page.fill("#code", code)
        press(visit, "Send it")
        assert visit.page.locator(".receipt").count() == 1
        assert complaints(visit) == []


HOSTILE = (
    "<script>alert(1)</script><img class=zq src=x onerror=alert(1)></textarea><b class=zq>"
    "\"><i class=zq>' onmouseover='alert(1)' x=\"` {{7*7}}{% raw %}%s%(n)s \u202e\u2067 end "
    + "W"
    * 3_000
)


def test_what_is_written_is_shown_and_does_nothing(chromium: Browser, sqlite_door: str) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door, script=True, width=320) as visit:
        come_in(visit, code)
        visit.open(SAY)
        visit.page.fill("#happened", HOSTILE)
        visit.page.fill("#year", "<b class=zq>")
        press(visit, "Send it")
        assert visit.page.locator("#happened").input_value() == HOSTILE
        assert visit.page.locator(".zq").count() == 0
        visit.page.fill("#year", "")
        press(visit, "Send it")
        come_in(visit, visit.page.locator(".receipt").inner_text())
        visit.open(f"{MINE}/1")
        assert HOSTILE[:200] in (visit.page.locator("main").text_content() or "")
        assert visit.page.locator(".zq, script").count() == 0
        assert visit.is_within_its_width()
        assert complaints(visit) == []


def test_a_link_from_elsewhere_shows_one_link_first(chromium: Browser, sqlite_door: str) -> None:
    _, code = invited_to(sqlite_door)
    with coming(chromium, sqlite_door) as visit:
        come_in(visit, code)
        page, to = visit.page, f"{sqlite_door}{WHO_READS}"
        mail = f"<a href='{to}'>Who reads</a>"
        page.context.route(
            "http://127.0.0.2/**", lambda route: route.fulfill(body=mail, content_type="text/html")
        )
        page.goto("http://127.0.0.2/mail")
        page.click("a")
        assert page.get_by_role("link").all_inner_texts() == ["Go on"]
        page.get_by_role("link").click()
        page.wait_for_url(to)
        assert DOROTHEA.name in page.locator("main").inner_text()
