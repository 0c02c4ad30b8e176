"""A record as people read it: each field by its name, each value as what it is."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from api.domain.vocabulary import VOCABULARY

OF_THE_ROW = frozenset(
    {
        "id",
        "version",
        "updated_at",
        "created_at",
        "case_id",
        "account_id",
        "says",
        "evidence",
        "rule_version",
        "content_salt",
    }
)
"""What a page says of its own accord, or nobody reads."""
_SAYS_NOTHING = (
    ("date_precision", "day"),
    ("classification", "unclassified"),
    ("client_impact", "unknown"),
    ("repair", "unknown"),
    ("phase", "unknown"),
    ("restricted", False),
    ("is_minor", False),
)
"""What stands in a record as long as nobody said anything else."""
_WORDS = frozenset(word for words in VOCABULARY.values() for word in words)
_TEXTS = frozenset(
    {
        "narrative",
        "rationale",
        "wording",
        "question",
        "summary",
        "advice",
        "body",
        "review_note",
        "resolution_note",
        "reason",
        "response_reason",
        "reopen_reason",
        "plan",
        "precautions",
        "stated_reason",
        "because",
        "client_ref",
        "name",
        "title",
    }
)
"""What people wrote in their own words, or is told in a sentence."""
_SAID = ("title", "because")
"""What a flag says of itself."""


class Shown(NamedTuple):
    """A field with its value; `kind` says how it is written."""

    key: str
    kind: str
    value: Any


def shown(record: Mapping[str, Any], *without: str) -> list[Shown]:
    """Give the fields of a record that say something, details first."""
    return [*_shown(record, {*OF_THE_ROW, *without})]


def _shown(record: Mapping[str, Any], without: set[str]) -> Iterator[Shown]:
    details = record.get("details")
    if isinstance(details, Mapping):
        kind = details["kind"]
        yield Shown("kind", "label", kind)
        nested = {name: value for name, value in details.items() if name != "kind"}
        for each in _shown(nested, set()):
            yield each._replace(key=f"{kind}.{each.key}")
    for name, value in _as_said(record).items():
        told = value not in (None, []) and (name, value) not in _SAYS_NOTHING
        if told and name not in without and not isinstance(value, Mapping):
            is_stored = name in _SAID and record.get("says", name) is None
            yield Shown(name, "stored" if is_stored else _kind_of(name, value), value)


def _as_said(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a flag with what it says in its reader's language, where it is told in that."""
    says = record.get("says")
    return record if says is None else {**record, **{name: says[name] for name in _SAID}}


def _kind_of(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, list):
        return "many" if all(each in _WORDS for each in value) else "ids"
    if name in _TEXTS:
        return "text"
    if name == "rule":
        return "rule"
    if name.endswith("_on"):
        return "day"
    if name.endswith("_at") or name in {"at", "from", "to"}:
        return "moment"
    if name.endswith("_id"):
        return "person"
    if name == "severity":
        return "severity"
    return "word" if value in _WORDS else "plain"


def people_in(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give the ids of whoever is named in records."""
    return [
        value
        for record in records
        for name, value in record.items()
        if name.endswith("_id") and isinstance(value, str)
    ]
