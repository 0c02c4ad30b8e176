"""The OpenAPI document: what the framework writes, finished with what it does not know."""

import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response

from api.domain.errors import Refusal, SignInAgain, every_refusal
from api.domain.permissions.table import may_anybody, roles_that_may, scopes_that_let
from api.domain.vocabulary import Scope
from api.http.csv_lists import CSV, write_csv
from api.http.oauth_refusals import TOKEN_PATH, token_body_of
from api.http.problem_details import PROBLEM, Problem, body_of
from api.interop.fhir.elements import FHIR_JSON
from api.interop.fhir.outcome import as_outcome
from api.interop.fhir.shown import fhir_examples
from api.openapi.examples import VALUES, Examples, first_sentence
from api.openapi.operations import Operation, operations_of, who_may
from api.openapi.plain_schemas import write_plainly
from api.openapi.promised import refusals_of

DESCRIPTION = """
Case notes for clinicians who keep the frame of psychotherapy.

Clinicians record cases, boundary incidents, promises and requests for consultation. Rules raise
flags that say "please look"; supervisors work through the queue of flagged cases. Feelings for a
therapist are how therapy works, and are never a flag.

**Sign in** at `POST /v1/auth/token`, and send what it gives as `Authorization: Bearer …`. A person
signs in with address and password; the clinic's software with the id and secret of a service
account, and may do what its scopes name. A token is valid for at most ten minutes.

**Lists** give `items` and `next`: send it as `cursor` for the page that follows. Any list is also
written as CSV for whoever sends `Accept: text/csv`; there a `Link` header names the next page.

**Changes** carry the `ETag` of the version that was read as `If-Match`. A POST may carry an
`Idempotency-Key`: sent again within 24 hours, it is carried out once.

**Refusals** are problem documents (RFC 9457), each with a sentence that a clinician can read. The
pages under [/problems](/problems) say for each kind what it means and what to do. Besides what is
listed with an operation, a path that is not known is 404, a method that a path does not answer is
405, and a mistake of the server is 500.
"""

REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem}}
"""Tells the framework of problem documents; each operation's own take the place of this."""

TAGS = {
    "sign-in": "Tokens for people and for software, sessions, and the second factor.",
    "people": "The users of a clinic, who supervises whom, and the software that signs in.",
    "clinic": "The clinic's settings, the rules and their thresholds, and every word it uses.",
    "cases": "A case is one client's therapy with one clinician; everything else hangs on it.",
    "incidents": "One dated thing that touched the frame, as somebody told it.",
    "promises": "The ledger of what was promised to a client, and what became of it.",
    "consultations": "Asking another clinician, from the draft of a question to the answer.",
    "notes": "Clinical notes: drafts that are their author's alone, and signed notes.",
    "flags": "What the rules, or a supervisor, ask to look at: a question, never a finding.",
    "queue": "The supervisor's queue: the cases that ask for a look, the gravest first.",
    "who sees a case": "Recusals, covers, and emergency openings.",
    "copies": "Copies of a case for its client, and to whom they were given.",
    "journal": "Who did what and who read what, sealed so that nothing can be taken back.",
    "retention": "Legal holds, which keep a case from being destroyed.",
    "problems": "What each kind of refusal means, and what to do about it.",
    "health": "Whether the server lives, and whether it is ready.",
}
"""The parts of the API in reading order; a part not named here comes last, with its door's
words."""

