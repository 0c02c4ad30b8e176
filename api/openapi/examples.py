"""Examples for the OpenAPI document: its schemas, filled from one table of values."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from api.openapi.example_values import NAMED, TOLD_OF_A_KIND, TOLD_OF_OTHERS, USUAL_KIND, VALUES

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "null": (type(None),),
}
_FORMS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d$"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
}


class Examples:
    """Writes examples for the schemas of one document; `missing` names what no value was for."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas
        self.whole: dict[str, Any] = {}
        """Examples of schemas that are not filled from the table, by name."""
        self._kind = USUAL_KIND
        self.missing: set[str] = set()

    def of(self, schema: Schema, name: str = "", *, is_request: bool = False) -> Any:
        """Write one example. A request leaves out the ids it need not send: they are not known."""
        return self._value(schema, name, "", is_request=is_request)

    def several(
        self, schema: Schema, name: str = "", *, is_request: bool = False
    ) -> dict[str, tuple[str, Any]]:
        """Write an example for each way to fill a schema: its name, in a sentence, and the value.

        One alone has no name.
        """
        within, body = self._resolved(schema)
        if within in self.whole:
            return {"": ("", self.whole[within])}
        if "oneOf" in body and "properties" in body:
            return {each: (each, value) for each, value in self._branches(within, body)}
        if is_request and (kinds := self._kinds(body)):
            return dict(self._by_kind(schema, kinds))
        if len(options := _options(body)) > 1:
            return {
                name: (told, self.of(each, is_request=is_request))
                for each in options
                for name, told in [self._called(each)]
            }
        value = self.of(schema, name, is_request=is_request)
        if is_request and within in NAMED:
            return {each: (each, {**value, **more}) for each, more in NAMED[within].items()}
        return {"": ("", value)}

    def _branches(self, within: str, body: Schema) -> Iterator[tuple[str, Any]]:
        """Fill an object that needs other fields for each word of one of them."""
        for branch in body["oneOf"]:
            ((chooser, chosen),) = (
                (name, field) for name, field in branch["properties"].items() if "const" in field
            )
            needed = dict.fromkeys((*body["required"], *branch["required"]))
            names = [name for name in needed if name != chooser]
            sent = {
                name: self._value(body["properties"][name], name, within, is_request=True)
                for name in names
            }
            yield chosen["const"], {chooser: chosen["const"], **sent}

    def _kinds(self, body: Schema) -> dict[str, str]:
        """Give the mapping of the union in a body, where it has one."""
        found: list[dict[str, str]] = [
            field["discriminator"]["mapping"]
            for field in body.get("properties", {}).values()
            if "discriminator" in field
        ]
        return found[0] if found else {}

    def _by_kind(self, schema: Schema, kinds: dict[str, str]) -> Iterator[tuple[str, Any]]:
        for kind, reference in sorted(kinds.items(), key=lambda each: each[0] != USUAL_KIND):
            self._kind = kind
            told = TOLD_OF_A_KIND.get(kind, TOLD_OF_OTHERS)
            value = {**self.of(schema, is_request=True), **told}
            yield kind, (self._says({"$ref": reference}), value)
        self._kind = USUAL_KIND

    def _says(self, schema: Schema) -> str:
        name, body = self._resolved(schema)
        return first_sentence(body.get("description", "")) or name

    def _called(self, schema: Schema) -> tuple[str, str]:
        """Give the name of a schema with what it says; of a page, those of its items."""
        items = self._resolved(schema)[1].get("properties", {}).get("items", {}).get("items", {})
        named = items if "$ref" in items else schema
        return _tail(named), self._says(named)

    def _resolved(self, schema: Schema) -> tuple[str, Schema]:
        if "$ref" not in schema:
            return "", schema
        name = _tail(schema)
        return name, self._schemas[name]

    def _value(self, schema: Schema, name: str, within: str, *, is_request: bool) -> Any:
        if "const" in schema:
            return schema["const"]
        reference, body = self._resolved(schema)
        for key in (f"{within}.{name}", name):
            for value in VALUES.get(key, ()):
                if self._fits(value, body):
                    return value
        if reference and "properties" in body:
            return self._object(body, reference, is_request=is_request)
        if "discriminator" in body:
            mapping = body["discriminator"]["mapping"]
            chosen = mapping.get(self._kind) or next(iter(mapping.values()))
            return self._value({"$ref": chosen}, "", "", is_request=is_request)
        options = _options(body)
        if options != [body]:
            return self._value(options[0], name, within, is_request=is_request)
        return self._plain(body, name, within, is_request=is_request)

    def _object(self, body: Schema, reference: str, *, is_request: bool) -> dict[str, Any]:
        within = re.sub("-(Input|Output)$", "", reference)
        needed = body.get("required", ())
        return {
            name: self._value(field, name, within, is_request=is_request)
            for name, field in body["properties"].items()
            if name in needed or not (is_request and _is_an_id(field))
        }

    def _plain(self, schema: Schema, name: str, within: str, *, is_request: bool) -> Any:
        if "enum" in schema:
            return schema["enum"][0]
        if "default" in schema:
            return schema["default"]
        match schema.get("type"), schema.get("format"):
            case "array", _:
                items = _options(schema["items"])
                return [self._value(each, name, within, is_request=is_request) for each in items]
            case "object", _ if "properties" in schema:
                return self._object(schema, within, is_request=is_request)
            case "string", "uuid":
                return _id_of(name, within)
            case "string", ("date" | "date-time") as form:
                return VALUES[f"={form}"][0]
            case "boolean", _:
                return VALUES["=boolean"][0]
            case "string", _ if name.endswith(("_id", "_ids")):
                return _id_of(name, within)
        self.missing.add(f"{within}.{name}")
        return "" if schema.get("type") == "string" else 0

    def _fits(self, value: Any, schema: Schema) -> bool:
        options = _options(schema, nulls=True)
        if options != [schema]:
            return any(self._fits(value, self._resolved(each)[1]) for each in options)
        if "enum" in schema:
            known_words: list[Any] = schema["enum"]
            return value in known_words
        if "discriminator" in schema:
            return False
        if isinstance(value, list) and schema.get("type") == "array":
            item = self._resolved(schema["items"])[1]
            return all(self._fits(each, item) for each in value)
        if isinstance(value, dict) and "properties" in schema:
            return set(value) == set(schema["properties"])
        return _is_of(schema, value)


