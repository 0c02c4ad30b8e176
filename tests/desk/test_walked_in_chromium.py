"""Every page and form of every role, in Chromium: without script, by keyboard, for everybody."""

from datetime import date
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from api.commands.demo import PASSWORD
from api.commands.demo_cases import ADA, ADMIN, BRUNO, DOROTHEA, EMERIC, FLORA, Person
from tests.support.axe import violations
from tests.support.browsing import (
    Visit,
    kind_of,
    visiting,
    walk,
)
from tests.support.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WALKERS = (DOROTHEA, ADA, EMERIC, FLORA, ADMIN)
"""Somebody of each role."""


# ------------------------------------------------------------------------------ every page

LEAST = {DOROTHEA: 30, ADA: 25, EMERIC: 6, FLORA: 12, ADMIN: 20}
"""How many kinds of pages each finds at least."""
OF_EACH_ROLE = {"/desk", "/desk/cases/ID", "/desk/flags/ID", "/desk/consultations/ID"}
"""What is another page to another role."""


@pytest.mark.parametrize("who", WALKERS, ids=lambda who: who.role)
def test_every_page_is_whole_without_script(
    chromium: Browser, postgresql_desk: str, who: Person
) -> None:
    with visiting(chromium, postgresql_desk, width=320) as visit:
        visit.sign_in(who)
        kinds = list(walk(visit))
        assert visit.complaints() == []
        assert len(kinds) >= LEAST[who], kinds


@pytest.fixture(scope="module")
def looked_at() -> set[str]:
    """The kinds of pages that were looked at."""
    return set()


@pytest.mark.parametrize("who", [None, *WALKERS], ids=lambda who: who.role if who else "nobody")
def test_no_page_keeps_anybody_out(
    chromium: Browser, sqlite_desk: str, axe: str, looked_at: set[str], who: Person | None
) -> None:
    wrong: dict[str, list[str]] = {}
    with visiting(chromium, sqlite_desk, script=True) as visit:
        if who is None:
            for path in ("/", "/desk/sign-in", "/desk/new-password", "/desk/new-password/done"):
                visit.open(path)
                _look(visit, axe, path, wrong)
        else:
            visit.sign_in(who)
            for kind in walk(visit):
                at = kind.partition("?")[0]
                named = f"{who.role} {at}" if at in OF_EACH_ROLE else at
                if named not in looked_at:
                    looked_at.add(named)
                    _look(visit, axe, named, wrong)
        assert visit.complaints() == []
    assert wrong == {}


def _look(visit: Visit, axe: str, named: str, wrong: dict[str, list[str]]) -> None:
    """Look at a page as it is, and then in the dark on a small screen."""
    found = []
    for dark in (False, True):
        visit.page.emulate_media(color_scheme="dark" if dark else "light")
        visit.page.set_viewport_size({"width": 320 if dark else 1280, "height": 900})
        found += violations(visit.page, axe, of_sight=dark)
        if not visit.is_within_its_width():
            found.append("it is wider than the screen")
    if found:
        wrong[named] = found


def test_pages_that_say_no_keep_nobody_out(chromium: Browser, sqlite_desk: str, axe: str) -> None:
    wrong: dict[str, list[str]] = {}
    with visiting(chromium, sqlite_desk, script=True) as visit:
        visit.open("/desk/sign-in")
        visit.page.click("main button")
        _look(visit, axe, "sign-in refused", wrong)
        visit.sign_in(ADA)
        for path in ("/desk/nothing", "/desk/people/new", f"/desk/cases/{'0' * 8}"):
            visit.open(path)
            _look(visit, axe, path, wrong)
        visit.open(f"{_first_case(visit)}/incidents/new/ending")
        visit.page.click("main button")
        assert visit.page.locator("#errors a").count() > 2
        _look(visit, axe, "a form with errors", wrong)
        # each error leads to its field
        link = visit.page.locator("#errors a").first
        target = link.get_attribute("href") or ""
        link.click()
        assert visit.page.locator(target).is_visible()
        assert visit.complaints() == []
    assert wrong == {}


def _first_case(visit: Visit) -> str:
    visit.open("/desk/cases")
    return next(each for each in visit.links() if kind_of(each) == "/desk/cases/ID")


# ------------------------------------------------------------------------------ every form


def _press(visit: Visit, text: str) -> None:
    visit.page.get_by_role("button", name=text, exact=True).first.click()


def _send(visit: Visit, path: str, told: dict[str, Any], *, button: str | None = None) -> str:
    """Fill in the form of a page and send it; give where that leads to."""
    status = visit.open(path)
    assert status == 200, (path, status)
    return _fill(visit, told, button)


