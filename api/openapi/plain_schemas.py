"""Says schemas of the framework so plainly that a generator of clients understands them."""

from typing import Any

_PREFIX = "#/components/schemas/"


def write_plainly(document: dict[str, Any]) -> None:
    """Give every schema one name, and take null from where nobody can send it."""
    _name_schemas(document)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = without_null(parameter["schema"])
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = without_null(content["schema"])


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave null out of a schema's alternatives: what is optional is left out, not null."""
    if "anyOf" not in schema:
        return schema
    kept = [each for each in schema["anyOf"] if each != {"type": "null"}]
    if len(kept) > 1:
        return {**schema, "anyOf": kept}
    # beside a reference generators overlook the rest
    around = {key: value for key, value in schema.items() if key != "anyOf"}
    return kept[0] if "$ref" in kept[0] else {**around, **kept[0]}


def _name_schemas(document: dict[str, Any]) -> None:
    """Give every schema one plain name, which is its title too.

    What is sent one way and shown another is told apart by the framework as `X-Input` and
    `X-Output`, under one title, and pages as `Page_XRead_`: here they are `X`, `XRead` and `XPage`.
    Generators name classes by titles, and leave out what would need a second class of that name.
    """
    schemas = document["components"]["schemas"]
    names = {old: _name(old, schema) for old, schema in schemas.items()}
    named = {names[old]: {**schema, "title": names[old]} for old, schema in schemas.items()}
    assert len(named) == len(schemas), sorted(names.values())  # noqa: S101 - or one would be lost
    document["components"]["schemas"] = dict(sorted(named.items()))
    _refer_to(document, {_PREFIX + old: _PREFIX + new for old, new in names.items()})


def _name(old: str, schema: dict[str, Any]) -> str:
    if old.isalnum():
        return old
    title = "".join(filter(str.isalnum, schema["title"]))
    return f"{title}Read" if old.endswith("-Output") else title


def _refer_to(node: Any, renamed: dict[str, str]) -> None:
    """Follow the names wherever they are spoken of: references and discriminators."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, str):
                node[key] = renamed.get(value, value)
            else:
                _refer_to(value, renamed)
