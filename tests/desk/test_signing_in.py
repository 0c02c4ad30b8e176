"""Signing in at the desk and out of it: what a browser holds, how long it holds, and for whom."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlmodel import select

from api.access.authentication import require_recent_sign_in
from api.access.sessions import SessionTimes
from api.desk.visits import Visits
from api.domain.permissions.table import Actor
from api.journal.entries import Happening
from api.routes import cases
from api.storage.models.people import SignIn
from api.storage.transaction import Transaction
from tests.support.desk import (
    DEVICE,
    FORM,
    HEADERS,
    SESSION,
    SIGN_IN,
    Seat,
    Shown,
    cookies_set,
    goes_to,
    routes_of,
    seated,
)
from tests.support.signing_in import enrol, entries_of, shown
from tests.support.world import PASSWORD, Person, World, ok


async def session_of(world: World, seat: Seat) -> SignIn:
    async with world.owner.transaction() as tx:
        await tx.enter(seat.token.clinic_id)
        found: SignIn = (await tx.exec(select(SignIn).where(SignIn.id == seat.session_id))).one()
    return found


async def case_form(seat: Seat) -> Shown:
    return await seat.open("/desk/cases/new")


# ------------------------------------------------------------------------------------- cookies


async def test_cookies_are_for_this_host_over_tls_and_for_no_script(world: World) -> None:
    seat = Seat(world)
    page = await seat.open(SIGN_IN)
    ours = {"httponly", "path=/", "samesite=strict", "secure"}
    assert cookies_set(page.answer) == {FORM: ours}
    told = cookies_set((await seat.sign_in(world.clinician.email)).answer)
    assert told == {SESSION: ours, DEVICE: ours | {"max-age=7776000"}}
    out = await seat.sign_out()
    gone = cookies_set(out.answer)[SESSION]
    assert ours | {"max-age=0"} <= gone


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
async def test_on_this_very_machine_they_need_no_tls(world: World, host: str) -> None:
    seat = Seat(world, f"http://{host}:8000")
    page = await seat.open(SIGN_IN)
    assert cookies_set(page.answer) == {"bn-form": {"httponly", "path=/", "samesite=strict"}}
    # a cookie jar knows no port in an address of the sixth version
    if host != "[::1]":
        assert goes_to(await seat.sign_in(world.clinician.email)) == "/desk"
        assert (await seat.open("/desk")).status == 200


@pytest.mark.parametrize("host", ["notes.example", "127.0.0.1.example", "10.0.0.1", "localhost.x"])
async def test_anywhere_else_they_go_over_tls_alone(world: World, host: str) -> None:
    page = await Seat(world, f"http://{host}").open(SIGN_IN)
    assert "secure" in cookies_set(page.answer)[FORM]


# ------------------------------------------------------------------------------------ a session


async def test_what_was_held_before_sign_in_is_replaced(world: World) -> None:
    """Whoever plants a session of theirs in another's browser shares nothing with them."""
    attacker, victim = await seated(world, world.colleague), Seat(world)
    for planted in (attacker.session, "made-up", ""):
        victim.http.cookies.clear()
        victim.hold(planted or "")
        assert goes_to(await victim.sign_in(world.clinician.email)) == "/desk"
        assert victim.session not in {planted, attacker.session}
        assert victim.token.user_id == world.clinician.id
    assert attacker.token.user_id == world.colleague.id
    again = Seat(world)
    await again.sign_in(world.clinician.email)
    assert again.session != victim.session


async def test_a_browser_that_signs_in_anew_holds_one_session(world: World) -> None:
    seat = await seated(world, world.clinician)
    first = seat.session_id
    device = seat.http.cookies[DEVICE]
    assert goes_to(await seat.sign_in(world.clinician.email)) == "/desk"
    assert seat.session_id != first
    assert seat.http.cookies[DEVICE] == device


