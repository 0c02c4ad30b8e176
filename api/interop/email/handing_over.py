"""Hands one e-mail to the mail server, and tells what came of it: never a word of its answer."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from uuid import UUID

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from api.interop.email.letters import Letterhead
from api.runtime.mail_server import MailServer

TIME_LIMIT = 10.0
"""Seconds that it may take to come as far as the words, and the same again for the words."""
_FAREWELL = 1.0


class Result(StrEnum):
    """What came of one try."""

    sent = "sent"
    """The mail server took it."""
    refused = "refused"
    """It takes nothing for this address, or not these words: to try again would be in vain."""
    failed = "failed"
    """Nobody answers, or not in time, or nothing is taken just now; or there is no TLS."""
    uncertain = "uncertain"
    """The words were on their way, and there was no answer."""
    not_ours = "not_ours"
    """Somebody else had begun to hand it over: it was left to them."""


@dataclass(frozen=True, slots=True)
class PostOffice:
    """The operator's mail server, and what stands on each e-mail. `trust`: None: the system's."""

    server: MailServer
    head: Letterhead
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail on its way, with all that is needed to hand it over. `version`: of its row."""

    clinic_id: UUID
    mail_id: UUID
    version: int
    to: str
    message: EmailMessage


async def hand_over(
    letter: Letter, office: PostOffice, begin: Callable[[], Awaitable[bool]]
) -> Result:
    """Try once. `begin` is asked last before the words: it keeps that they are on their way.

    One connection and one recipient for each, so that what one is refused for is no other's.
    """
    client = _client(office)
    try:
        return await _speak(client, letter, office, begin)
    finally:
        # what was said was said: nobody waits for long to hear goodbye
        with suppress(SMTPException, OSError, TimeoutError):
            await client.quit(timeout=_FAREWELL)
        client.close()


def _client(office: PostOffice) -> SMTP:
    server = office.server
    return SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.tls,
        # said outright: left open, words would go in the clear where TLS is not offered
        start_tls=server.starttls,
        tls_context=office.trust,
        # else the system is asked for a name of this machine, which the server would pass on
        local_hostname=office.head.sender.rpartition("@")[2],
        timeout=TIME_LIMIT,
    )


async def _speak(
    client: SMTP, letter: Letter, office: PostOffice, begin: Callable[[], Awaitable[bool]]
) -> Result:
    try:
        async with asyncio.timeout(TIME_LIMIT):
            await client.connect()
            await _address(client, letter, office)
    except SMTPRecipientRefused as error:
        return _after_refusal(error)
    except (SMTPException, OSError, TimeoutError):
        return Result.failed
    # not within a time limit: what breaks off a transaction may leave its connection open
    if not await begin():
        return Result.not_ours
    try:
        async with asyncio.timeout(TIME_LIMIT):
            await client.data(letter.message.as_bytes())
    except SMTPDataError as error:
        return _after_refusal(error)
    except (SMTPException, OSError, TimeoutError):
        return Result.uncertain
    return Result.sent


async def _address(client: SMTP, letter: Letter, office: PostOffice) -> None:
    international = [] if letter.to.isascii() else ["SMTPUTF8"]
    await client.mail(office.head.sender, options=international)
    await client.rcpt(letter.to, encoding="utf-8")


def _after_refusal(error: SMTPResponseException) -> Result:
    """Tell a refusal for good, a 5xx, from one for now."""
    return Result.refused if 500 <= error.code < 600 else Result.failed
