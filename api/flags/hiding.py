"""Brings a case's flags in line with which of its records are hidden from its clinician now.

A flag is hidden because of what it rests on. What only hidden records hold up is hidden with them;
what other records hold up too is told by these alone, and a restricted flag beside it keeps the
rest. What is hidden no more is told again. Nothing here opens a question that a person has closed,
and none that is open is closed: where two flags would ask the same, one asks for both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rules.evaluate import RESTS_ON_MORE, narrowed
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Evidence, Finding
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.domain.vocabulary import Audience, FlagStatus, severity_rank
from api.flags.case_facts import CaseFile
from api.journal.entries import Happening
from api.storage.models.flags import Flag, MonitoredFinding

Told = Flag | MonitoredFinding
"""What a rule said of a case: to a person, or only to be counted."""

_RULES = frozenset(map(str, (*RULES, *PROMPTS)))


@dataclass(slots=True)
class Rearranged:
    """What was moved: rows that are new, what to tell of flags, and who keeps whose words.

    A flag of `apart` was set beside another, and is still to be given the texts sealed in that one.
    """

    flags: list[Flag] = field(default_factory=list)
    counted: list[MonitoredFinding] = field(default_factory=list)
    told: list[tuple[Flag, Happening]] = field(default_factory=list)
    apart: list[tuple[Flag, Flag]] = field(default_factory=list)
    is_any: bool = False


def is_out_of_line(file: CaseFile) -> bool:
    """Tell whether something is told of a case that rests on what is hidden."""
    hidden = hidden_in(file)
    told: list[Told] = [*file.flags, *file.monitored]
    return bool(hidden) and any(
        not row.restricted and row.rule in _RULES and _names_any(row, hidden) for row in told
    )


def hidden_in(file: CaseFile) -> set[UUID]:
    """Give the ids of all that is hidden on a case: incidents, and flags about them."""
    return {*file.hidden, *(flag.id for flag in file.flags if flag.restricted)}


def evidence_of(found: Finding) -> list[dict[str, str]]:
    """Write the evidence of a finding as a flag keeps it."""
    return list(found.listed)


def was_settled(found: Finding, last: Told | None) -> bool:
    """Tell whether this very finding was there before: a person settled it, or it was counted."""
    if last is None or severity_rank(found.severity) > severity_rank(last.severity):
        return False
    before = {(item["type"], item["id"]) for item in last.evidence}
    return all((item["type"], item["id"]) in before for item in found.listed)


def last_resolved(flags: Iterable[Flag]) -> dict[tuple[str, bool], Flag]:
    """Give the flags that a person resolved last, by rule and by whether restricted."""
    last: dict[tuple[str, bool], Flag] = {}
    for flag in flags:
        if flag.status == FlagStatus.resolved:
            last[flag.rule, flag.restricted] = _later(last.get((flag.rule, flag.restricted)), flag)
    return last


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the earlier of two instants that may not be there."""
    return min((each for each in (one, other) if each is not None), default=None)