async def test_signing_out_ends_the_session(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    held, session_id = seat.session, seat.session_id
    assert held is not None
    assert (await seat.open(f"/desk/cases/{case['id']}")).status == 200
    row = await session_of(world, seat)
    assert (row.revoked_at, row.user_id) == (None, world.clinician.id)
    out = await seat.sign_out()
    assert goes_to(out) == SIGN_IN
    assert out.answer.headers["clear-site-data"] == '"cache"'
    assert seat.session is None
    # whoever kept what the browser held has nothing
    seat.hold(held)
    assert (await session_of(world, seat)).revoked_at == world.clock.now
    shown_again = await seat.open(f"/desk/cases/{case['id']}")
    back = urlencode({"next": f"/desk/cases/{case['id']}"})
    assert goes_to(shown_again) == f"{SIGN_IN}?{back}"
    assert "max-age=0" in cookies_set(shown_again.answer)[SESSION]
    listed = ok(await world.clinician.get("/v1/sessions"))["items"]
    assert str(session_id) not in {each["id"] for each in listed}
    assert Happening.signed_out in await entries_of(world, world.clinician)


async def test_a_session_of_the_desk_is_listed_and_ended_as_any_other(world: World) -> None:
    seat = await seated(world, world.clinician)
    path = f"/v1/sessions/{seat.session_id}"
    assert ok(await world.clinician.get(path))["user_id"] == str(world.clinician.id)
    assert (await world.clinician.delete(path)).status_code == 204
    assert goes_to(await seat.open("/desk/cases")).startswith(SIGN_IN)


async def test_a_session_that_is_not_used_ends_after_a_while(world: World) -> None:
    seat = await seated(world, world.clinician)
    idle: timedelta = world.app.state.session_times.idle
    world.clock.now += idle - timedelta(seconds=1)
    assert (await seat.open("/desk/cases")).status == 200
    world.clock.now += idle - timedelta(seconds=1)
    assert (await seat.open("/desk/cases")).status == 200
    world.clock.now += idle
    assert goes_to(await seat.open("/desk/cases")).startswith(SIGN_IN)


async def test_a_session_that_is_used_ends_at_its_end(world: World) -> None:
    seat = await seated(world, world.clinician)
    times: SessionTimes = world.app.state.session_times
    ends = world.clock.now + times.whole
    while world.clock.now + timedelta(minutes=4) < ends:
        world.clock.forward(minutes=4)
        assert (await seat.open("/desk/cases")).status == 200, ends - world.clock.now
    world.clock.now = ends
    assert goes_to(await seat.open("/desk/cases")).startswith(SIGN_IN)


@pytest.mark.parametrize("minutes", [1, 4, 5, 6])
async def test_a_session_in_use_goes_on_however_short_it_may_rest(
    world: World, minutes: int
) -> None:
    times = SessionTimes(timedelta(hours=12), timedelta(minutes=minutes))
    world.app.state.session_times = times
    world.app.state.visits = Visits(world.database, times)
    seat = await seated(world, world.clinician)
    for _ in range(8):
        world.clock.now += times.idle * 0.6
        assert (await seat.open("/desk/cases")).status == 200
    world.clock.now += times.idle
    assert (await seat.open("/desk/cases")).status == 303


async def test_whoever_is_let_in_no_more_sees_no_further_page(world: World) -> None:
    seat = await seated(world, world.colleague)
    assert (await seat.open("/desk/cases")).status == 200
    ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"is_active": False}))
    assert goes_to(await seat.open("/desk/cases")).startswith(SIGN_IN)
    again = await seat.sign_in(world.colleague.email)
    assert again.status == 422


async def test_another_role_acts_on_the_next_page(world: World) -> None:
    seat = await seated(world, world.colleague)
    assert (await seat.open("/desk")).heading == "Cases"
    assert (await seat.open("/desk/cases/new")).status == 200
    path = f"/v1/users/{world.colleague.id}"
    ok(await world.admin.patch(path, {"role": "privacy_officer"}))
    page = await seat.open("/desk")
    # a change of role may end what was begun in another
    if page.status == 303:
        await seat.sign_in(world.colleague.email)
        page = await seat.open("/desk")
    assert page.heading == "Unwatched cases"
    assert (await seat.open("/desk/cases/new")).status == 403
    assert "/desk/cases" not in [link for link in page.links if link.endswith("/cases")]


# ----------------------------------------------------------------------------- the form itself


async def test_whatever_is_wrong_is_told_alike(world: World) -> None:
    texts = set()
    for email, password, more in (
        (world.clinician.email, "not the right one", {}),
        ("nobody@clinic.example", PASSWORD, {}),
        (world.clinician.email, "", {}),
        (world.clinician.email, PASSWORD, {"clinic": "no id"}),
        (world.clinician.email, PASSWORD, {"clinic": str(world.there["admin"].clinic_id)}),
        (world.clinician.email, "x" * 5_000, {}),
    ):
        seat = Seat(world)
        page = await seat.open(SIGN_IN)
        answer = await seat.submit(page.form, {"address": email, "password": password, **more})
        assert answer.status == 422
        assert seat.session is None
        assert answer.form["address"].values == [email]
        assert answer.form["password"].values == [""]
        texts.add(answer.text.replace(answer.form.token, "").replace(email, ""))
    assert len(texts) == 1


