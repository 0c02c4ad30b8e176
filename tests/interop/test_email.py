"""E-mail: that something waits, to whom, how often, and never a word of what."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from api.commands.worker import post_office, work_until
from api.domain.vocabulary import EmailNotices, Severity
from api.interop.email import concerned, handing_over, letters, owed, post
from api.interop.email.owed import next_digest
from api.interop.email.post import Post
from api.interop.webhooks.deliveries import CLAIMED_FOR, WAITS
from api.languages.spoken import language_of
from api.runtime.mail_server import MailServer, parse_mail_server
from api.runtime.settings import Settings
from api.security.outbound_addresses import Destinations
from api.storage.database import Database
from api.storage.models.mails import MailKind, MailStatus
from api.storage.models.people import Clinic
from tests.support.cases import linked
from tests.support.certificates import certificate_for
from tests.support.checkout import ROOT
from tests.support.mail import (
    HEAD,
    Mailbox,
    choose,
    forget_mail,
    go_on,
    go_round,
    mail_server,
    mails_of,
    raise_flag,
)
from tests.support.processes import run
from tests.support.signing_in import offer, reset
from tests.support.stored import CANARY, hits
from tests.support.world import (
    DATA_KEY,
    NOON,
    PASSWORD,
    SETTINGS,
    SETTINGS_SECRET,
    Urls,
    World,
    made,
    ok,
    open_world,
)

pytestmark = pytest.mark.both_databases

MORNING = timedelta(hours=19, minutes=1)
"""From the world's noon until the daily mails are owed."""


@pytest.fixture
async def world(world: World) -> World:
    """A world where nobody is owed a mail, and what happens from now on is told."""
    await forget_mail(world)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
        assert box.received == []
    world.clock.forward(seconds=5)
    return world


async def to_morning(world: World) -> None:
    """Wait until the daily mails are owed."""
    world.clock.now = NOON + MORNING


# ------------------------------------------------------------------------------ what a mail says

FIRST = """\
From: notes@mail.example
To: {to}
Subject: Boundary Notes: something waits for a look
Date: Tue, 03 Mar 2026 07:01:05 +0000
Message-ID: <{id}@mail.example>
Auto-Submitted: auto-generated
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: 7bit
MIME-Version: 1.0

On 3 March 2026, 2 things wait for a look: 1 critical, 1 low.

Sign in to read more: https://notes.example/desk

An e-mail may be read on its way, so this one says no more. \
When you are written to is yours to choose: https://notes.example/desk/me
"""


async def test_a_mail_says_how_much_waits_and_how_grave_and_no_more(world: World) -> None:
    case = await world.clinician.case(client_ref=CANARY)
    critical = await raise_flag(world, case, title=CANARY, because=CANARY)
    low = await raise_flag(world, case, "low", title=CANARY, because=CANARY)
    await to_morning(world)
    async with mail_server() as box:
        assert await go_round(world, box) == 2
    sent = {to: data for (to,), data in box.received}
    assert sent.keys() == {world.supervisor.email, world.clinician.email}
    for person in (world.supervisor, world.clinician):
        (mail,) = await mails_of(world, person)
        expected = FIRST.format(to=person.email, id=mail.id).replace("\n", "\r\n")
        assert sent[person.email] == expected.encode()
        assert (mail.status, mail.attempts, mail.next_attempt_at) == (MailStatus.sent, 0, None)
    # no name, no reference, no rule, no id
    names = [ok(await each.get("/v1/me"))["name"] for each in world.here.values()]
    ids = [case["id"], critical["id"], low["id"], *(str(each.id) for each in world.here.values())]
    for data in sent.values():
        assert hits(data) == []
        lines = data.decode().replace("\r\n", "\n").split("\n")
        said = "\n".join(line for line in lines if not line.startswith("To: "))
        assert [each for each in (*names, *ids, "manual", "Fictional") if each in said] == []


async def test_a_word_that_got_out_would_be_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_how_much_waits", lambda *_: f"Look at {CANARY}.")
    await raise_flag(world, await world.clinician.case())
    await to_morning(world)
    async with mail_server() as box:
        await go_round(world, box)
    assert all(hits(data) for _, data in box.received)


async def test_a_mail_is_in_the_readers_language_and_the_clinics_zone(world: World) -> None:
    ok(await world.admin.patch("/v1/clinic", {"time_zone": "Asia/Tokyo", "language": "es"}))
    ok(await world.clinician.patch("/v1/me", {"language": "en"}))
    await raise_flag(world, await world.clinician.case(), "moderate")
    await to_morning(world)
    # the clinic had chosen its hour by the zone it was in
    async with mail_server() as box:
        assert await go_round(world, box) == 2
    for message in box.messages:
        assert message["Date"].endswith("16:01:05 +0900")
        text = message.get_content()
        if message["To"] == world.supervisor.email:
            assert "El 3 de marzo de 2026 hay una cosa pendiente de mirar: 1 moderada." in text
            assert message["Subject"] == "Boundary Notes: hay algo pendiente de mirar"
        else:
            assert "On 3 March 2026, one thing waits for a look: 1 moderate." in text
    # and the next is at seven there
    world.clock.now = datetime(2026, 3, 3, 21, 59, tzinfo=UTC)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
        world.clock.forward(minutes=1)
        assert await go_round(world, box) == 2


