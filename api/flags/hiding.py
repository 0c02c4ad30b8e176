"""Brings a case's flags in line with which of its records are hidden from its clinician now.

A flag is hidden because of what it rests on. What only hidden records hold up is hidden with them;
what other records hold up too is told by these alone, and a restricted flag beside it keeps the
rest. What is hidden no more is told again. Nothing here opens a question that a person has closed,
and none that is open is closed: where two flags would ask the same, one asks for both.
"""

from dataclasses import dataclass, field

from uuid_utils.compat import uuid7

from api.domain.lifecycles import due_by, is_unresolved
from api.domain.rules.findings import Finding
from api.domain.rules.prompts import PROMPTS
from api.domain.vocabulary import Audience, FlagStatus, severity_rank
from api.flags.evidence import covers, evidence_of, last_resolved, stored_evidence, was_settled
from api.flags.hidden_evidence import HiddenEvidence, hidden_in
from api.flags.lifecycle import sooner
from api.flags.monitored import hide_count, show_count
from api.journal.entries import Happening
from api.storage.models.flags import Flag, MonitoredFinding


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


class Rearranging:
    """One look over a case's flags, by what rests on what; what it moves stands in `done`."""

    def __init__(self, look: HiddenEvidence, done: Rearranged) -> None:
        self._look, self._done = look, done

    def look_over(self) -> bool:
        """Hide and tell what is to be; give whether a flag was hidden or told by it.

        Then other flags may rest on what is hidden, and the look is to be taken again.
        """
        look = self._look
        before = hidden_in(look.file)
        for flag in look.flags():
            if not flag.restricted and look.rests_on_hidden(flag):
                self._hide(flag)
            elif flag.restricted and look.rests_on_shown(flag) and not _stands_for_prompt(flag):
                self._show(flag)
        for row in list(look.file.monitored):
            if not row.restricted and look.rests_on_hidden(row):
                self._hide_count(row)
            elif row.restricted and look.rests_on_shown(row) and not look.is_still_hidden(row):
                show_count(look, row)
                self._done.is_any = True
        changed = hidden_in(look.file) ^ before
        look.turned |= changed
        return bool(changed)

    def _hide_count(self, row: MonitoredFinding) -> None:
        if (apart := hide_count(self._look, row)) is not None:
            self._done.counted.append(apart)
        self._done.is_any = True

    # --------------------------------------------------------------------------------------- hiding

    def _hide(self, flag: Flag) -> None:
        if is_unresolved(flag.status):
            self._hide_waiting(flag)
        elif flag.status == FlagStatus.resolved and (said := self._look.left_of(flag)) is not None:
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
            and covers(each, flag)
            for each in self._look.flags_of(flag.rule, restricted=True)
        )

    def _hide_waiting(self, flag: Flag) -> None:
        told, hidden = self._look.found(flag.rule, restricted=False), hidden_in(self._look.file)
        if told is not None and any(row_id in hidden for _, row_id in told.evidence):
            # it was found before a flag was hidden in this look: the next one will tell
            return
        if told is not None and not self._is_settled(told, flag):
            if flag.audience == Audience.supervisor:
                self._leave_the_rest_waiting(flag)
            eased = severity_rank(told.severity) < severity_rank(flag.severity)
            self._reword(flag, told)
            self._tell(flag, Happening.flag_eased if eased else Happening.flag_updated)
            return
        beside = self._look.waiting(flag.rule, restricted=True)
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
        return was_settled(told, last_resolved(self._look.file.flags).get((flag.rule, False, None)))

    def _leave_the_rest_waiting(self, flag: Flag) -> None:
        """Let a restricted flag ask, as urgently, what a flag will ask no more in the open."""
        if self._look.found(flag.rule, restricted=True) is None:
            return
        if (beside := self._look.waiting(flag.rule, restricted=True)) is not None:
            self._ask_for_both(beside, flag)
        else:
            self._tell(self._set_apart(flag), Happening.flag_opened)

    def _set_apart(self, flag: Flag, *, restricted: bool = True) -> Flag:
        """Set a flag beside another that says the same, resolved or waiting alike."""
        apart = self._withdrawn_like(flag) if restricted else None
        if apart is None:
            apart = Flag(**flag.model_dump(exclude={"id", "resolution_note", "reopen_reason"}))
            apart.id, apart.version = uuid7(), 0
            self._look.file.flags.append(apart)
            self._done.flags.append(apart)
        for name in _LIFE:
            setattr(apart, name, getattr(flag, name))
        apart.restricted = restricted
        if restricted:
            # what was written of a hidden flag may speak of what is hidden still
            self._done.apart.append((apart, flag))
        return apart

    def _withdrawn_like(self, flag: Flag) -> Flag | None:
        """Give the flag that stood beside this one when the same was hidden before."""
        alike = (
            each
            for each in self._look.flags_of(flag.rule, restricted=True)
            if each.status == FlagStatus.withdrawn
            and (each.evidence, each.resolved_at) == (flag.evidence, flag.resolved_at)
        )
        return next(alike, None)

    def _reword(self, flag: Flag, said: Finding) -> None:
        """Let a flag say what is said without what is hidden; never more gravely than it did."""
        flag.because, flag.says, flag.evidence = said.because, said.says, stored_evidence(said)
        if severity_rank(said.severity) < severity_rank(flag.severity):
            flag.severity = said.severity
            flag.due_at = due_by(said.severity, flag.effective_at)

    def _ask_for_both(self, flag: Flag, other: Flag) -> None:
        """Let one flag ask what another asked too: as gravely, as soon, and unseen if that was."""
        graver = severity_rank(other.severity) > severity_rank(flag.severity)
        if other.status == FlagStatus.acknowledged and covers(other, flag):
            for name in _LOOK:
                setattr(flag, name, getattr(other, name))
        elif other.status == FlagStatus.open and (graver or not covers(flag, other)):
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
        elif _ended_by_itself(flag) and not self._look.is_still_hidden(flag):
            flag.restricted = False
            self._tell(flag, Happening.flag_updated)

    def _show_waiting(self, flag: Flag) -> None:
        told = self._look.found(flag.rule, restricted=False)
        beside = self._look.waiting(flag.rule, restricted=False)
        if self._look.found(flag.rule, restricted=True) is not None:
            # it still asks about more than may be told
            if beside is None and told is not None:
                self._ask_again(told, flag)
        elif self._look.is_still_hidden(flag):
            return
        elif beside is None:
            flag.restricted = False
            self._tell(flag, Happening.flag_opened)
        elif told is not None and set(evidence_of(flag)) <= told.evidence:
            self._ask_for_both(beside, flag)
            self._withdraw(flag)

    def _ask_again(self, told: Finding, flag: Flag) -> None:
        """Let the flag ask again that was withdrawn when a restricted one asked for it too."""
        if was_settled(told, last_resolved(self._look.file.flags).get((flag.rule, False, None))):
            return
        for each in reversed(list(self._look.flags_of(flag.rule, restricted=True))):
            withdrawn = each.status == FlagStatus.withdrawn
            if withdrawn and set(evidence_of(each)) <= told.evidence and covers(flag, each):
                each.restricted, each.condition_holds = False, True
                for name in _LOOK:
                    setattr(each, name, getattr(flag, name))
                self._reword(each, told)
                self._tell(each, Happening.flag_opened)
                return

    def _show_resolved(self, flag: Flag) -> None:
        like = (
            each
            for each in self._look.flags_of(flag.rule, restricted=False)
            if _resolution(each) == _resolution(flag) and covers(flag, each)
        )
        beside = next(like, None)
        if not self._look.is_still_hidden(flag):
            if beside is None:
                flag.restricted = False
                self._tell(flag, Happening.flag_updated)
                return
            beside.because, beside.says = flag.because, flag.says
            beside.evidence = flag.evidence
            beside.severity, beside.due_at = flag.severity, flag.due_at
            self._tell(beside, Happening.flag_updated)
            self._withdraw(flag)
        elif (said := self._look.left_of(flag)) is not None:
            if beside is None and self._look.waiting(flag.rule, restricted=False) is not None:
                return
            if not any(row_id in self._look.turned for _, row_id in said.evidence):
                return
            if beside is None:
                beside = self._set_apart(flag, restricted=False)
            beside.severity, beside.due_at = flag.severity, flag.due_at
            self._reword(beside, said)
            self._tell(beside, Happening.flag_updated)

    def _tell(self, flag: Flag, happening: Happening) -> None:
        self._done.is_any = True
        self._done.told.append((flag, happening))


_OF_PROMPTS = frozenset(map(str, PROMPTS))
_LOOK = ("status", "acknowledged_at", "assigned_to_id")
"""Whether somebody looks at a flag, and who."""
_LIFE = (
    *_LOOK,
    "because",
    "says",
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


def _stands_for_prompt(flag: Flag) -> bool:
    """Tell whether it hints to supervisors at what its clinician could not see.

    Where that is shown again the clinician has a prompt, and this asks no more.
    """
    return flag.audience == Audience.supervisor and flag.rule in _OF_PROMPTS


def _ended_by_itself(flag: Flag) -> bool:
    """Tell a prompt whose reason was gone from what stood beside another and asks no more."""
    return flag.audience == Audience.clinician and flag.resolved_at is None


def _resolution(flag: Flag) -> tuple[object, ...]:
    return flag.status, flag.resolved_at, flag.resolved_by_id
