"""Findings of rules that are only monitored: counted, and never raised as a flag."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import col, update
from uuid_utils.compat import uuid7

from api.domain.rules.findings import Finding
from api.domain.vocabulary import severity_rank
from api.flags.case_facts import CaseFile
from api.flags.evidence import Key, last_resolved, stored_evidence, was_settled
from api.flags.hidden_evidence import HiddenEvidence
from api.flags.lifecycle import key_of, unresolved_by_rule
from api.storage.instants import never_back
from api.storage.models.clinical import Case
from api.storage.models.flags import MonitoredFinding
from api.storage.transaction import Transaction


def count(file: CaseFile, findings: Sequence[Finding], at: datetime) -> list[MonitoredFinding]:
    """Let what is only counted follow the findings; give what began to count.

    A finding counts once while it stands, and again after its end where a flag would have come
    back: with evidence it did not have, or graver. It does not count where a flag speaks for it.
    """
    standing = {_key(row): row for row in file.monitored if not row.ended_at}
    ended = {_key(row): row for row in file.monitored if row.ended_at}
    began = []
    for found in _to_be_counted(file, findings):
        key = key_of(found)
        row = standing.pop(key, None)
        if row is None and was_settled(found, ended.get(key)):
            row = ended[key]
        if row is None:
            began.append(_begin(file.case, found, at))
        else:
            row.severity = max(row.severity, found.severity, key=severity_rank)
            row.evidence, row.ended_at = stored_evidence(found), None
    for row in standing.values():
        row.ended_at = at
    file.monitored += began
    return began


def _key(row: MonitoredFinding) -> Key:
    # nothing about an account is ever only counted
    return row.rule, row.restricted, None


def _to_be_counted(file: CaseFile, findings: Sequence[Finding]) -> list[Finding]:
    flagged, resolved = unresolved_by_rule(file), last_resolved(file.flags)
    return [
        found
        for found in findings
        if found.rule in file.monitored_rules
        # what is about an account is for its readers, and no number tells of it
        and found.about is None
        and key_of(found) not in flagged
        and not was_settled(found, resolved.get(key_of(found)))
    ]


def _begin(case: Case, found: Finding, at: datetime) -> MonitoredFinding:
    return MonitoredFinding(
        id=uuid7(),
        clinic_id=case.clinic_id,
        created_at=at,
        updated_at=at,
        case_id=case.id,
        rule=str(found.rule),
        severity=found.severity,
        restricted=found.restricted,
        evidence=stored_evidence(found),
        effective_at=at,
    )


def hide_count(look: HiddenEvidence, row: MonitoredFinding) -> MonitoredFinding | None:
    """Count apart what rests on what is hidden now; give the row that is new beside it, if any."""
    stands = row.ended_at is None
    said = look.found(row.rule, restricted=False) if stands else look.left_of(row)
    beside = _standing(look.file, row.rule, restricted=True) if stands else None
    apart = None
    if said is None:
        row.restricted = True
        if beside is not None:
            row.ended_at = look.at
    elif beside is None:
        apart = MonitoredFinding(**row.model_dump(exclude={"id"}))
        apart.restricted = True
        look.file.monitored.append(apart)
    if beside is not None:
        beside.severity = max(beside.severity, row.severity, key=severity_rank)
    if said is not None:
        row.evidence = stored_evidence(said)
        row.severity = min(row.severity, said.severity, key=severity_rank)
    return apart


def show_count(look: HiddenEvidence, row: MonitoredFinding) -> None:
    """Count together again what rests on nothing that is hidden."""
    if row.ended_at is None:
        if look.found(row.rule, restricted=True) is not None:
            return
        if _standing(look.file, row.rule, restricted=False) is not None:
            row.ended_at = look.at
        else:
            row.restricted = False
        return
    for each in look.file.monitored:
        alike = (each.rule, each.effective_at) == (row.rule, row.effective_at)
        if alike and not each.restricted:
            each.evidence, each.severity = row.evidence, row.severity
            return
    row.restricted = False


def _standing(file: CaseFile, rule: str, *, restricted: bool) -> MonitoredFinding | None:
    standing = (
        row
        for row in file.monitored
        if (row.rule, row.restricted, row.ended_at) == (rule, restricted, None)
    )
    return next(standing, None)


async def count_no_longer(tx: Transaction, rules: Collection[str]) -> None:
    """End all that is counted for rules that raise flags again; every case was made due before.

    That waited for whoever was writing to a case, so nothing begins to count behind its back.
    """
    await tx.exec(
        update(MonitoredFinding)
        .where(
            col(MonitoredFinding.clinic_id) == tx.clinic.id,
            col(MonitoredFinding.rule).in_(rules),
            col(MonitoredFinding.ended_at).is_(None),
        )
        .values(
            ended_at=tx.now,
            updated_at=never_back(col(MonitoredFinding.updated_at), tx.instant),
        )
    )
