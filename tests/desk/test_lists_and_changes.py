"""Lists read to their end; changes that are sent twice, or come after somebody else's."""

from api.domain.vocabulary import Role
from api.journal.entries import Happening
from tests.support.desk import goes_to, seated
from tests.support.readers import told_of
from tests.support.world import World, ok


async def test_a_list_is_read_page_by_page_to_its_end(world: World) -> None:
    case = await world.clinician.case()
    made = {(await world.clinician.promise(case))["id"] for _ in range(51)}
    seat = await seated(world, world.clinician)
    first = await seat.open("/desk/promises")
    (following,) = [link for link in first.links if "cursor=" in link]
    rest = await seat.open(following)
    assert rest.status == 200
    shown = {link.rpartition("/")[2] for page in (first, rest) for link in page.links}
    assert made <= shown
    # but for the way to the page itself
    assert [link for link in rest.links if "cursor=" in link and "#" not in link] == []


async def test_a_change_that_is_sent_twice_is_done_once(world: World) -> None:
    promise = await world.clinician.promise(await world.clinician.case())
    seat = await seated(world, world.clinician)
    page = await seat.open(f"/desk/promises/{promise['id']}/change")
    for _ in range(2):
        answer = await seat.submit(page.form, {"wording": "I will ring on Monday."})
        assert goes_to(answer) == f"/desk/promises/{promise['id']}"
    now = ok(await world.clinician.get(f"/v1/promises/{promise['id']}"))
    assert (now["wording"], now["version"]) == ("I will ring on Monday.", promise["version"] + 1)


async def test_what_somebody_else_changed_is_not_written_over(world: World) -> None:
    promise = await world.clinician.promise(await world.clinician.case())
    path = f"/v1/promises/{promise['id']}"
    seat = await seated(world, world.clinician)
    page = await seat.open(f"/desk/promises/{promise['id']}/change")
    ok(await world.supervisor.patch(path, {"keepable": "no"}))
    for _ in range(2):
        page = await seat.submit(page.form, {"wording": "Another wording."})
        assert page.status == 412
        assert page.form["wording"].values == ["Another wording."]
    now = ok(await world.clinician.get(path))
    assert (now["keepable"], now["wording"]) == ("no", promise["wording"])


async def test_a_cases_own_clinician_writes_on_it_whatever_their_role_became(world: World) -> None:
    case = await world.clinician.case()
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"role": Role.privacy_officer}))
    seat = await seated(world, world.clinician)
    path = f"/desk/cases/{case['id']}/incidents/new/touch"
    assert (
        f"/desk/cases/{case['id']}/incidents/new"
        in (await seat.open(f"/desk/cases/{case['id']}")).links
    )
    told = {"occurred_on": "2026-03-01", "initiator": "client", "reported_by": "client"}
    answer = await seat.fill(path, {**told, "details.touch": "hug"})
    assert goes_to(answer).startswith("/desk/incidents/")
    # of others' cases they are told no more than before
    other = await world.colleague.case()
    assert (await seat.open(f"/desk/cases/{other['id']}/incidents/new/touch")).status == 403


async def test_a_change_of_an_incident_reads_it_once(world: World) -> None:
    incident = await world.clinician.incident(await world.clinician.case(), "touch", touch="hug")
    seat = await seated(world, world.clinician)
    answer = (await seat.open(f"/desk/incidents/{incident['id']}/change")).answer
    told = [entry[0] for entry in await told_of(world, answer)]
    # that the session is in use is told of in the same request
    assert [each for each in told if each != Happening.session_refreshed] == [
        Happening.incident_read
    ]
