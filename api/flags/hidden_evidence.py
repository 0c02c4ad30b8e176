"""What of a case's flags rests on what is hidden from its clinician."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from api.domain.lifecycles import is_unresolved
from api.domain.rules.door import OF_THE_DOOR
from api.domain.rules.evaluate import RESTS_ON_MORE, narrowed
from api.domain.rules.facts import Facts
from api.domain.rules.findings import Finding
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULES
from api.flags.case_facts import CaseFile
from api.flags.evidence import Told, evidence_of, key_of_flag, names_any
from api.storage.models.flags import Flag

OF_RULES = frozenset(map(str, (*RULES, *PROMPTS)))
"""Every rule by its name: a flag raised by hand rests on nothing."""
_TURNED = OF_RULES - frozenset(map(str, OF_THE_DOOR))


def is_out_of_line(file: CaseFile) -> bool:
    """Tell whether something is told of a case that rests on what is hidden."""
    hidden = hidden_in(file)
    told: list[Told] = [*file.flags, *file.monitored]
    return bool(hidden) and any(
        not row.restricted and row.rule in OF_RULES and names_any(row, hidden) for row in told
    )


def hidden_in(file: CaseFile) -> set[UUID]:
    """Give the ids of all that is hidden on a case: incidents, and flags about them."""
    return {*file.hidden, *(flag.id for flag in file.flags if flag.restricted)}


@dataclass(slots=True)
class HiddenEvidence:
    """What rests on what, as of an instant.

    `facts` are the case's with its grave flags; `turned` names the incident that a write has just
    hidden or shown, and the flags that followed it.
    """

    file: CaseFile
    facts: Facts
    findings: Sequence[Finding]
    at: datetime
    turned: set[UUID]

    def flags(self) -> list[Flag]:
        """Give the flags that a rule has raised; what came by the door is hidden for good."""
        return [
            flag for flag in self.file.flags if flag.rule in _TURNED and flag.account_id is None
        ]

    def rests_on_hidden(self, row: Told) -> bool:
        """Tell whether a row says more than it may, now that something is hidden."""
        return names_any(row, hidden_in(self.file)) or (
            bool(self.turned & self.file.hidden) and self._rests_on_turned(row)
        )

    def rests_on_shown(self, row: Told) -> bool:
        """Tell whether a row rests on what a write has just shown again."""
        shown = self.turned - hidden_in(self.file)
        return names_any(row, shown) or (bool(shown) and self._rests_on_turned(row))

    def _rests_on_turned(self, row: Told) -> bool:
        """Tell whether a rule speaks only because of what was turned and is in no evidence."""
        return (
            row.rule in RESTS_ON_MORE
            and self._says(row.rule, row, hiding=True) is None
            and self._says(row.rule, row, hiding=False) is not None
        )

    def is_still_hidden(self, row: Told) -> bool:
        """Tell whether a row rests on what is hidden, or may."""
        return names_any(row, hidden_in(self.file)) or (
            row.rule in RESTS_ON_MORE and bool(self.file.hidden) and self.left_of(row) is None
        )

    def _says(self, rule: str, row: Told, *, hiding: bool) -> Finding | None:
        """Ask what a rule says of a row's evidence where what was turned is hidden, or is not."""
        incidents = tuple(
            replace(each, restricted=hiding) if each.id in self.turned else each
            for each in self.facts.incidents
        )
        facts = replace(self.facts, incidents=incidents).unrestricted()
        return narrowed(rule, facts, self.at, evidence_of(row))

    def left_of(self, row: Told) -> Finding | None:
        """Give what a rule says, without what is hidden, of the rest of a row's evidence."""
        hidden = hidden_in(self.file)
        left = {item for item in evidence_of(row) if item[1] not in hidden}
        return narrowed(row.rule, self.facts.unrestricted(), self.at, left) if left else None

    def found(self, rule: str, *, restricted: bool) -> Finding | None:
        """Give what a rule found just now, in the open or restricted."""
        return next(
            (
                each
                for each in self.findings
                if (each.rule, each.restricted, each.about) == (rule, restricted, None)
            ),
            None,
        )

    def waiting(self, rule: str, *, restricted: bool) -> Flag | None:
        """Give the flag of a rule that waits for a person, in the open or restricted."""
        waiting = (f for f in self.flags_of(rule, restricted=restricted) if is_unresolved(f.status))
        return next(waiting, None)

    def flags_of(self, rule: str, *, restricted: bool) -> Iterator[Flag]:
        """Give the flags of a rule, in the open or restricted, but for those about accounts."""
        key = rule, restricted, None
        return (flag for flag in self.file.flags if key_of_flag(flag) == key)
