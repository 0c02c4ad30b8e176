"""The OpenAPI document: what the framework writes, finished with what it does not know."""

import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.access import case_for, flag_for, may, may_on_cases, record_for, refuse_closed
from api.csv_lists import CSV, write_csv
from api.domain.permissions import (
    BRIEFS,
    COVERED_CASE,
    KEPT_NOTE,
    LINKED_CASE,
    OPENED_CASE,
    OWN_CASE,
    Action,
    Standing,
    may_anybody,
    roles_that_may,
    scopes_that_let,
    why_not,
)
from api.errors import (
    PROBLEM,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionRequired,
    Problem,
    Refusal,
    SignInAgain,
    Stale,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    body_of,
)
from api.examples import VALUES, Examples, first_sentence
from api.foreseen import Foreseen, Refused, foresee
from api.identity import OPEN_BEFORE_ENROLMENT
from api.intake import KEY, StrictRoute
from api.repeats import being_carried_out
from api.standing import refuse_purged
from api.vocabulary import Role, Scope

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
_SIGN_IN = "/v1/auth/token"
_FRAMEWORKS_SCHEME = "OAuth2PasswordBearer"
_FRAMEWORKS_422 = {"HTTPValidationError", "ValidationError"}
_HTML = "text/html"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_NO_ID = "019cadf1-0000-7000-8000-000000000000"

