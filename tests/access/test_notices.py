"""Nobody gains sight of a clinician's work unseen: it is told at /v1/me, from what happened."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from api.domain.permissions.table import Actor
from api.journal.entries import Happening
from api.records.oversight_notices import MOST, notices_told
from api.storage.models.access import AccessNotice, AccessNoticeReader, NoticeKind
from api.storage.models.journal import JournalEntry
from tests.support.signing_in import NEW, enrol, me_with, offer, reset, sign_in
from tests.support.world import NOON, Person, Urls, World, made, ok, open_world, software

pytestmark = pytest.mark.both_databases

Told = tuple[str, str]
"""A notice's kind, and who sees more by it."""


async def notices(person: Person) -> list[dict[str, Any]]:
    """Give what somebody is told at once."""
    told: list[dict[str, Any]] = ok(await person.get("/v1/me"))["notices"]
    return told


async def told(person: Person) -> list[Told]:
    """Give kind and person of each notice that somebody is told at once."""
    return [(notice["kind"], notice["user_id"]) for notice in await notices(person)]


def of(kind: str, person: Person | dict[str, Any]) -> Told:
    """Write a notice as `told` gives it."""
    return kind, str(person.id if isinstance(person, Person) else person["id"])


async def link(world: World, supervisor: Person, clinician: Person, **fields: Any) -> str:
    """Link two; give the path of the link."""
    body = {
        "supervisor_id": str(supervisor.id),
        "clinician_id": str(clinician.id),
        "starts_on": world.day(),
        **fields,
    }
    return f"/v1/supervisions/{made(await world.admin.post('/v1/supervisions', body))['id']}"


async def change(world: World, person: Person, **fields: Any) -> None:
    """Change a user, as an admin."""
    ok(await world.admin.patch(f"/v1/users/{person.id}", fields))


async def read_all(person: Person) -> None:
    """Say that all has been read that is told at once."""
    ids = [notice["id"] for notice in await notices(person)]
    if ids:
        assert (await person.post("/v1/me/notices/read", {"ids": ids})).status_code == 204


async def news(person: Person) -> list[Told]:
    """Give what is told and unread, sorted, and say that it was read."""
    unread = [(n["kind"], n["user_id"]) for n in await notices(person) if n["read_at"] is None]
    await read_all(person)
    return sorted(unread)


# ---------------------------------------------------------------------------------- links


async def test_a_new_link_is_told_to_the_clinician_and_the_privacy_officer(world: World) -> None:
    await link(world, world.stranger, world.colleague)
    notice = of("supervision", world.stranger)
    assert await told(world.colleague) == [notice]
    assert await told(world.here["privacy_officer"]) == [notice]
    for other in (world.clinician, world.stranger, world.admin, world.here["consultant"]):
        assert notice not in await told(other)
    assert notice not in await told(world.there["privacy_officer"])
    (shown,) = await notices(world.colleague)
    assert (shown["user_name"], shown["actor_name"]) == ("Stranger", "Admin")
    assert shown["actor_id"] == str(world.admin.id)


async def test_a_link_that_is_gone_again_is_told_all_the_same(world: World) -> None:
    path = await link(world, world.stranger, world.colleague)
    assert (await world.admin.delete(path)).status_code == 204
    assert await news(world.colleague) == [of("supervision", world.stranger)]
    # that it ended takes sight away, and is no news
    assert await news(world.here["privacy_officer"]) == [of("supervision", world.stranger)]


async def test_a_link_that_holds_again_or_longer_is_told_and_a_shorter_one_is_not(
    world: World,
) -> None:
    path = await link(world, world.stranger, world.colleague, ends_on=world.day(9))
    await read_all(world.colleague)
    again = [of("supervision", world.stranger)]
    for ends_on, expected in (
        (world.day(5), []),
        (world.day(5), []),
        (world.day(6), again),
        (world.day(), []),
        (world.day(1), again),
        (None, again),
        (None, []),
        (world.day(30), []),
    ):
        ok(await world.admin.patch(path, {"ends_on": ends_on}))
        assert await news(world.colleague) == expected, ends_on


