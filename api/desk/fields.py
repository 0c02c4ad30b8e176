"""The fields of a form, read off the schema of what the API takes: a new kind appears by itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from typing import Any

from pydantic import BaseModel

from api.domain.vocabulary import VOCABULARY
from api.languages.spoken import KNOWN

PEOPLE = frozenset(
    {"clinician_id", "consultant_id", "assigned_to_id", "about_user_id", "user_id", "supervisor_id"}
)
"""Fields that name somebody of the clinic."""
RECORDS = frozenset({"incident_ids", "promise_ids"})
"""Fields that name records of the case."""
OF_LANGUAGES = frozenset({"door_languages"})
"""Fields that name languages, several at once."""
ONE_LINE = frozenset({"door_leave_to"})
"""Fields that are a line, however long."""
LANGUAGE = "language"
"""The list of their names."""
_LONG = 300
"""Characters from which a text is more than a line."""
_NESTED = "details"
_FIRST = frozenset({"occurred_on", "date_precision"})
AS_USUAL = frozenset({"restricted", *PEOPLE})
"""Fields that decide themselves where nothing is chosen."""
RULE = "rule"
"""The variant of fields that are rules."""

_LISTS = {words.__name__: name for name, words in VOCABULARY.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. `name` is where it stands in what is sent, as in `details.touch`."""

    name: str
    kind: str
    """`words`, `many`, `yes_no`, `day`, `number`, `text`, `line`, `secret`, `person`, `records`."""
    required: bool
    nullable: bool
    help: str = ""
    list: str = ""
    """The list of the vocabulary that its words are of."""
    options: Sequence[str] = ()
    default: Any = None
    variant: str = ""
    """The kind of incident whose details it is of; `rule` where it is a rule itself."""
    says: str = ""
    """What it is called, where that is data."""

    @property
    def key(self) -> str:
        """What it is called by, see `api.desk.labels`."""
        return f"{self.variant}.{self.own_name}" if self.variant else self.name

    @property
    def decides_itself(self) -> bool:
        """Tell whether something is meant where nothing is chosen."""
        return self.own_name in AS_USUAL

    @property
    def own_name(self) -> str:
        """Its name without where it stands."""
        return self.name.rpartition(".")[2]

    @property
    def within(self) -> str:
        """What it is a part of, as `details`; nothing where it stands by itself."""
        return self.name.rpartition(".")[0]

    @property
    def id(self) -> str:
        """What it is called in the page."""
        return f"f-{self.name.replace('.', '-')}"


def fields_of(body: type[BaseModel], variant: str | None = None) -> list[Field]:
    """Give the fields of what an operation takes; `variant` is the kind of its details."""
    return [*_fields(body, variant)]


@cache
def _fields(body: type[BaseModel], variant: str | None) -> tuple[Field, ...]:
    schema = body.model_json_schema()
    own = [*_of_object(schema, schema, "")]
    if variant is None:
        return tuple(own)
    details = _variants(schema)[variant]
    nested = _of_object(details, schema, f"{_NESTED}.")
    told = [replace(each, variant=variant) for each in nested if each.own_name != "kind"]
    # when it was comes first, then what happened, then who says so
    days = [each for each in own if each.name in _FIRST]
    return (*days, *told, *(each for each in own if each.name not in _FIRST))


@cache
def kinds_of(body: type[BaseModel]) -> dict[str, str]:
    """Give the kinds that the details of a body may be of, each with what it says of itself."""
    found = _variants(body.model_json_schema())
    return {kind: schema.get("description", "") for kind, schema in found.items()}


def _variants(schema: Mapping[str, Any]) -> dict[str, Any]:
    union = schema["properties"][_NESTED]
    shown = (_resolved(each, schema) for each in union["oneOf"])
    return {each["properties"]["kind"]["const"]: each for each in shown}


def _of_object(part: Mapping[str, Any], whole: Mapping[str, Any], prefix: str) -> Iterator[Field]:
    required = part.get("required", ())
    for name, property_ in part["properties"].items():
        one, _ = _without_null(property_, whole)
        if "properties" in one:
            # what is said in several languages is a field for each
            yield from _of_object(one, whole, f"{prefix}{name}.")
        elif "oneOf" not in property_:
            field = _field(f"{prefix}{name}", property_, whole)
            yield replace(field, required=name in required)


