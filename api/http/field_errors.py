"""Why a field is not accepted, and what to do: sentences made of the schema's words alone.

A name or a bound that stands in the schema may be said to anybody: it stands in the OpenAPI
document, too. What was sent is never said again, and neither is a name that no schema knows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from api.domain.errors import FieldError
from api.domain.vocabulary import VOCABULARY

FEW = 12
"""Names or words that a sentence lists; more are pointed to."""
LONGEST_NAME = 64
"""Characters of a name that is compared with those that are known."""
_ALIKE = 0.7
_COMPARED = 20
"""Unknown names of one request that are compared: there may be thousands, and it takes time."""

NEEDED = "This field is needed."
UNFORESEEN = "This is not of the form that is asked for; /docs says what may stand here."
"""What is said of an error without a sentence of its own. No schema here has any."""
LIKE = "Did you mean"
"""How a known name is given that an unknown one is like."""
SEND_ONCE = "Send this once."
NUL = "A NUL character stands in this text; send it without."
NOT_UTF8 = "This is not text in UTF-8; save or write it as UTF-8, and send it again."
NOT_JSON = "This is not JSON: send one JSON object, in UTF-8, with nothing before or behind it."
BYTE_ORDER_MARK = "A byte order mark stands before this JSON; send it without."
NAMED_TWICE = "A name stands twice in one object; say it once."
NOT_FINITE = "A number here is not finite (NaN, infinity, or too large); send a finite one."
TOO_MANY_DIGITS = "A number here has more digits than any field takes; send fewer."
HALF_A_CHARACTER = (
    "A text here has a NUL or half a character (a surrogate without its other half), which cannot "
    "be kept; send it without."
)
DEEPEST = 16
"""Levels of nesting that a body may have."""
TOO_DEEP = f"This is nested deeper than {DEEPEST} levels, as nothing here is; send it flatter."
_NOT_OF_JSON = {
    NOT_UTF8,
    NOT_JSON,
    BYTE_ORDER_MARK,
    NAMED_TWICE,
    NOT_FINITE,
    TOO_MANY_DIGITS,
    HALF_A_CHARACTER,
    TOO_DEEP,
}


def field_errors(errors: Iterable[dict[str, Any]], asked: Any = None) -> list[FieldError]:
    """Say what is wrong with each field of a request; `asked` is what its body should have been."""
    told = (
        field_error(each, asked if place < _COMPARED else None)
        for place, each in enumerate(_one_for_each_choice(errors))
    )
    return list({(each.pointer, each.message): each for each in told}.values())


def _one_for_each_choice(errors: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Put together what is said of a parameter by each list of words that it may be of."""
    told: dict[Any, Mapping[str, Any]] = {}
    for place, error in enumerate(errors):
        where, *path = error["loc"]
        is_choice = where == "query" and error["type"] in _OF_WORDS
        key: Any = (where, *path[:1]) if is_choice else place
        if key in told:
            words = f"{told[key]['ctx']['expected']}, {error['ctx']['expected']}"
            told[key] = {**told[key], "ctx": {"expected": words}}
        else:
            told[key] = error
    return list(told.values())


def field_error(error: Mapping[str, Any], asked: Any = None) -> FieldError:
    """Say what is wrong with a field, by one of pydantic's errors, and repeat nothing of it."""
    kind = error["type"]
    where, *path = error["loc"]
    if kind == "json_invalid":
        return FieldError(pointer="", message=_not_json(error))
    if kind == "extra_forbidden":
        *path, name = path
        message = unknown(str(name), None if asked is None else _names_at(asked, path))
    elif kind == "missing" and [where, *path] == ["body"]:
        message = "Send a JSON object; nothing came."
    else:
        message = message_of(error)
    if kind in _TAGS:
        path.append("kind")
    if where == "body":
        return FieldError(
            pointer="".join(f"/{step}" for step in _without_tag(path)), message=message
        )
    # what follows a parameter's name are names of the program's own types
    return FieldError(pointer="/".join(("", str(where), *map(str, path[:1]))), message=message)


def message_of(error: Mapping[str, Any]) -> str:
    """Give the sentence for one of pydantic's errors, but for names that are not known."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        # our own validators' sentences, which never quote the value
        return str(context["error"])
    if kind in SENTENCES:
        return SENTENCES[kind]
    if kind in BOUNDED:
        return BOUNDED[kind](context)
    return UNFORESEEN


def unknown(sent: str, known: Iterable[str] | None, what: str = "field") -> str:
    """Say that a name is not known: by the known one it is like, or by all where they are few."""
    begun = f"A {what} here is not known"
    if known is None:
        return f"{begun}; /docs lists those that are."
    names = sorted(known)
    near = nearest(sent, names)
    if near is not None:
        return f"{begun}. {LIKE} `{near}`?"
    if not names:
        return f"{begun}: this takes none."
    if len(names) > FEW and what == "field":
        return f"{begun}; /docs lists the {len(names)} that are."
    return f"{begun}. Known are: {', '.join(names)}."


def not_a_word(words: Sequence[str]) -> str:
    """Say that a value is none of the known words, and which or where these are."""
    begun = "This is not one of the known words"
    if len(words) <= FEW:
        return f"{begun}: {', '.join(words)}."
    listed = _VOCABULARIES.get(frozenset(words))
    if listed is None:
        return f"{begun}; /docs lists them."
    return f"{begun}; `GET /v1/vocabulary` lists them as `{listed}`."


def nearest(sent: str, known: Sequence[str]) -> str | None:
    """Give the known name that a name is most like; None where it is like none."""
    if not 0 < len(sent) <= LONGEST_NAME:
        return None
    return next(iter(get_close_matches(sent.casefold(), known, 1, _ALIKE)), None)


_VOCABULARIES = {frozenset(map(str, words)): name for name, words in VOCABULARY.items()}
_WORD = re.compile(r"'([^']*)'|(\d+)", re.ASCII)
_TAGS = {"union_tag_not_found", "union_tag_invalid"}
_OF_WORDS = {"enum", "literal_error"}


def _words_in(expected: str) -> list[str]:
    """Read pydantic's list of what it expects, `'one', 'two' or 'three'`."""
    return [word or number for word, number in _WORD.findall(expected)]