async def test_an_end_that_moves_within_the_past_gives_no_sight(world: World) -> None:
    path = await link(
        world, world.stranger, world.colleague, starts_on=world.day(-9), ends_on=world.day(-5)
    )
    await read_all(world.colleague)
    ok(await world.admin.patch(path, {"ends_on": world.day(-1)}))
    ok(await world.admin.patch(path, {"ends_on": world.day()}))
    assert await news(world.colleague) == []


async def test_a_link_for_later_is_told_at_once_and_on_its_day(world: World) -> None:
    path = await link(world, world.stranger, world.colleague, starts_on=world.day(2))
    officer = world.here["privacy_officer"]
    for person in (world.colleague, officer):
        assert await news(person) == [of("supervision", world.stranger)]
    world.clock.forward(hours=35, minutes=59)
    assert await news(world.colleague) == []
    world.clock.forward(minutes=1)
    for person in (world.colleague, officer):
        assert await news(person) == [of("supervision_begins", world.stranger)]
    # what has come about stays told, also where the link ends on its first day
    assert (await world.admin.delete(path)).status_code == 204
    assert of("supervision_begins", world.stranger) in await told(world.colleague)


async def test_a_day_that_never_comes_is_not_told(world: World) -> None:
    path = await link(world, world.stranger, world.colleague, starts_on=world.day(2))
    await read_all(world.colleague)
    assert (await world.admin.delete(path)).status_code == 204
    world.clock.forward(days=3)
    assert await news(world.colleague) == []


async def test_a_day_that_may_come_after_all_is_told_once(world: World) -> None:
    path = await link(world, world.stranger, world.colleague, starts_on=world.day(2))
    ok(await world.admin.patch(path, {"ends_on": world.day(2)}))
    ok(await world.admin.patch(path, {"ends_on": world.day(5)}))
    await change(world, world.stranger, role="clinician")
    await change(world, world.stranger, role="supervisor")
    await read_all(world.colleague)
    world.clock.forward(days=3)
    assert await news(world.colleague) == [of("supervision_begins", world.stranger)]


async def test_no_day_comes_for_who_supervises_no_more(world: World) -> None:
    await link(world, world.stranger, world.colleague, starts_on=world.day(2))
    await change(world, world.stranger, is_active=False)
    await read_all(world.colleague)
    world.clock.forward(days=3)
    assert await news(world.colleague) == []


# ---------------------------------------------------------------------------------- people


async def test_a_new_supervisor_is_told_to_the_privacy_officer(world: World) -> None:
    officer = world.here["privacy_officer"]
    await change(world, world.colleague, name="Another")
    assert await told(officer) == []
    await change(world, world.colleague, role="supervisor")
    assert await told(officer) == [of("supervisor", world.colleague)]
    assert await told(world.clinician) == []
    assert await told(world.colleague) == [of("supervisor", world.colleague)]


async def test_a_role_there_and_back_is_two_notices(world: World) -> None:
    officer = world.here["privacy_officer"]
    await change(world, world.supervisor, role="clinician")
    await change(world, world.supervisor, role="supervisor")
    assert await news(officer) == [
        of("clinician", world.supervisor),
        of("supervision", world.supervisor),
        of("supervisor", world.supervisor),
    ]
    # with the role the link counts again
    assert await news(world.clinician) == [of("supervision", world.supervisor)]
    await change(world, world.colleague, role="privacy_officer")
    await change(world, world.colleague, role="clinician")
    kinds = [kind for kind, _ in await news(officer)]
    assert kinds == ["clinician", "privacy_officer"]


