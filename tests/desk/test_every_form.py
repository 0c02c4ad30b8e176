"""Every form of the desk, filled in as its page shows it and sent: it does what it says."""

import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from api.desk.fields import kinds_of
from api.desk.forms import FORMS as ALL
from api.domain.bodies import IncidentCreate
from tests.support.cases import linked
from tests.support.desk import (
    SIGN_IN,
    SIGN_OUT,
    Seat,
    Sheet,
    Shown,
    goes_to,
    placed,
    routes_of,
    seated,
)
from tests.support.incidents import COMMON, KINDS, NEEDED
from tests.support.scene import Scene, set_scene
from tests.support.signing_in import NEW
from tests.support.signing_in import shown as shown_by
from tests.support.world import NOON, PASSWORD, Urls, World, made, ok, open_world

Told = dict[str, str | list[str]]
OF_ITS_CASE = ("case_id", "client_ref")
"""What is filled in of the case that a form is about."""


class Filled(NamedTuple):
    """Who sends a form, about whose records, and what they fill in beside what it asks for."""

    role: str = "clinician"
    whose: str = "own"
    told: Told = {}
    on: dict[str, str] = {}
    """Which record stands for a name in the address, where it is not its namesake."""


def _on(status: str, **more: Any) -> Filled:
    return Filled(on={"consultation_id": status}, **more)


DRAFTED = {"note_id": "drafted_note"}
SUPERVISOR: Any = {"role": "supervisor", "whose": "linked"}
STRANGER: Any = {"role": "supervisor", "whose": "unrelated"}
OFFICER: Any = {"role": "privacy_officer", "whose": "linked"}
ADMIN: Any = {"role": "admin", "whose": "linked"}