def _fill(visit: Visit, told: dict[str, Any], button: str | None = None) -> str:
    page = visit.page
    for name, value in told.items():
        found = page.locator(f"main [name='{name}']").first
        if isinstance(value, list):
            for each in value:
                page.locator(f"main [name='{name}'][value='{each}']").check()
        elif found.evaluate("each => each.tagName") == "SELECT":
            found.select_option(value)
        else:
            found.fill(value)
    at = visit.at
    pressed = page.locator("main form.stack button").last
    (pressed if button is None else page.get_by_role("button", name=button).first).click()
    page.wait_for_load_state()
    assert page.locator("#errors").count() == 0, page.locator("#errors").inner_text()
    assert visit.at != at or button is not None, page.content()
    return visit.at.partition("?")[0]


TODAY = date.today().isoformat()  # noqa: DTZ011 - as whoever sits before the browser has it
PROMISE = {
    "made_by": "therapist",
    "source": "explicit",
    "kind": "other",
    "scope": "within_frame",
    "significance": "major",
    "made_on": TODAY,
    "reported_by": "client",
}
INCIDENTS: dict[str, dict[str, Any]] = {
    "crossing": {"details.area": "time"},
    "expression": {"details.by": "client", "details.feelings": ["love", "rage"]},
    "sexual_conduct": {"details.conduct": "remark"},
}


def test_a_case_is_written_from_beginning_to_end(chromium: Browser, desk: str) -> None:
    """The clinician writes, the supervisor looks and answers: without a line of script."""
    with visiting(chromium, desk) as hers, visiting(chromium, desk, width=320) as his:
        hers.sign_in(BRUNO)
        his.sign_in(DOROTHEA)
        case = _send(hers, "/desk/cases/new", {"client_ref": "zq-written"})
        said = {"occurred_on": TODAY, "initiator": "therapist", "reported_by": "client"}
        reported = [
            _send(hers, f"{case}/incidents/new/{kind}", {**said, **details})
            for kind, details in INCIDENTS.items()
        ]
        _send(hers, f"{reported[0]}/change", {"narrative": "Two lines\nof it."})
        assert "Two lines\nof it." in hers.page.locator("main").inner_text()
        promise = {"wording": "I will be there.", **PROMISE}
        promised = _send(hers, f"{case}/promises/new", promise)
        _send(hers, f"{promised}/change", {"state": "kept"})
        _consult(hers, his, case)
        _write_notes(hers, his, case)
        _look_at_flags(his, case)
        _send(his, f"{reported[0]}/review", {"determination": "benign_crossing"} | NOTE)
        _send(hers, f"{reported[1]}/void", {"reason": "wrong_case"})
        assert "voided" in hers.page.locator("main").inner_text()
        colleague = {"clinician_id": _person(his, f"{case}/transfer", "clinician_id", "Cleo")}
        _send(his, f"{case}/transfer", {**colleague, "reason": "leave"})
        assert hers.open(case) == 404
        assert [*hers.complaints(), *his.complaints()] == []


NOTE = {"review_note": "Seen."}


def _person(visit: Visit, path: str, field: str, name: str) -> str:
    visit.open(path)
    option = visit.page.locator(f"[name='{field}'] option", has_text=name).first
    return option.get_attribute("value") or ""


def _consult(hers: Visit, his: Visit, case: str) -> None:
    question = {"kind": "ethics", "urgency": "routine", "question": "What now?"}
    asked = _send(hers, f"{case}/consultations/new", question)
    _send(hers, f"{asked}/change", {"question": "And now?"})
    _press(hers, "Send it")
    for move in ("Accept it", "Begin"):
        his.open(asked)
        _press(his, move)
    _send(his, f"{asked}/complete", {"outcome": "mixed", "advice": "Talk it over."})
    _send(hers, f"{asked}/respond", {"response": "accepted"})
    assert "Talk it over." in hers.page.locator("main").inner_text()
    again = _send(hers, f"{case}/consultations/new", question)
    _press(hers, "Send it")
    _send(his, f"{again}/decline", {"reason": "No time."})
    third = _send(hers, f"{case}/consultations/new", question)
    _send(hers, f"{third}/cancel", {"reason": "Settled."})


def _write_notes(hers: Visit, his: Visit, case: str) -> None:
    note = _send(hers, f"{case}/notes/new", {"note_class": "progress", "body": "As it was."})
    _send(hers, f"{note}/change", {"body": "As it really was."})
    _press(hers, "Sign it")
    his.open(note)
    _press(his, "Co-sign it")
    assert "Co-signed by" in his.page.locator("main").inner_text()
    _send(hers, f"{note}/amend", {"body": "In short."})
    draft = _send(hers, f"{case}/notes/new", {"note_class": "progress", "body": "By mistake."})
    _send(hers, f"{draft}/void", {})


