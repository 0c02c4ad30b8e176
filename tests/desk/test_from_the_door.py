"""What clients said at their door, at the desk: for its readers alone, and what they do with it."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from api.desk.fields import kinds_of
from api.desk.from_the_door import CHANGED, KIND_OF
from api.desk.navigation import PLACES
from api.domain.bodies import IncidentCreate
from api.domain.vocabulary import AccountTopic
from api.journal.entries import Happening
from api.records import client_account_views
from api.storage.models.accounts import Account
from tests.support.cases import linked
from tests.support.desk import Seat, Shown, goes_to, seated
from tests.support.door import AtDoor, at_the_door, enter, invite, open_door
from tests.support.incidents import NEEDED
from tests.support.world import World, made, ok

HERE = "/desk/accounts"


async def said(world: World, **fields: Any) -> tuple[dict[str, Any], AtDoor, str]:
    """Let a client say something: give the case, them with their receipt, and the account's id."""
    case, client = await at_the_door(world)
    sent = await client.says(**fields)
    (line,) = ok(await world.supervisor.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    return case, await enter(world, receipt=sent["receipt"]), line["id"]


async def begins_to_be_shared(world: World) -> str:
    """Let the midnight pass at which what is shared begins to be; give the id it is shared under.

    Nobody would still be signed in by then.
    """
    here = col(Account.clinic_id) == world.clinician.clinic_id
    shared = sa.and_(here, col(Account.shared_as).is_not(None))
    async with world.owner.transaction() as tx:
        await tx.exec(sa.update(Account).where(shared).values(shared_from=tx.now.date()))
        return str((await tx.exec(sa.select(col(Account.shared_as)).where(shared))).one()[0])


def at_hand(page: Shown) -> str:
    """Give the way to what was said, as it stands at the top of a page; nothing where it is not."""
    _, found, rest = page.text.partition(f'<a href="{HERE}"')
    return rest.partition("</a>")[0].partition(">")[2] if found else ""


async def astray(seat: Seat, page: Shown) -> list[str]:
    """Give the links of a page, without those at its top, that lead to what is not theirs."""
    below = [link for link in page.links if link not in {place.path for _, place in PLACES}]
    return [link for link in below if (await seat.open(link)).status not in {200, 303}]


async def reads(client: AtDoor) -> list[str]:
    (mine,) = await client.mine()
    return [each["role"] for each in mine["read_by"]]


# ---------------------------------------------------------------------------- an account


async def test_an_account_is_read_answered_and_closed(world: World) -> None:
    _, client, account = await said(
        world,
        wants=["an_answer", "somebody_looks"],
        topics=["touch", "something_else"],
        safe_now="unsure",
        reach="Write to my sister. Never ring.",
    )
    seat = await seated(world, world.supervisor)
    listed = await seat.open(HERE)
    assert f"{HERE}/{account}" in listed.links
    assert "He said that he" not in listed.text
    assert await reads(client) == []
    page = await seat.open(f"{HERE}/{account}")
    assert await reads(client) == ["supervisor"]
    for told in (
        "He said that he would always be there.",
        "Write to my sister. Never ring.",
        "sev-high",
        "Whoever wrote this does not know whether they are safe",
        "This is hidden from the therapist.",
        "save where the law or a danger to life compels",
        "touch; something else",
        "somebody other than my therapist should look",
    ):
        assert told in page.text, told
    # an answer is wanted, and comes first
    assert f"{HERE}/{account}/close" not in [form.action for form in page.forms]
    answered = await seat.submit(
        page.form_at(f"{HERE}/{account}/reply"), {"reply": "Thank you.\nWe look."}
    )
    assert goes_to(answered) == f"{HERE}/{account}"
    (mine,) = await client.mine()
    assert [each["reply"] for each in mine["replies"]] == ["Thank you.\nWe look."]
    page = await seat.open(f"{HERE}/{account}")
    assert "Thank you.\nWe look." in page.text
    form = page.form_at(f"{HERE}/{account}/close")
    closing = {"determination": "benign_crossing", "note": "zq we talked"}
    assert goes_to(await seat.submit(form, closing)) == f"{HERE}/{account}"
    page = await seat.open(f"{HERE}/{account}")
    assert "zq we talked" in page.text
    assert not {f"{HERE}/{account}/reply", f"{HERE}/{account}/close"} & {
        form.action for form in page.forms
    }
    (mine,) = await client.mine()
    assert mine["status"] == "closed"
    assert "zq we talked" not in str(mine)


async def test_an_answer_sent_twice_is_given_once(world: World) -> None:
    _, client, account = await said(world)
    seat = await seated(world, world.supervisor)
    form = (await seat.open(f"{HERE}/{account}")).form_at(f"{HERE}/{account}/reply")
    for _ in range(2):
        goes_to(await seat.submit(form, {"reply": "Thank you."}))
    (mine,) = await client.mine()
    assert len(mine["replies"]) == 1


@pytest.mark.parametrize(("safe", "severity"), [("no", "sev-critical"), ("unsure", "sev-high")])
async def test_who_is_not_safe_is_told_of_first(world: World, safe: str, severity: str) -> None:
    _, _, account = await said(world, safe_now=safe)
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"{HERE}/{account}")
    above = page.text.partition("What was said")[0]
    assert severity in above
    assert "Nobody else is told by this program." in above
    assert severity in (await seat.open(HERE)).text


