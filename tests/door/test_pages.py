"""The pages of the door: what is told first, who comes in, and how one leaves."""

from api.desk.same_origin import TOKEN
from api.storage.models.door import DoorSession
from tests.support.desk import FORM, HEADERS, Seat, cookies_set, goes_to, seated
from tests.support.door import invite, open_door
from tests.support.door_pages import (
    ENTRY,
    IN_SPANISH_TOO,
    INSIDE,
    LEAVE,
    LOOK_BACK,
    MINE,
    OF_NOBODY,
    SAY,
    TITLE,
    VISIT,
    WHO_READS,
    Caller,
    called,
    called_again,
    count,
    name_of,
    pages_of_door,
    sent_and_read,
)
from tests.support.world import World, ok

ALL = {ENTRY, INSIDE, SAY, LOOK_BACK, MINE, f"{MINE}/{{n:int}}", WHO_READS, LEAVE}
FORMS = {ENTRY, SAY, LOOK_BACK, MINE, f"{MINE}/{{n:int}}", LEAVE}
EMERGENCY = "Call the emergency number of where you are."


# ------------------------------------------------------------------------------ every page


async def test_the_pages_are_those_of_the_door(world: World) -> None:
    assert set(pages_of_door(world.app, "GET")) == ALL
    assert set(pages_of_door(world.app, "POST")) == FORMS