FORMS: dict[str, Filled] = {
    "/desk/flags/{flag_id}/acknowledge": Filled(**SUPERVISOR),
    "/desk/flags/{flag_id}/resolve": Filled(**SUPERVISOR),
    "/desk/flags/{flag_id}/reopen": Filled(**SUPERVISOR, on={"flag_id": "resolved"}),
    "/desk/cases/{case_id}/flags/new": Filled(**SUPERVISOR),
    "/desk/cases/new": Filled(),
    "/desk/cases/{case_id}/change": Filled(told={"phase": "acceptance"}),
    "/desk/cases/{case_id}/transfer": Filled(**SUPERVISOR, told={"clinician_id": "other"}),
    "/desk/cases/{case_id}/void": Filled(),
    "/desk/incidents/{incident_id}/void": Filled(),
    "/desk/incidents/{incident_id}/review": Filled(**SUPERVISOR),
    "/desk/incidents/{incident_id}/change": Filled(told={"repair": "attempted"}),
    "/desk/cases/{case_id}/incidents/new/{kind}": Filled(),
    "/desk/cases/{case_id}/promises/new": Filled(),
    "/desk/promises/{promise_id}/change": Filled(told={"state": "kept"}),
    "/desk/promises/{promise_id}/void": Filled(),
    "/desk/cases/{case_id}/consultations/new": Filled(),
    "/desk/consultations/{consultation_id}/change": _on("draft", told={"question": "what now?"}),
    "/desk/consultations/{consultation_id}/request": _on("draft"),
    "/desk/consultations/{consultation_id}/accept": _on("requested", **SUPERVISOR),
    "/desk/consultations/{consultation_id}/decline": _on("requested", **SUPERVISOR),
    "/desk/consultations/{consultation_id}/start": _on("accepted", **SUPERVISOR),
    "/desk/consultations/{consultation_id}/complete": _on("in_progress", **SUPERVISOR),
    "/desk/consultations/{consultation_id}/cancel": _on("requested"),
    "/desk/consultations/{consultation_id}/respond": _on("completed"),
    "/desk/cases/{case_id}/notes/new": Filled(),
    "/desk/notes/{note_id}/change": Filled(on=DRAFTED, told={"body": "in short"}),
    "/desk/notes/{note_id}/void": Filled(on=DRAFTED),
    "/desk/notes/{note_id}/sign": Filled(on=DRAFTED),
    "/desk/notes/{note_id}/amend": Filled(told={"body": "in short"}),
    "/desk/notes/{note_id}/cosign": Filled(**SUPERVISOR),
    "/desk/cases/{case_id}/responses/new/{questionnaire_id}": Filled(
        told={"answered_on": "2026-03-01", "how.value": "4"}
    ),
    "/desk/responses/{response_id}/void": Filled(),
    "/desk/questionnaires/{questionnaire_id}/retire": Filled(**ADMIN),
    "/desk/accounts/{client_account_id}/reply": Filled(**SUPERVISOR),
    "/desk/accounts/{client_account_id}/close": Filled(**SUPERVISOR),
    "/desk/accounts/{client_account_id}/step-out": Filled(**SUPERVISOR),
    "/desk/accounts/{client_account_id}/told": Filled(**SUPERVISOR),
    "/desk/accounts/{client_account_id}/incidents/new/{kind}": Filled(**SUPERVISOR),
    "/desk/accounts/{client_account_id}/promises/new": Filled(**SUPERVISOR),
    "/desk/cases/{case_id}/invitations/new": Filled(),
    "/desk/invitations/new": Filled(**OFFICER, told={"client_ref": "client_ref"}),
    "/desk/invitations/{invitation_id}/revoke": Filled(),
    "/desk/cases/{case_id}/covers/new": Filled(
        told={"user_id": "other", "starts_on": "2026-03-02", "ends_on": "2026-03-09"}
    ),
    "/desk/cases/{case_id}/recusals/new": Filled(**SUPERVISOR),
    "/desk/cases/{case_id}/recusals/{recusal_id}/end": Filled(**ADMIN),
    "/desk/covers/{cover_id}/end": Filled(),
    "/desk/openings/new": Filled(**STRANGER, told={"case_id": "case_id"}),
    "/desk/openings/{opening_id}/review": Filled(**OFFICER),
    "/desk/holds/new": Filled(**OFFICER, told={"case_id": "case_id"}),
    "/desk/holds/{hold_id}/release": Filled(**OFFICER),
    "/desk/people/new": Filled(**ADMIN, told={"email": "zq@clinic.example", "password": PASSWORD}),
    "/desk/people/{user_id}/change": Filled(**ADMIN, told={"name": "Another"}),
    "/desk/people/{user_id}/password-reset": Filled(**ADMIN),
    "/desk/people/{user_id}/sessions/{session_id}/end": Filled(**ADMIN),
    "/desk/links/new": Filled(**ADMIN, told={"supervisor_id": "spare", "clinician_id": "maker"}),
    "/desk/links/{supervision_id}/change": Filled(**ADMIN, told={"ends_on": "2026-12-31"}),
    "/desk/links/{supervision_id}/end": Filled(**ADMIN),
    "/desk/software/new": Filled(**ADMIN, told={"scopes": ["cases:read"]}),
    "/desk/software/{account_id}/change": Filled(**ADMIN, told={"name": "Another"}),
    "/desk/software/{account_id}/secrets/new": Filled(**ADMIN),
    "/desk/software/{account_id}/secrets/{secret_id}/end": Filled(**ADMIN),
    "/desk/webhooks/new": Filled(
        **ADMIN, told={"url": "https://x.example/hook", "events": ["flag.*"]}
    ),
    "/desk/webhooks/{webhook_id}/change": Filled(**ADMIN, told={"name": "Another"}),
    "/desk/webhooks/{webhook_id}/delete": Filled(**ADMIN),
    "/desk/webhooks/{webhook_id}/secrets/new": Filled(**ADMIN),
    "/desk/webhooks/{webhook_id}/secrets/{secret_id}/end": Filled(
        **ADMIN, on={"webhook_id": "changing_webhook", "secret_id": "webhook_secret"}
    ),
    "/desk/webhooks/{webhook_id}/deliveries/replay": Filled(
        **ADMIN, told={"since": "2026-03-01T12:00:00Z"}
    ),
    "/desk/rules/thresholds": Filled(**ADMIN, told={"drift_days": "61"}),
    "/desk/rules/modes": Filled(**ADMIN, told={"frame_drift": "monitor"}),
    "/desk/clinic/change": Filled(**ADMIN, told={"name": "Another"}),
    "/desk/clinic/door/change": Filled(**ADMIN, told={"door_emergency_text.en": "Ring 112."}),
    "/desk/me/change": Filled(told={"language": "es"}),
    "/desk/me/sessions/{session_id}/end": Filled(),
    "/desk/me/second-factor/begin": Filled(),
}
"""Every form, and who sends it."""