@pytest.mark.parametrize("role", ["supervisor", "privacy_officer", "admin", "consultant"])
async def test_who_is_made_with_a_role_that_opens_the_clinic_is_told(
    world: World, role: str
) -> None:
    body = {"name": "New", "email": "new@x.example", "role": role, "password": NEW}
    user = made(await world.admin.post("/v1/users", body))
    expected = sorted([of(role, user), of("first_password", user)])
    assert await news(world.here["privacy_officer"]) == expected
    assert await news(world.clinician) == []


async def test_who_is_let_in_again_is_told_with_all_that_comes_back(world: World) -> None:
    case = await world.clinician.case()
    cover = {
        "case_id": case["id"],
        "user_id": str(world.supervisor.id),
        "starts_on": world.day(),
        "ends_on": world.day(9),
    }
    made(await world.clinician.post("/v1/covers", cover))
    await change(world, world.supervisor, is_active=False)
    for person in (world.clinician, world.here["privacy_officer"]):
        await read_all(person)
    await change(world, world.supervisor, is_active=True)
    back = [of("cover", world.supervisor), of("supervision", world.supervisor)]
    assert await news(world.clinician) == back
    told_to_all = sorted([*back, of("let_in_again", world.supervisor)])
    assert await news(world.here["privacy_officer"]) == told_to_all
    # a change that leaves them let in is none
    await change(world, world.supervisor, is_active=True)
    assert await news(world.here["privacy_officer"]) == []


async def test_an_ended_link_does_not_come_back_with_the_role(world: World) -> None:
    path = await link(world, world.stranger, world.colleague)
    assert (await world.admin.delete(path)).status_code == 204
    await read_all(world.colleague)
    await change(world, world.stranger, role="clinician")
    await change(world, world.stranger, role="supervisor")
    assert await news(world.colleague) == []


async def test_an_emergency_opening_comes_back_with_the_role_while_it_lasts(world: World) -> None:
    case = await world.clinician.case()
    emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", emergency))
    await read_all(world.clinician)
    await change(world, world.stranger, role="clinician")
    await change(world, world.stranger, role="supervisor")
    assert await news(world.clinician) == [of("break_glass", world.stranger)]
    world.clock.forward(minutes=31)
    await change(world, world.stranger, role="clinician")
    await change(world, world.stranger, role="supervisor")
    assert await news(world.clinician) == []


# ---------------------------------------------------------------------------------- a case


async def test_an_emergency_and_a_cover_are_told_to_the_cases_clinician(world: World) -> None:
    case = await world.clinician.case()
    emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", emergency))
    cover = {
        "case_id": case["id"],
        "user_id": str(world.colleague.id),
        "starts_on": world.day(),
        "ends_on": world.day(3),
    }
    made(await world.supervisor.post("/v1/covers", cover))
    new = [of("break_glass", world.stranger), of("cover", world.colleague)]
    assert sorted(await told(world.clinician)) == new
    assert sorted(await told(world.here["privacy_officer"])) == new
    assert not set(new) & set(await told(world.there["privacy_officer"]))
    # who arranged it knows it
    made(await world.clinician.post("/v1/covers", {**cover, "user_id": str(world.stranger.id)}))
    for person in (world.supervisor, world.clinician):
        assert of("cover", world.stranger) not in await told(person)
    assert of("cover", world.stranger) in await told(world.here["privacy_officer"])