@dataclass(slots=True)
class Rearranging:
    """One look over a case's flags, as of an instant.

    `facts` are the case's with its grave flags; `turned` names the incident that a write has just
    hidden or shown, and the flags that followed it.
    """

    file: CaseFile
    facts: Facts
    findings: Sequence[Finding]
    at: datetime
    turned: set[UUID]
    done: Rearranged

    def look_over(self) -> bool:
        """Hide and tell what is to be; give whether a flag was hidden or told by it.

        Then other flags may rest on what is hidden, and the look is to be taken again.
        """
        before = hidden_in(self.file)
        for flag in [flag for flag in self.file.flags if flag.rule in _RULES]:
            if not flag.restricted and self._rests_on_hidden(flag):
                self._hide(flag)
            elif flag.restricted and self._rests_on_shown(flag):
                self._show(flag)
        for row in list(self.file.monitored):
            if not row.restricted and self._rests_on_hidden(row):
                self._count_apart(row)
            elif row.restricted and self._rests_on_shown(row):
                self._count_together(row)
        changed = hidden_in(self.file) ^ before
        self.turned |= changed
        return bool(changed)

    # --------------------------------------------------------------------------- what rests on what

    def _rests_on_hidden(self, row: Told) -> bool:
        return _names_any(row, hidden_in(self.file)) or (
            bool(self.turned & self.file.hidden) and self._rests_on_turned(row)
        )

    def _rests_on_shown(self, row: Told) -> bool:
        shown = self.turned - hidden_in(self.file)
        return _names_any(row, shown) or (bool(shown) and self._rests_on_turned(row))

    def _rests_on_turned(self, row: Told) -> bool:
        """Tell whether a rule speaks only because of what was turned and is in no evidence."""
        return (
            row.rule in RESTS_ON_MORE
            and self._says(row.rule, row, hiding=True) is None
            and self._says(row.rule, row, hiding=False) is not None
        )

    def _is_still_hidden(self, row: Told) -> bool:
        """Tell whether a row rests on what is hidden, or may."""
        return _names_any(row, hidden_in(self.file)) or (
            row.rule in RESTS_ON_MORE and bool(self.file.hidden) and self._left_of(row) is None
        )

    def _says(self, rule: str, row: Told, *, hiding: bool) -> Finding | None:
        """Ask what a rule says of a row's evidence where what was turned is hidden, or is not."""
        incidents = tuple(
            replace(each, restricted=hiding) if each.id in self.turned else each
            for each in self.facts.incidents
        )
        facts = replace(self.facts, incidents=incidents).unrestricted()
        return narrowed(rule, facts, self.at, _evidence(row))

    def _left_of(self, row: Told) -> Finding | None:
        """Give what a rule says, without what is hidden, of the rest of a row's evidence."""
        hidden = hidden_in(self.file)
        left = {item for item in _evidence(row) if item[1] not in hidden}
        return narrowed(row.rule, self.facts.unrestricted(), self.at, left) if left else None

    def _found(self, rule: str, *, restricted: bool) -> Finding | None:
        return next(
            (f for f in self.findings if (f.rule, f.restricted) == (rule, restricted)), None
        )

    def _waiting(self, rule: str, *, restricted: bool) -> Flag | None:
        waiting = (
            f for f in self._flags_of(rule, restricted=restricted) if is_unresolved(f.status)
        )
        return next(waiting, None)

    def _flags_of(self, rule: str, *, restricted: bool) -> Iterator[Flag]:
        return (f for f in self.file.flags if (f.rule, f.restricted) == (rule, restricted))

    # --------------------------------------------------------------------------------------- hiding

    def _hide(self, flag: Flag) -> None:
        if is_unresolved(flag.status):
            self._hide_waiting(flag)
        elif flag.status == FlagStatus.resolved and (said := self._left_of(flag)) is not None:
            if not self._is_kept_apart(flag):
                self._tell(self._set_apart(flag), Happening.flag_updated)
            self._reword(flag, said)
            self._tell(flag, Happening.flag_updated)
        else:
            flag.restricted = True
            self._tell(flag, Happening.flag_updated)

    def _is_kept_apart(self, flag: Flag) -> bool:
        """Tell whether all that a resolved flag says was set apart when less of it was hidden."""
        return any(
            each.status == FlagStatus.resolved
            and _resolution(each) == _resolution(flag)
            and _covers(each, flag)
            for each in self._flags_of(flag.rule, restricted=True)
        )

    def _hide_waiting(self, flag: Flag) -> None:
        told = self._found(flag.rule, restricted=False)
        if told is not None and any(row_id in hidden_in(self.file) for _, row_id in told.evidence):
            # it was found before a flag was hidden in this look: the next one will tell
            return
        if told is not None and not self._is_settled(told, flag):
            if flag.audience == Audience.supervisor:
                self._leave_the_rest_waiting(flag)
            eased = severity_rank(told.severity) < severity_rank(flag.severity)
            self._reword(flag, told)
            self._tell(flag, Happening.flag_eased if eased else Happening.flag_updated)
            return
        beside = self._waiting(flag.rule, restricted=True)
        flag.restricted = True
        if flag.audience == Audience.clinician:
            # nobody else is asked by a prompt
            self._withdraw(flag)
        elif beside is not None:
            self._ask_for_both(beside, flag)
            self._withdraw(flag)
        else:
            self._tell(flag, Happening.flag_updated)

    def _is_settled(self, told: Finding, flag: Flag) -> bool:
        """Tell whether a person has settled what a flag would go on to ask in the open."""
        if flag.resolved_at is not None:
            # somebody asked for another look at it
            return False
        return was_settled(told, last_resolved(self.file.flags).get((flag.rule, False)))

    def _leave_the_rest_waiting(self, flag: Flag) -> None:
        """Let a restricted flag ask, as urgently, what a flag will ask no more in the open."""
        if self._found(flag.rule, restricted=True) is None:
            return
        if (beside := self._waiting(flag.rule, restricted=True)) is not None:
            self._ask_for_both(beside, flag)
        else:
            self._tell(self._set_apart(flag), Happening.flag_opened)

    def _set_apart(self, flag: Flag, *, restricted: bool = True) -> Flag:
        """Set a flag beside another that says the same, resolved or waiting alike."""
        apart = self._withdrawn_like(flag) if restricted else None
        if apart is None:
            apart = Flag(**flag.model_dump(exclude={"id", "resolution_note", "reopen_reason"}))
            apart.id, apart.version = uuid7(), 0
            self.file.flags.append(apart)
            self.done.flags.append(apart)
        for name in _LIFE:
            setattr(apart, name, getattr(flag, name))
        apart.restricted = restricted
        self.done.apart.append((apart, flag))
        return apart

    def _withdrawn_like(self, flag: Flag) -> Flag | None:
        """Give the flag that stood beside this one when the same was hidden before."""
        alike = (
            each
            for each in self._flags_of(flag.rule, restricted=True)
            if each.status == FlagStatus.withdrawn
            and (each.evidence, each.resolved_at) == (flag.evidence, flag.resolved_at)
        )
        return next(alike, None)

    def _reword(self, flag: Flag, said: Finding) -> None:
        """Let a flag say what is said without what is hidden; never more gravely than it did."""
        flag.because, flag.evidence = said.because, evidence_of(said)
        if severity_rank(said.severity) < severity_rank(flag.severity):
            flag.severity = said.severity
            flag.due_at = due_by(said.severity, flag.effective_at)

    def _ask_for_both(self, flag: Flag, other: Flag) -> None:
        """Let one flag ask what another asked too: as gravely, as soon, and unseen if that was."""
        graver = severity_rank(other.severity) > severity_rank(flag.severity)
        if other.status == FlagStatus.acknowledged and _covers(other, flag):
            for name in _LOOK:
                setattr(flag, name, getattr(other, name))
        elif other.status == FlagStatus.open and (graver or not _covers(flag, other)):
            flag.status, flag.acknowledged_at = FlagStatus.open, None
        flag.severity = other.severity if graver else flag.severity
        flag.due_at = sooner(flag.due_at, other.due_at)
        flag.effective_at = min(flag.effective_at, other.effective_at)
        self._tell(flag, Happening.flag_escalated if graver else Happening.flag_updated)

    def _withdraw(self, flag: Flag) -> None:
        flag.status, flag.condition_holds = FlagStatus.withdrawn, False
        self._tell(flag, Happening.flag_withdrawn)

    # -------------------------------------------------------------------------------- telling again

    def _show(self, flag: Flag) -> None:
        if is_unresolved(flag.status):
            self._show_waiting(flag)
        elif flag.status == FlagStatus.resolved:
            self._show_resolved(flag)
        elif _ended_by_itself(flag) and not self._is_still_hidden(flag):
            flag.restricted = False
            self._tell(flag, Happening.flag_updated)

    def _show_waiting(self, flag: Flag) -> None:
        told = self._found(flag.rule, restricted=False)
        beside = self._waiting(flag.rule, restricted=False)
        if self._found(flag.rule, restricted=True) is not None:
            # it still asks about more than may be told
            if beside is None and told is not None:
                self._ask_again(told, flag)
        elif self._is_still_hidden(flag):
            return
        elif beside is None:
            flag.restricted = False
            self._tell(flag, Happening.flag_opened)
        elif told is not None and set(_evidence(flag)) <= told.evidence:
            self._ask_for_both(beside, flag)
            self._withdraw(flag)

    def _ask_again(self, told: Finding, flag: Flag) -> None:
        """Let the flag ask again that was withdrawn when a restricted one asked for it too."""
        if was_settled(told, last_resolved(self.file.flags).get((flag.rule, False))):
            return
        for each in reversed(list(self._flags_of(flag.rule, restricted=True))):
            withdrawn = each.status == FlagStatus.withdrawn
            if withdrawn and set(_evidence(each)) <= told.evidence and _covers(flag, each):
                each.restricted, each.condition_holds = False, True
                for name in _LOOK:
                    setattr(each, name, getattr(flag, name))
                self._reword(each, told)
                self._tell(each, Happening.flag_opened)
                return

    def _show_resolved(self, flag: Flag) -> None:
        like = (
            each
            for each in self._flags_of(flag.rule, restricted=False)
            if _resolution(each) == _resolution(flag) and _covers(flag, each)
        )
        beside = next(like, None)
        if not self._is_still_hidden(flag):
            if beside is None:
                flag.restricted = False
                self._tell(flag, Happening.flag_updated)
                return
            beside.because, beside.evidence = flag.because, flag.evidence
            beside.severity, beside.due_at = flag.severity, flag.due_at
            self._tell(beside, Happening.flag_updated)
            self._withdraw(flag)
        elif (said := self._left_of(flag)) is not None:
            if beside is None and self._waiting(flag.rule, restricted=False) is not None:
                return
            if not any(row_id in self.turned for _, row_id in said.evidence):
                return
            if beside is None:
                beside = self._set_apart(flag, restricted=False)
            beside.severity, beside.due_at = flag.severity, flag.due_at
            self._reword(beside, said)
            self._tell(beside, Happening.flag_updated)

    # ------------------------------------------------------------------------- what is only counted

    def _count_apart(self, row: MonitoredFinding) -> None:
        stands = row.ended_at is None
        said = self._found(row.rule, restricted=False) if stands else self._left_of(row)
        beside = self._counted(row.rule, restricted=True) if stands else None
        self.done.is_any = True
        if said is None:
            row.restricted = True
            if beside is not None:
                row.ended_at = self.at
        elif beside is None:
            apart = MonitoredFinding(**row.model_dump(exclude={"id"}))
            apart.restricted = True
            self.file.monitored.append(apart)
            self.done.counted.append(apart)
        if beside is not None:
            beside.severity = max(beside.severity, row.severity, key=severity_rank)
        if said is not None:
            row.evidence = evidence_of(said)
            row.severity = min(row.severity, said.severity, key=severity_rank)

    def _count_together(self, row: MonitoredFinding) -> None:
        if self._is_still_hidden(row):
            return
        self.done.is_any = True
        if row.ended_at is None:
            if self._found(row.rule, restricted=True) is not None:
                return
            if self._counted(row.rule, restricted=False) is not None:
                row.ended_at = self.at
            else:
                row.restricted = False
            return
        for each in self.file.monitored:
            alike = (each.rule, each.effective_at) == (row.rule, row.effective_at)
            if alike and not each.restricted:
                each.evidence, each.severity = row.evidence, row.severity
                return
        row.restricted = False

    def _counted(self, rule: str, *, restricted: bool) -> MonitoredFinding | None:
        standing = (
            row
            for row in self.file.monitored
            if (row.rule, row.restricted, row.ended_at) == (rule, restricted, None)
        )
        return next(standing, None)

    def _tell(self, flag: Flag, happening: Happening) -> None:
        self.done.is_any = True
        self.done.told.append((flag, happening))