async def test_further_words_and_what_changed_since_are_shown(world: World) -> None:
    case, client, account = await said(world)
    world.clock.forward(minutes=5)
    made(await client.send("POST", "/accounts/1/words", {"words": "And there is more."}))
    ending = await world.clinician.incident(case, "ending", **NEEDED["ending"])
    promise = await world.clinician.promise(case)
    assert (await world.clinician.delete(f"/v1/promises/{promise['id']}")).status_code == 204
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"{HERE}/{account}")
    assert "And there is more." in page.text
    assert "An ending, or a tightened frame, was recorded." in page.text
    assert "A promise was voided." in page.text
    assert {f"/desk/incidents/{ending['id']}", f"/desk/promises/{promise['id']}"} <= {*page.links}
    assert await astray(seat, page) == []


def test_each_change_is_told_in_a_sentence() -> None:
    listed = {*client_account_views._CHANGES, Happening.incident_reported}
    assert {*CHANGED} == listed


async def test_what_was_taken_back_says_so_and_takes_no_answer(world: World) -> None:
    _, client, account = await said(world)
    seat = await seated(world, world.supervisor)
    form = (await seat.open(f"{HERE}/{account}")).form_at(f"{HERE}/{account}/reply")
    ok(await client.send("POST", "/accounts/1/take-back"))
    page = await seat.open(f"{HERE}/{account}")
    assert "The client took this back." in page.text
    assert [each.action for each in page.forms] == ["/desk/sign-out"]
    # what was typed meanwhile is not lost
    refused = await seat.submit(form, {"reply": "zq"})
    assert (refused.status, refused.form["reply"].values) == (409, ["zq"])


# ------------------------------------------------------------------------- for whom it is


async def test_it_is_not_there_for_anybody_else(world: World) -> None:
    case, client, account = await said(world)
    pages = ("", "/reply", "/close", "/step-out", "/told", "/incidents/new")
    for person in (world.clinician, world.colleague, world.stranger, world.here["privacy_officer"]):
        seat = await seated(world, person)
        assert (await seat.open(f"{HERE}/{account}")).status == 404
        for page in pages:
            assert (await seat.open(f"{HERE}/{account}{page}")).status in {403, 404}, page
        assert account not in (await seat.open(HERE)).text
    for role in ("consultant", "admin"):
        assert (await (await seated(world, world.here[role])).open(HERE)).status == 403
    hers = await seated(world, world.clinician)
    assert "Said at the door" not in (await hers.open(f"/desk/cases/{case['id']}")).text
    assert await reads(client) == []


async def test_whom_the_client_named_does_not_know_of_it(world: World) -> None:
    other = await linked(world, world.stranger)
    case, client = await at_the_door(world)
    await client.says(not_to=[str(world.supervisor.id)])
    (line,) = ok(await other.get(f"/v1/cases/{case['id']}/accounts"))["items"]
    named = await seated(world, world.supervisor)
    assert (await named.open(f"{HERE}/{line['id']}")).status == 404
    assert line["id"] not in (await named.open(HERE)).text
    assert "Said at the door" not in (await named.open(f"/desk/cases/{case['id']}")).text
    assert at_hand(await named.open("/desk")) == "From the door"
    reader = await seated(world, other)
    page = await reader.open(f"{HERE}/{line['id']}")
    assert "<dt>Not to</dt>" in page.text


async def test_a_privacy_officer_reads_answers_and_closes_and_sees_nothing_else(
    world: World,
) -> None:
    officer = world.here["privacy_officer"]
    case, client = await at_the_door(world)
    await client.says(to="privacy_officers", topics=["touch"])
    (line,) = ok(await officer.get("/v1/accounts"))["items"]
    seat = await seated(world, officer)
    page = await seat.open(f"{HERE}/{line['id']}")
    assert page.status == 200
    assert case["id"] not in page.text
    assert f"{HERE}/{line['id']}/incidents/new" not in page.links
    assert await astray(seat, page) == []
    form = page.form_at(f"{HERE}/{line['id']}/reply")
    goes_to(await seat.submit(form, {"reply": "Thank you."}))
    supervisor = await seated(world, world.supervisor)
    assert (await supervisor.open(f"{HERE}/{line['id']}")).status == 404


