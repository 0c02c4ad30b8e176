"""Numbers for whoever watches over the server, as Prometheus reads them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.security.utils import get_authorization_scheme_param
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.exceptions import HTTPException

from api.domain.errors import Unauthorized
from api.domain.vocabulary import Severity
from api.http.strict_route import StrictRoute
from api.journal.tree_heads import UNSEALED_EVERYWHERE
from api.runtime.metrics import write_all
from api.storage.database import Database
from api.storage.models.clinical import Case
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.models.integration import WebhookDelivery
from api.storage.models.mails import Mail, MailStatus
from api.storage.questions import AcrossClinics

router = APIRouter(route_class=StrictRoute)

Counts = Mapping[tuple[str, str], int | None]


# for those who run the server, not for those who write software for clinics
@router.get("/metrics", include_in_schema=False)
async def read_metrics(request: Request) -> Response:
    """Give the numbers of all processes of this server, and of all clinics together.

    For a scraper that knows the token of `BN_METRICS_TOKEN`, 401 for others; 404 where none is set.
    A database that does not answer is one of the numbers.
    """
    _refuse_strangers(request)
    database: Database = request.app.state.database
    now = database.clock()
    try:
        async with database.transaction() as tx:
            found = (await tx.ask_everywhere(_STANDING_COUNTS)).all()
    except (SQLAlchemyError, OSError):
        standing: list[Metric] = []
    else:
        standing = list(_standing({(what, kind): number for what, kind, number in found}, now))
    program = _gauge("bn_build_info", "This program: always 1.", ("version", "migration"))
    program.add_metric([request.app.version, request.app.state.readiness.revision], 1)
    answers = _gauge("bn_database_up", "1: the database answered this very question; 0: not.")
    answers.add_metric([], bool(standing))
    content = write_all(_Together([program, answers, *standing]))
    return Response(content, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _refuse_strangers(request: Request) -> None:
    expected: bytes | None = request.app.state.metrics_token
    if expected is None:
        raise HTTPException(404)
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not compare_digest(token.encode(), expected):
        raise Unauthorized("This token does not open the metrics.")


class _Together(Collector):
    """Numbers that were just asked for."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _standing(counts: Counts, now: datetime) -> Iterator[Metric]:
    flags = _gauge(
        "bn_flags_unresolved", "Flags that wait for somebody, of all clinics.", ("severity",)
    )
    for severity in Severity:
        flags.add_metric([severity], counts.get(("flags", severity)) or 0)
    yield flags
    for what, name, meaning in (
        ("entries", "bn_journal_unsealed_entries", "Entries of the journal without a seal."),
        ("deliveries", "bn_deliveries_pending", "Deliveries to webhooks still to be tried."),
    ):
        yield _gauge(name, meaning, value=counts.get((what, "waiting")) or 0)
    yield from _of_mail(counts)
    for what, name, meaning in (
        ("entries", "bn_journal_unsealed_seconds", "Age of the oldest entry without a seal."),
        ("deliveries", "bn_deliveries_overdue_seconds", "How long the first delivery is overdue."),
        ("cases", "bn_cases_overdue_seconds", "How long a case has waited for the rules to look."),
        ("mails", "bn_mails_overdue_seconds", "How long the first e-mail is overdue."),
    ):
        since = counts.get((what, "since"))
        waited = 0 if since is None else now.timestamp() - since
        yield _gauge(name, meaning, value=max(0, waited))


def _of_mail(counts: Counts) -> Iterator[Metric]:
    # no row is ever taken away, so these only grow
    ended = CounterMetricFamily("bn_mails", "E-mails that are over.", labels=("outcome",))
    for status in _OVER:
        ended.add_metric([status], counts.get(("mails", status)) or 0)
    yield ended
    pending = sum(
        counts.get(("mails", status)) or 0 for status in MailStatus if status not in _OVER
    )
    yield _gauge("bn_mails_pending", "E-mails still to be tried.", value=pending)
    failing = counts.get(("mails", "failing")) or 0
    yield _gauge("bn_mails_failing", "Of these, those that were tried in vain.", value=failing)


_OVER = (MailStatus.sent, MailStatus.given_up, MailStatus.uncertain, MailStatus.needless)


def _gauge(
    name: str, meaning: str, labels: tuple[str, ...] = (), value: float | None = None
) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value, labels=labels or None)


def _seconds(instant: Any) -> Any:
    """Count in SQLite's SQL from 1970."""
    return sa.cast(sa.func.strftime("%s", instant), sa.BigInteger)


def _row(what: str, kind: str, number: Any) -> Any:
    return sa.select(sa.literal(what), sa.literal(kind), number)


# a text among others
_severity = sa.type_coerce(col(Flag.severity), sa.Text)
_waiting = UNSEALED_EVERYWHERE.subquery()
_due = col(WebhookDelivery.next_attempt_at)
_mail_due = col(Mail.next_attempt_at)
_mail_status = sa.type_coerce(col(Mail.status), sa.Text)

_STANDING_COUNTS = AcrossClinics(
    plain=sa.union_all(
        select(sa.literal("flags"), _severity, sa.func.count())
        .where(IS_UNRESOLVED)
        .group_by(_severity),
        _row("entries", "waiting", sa.func.count()).select_from(_waiting),
        _row("entries", "since", _seconds(sa.func.min(_waiting.c.at))),
        _row("deliveries", "waiting", sa.func.count()).where(_due.is_not(None)),
        _row("deliveries", "since", _seconds(sa.func.min(_due))),
        _row("cases", "since", _seconds(sa.func.min(Case.recheck_at))),
        select(sa.literal("mails"), _mail_status, sa.func.count()).group_by(_mail_status),
        _row("mails", "failing", sa.func.count()).where(_mail_due.is_not(None), Mail.attempts > 0),
        _row("mails", "since", _seconds(sa.func.min(_mail_due))),
    ),
    guarded=sa.text("SELECT what, kind, number FROM standing_counts()"),
)
