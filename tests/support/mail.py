"""A mail server of this machine: it keeps what it is given, and takes it or not as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from api.domain.vocabulary import EmailNotices
from api.interop.email.handing_over import PostOffice
from api.interop.email.letters import Letterhead
from api.interop.email.post import Post
from api.runtime.mail_server import MailServer
from api.storage.models.mails import Mail, MailKind
from api.storage.models.people import Clinic
from tests.support.world import NOON, Person, World, made, ok

HEAD = Letterhead("notes@mail.example", "https://notes.example")
OK = "250 OK"


@dataclass
class Mailbox:
    """What a mail server was given, and what it says of each address and of all that is said."""

    of_addresses: list[str] = field(default_factory=list)
    of_words: list[str] = field(default_factory=list)
    port: int = 0
    received: list[tuple[list[str], bytes]] = field(default_factory=list)
    names: list[Any] = field(default_factory=list)
    in_tls: list[bool] = field(default_factory=list)
    may_answer: asyncio.Event | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def messages(self) -> list[EmailMessage]:
        """Read what was taken, or would have been."""
        read = BytesParser(policy=default).parsebytes
        return [read(data) for _, data in self.received]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Give the address of each message, and the first line of its text."""
        return [(str(each["To"]), each.get_content().splitlines()[0]) for each in self.messages]

    async def has_received(self, number: int) -> None:
        """Wait until so many messages were given."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.received) >= number)

    # what aiosmtpd asks

    async def handle_RCPT(  # noqa: N802 - the library's own
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answer = self.of_addresses.pop(0) if self.of_addresses else OK
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.received.append(([str(each) for each in envelope.rcpt_tos], envelope.content))
        self.in_tls.append(session.ssl is not None)
        async with self._news:
            self._news.notify_all()
        if self.may_answer is not None:
            await self.may_answer.wait()
        return self.of_words.pop(0) if self.of_words else OK

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Let anybody in, and keep who they say they are."""
        self.names.append((data.login, data.password))
        return AuthResult(success=True)

    def office(self, **how: Any) -> PostOffice:
        """Give it as a worker knows it: in the clear, unless `how` says otherwise."""
        trust = how.pop("trust", None)
        plain: dict[str, Any] = {"host": "127.0.0.1", "tls": False, "starttls": False}
        return PostOffice(MailServer(port=self.port, **(plain | how)), HEAD, trust)


@asynccontextmanager
async def mail_server(
    starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, **how: Any
) -> AsyncIterator[Mailbox]:
    """Open a mail server on a free port."""
    box = Mailbox(**how)
    loop = asyncio.get_running_loop()

    def greet() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=box.authenticate,
            auth_require_tls=starttls is not None,
            enable_SMTPUTF8=True,
        )

    server = await loop.create_server(greet, "127.0.0.1", 0, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        if box.may_answer is not None:
            box.may_answer.set()
        server.close()
        # what was closed is let go in the loop's next rounds
        for _ in range(3):
            await asyncio.sleep(0)


FAR = NOON + timedelta(days=40_000)


async def forget_mail(world: World) -> None:
    """Let no clinic have anything to do: a worker works for every one of other tests, too."""
    async with world.owner.transaction() as tx:
        await tx.exec(sa.update(Mail).values(next_attempt_at=None))
        await tx.exec(sa.update(Clinic).values(mailed_until=FAR, digest_due_at=FAR))
        ours = [people["admin"].clinic_id for people in (world.here, world.there)]
        begin = sa.update(Clinic).where(Clinic.id.in_(ours))  # type: ignore[attr-defined]
        await tx.exec(begin.values(mailed_until=None, digest_due_at=None))


async def go_round(world: World, box: Mailbox, **how: Any) -> int:
    """Let a worker go round until nothing is to be done; count what it tried to send."""
    # what happened just now is looked at a little later
    world.clock.forward(seconds=5)
    post = Post(world.database, box.office(**how))
    tried = await post.go_round()
    return tried + (await go_on(post) if tried else 0)


async def go_on(post: Post) -> int:
    """Go round for as long as there is something to carry."""
    total = 0
    while tried := await post.go_round():
        total += tried
    return total


async def choose(person: Person, wish: EmailNotices) -> None:
    """Let somebody say when they are written to."""
    ok(await person.patch("/v1/me", {"email_notices": wish}))


async def raise_flag(
    world: World, case: dict[str, Any], severity: str = "critical", **how: Any
) -> dict[str, Any]:
    """Let the supervisor raise a flag by hand."""
    told = {"severity": severity, "title": "Look at this", "because": "It was told.", **how}
    return made(await world.supervisor.post(f"/v1/cases/{case['id']}/flags", told))


async def mails_of(world: World, person: Person) -> list[Mail]:
    """Read what somebody is or was owed, in its order."""
    async with world.owner.transaction() as tx:
        rows = await tx.exec(sa.select(Mail).where(Mail.user_id == person.id).order_by(Mail.id))  # type: ignore[arg-type]
        return [row for (row,) in rows]


async def owe_in_vain(world: World, person: Person) -> None:
    """Leave somebody with an e-mail that is never tried."""
    async with world.database.transaction() as tx:
        await tx.enter(person.clinic_id)
        of: dict[str, Any] = {"clinic_id": person.clinic_id, "user_id": person.id}
        dated: dict[str, Any] = {"created_at": tx.now, "updated_at": tx.now}
        tx.add(Mail(**of, **dated, kind=MailKind.daily, source_id=uuid4()))