@pytest.mark.parametrize("code", ["en", "es"])
def test_every_sort_of_mail_is_said_in_every_language(code: str) -> None:
    language = language_of(code)
    waiting = dict.fromkeys(Severity, 2)
    texts = set()
    for kind in MailKind:
        subject, text = letters.what_is_said(kind, waiting, language, NOON, HEAD)
        assert "https://notes.example/desk" in text
        assert not set("{}_") & set(subject + text), kind
        texts.add(text)
    assert len(texts) == len(MailKind)


# ------------------------------------------------------------------------------- who is told what


async def test_what_is_hidden_from_a_clinician_is_not_counted_to_her(world: World) -> None:
    await choose(world.clinician, EmailNotices.at_once)
    await choose(world.supervisor, EmailNotices.at_once)
    case = await world.clinician.case()
    await raise_flag(world, case, restricted=True)
    async with mail_server() as box:
        await go_round(world, box)
        assert [to for to, _ in box.told] == [world.supervisor.email]
        await to_morning(world)
        await go_round(world, box)
    # nor is she written to because of it
    assert {to for to, _ in box.told} == {world.supervisor.email}
    assert box.told[-1][1].endswith("one thing waits for a look: 1 critical.")


async def test_without_that_guard_it_would_be_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concerned, "visible_flags", lambda *_: sa.true())
    await raise_flag(world, await world.clinician.case(), restricted=True)
    await to_morning(world)
    async with mail_server() as box:
        await go_round(world, box)
    assert world.clinician.email in {to for to, _ in box.told}


async def test_everybody_is_told_the_numbers_that_their_own_lists_have(world: World) -> None:
    case, other = await world.clinician.case(), await world.colleague.case()
    await raise_flag(world, case, "high")
    await raise_flag(world, case, "low", restricted=True)
    # a prompt for her alone, and what nobody answers for
    await world.clinician.incident(case, "ending", stage="raised", initiator="client")
    await world.colleague.incident(other, "hurtful_words", initiator="institution")
    yonder = await world.there["clinician"].case()
    by_hand = {"severity": "critical", "title": "Look", "because": "It was told."}
    path = f"/v1/cases/{yonder['id']}/flags"
    made(await world.there["supervisor"].post(path, by_hand))
    await to_morning(world)
    shown = {}
    for person in (*world.here.values(), *world.there.values()):
        answer = await person.get("/v1/flags", limit=100)
        items = answer.json()["items"] if answer.status_code == 200 else []
        waiting = [each["severity"] for each in items if each["status"] == "open"]
        if waiting:
            shown[person.email] = {each: waiting.count(each) for each in waiting}
    async with mail_server() as box:
        await go_round(world, box)
    words = {"prompt": "info", "prompts": "info"}
    told = {}
    for to, line in box.told:
        counts = [each.split() for each in line.partition("look: ")[2].rstrip(".").split(", ")]
        told[to] = {words.get(word, word): int(number) for number, word in counts}
    assert told == shown
    assert len(told) == 5
    assert "info" in told[world.clinician.email]
    assert "info" not in told[world.supervisor.email]


@pytest.mark.parametrize("wish", list(EmailNotices))
async def test_everybody_is_written_to_as_they_chose(world: World, wish: EmailNotices) -> None:
    await choose(world.clinician, EmailNotices.never)
    assert ok(await world.supervisor.get("/v1/me"))["email_notices"] == "daily"
    await choose(world.supervisor, wish)
    assert ok(await world.supervisor.get("/v1/me"))["email_notices"] == wish
    case = await world.clinician.case()
    async with mail_server() as box:
        await raise_flag(world, case, "high")
        await raise_flag(world, case)
        await raise_flag(world, case)
        await go_round(world, box)
        # however many came together
        at_once = len(box.received)
        world.clock.forward(hours=1)
        await go_round(world, box)
        assert len(box.received) == at_once
        await to_morning(world)
        await go_round(world, box)
        daily = len(box.received) - at_once
        world.clock.forward(hours=12)
        await go_round(world, box)
        assert len(box.received) == at_once + daily
        world.clock.forward(hours=12)
        await go_round(world, box)
    expected = {
        EmailNotices.at_once: (1, 1),
        EmailNotices.daily: (0, 1),
        EmailNotices.never: (0, 0),
    }
    assert (at_once, daily) == expected[wish]
    assert len(box.received) == at_once + 2 * daily
    if at_once:
        first = box.messages[0]
        assert first["Subject"] == "Boundary Notes: something critical waits for a look"
        assert "3 things wait for a look: 2 critical, 1 high." in first.get_content()


