"""Builds the OpenAPI document: what the framework writes, and what it does not know."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI

from api.domain.errors import SignInAgain
from api.http.csv_lists import CSV, write_csv
from api.interop.fhir.examples import fhir_examples
from api.openapi.description import TAGS
from api.openapi.events_told import told
from api.openapi.example_values import VALUES
from api.openapi.examples import Examples, first_sentence
from api.openapi.headers import HEADERS, SET_BY_DOORS, SOMETIMES, headers
from api.openapi.operations import Operation, operations_of, who_may
from api.openapi.plain_schemas import write_plainly
from api.openapi.refusal_responses import write_refusals
from api.openapi.security_schemes import AT_DOOR, SECURITY_SCHEMES, security_of

_FRAMEWORKS_422 = {"HTTPValidationError", "ValidationError"}
_JSON = "application/json"


def document_of(app: FastAPI) -> dict[str, Any]:
    """Build the document of an application, which is asked for it once; it takes seconds."""
    app.webhooks.routes[:0] = told.routes
    written = app.openapi()
    write_plainly(written)
    Finishing(app, written).finish()
    return written


class Finishing:
    """Finishes one document."""

    def __init__(self, app: FastAPI, written: dict[str, Any]) -> None:
        self._written = written
        self._components = written["components"]
        self.examples = Examples(self._components["schemas"])
        self.examples.whole = fhir_examples(self._own_example, app.version)
        self._operations = list(operations_of(app.routes, written["paths"]))
        self._told = list(operations_of(app.webhooks.routes, written.get("webhooks", {})))

    def finish(self) -> None:
        """Finish it, in place."""
        for operation in self._operations:
            self._describe(operation)
            if operation.action is not None:
                operation.written["security"] = security_of(operation.action)
            elif operation.is_at_door:
                operation.written["security"] = AT_DOOR
            self._parameters(operation)
            self._answers(operation)
            write_refusals(operation, self._components)
        for operation in self._told:
            operation.written["responses"].pop("422", None)
            for status, answer in operation.written["responses"].items():
                # what whoever was told answers is theirs
                answer.pop("content", None)
                if status.startswith("2"):
                    answer["description"] = "It was taken."
            self._summarize(operation)
        for operation in (*self._operations, *self._told):
            self._show(operation)
        self._components["headers"] = {
            name: {**header, "required": True} for name, header in HEADERS.items()
        }
        self._components["securitySchemes"] = SECURITY_SCHEMES
        self._written["tags"] = list(self._tags())
        for name in _FRAMEWORKS_422:
            self._components["schemas"].pop(name, None)

    def _own_example(self, name: str) -> dict[str, Any]:
        example: dict[str, Any] = self.examples.of({"$ref": f"#/components/schemas/{name}"})
        return example

    def _tags(self) -> Iterator[dict[str, str]]:
        used = {
            tag: operation
            for operation in (*self._operations, *self._told)
            for tag in operation.written.get("tags", ())
        }
        for tag in dict.fromkeys((*TAGS, *used)):
            if tag in used:
                door = sys.modules[used[tag].route.endpoint.__module__]
                yield {"name": tag, "description": TAGS.get(tag) or inspect.getdoc(door) or tag}

    # ------------------------------------------------------------------------ words

    def _summarize(self, operation: Operation) -> None:
        told = operation.route.description or operation.route.name
        operation.written["summary"] = first_sentence(told)
        operation.written["description"] = told

    def _describe(self, operation: Operation) -> None:
        self._summarize(operation)
        written, sentences = operation.written, [operation.written["description"]]
        if operation.guard is not None or operation.is_at_door:
            sentences.append(who_may(operation))
        if any(each.kind is SignInAgain for each in operation.foreseen.refusals):
            sentences.append("It may ask for a sign-in of the last 15 minutes.")
        if CSV in written["responses"].get("200", {}).get("content", {}):
            sentences.append("With `Accept: text/csv` the same page is written as CSV.")
        written["description"] = "\n\n".join(sentences)

    # ------------------------------------------------------------------- parameters

    def _parameters(self, operation: Operation) -> None:
        for parameter in operation.written.get("parameters", ()):
            if parameter["schema"].pop("deprecated", False):
                parameter["deprecated"] = True
            if parameter["name"] == "If-Match":
                # without it the answer is 428, which is not the framework's way
                parameter |= {"required": True, "schema": {"type": "string"}, "example": '"3"'}
            elif parameter["in"] == "path":
                name = parameter["name"]
                known = VALUES.get(f"{operation.route.name}.{name}")
                schema = parameter["schema"]
                parameter["example"] = known[0] if known else self.examples.of(schema, name)

    # ---------------------------------------------------------------------- answers

    def _answers(self, operation: Operation) -> None:
        answers = operation.written["responses"]
        for refused in ("4XX", "5XX", "422"):
            answers.pop(refused, None)
        for status, answer in answers.items():
            if status >= "4":
                continue
            content = answer.get("content", {})
            answer["description"] = self._told_by(content)
            answer["headers"] = headers(
                name for name in SET_BY_DOORS if name in operation.foreseen.texts
            )
            for name in SOMETIMES & answer["headers"].keys():
                answer["headers"][name] = {**HEADERS[name], "required": False}
            if CSV in content:
                answer["headers"] |= headers(["Vary"])
                answer["headers"]["Link"] = {**HEADERS["Link"], "required": False}

    def _told_by(self, content: dict[str, Any]) -> str:
        reference: str = content.get(_JSON, {}).get("schema", {}).get("$ref", "")
        told = self._components["schemas"].get(reference.rpartition("/")[2], {})
        if not content:
            return "It is done; there is nothing to say."
        return f"{first_sentence(told.get('description', '')) or 'What was asked for'}."

    # --------------------------------------------------------------------- examples

    def _show(self, operation: Operation) -> None:
        body = operation.written.get("requestBody", {})
        for media, content in body.get("content", {}).items():
            # a door that takes a file shows one itself
            if "example" not in content:
                self._show_in(content, media, operation, is_request=True)
        for answer in operation.written["responses"].values():
            for media, content in answer.get("content", {}).items():
                if "examples" not in content:
                    self._show_in(content, media, operation, answer.get("content", {}))

    def _show_in(
        self,
        content: dict[str, Any],
        media: str,
        operation: Operation,
        beside: Mapping[str, Any] = MappingProxyType({}),
        *,
        is_request: bool = False,
    ) -> None:
        """Write examples of a body; `beside` is what the same answer may be in other forms."""
        if media == CSV and _JSON in beside:
            pages = self._shown(beside[_JSON], operation)
            content["examples"] = {
                name or "page": {"value": _as_csv(value["items"])}
                for name, (_, value) in pages.items()
            }
            return
        for known in VALUES.get(media, ()):
            content["example"] = known
            return
        shown = self._shown(content, operation, is_request=is_request)
        if shown.keys() == {""}:
            content["example"] = shown[""][1]
        else:
            content["examples"] = {
                name: {"summary": summary, "value": value}
                for name, (summary, value) in shown.items()
            }

    def _shown(
        self, content: dict[str, Any], operation: Operation, *, is_request: bool = False
    ) -> dict[str, tuple[str, Any]]:
        name = operation.route.name
        return self.examples.several(content.get("schema", {}), name, is_request=is_request)


def _as_csv(items: list[dict[str, Any]]) -> str:
    return write_csv(items, tuple(tuple(item) for item in items))
