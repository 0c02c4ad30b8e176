"""What an e-mail says: of what sort something is, how much of it, and where to sign in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from uuid import UUID

from api.domain.vocabulary import DatePrecision, Severity
from api.interop.email.concerned import Waiting
from api.languages.messages import mail_id
from api.languages.spoken import Spoken
from api.storage.models.mails import MailKind


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What is the same on every e-mail: whom it is from, and what its links begin with."""

    sender: str
    url: str


_PLAIN = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\]\\]{1,64}@[^\s\x00-\x1f\x7f\"(),:;<>@\[\]\\]+")


def is_plain(address: str) -> bool:
    """Tell whether an address is read as one and the same by every mail server on the way.

    Somebody may sign in by one that is not: with a comma or brackets it could be another's.
    """
    return _PLAIN.fullmatch(address) is not None


def write_letter(
    head: Letterhead, to: str, about: UUID, says: tuple[str, str], now: datetime
) -> EmailMessage:
    """Write an e-mail. `about`: its own id; `says`: its subject and text; `now`: in the zone.

    Its Message-ID is the same for every try, so that who gets it twice can tell.
    """
    subject, text = says
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["From"] = head.sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{about}@{head.sender.rpartition('@')[2]}>"
    # nobody's "I am away" comes back (RFC 3834)
    message["Auto-Submitted"] = "auto-generated"
    # no server on the way need understand more than seven bits
    message.set_content(text, cte="7bit" if text.isascii() else "quoted-printable")
    return message


def what_is_said(
    kind: MailKind, waiting: Waiting, language: Spoken, now: datetime, head: Letterhead
) -> tuple[str, str]:
    """Give the subject and the text: all that an e-mail ever says is in here."""
    subject = _SUBJECTS.get(kind.name, "subject_notice")
    lines = [
        *_news(kind, waiting, language, now, head),
        _say(language, "link").format(link=f"{head.url}/desk"),
        _say(language, "why_so_short").format(me=f"{head.url}/desk/me"),
    ]
    return _say(language, subject), "\n\n".join(lines) + "\n"


_SUBJECTS = {
    "daily": "subject_waiting",
    "critical": "subject_critical",
    "not_safe": "subject_critical",
    "not_safe_unread": "subject_critical",
}


def _news(
    kind: MailKind, waiting: Waiting, language: Spoken, now: datetime, head: Letterhead
) -> Iterator[str]:
    match kind:
        case MailKind.daily:
            yield _how_much_waits(waiting, language, now)
        case MailKind.critical:
            yield _say(language, "critical_came")
            yield _how_much_waits(waiting, language, now)
        case MailKind.password:
            yield _say(language, kind)
            yield _say(language, "password_advice").format(sessions=f"{head.url}/desk/me")
        case _:
            yield _say(language, kind)


def _how_much_waits(waiting: Waiting, language: Spoken, now: datetime) -> str:
    gravest_first = [severity for severity in reversed(Severity) if waiting.get(severity)]
    counts = ", ".join(
        _say(language, f"of_{each}", waiting[each]).format(n=waiting[each])
        for each in gravest_first
    )
    number = sum(waiting.values())
    day = language.day(now.date(), DatePrecision.day)
    return _say(language, "waiting", number).format(day=day, n=number, counts=counts)


def _say(language: Spoken, name: str, number: int | None = None) -> str:
    return language.text(mail_id(name), number)