PERSON, SOFTWARE = "person", "software"
_FRAMEWORKS_SCHEME = "OAuth2PasswordBearer"
_FRAMEWORKS_422 = {"HTTPValidationError", "ValidationError"}
_JSON = "application/json"
_NO_ID = "019cadf1-0000-7000-8000-000000000000"

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of this answer, in the journal and in the server's log.",
        "schema": {"type": "string", "format": "uuid"},
        "example": _NO_ID,
    },
    "ETag": {
        "description": "The version of the record, for `If-Match`.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the record is read.",
        "schema": {"type": "string"},
        "example": "/v1/cases/019cadf1-0000-7000-8000-000000000000",
    },
    "Link": {
        "description": 'Of a list as CSV: the page that follows, with `rel="next"`.',
        "schema": {"type": "string"},
        "example": '</v1/cases?cursor=bmV4dA>; rel="next"',
    },
    "Vary": {
        "description": "The answer is another for another `Accept`.",
        "schema": {"type": "string"},
        "example": "Accept",
    },
    "Content-Disposition": {
        "description": "The name to save the copy under.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="case.json"',
    },
    "Deprecation": {
        "description": "Since when what was asked for is deprecated (RFC 9745); where it is.",
        "schema": {"type": "string"},
        "example": "@1795824000",
    },
    "Accept-Encoding": {
        "description": "How a body may be encoded: not at all.",
        "schema": {"type": "string"},
        "example": "identity",
    },
    "Retry-After": {
        "description": "Seconds to wait before it is sent again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "42",
    },
    "WWW-Authenticate": {
        "description": "How to sign in: with a bearer token; `Basic` to software that sent its id "
        "and secret in such a header.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}
"""The headers that an answer may carry and a program may need."""

_SET_BY_DOORS = ("ETag", "Location", "Content-Disposition", "Vary", "Deprecation")
_SOMETIMES = frozenset({"Deprecation"})
"""What a door sets on some of its answers only."""


_KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def document(app: FastAPI) -> None:
    """Let an application build the finished document, and answer with the one that is kept.

    To build it takes seconds, for which a process would answer nobody else; so it is built where
    the program is changed, and what is served is a file.
    """
    app.openapi = partial(_openapi, app, app.openapi)  # type: ignore[method-assign]
    for route in list(app.router.routes):
        if getattr(route, "path", None) == app.openapi_url:
            app.router.routes.remove(route)
    app.add_route(str(app.openapi_url), _answer, ["GET"], include_in_schema=False)


@cache
def kept() -> bytes:
    """Read the document that is kept, without its line breaks. Raises OSError where it is not."""
    written = json.loads(_KEPT.read_text())
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


async def _answer(_request: Request) -> Response:
    return Response(kept(), media_type="application/json")


def _openapi(app: FastAPI, framework: Any) -> dict[str, Any]:
    if app.openapi_schema is None:
        written: dict[str, Any] = framework()
        write_plainly(written)
        Finishing(app, written).finish()
        app.openapi_schema = written
    return app.openapi_schema


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
            self._secure(operation)
            self._parameters(operation)
            self._answers(operation)
            self._refuse(operation)
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
        self._secure_all()
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
        if operation.guard is not None:
            sentences.append(who_may(operation))
        if any(each.kind is SignInAgain for each in operation.foreseen.refusals):
            sentences.append("It may ask for a sign-in of the last 15 minutes.")
        if CSV in written["responses"].get("200", {}).get("content", {}):
            sentences.append("With `Accept: text/csv` the same page is written as CSV.")
        written["description"] = "\n\n".join(sentences)

    # -------------------------------------------------------------------- who may

    def _secure(self, operation: Operation) -> None:
        if operation.action is None:
            return
        scopes = scopes_that_let(operation.action)
        security: list[dict[str, list[str]]] = []
        if roles_that_may(operation.action) or may_anybody(operation.action):
            security.append({PERSON: []})
        security += [{SOFTWARE: [str(scope)]} for scope in scopes]
        if may_anybody(operation.action):
            security.append({SOFTWARE: []})
        operation.written["security"] = security

    def _secure_all(self) -> None:
        schemes = self._components.setdefault("securitySchemes", {})
        schemes.pop(_FRAMEWORKS_SCHEME, None)
        schemes[PERSON] = {
            "type": "oauth2",
            "description": "Somebody who signs in with address and password, and may do what their "
            "role and their part in a case allow.",
            "flows": {"password": {"tokenUrl": TOKEN_PATH, "refreshUrl": TOKEN_PATH, "scopes": {}}},
        }
        schemes[SOFTWARE] = {
            "type": "oauth2",
            "description": "The clinic's software, which signs in with the id and secret of its "
            "service account, and may do what the account's scopes name.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": TOKEN_PATH,
                    "scopes": {str(scope): scope.definition for scope in Scope},
                }
            },
        }

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
            answer["headers"] = _headers(
                name for name in _SET_BY_DOORS if name in operation.foreseen.texts
            )
            for name in _SOMETIMES & answer["headers"].keys():
                answer["headers"][name] = {**HEADERS[name], "required": False}
            if CSV in content:
                answer["headers"] |= _headers(["Vary"])
                answer["headers"]["Link"] = {**HEADERS["Link"], "required": False}

    def _told_by(self, content: dict[str, Any]) -> str:
        reference: str = content.get(_JSON, {}).get("schema", {}).get("$ref", "")
        told = self._components["schemas"].get(reference.rpartition("/")[2], {})
        if not content:
            return "It is done; there is nothing to say."
        return f"{first_sentence(told.get('description', '')) or 'What was asked for'}."

    # --------------------------------------------------------------------- refusals

    def _refuse(self, operation: Operation) -> None:
        by_status: dict[int, list[Refusal]] = {}
        for refusal in refusals_of(operation):
            status = as_outcome(refusal)[0] if operation.speaks_fhir else refusal.status
            known = by_status.setdefault(status, [])
            if body_of(refusal, "") not in [body_of(each, "") for each in known]:
                known.append(refusal)
        answers = operation.written["responses"]
        for kind in every_refusal().values():
            # what a door declares because it cannot be read in its code
            if str(kind.status) in answers and kind.status not in by_status:
                by_status[kind.status] = [kind(*kind.example)]
        write = self._refusal
        if operation.speaks_fhir:
            write = self._outcome
        elif operation.speaks_oauth:
            write = self._token_refusal
        for status, refusals in sorted(by_status.items()):
            answers[str(status)] = write(refusals)

    def _refusal(self, refusals: list[Refusal]) -> dict[str, Any]:
        kinds = dict.fromkeys(type(refusal) for refusal in refusals)
        response = {
            "description": " ".join(map(_explained, kinds)),
            "headers": _headers_of(refusals),
            "content": {
                PROBLEM: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": dict(_told(refusals)),
                }
            },
        }
        usual = [body_of(kind(*kind.example), "") for kind in kinds]
        if [body_of(each, "") for each in refusals] != usual:
            return response
        # the same everywhere: written down once
        name = "Or".join(kind.__name__ for kind in kinds)
        self._components.setdefault("responses", {})[name] = response
        return {"$ref": f"#/components/responses/{name}"}

    def _token_refusal(self, refusals: list[Refusal]) -> dict[str, Any]:
        """Write a refusal as it is told to whoever asked for a token."""
        told = zip(_told(refusals), refusals, strict=True)
        examples = {
            name: {**each, "value": token_body_of(refusal, _NO_ID)}
            for (name, each), refusal in told
        }
        schema = {"$ref": "#/components/schemas/TokenProblem"}
        kinds = dict.fromkeys(type(refusal) for refusal in refusals)
        # plain JSON for who asks for nothing else
        content = {media: {"schema": schema, "examples": examples} for media in (PROBLEM, _JSON)}
        return {
            "description": " ".join(map(_explained, kinds)),
            "headers": {**_headers_of(refusals), **_headers(["Vary"])},
            "content": content,
        }

    def _outcome(self, refusals: list[Refusal]) -> dict[str, Any]:
        """Write a refusal as it is told to an EHR."""
        kinds = dict.fromkeys(type(refusal) for refusal in refusals)
        told = zip(_told(refusals), refusals, strict=True)
        examples = {
            name: {**each, "value": as_outcome(refusal)[1]} for (name, each), refusal in told
        }
        schema = {"$ref": "#/components/schemas/OperationOutcome"}
        return {
            "description": " ".join(map(_explained, kinds)),
            "headers": _headers_of(refusals),
            "content": {FHIR_JSON: {"schema": schema, "examples": examples}},
        }

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