async def test_a_recusal_that_ends_gives_sight_back_and_is_told(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/recusals"
    row = made(await world.supervisor.post(path, {}))
    assert await told(world.clinician) == []
    assert (await world.admin.delete(f"{path}/{row['id']}")).status_code == 204
    for person in (world.clinician, world.here["privacy_officer"]):
        assert await told(person) == [of("recusal_ended", world.supervisor)]


async def test_a_handover_is_told_to_both_clinicians(world: World) -> None:
    case = await world.clinician.case()
    body = {"clinician_id": str(world.colleague.id), "reason": "Leaves the clinic."}
    ok(await world.supervisor.post(f"/v1/cases/{case['id']}/transfer", body))
    for person in (world.clinician, world.colleague, world.here["privacy_officer"]):
        assert await told(person) == [of("transfer", world.colleague)]
        (shown,) = await notices(person)
        assert shown["record_id"] == case["id"]
    assert await told(world.supervisor) == []
    # a later handover does not take it from who was concerned then
    await link(world, world.stranger, world.colleague)
    on = {"clinician_id": str(world.stranger.id), "reason": "Another change."}
    assert (await world.stranger.post(f"/v1/cases/{case['id']}/transfer", on)).is_success
    assert of("transfer", world.colleague) in await told(world.clinician)


# -------------------------------------------------------------------------------- software


async def account(world: World, *scopes: str) -> dict[str, Any]:
    """Let software sign in."""
    body = {"name": "Diary", "scopes": list(scopes)}
    return made(await world.admin.post("/v1/service-accounts", body))


async def test_software_that_reads_every_word_is_told_to_all_who_keep_a_case(
    world: World,
) -> None:
    await world.clinician.case()
    await world.supervisor.case()
    await world.there["clinician"].case()
    diary = await account(world, "cases:read", "narrative:read")
    for person in (world.clinician, world.supervisor, world.here["privacy_officer"]):
        assert await told(person) == [of("software", diary)]
        (shown,) = await notices(person)
        assert (shown["user_name"], shown["record_id"]) == ("Diary", diary["id"])
    for person in (world.colleague, world.admin, *world.there.values()):
        assert await told(person) == []


async def test_software_that_comes_to_read_every_word_is_told(world: World) -> None:
    await world.clinician.case()
    diary = await account(world, "cases:read", "restricted:write", "cases:write")
    path = f"/v1/service-accounts/{diary['id']}"
    assert await news(world.clinician) == []
    told_so = [of("software", diary)]
    for change_to, expected in (
        ({"scopes": ["cases:read", "flags:read"]}, []),
        ({"scopes": ["narrative:read", "flags:read"]}, told_so),
        ({"name": "Calendar"}, []),
        ({"scopes": ["narrative:read"]}, []),
        ({"scopes": ["narrative:read", "cases:read"]}, told_so),
        ({"is_active": True}, []),
        ({"is_active": False}, []),
        ({"scopes": ["narrative:read", "cases:read", "flags:read"]}, []),
        ({"is_active": True}, told_so),
        ({"scopes": ["cases:read"]}, []),
        ({"is_active": False}, []),
        ({"is_active": True}, []),
    ):
        ok(await world.admin.patch(path, change_to))
        assert await news(world.clinician) == expected, change_to


async def test_a_new_secret_of_such_software_is_told(world: World) -> None:
    await world.clinician.case()
    diary, other = await account(world, "narrative:read"), await account(world, "cases:read")
    await read_all(world.clinician)
    made(await world.admin.post(f"/v1/service-accounts/{other['id']}/secrets", {}))
    assert await news(world.clinician) == []
    made(await world.admin.post(f"/v1/service-accounts/{diary['id']}/secrets", {}))
    assert await news(world.clinician) == [of("software", diary)]


# ----------------------------------------------------------------------------- signing in


async def test_a_first_password_is_told_to_its_owner_at_the_first_sign_in(world: World) -> None:
    # no other clinic knows this address, so that it signs in by itself
    email = f"{uuid4()}@x.example"
    body = {"name": "New", "email": email, "role": "clinician", "password": NEW}
    user = made(await world.admin.post("/v1/users", body))
    token = ok(await sign_in(world, email, NEW))["access_token"]
    (notice,) = ok(await me_with(world, token))["notices"]
    assert (notice["kind"], notice["user_id"]) == of("first_password", user)
    assert (notice["actor_id"], notice["actor_name"]) == (str(world.admin.id), "Admin")
    assert await told(world.here["privacy_officer"]) == [of("first_password", user)]
    assert await told(world.clinician) == []


async def test_a_reset_is_told_to_its_owner_with_who_and_when(world: World) -> None:
    me = world.clinician
    code = (await offer(world, me))["code"]
    assert await told(me) == [of("password_reset_offered", me)]
    world.clock.forward(minutes=5)
    assert (await reset(world, me, code)).status_code == 204
    token = ok(await sign_in(world, me.email, NEW))["access_token"]
    shown = ok(await me_with(world, token))["notices"]
    assert [each["kind"] for each in shown] == ["password_reset", "password_reset_offered"]
    # whoever used it, it was the admin who was shown the code
    assert {each["actor_id"] for each in shown} == {str(world.admin.id)}
    assert shown[0]["at"] == world.clock.now.isoformat().replace("+00:00", "Z")
    officer = await told(world.here["privacy_officer"])
    assert sorted(officer) == [of("password_reset", me), of("password_reset_offered", me)]
    assert await told(world.colleague) == []


async def test_a_second_factor_that_was_removed_and_another_address_are_told(
    world: World,
) -> None:
    me = world.clinician
    await enrol(world, me)
    assert (await me.delete("/v1/me/totp")).status_code == 204
    assert await news(me) == [of("second_factor_removed", me)]
    await change(world, me, email=me.email.upper())
    assert await news(me) == []
    await change(world, me, email="other@x.example")
    assert await news(me) == [of("email_changed", me)]
    both = [of("email_changed", me), of("second_factor_removed", me)]
    assert await news(world.here["privacy_officer"]) == both


# -------------------------------------------------------------------------- kept until read


async def test_what_is_unread_is_told_for_ever_and_what_was_read_for_ninety_days(
    world: World,
) -> None:
    await link(world, world.stranger, world.colleague)
    officer = world.here["privacy_officer"]
    world.clock.forward(days=400)
    notice = of("supervision", world.stranger)
    assert await told(world.colleague) == await told(officer) == [notice]
    await read_all(officer)
    assert await told(officer) == []
    # each of them reads for themself
    assert await told(world.colleague) == [notice]
    await link(world, world.stranger, world.clinician)
    await read_all(world.clinician)
    world.clock.forward(days=89)
    (kept,) = await notices(world.clinician)
    assert kept["read_at"] is not None
    world.clock.forward(days=2)
    assert await notices(world.clinician) == []


async def test_a_notice_is_read_once_and_by_whom_it_is_told_to_alone(world: World) -> None:
    await link(world, world.stranger, world.colleague)
    await link(world, world.stranger, world.clinician)
    (mine,), (other,) = await notices(world.colleague), await notices(world.clinician)
    path = "/v1/me/notices/read"
    for ids in ([other["id"]], [mine["id"], other["id"]], [mine["id"], str(uuid4())]):
        assert (await world.colleague.post(path, {"ids": ids})).status_code == 404, ids
    assert (await notices(world.colleague))[0]["read_at"] is None
    refused: list[Any] = [[], [mine["id"]] * 101, ["x"], None]
    for ids in refused:
        assert (await world.colleague.post(path, {"ids": ids})).status_code == 422, ids
    for _ in range(2):
        done = await world.colleague.post(path, {"ids": [mine["id"], mine["id"]]})
        assert done.status_code == 204
        (shown,) = await notices(world.colleague)
        assert shown["read_at"] == (await notices(world.colleague))[0]["read_at"]
        world.clock.forward(minutes=1)
    assert shown["read_at"] < world.clock.now.isoformat()
    foreign = world.there["privacy_officer"]
    assert (await foreign.post(path, {"ids": [mine["id"]]})).status_code == 404


async def test_reading_is_repeated_with_its_key_and_is_journalled(world: World) -> None:
    await link(world, world.stranger, world.colleague)
    (notice,) = await notices(world.colleague)
    once = {"Idempotency-Key": "once"}
    for _ in range(2):
        body = {"ids": [notice["id"]]}
        done = await world.colleague.post("/v1/me/notices/read", body, headers=once)
        assert done.status_code == 204
    ok(await world.colleague.get("/v1/me/notices"))
    entries = ok(await world.colleague.get("/v1/journal", is_read="false"))["items"]
    read = [each for each in entries if each["happening"] == "notice.read"]
    assert [each["record_ids"] for each in read] == [[notice["id"]]]
    shown = ok(await world.colleague.get("/v1/journal", happening="notice.shown"))["items"]
    assert [each["record_ids"] for each in shown] == [[notice["id"]]]


async def test_the_list_gives_all_page_by_page_where_me_gives_a_hundred(world: World) -> None:
    officer = world.here["privacy_officer"]
    async with world.owner.transaction() as tx:
        await tx.enter(officer.clinic_id)
        for _ in range(MOST + 5):
            tx.add(_notice(officer.clinic_id, world))
    assert len(await notices(officer)) == MOST
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await officer.get("/v1/me/notices", limit=40, **cursor))
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == MOST + 5
    assert seen == sorted(seen, reverse=True)
    await read_all(officer)
    for read, number in (("true", MOST), ("false", 5)):
        found = ok(await officer.get("/v1/me/notices", limit=100, read=read))["items"]
        assert len(found) == number
    await link(world, world.stranger, world.colleague)
    (item,) = ok(await officer.get("/v1/me/notices", kind="supervision"))["items"]
    assert item == (await notices(officer))[0]