def _number(bound: float) -> str:
    return f"{bound:,.15g}"


def _at_least(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _too_short(context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if context.get("field_type") == "List":
        return f"This list needs at least {_at_least(least, 'item')}."
    return _too_short_a_text(context)


def _too_short_a_text(context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if least == 1:
        return "This must not be blank."
    return f"This text is too short: the least is {_at_least(least, 'character')}."


def _too_long(context: Mapping[str, Any]) -> str:
    if context.get("field_type") == "List":
        return f"This list is too long: the most is {_at_least(context['max_length'], 'item')}."
    return _too_long_a_text(context)


def _too_long_a_text(context: Mapping[str, Any]) -> str:
    return f"This text is too long: the most is {_at_least(context['max_length'], 'character')}."


_NO_DAY = "There is no such day; a date is written YYYY-MM-DD, as in 2026-03-02."
_NO_TIME = "There is no such time; one is written with its offset, as in 2026-03-02T09:00:00Z."
_WHOLE = "This must be a whole number."
_ID = "This must be an id, a UUID as this API gives it."
_YES_OR_NO = "This must be true or false."
_OBJECT = "This must be an object."

SENTENCES = {
    "missing": NEEDED,
    "union_tag_not_found": NEEDED,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "This number has too many digits; send a smaller one.",
    "float_type": "This must be a number, with a point before decimals.",
    "finite_number": "This must be a finite number.",
    "string_type": "This must be a text.",
    "string_sub_type": "This must be a text.",
    "string_unicode": NOT_UTF8,
    "list_type": "This must be a list.",
    "uuid_parsing": _ID,
    "uuid_type": _ID,
    "date_type": _NO_DAY,
    "date_parsing": _NO_DAY,
    "date_from_datetime_parsing": _NO_DAY,
    "date_from_datetime_inexact": _NO_DAY,
    "datetime_type": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
}
"""What is said of each of pydantic's errors, where it hangs on nothing."""

BOUNDED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "enum": lambda context: not_a_word(_words_in(context["expected"])),
    "literal_error": lambda context: not_a_word(_words_in(context["expected"])),
    "union_tag_invalid": lambda context: not_a_word(_words_in(context["expected_tags"])),
    "greater_than_equal": lambda context: (
        f"This number is too small: the least is {_number(context['ge'])}."
    ),
    "less_than_equal": lambda context: (
        f"This number is too large: the most is {_number(context['le'])}."
    ),
    "string_too_short": _too_short_a_text,
    "string_too_long": _too_long_a_text,
    "too_short": _too_short,
    "too_long": _too_long,
}
"""What is said of each, where it hangs on what the schema asks for."""


def _not_json(error: Mapping[str, Any]) -> str:
    """Say why a body is not JSON, where it was this program that said so."""
    said = error.get("ctx", {}).get("error")
    return said if said in _NOT_OF_JSON else NOT_JSON


def _without_tag(path: list[Any]) -> list[Any]:
    """Leave out the union's tag, which is a step of the schema only: `/details/gift/item`."""
    if len(path) > 1 and path[0] == "details" and path[1:] != ["kind"]:
        return [path[0], *path[2:]]
    return path


# ---------------------------------------------------------------------- what is known at a place


def _names_at(asked: Any, path: Sequence[Any]) -> list[str] | None:
    """Name the fields of the object that a path leads to; None where it leads to none."""
    found = list(_alternatives(asked))
    for step in path:
        found = [inner for each in found for inner in _inside(each, step)]
    names = [name for each in found for name in names_of(each)]
    return names if any(_is_object(each) for each in found) else None


def names_of(schema: Any) -> list[str]:
    """Name the fields of an object as they are sent."""
    fields = schema.model_fields if _is_object(schema) else {}
    return [info.alias or name for name, info in fields.items()]


def _inside(schema: Any, step: Any) -> Iterator[Any]:
    """Give what stands at a step: an item of a list, a field, or one kind of several."""
    if isinstance(step, int):
        if get_origin(schema) is list:
            yield from _alternatives(get_args(schema)[0])
    elif _is_object(schema):
        named = dict(zip(names_of(schema), schema.model_fields.values(), strict=True))
        if step in named:
            yield from _alternatives(named[step].annotation)
        elif any(step in _words_of(info.annotation) for info in named.values()):
            yield schema


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _alternatives(each)
    elif annotation is not type(None):
        yield annotation


def _words_of(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_object(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel)
