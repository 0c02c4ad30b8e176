"""Opens the files of several cases at once, or copies them: a statement for each table."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import ColumnElement, or_, true
from sqlmodel import col, select

from api.domain.rules.facts import CaseFact, Facts, PromiseFact
from api.domain.rules.modes import monitored_rules
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import FlagStatus
from api.flags.case_facts import (
    CASES,
    CONSULTATION,
    HIDEABLE,
    PAGE,
    CaseFile,
    Sorted,
    case_fact,
    consultation_fact,
    incident_fact,
    standing_or_hidden,
)
from api.flags.door_facts import with_door_facts
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.flags import Flag, MonitoredFinding
from api.storage.models.people import Clinic
from api.storage.transaction import Transaction

_CASE_STATE = (
    col(Case.id),
    col(Case.recheck_at),
    col(Case.door_used),
    col(Case.ended_on),
    col(Case.status),
    col(Case.started_on),
    col(Case.sessions_per_week),
    col(Case.is_minor),
)
_KNOWN = 4
"""Where in these what rules know of the therapy begins."""
_FLAG_STATE = (
    col(Flag.id),
    col(Flag.account_id),
    col(Flag.rule),
    col(Flag.severity),
    col(Flag.audience),
    col(Flag.because),
    col(Flag.says),
    col(Flag.evidence),
    col(Flag.restricted),
    col(Flag.effective_at),
    col(Flag.due_at),
    col(Flag.status),
    col(Flag.condition_holds),
    col(Flag.acknowledged_at),
    col(Flag.resolved_at),
    col(Flag.updated_at),
)
_MONITORED_STATE = (
    col(MonitoredFinding.id),
    col(MonitoredFinding.rule),
    col(MonitoredFinding.severity),
    col(MonitoredFinding.restricted),
    col(MonitoredFinding.evidence),
    col(MonitoredFinding.ended_at),
)


def _of_several(model: Any, columns: Sequence[Any], standing: ColumnElement[bool]) -> Any:
    statement = sa.select(model.case_id, *columns)
    ordered = statement.order_by(model.case_id, model.id)
    return ordered.where(model.case_id.in_(CASES), standing).limit(PAGE)


_STANDING = {
    model: _of_several(model, columns, model.voided_at.is_(None))
    for model, (columns, _) in HIDEABLE.items()
}
_CONSULTATIONS_OF_SEVERAL = _of_several(Consultation, CONSULTATION, true())
_FLAGS_OF_SEVERAL = _of_several(Flag, _FLAG_STATE, col(Flag.status) != FlagStatus.withdrawn)
_MONITORED_OF_SEVERAL = _of_several(MonitoredFinding, _MONITORED_STATE, true())
_STATE_OF_SEVERAL = sa.select(*_CASE_STATE).where(
    col(Case.id).in_(CASES), col(Case.voided_at).is_(None), col(Case.purged_at).is_(None)
)


_STANDING_OR_HIDDEN = {
    model: _of_several(model, (*columns, model.voided_at.is_(None)), standing_or_hidden(model))
    for model, (columns, _) in HIDEABLE.items()
}
_WHOLE: Any = sa.bindparam("whole", expanding=True)
_FLAG_ROWS = (
    select(Flag)
    .where(
        col(Flag.case_id).in_(CASES),
        or_(col(Flag.status) != FlagStatus.withdrawn, col(Flag.case_id).in_(_WHOLE)),
    )
    .order_by(col(Flag.id))
)
_MONITORED_ROWS = (
    select(MonitoredFinding)
    .where(col(MonitoredFinding.case_id).in_(_WHOLE))
    .order_by(col(MonitoredFinding.id))
)
_SETTINGS = sa.select(
    col(Clinic.time_zone), col(Clinic.thresholds), col(Clinic.rule_modes), col(Clinic.door_offer)
).where(col(Clinic.id) == sa.bindparam("clinic"))
_OFFERS = sa.select(col(Clinic.door_offer)).where(col(Clinic.id) == sa.bindparam("clinic"))


async def open_files(tx: Transaction, cases: Sequence[Case]) -> dict[UUID, CaseFile]:
    """Open the files of several cases, whose locks the caller holds, as `open_file` opens one."""
    ids = [case.id for case in cases]
    # the settings anew, under the locks: they may have changed since the request began
    found = (await tx.exec(_SETTINGS, {"clinic": tx.clinic.id})).all()
    ((time_zone, thresholds, modes, offers),) = found
    monitored = monitored_rules(modes)
    known = {
        model: await _by_case(tx, statement, model, ids)
        for model, statement in _STANDING_OR_HIDDEN.items()
    }
    consultations = await _by_case(tx, _CONSULTATIONS_OF_SEVERAL, Consultation, ids)
    files: dict[UUID, CaseFile] = {}
    for case in cases:
        facts = Facts(case_fact(case), ZoneInfo(time_zone), Thresholds(**thresholds))
        told = Sorted()
        for model, rows in known.items():
            for row in rows[case.id]:
                told.add(model, row)
        if case.voided_at is None:
            facts = replace(
                facts,
                incidents=tuple(told.incidents),
                promises=tuple(told.promises),
                consultations=tuple(consultation_fact(*row) for row in consultations[case.id]),
            )
        files[case.id] = CaseFile(case, facts, [], monitored, hidden=frozenset(told.hidden))
        # others have their turn
        await asyncio.sleep(0)
    await _tell_of_doors(tx, files, offers)
    whole = [case_id for case_id, file in files.items() if file.hidden]
    for flag in await tx.exec(_FLAG_ROWS, {"cases": ids, "whole": whole}):
        files[flag.case_id].flags.append(flag)
    for row in await tx.exec(_MONITORED_ROWS, {"whole": ids if monitored else whole}):
        files[row.case_id].monitored.append(row)
    return files


async def copy_files(
    tx: Transaction, case_ids: Sequence[UUID], thresholds: Thresholds, monitored: frozenset[str]
) -> list[CaseFile]:
    """Copy the files of several cases to look at: no row of theirs is locked, or can be changed."""
    asked = {"cases": case_ids}
    files = {
        case_id: CaseFile(
            _case_as_plain(tx.clinic.id, case_id, state, CaseFact(*known)),
            Facts(CaseFact(*known), tx.clinic.zone, thresholds),
            [],
            monitored,
        )
        for case_id, *state, known in await _states(tx, asked)
    }
    incidents = await _by_case(tx, _STANDING[Incident], Incident, case_ids)
    promises = await _by_case(tx, _STANDING[Promise], Promise, case_ids)
    consultations = await _by_case(tx, _CONSULTATIONS_OF_SEVERAL, Consultation, case_ids)
    await _tell_of_doors(tx, files, (await tx.exec(_OFFERS, {"clinic": tx.clinic.id})).one()[0])
    flags = await _by_case(tx, _FLAGS_OF_SEVERAL, Flag, case_ids)
    counted = await _by_case(tx, _MONITORED_OF_SEVERAL, MonitoredFinding, case_ids)
    for case_id, file in files.items():
        file.facts = replace(
            file.facts,
            incidents=tuple(incident_fact(*row) for row in incidents[case_id]),
            promises=tuple(PromiseFact(*row) for row in promises[case_id]),
            consultations=tuple(consultation_fact(*row) for row in consultations[case_id]),
        )
        file.flags = [cast("Flag", _as_plain(_FLAG_STATE, row)) for row in flags[case_id]]
        file.monitored = [
            cast("MonitoredFinding", _as_plain(_MONITORED_STATE, row)) for row in counted[case_id]
        ]
        # others have their turn
        await asyncio.sleep(0)
    return list(files.values())


async def _states(tx: Transaction, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Read the little that is copied of each case; what rules know of it comes last."""
    found = (await tx.exec(_STATE_OF_SEVERAL, asked)).all()
    return [(*row[:_KNOWN], row[_KNOWN:]) for row in found]


