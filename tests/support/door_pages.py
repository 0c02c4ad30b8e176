"""Somebody at the pages of the door: a browser without a window, with a code or a receipt."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from sqlalchemy import func
from sqlmodel import col, select
from starlette.routing import Route

from api.storage.models.accounts import Account
from tests.support.desk import Seat, Sheet, Shown, goes_to
from tests.support.door import invite, open_door
from tests.support.world import World, ok

VISIT = "__Host-door"
ENTRY, INSIDE, SAY, MINE = "/door", "/door/in", "/door/say", "/door/mine"
LOOK_BACK = "/door/look-back"
WHO_READS, LEAVE = "/door/who-reads", "/door/leave"
OF_NOBODY = "0000-0000-0000-0000"
TITLE = "A page of your clinic"
RECEIPT = re.compile(r'<code class="receipt" translate="no">([0-9A-Z-]{19})</code>')

IN_SPANISH_TOO: dict[str, Any] = {
    "door_languages": ["en", "es"],
    "door_emergency_text": {
        "en": "Call the emergency number of where you are.",
        "es": "Llame al número de emergencias.",
    },
    "door_duty_text": {"en": "A danger may be passed on.", "es": "Un peligro puede comunicarse."},
    "door_elsewhere_text": {"en": "The patients' office.", "es": "La oficina de pacientes."},
}
"""What a clinic says whose door is in two languages."""

Values = Mapping[str, str | list[str]]


class Caller(Seat):
    """Somebody who comes to the door."""

    @property
    def visit(self) -> str | None:
        """The visit's cookie."""
        return self.http.cookies.get(VISIT)

    def carry(self, token: str) -> None:
        """Let the browser hold this as its visit."""
        self.http.cookies.set(VISIT, token, domain="testserver.local", path="/")

    async def knock(self, typed: str) -> Shown:
        """Enter a code or a receipt."""
        return await self.submit((await self.open(ENTRY)).form_at(ENTRY), {"code": typed})

    async def come_in(self, typed: str) -> "Caller":
        """Enter one that opens."""
        assert goes_to(await self.knock(typed)) == INSIDE
        assert self.visit is not None
        return self

    async def say(self, values: Values | None = None) -> Shown:
        """Say what happened, by the form."""
        page = await self.open(SAY)
        assert page.status == 200, page.text
        return await self.submit(page.form_at(SAY), {"happened": "It was said.", **(values or {})})

    async def look_back(self, values: Values | None = None) -> Shown:
        """Look back, by the form; the names of items stand for their fields."""
        page = await self.open(LOOK_BACK)
        assert page.status == 200, page.text
        form = page.form_at(LOOK_BACK)
        return await self.submit(form, answering({"listened_to": ["4"], **(values or {})}))

    async def do(self, what: str, values: Values | None = None, n: int = 1) -> Shown:
        """Do something with what was sent, by its form."""
        page = await self.open(f"{MINE}/{n}")
        assert page.status == 200, page.text
        return await self.submit(form_of(page, what), values)


def answering(values: Values) -> Values:
    """Give what is typed and chosen by the names of fields: those of items begin alike."""
    ours = {"shared", "no_receipt", "code"}
    return {name if name in ours else f"answer-{name}": each for name, each in values.items()}


def form_of(page: Shown, what: str) -> Sheet:
    """Give the form of a page that does something."""
    return next(
        each
        for each in page.forms
        if any(field.name == "do" and field.values == [what] for field in each.controls)
    )


def receipt_on(page: Shown) -> str:
    """Give the receipt that a page shows."""
    (receipt,) = RECEIPT.findall(page.text)
    return str(receipt)


async def called(world: World, **case: Any) -> tuple[dict[str, Any], str, Caller]:
    """Give a case of the clinician's, a code to its door, and its client inside."""
    await open_door(world)
    opened = await world.clinician.case(**case)
    code = (await invite(world.clinician, opened))["code"]
    return opened, code, await Caller(world).come_in(code)


def pages_of_door(app: FastAPI, method: str) -> list[str]:
    """Give the addresses of the door's pages that answer a method."""
    return [*_pages(app, method)]


def _pages(app: FastAPI, method: str) -> Iterator[str]:
    for route in app.routes:
        # operations of the API are routes of another kind
        if type(route).__module__.startswith("api.desk") and isinstance(route, Route):
            ours = route.path == ENTRY or route.path.startswith(f"{ENTRY}/")
            if ours and method in (route.methods or ()):
                yield route.path


async def count(world: World, table: Any) -> int:
    """Count the rows that a clinic has in a table."""
    here = table.clinic_id == world.clinician.clinic_id
    async with world.owner.transaction() as tx:
        found: int = (await tx.exec(select(func.count()).select_from(table).where(here))).one()
    return found


async def sent_and_read(world: World) -> tuple[dict[str, Any], str, Caller]:
    """Give a case, the receipt for what was sent by its code, and who holds it, inside."""
    case, _, client = await called(world)
    receipt = receipt_on(await client.say({"wants": ["an_answer"]}))
    return case, receipt, await Caller(world).come_in(receipt)


async def name_of(world: World, person: Any) -> str:
    """Give what somebody is called."""
    name: str = ok(await person.get("/v1/me"))["name"]
    return name


async def called_again(world: World) -> Caller:
    """Give the client of another case, inside."""
    invited = await invite(world.clinician, await world.clinician.case())
    return await Caller(world).come_in(invited["code"])


async def accounts_of(world: World) -> list[Account]:
    """Give all accounts of a clinic."""
    here = select(Account).where(Account.clinic_id == world.clinician.clinic_id)
    async with world.database.transaction() as tx:
        await tx.enter_for_work(world.clinician.clinic_id)
        return list((await tx.exec(here.order_by(col(Account.id)))).all())