async def test_a_second_factor_is_asked_for(world: World) -> None:
    secret, codes = await enrol(world, world.clinician)
    seat = Seat(world)
    assert (await seat.sign_in(world.clinician.email)).status == 422
    told = {"address": world.clinician.email, "password": PASSWORD}
    page = await seat.open(SIGN_IN)
    code = shown(world, secret)
    assert goes_to(await seat.submit(page.form, {**told, "code": f"{code[:3]} {code[3:]}"}))
    again = Seat(world)
    page = await again.open(SIGN_IN)
    assert (await again.submit(page.form, {**told, "code": code})).status == 422
    page = await again.open(SIGN_IN)
    assert goes_to(await again.submit(page.form, {**told, "code": codes[0]})) == "/desk"


ELSEWHERE = (
    "//evil.example",
    "//evil.example/desk",
    "///evil.example/desk",
    "/\\evil.example",
    "/\\/evil.example/desk",
    "\\\\evil.example/desk",
    "https://evil.example/desk",
    "https:evil.example",
    "https:/desk",
    "javascript:alert(1)",
    "JavaScript://%0aalert(1)/desk",
    "data:text/html,x",
    "/desk\n//evil.example",
    "/desk\r\nLocation: https://evil.example",
    "/desk/\tcases",
    "\t//evil.example",
    " //evil.example",
    "/desk\x00",
    "/desk\u2028",
    "/desk/\u202e",
    "/deskevil",
    "/v1/me",
    "desk/cases",
    "?x",
    "#x",
    "//[",
    "https://a]",
    "//[::1]/desk",
    SIGN_IN,
    f"{SIGN_IN}?next=/desk",
)


@pytest.mark.parametrize("asked", ELSEWHERE)
async def test_nobody_is_sent_elsewhere_after_signing_in(world: World, asked: str) -> None:
    seat = Seat(world)
    page = await seat.open(f"{SIGN_IN}?{urlencode({'next': asked})}")
    assert page.status == 200
    assert page.form["next"].values == ["/desk"]
    # nor by who changes the form on its way
    page.form["next"].values = [asked]
    answer = await seat.submit(page.form, {"address": world.clinician.email, "password": PASSWORD})
    assert goes_to(answer) == "/desk"


@pytest.mark.parametrize(
    "asked", ["/desk/cases", "/desk/cases?status=active&client_ref=%2F%2Fx", "/desk/flags/1?a=b"]
)
async def test_whoever_was_on_the_way_somewhere_gets_there(world: World, asked: str) -> None:
    seat = Seat(world)
    to = goes_to(await seat.open(asked))
    page = await seat.open(to)
    answer = await seat.submit(page.form, {"address": world.clinician.email, "password": PASSWORD})
    assert goes_to(answer) == asked


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_from_elsewhere_lands_on_one_link_of_ours(world: World, site: str) -> None:
    seat = Seat(world)
    path = "/desk/cases?client_ref=%3Cb%3E&status=active"
    page = await seat.open(path, sec_fetch_site=site)
    assert (page.status, page.forms, page.links) == (200, [], [path])
    # and once more from ours: to sign in, or to the page
    assert goes_to(await seat.open(path)).startswith(SIGN_IN)
    await seat.sign_in(world.clinician.email)
    assert (await seat.open(path, sec_fetch_site=site)).status == 200


# ------------------------------------------------------------------------- what every page says


async def test_every_page_says_what_may_be_done_with_it(world: World) -> None:
    case = await world.clinician.case()
    incident = await world.clinician.incident(case, "hurtful_words", initiator="institution")
    ids = {"case_id": case["id"], "incident_id": incident["id"], "kind": "crossing"}
    hers, nobody = await seated(world, world.clinician), Seat(world)
    said = set()
    for path in routes_of(world.app, "GET"):
        if path in {"/desk/style.css", "/desk/icon.svg"}:
            continue
        at = path.replace("{", "").replace("}", "")
        for name, value in ids.items():
            at = at.replace(name, value)
        for seat in (hers, nobody):
            for site in ("same-origin", "cross-site"):
                page = await seat.open(at, sec_fetch_site=site)
                _says_all(page)
                said.add(page.status)
    for path, status in (
        ("/", 200),
        ("/desk/nothing", 404),
        ("/desk/", 404),
        ("/desk/cases/new", 200),
        (f"/desk/cases/{case['id']}/x", 404),
        ("/desk/cases/x", 404),
        ("/desk/cases?status=nonsense", 404),
    ):
        page = await hers.open(path)
        assert page.status == status, path
        _says_all(page)
    refused = await hers.http.put("/desk/cases")
    assert refused.status_code == 405
    _says_all(Shown(refused))
    _says_all(await hers.send("/desk/cases/new", []))
    _says_all(await hers.send("/desk/cases/new", [("x", "y" * 2_000_000)]))
    _says_all(await hers.fill("/desk/cases/new"))
    _says_all(await hers.fill("/desk/cases/new", {"client_ref": "zq"}))
    assert {200, 303, 404} <= said