async def test_who_steps_out_sees_it_no_more(world: World) -> None:
    other = await linked(world, world.stranger)
    _, _, account = await said(world)
    seat = await seated(world, world.supervisor)
    why = {"reason": "He is my brother."}
    assert goes_to(await seat.fill(f"{HERE}/{account}/step-out", why)) == HERE
    assert (await seat.open(f"{HERE}/{account}")).status == 404
    assert account not in (await seat.open(HERE)).text
    reader = await seated(world, other)
    assert "He is my brother." in (await reader.open(f"{HERE}/{account}")).text


async def test_the_last_reader_does_not_step_out(world: World) -> None:
    _, _, account = await said(world)
    seat = await seated(world, world.supervisor)
    officer = world.here["privacy_officer"]
    ok(await world.admin.patch(f"/v1/users/{officer.id}", {"is_active": False}))
    page = await seat.fill(f"{HERE}/{account}/step-out", {"reason": "He is my brother."})
    assert (page.status, page.form["reason"].values) == (409, ["He is my brother."])


async def test_that_the_therapist_was_told_is_read_at_the_door(world: World) -> None:
    _, client, account = await said(world)
    seat = await seated(world, world.supervisor)
    goes_to(await seat.fill(f"{HERE}/{account}/told", {"reason": "A life was in danger."}))
    assert "A life was in danger." in (await seat.open(f"{HERE}/{account}")).text
    (mine,) = await client.mine()
    assert mine["told_on"] == [str(world.clock.now.date())]
    assert "A life was in danger." not in str(mine)


# -------------------------------------------------------------------------- the number that waits


async def test_what_nobody_has_read_is_counted_beside_the_way_to_it(world: World) -> None:
    _, _, account = await said(world)
    seat = await seated(world, world.supervisor)
    for path in ("/desk", "/desk/cases", "/desk/me"):
        assert '<span class="tag new">1<' in at_hand(await seat.open(path)), path
    # others look at these, too
    for path in ("/desk/agenda", "/desk/report", "/desk/summary", "/desk/patterns"):
        assert at_hand(await seat.open(path)) == "From the door", path
    goes_to(await seat.fill(f"/desk/flags/{await _flag(world)}/acknowledge"))
    assert '<span class="tag new">1<' in at_hand(await seat.open("/desk"))
    await seat.open(f"{HERE}/{account}")
    assert at_hand(await seat.open("/desk")) == "From the door"
    for person in (world.stranger, world.here["privacy_officer"]):
        assert at_hand(await (await seated(world, person)).open("/desk")) == "From the door"
    for person in (world.clinician, world.here["consultant"], world.admin):
        assert at_hand(await (await seated(world, person)).open("/desk/me")) == ""


async def _flag(world: World) -> str:
    case = await world.clinician.case()
    await world.clinician.incident(case, "sexual_conduct", conduct="contact")
    (flag, *_) = await world.supervisor.flag_list(case)
    return str(flag["id"])


async def test_a_number_is_remembered_for_a_moment_only(world: World) -> None:
    _, client = await at_the_door(world)
    seat = await seated(world, world.supervisor)
    assert at_hand(await seat.open("/desk")) == "From the door"
    await client.says()
    assert at_hand(await seat.open("/desk")) == "From the door"
    world.clock.forward(minutes=1)
    assert '<span class="tag new">1<' in at_hand(await seat.open("/desk"))


# ------------------------------------------------------------------------ what is recorded of it


