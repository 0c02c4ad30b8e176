"""Flags: about the client's safety as Flag, about conduct as DetectedIssue.

A Flag stands on a client's chart and warns whoever treats them, so only what is about the client
may be one: the rule `client_safety`, which stands apart from all others. Everything else asks
somebody to look at what a therapist or a clinic does. Flags raised by hand are of that sort too: a
person may have meant either, and a notice about conduct on a client's chart does more harm than a
warning among the notices. So is what a client said at their door, `client_not_safe` too: from
whoever treats them it is kept.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Literal
from uuid import UUID

from api.domain.vocabulary import FlagStatus, RuleName, Severity
from api.interop.fhir.codes import (
    OURS,
    Client,
    coding_of,
    patient,
    period,
    practitioner,
    record_of,
    recorder,
    rule_coding,
)
from api.interop.fhir.elements import (
    CodeableConcept,
    Coding,
    Element,
    Extension,
    Identifier,
    Instant,
    Meta,
    Period,
    Reference,
    Resource,
)
from api.interop.fhir.extensions import (
    AUDIENCE,
    CONDITION_HOLDS,
    DUE,
    FLAG_DETAIL,
    FLAG_STATUS,
    SEVERITY,
    of_episode,
)
from api.storage.models import columns, flags

OF_THE_CLIENT = frozenset({str(RuleName.client_safety)})
"""The rules whose flags warn of a danger to the client."""

IssueStatus = Literal["preliminary", "final", "cancelled"]
IssueSeverity = Literal["high", "moderate", "low"]

ISSUE_STATUS: dict[FlagStatus, IssueStatus] = {
    FlagStatus.open: "preliminary",
    FlagStatus.acknowledged: "preliminary",
    FlagStatus.resolved: "final",
    FlagStatus.withdrawn: "cancelled",
}


class Activity(StrEnum):
    """Whether a warning stands."""

    active = "active"
    inactive = "inactive"


ACTIVITY: dict[FlagStatus, Activity] = {
    FlagStatus.open: Activity.active,
    FlagStatus.acknowledged: Activity.active,
    FlagStatus.resolved: Activity.inactive,
    FlagStatus.withdrawn: Activity.inactive,
}
# a prompt has no severity: even `low` would say too much of it
ISSUE_SEVERITY: dict[Severity, IssueSeverity] = {
    Severity.low: "low",
    Severity.moderate: "moderate",
    Severity.high: "high",
    Severity.critical: "high",
}
_SAFETY = Coding(system="http://terminology.hl7.org/CodeSystem/flag-category", code="safety")

Rules = Mapping[UUID, str]
"""By which rule other flags were raised, where evidence names some."""


class DetectedIssueEvidence(Element):
    """The records that a notice points at."""

    detail: list[Reference]


class DetectedIssueMitigation(Element):
    """What a look at it has shown: our determination, and why where it may be read."""

    action: CodeableConcept
    date: Instant | None = None
    author: Reference | None = None


class DetectedIssue(Resource):
    """A request to look at what was done on a case. It is never a finding about anyone."""

    resource_type: Literal["DetectedIssue"] = "DetectedIssue"
    status: IssueStatus
    code: CodeableConcept
    severity: IssueSeverity | None = None
    patient: Reference
    identified_date_time: Instant
    author: Reference | None = None
    evidence: list[DetectedIssueEvidence] | None = None
    detail: str
    mitigation: list[DetectedIssueMitigation] | None = None


class Flag(Resource):
    """A warning about a client's safety."""

    resource_type: Literal["Flag"] = "Flag"
    status: Activity
    category: list[CodeableConcept]
    code: CodeableConcept
    subject: Reference
    period: Period
    author: Reference | None = None


def show_issue(
    flag: flags.Flag, client: Client, seen: Collection[columns.Named], rules: Rules
) -> DetectedIssue:
    """Show a flag about conduct."""
    evidence = _evidence(flag, seen, rules)
    return DetectedIssue(
        id=str(flag.id),
        meta=_meta(flag),
        extension=_extensions(flag),
        status=ISSUE_STATUS[flag.status],
        code=CodeableConcept(coding=[rule_coding(flag.rule)], text=flag.title),
        severity=ISSUE_SEVERITY.get(flag.severity),
        patient=patient(client),
        identified_date_time=flag.effective_at,
        author=_author(flag),
        evidence=[DetectedIssueEvidence(detail=evidence)] if evidence else None,
        detail=flag.because,
        mitigation=_mitigation(flag),
    )


def show_flag(
    flag: flags.Flag, client: Client, seen: Collection[columns.Named], rules: Rules
) -> Flag:
    """Show a flag about the client's safety; what it says is the text of its code."""
    details = [FLAG_DETAIL.saying(each) for each in _evidence(flag, seen, rules)]
    since = period(flag.effective_at, flag.resolved_at if _is_over(flag) else None)
    return Flag(
        id=str(flag.id),
        meta=_meta(flag),
        extension=[*_extensions(flag), *details],
        status=ACTIVITY[flag.status],
        category=[CodeableConcept(coding=[_SAFETY])],
        code=CodeableConcept(coding=[rule_coding(flag.rule)], text=flag.because),
        subject=patient(client),
        period=since or Period(),
        author=_author(flag),
    )


def type_of(rule: str) -> str:
    """Say as what a flag is read."""
    return "Flag" if rule in OF_THE_CLIENT else "DetectedIssue"


def _meta(flag: flags.Flag) -> Meta:
    return Meta(version_id=str(flag.version), last_updated=flag.updated_at)


def _extensions(flag: flags.Flag) -> list[Extension]:
    said = [
        of_episode(flag.case_id, type_of(flag.rule)),
        SEVERITY.saying(flag.severity),
        FLAG_STATUS.saying(flag.status),
        AUDIENCE.saying(flag.audience),
        CONDITION_HOLDS.saying(flag.condition_holds),
    ]
    return said if flag.due_at is None else [*said, DUE.saying(flag.due_at)]


def _author(flag: flags.Flag) -> Reference:
    """Refer to the person who raised a flag, or to the rules as they stood then."""
    if flag.recorded_by_id is not None:
        return recorder(flag.recorded_by_id) or Reference()
    rulebook = Identifier(system=f"{OURS}rulebook", value=str(flag.rule_version))
    return Reference(type="Device", identifier=rulebook)


def _is_over(flag: flags.Flag) -> bool:
    return ACTIVITY[flag.status] == "inactive"


def _mitigation(flag: flags.Flag) -> list[DetectedIssueMitigation] | None:
    if flag.status != FlagStatus.resolved or flag.determination is None:
        return None
    action = CodeableConcept(coding=[coding_of(flag.determination)], text=flag.resolution_note)
    author = practitioner(flag.resolved_by_id)
    return [DetectedIssueMitigation(action=action, date=flag.resolved_at, author=author)]


def _evidence(flag: flags.Flag, seen: Collection[columns.Named], rules: Rules) -> list[Reference]:
    """Refer to what a flag points at, as far as its reader sees that."""
    return [_record(*named, rules) for named in flag.named_records() if named in seen]


def _record(record_type: str, record_id: UUID, rules: Rules) -> Reference:
    rule = rules.get(record_id)
    if rule is None:
        return record_of(record_type, record_id)
    return Reference(reference=f"{type_of(rule)}/{record_id}", type=type_of(rule))
