"""Writes docs/rules.md from the code: every rule and prompt in words, and every threshold."""

from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc, getfile
from pathlib import Path
from typing import Any

import typer

from api.domain.rules import facts, findings, rulebook
from api.domain.rules.evaluate import evaluate
from api.domain.rules.findings import Rule
from api.domain.rules.in_words import in_words
from api.domain.rules.modes import ALWAYS_ACTIVE
from api.domain.rules.moment import Moment
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULEBOOK_VERSION, RULES
from api.domain.rules.situations import SITUATIONS
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import PromptName, RuleName, Severity

RENEW = "python -m api rules > docs/rules.md"

_BEGINNING = f"""\
# The rules

Version {RULEBOOK_VERSION} of the rulebook. `{RENEW}` writes this page, and a test
compares it with the code: each rule is one function, and what is said of it here stands in it.

A rule asks somebody to look. It is never a finding about anyone. It is asked again after each
write to a case, and whenever time alone may change its answer
([0001](decisions/0001-time-is-replayed.md)); how its flag ends is told in
[0003](decisions/0003-flags-outlive-what-raised-them.md). Fields and words are those of the API, and
`GET /v1/vocabulary` defines each; numbers go by their names under [Thresholds](#thresholds). No
rule is told of what was voided; of a voided case the rules of the client's door are asked alone. A
field that nobody filled in is neither true nor false, so "is false" does not hold of it: what is
not known counts against nobody. Where a rule asks about what is not recorded (a return, a screen, a
written reason, a report) it says so.

What clients say at their door is asked about by four rules, which are told of no word of it, of no
topic, and of no answer about what somebody felt or thought; no other rule is told of it at all.
Their flags are restricted, shared or not, and three of them ask about each account by itself: it
may not be read by all who supervise the case.

A flag that nobody has acknowledged follows its records upwards at once. It gets milder when a
record it rests on is changed, or others take its place, and not by time or by other writes: a
danger that nobody has looked at must not fade by waiting. Acknowledge it, and it follows.
"""

*_ALL_BUT_ONE, _ONE = (f"`{each}`" for each in RULES if each in ALWAYS_ACTIVE)

_FOR_SUPERVISORS = f"""\
For supervisors, in their queue. A clinic may let a rule only count what it would have raised
([supervision.md](supervision.md)), but for {", ".join(_ALL_BUT_ONE)} and {_ONE}.
"""

_FOR_CLINICIANS = """\
For the case's clinician alone, and never in a queue. Their severity is info, their source the
rulebook itself, and they end by themselves once they hold no more.
"""

_THRESHOLDS = """\
The numbers that rules compare with. An admin sets a clinic's own (`PUT /v1/rules/thresholds`), and
may look beforehand at what that would do (`POST /v1/rules/preview`). What is left out has its
default. The three ages of a risk stand in rising order.
"""

_TERMS: Mapping[str, Callable[..., Any]] = {
    "A promise within the frame": facts.within_the_frame,
    "An incident by the care side": facts.on_the_care_side,
    "Somebody was consulted about an incident": facts.consulted,
    "Texts and reviews": facts.IncidentFact,
    "The day of an incident": Moment.day_of,
    "More than so many days ago": Moment.passed,
    "A record of a crisis": findings.graver_in_crisis,
    "Several records of a case": findings.finding,
    "Restricted records": evaluate,
}
"""What the rules mean by words they share, and the code that decides it."""


def print_rules() -> None:
    """Print every rule, prompt and threshold in words, as docs/rules.md has them."""
    typer.echo(rules_page(), nl=False)


def rules_page() -> str:
    """Write the page, in Markdown."""
    parts = [_BEGINNING, "## What is meant by", ""]
    parts += [f"- **{term}.** {_body(code)}" for term, code in _TERMS.items()]
    parts += ["", "## How soon a look is asked for", "", *_severities(), "", "## Rules", ""]
    parts += [_FOR_SUPERVISORS, *(_entry(name, rule) for name, rule in RULES.items())]
    parts += ["## Prompts", "", _FOR_CLINICIANS]
    parts += [_entry(name, prompt) for name, prompt in PROMPTS.items()]
    parts += ["## Thresholds", "", _THRESHOLDS, *_thresholds(), "", "## Sources", "", _sources()]
    return "\n".join(parts) + "\n"


def _entry(name: RuleName | PromptName, rule: Rule) -> str:
    said = in_words(rule)
    lines = [] if said.graded is None else [f"- Severity: {said.graded}"]
    if isinstance(name, RuleName):
        lines.append(f"- Source: {said.source or 'the rulebook itself'}.")
    asks, leaves_alone = SITUATIONS[name]
    lines += [f"- It asks about this: {asks}", f"- And leaves this alone: {leaves_alone}"]
    lines.append(f"- Code: [`{rule.__name__}`](../api/domain/rules/{Path(getfile(rule)).name})")
    told = (f"### {name}", f"**{name.definition}.** {said.question}", said.condition)
    return "\n\n".join((*told, "\n".join(lines))) + "\n"


def _severities() -> Iterator[str]:
    yield "| severity | a look within |"
    yield "|---|---|"
    yield from (f"| {severity} | {severity.definition} |" for severity in reversed(Severity))


def _thresholds() -> Iterator[str]:
    yield "| threshold | default | bounds | what it is | read by |"
    yield "|---|---|---|---|---|"
    for name, field in Thresholds.model_fields.items():
        bounds = {key: value for each in field.metadata for key, value in _bound(each)}
        (unit,) = (each for each in field.metadata if isinstance(each, str))
        span = f"{bounds['ge']} to {bounds['le']:,}"
        readers = ", ".join(f"[{each}](#{each})" for each in _readers(name))
        yield f"| `{name}` | {field.default} {unit} | {span} | {field.description} | {readers} |"


def _bound(part: Any) -> Iterator[tuple[str, int]]:
    for key in ("ge", "le"):
        if (value := getattr(part, key, None)) is not None:
            yield key, value


def _readers(threshold: str) -> Iterator[str]:
    """Give the rules and prompts that say they read a threshold."""
    for name, rule in (*RULES.items(), *PROMPTS.items()):
        if threshold in in_words(rule).thresholds:
            yield str(name)


def _body(code: Callable[..., Any]) -> str:
    """Give what a docstring says after its first line."""
    _, *rest = (" ".join(part.split()) for part in (getdoc(code) or "").split("\n\n"))
    return " ".join(rest)


def _sources() -> str:
    said = (getdoc(rulebook) or "").split("\n\n")
    (sources,) = (part for part in said if part.startswith("Sources: "))
    return " ".join(sources.split()).removeprefix("Sources: ")