_ON_A_CASE = {
    "the case's clinician": OWN_CASE,
    "a supervisor who is linked to the clinician": LINKED_CASE,
    "whoever covers for the clinician": COVERED_CASE,
    "a supervisor who opened the case in an emergency": OPENED_CASE,
    "the consultant who is asked": BRIEFS,
    "the author of a psychotherapy note, who may no longer see its case": KEPT_NOTE,
}
_PEOPLE = {
    Role.clinician: "clinicians",
    Role.supervisor: "supervisors",
    Role.consultant: "consultants",
    Role.privacy_officer: "privacy officers",
    Role.admin: "admins",
}

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
    "Retry-After": {
        "description": "Seconds to wait before it is sent again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "42",
    },
    "WWW-Authenticate": {
        "description": "How to sign in: with a bearer token.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}
"""The headers that an answer may carry and a program may need."""

_SET_BY_DOORS = ("ETag", "Location", "Content-Disposition", "Vary")


def document(app: FastAPI) -> None:
    """Let an application give the finished document. It is built once, when first asked for."""
    app.openapi = partial(_openapi, app, app.openapi)  # type: ignore[method-assign]


def _openapi(app: FastAPI, framework: Any) -> dict[str, Any]:
    if app.openapi_schema is None:
        written: dict[str, Any] = framework()
        Finishing(app, written).finish()
        app.openapi_schema = written
    return app.openapi_schema


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its route, its guard, what its code foresees, and what is written of it."""

    method: str
    path: str
    route: APIRoute
    dependant: Dependant
    guard: Any
    foreseen: Foreseen
    written: dict[str, Any]

    @property
    def action(self) -> Action | None:
        """What the guard asks for; None where nobody need be signed in."""
        return None if self.guard is None else self.guard.action

    @property
    def writes(self) -> bool:
        """Tell whether this is more than reading."""
        return self.method != "GET"

    def takes(self, header: str) -> bool:
        """Tell whether it reads a header."""
        return any(each["name"] == header for each in self.written.get("parameters", ()))

    @property
    def names_records(self) -> bool:
        """Tell whether an id is sent to it, in the path or in the body."""
        fields = [] if self.route.body_field is None else _fields_of(self.route.body_field)
        return "{" in self.path or any(name.endswith("_id") for name in fields)


class Finishing:
    """Finishes one document."""

    def __init__(self, app: FastAPI, written: dict[str, Any]) -> None:
        self._written = written
        self._components = written["components"]
        self.examples = Examples(self._components["schemas"])
        self._operations = list(_operations(app.routes, written["paths"]))
        self._told = list(_operations(app.webhooks.routes, written.get("webhooks", {})))

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
            for answer in operation.written["responses"].values():
                # what whoever was told answers is theirs
                answer.pop("content", None)
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
        told = inspect.getdoc(operation.route.endpoint) or operation.route.name
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
            "flows": {"password": {"tokenUrl": _SIGN_IN, "refreshUrl": _SIGN_IN, "scopes": {}}},
        }
        schemes[SOFTWARE] = {
            "type": "oauth2",
            "description": "The clinic's software, which signs in with the id and secret of its "
            "service account, and may do what the account's scopes name.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": _SIGN_IN,
                    "scopes": {str(scope): scope.definition for scope in Scope},
                }
            },
        }

    # ------------------------------------------------------------------- parameters

    def _parameters(self, operation: Operation) -> None:
        for parameter in operation.written.get("parameters", ()):
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
        for refused in ("4XX", "422"):
            answers.pop(refused, None)
        for answer in answers.values():
            content = answer.get("content", {})
            answer["description"] = self._told_by(content)
            answer["headers"] = _headers(
                name for name in _SET_BY_DOORS if name in operation.foreseen.texts
            )
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
            known = by_status.setdefault(refusal.status, [])
            if body_of(refusal, "") not in [body_of(each, "") for each in known]:
                known.append(refusal)
        for status, refusals in sorted(by_status.items()):
            operation.written["responses"][str(status)] = self._refusal(refusals)

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
        (kind, *others) = kinds
        usual = body_of(kind(*kind.example), "")
        if others or [body_of(each, "") for each in refusals] != [usual]:
            return response
        # the same everywhere: written down once
        self._components.setdefault("responses", {})[kind.__name__] = response
        return {"$ref": f"#/components/responses/{kind.__name__}"}

    # --------------------------------------------------------------------- examples

    def _show(self, operation: Operation) -> None:
        body = operation.written.get("requestBody", {})
        for media, content in body.get("content", {}).items():
            self._show_in(content, media, operation, is_request=True)
        for answer in operation.written["responses"].values():
            for media, content in answer.get("content", {}).items():
                if media != PROBLEM:
                    self._show_in(content, media, operation, answer.get("content", {}))

    def _show_in(
        self,
        content: dict[str, Any],
        media: str,
        operation: Operation,
        beside: dict[str, Any] | None = None,
        *,
        is_request: bool = False,
    ) -> None:
        """Write examples of a body; `beside` is what the same answer may be in other forms."""
        if media == CSV and beside is not None:
            content["examples"] = {
                name or "page": {"value": _as_csv(value["items"])}
                for name, (_, value) in self._shown(beside[_JSON], operation).items()
            }
            return
        if media == _HTML:
            content["example"] = VALUES[_HTML][0]
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


# ------------------------------------------------------------------------------ operations


def _operations(routes: Any, paths: dict[str, Any]) -> Iterator[Operation]:
    """Give every operation of the document with the route that answers it."""
    for context in iter_route_contexts(routes):
        route, path = context.original_route, context.path or ""
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        dependant = context.dependant or route.dependant
        (guard, *_) = *guards_of(dependant), None
        for method in sorted(route.methods or ()):
            written = paths[path if path in paths else path.lstrip("/")][method.lower()]
            foreseen = foresee(route.endpoint)
            yield Operation(method, path, route, dependant, guard, foreseen, written)


def guards_of(dependant: Dependant) -> Iterator[Any]:
    """Give the guards that an operation depends on: what asks for an action."""
    if isinstance(getattr(dependant.call, "action", None), Action):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from guards_of(inner)


def who_may(operation: Operation) -> str:
    """Say in a sentence who may use a guarded operation."""
    action = operation.guard.action
    if may_anybody(action):
        return "For everybody who is signed in, software too."
    if isinstance(operation.guard, case_for | record_for):
        people = [who for who, may_do in _ON_A_CASE.items() if action in may_do]
    else:
        roles = roles_that_may(getattr(operation.guard, "other", action)) | roles_that_may(action)
        people = [who for role, who in _PEOPLE.items() if role in roles]
        if len(people) == len(_PEOPLE):
            people = ["everybody who is signed in"]
        elif isinstance(operation.guard, may_on_cases) and action in OWN_CASE:
            people.append("whoever has a case of their own")
    scopes = [f"`{scope}`" for scope in scopes_that_let(action)]
    software = f"software with the scope {_listed(scopes, 'or')}" if scopes else ""
    return f"For {_listed([*people, *filter(None, [software])])}."


def _listed(parts: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


# -------------------------------------------------------------------------------- refusals


def refusals_of(operation: Operation) -> Iterator[Refusal]:
    """Give every refusal an operation can come to, each as it will be said.

    What its shape tells (guard, ids, body, headers), and what its code says.
    """
    if operation.guard is not None:
        yield from _refused_at_the_door(operation)
    yield from _refused_by_shape(operation)
    for refused in operation.foreseen.refusals:
        yield from _as_said(refused, operation)
    if operation.guard is not None or operation.foreseen.names & {"Database", "Throttle"}:
        yield Unavailable()


def _refused_at_the_door(operation: Operation) -> Iterator[Refusal]:
    guard, action = operation.guard, operation.guard.action
    yield Unauthorized()
    # software is counted before it is asked what it may
    yield TooMany(*TooMany.example)
    yield from _forbidden(operation)
    if isinstance(guard, case_for | record_for):
        yield NotFound()
        closes = refuse_purged if isinstance(guard, flag_for) else refuse_closed
        for refused in foresee(closes).refusals if operation.writes else ():
            yield refused.kind(*refused.said)
    elif isinstance(guard, may_on_cases) and operation.takes(KEY):
        # sent again by somebody who may no longer see what they made
        yield NotFound()
    elif not isinstance(guard, may):
        for refused in foresee(type(guard).__call__).refusals:
            yield from _as_said(refused, operation)
    assert action is not None  # noqa: S101 - every guard has one


def _forbidden(operation: Operation) -> Iterator[Refusal]:
    guard, action = operation.guard, operation.guard.action
    refused = [role for role in _PEOPLE if role not in roles_that_may(action)]
    if not may_anybody(action):
        if refused:
            yield Forbidden(f"The role {refused[-1].replace('_', ' ')} does not do this.")
        yield Forbidden("This software was not given the scope for it.")
    if isinstance(guard, case_for | record_for):
        for standing in (Standing(own=True), Standing(linked=True), Standing(opened=True)):
            if reason := why_not(action, standing):
                yield Forbidden(reason)
    if operation.path not in OPEN_BEFORE_ENROLMENT:
        yield Forbidden("This clinic asks for a second factor: enrol at /v1/me/totp first.")


def _refused_by_shape(operation: Operation) -> Iterator[Refusal]:
    body = operation.written.get("requestBody")
    if body is not None:
        yield TooLarge()
        if _FORM in body["content"]:
            yield UnsupportedMediaType(f"Send a form: {_FORM}.")
        elif _JSON in body["content"]:
            yield UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
    if operation.takes("If-Match"):
        yield Stale()
        yield PreconditionRequired()
    if operation.takes(KEY):
        yield being_carried_out()
    if isinstance(operation.route, StrictRoute):
        yield _invalid(operation)


def _invalid(operation: Operation) -> Invalid:
    """Say what is most likely wrong with a request of this shape."""
    field = operation.route.body_field
    for name in [] if field is None else _fields_of(field, needed=True):
        return Invalid(f"/{name}", "This field is needed.")
    for parameter in operation.written.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        if schema.get("format") == "uuid":
            return Invalid(f"/path/{name}", "This must be an id.")
        if name == "limit":
            return Invalid("/query/limit", "This number is too large.")
    return Invalid("/query", "A field here is not known.")


def _as_said(refused: Refused, operation: Operation) -> Iterator[Refusal]:
    """Give a refusal of the code, with its own words where they are written out there."""
    kind = refused.kind
    if kind is NotFound and not operation.names_records:
        # what is one's own is always there
        return
    if kind is Unauthorized and operation.guard is not None:
        return
    try:
        yield kind(*refused.said)
    except TypeError:
        # its words depend on what is asked; others of this kind are shown where there are any
        others = (each for each in operation.foreseen.refusals if each.kind is kind)
        if kind is not Invalid and not any(each.said for each in others):
            yield kind(*kind.example)


def _fields_of(field: Any, *, needed: bool = False) -> list[str]:
    model = field.field_info.annotation
    fields = getattr(model, "model_fields", {})
    return [name for name, info in fields.items() if not needed or info.is_required()]


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