async def _tell_of_doors(
    tx: Transaction, files: dict[UUID, CaseFile], offers: Sequence[str]
) -> None:
    told = {case_id: file.facts for case_id, file in files.items()}
    await with_door_facts(tx, [file.case for file in files.values()], told, offers)
    for case_id, file in files.items():
        file.facts = told[case_id]


def _case_as_plain(clinic_id: UUID, case_id: UUID, state: Sequence[Any], known: CaseFact) -> Case:
    recheck_at, door_used, ended_on = state
    case = SimpleNamespace(
        clinic_id=clinic_id,
        id=case_id,
        recheck_at=recheck_at,
        door_used=door_used,
        status=known.status,
        started_on=known.started_on,
        ended_on=ended_on,
        voided_at=None,
    )
    return cast("Case", case)


async def _by_case(
    tx: Transaction, statement: Any, model: Any, case_ids: Sequence[UUID]
) -> defaultdict[UUID, list[Sequence[Any]]]:
    """Read what several cases hold of one kind, page by page."""
    found: defaultdict[UUID, list[Sequence[Any]]] = defaultdict(list)
    following, page = statement, None
    while page is None or len(page) == PAGE:
        page = (await tx.exec(following, {"cases": case_ids})).all()
        for case_id, *row in page:
            found[case_id].append(row)
        if page:
            last = page[-1][:2]
            following = statement.where(sa.tuple_(model.case_id, model.id) > sa.tuple_(*last))
    return found


def _as_plain(columns: Sequence[Any], row: Sequence[Any]) -> SimpleNamespace:
    """Make a row that no session knows of."""
    return SimpleNamespace(
        **{column.key: value for column, value in zip(columns, row, strict=True)}
    )