def _notice(clinic_id: UUID, world: World) -> AccessNotice:
    return AccessNotice(
        clinic_id=clinic_id,
        at=world.clock.now,
        kind=NoticeKind.cover,
        user_id=uuid4(),
        record_id=uuid4(),
        entry_id=uuid4(),
    )


# ----------------------------------------------------------------------------- as a whole

GIVES = {
    Happening.user_created,
    Happening.user_changed,
    Happening.password_reset_offered,
    Happening.password_reset,
    Happening.totp_removed,
    Happening.supervision_began,
    Happening.supervision_changed,
    Happening.service_created,
    Happening.service_changed,
    Happening.service_secret_added,
    Happening.recusal_ended,
    Happening.cover_arranged,
    Happening.glass_broken,
    Happening.case_transferred,
}
"""What may give somebody sight, or let them sign in as another."""
GIVES_NOTHING = {
    Happening.password_changed,
    Happening.totp_begun,
    Happening.totp_confirmed,
    Happening.supervision_ended,
    Happening.service_secret_ended,
    Happening.recused,
    Happening.recusal_read,
    Happening.cover_ended,
    Happening.cover_read,
    Happening.glass_reviewed,
    Happening.glass_read,
    # who uses a code has it from the person it was shown to
    Happening.recovery_code_used,
}
NOUNS = ("user.", "totp.", "supervision.", "service_account.", "recusal.", "cover.", "break_glass.")