async def test_an_incident_is_recorded_once_it_is_said_whose_conduct_it_was(world: World) -> None:
    _, _, account = await said(world, topics=["touch", "promise"])
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"{HERE}/{account}/incidents/new")
    assert "He said that he would always be there." in page.text
    named = page.text.partition("All kinds")[0]
    assert f"{HERE}/{account}/incidents/new/touch" in named
    assert named.count("/incidents/new/") == 1
    assert {f"{HERE}/{account}/incidents/new/{kind}" for kind in kinds_of(IncidentCreate)} <= {
        *page.links
    }
    page = await seat.open(f"{HERE}/{account}/incidents/new/touch")
    assert not {"reported_by", "restricted"} & {*page.form.names}
    assert page.form["about_user_id"].values == [""]
    told: dict[str, str | list[str]] = {
        "occurred_on": "2026-03-01",
        "details.touch": "hug",
        "initiator": "therapist",
    }
    unsaid = await seat.submit(page.form, told)
    assert unsaid.status == 422
    assert "f-about_user_id-error" in unsaid.text
    assert '<a href="#f-about_user_id">' in unsaid.text
    assert "He said that he would always be there." in unsaid.text
    assert unsaid.form["details.touch"].values == ["hug"]
    for chosen, about in (("nobody", None), (str(world.clinician.id), str(world.clinician.id))):
        page = await seat.open(f"{HERE}/{account}/incidents/new/touch")
        at = goes_to(await seat.submit(page.form, {**told, "about_user_id": chosen}))
        kept = ok(await world.supervisor.get(at.replace("/desk/", "/v1/")))
        assert (kept["about_user_id"], kept["reported_by"]) == (about, "client")
        assert kept["restricted"] is True
        hers = await seated(world, world.clinician)
        assert (await hers.open(at)).status == 404


def test_each_topic_names_a_kind_or_none() -> None:
    assert {*KIND_OF} == {*AccountTopic}
    assert {kind for kind in KIND_OF.values() if kind is not None} <= {*kinds_of(IncidentCreate)}


async def test_no_other_kind_is_there(world: World) -> None:
    _, _, account = await said(world)
    seat = await seated(world, world.supervisor)
    for kind in ("nonsense", "Touch", "%7B%7B7*7%7D%7D"):
        assert (await seat.open(f"{HERE}/{account}/incidents/new/{kind}")).status == 404


# ------------------------------------------------------------------------------ where it is found


async def test_a_flag_leads_to_it_and_does_not_read_it(world: World) -> None:
    case, client, account = await said(world, safe_now="no")
    flags = {each["rule"]: each for each in await world.supervisor.flag_list(case)}
    flag = flags["client_not_safe"]
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"/desk/flags/{flag['id']}")
    assert f"{HERE}/{account}" in page.links
    assert "He said that he" not in page.text
    assert "This is not yours to see." not in page.text
    assert await reads(client) == []


async def test_a_case_leads_its_supervisor_to_what_was_said(world: World) -> None:
    case, client, account = await said(world)
    seat = await seated(world, world.supervisor)
    page = await seat.open(f"/desk/cases/{case['id']}")
    assert f"{HERE}/{account}" in page.links
    assert "He said that he" not in page.text
    assert await reads(client) == []


async def test_the_therapist_finds_what_was_shared_with_them_and_no_more(world: World) -> None:
    case, client = await at_the_door(world)
    hidden = {"wants": ["somebody_looks"], "reach": "zq-reach", "safe_now": "no"}
    await client.says(shared="with_therapist", topics=["touch"], **hidden)
    hers = await seated(world, world.clinician)
    # from midnight on
    assert "Shared with you" not in (await hers.open(f"/desk/cases/{case['id']}")).text
    shared = await begins_to_be_shared(world)
    page = await hers.open(f"/desk/cases/{case['id']}")
    assert f"{HERE}/{shared}" in page.links
    page = await hers.open(f"{HERE}/{shared}")
    assert page.heading == "Shared with you by the client"
    assert "He said that he would always be there." in page.text
    for told in ("zq-reach", "somebody other than my therapist", "sev-", "I am not safe"):
        assert told not in page.text, told
    assert [form.action for form in page.forms] == ["/desk/sign-out"]
    supervisor = await seated(world, world.supervisor)
    assert (await supervisor.open(f"{HERE}/{shared}")).status == 404
    (line,) = ok(await world.supervisor.get("/v1/accounts"))["items"]
    told = (await supervisor.open(f"{HERE}/{line['id']}")).text
    assert "The therapist reads a part of this since" in told
    assert "This is hidden from the therapist." not in told


async def test_a_guardian_s_account_is_a_third_party_s(world: World) -> None:
    await open_door(world)
    case = await world.clinician.case(is_minor=True)
    invited = await invite(world.clinician, case, **{"for": "guardian"})
    await (await enter(world, code=invited["code"])).says()
    (line,) = ok(await world.supervisor.get("/v1/accounts"))["items"]
    seat: Seat = await seated(world, world.supervisor)
    page = await seat.open(f"{HERE}/{line['id']}")
    assert "a parent or guardian" in page.text
    form = (await seat.open(f"{HERE}/{line['id']}/incidents/new/consent")).form
    filled = {
        each.name: each.options[-1] for each in form.controls if each.required and each.options
    }
    at = goes_to(await seat.submit(form, {"occurred_on": "2026-03-01", **filled}))
    kept = ok(await world.supervisor.get(at.replace("/desk/", "/v1/")))
    assert kept["reported_by"] == "third_party"