def _look_at_flags(his: Visit, case: str) -> None:
    raised = _send(
        his,
        f"{case}/flags/new",
        {"severity": "high", "title": "Please look", "because": "It was told twice."},
    )
    _press(his, "I look into it")
    assert "Dr Dorothea Quill" in his.page.locator("main").inner_text()
    told = {"determination": "normal_process", "resolution_note": "Looked at together."}
    _send(his, raised, told, button="Close it")
    assert "Looked at together." in his.page.locator("main").inner_text()
    _send(his, raised, {"reason": "Look again."}, button="Open it again")
    assert "Look again." in his.page.locator("main").inner_text()


# ------------------------------------------------------------------------------ by keyboard


def _tab_to(page: Page, selector: str) -> None:
    """Press the key until something has the focus that a person may see has it."""
    wanted = page.locator(f"{selector}:focus")
    for _ in range(250):
        if wanted.count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {selector}")


@pytest.mark.parametrize("styled", [True, False], ids=["styled", "plain"])
def test_a_flag_is_closed_by_keyboard_alone(
    chromium: Browser, sqlite_desk: str, styled: bool
) -> None:
    with visiting(chromium, sqlite_desk) as visit:
        page = visit.page
        if not styled:
            page.route("**/desk/style.css", lambda route: route.abort())
        visit.open("/desk/sign-in")
        _tab_to(page, "#address")
        page.keyboard.type(DOROTHEA.email)
        _tab_to(page, "#password")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk")
        # past what stands at the top of each page
        page.keyboard.press("Tab")
        assert page.locator(".skip:focus").count() == 1
        assert page.locator(".skip:focus").is_visible()
        page.keyboard.press("Enter")
        _tab_to(page, "main a[href^='/desk/flags/']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk/flags/*")
        _tab_to(page, "[name='determination']")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        _tab_to(page, "[name='resolution_note']")
        page.keyboard.type("Closed by keyboard alone.")
        _tab_to(page, "form[action$='/resolve'] button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "Closed by keyboard alone." in page.locator("main").inner_text()
        complaints = [each for each in visit.complaints() if "style.css" not in each]
        assert [each for each in complaints if styled or "ERR_FAILED" not in each] == []


# ------------------------------------------------------------------------------ what is kept


def test_nothing_is_shown_to_who_goes_back_after_signing_out(
    chromium: Browser, sqlite_desk: str
) -> None:
    with visiting(chromium, sqlite_desk) as visit:
        visit.sign_in(ADA)
        case = _first_case(visit)
        visit.open(case)
        visit.open(f"{case}/promises/new")
        visit.page.fill("[name='wording']", "zq typed and never sent")
        visit.open("/desk/cases")
        _press(visit, "Sign out")
        for _ in range(4):
            visit.page.go_back()
            shown = visit.page.content()
            assert visit.at.startswith("/desk/sign-in"), visit.at
            assert "HL-000" not in shown
            assert "zq typed" not in shown
        assert visit.complaints() == []


def test_what_was_typed_is_gone_for_who_goes_back(chromium: Browser, sqlite_desk: str) -> None:
    with visiting(chromium, sqlite_desk) as visit:
        visit.sign_in(ADA)
        visit.open(f"{_first_case(visit)}/promises/new")
        visit.page.fill("[name='wording']", "zq typed and never sent")
        visit.open("/desk/cases")
        visit.page.go_back()
        assert visit.page.locator("[name='wording']").input_value() == ""


# ------------------------------------------------------------------------------ hostile texts

HOSTILE = {
    "markup": "<script>alert(1)</script><img class=zq src=x onerror=alert(1)>"
    "</textarea><b class=zq>",
    "quotes": "\"><i class=zq>' onmouseover='alert(1)' x=\"`",
    "right to left": "\u202e\u2067 \u05e9\u05dc\u05d5\u05dd \u202e end \u2066",
    "nothing to see": "zq\u200b\u200d\ufeff\u00ad" * 40,
    "template": "{{7*7}}{% raw %}${7*7}#{7*7}%s%(n)s%d",
    "unbroken": "W" * 10_000,
    "lines": "a\r\n\r\n\tb \u2028 c\n" * 20,
}
"""Texts that are not what they seem."""


def _write(url: str, text: str) -> str:
    """Let people write a text into every field there is for words; give the path of the case."""
    tokens = {}
    with httpx.Client(base_url=url, timeout=PATIENCE) as http:
        for who in (BRUNO, DOROTHEA):
            form = {"grant_type": "password", "username": who.email, "password": PASSWORD}
            tokens[who] = http.post("/v1/auth/token", data=form).json()["access_token"]

        def post(who: Person, path: str, **body: Any) -> dict[str, Any]:
            bearer = {"Authorization": f"Bearer {tokens[who]}"}
            answer = http.post(f"/v1/{path}", json=body, headers=bearer)
            assert answer.is_success, answer.text
            made: dict[str, Any] = answer.json()
            return made

        case = post(BRUNO, "cases", client_ref=text[:150] or "zq")
        path = f"cases/{case['id']}"
        said = {"occurred_on": TODAY, "initiator": "therapist", "reported_by": "client"}
        words = {"narrative": text, "rationale": text}
        ending = {"kind": "ending", "stage": "raised", "plan": text}
        report = post(BRUNO, f"{path}/incidents", **said, **words, details=ending)
        post(BRUNO, f"{path}/promises", **PROMISE, wording=text)
        asked = {"kind": "ethics", "urgency": "routine", "question": text, "summary": text}
        draft = post(BRUNO, f"{path}/consultations", **asked, released=True)
        for who, move in ((BRUNO, "request"), (DOROTHEA, "accept"), (DOROTHEA, "start")):
            post(who, f"consultations/{draft['id']}/{move}")
        answer = {"outcome": "mixed", "advice": text}
        post(DOROTHEA, f"consultations/{draft['id']}/complete", **answer)
        post(BRUNO, f"{path}/notes", note_class="progress", body=text)
        by_hand = {"severity": "high", "title": text[:150], "because": text}
        flag = post(DOROTHEA, f"{path}/flags", **by_hand)
        note = {"determination": "normal_process", "resolution_note": text}
        post(DOROTHEA, f"flags/{flag['id']}/resolve", **note)
        post(DOROTHEA, f"flags/{flag['id']}/reopen", reason=text)
        review = {"determination": "normal_process", "review_note": text}
        post(DOROTHEA, f"incidents/{report['id']}/review", **review)
    return f"/desk/{path}"


MIXED = " ".join(text for name, text in HOSTILE.items() if name != "unbroken")


@pytest.mark.parametrize("text", [MIXED, HOSTILE["unbroken"]], ids=["mixed", "unbroken"])
def test_what_people_write_is_shown_and_does_nothing(
    chromium: Browser, sqlite_desk: str, text: str
) -> None:
    case = _write(sqlite_desk, text)
    shown = 0
    for who in (BRUNO, DOROTHEA):
        with visiting(chromium, sqlite_desk, script=True, width=320) as visit:
            visit.sign_in(who)
            visit.open(case)
            of_it = ("incidents", "promises", "consultations", "notes", "flags")
            records = [
                each
                for each in dict.fromkeys(visit.links())
                if kind_of(each) in {f"/desk/{noun}/ID" for noun in of_it}
            ]
            changes = [f"{each}/change" for each in records if "/flags/" not in each]
            forms = [each for each in changes if who is BRUNO and "consultations" not in each]
            versions = [each.replace("/change", "/versions") for each in changes]
            for path in (
                "/desk",
                "/desk/agenda",
                case,
                *records,
                *forms,
                *versions,
                "/desk/promises",
            ):
                visit.open(path)
                assert visit.page.locator(".zq").count() == 0, path
                assert visit.page.locator("script").count() == 0, path
                assert visit.is_within_its_width(), path
                told = visit.page.locator("main").evaluate(WORDS)
                shown += _plain(text)[:150] in _plain(told)
                assert "4949" not in told
            large = [each for each in visit.complaints() if " bytes: " in each]
            assert visit.complaints() == large
    assert shown >= 12


WORDS = """main => main.textContent + [...main.querySelectorAll("textarea, input")]
  .map(each => each.value).join(" ")"""


def _plain(text: str) -> str:
    return "".join(text.split())


# ------------------------------------------------------------------------------ from elsewhere


def test_a_link_from_elsewhere_shows_one_link_first(chromium: Browser, sqlite_desk: str) -> None:
    with visiting(chromium, sqlite_desk) as visit:
        visit.sign_in(DOROTHEA)
        page, to = visit.page, f"{sqlite_desk}/desk/agenda"
        mail = f"<a href='{to}'>To the agenda</a>"
        page.context.route(
            "http://127.0.0.2/**", lambda route: route.fulfill(body=mail, content_type="text/html")
        )
        page.goto("http://127.0.0.2/mail")
        page.click("a")
        assert page.get_by_role("link").all_inner_texts() == ["Go on"]
        page.get_by_role("link").click()
        page.wait_for_url(to)
        assert "Agenda" in page.title()