def test_of_each_happening_about_people_it_is_known_whether_it_gives_sight() -> None:
    about_people = {each for each in Happening if str(each).startswith(NOUNS)}
    assert about_people <= GIVES | GIVES_NOTHING, about_people - GIVES - GIVES_NOTHING
    assert not GIVES & GIVES_NOTHING


async def test_each_notice_is_told_from_an_entry_and_each_such_happening_is_told(
    world: World,
) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}"
    body = {"name": "New", "email": "new@x.example", "role": "supervisor", "password": NEW}
    made(await world.admin.post("/v1/users", body))
    await change(world, world.colleague, role="supervisor")
    await change(world, world.colleague, role="clinician")
    code = (await offer(world, world.colleague))["code"]
    assert (await reset(world, world.colleague, code)).is_success
    await enrol(world, world.colleague)
    assert (await world.colleague.delete("/v1/me/totp")).is_success
    linked = await link(world, world.stranger, world.colleague, ends_on=world.day(3))
    ok(await world.admin.patch(linked, {"ends_on": None}))
    diary = await account(world, "narrative:read")
    app = f"/v1/service-accounts/{diary['id']}"
    ok(await world.admin.patch(app, {"scopes": ["narrative:read", "cases:read"]}))
    made(await world.admin.post(f"{app}/secrets", {}))
    emergency = {"case_id": case["id"], "reason": "Nobody could be reached."}
    made(await world.stranger.post("/v1/break-glass", emergency))
    cover = {"user_id": str(world.colleague.id), "starts_on": world.day(), "ends_on": world.day(3)}
    made(await world.clinician.post("/v1/covers", {"case_id": case["id"], **cover}))
    row = made(await world.supervisor.post(f"{path}/recusals", {}))
    assert (await world.admin.delete(f"{path}/recusals/{row['id']}")).is_success
    onward = {"clinician_id": str(world.colleague.id), "reason": "Leaves the clinic."}
    ok(await world.supervisor.post(f"{path}/transfer", onward))
    async with world.owner.transaction() as tx:
        await tx.enter(world.admin.clinic_id)
        entries = {e.id: e for e in await tx.exec(select(JournalEntry))}
        kept = list(await tx.exec(select(AccessNotice)))
    kept = [notice for notice in kept if notice.clinic_id == world.admin.clinic_id]
    happened = Counter(entries[notice.entry_id].happening for notice in kept)
    assert happened.keys() == {str(each) for each in GIVES}
    for notice in kept:
        assert (entries[notice.entry_id].at, entries[notice.entry_id].actor_id is None) == (
            notice.at,
            False,
        )


