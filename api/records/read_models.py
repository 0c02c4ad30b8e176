"""What more than one door shows: cases with the flags a reader may see, and flags themselves."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy import or_
from sqlmodel import col, select

from api.access.case_relationship import WaitingFlag
from api.access.visibility.accounts import reads_its_account
from api.access.visibility.named import seen_of
from api.access.visibility.reader import reader
from api.access.visibility.records import may_see_flag
from api.domain.door import ToldAtDoor
from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Output
from api.domain.vocabulary import (
    AttachmentRole,
    Audience,
    CaseStatus,
    Determination,
    FlagStatus,
    Phase,
    PromptName,
    RuleName,
    Setting,
    Severity,
    VoidReason,
    severity_rank,
)
from api.records.flag_words import FlagWords, told_to
from api.storage.models.access import Supervision
from api.storage.models.clinical import Case
from api.storage.models.columns import Named
from api.storage.models.flags import IS_UNRESOLVED, Flag
from api.storage.transaction import Transaction

FlagRule = RuleName | PromptName | Literal["manual"]
"""What may stand in a flag's `rule`."""


class RecordRead(Output):
    """What every record says of itself. `version` is also its ETag, for `If-Match`."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    recorded_by_id: UUID | None
    version: int


class EvidenceRead(Output):
    """A record that a flag points at."""

    type: Literal["incident", "promise", "flag", "account", "response", "case"]
    id: UUID


class FlagRead(RecordRead):
    """A request to look at a case. It is never a finding about anyone.

    `effective_at` is when its condition came true and was known; `due_at` is by when a look is
    wanted (none for a prompt); `condition_holds` is false when the facts no longer raise it. The
    determination, its note, by whom and when are there while the flag is resolved; opened again,
    it has them no more, and `/v1/flags/{flag_id}/resolutions` tells of each that stood before.
    `evidence` names the records it points at that the reader may see. `title` and `because` are
    English, as they stood when it was raised; `says` is the same in the language of the reader,
    null where that is English, or where the flag was raised by hand or by earlier rules.
    """

    case_id: UUID
    rule: str
    title: str
    severity: Severity
    audience: Audience
    because: str
    evidence: list[EvidenceRead]
    restricted: bool
    effective_at: datetime
    due_at: datetime | None
    status: FlagStatus
    condition_holds: bool
    assigned_to_id: UUID | None
    acknowledged_at: datetime | None
    determination: Determination | None
    resolution_note: str | None
    resolved_by_id: UUID | None
    resolved_at: datetime | None
    reopen_reason: str | None
    rule_version: int
    # a row's own `says` is what words are made of; they are added by who knows the reader
    says: FlagWords | None = Field(default=None, validation_alias="words")


class FlagSummary(Output):
    """The unresolved flags of a case that this reader may see."""

    open: int
    top_severity: Severity | None
    next_due_at: datetime | None


class CaseFields(RecordRead):
    """What stands in a case itself."""

    client_ref: str | None
    clinician_id: UUID
    status: CaseStatus
    setting: Setting | None
    started_on: date | None
    ended_on: date | None
    phase: Phase
    attachment_roles: list[AttachmentRole]
    sessions_per_week: float | None
    agreed_sessions: int | None
    is_minor: bool | None
    voided_at: datetime | None
    void_reason: VoidReason | None
    purged_at: datetime | None


class CaseRead(CaseFields):
    """A client's therapy. `client_ref` is the clinic's own pseudonym for the client.

    Like every sealed text it is null for software without the scope `narrative:read`, and for
    everybody once the texts of the case were destroyed, at `purged_at`.
    """

    flags: FlagSummary


_NOTHING_WAITS = FlagSummary(open=0, top_severity=None, next_due_at=None)


def summary_of(flags: Sequence[WaitingFlag]) -> FlagSummary:
    """Sum up unresolved flags: how many, how severe, and which is due first."""
    if not flags:
        return _NOTHING_WAITS
    return FlagSummary(
        open=len(flags),
        top_severity=max((flag.severity for flag in flags), key=severity_rank, default=None),
        next_due_at=min((flag.due_at for flag in flags if flag.due_at), default=None),
    )


_WAITING = sa.select(
    col(Flag.case_id),
    col(Flag.severity),
    col(Flag.due_at),
    col(Flag.audience),
    col(Flag.restricted),
).where(
    col(Flag.clinic_id) == sa.bindparam("clinic"),
    col(Flag.case_id).in_(sa.bindparam("cases", expanding=True)),
    IS_UNRESOLVED,
)


async def waiting_on(
    tx: Transaction, me: Actor, cases: Iterable[Case]
) -> dict[UUID, list[WaitingFlag]]:
    """Give what waits on each of these cases; of what clients said, what this reader reads."""
    waiting: dict[UUID, list[WaitingFlag]] = {case.id: [] for case in cases}
    statement = _WAITING.where(reads_its_account(reader(tx, me)))
    asked = {"clinic": tx.clinic.id, "cases": list(waiting)}
    for case_id, *flag in await tx.exec(statement, asked):
        waiting[case_id].append(WaitingFlag(*flag))
    return waiting


def show_case(case: Case, standing: Standing, waiting: Iterable[WaitingFlag]) -> CaseRead:
    """Show one case, with those of its unresolved flags summed up that this reader may see."""
    seen = [
        flag
        for flag in waiting
        if may_see_flag(standing, flag.audience, restricted=flag.restricted)
    ]
    return CaseRead.model_validate({**case.__dict__, "flags": summary_of(seen)})


async def show_flags(tx: Transaction, me: Actor, flags: Sequence[Flag]) -> list[FlagRead]:
    """Show flags, each with what it points at, as far as this reader sees those records."""
    named = [flag.named_records() for flag in flags]
    seen = await seen_of(tx, me, chain.from_iterable(named))
    told = told_to(me)
    return [_show_flag(*each, seen, told(each[0])) for each in zip(flags, named, strict=True)]


async def show_flag(tx: Transaction, me: Actor, flag: Flag) -> FlagRead:
    """Show one flag."""
    (shown,) = await show_flags(tx, me, [flag])
    return shown


def _show_flag(
    flag: Flag, named: Sequence[Named], seen: Collection[Named], words: FlagWords | None
) -> FlagRead:
    told = {name: getattr(flag, name) for name in FlagRead.model_fields}
    told["evidence"] = [
        each for each, record in zip(flag.evidence, named, strict=True) if record in seen
    ]
    told["words"] = words
    return FlagRead.model_validate(told)


def flags_raised(
    me: Actor, flags: Iterable[Flag], standing: Standing, account_id: UUID | None = None
) -> list[FlagRead]:
    """Show the flags a write opened or worsened just now, as far as the writer may see them.

    What these point at, the rules have just looked at for whom the flag is: nothing is hidden yet.
    `account_id`: what the record is of that was written; whoever writes that reads it.
    """
    told = told_to(me)
    return [
        FlagRead.model_validate(flag).model_copy(update={"says": told(flag)})
        for flag in _raised(me, flags, standing)
        if flag.account_id in (None, account_id)
    ]


async def flags_raised_before(
    tx: Transaction, me: Actor, flags: Iterable[Flag], standing: Standing
) -> list[FlagRead]:
    """Show the flags that an earlier write opened or worsened, as this reader may see them now."""
    raised = _raised(me, flags, standing)
    if about := [flag.id for flag in raised if flag.account_id is not None]:
        read = select(col(Flag.id)).where(
            Flag.clinic_id == tx.clinic.id,
            col(Flag.id).in_(about),
            reads_its_account(reader(tx, me)),
        )
        kept = set(about) - set(await tx.exec(read))
        raised = [flag for flag in raised if flag.id not in kept]
    return await show_flags(tx, me, raised)


def _raised(me: Actor, flags: Iterable[Flag], standing: Standing) -> list[Flag]:
    if not may_ever(me, Action.flag_read):
        # software that records and was not given flags:read
        return []
    return [
        flag
        for flag in sorted(flags, key=lambda flag: (-severity_rank(flag.severity), flag.rule))
        if may_see_flag(standing, flag.audience, restricted=flag.restricted)
    ]


class ClinicRead(Output):
    """The clinic. `retention_years`: how long texts outlast the end of a case; null: for ever.

    `language` is what its people and software are told things in who have asked for no other. What
    begins with `door_` is told at its clients' door, see the change of it.
    """

    id: UUID
    name: str
    time_zone: str
    requires_totp: bool
    retention_years: int | None
    created_at: datetime
    updated_at: datetime
    version: int
    language: str | None
    door_emergency_text: ToldAtDoor
    door_duty_text: ToldAtDoor
    door_elsewhere_text: ToldAtDoor
    door_leave_to: str | None
    door_read_within_days: int
    door_languages: list[str]
    door_offer: list[str]


class SupervisionRead(RecordRead):
    """A supervisor answers for a clinician's work until the day before `ends_on`."""

    supervisor_id: UUID
    clinician_id: UUID
    starts_on: date
    ends_on: date | None


async def supervisions_of(tx: Transaction, user_id: UUID) -> list[SupervisionRead]:
    """Show the links in which somebody supervises or is supervised, the oldest first."""
    rows = await tx.exec(
        select(Supervision)
        .where(
            Supervision.clinic_id == tx.clinic.id,
            or_(
                col(Supervision.supervisor_id) == user_id,
                col(Supervision.clinician_id) == user_id,
            ),
        )
        .order_by(col(Supervision.id))
    )
    return [SupervisionRead.model_validate(row) for row in rows]