async def test_what_somebody_chooses_is_theirs_and_one_of_the_words(world: World) -> None:
    me = world.clinician
    assert (await me.patch("/v1/me", {"email_notices": "hourly"})).status_code == 422
    assert (await me.patch("/v1/me", {"email_notices": None})).status_code == 422
    both = ok(await me.patch("/v1/me", {"email_notices": "never", "language": "es"}))
    assert (both["email_notices"], both["language"]) == ("never", "es")
    assert ok(await me.patch("/v1/me", {"language": None}))["email_notices"] == "never"
    assert ok(await world.colleague.get("/v1/me"))["email_notices"] == "daily"
    # nobody else says so, or reads it
    path = f"/v1/users/{me.id}"
    assert (await world.admin.patch(path, {"email_notices": "daily"})).status_code == 422
    assert "email_notices" not in ok(await world.admin.get(path))
    entries = ok(await world.here["privacy_officer"].get("/v1/journal", actor_id=str(me.id)))
    changed = [each["changed"] for each in entries["items"] if each["happening"] == "user.changed"]
    assert changed == [["language"], ["email_notices", "language"]]


async def test_nobody_is_written_to_where_nothing_waits(world: World) -> None:
    for person in world.here.values():
        await choose(person, EmailNotices.at_once)
    flag = await raise_flag(world, await world.clinician.case())
    seen = {"determination": "normal_process", "resolution_note": "talked over"}
    ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", seen))
    async with mail_server() as box:
        assert await go_round(world, box) == 0
        await to_morning(world)
        assert await go_round(world, box) == 0
    assert box.received == []


async def test_what_was_there_before_mail_was_sent_is_told_by_the_next_morning_only(
    world: World,
) -> None:
    await choose(world.supervisor, EmailNotices.at_once)
    await raise_flag(world, await world.clinician.case())
    await forget_mail(world)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
        assert await go_round(world, box) == 0
        await to_morning(world)
        assert await go_round(world, box) == 2


# ------------------------------------------------------------------------------------ single ones

LINK = "A supervision link with you was made, or holds again or for longer."
CODE = "An admin of your clinic chose a password for you, or made a code"
ASKED = "A consultation is asked of you."
GLASS = "A case was opened in an emergency: one of yours, or one that waits for your review."


async def told_by(world: World, box: Mailbox) -> set[tuple[str, str]]:
    """Let a worker go round; give what was told since, and to whom."""
    before = len(box.received)
    await go_round(world, box)
    return {(to, line[: len(CODE)]) for to, line in box.told[before:]}


async def test_a_supervision_link_is_told_to_both(world: World) -> None:
    await linked(world, world.stranger)
    async with mail_server() as box:
        line = LINK[: len(CODE)]
        both = {(world.stranger.email, line), (world.clinician.email, line)}
        assert await told_by(world, box) == both
        assert await told_by(world, box) == set()
        # one that begins later is told then once more; one that was taken back is not
        ahead: dict[str, Any] = {"supervisor_id": str(world.stranger.id)}
        ahead |= {"clinician_id": str(world.colleague.id), "starts_on": world.day(2)}
        link = made(await world.admin.post("/v1/supervisions", ahead))
        both = {(world.stranger.email, line), (world.colleague.email, line)}
        assert await told_by(world, box) == both
        world.clock.now = NOON + timedelta(days=2)
        assert await told_by(world, box) == both
        assert (await world.admin.delete(f"/v1/supervisions/{link['id']}")).status_code == 204
        later = {**ahead, "starts_on": world.day(2)}
        link = made(await world.admin.post("/v1/supervisions", later))
        await told_by(world, box)
        assert (await world.admin.delete(f"/v1/supervisions/{link['id']}")).status_code == 204
        world.clock.forward(days=2)
        assert await told_by(world, box) == set()


async def test_a_password_that_an_admin_chose_or_let_be_chosen_is_told(world: World) -> None:
    async with mail_server() as box:
        expected = {(world.clinician.email, CODE)}
        code = (await offer(world, world.clinician))["code"]
        assert await told_by(world, box) == expected
        assert (await reset(world, world.clinician, code)).status_code == 204
        assert await told_by(world, box) == expected
        email = f"new-{world.admin.clinic_id.hex}@clinic.example"
        new = {"name": "New", "email": email, "role": "clinician", "password": PASSWORD}
        made(await world.admin.post("/v1/users", new))
        assert await told_by(world, box) == {(email, CODE)}
    for message in box.messages:
        text = message.get_content()
        assert "(https://notes.example/desk/me)" in text
        assert code not in text
        assert message["Subject"] == "Boundary Notes: a notice for you"


