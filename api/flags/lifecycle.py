"""The life of a flag: opened by a finding, it follows that, until a person resolves it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from uuid_utils.compat import uuid7

from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rules.findings import Finding
from api.domain.rules.rulebook import RULEBOOK_VERSION
from api.domain.vocabulary import Audience, FlagStatus, Severity, severity_rank
from api.flags.case_facts import CaseFile
from api.flags.evidence import Key, key_of_flag, last_resolved, stored_evidence, was_settled
from api.flags.rule_runs import Run
from api.journal.entries import Happening
from api.storage.models.clinical import Case
from api.storage.models.columns import new_row
from api.storage.models.flags import Flag

MANUAL = "manual"
"""The `rule` of a flag that a person raised by hand; no rule ever touches it."""


@dataclass(slots=True)
class Moves:
    """What a run of the rules has moved: new flags, and what to tell of flags."""

    opened: list[Flag] = field(default_factory=list)
    told: list[tuple[Flag, Happening]] = field(default_factory=list)


def move_flags(file: CaseFile, findings: Sequence[Finding], run: Run, moves: Moves) -> None:
    """Let the flags follow the findings.

    A rule that is only monitored opens none; one that was open before goes on to follow, until a
    person resolves it.
    """
    unresolved, resolved = unresolved_by_rule(file), last_resolved(file.flags)
    for found in findings:
        key = key_of(found)
        if key in unresolved:
            flag = unresolved.pop(key)
            happening = _follow(flag, found, run)
        elif was_settled(found, resolved.get(key)) or found.rule in file.monitored_rules:
            continue
        else:
            flag = _new_flag(file.case, found, run)
            file.flags.append(flag)
            moves.opened.append(flag)
            happening = Happening.flag_opened
        if happening is not None:
            moves.told.append((flag, happening))
    for flag in unresolved.values():
        if (happening := _let_go(flag)) is not None:
            moves.told.append((flag, happening))


def key_of(found: Finding) -> Key:
    """Say which flag follows a finding: of its rule, restricted like it, and about the same."""
    return str(found.rule), found.restricted, found.about


def unresolved_by_rule(file: CaseFile) -> dict[Key, Flag]:
    """Give a case's flags of rules that wait for a person, by which finding they follow."""
    return {
        key_of_flag(flag): flag
        for flag in file.flags
        if is_unresolved(flag.status) and flag.rule != MANUAL
    }


def _follow(flag: Flag, found: Finding, run: Run) -> Happening | None:
    """Bring an unresolved flag in line with its finding; say what happened, if anything."""
    change = severity_rank(found.severity) - severity_rank(flag.severity)
    evidence = stored_evidence(found)
    has_other_grounds = _has_other_grounds(flag, found, run)
    may_ease = flag.status == FlagStatus.acknowledged or has_other_grounds
    happening = None
    # what an earlier version of the rules has told stays as it was told while it is as it was
    is_older = flag.says is None and not has_other_grounds and change <= 0
    if not is_older and (flag.says, flag.evidence) != (found.says, evidence):
        flag.because, flag.says, flag.evidence = found.because, found.says, evidence
        happening = Happening.flag_updated
    if not flag.condition_holds:
        flag.condition_holds = True
        happening = Happening.flag_revived
    if change > 0:
        flag.severity = found.severity
        flag.due_at = sooner(flag.due_at, due_by(found.severity, run.at))
        flag.status, flag.acknowledged_at = FlagStatus.open, None
        happening = Happening.flag_escalated
    # what nobody has looked at is made light of by what it rests on, and by nothing else
    elif change < 0 and may_ease:
        flag.severity = found.severity
        happening = Happening.flag_eased
    return happening


def _has_other_grounds(flag: Flag, found: Finding, run: Run) -> bool:
    """Tell whether a finding rests on other records than its flag, or on the one just written."""
    wrote = run.wrote is not None and str(run.wrote) in {each["id"] for each in found.listed}
    return wrote or flag.evidence != stored_evidence(found)


def _let_go(flag: Flag) -> Happening | None:
    """A finding is gone: a prompt withdraws itself, a flag waits for a person."""
    if flag.audience == Audience.clinician:
        flag.status, flag.condition_holds = FlagStatus.withdrawn, False
        return Happening.flag_withdrawn
    if flag.condition_holds:
        flag.condition_holds = False
        return Happening.flag_lapsed
    return None


def _new_flag(case: Case, found: Finding, run: Run) -> Flag:
    return new_row(
        Flag,
        id=uuid7(),
        clinic_id=case.clinic_id,
        created_at=run.at,
        updated_at=run.at,
        version=0,
        case_id=case.id,
        account_id=found.about,
        rule=str(found.rule),
        title=found.rule.definition,
        severity=found.severity,
        audience=Audience.clinician if found.severity == Severity.info else Audience.supervisor,
        because=found.because,
        says=found.says,
        evidence=stored_evidence(found),
        restricted=found.restricted,
        effective_at=run.at,
        due_at=due_by(found.severity, run.at),
        rule_version=RULEBOOK_VERSION,
    )


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the earlier of two instants that may not be there."""
    return min((each for each in (one, other) if each is not None), default=None)