def _field(name: str, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Field:
    one, nullable = _without_null(schema, whole)
    known = {
        "name": name,
        "required": False,
        "nullable": nullable,
        "help": schema.get("description", ""),
        "default": schema.get("default"),
    }
    own_name = name.rpartition(".")[2]
    if own_name in OF_LANGUAGES:
        return Field(**known, kind="many", options=KNOWN, list=LANGUAGE)
    if one.get("type") == "array":
        of, _ = _without_null(one["items"], whole)
        kind = "records" if own_name in RECORDS else "many" if "enum" in of else "text"
        return Field(**known, kind=kind, options=of.get("enum", ()), list=_list(one["items"]))
    if "enum" in one:
        words = _list(schema) or (own_name if own_name in VOCABULARY else "")
        return Field(**known, kind="words", options=one["enum"], list=words)
    if "const" in one:
        return Field(**known, kind="fixed", options=[one["const"]])
    if own_name in ONE_LINE:
        return Field(**known, kind="line")
    kind = "person" if own_name in PEOPLE else _kind_of(one)
    return Field(**known, kind=kind)


def _kind_of(one: Mapping[str, Any]) -> str:
    match one.get("type"), one.get("format"):
        case "boolean", _:
            return "yes_no"
        case "integer" | "number", _:
            return "number"
        case _, "date":
            return "day"
        case _, "password":
            return "secret"
    return "text" if one.get("maxLength", 0) > _LONG else "line"


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    named = schema.get("$ref")
    return schema if named is None else whole["$defs"][named.rpartition("/")[2]]


def _without_null(
    schema: Mapping[str, Any], whole: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """Give what a value is, and whether it may be null."""
    either = schema.get("anyOf")
    if either is None:
        return _resolved(schema, whole), False
    others = [each for each in either if each.get("type") != "null"]
    return _resolved(others[0], whole), len(others) < len(either)


def _list(schema: Mapping[str, Any]) -> str:
    """Name the list of the vocabulary that an enumeration's words are of; none of its own."""
    for each in (schema, *schema.get("anyOf", ())):
        named = each.get("$ref", "").rpartition("/")[2]
        if named in _LISTS:
            return _LISTS[named]
    return ""


def body_of(
    fields: Collection[Field], sent: Mapping[str, list[str]], stands: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Write what a form sent as what the API takes.

    Where something that `stands` is changed, what is as it was is left out, and what was emptied is
    null; where something is made, what was left empty is left out.
    """
    body: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {each.within: {} for each in fields if each.within}
    for field in fields:
        value = value_of(field, sent.get(field.name, []))
        if stands is not None and not field.within:
            if _alike(value, stands.get(field.name)) or (value is None and not field.nullable):
                continue
        elif value is None or (value == [] and not field.within):
            continue
        (nested[field.within] if field.within else body)[field.own_name] = value
    for within, told in nested.items():
        asked = [each.own_name for each in fields if each.within == within]
        stood = {} if stands is None else stands.get(within) or {}
        if stands is None or not all(_alike(told.get(each), stood.get(each)) for each in asked):
            body[within] = told
    return body


def _alike(value: Any, stood: Any) -> bool:
    """Tell whether both say the same; the order in which words were chosen says nothing."""
    if isinstance(value, list) and isinstance(stood, list):
        return sorted(value) == sorted(stood)
    return bool(value == stood)


def value_of(field: Field, sent: list[str]) -> Any:
    """Read what a field sent, as the API takes it; nothing where it was left empty."""
    if field.kind in {"many", "records"}:
        return [each for each in sent if each]
    text = sent[0] if sent else ""
    if field.kind == "yes_no" and text in _YES_NO:
        return _YES_NO[text]
    if field.kind == "number":
        return _number(text)
    return text if text.strip() else None


_YES_NO = {"true": True, "false": False}


def _number(text: str) -> int | float | str | None:
    """Read a number; what is none is sent as it is, and the API says what is wrong with it."""
    for read in (int, float):
        try:
            found = read(text)
        except ValueError:
            continue
        # JSON knows no others
        if isinstance(found, int) or isfinite(found):
            return found
    return text if text.strip() else None


def written(value: Any) -> list[str]:
    """Write a value as a form holds it."""
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def name_of(pointer: str) -> str:
    """Name the field that a refusal points at."""
    return pointer.removeprefix("/").replace("/", ".")