async def test_whoever_is_asked_by_name_for_a_consultation_is_told(world: World) -> None:
    consultant = world.here["consultant"]
    case = await world.clinician.case()
    question = {"kind": "ethics", "urgency": "urgent", "question": CANARY}
    path = f"/v1/cases/{case['id']}/consultations"
    asked = made(await world.clinician.post(path, {**question, "released": True}))
    request = f"/v1/consultations/{asked['id']}"
    expected = {(consultant.email, ASKED)}
    async with mail_server() as box:
        assert await told_by(world, box) == set()
        ok(await world.clinician.post(f"{request}/request"))
        # it is put to any consultant: nobody is asked by name
        assert await told_by(world, box) == set()
        named = {"consultant_id": str(consultant.id)}
        ok(await world.clinician.patch(request, named))
        assert await told_by(world, box) == expected
        ok(await world.clinician.patch(request, {"urgency": "routine"}))
        assert await told_by(world, box) == set()
        ok(await consultant.post(f"{request}/decline", {"reason": "no time"}))
        assert await told_by(world, box) == set()
        # to who sees the case it is put in full
        again = {**question, "consultant_id": str(world.supervisor.id)}
        asked = made(await world.clinician.post(path, again))
        ok(await world.clinician.post(f"/v1/consultations/{asked['id']}/request"))
        assert await told_by(world, box) == {(world.supervisor.email, ASKED)}
        # what was not released does not exist for a consultant, until it is
        asked = made(await world.clinician.post(path, {**question, **named}))
        request = f"/v1/consultations/{asked['id']}"
        ok(await world.clinician.post(f"{request}/request"))
        assert await told_by(world, box) == set()
        ok(await world.clinician.patch(request, {"released": True}))
        assert await told_by(world, box) == expected
    assert all(hits(data) == [] for _, data in box.received)


async def test_an_emergency_opening_is_told_to_its_clinician_and_who_reviews_it(
    world: World,
) -> None:
    case = await world.clinician.case()
    emergency = {"case_id": case["id"], "reason": CANARY}
    made(await world.stranger.post("/v1/break-glass", emergency))
    officer = world.here["privacy_officer"]
    async with mail_server() as box:
        line = GLASS[: len(CODE)]
        expected = {(world.clinician.email, line), (officer.email, line)}
        assert await told_by(world, box) == expected
    assert all(hits(data) == [] for _, data in box.received)


async def test_who_wants_no_mail_gets_no_single_one_either(world: World) -> None:
    await choose(world.clinician, EmailNotices.never)
    await offer(world, world.clinician)
    async with mail_server() as box:
        assert await told_by(world, box) == set()


async def test_of_another_clinic_nobody_is_told_anything(world: World) -> None:
    for people in (world.here, world.there):
        for person in people.values():
            await choose(person, EmailNotices.at_once)
    await raise_flag(world, await world.clinician.case())
    await linked(world, world.stranger)
    async with mail_server() as box:
        await go_round(world, box)
        await to_morning(world)
        await go_round(world, box)
    assert {to for to, _ in box.told} <= {each.email for each in world.here.values()}
    assert box.received


# ------------------------------------------------------------------------- at the moment of sending


async def test_a_mail_goes_to_whoever_somebody_is_when_it_is_sent(world: World) -> None:
    await offer(world, world.clinician)
    await offer(world, world.colleague)
    await offer(world, world.stranger)
    async with mail_server() as box:
        box.of_addresses = ["451 later"] * 3
        await go_round(world, box)
        assert box.received == []
        ok(await world.admin.patch(f"/v1/users/{world.colleague.id}", {"is_active": False}))
        await choose(world.stranger, EmailNotices.never)
        moved = f"moved-{world.admin.clinic_id.hex}@clinic.example"
        ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"email": moved}))
        world.clock.forward(minutes=10)
        await go_round(world, box)
    assert [to for to, _ in box.told] == [moved]
    for person in (world.colleague, world.stranger):
        (mail,) = await mails_of(world, person)
        assert mail.status == MailStatus.needless