async def test_software_has_no_notices(world: World) -> None:
    app = await software(world, "cases:read", "narrative:read")
    assert (await app.get("/v1/me/notices")).status_code == 403
    assert (await app.post("/v1/me/notices/read", {"ids": [str(uuid4())]})).status_code == 403


async def test_what_is_told_is_found_by_an_index(postgresql_urls: Urls) -> None:
    """In a clinic of many notices each looks up their own, and nobody looks through all."""
    async with open_world(postgresql_urls, NOON) as world:
        await _fill(world)
        for part, index in (
            ("clinician", "Index Scan Backward using pk_access_notice_readers"),
            ("privacy_officer", "Index Scan Backward using pk_access_notices"),
        ):
            plan = await _plan(world, world.here[part])
            assert index in plan.replace("Only ", ""), plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan


async def _fill(world: World) -> None:
    """Let a clinic have 5,000 notices, each of which concerns one of its seven people."""
    clinic, people = world.clinician.clinic_id, list(world.here.values())
    notices_ = [_notice(clinic, world) for _ in range(5_000)]
    async with world.owner.transaction() as tx:
        await tx.enter(clinic)
        for notice in notices_:
            tx.add(notice)
        await tx.flush()
        for number, notice in enumerate(notices_):
            reader = people[number % len(people)].id
            tx.add(AccessNoticeReader(clinic_id=clinic, user_id=reader, notice_id=notice.id))
    async with world.owner.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("ANALYZE access_notices, access_notice_readers")


async def _plan(world: World, person: Person) -> str:
    """Say how PostgreSQL finds what somebody is told of."""
    async with world.owner.transaction() as tx:
        await tx.enter(person.clinic_id, ZoneInfo("UTC"))
        asked = notices_told(tx, Actor(person.id, person.role, person.id))
        newest = asked.order_by(col(AccessNotice.id).desc()).limit(MOST)
        written = newest.compile(
            dialect=world.owner.engine.dialect, compile_kwargs={"literal_binds": True}
        )
        connection = await tx.connection()
        rows = await connection.exec_driver_sql(f"EXPLAIN {written}")
        return "\n".join(rows.scalars())
