"""What a rule says of itself, read off its docstring: what it asks, when, how gravely, and why."""

import re
from dataclasses import dataclass
from inspect import getdoc

from api.domain.rules.findings import Rule
from api.domain.rules.thresholds import Thresholds

_GRADED = "Severity: "
_AUTHORITIES = ("45 CFR", "AAMFT", "ACA", "APA", "Gutheil", "NASW")
"""Whose codes, laws and papers a rule may rest on; the rulebook says which editions."""
_FIRST_LINE = re.compile(rf"(.+?\.)(?: ((?:{'|'.join(_AUTHORITIES)}).*)\.)?")


@dataclass(frozen=True, slots=True)
class InWords:
    """A rule in words.

    `asks` is one line as the API tells it, with the source at its end; `question` is the same
    without. `graded` says when it is graver or milder: of a prompt nothing, as it has one severity.
    """

    asks: str
    question: str
    source: str | None
    condition: str
    graded: str | None

    @property
    def thresholds(self) -> list[str]:
        """Name the numbers it compares with."""
        said = f"{self.condition} {self.graded}"
        return [name for name in Thresholds.model_fields if f"`{name}`" in said]


def in_words(rule: Rule) -> InWords:
    """Read what a rule or prompt says of itself. Raises ValueError where that is not in order."""
    asks, *rest = (" ".join(part.split()) for part in (getdoc(rule) or "").split("\n\n"))
    first_line = _FIRST_LINE.fullmatch(asks)
    graded = rest.pop().removeprefix(_GRADED) if rest and rest[-1].startswith(_GRADED) else None
    if first_line is None or not rest:
        raise ValueError(f"{rule} does not say what it asks, and of which records.")
    question, source = first_line.groups()
    return InWords(asks, question, source, " ".join(rest), graded)
