"""Names of schemas that a generator of clients can make classes of: one name, one class."""

from typing import Any

_PREFIX = "#/components/schemas/"
_SENT, _SHOWN = "-Input", "-Output"


def name_schemas(document: dict[str, Any]) -> None:
    """Give what is sent one way and shown another two names: `XDetails` and `XDetailsRead`.

    The framework tells them apart by `-Input` and `-Output`, under one title; generators name
    classes by titles, and leave out whatever would need a second class of the same name.
    """
    schemas = document["components"]["schemas"]
    names = {
        old: old.removesuffix(_SENT) if old.endswith(_SENT) else f"{old.removesuffix(_SHOWN)}Read"
        for old in schemas
        if old.endswith((_SENT, _SHOWN))
    }
    for old, new in names.items():
        assert new not in schemas, new  # noqa: S101 - or one schema would be lost
        schemas[new] = {**schemas.pop(old), "title": new}
    _refer_to(document, {_PREFIX + old: _PREFIX + new for old, new in names.items()})


def _refer_to(node: Any, renamed: dict[str, str]) -> None:
    """Follow the names wherever they are spoken of: references and discriminators."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, str):
                node[key] = renamed.get(value, value)
            else:
                _refer_to(value, renamed)