async def test_what_is_no_longer_so_is_not_told(world: World) -> None:
    await choose(world.supervisor, EmailNotices.at_once)
    hers = await world.clinician.case()
    flag = await raise_flag(world, hers)
    # less waits all the same
    await raise_flag(world, hers, "low")
    link = {"supervisor_id": str(world.stranger.id), "clinician_id": str(world.colleague.id)}
    made(await world.admin.post("/v1/supervisions", {**link, "starts_on": world.day()}))
    case = await world.colleague.case()
    question = {"kind": "ethics", "urgency": "urgent", "question": "What do you see?"}
    requests = []
    for by, of, consultant in (
        (world.colleague, case, world.here["consultant"]),
        (world.clinician, hers, world.supervisor),
    ):
        body = {**question, "consultant_id": str(consultant.id), "released": True}
        asked = made(await by.post(f"/v1/cases/{of['id']}/consultations", body))
        requests.append((by, f"/v1/consultations/{asked['id']}"))
        ok(await by.post(f"{requests[-1][1]}/request"))
    async with mail_server() as box:
        box.of_addresses = ["451 later"] * 5
        assert await go_round(world, box) == 5
        seen = {"determination": "normal_process", "resolution_note": "talked over"}
        ok(await world.supervisor.post(f"/v1/flags/{flag['id']}/resolve", seen))
        for by, request in requests:
            ok(await by.post(f"{request}/cancel", {"reason": "talked over"}))
        world.clock.forward(minutes=10)
        await go_round(world, box)
    assert {to for to, _ in box.told} == {world.stranger.email, world.colleague.email}


async def test_an_address_that_could_be_read_as_anothers_is_not_written_to(world: World) -> None:
    odd = f'"x"<y,{world.admin.clinic_id.hex}@clinic.example'
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"email": odd}))
    await offer(world, world.clinician)
    async with mail_server() as box:
        assert await go_round(world, box) == 0
    (mail,) = await mails_of(world, world.clinician)
    assert mail.status == MailStatus.given_up
    for address in ("a@b", "é.ve+x@clinic.example", "o'neil@clinic.example"):
        assert letters.is_plain(address), address
    for address in ("a,b@c", "a<b@c", "a@b>", 'a"@b', "a(b)@c", "a\\@b", "a:b@c", "a@b@c", "a b@c"):
        assert not letters.is_plain(address), address


async def test_an_address_beyond_ascii_is_written_to_as_it_is(world: World) -> None:
    there = f"éve-{world.admin.clinic_id.hex}@clinic.example"
    ok(await world.admin.patch(f"/v1/users/{world.clinician.id}", {"email": there}))
    await offer(world, world.clinician)
    async with mail_server() as box:
        assert await go_round(world, box) == 1
    assert box.received[0][0] == [there]
    assert there.encode() in box.received[0][1]


# ------------------------------------------------------------------------------------ never twice


@pytest.fixture
async def owing(world: World) -> World:
    """A world where somebody is owed one mail."""
    await offer(world, world.clinician)
    world.clock.forward(seconds=5)
    return world


async def test_two_workers_at_once_send_each_mail_once(world: World, urls: Urls) -> None:
    for person in (world.clinician, world.colleague, world.stranger, world.supervisor):
        await offer(world, person)
    case = await world.clinician.case()
    await raise_flag(world, case)
    world.clock.forward(hours=20)
    others = [
        Database(urls.runtime, keys=SETTINGS.data_keys, pool_size=2, clock=world.clock)
        for _ in range(2)
    ]
    async with mail_server() as box:
        workers = [Post(database, box.office()) for database in (world.database, *others)]
        for _ in range(3):
            await asyncio.gather(*(go_on(worker) for worker in workers))
    for database in others:
        await database.dispose()
    told = [
        (to, message["Message-ID"]) for (to, _), message in zip(box.told, box.messages, strict=True)
    ]
    # four of passwords, and two in the morning
    assert len(told) == len(set(told)) == 6
    ended = [mail for each in world.here.values() for mail in await mails_of(world, each)]
    assert {mail.status for mail in ended} == {MailStatus.sent}


async def test_a_mail_that_another_worker_began_to_hand_over_is_left_to_it(owing: World) -> None:
    async with mail_server() as box:
        slow, quick = (Post(owing.database, box.office()) for _ in range(2))
        (letter,) = await slow._from(owing.admin.clinic_id, 8)
        # the first takes longer than it may
        owing.clock.forward(seconds=CLAIMED_FOR.total_seconds())
        assert await quick.go_round() == 1
        await slow._carry(letter)
    assert len(box.received) == 1
    (mail,) = await mails_of(owing, owing.clinician)
    assert mail.status == MailStatus.sent