def _says_all(page: Shown) -> None:
    at = page.answer.request.url
    told = {name: page.answer.headers.get(name) for name in HEADERS}
    assert told == HEADERS, at
    for name in HEADERS:
        assert len(page.answer.headers.get_list(name)) == 1, (at, name)
    if page.status != 303:
        assert page.answer.headers["content-type"] == "text/html; charset=utf-8", at
        assert "<script" not in page.text.lower(), at
        assert " style=" not in page.text, at
        assert page.title, at
        assert page.heading, at
        assert len(page.ids) == len(set(page.ids)), at


async def test_what_fails_within_a_page_is_told_as_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = await seated(world, world.clinician)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a client's words")

    monkeypatch.setattr("api.routes.cases.new_case", fail)
    page = await seat.fill("/desk/cases/new", {"client_ref": "zq"})
    assert page.status == 500
    _says_all(page)
    assert "client's words" not in page.text


# ------------------------------------------------------------------------------ once more


@pytest.fixture
def asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a case needs a recent sign-in, as other things do."""

    async def recent(tx: Transaction, me: Actor, _clinician: object) -> None:
        require_recent_sign_in(me, tx.now)

    monkeypatch.setattr(cases, "_may_open_for", recent)


async def open_cases(world: World, person: Person) -> list[str]:
    return [each["client_ref"] for each in ok(await person.get("/v1/cases", limit=100))["items"]]


@pytest.mark.usefixtures("asks_again")
async def test_what_needs_a_recent_sign_in_asks_for_the_password(world: World) -> None:
    seat = await seated(world, world.clinician)
    world.clock.forward(minutes=16)
    page = await seat.fill("/desk/cases/new", {"client_ref": "zq-1", "phase": "acceptance"})
    assert page.status == 403
    assert await open_cases(world, world.clinician) == []
    assert page.form["client_ref"].values == ["zq-1"]
    assert page.form["phase"].values == ["acceptance"]
    first = seat.session_id
    wrong = await seat.submit(page.form, {"proof_password": "wrong"})
    assert wrong.status == 403
    assert (seat.session_id, await open_cases(world, world.clinician)) == (first, [])
    assert "wrong" not in [each for control in wrong.form.controls for each in control.values]
    before = (await session_of(world, seat)).id
    done = await seat.submit(wrong.form, {"proof_password": PASSWORD})
    assert goes_to(done).startswith("/desk/cases/")
    assert await open_cases(world, world.clinician) == ["zq-1"]
    # who held the old secret stays where they were: outside
    assert seat.session_id != before
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        ended = await tx.exec(select(SignIn.revoked_at).where(SignIn.id == before))
        assert ended.one() == world.clock.now
    assert (await seat.open(goes_to(done))).status == 200


@pytest.mark.usefixtures("asks_again")
async def test_a_proof_that_is_followed_by_an_error_is_kept(world: World) -> None:
    seat = await seated(world, world.clinician)
    world.clock.forward(minutes=16)
    page = await seat.fill("/desk/cases/new", {"client_ref": "zq-1"})
    again = await seat.submit(page.form, {"client_ref": "", "proof_password": PASSWORD})
    assert again.status == 422
    assert goes_to(await seat.submit(again.form, {"client_ref": "zq-2"}))
    assert await open_cases(world, world.clinician) == ["zq-2"]


# ------------------------------------------------------------------------- what was typed stays

TYPED = 'Two lines\n& "quotes" <b>\u05d0\u200b {{7*7}} %s\n\n  and blanks  '


async def test_what_was_typed_survives_an_error(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.fill(
        f"/desk/cases/{case['id']}/promises/new",
        {"wording": TYPED, "made_by": "", "made_on": "not a day", "open_ended": "true"},
    )
    assert page.status == 422
    assert page.form["wording"].values == [TYPED]
    assert page.form["made_on"].values == ["not a day"]
    assert page.form["open_ended"].values == ["true"]
    assert page.title.startswith("Error: ")
    # the summary leads to each field that is marked
    refused = {link.partition("#")[2] for link in page.links if "#f-" in link}
    assert {"f-made_by", "f-made_on", "f-significance"} <= refused <= set(page.ids)
    assert all(f'id="{each}-error"' in page.text for each in refused)


async def test_check_boxes_survive_an_error(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    told: dict[str, str | list[str]] = {
        "details.feelings": ["love", "rage"],
        "details.by": "client",
    }
    page = await seat.fill(f"/desk/cases/{case['id']}/incidents/new/expression", told)
    assert page.status == 422
    assert page.form["details.feelings"].values == ["love", "rage"]
    assert page.form["details.by"].values == ["client"]


@pytest.mark.parametrize("how", ["ended elsewhere", "idle"])
async def test_what_was_typed_survives_a_sign_out_in_between(world: World, how: str) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    path = f"/desk/cases/{case['id']}/promises/new"
    page = await seat.open(path)
    if how == "idle":
        world.clock.forward(minutes=40)
    else:
        await world.clinician.delete(f"/v1/sessions/{seat.session_id}")
    out = await seat.submit(page.form, {"wording": TYPED, "made_by": "therapist"})
    assert out.status == 401
    _says_all(out)
    assert out.form.action == SIGN_IN
    wrong = await seat.submit(out.form, {"address": world.clinician.email, "password": "wrong"})
    assert wrong.status == 422
    told = {"address": world.clinician.email, "password": PASSWORD}
    back = await seat.submit(wrong.form, told)
    assert back.status == 200
    assert (back.form.action, ok(await world.clinician.get("/v1/promises"))["items"]) == (path, [])
    # nothing is complete yet: it comes back into its form
    form = await seat.submit(back.form)
    assert form.status == 422
    assert form.form["wording"].values == [TYPED]
    assert form.form["made_by"].values == ["therapist"]


async def test_no_secret_is_carried_through_a_sign_out(world: World, asks_again: None) -> None:
    seat = await seated(world, world.clinician)
    world.clock.forward(minutes=16)
    page = await seat.fill("/desk/cases/new", {"client_ref": "zq-1"})
    world.clock.forward(minutes=40)
    out = await seat.submit(page.form, {"proof_password": "my secret", "proof_code": "123456"})
    assert out.status == 401
    assert "my secret" not in out.text
    assert "zq-1" in out.text


async def test_what_is_sent_twice_is_done_once(world: World) -> None:
    seat = await seated(world, world.clinician)
    page = await case_form(seat)
    told = page.form.filled({"client_ref": "zq-1"})
    first, second = [await seat.send(page.form.action, told) for _ in range(2)]
    assert goes_to(first) == goes_to(second)
    assert await open_cases(world, world.clinician) == ["zq-1"]
    # the form shown anew is another one
    assert (await seat.fill("/desk/cases/new", {"client_ref": "zq-2"})).status == 303


async def test_too_many_guesses_are_refused_as_a_page(world: World) -> None:
    seat = Seat(world)
    for _ in range(25):
        answer = await seat.sign_in(world.clinician.email, "wrong")
        assert answer.status in {422, 429}
        _says_all(answer)
    assert (await seat.sign_in(world.clinician.email)).status in {422, 429}


async def test_a_session_knows_its_own_last_visit(world: World) -> None:
    seat = await seated(world, world.supervisor)
    visits: Visits = world.app.state.visits
    assert await visits.before(seat.token) is None
    world.clock.forward(hours=1)
    begun = world.clock.now
    again = await seated(world, world.supervisor)
    assert await visits.before(again.token) == begun - timedelta(hours=1)
    world.clock.forward(minutes=10)
    await again.open("/desk")
    # what is done in this session is not its own past
    world.app.state.visits = Visits(world.database, world.app.state.session_times)
    assert await world.app.state.visits.before(again.token) == begun - timedelta(hours=1)


async def test_what_is_new_since_the_last_visit_is_marked(world: World) -> None:
    case = await world.clinician.case()
    await world.clinician.incident(case, "hurtful_words", initiator="institution")
    first = await seated(world, world.supervisor)
    assert "new since" not in (await first.open("/desk")).text
    world.clock.forward(hours=1)
    second = await seated(world, world.supervisor)
    assert "new since" not in (await second.open("/desk")).text
    await world.clinician.incident(case, "oversight", available=False)
    page = await second.open("/desk")
    assert page.text.count("new since your last visit") == 1
    world.clock.forward(hours=1)
    third = await seated(world, world.supervisor)
    assert "new since your last visit" not in (await third.open("/desk")).text
