"""What would break a program that was written to an earlier OpenAPI document of this API.

What is sent may be asked less of, and what is answered may say more; never the other way round.
Harmless are: a new operation, an optional parameter or field, a further word, a longer text, a
field more in an answer, a range of statuses ("4XX") that is now told one by one, and a parameter or
a field of a form that was said to be null: neither can say it. Kinds of a union count as words.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]
Document = dict[str, Any]

_FORM = "application/x-www-form-urlencoded"
_METHODS = ("get", "put", "post", "delete", "patch")
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def breaking_changes(before: Document, after: Document) -> list[str]:
    """Say in sentences what would break, in the order of the earlier document."""
    return list(_Comparison(before, after).all())


class _Way(NamedTuple):
    """Which way a value goes: `is_sent` to this API, else it is an answer of its.

    `is_text`: it is sent as a parameter or in a form, where nothing is null.
    """

    is_sent: bool
    where: str
    is_text: bool = False

    def at(self, step: str) -> "_Way":
        return self._replace(where=f"{self.where}{step}")


class _Comparison:
    """Walks two documents side by side; what both name is compared once each way."""

    def __init__(self, before: Document, after: Document) -> None:
        self._before, self._after = before, after
        self._compared: set[tuple[str, str, bool]] = set()

    def all(self) -> Iterator[str]:
        for part in ("paths", "webhooks"):
            for path, operations in self._before.get(part, {}).items():
                there = self._after.get(part, {}).get(path, {})
                for method in _METHODS:
                    if method in operations:
                        name = f"{method.upper()} {path}"
                        yield from self._operation(
                            name, operations[method], there.get(method), is_ours=part == "webhooks"
                        )

    def _operation(
        self, name: str, before: Any, after: Any | None, *, is_ours: bool
    ) -> Iterator[str]:
        if after is None:
            yield f"{name} is gone."
            return
        if before.get("operationId") != after.get("operationId"):
            yield f"{name} has another operationId."
        if not before.get("security") and after.get("security"):
            yield f"{name} now needs a token."
        yield from self._parameters(name, before, after)
        yield from self._body(name, before, after, is_ours=is_ours)
        if not is_ours:
            yield from self._answers(name, before, after)

    def _parameters(self, name: str, before: Any, after: Any) -> Iterator[str]:
        known, there = _parameters_of(before), _parameters_of(after)
        for key, parameter in known.items():
            where = f"{name}: the {key[0]} parameter {key[1]}"
            if key not in there:
                yield f"{where} is gone."
            else:
                way = _Way(is_sent=True, where=where, is_text=True)
                yield from self._schemas(parameter["schema"], there[key]["schema"], way)
        for key, parameter in there.items():
            if parameter.get("required") and not known.get(key, {}).get("required"):
                yield f"{name}: the {key[0]} parameter {key[1]} is now needed."

    def _body(self, name: str, before: Any, after: Any, *, is_ours: bool) -> Iterator[str]:
        known, there = before.get("requestBody", {}), after.get("requestBody", {})
        if there.get("required") and not known.get("required"):
            yield f"{name}: a body is now needed."
        way = _Way(is_sent=not is_ours, where=f"{name}: the body")
        yield from self._contents(known, there, way)

    def _answers(self, name: str, before: Any, after: Any) -> Iterator[str]:
        for status, answer in before["responses"].items():
            if status.endswith("XX"):
                continue
            where = f"{name}: the answer {status}"
            if status not in after["responses"]:
                yield f"{where} is gone."
                continue
            known = self._resolved(self._before, answer)
            there = self._resolved(self._after, after["responses"][status])
            yield from self._contents(known, there, _Way(is_sent=False, where=where))
            for header in known.get("headers", {}):
                if header not in there.get("headers", {}):
                    yield f"{where} has no header {header} any more."

    def _contents(self, before: Any, after: Any, way: _Way) -> Iterator[str]:
        for media, content in before.get("content", {}).items():
            there = after.get("content", {}).get(media)
            if there is None:
                yield f"{way.where} is no longer {media}."
            elif "schema" in content:
                this = way._replace(is_text=media == _FORM)
                yield from self._schemas(content["schema"], there.get("schema", {}), this)

    # ------------------------------------------------------------------------- schemas

    def _schemas(self, before: Schema, after: Schema, way: _Way) -> Iterator[str]:
        names = before.get("$ref", ""), after.get("$ref", ""), way.is_sent
        if names in self._compared:
            return
        if all(names[:2]):
            self._compared.add(names)
        known = dict(self._alternatives(self._before, before))
        there = dict(self._alternatives(self._after, after))
        for key in known.keys() - there.keys():
            if way.is_text and key == "null":
                continue
            if way.is_sent or key.startswith("kind "):
                yield f"{way.where} is no longer {key}."
        for key in there.keys() - known.keys():
            if not way.is_sent and not key.startswith("kind "):
                yield f"{way.where} may now be {key}."
        for key, one in known.items():
            if key in there:
                yield from self._alike(one, there[key], way)

    def _alternatives(self, document: Document, schema: Schema) -> Iterator[tuple[str, Schema]]:
        """Give what a value may be instead, by type; objects of a union by their kind."""
        schema = self._resolved(document, schema)
        if "properties" not in schema and (several := schema.get("anyOf") or schema.get("oneOf")):
            for each in several:
                yield from self._alternatives(document, each)
            return
        kinds = _words(schema.get("properties", {}).get("kind", {}))
        if kinds is not None and len(kinds) == 1:
            yield f"kind {min(kinds)}", schema
        else:
            type_of = "string" if "const" in schema else schema.get("type", "anything")
            yield str(type_of), schema

    def _alike(self, before: Schema, after: Schema, way: _Way) -> Iterator[str]:
        """Compare two schemas of one type."""
        yield from _words_gone(before, after, way)
        yield from _forms(before, after, way)
        if way.is_sent:
            yield from _bounds(before, after, way)
        if "items" in before and "items" in after:
            yield from self._schemas(before["items"], after["items"], way.at(" /-"))
        one, other = (each.get("additionalProperties") for each in (before, after))
        if isinstance(one, dict) and isinstance(other, dict):
            yield from self._schemas(one, other, way.at(" /*"))
        yield from self._fields(before, after, way)

    def _fields(self, before: Schema, after: Schema, way: _Way) -> Iterator[str]:
        known, there = before.get("properties", {}), after.get("properties", {})
        needed_before, needed = set(before.get("required", ())), set(after.get("required", ()))
        is_open = way.is_sent and after.get("additionalProperties") is not False
        for name, field in known.items():
            if name in there:
                yield from self._schemas(field, there[name], way.at(f" /{name}"))
            elif not is_open:
                yield f"{way.where} has no field {name} any more."
        if way.is_sent:
            yield from (
                f"{way.where} now needs the field {name}."
                for name in sorted(needed - needed_before)
            )
        else:
            yield from (
                f"{way.where} may now lack the field {name}."
                for name in sorted((needed_before - needed) & there.keys())
            )

    def _resolved(self, document: Document, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema


def _parameters_of(operation: Any) -> dict[tuple[str, str], Any]:
    return {(each["in"], each["name"]): each for each in operation.get("parameters", ())}


def _words(schema: Schema) -> set[Any] | None:
    """Give the words a value must be one of; None where it is free."""
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _words_gone(before: Schema, after: Schema, way: _Way) -> Iterator[str]:
    known, there = _words(before), _words(after)
    if there is None:
        return
    if known is None:
        if way.is_sent:
            yield f"{way.where} must now be one of certain words."
        return
    yield from (f"{way.where} is no longer the word {word}." for word in sorted(known - there))


def _forms(before: Schema, after: Schema, way: _Way) -> Iterator[str]:
    """Compare format and pattern: a new one binds who sends, one that goes who is answered."""
    for form in ("format", "pattern"):
        known, there = before.get(form), after.get(form)
        binding = there if way.is_sent else known
        if known != there and binding is not None:
            yield f"{way.where} has another {form}."


def _bounds(before: Schema, after: Schema, way: _Way) -> Iterator[str]:
    tighter: tuple[tuple[tuple[str, ...], Callable[[float, float], bool]], ...] = (
        (_LEAST, lambda now, then: now > then),
        (_MOST, lambda now, then: now < then),
    )
    for names, is_tighter in tighter:
        for name in names:
            known, there = before.get(name), after.get(name)
            if there is not None and (known is None or is_tighter(there, known)):
                yield f"{way.where} has a narrower {name}."