async def test_without_that_guard_it_would_be_sent_twice(
    owing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(*_: object) -> bool:
        return True

    monkeypatch.setattr(post, "begin_to_hand_over", begin)
    async with mail_server() as box:
        slow, quick = (Post(owing.database, box.office()) for _ in range(2))
        (letter,) = await slow._from(owing.admin.clinic_id, 8)
        owing.clock.forward(seconds=CLAIMED_FOR.total_seconds())
        assert await quick.go_round() == 1
        await slow._carry(letter)
    assert len(box.received) == 2


async def test_who_dies_before_the_words_leaves_it_to_be_sent(owing: World) -> None:
    async with mail_server() as box:
        dying = Post(owing.database, box.office())
        assert len(await dying._from(owing.admin.clinic_id, 8)) == 1
        assert await go_round(owing, box) == 0, "it is still claimed"
        owing.clock.forward(seconds=CLAIMED_FOR.total_seconds())
        assert await go_round(owing, box) == 1
    assert len(box.received) == 1


async def test_who_dies_between_the_words_and_the_answer_has_it_sent_no_second_time(
    owing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise RuntimeError("killed")

    async with mail_server() as box:
        with monkeypatch.context() as then:
            then.setattr(post, "write_down", die)
            assert await go_round(owing, box) == 1
        assert len(box.received) == 1
        (mail,) = await mails_of(owing, owing.clinician)
        assert mail.status == MailStatus.handed_over
        for _ in range(30):
            owing.clock.forward(hours=1)
            await go_round(owing, box)
    assert len(box.received) == 1
    (mail, *_) = await mails_of(owing, owing.clinician)
    assert (mail.status, mail.next_attempt_at) == (MailStatus.uncertain, None)


async def test_a_worker_that_is_killed_while_it_waits_for_the_answer_sends_no_second_one(
    new_urls: Urls,
) -> None:
    async with open_world(new_urls, NOON) as world, mail_server() as box:
        box.may_answer = asyncio.Event()
        await offer(world, world.clinician)
        await forget_mail(world)
        settings = {
            "BN_DATABASE_URL": new_urls.runtime,
            "BN_SECRET_KEY": SETTINGS_SECRET.get_secret_value(),
            "BN_DATA_KEY": DATA_KEY.get_secret_value(),
            "BN_SMTP_URL": f"smtp://somebody:secret@127.0.0.1:{box.port}",
            "BN_MAIL_FROM": HEAD.sender,
            "BN_PUBLIC_URL": HEAD.url,
        }
        # the worker's clock is the real one
        world.clock.now = datetime.now(UTC) - timedelta(minutes=10)
        async with world.owner.transaction() as tx:
            reached = {"mailed_until": world.clock.now, "digest_due_at": tx.now + timedelta(days=2)}
            await tx.exec(sa.update(Clinic).values(reached))
        world.clock.forward(minutes=5)
        await offer(world, world.clinician)
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api", "worker"),
            cwd=ROOT,
            env=os.environ | settings,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await box.has_received(1)
        finally:
            worker.kill()
            out, _ = await worker.communicate()
        box.may_answer.set()
        assert box.names == [(b"somebody", b"secret")]
        assert not [each for each in (b"secret", b"somebody", b"@clinic") if each in out]
        world.clock.now = datetime.now(UTC)
        for _ in range(3):
            await go_round(world, box)
            world.clock.now += CLAIMED_FOR
        assert len(box.received) == 1
        (mail,) = await mails_of(world, world.clinician)
        assert mail.status == MailStatus.uncertain


async def test_a_worker_that_starts_again_owes_no_second_digest(world: World) -> None:
    await raise_flag(world, await world.clinician.case(), "low")
    async with mail_server() as box:
        for _ in range(3):
            # each worker is a new one
            await to_morning(world)
            world.clock.forward(minutes=5)
            await go_round(world, box)
        assert len(box.received) == 2
        # one that slept through the hour makes up for it, and for one day only
        world.clock.now = NOON + timedelta(days=3)
        await go_round(world, box)
        await go_round(world, box)
        assert len(box.received) == 4
    async with world.owner.transaction() as tx:
        here = Clinic.id == world.admin.clinic_id
        due = (await tx.exec(sa.select(Clinic.digest_due_at).where(here))).scalar_one()  # type: ignore[call-overload]
    assert due == datetime(2026, 3, 6, 7, tzinfo=UTC)


async def test_a_digest_that_failed_to_be_kept_is_owed_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the database is gone")

    await raise_flag(world, await world.clinician.case(), "low")
    await to_morning(world)
    async with mail_server() as box:
        with monkeypatch.context() as then:
            then.setattr(owed, "_owe", fail)
            assert await go_round(world, box) == 0
        assert await go_round(world, box) == 2


# --------------------------------------------------------------------------------- tried again


async def test_a_refusal_for_now_is_tried_again_and_given_up_after_a_day(owing: World) -> None:
    async with mail_server() as box:
        box.of_words = ["451 later"]
        box.of_addresses = ["250 OK", *["451 later"] * 20]
        began = owing.clock.now
        await go_round(owing, box)
        (mail,) = await mails_of(owing, owing.clinician)
        assert (mail.status, mail.attempts) == (MailStatus.owed, 1)
        tries = 1
        while mail.status == MailStatus.owed:
            assert mail.next_attempt_at is not None
            owing.clock.now = mail.next_attempt_at - timedelta(seconds=6)
            assert await go_round(owing, box) == 0
            tries += await go_round(owing, box)
            (mail,) = await mails_of(owing, owing.clinician)
    assert mail.status == MailStatus.given_up
    assert 6 <= tries <= len(WAITS) + 1
    assert timedelta(hours=12) < owing.clock.now - began < timedelta(hours=30)


async def test_what_was_not_taken_within_a_day_is_given_up_also_where_nobody_tried(
    owing: World,
) -> None:
    async with mail_server() as box:
        box.of_addresses = ["451 later"]
        await go_round(owing, box)
        owing.clock.forward(days=1)
        await go_round(owing, box)
    assert box.received == []
    (mail,) = await mails_of(owing, owing.clinician)
    assert (mail.status, mail.attempts) == (MailStatus.given_up, 1)


async def test_what_happened_just_now_is_looked_at_a_little_later(world: World) -> None:
    await offer(world, world.clinician)
    async with mail_server() as box:
        carrier = Post(world.database, box.office())
        world.clock.forward(seconds=1)
        assert await carrier.go_round() == 0
        world.clock.forward(seconds=1)
        assert await carrier.go_round() == 1


async def test_after_a_refusal_for_now_the_same_mail_is_taken(owing: World) -> None:
    async with mail_server() as box:
        box.of_words = ["451 later"]
        await go_round(owing, box)
        owing.clock.forward(minutes=1)
        await go_round(owing, box)
    first, second = box.messages
    assert first["Message-ID"] == second["Message-ID"]
    (mail,) = await mails_of(owing, owing.clinician)
    assert (mail.status, mail.attempts) == (MailStatus.sent, 1)


@pytest.mark.parametrize("where", ["of_addresses", "of_words"])
async def test_what_is_refused_for_good_is_not_tried_again_and_is_no_others(
    owing: World, where: str
) -> None:
    await offer(owing, owing.colleague)
    async with mail_server() as box:
        setattr(box, where, ["550 no such user", "250 OK"])
        await go_round(owing, box)
        owing.clock.forward(hours=2)
        await go_round(owing, box)
    mails = [*await mails_of(owing, owing.clinician), *await mails_of(owing, owing.colleague)]
    assert sorted(mail.status for mail in mails) == [MailStatus.given_up, MailStatus.sent]


async def test_where_nobody_answers_it_is_tried_again(owing: World) -> None:
    async with mail_server() as box:
        pass
    await go_round(owing, box)
    (mail,) = await mails_of(owing, owing.clinician)
    assert (mail.status, mail.attempts) == (MailStatus.owed, 1)


async def test_what_is_not_answered_in_time_is_not_said_again(
    owing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "TIME_LIMIT", 0.5)
    async with mail_server() as box:
        box.may_answer = asyncio.Event()
        await go_round(owing, box)
        owing.clock.forward(hours=1)
        await go_round(owing, box)
        assert len(box.received) == 1
    (mail,) = await mails_of(owing, owing.clinician)
    assert mail.status == MailStatus.uncertain


# ----------------------------------------------------------------------------------------- in TLS


async def test_words_and_password_leave_in_tls_or_not_at_all(owing: World, tmp_path: Path) -> None:
    serving, trust = certificate_for("localhost", tmp_path)
    _, others = certificate_for("mail.example", tmp_path)
    name = {"username": "somebody", "password": "secret", "starttls": True}
    async with mail_server() as box:
        # it is asked for, and not offered
        await go_round(owing, box, host="localhost", trust=trust, **name)
        assert (box.received, box.names) == ([], [])
    for wrong in ({"trust": others}, {}, {"host": "127.0.0.1", "trust": trust}):
        owing.clock.forward(hours=3)
        async with mail_server(starttls=serving) as box:
            await go_round(owing, box, **{"host": "localhost", **name, **wrong})
            assert (box.received, box.names) == ([], [])
    owing.clock.forward(hours=5)
    async with mail_server(starttls=serving) as box:
        await go_round(owing, box, host="localhost", trust=trust, **name)
        assert (box.in_tls, box.names) == ([True], [(b"somebody", b"secret")])


async def test_tls_from_the_start_is_checked_as_well(owing: World, tmp_path: Path) -> None:
    serving, trust = certificate_for("localhost", tmp_path)
    async with mail_server(tls=serving) as box:
        await go_round(owing, box, host="localhost", tls=True)
        assert box.received == []
        owing.clock.forward(minutes=1)
        await go_round(owing, box, host="localhost", tls=True, trust=trust)
        assert len(box.received) == 1


def test_only_to_this_machine_itself_is_anything_said_in_the_clear() -> None:
    for url, expected in {
        "smtp://mail.example.org": MailServer("mail.example.org", 587, tls=False, starttls=True),
        "smtp://Mail.Example.org:25/": MailServer("mail.example.org", 25, tls=False, starttls=True),
        "smtp://10.0.0.5": MailServer("10.0.0.5", 587, tls=False, starttls=True),
        "smtps://mail.example.org": MailServer("mail.example.org", 465, tls=True, starttls=False),
        "smtp://localhost:25": MailServer("localhost", 25, tls=False, starttls=False),
        "smtp://127.0.0.1:25": MailServer("127.0.0.1", 25, tls=False, starttls=False),
        "smtp://[::1]:25": MailServer("::1", 25, tls=False, starttls=False),
        "smtps://localhost": MailServer("localhost", 465, tls=True, starttls=False),
        "smtp://a%40b:p%2Fw@mail.example": MailServer(
            "mail.example", 587, tls=False, starttls=True, username="a@b", password="p/w"
        ),
    }.items():
        assert parse_mail_server(url) == expected, url
    assert "p/w" not in repr(parse_mail_server("smtp://a:p%2Fw@mail.example"))


NO_SERVERS = (
    "mail.example.org",
    "http://mail.example.org",
    "smtp://",
    "smtp://user@mail.example.org",
    "smtp://user:zq-secret@mail.example.org:0",
    "smtp://user:zq-secret@mail.example.org:99999",
    "smtp://user:zq-secret@mail.example.org/path",
    "smtp://user:zq secret@mail.example.org",
    "smtp://user:zq-secret@mail.example.org?starttls=no",
    "smtp://user:zq@secret@mail.example.org",
)


@pytest.mark.parametrize("url", NO_SERVERS)
def test_what_is_no_mail_server_refuses_to_start_and_is_not_repeated(url: str) -> None:
    given = {"smtp_url": url, "mail_from": HEAD.sender, "public_url": HEAD.url}
    refused = run("worker", secret_key=SETTINGS_SECRET.get_secret_value(), **given)
    assert refused.returncode == 2
    assert "BN_SMTP_URL" in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("lacks", ["mail_from", "public_url"])
def test_mail_without_a_sender_or_an_address_for_its_links_refuses_to_start(lacks: str) -> None:
    given = {"mail_from": HEAD.sender, "public_url": HEAD.url}
    del given[lacks]
    secret = {"secret_key": SETTINGS_SECRET.get_secret_value()}
    for command in ("worker", "serve"):
        refused = run(command, smtp_url="smtp://mail.example", **given, **secret)
        assert refused.returncode == 2
        assert f"BN_{lacks.upper()}" in refused.stderr
    with pytest.raises(ValidationError):
        Settings(secret_key=SETTINGS_SECRET, mail_from="no address")
    # without mail neither is needed
    assert post_office(Settings(secret_key=SETTINGS_SECRET)) is None


async def test_without_the_setting_nothing_is_looked_at_or_sent(
    owing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(Post, "go_round", lambda *_: asked.append(1))
    told_to_stop = asyncio.Event()
    told_to_stop.set()
    office = post_office(Settings(secret_key=SETTINGS_SECRET))
    await work_until(told_to_stop, owing.database, Destinations(), office)
    assert asked == []
    assert await mails_of(owing, owing.clinician) == []


async def test_a_worker_sends_until_it_is_told_to_stop(owing: World) -> None:
    async with mail_server() as box:
        told_to_stop = asyncio.Event()
        working = asyncio.create_task(
            work_until(told_to_stop, owing.database, Destinations(), box.office())
        )
        await box.has_received(1)
        told_to_stop.set()
        await working
    (mail,) = await mails_of(owing, owing.clinician)
    assert mail.status == MailStatus.sent


# ---------------------------------------------------------------------------------- the hour


@pytest.mark.parametrize(
    ("now", "zone", "then"),
    [
        ("2026-03-02T05:00", "UTC", "2026-03-02T07:00"),
        ("2026-03-02T07:00", "UTC", "2026-03-03T07:00"),
        ("2026-03-02T12:00", "Europe/Berlin", "2026-03-03T06:00"),
        # summer time begins on the 29th, and ends on the 25th of October
        ("2026-03-28T12:00", "Europe/Berlin", "2026-03-29T05:00"),
        ("2026-10-24T12:00", "Europe/Berlin", "2026-10-25T06:00"),
        ("2026-03-02T23:00", "Asia/Tokyo", "2026-03-03T22:00"),
    ],
)
def test_the_next_daily_mail_is_at_seven_in_the_clinic(now: str, zone: str, then: str) -> None:
    instants = (datetime.fromisoformat(f"{each}+00:00") for each in (now, then))
    at, expected = instants
    assert next_digest(at.astimezone(UTC), ZoneInfo(zone)) == expected