def first_sentence(text: str) -> str:
    """Give the first sentence of a docstring, as one line."""
    return " ".join(re.split(r"(?<=[.;:])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".;:")


def _options(schema: Schema, *, nulls: bool = False) -> list[Schema]:
    """Give what a schema may be instead, null left out unless it is asked for."""
    options: list[Schema] = schema.get("anyOf") or [schema]
    return options if nulls else [each for each in options if each.get("type") != "null"]


def _tail(schema: Schema) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _is_an_id(schema: Schema) -> bool:
    (option, *_) = _options(schema)
    return bool(option.get("items", option).get("format") == "uuid")


def _is_of(schema: Schema, value: Any) -> bool:
    """Tell whether a plain value is of a schema's type and form."""
    if isinstance(value, bool):
        return schema.get("type") == "boolean"
    form = _FORMS.get(schema.get("format", ""))
    if form is not None and not (isinstance(value, str) and form.match(value)):
        return False
    return isinstance(value, _TYPES.get(schema.get("type", ""), ()))


def _id_of(name: str, within: str) -> str:
    """Make an id that is the same wherever the same record is named."""
    noun = re.sub(r"_ids?$", "", name)
    if name == "id":
        of = re.sub("(Read|Written|Copied|Made|Brief)$", "", within).lower()
        noun = {"evidence": "promise", "unwatchedcase": "case"}.get(of, of)
    digits = hashlib.sha256(noun.encode()).hexdigest()
    return f"019cadf1-{digits[:4]}-7{digits[4:7]}-8{digits[7:10]}-{digits[10:22]}"