async def test_every_page_is_plain_small_private_and_tells_nothing_by_its_title(
    world: World,
) -> None:
    _, _, client = await sent_and_read(world)
    for path in (ENTRY, INSIDE, SAY, LOOK_BACK, MINE, f"{MINE}/1", WHO_READS, LEAVE):
        page = await client.open(path)
        assert (page.status, page.title) == (200, TITLE), path
        assert {name: page.answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert len(page.answer.content) < 60 * 1024
        assert '<html lang="en">' in page.text
        assert "<script" not in page.text
        assert "style=" not in page.text
        for form in page.forms:
            assert TOKEN in [each.name for each in form.controls], path
        assert page.text.count("<textarea") == page.text.count('autocomplete="off" dir="auto"')


async def test_nobody_without_a_visit_sees_more_than_where_to_enter(world: World) -> None:
    caller = Caller(world)
    for path in (INSIDE, SAY, LOOK_BACK, MINE, f"{MINE}/1", WHO_READS, LEAVE):
        assert goes_to(await caller.open(path)) == ENTRY, path
        away = await caller.open(path, sec_fetch_site="cross-site")
        assert (away.status, away.links) == (200, [path])
        assert "Go on" in away.text
    assert (await caller.open(ENTRY, sec_fetch_site="cross-site")).form.names == ["code"]
    for path in ("/door/nothing", f"{MINE}/zero", "/door/"):
        page = await caller.open(path)
        assert (page.status, page.title) == (404, TITLE), path


async def test_a_session_at_the_desk_is_no_visit_and_a_visit_no_session(world: World) -> None:
    _, _, client = await called(world)
    seat = await seated(world, world.supervisor)
    for path in (INSIDE, SAY, LOOK_BACK, MINE, WHO_READS):
        assert goes_to(await seat.open(path)) == ENTRY
    assert goes_to(await client.open("/desk/cases")).startswith("/desk/sign-in")
    planted = Caller(world)
    planted.carry(seat.session or "")
    assert goes_to(await planted.open(INSIDE)) == ENTRY
    other = Seat(world)
    other.hold(client.visit or "")
    assert goes_to(await other.open("/desk/cases")).startswith("/desk/sign-in")


async def test_the_cookie_is_for_this_host_over_tls_and_no_script(world: World) -> None:
    await open_door(world)
    invited = await invite(world.clinician, await world.clinician.case())
    inside = await Caller(world).knock(invited["code"])
    ours = {"httponly", "path=/", "samesite=strict", "secure"}
    assert cookies_set(inside.answer) == {VISIT: ours}
    plain = await Caller(world, "http://127.0.0.1:8000").knock(invited["code"])
    assert cookies_set(plain.answer) == {"door": ours - {"secure"}}


async def test_pages_say_who_reads_and_who_does_not(world: World) -> None:
    _, _, client = await called(world, is_minor=True)
    for path in (SAY, WHO_READS):
        page = await client.open(path)
        reads, _, does_not = page.text.partition("Who does not read it")
        assert await name_of(world, world.supervisor) in reads
        assert await name_of(world, world.here["privacy_officer"]) in reads
        assert await name_of(world, world.clinician) in does_not
        assert "This is not anonymous" in page.text
        assert "a parent or guardian may have a right to ask" in page.text
        assert '<time datetime="2026-03-09">9 March 2026</time>' in page.text
        for said in ("A danger to somebody", "The patients&#39; office of the town."):
            assert said in page.text
    first, _, fields = (await client.open(SAY)).text.partition('name="happened"')
    for said in (
        "Nobody watches this page now",
        "cannot be unsent",
        "keeps the address of this page",
        EMERGENCY,
    ):
        assert said in first
        assert said not in fields
    grown = await called_again(world)
    assert "a parent or guardian" not in (await grown.open(SAY)).text


async def test_where_nobody_could_read_it_the_page_says_so_first(world: World) -> None:
    await open_door(world)
    case = await world.colleague.case()
    client = await Caller(world).come_in((await invite(world.colleague, case))["code"])
    officer = ok(await world.admin.get(f"/v1/users/{world.here['privacy_officer'].id}"))
    gone = await world.admin.patch(f"/v1/users/{officer['id']}", {"is_active": False})
    assert gone.status_code == 200
    page = await client.open(SAY)
    assert "there is nobody here who could read it" in page.text
    assert "at the latest" not in page.text
    assert "The patients&#39; office of the town." in page.text


async def test_pages_are_in_a_language_of_the_clinics_door(world: World) -> None:
    await open_door(world, **IN_SPANISH_TOO)
    invited = await invite(world.clinician, await world.clinician.case())
    caller = await Caller(world).come_in(invited["code"])
    shown = {}
    for asked in ("es-MX", "de", "en;q=0.5, es;q=0.4"):
        page = await caller.open(SAY, accept_language=asked)
        shown[asked] = page.text.partition('<html lang="')[2][:2], "Llame al" in page.text
    assert shown == {
        "es-MX": ("es", True),
        "de": ("en", False),
        "en;q=0.5, es;q=0.4": ("en", False),
    }
    ok(await world.admin.patch("/v1/clinic", {"door_languages": ["es"]}))
    page = await caller.open(INSIDE, accept_language="en")
    assert '<html lang="es">' in page.text
    assert "Llame al" in page.text


# ------------------------------------------------------------------------------ coming in


async def test_a_wrong_code_and_one_that_ended_are_answered_alike(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case()
    revoked, expired = [await invite(world.clinician, case) for _ in range(2)]
    ok(await world.clinician.post(f"/v1/invitations/{revoked['id']}/revoke"))
    world.clock.forward(days=91)
    told = set()
    for typed in (OF_NOBODY, revoked["code"], expired["code"], "x" * 100, "ñ\x00"):
        caller = Caller(world)
        page = await caller.knock(typed)
        assert caller.visit is None
        token = page.form.token
        text = page.text.replace(token, "").replace(f'value="{typed}"', 'value=""')
        told.add((page.status, text))
    ((status, text),) = told
    assert status == 401
    assert "does not open the door" in text
    assert 'aria-invalid="true"' in text
    assert '<a href="#code">' in text


async def test_what_was_typed_for_a_code_is_still_there(world: World) -> None:
    page = await Caller(world).knock("abcd-EFGH")
    assert page.form["code"].values == ["abcd-EFGH"]
    empty = await Caller(world).knock("  ")
    assert (empty.status, "Type the code or the receipt" in empty.text) == (422, True)


async def test_past_fifty_wrong_ones_an_hour_only_wrong_ones_wait(world: World) -> None:
    await open_door(world)
    code = (await invite(world.clinician, await world.clinician.case()))["code"]
    caller = Caller(world)
    form = (await caller.open(ENTRY)).form
    for _ in range(50):
        assert (await caller.submit(form, {"code": OF_NOBODY})).status == 401
    late = await caller.submit(form, {"code": OF_NOBODY})
    assert late.status == 429
    assert int(late.answer.headers["retry-after"]) > 0
    assert late.form["code"].values == [OF_NOBODY]
    assert goes_to(await caller.submit(form, {"code": code.lower().replace("-", " ")})) == INSIDE


async def test_who_comes_in_anew_leaves_the_visit_before(world: World) -> None:
    _, code, client = await called(world)
    assert "go on" in (await client.open(ENTRY)).text
    before = client.visit
    await client.come_in(code)
    assert client.visit != before
    assert await count(world, DoorSession) == 1


async def test_a_visit_that_ended_is_said_to_have(world: World) -> None:
    _, _, client = await called(world)
    world.clock.forward(minutes=29)
    assert (await client.open(INSIDE)).status == 200
    world.clock.forward(minutes=31)
    assert goes_to(await client.open(INSIDE)) == ENTRY
    page = await client.open(ENTRY)
    assert "Your visit has ended" in page.text
    assert client.visit is None
    assert "Your visit has ended" not in (await client.open(ENTRY)).text


# ------------------------------------------------------------------------------ leaving


async def test_who_leaves_is_led_elsewhere_and_nothing_of_the_visit_is_kept(world: World) -> None:
    _, _, client = await called(world)
    token = client.visit
    page = await client.open(WHO_READS)
    left = await client.submit(page.form_at(LEAVE))
    assert (left.status, left.title) == (200, "Page")
    assert left.answer.headers["refresh"] == "0; url=https://weather.example/"
    assert left.answer.headers["cache-control"] == "no-store"
    assert left.text.partition("<body>")[2].split() == ["</body>", "</html>"]
    gone = cookies_set(left.answer)
    lost = {"max-age=0", "httponly", "path=/", "samesite=strict", "secure"}
    assert lost <= gone[VISIT]
    assert lost <= gone[FORM]
    assert client.visit is None
    assert await count(world, DoorSession) == 0
    client.carry(token or "")
    assert goes_to(await client.open(INSIDE)) == ENTRY
    # whoever leaves once more, or by another page that is still open, is led there too
    client.carry(token or "")
    again = await client.submit(page.form_at(LEAVE))
    assert (again.status, again.title) == (200, "Page")
    assert again.answer.headers["refresh"] == "0; url=https://weather.example/"


async def test_who_has_no_visit_is_left_on_an_empty_page(world: World) -> None:
    caller = Caller(world)
    token = (await caller.open(ENTRY)).form.token
    for visit in (None, "nonsense", "x" * 107):
        if visit is not None:
            caller.carry(visit)
        left = await caller.send(LEAVE, [(TOKEN, token)])
        assert (left.status, left.title) == (200, "Page")
        assert "refresh" not in left.answer.headers


async def test_a_page_says_what_leaving_does_and_what_not(world: World) -> None:
    _, _, client = await called(world)
    page = await client.open(LEAVE)
    assert "in its history" in page.text
    assert [each.action for each in page.forms] == [LEAVE, LEAVE]