# ---------------------------------------------------------------------- parts of the document


def _explained(kind: type[Refusal]) -> str:
    meaning = first_sentence(kind.__doc__ or "")
    return f"{meaning} ([{kind.code}](/problems/{kind.code}))."


def _told(refusals: list[Refusal]) -> Iterator[tuple[str, Any]]:
    counted: dict[str, int] = {}
    for refusal in refusals:
        counted[refusal.code] = number = counted.get(refusal.code, 0) + 1
        name = refusal.code if number == 1 else f"{refusal.code}-{number}"
        yield name, {"summary": _summary(refusal), "value": body_of(refusal, _NO_ID)}


def _summary(refusal: Refusal) -> str:
    return refusal.errors[0].message if refusal.errors else refusal.detail


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _headers_of(refusals: list[Refusal]) -> dict[str, Any]:
    """Name the headers of refusals of one status; what only some of them carry may be absent."""
    names = list(dict.fromkeys(name for refusal in refusals for name in refusal.headers))
    everywhere = [name for name in names if all(name in each.headers for each in refusals)]
    absent = {name: {**HEADERS[name], "required": False} for name in names}
    return {**absent, **_headers(everywhere)}


def _as_csv(items: list[dict[str, Any]]) -> str:
    return write_csv(items, tuple(tuple(item) for item in items))
