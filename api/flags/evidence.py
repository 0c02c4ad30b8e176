"""What flags rest on, and how that compares: with a finding, and with each other."""

from collections.abc import Iterable
from uuid import UUID

from api.domain.rules.findings import Evidence, Finding
from api.domain.vocabulary import FlagStatus, severity_rank
from api.storage.models.flags import Flag, MonitoredFinding

Told = Flag | MonitoredFinding
"""What a rule said of a case: to a person, or only to be counted."""


Key = tuple[str, bool, UUID | None]
"""Which flags and findings are the same question: rule, whether restricted, about which account."""


def key_of_flag(flag: Flag) -> Key:
    """Say which finding a flag follows."""
    return flag.rule, flag.restricted, flag.account_id


def stored_evidence(found: Finding) -> list[dict[str, str]]:
    """Write the evidence of a finding as a flag keeps it."""
    return list(found.listed)


def was_settled(found: Finding, last: Told | None) -> bool:
    """Tell whether this very finding was there before: a person settled it, or it was counted."""
    if last is None or severity_rank(found.severity) > severity_rank(last.severity):
        return False
    if _began_since(found, last):
        return False
    before = {(item["type"], item["id"]) for item in last.evidence}
    return all((item["type"], item["id"]) in before for item in found.listed)


def _began_since(found: Finding, last: Told) -> bool:
    """Tell whether what a finding is about began anew after somebody had settled it."""
    if found.since is None or not isinstance(last, Flag) or last.resolved_at is None:
        return False
    return last.resolved_at <= found.since


def last_resolved(flags: Iterable[Flag]) -> dict[Key, Flag]:
    """Give the flags that a person resolved last, by which finding they followed."""
    last: dict[Key, Flag] = {}
    for flag in flags:
        if flag.status == FlagStatus.resolved:
            key = key_of_flag(flag)
            last[key] = _later(last.get(key), flag)
    return last


def _later(one: Flag | None, other: Flag) -> Flag:
    if one is None or one.resolved_at is None or other.resolved_at is None:
        return other
    return max(one, other, key=lambda flag: (flag.resolved_at, flag.id))


def evidence_of(row: Told) -> frozenset[Evidence]:
    """Give the evidence that a flag keeps, as a finding has it."""
    return frozenset((item["type"], UUID(item["id"])) for item in row.evidence)  # type: ignore[misc]


def names_any(row: Told, ids: set[UUID]) -> bool:
    """Tell whether a row's evidence names one of some records."""
    return any(UUID(item["id"]) in ids for item in row.evidence)


def covers(one: Flag, other: Flag) -> bool:
    """Tell whether one flag names all that another does."""
    return all(item in one.evidence for item in other.evidence)