ELSEWHERE = {
    SIGN_IN,
    SIGN_OUT,
    "/desk/new-password",
    "/desk/notices/read",
    "/desk/me/second-factor/confirm",
    "/desk/me/second-factor/remove",
}
"""Forms that have tests of their own."""
BUTTONS = {
    "/desk/webhooks/{webhook_id}/test": "/desk/webhooks/{webhook_id}",
    "/desk/webhooks/{webhook_id}/deliveries/{delivery_id}/resend": (
        "/desk/webhooks/{webhook_id}/deliveries"
    ),
}
"""Forms of one button, with the page that they stand on."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Room:
    """A scene with somebody of each role at the desk."""

    def __init__(self, scene: Scene, seats: dict[str, Seat]) -> None:
        self.scene, self.seats = scene, seats

    async def send(self, path: str, **more: Any) -> Shown:
        """Open the page of a form, fill it in and send it; what it does is undone."""
        filled = FORMS[path]
        seat = self.seats[filled.role]
        page = await seat.open(self.at(path))
        assert page.status == 200, (page.status, page.text[-800:])
        told = {name: self._named(filled, value) for name, value in filled.told.items()} | more
        self.scene.rehearsing = True
        try:
            return await seat.submit(page.form, completed(page.form, told))
        finally:
            self.scene.rehearsing = False

    def at(self, path: str) -> str:
        """Give the address of a form."""
        return placed(path, self.records(path))

    def records(self, path: str) -> dict[str, str]:
        """Give the records that a form is about."""
        filled = FORMS[path]
        mine = self.scene.records[filled.role, filled.whose]
        of = {name: mine[record] for name, record in filled.on.items()}
        return {**mine, **of, "kind": "crossing"}

    def _named(self, filled: Filled, value: str | list[str]) -> str | list[str]:
        if value in ("other", "maker", "spare"):
            return str(self.scene.here[str(value)].id)
        mine = self.scene.records[filled.role, filled.whose]
        return mine[str(value)] if value in OF_ITS_CASE else value


def completed(form: Sheet, told: Told) -> Told:
    """Fill in what is asked for and not told, with the first that may be chosen."""
    more: Told = {}
    for each in form.controls:
        if each.required and each.name not in told and not any(each.values):
            chosen = next((option for option in each.options if option), None)
            usual = {"date": "2026-03-01", "password": "none"}
            more[each.name] = chosen or usual.get(each.kind, "zq in words")
    return {**more, **told}


@pytest.fixture(scope="module")
async def room(module_urls: Urls) -> AsyncIterator[Room]:
    async with open_world(module_urls, NOON) as world:
        scene = await set_scene(world)
        seats = {
            role: await seated(world, scene.here[role])
            for role in ("clinician", "supervisor", "privacy_officer", "admin")
        }
        yield Room(scene, seats)


async def test_no_form_is_missing_here(room: Room) -> None:
    posts = set(routes_of(room.scene.world.app, "POST"))
    assert posts - ELSEWHERE - set(BUTTONS) == set(FORMS)


@pytest.mark.parametrize("path", BUTTONS)
async def test_a_button_does_what_it_says(room: Room, path: str) -> None:
    records = room.scene.records["admin", "linked"]
    seat = room.seats["admin"]
    page = await seat.open(placed(BUTTONS[path], records))
    room.scene.rehearsing = True
    answer = await seat.submit(page.form_at(placed(path, records)))
    room.scene.rehearsing = False
    assert goes_to(answer) == placed("/desk/webhooks/{webhook_id}/deliveries", records)


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_that_is_filled_in_is_taken(room: Room, path: str) -> None:
    answer = await room.send(path)
    shows = {form.path for form in ALL if form.shows}
    assert answer.status == (200 if path in shows else 303), (answer.status, answer.text[-3000:])
    to = answer.answer.headers.get("location", "/desk")
    assert "{" not in to
    assert to.startswith("/desk")


CHANGES = [path for path in FORMS if path.endswith(("/change", "thresholds", "modes"))]


@pytest.mark.parametrize("path", CHANGES)
async def test_a_form_that_is_sent_as_it_is_changes_nothing(room: Room, path: str) -> None:
    filled = FORMS[path]
    person, seat = room.scene.here[filled.role], room.seats[filled.role]
    at = room.at(path)
    (form,) = [each for each in ALL if each.path == path]
    told = placed(form.about or "", room.records(path))
    before = ok(await person.get(told))
    page = await seat.open(at)
    assert goes_to(await seat.submit(page.form)) == placed(form.then, room.records(path))
    assert ok(await person.get(told)) == before


# ------------------------------------------------------------------------- each kind of incident


def as_sent(details: dict[str, Any], prefix: str = "details.") -> Told:
    """Write the fields of a body as somebody fills them in."""
    told: Told = {}
    for name, value in details.items():
        if isinstance(value, bool):
            told[f"{prefix}{name}"] = "true" if value else "false"
        elif value is not None:
            told[f"{prefix}{name}"] = list(value) if isinstance(value, list) else str(value)
    return told


@pytest.mark.parametrize("kind", kinds_of(IncidentCreate))
async def test_an_incident_of_each_kind_is_reported_and_changed(world: World, kind: str) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    path = f"/desk/cases/{case['id']}/incidents/new/{kind}"
    whole = {**as_sent(KINDS[kind]), **as_sent(COMMON, "")}
    least: Told = {**as_sent(NEEDED[kind])}
    for told in (whole, least):
        page = await seat.open(path)
        answer = await seat.submit(page.form, completed(page.form, told))
        at = goes_to(answer)
        incident = ok(await world.clinician.get(at.replace("/desk/", "/v1/")))
        wanted = KINDS[kind] if told is whole else NEEDED[kind]
        assert {name: incident["details"][name] for name in wanted} == wanted
        if told is whole:
            assert {name: incident[name] for name in COMMON} == COMMON
        shown = await seat.open(at)
        assert shown.status == 200
        # the form that changes it holds it as it is, and changes nothing of itself
        change = await seat.open(f"{at}/change")
        assert goes_to(await seat.submit(change.form)) == at
        again = ok(await world.clinician.get(at.replace("/desk/", "/v1/")))
        assert again == incident
        assert goes_to(await seat.fill(f"{at}/change", {"narrative": "otherwise"})) == at
        again = ok(await world.clinician.get(at.replace("/desk/", "/v1/")))
        assert again["narrative"] == "otherwise"
        assert again["details"] == incident["details"]


async def test_a_choice_of_no_kind_is_not_found(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    for kind in ("nonsense", "Crossing", "crossing%20", "kind", "%7B%7B7*7%7D%7D"):
        assert (await seat.open(f"/desk/cases/{case['id']}/incidents/new/{kind}")).status == 404


# ------------------------------------------------------------------ what is chosen from a list


async def linked_request(world: World, case: dict[str, Any]) -> dict[str, Any]:
    incident = await world.clinician.incident(case, "crossing", area="time")
    promise = await world.clinician.promise(case)
    body = {
        "kind": "ethics",
        "urgency": "routine",
        "question": "what do you see",
        "incident_ids": [incident["id"]],
        "promise_ids": [promise["id"]],
        "consultant_id": str(world.here["consultant"].id),
    }
    return made(await world.clinician.post(f"/v1/cases/{case['id']}/consultations", body))


async def test_a_change_of_a_request_loses_nothing_it_is_about(world: World) -> None:
    case = await world.clinician.case()
    asked = await linked_request(world, case)
    path = f"consultations/{asked['id']}"
    seat = await seated(world, world.clinician)
    page = await seat.open(f"/desk/{path}/change")
    assert page.form["incident_ids"].values == asked["incident_ids"]
    assert page.form["promise_ids"].values == asked["promise_ids"]
    assert page.form["consultant_id"].values == [asked["consultant_id"]]
    goes_to(await seat.submit(page.form, {"question": "and now?"}))
    now = ok(await world.clinician.get(f"/v1/{path}"))
    assert now["question"] == "and now?"
    for name in ("incident_ids", "promise_ids", "consultant_id"):
        assert now[name] == asked[name], name
    goes_to(await seat.fill(f"/desk/{path}/change", {"incident_ids": []}))
    assert ok(await world.clinician.get(f"/v1/{path}"))["incident_ids"] == []


async def test_a_change_loses_nothing_that_is_chosen_no_more(world: World) -> None:
    """Whom a request names may be here no more, and what it is about may be far down the list."""
    case = await world.clinician.case()
    asked = await linked_request(world, case)
    ok(await world.admin.patch(f"/v1/users/{asked['consultant_id']}", {"is_active": False}))
    for _ in range(101):
        await world.clinician.incident(case, "consent")
    seat = await seated(world, world.clinician)
    path = f"consultations/{asked['id']}"
    goes_to(await seat.fill(f"/desk/{path}/change", {"question": "and now?"}))
    now = ok(await world.clinician.get(f"/v1/{path}"))
    for name in ("incident_ids", "promise_ids", "consultant_id"):
        assert now[name] == asked[name], name


async def test_words_in_another_order_are_no_change(world: World) -> None:
    case = await world.clinician.case(attachment_roles=["romantic_love", "mother"])
    seat = await seated(world, world.clinician)
    goes_to(await seat.fill(f"/desk/cases/{case['id']}/change"))
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["version"] == 1


async def test_why_something_is_voided_survives_an_error(world: World) -> None:
    case = await world.clinician.case()
    incident = await world.clinician.incident(case, "crossing", area="time")
    seat = await seated(world, world.clinician)
    path = f"/desk/incidents/{incident['id']}/void"
    page = await seat.open(path)
    last = page.form["reason"].options[-1]
    ok(await world.clinician.patch(f"/v1/incidents/{incident['id']}", {"repair": "attempted"}))
    again = await seat.submit(page.form, {"reason": last})
    # what nobody saw is not voided by sending once more
    for _ in range(2):
        assert (again.status, again.form["reason"].values) == (412, [last])
        assert path in again.links
        again = await seat.submit(again.form)
    goes_to(await seat.fill(path, {"reason": last}))
    assert ok(await world.clinician.get(f"/v1/incidents/{incident['id']}"))["void_reason"] == last


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-inf", "1e999", "9" * 5_000, "9" * 4_000, "1_000", "1,5", "x"]
)
async def test_what_is_no_number_is_told_at_its_field(world: World, number: str) -> None:
    seat = await seated(world, world.clinician)
    told: Told = {"client_ref": "zq", "sessions_per_week": number}
    page = await seat.fill("/desk/cases/new", told)
    assert page.status == 422
    assert "f-sessions_per_week-error" in page.text
    assert page.form["sessions_per_week"].values == [number]


async def test_whoever_was_overtaken_is_told_and_overwrites_nothing(world: World) -> None:
    case = await world.clinician.case()
    seat = await seated(world, world.clinician)
    page = await seat.open(f"/desk/cases/{case['id']}/change")
    ok(await world.supervisor.patch(f"/v1/cases/{case['id']}", {"phase": "acceptance"}))
    answer = await seat.submit(page.form, {"setting": "online"})
    assert answer.status == 412
    assert answer.form["setting"].values == ["online"]
    assert ok(await world.clinician.get(f"/v1/cases/{case['id']}"))["setting"] is None


# --------------------------------------------------------------------------- one's own account


async def test_a_second_factor_is_begun_confirmed_and_removed(world: World) -> None:
    seat, at = await seated(world, world.clinician), "/desk/me/second-factor"
    for path in ("confirm", "remove"):
        assert (await seat.fill(f"{at}/{path}", {})).status in {409, 422}
    begun = await seat.fill(f"{at}/begin")
    assert begun.status == 200
    (secret,) = re.findall(r"\b[A-Z2-7]{32}\b", begun.text)[:1]
    told = await seat.fill(f"{at}/confirm", {"code": shown_by(world, secret)})
    assert told.status == 200
    assert ok(await world.clinician.get("/v1/me/totp"))["enrolled"] is True
    again = Seat(world)
    assert (await again.sign_in(world.clinician.email)).status == 422
    goes_to(await seat.fill(f"{at}/remove"))
    assert ok(await world.clinician.get("/v1/me/totp"))["enrolled"] is False


async def test_notices_are_marked_as_read(world: World) -> None:
    await linked(world, world.stranger)
    seat = await seated(world, world.clinician)
    unread = ok(await world.clinician.get("/v1/me/notices", read="false"))["items"]
    assert unread
    page = await seat.open("/desk/notices")
    goes_to(await seat.submit(page.form_at("/desk/notices/read")))
    assert ok(await world.clinician.get("/v1/me/notices", read="false"))["items"] == []


async def test_a_new_password_is_set_with_the_code_of_an_admin(world: World) -> None:
    admin = await seated(world, world.admin)
    told = await admin.fill(f"/desk/people/{world.clinician.id}/password-reset")
    assert told.status == 200
    (code,) = re.findall(r'class="secret"[^>]*>([^<]+)<', told.text)
    seat = Seat(world)
    filled: Told = {"address": world.clinician.email, "code": code.strip(), "password": NEW}
    wrong = await seat.fill("/desk/new-password", {**filled, "code": "AAAA-AAAA-AAAA-AAAA"})
    assert wrong.status == 422
    assert NEW not in wrong.text
    answer = await seat.submit(wrong.form, {**filled})
    assert goes_to(answer) == "/desk/new-password/done"
    assert (await seat.sign_in(world.clinician.email)).status == 422
    assert goes_to(await seat.sign_in(world.clinician.email, NEW)) == "/desk"