_LOOK = ("status", "acknowledged_at", "assigned_to_id")
"""Whether somebody looks at a flag, and who."""
_LIFE = (
    *_LOOK,
    "because",
    "evidence",
    "severity",
    "effective_at",
    "due_at",
    "condition_holds",
    "determination",
    "resolved_by_id",
    "resolved_at",
)
"""What a flag has in common with the one that is set beside it; the sealed texts come later."""


def _evidence(row: Told) -> frozenset[Evidence]:
    return frozenset((item["type"], UUID(item["id"])) for item in row.evidence)  # type: ignore[misc]


def _names_any(row: Told, ids: set[UUID]) -> bool:
    return any(UUID(item["id"]) in ids for item in row.evidence)


def _covers(one: Flag, other: Flag) -> bool:
    """Tell whether one flag names all that another does."""
    return all(item in one.evidence for item in other.evidence)


def _ended_by_itself(flag: Flag) -> bool:
    """Tell a prompt whose reason was gone from what stood beside another and asks no more."""
    return flag.audience == Audience.clinician and flag.resolved_at is None


def _resolution(flag: Flag) -> tuple[object, ...]:
    return flag.status, flag.resolved_at, flag.resolved_by_id


def _later(one: Flag | None, other: Flag) -> Flag:
    if one is None or one.resolved_at is None or other.resolved_at is None:
        return other
    return max(one, other, key=lambda flag: (flag.resolved_at, flag.id))
