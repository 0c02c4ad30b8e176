"""Bad input, on every operation: always a refusal, nothing is written, nothing is repeated."""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from httpx import Response

from api.http.oauth_refusals import TOKEN_PATH
from api.interop.fhir.outcome import SERVED
from tests.support.canary import CANARY
from tests.support.incidents import NEEDED, PRESUMED
from tests.support.readers import ids_of, reader
from tests.support.requests import FORMS, JSON, described, document, refused, tolerant
from tests.support.stage import Call, Key, snapshot, staged
from tests.support.world import PASSWORD, World, made, ok, promise


def pointers(response: Response) -> set[str]:
    """Give the fields that a refusal names."""
    return {error["pointer"] for error in response.json().get("errors", [])}


NOTHING_TO_SAY = {("POST", "/v1/auth/revoke")}
LINES = {("POST", "/v1/imports")}
"""A file, of which good lines are taken: its bad ones are tried in `test_import`."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(stage: tuple[World, dict[Key, Call]]) -> World:
    """The world of the staged records."""
    return stage[0]


async def test_every_operation_that_writes_is_known_here_and_takes_what_it_should(
    world: World,
) -> None:
    calls = await staged(world, world.here)
    writing = {(m, p) for m, p, _ in described() if m != "GET"}
    assert calls.keys() == writing - FORMS - NOTHING_TO_SAY - LINES
    for key, call in calls.items():
        answer = await call.rightly()
        assert answer.status_code in {200, 201, 204}, (key, answer.status_code, answer.text)


DEEP = 100_000
RAW = {
    "NaN": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "a number too large": "1e999",
    "digits without end": "9" * 5_000,
    "half a character": '"\\ud800"',
    "the other half": '"a\\udfff"',
    "halves the wrong way round": '"\\udc00\\ud800"',
    "NUL": '"a\\u0000b"',
    "NUL in a key": '{"\\u0000": 1}',
    "half a character in a key": '{"\\ud800": 1}',
    "17 levels": "[" * 17 + "]" * 17,
    "17 levels of objects": '{"a":' * 17 + "1" + "}" * 17,
    "a name twice": '{"a": 1, "a": 1}',
    "a control character": '"\x01"',
    "not a literal": "True",
}
"""What may stand in no place of any body."""


def in_every_place(call: Call, fragment: str) -> Iterator[str]:
    """Write the body with a fragment in place of each of its values, and beside them."""
    body = call.body or {}
    for name in [*body, CANARY]:
        yield json.dumps({**body, name: "@@"}).replace('"@@"', fragment)
    if isinstance(body.get("details"), dict):
        details = {**body["details"], "area": "@@"}
        yield json.dumps({**body, "details": details}).replace('"@@"', fragment)


async def test_what_json_cannot_hold_is_refused_in_every_place(
    calls: dict[Key, Call], say: Callable[[str], None]
) -> None:
    sent = 0
    for key, call in calls.items():
        if call.body is None:
            continue
        for what, fragment in RAW.items():
            for content in in_every_place(call, fragment):
                refused(await call.sends(content), 400, 422, why=(key, what))
                sent += 1
    say(f"bad input: {sent:,} bodies that are no JSON to {len(calls)} operations, all refused")


def not_an_object(call: Call, *, needed: bool) -> Iterator[tuple[str, bytes]]:
    """Write bodies that are no JSON object, or not JSON at all."""
    valid = json.dumps(call.body).encode()
    if needed:
        yield "nothing", b""
    yield "null", b"null"
    yield "blank", b" \n"
    yield "a text", json.dumps(CANARY).encode()
    yield "a number", b"5"
    yield "a list", f'["{CANARY}"]'.encode()
    yield "true", b"true"
    yield "cut off", valid[:-1]
    yield "cut off early", valid[: len(valid) // 2]
    yield "twice", valid + valid
    yield "with more behind it", valid + b" " + CANARY.encode()
    yield "with NUL behind it", valid + b"\0"
    yield "with a comment", b"/* " + CANARY.encode() + b" */" + valid
    yield "single quotes", f"{{'{CANARY}': 1}}".encode()
    yield "a comma too many", b'{"' + CANARY.encode() + b'": 1,}'
    yield "bytes that are no UTF-8", b'{"' + CANARY.encode() + b'": "\xff"}'
    yield "half a character in bytes", b'{"' + CANARY.encode() + b'": "\xed\xa0\x80"}'
    yield "UTF-8 that is too long", b'{"' + CANARY.encode() + b'": "\xc0\x80"}'
    yield "lists without end", b"[" * DEEP + b"]" * DEEP
    yield "objects without end", b'{"a":' * (DEEP // 3)


async def test_a_body_that_is_not_one_json_object_is_refused(
    home: World, calls: dict[Key, Call]
) -> None:
    needed = {
        (method, path): operation["requestBody"].get("required", False)
        for method, path, operation in described()
        if "requestBody" in operation
    }
    for key, call in calls.items():
        if call.body is not None:
            for what, content in not_an_object(call, needed=needed[key]):
                refused(await call.sends(content), 400, 422, why=(key, what))


async def test_json_is_read_as_utf_8_and_as_nothing_else(world: World) -> None:
    answers = {
        encoding: await tolerant(world).clinician.send(
            "POST",
            "/v1/cases",
            content=json.dumps({"client_ref": CANARY + encoding}).encode(encoding),
            headers=JSON,
        )
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig")
    }
    assert [name for name, answer in answers.items() if answer.status_code == 201] == []
    for name, answer in answers.items():
        refused(answer, 400, 422, why=name)


async def test_what_is_not_json_is_invalid_as_a_whole(calls: dict[Key, Call]) -> None:
    call = calls["POST", "/v1/cases"]
    for content in (
        b"{",
        b"\xff",
        b'{"client_ref": NaN}',
        b'{"client_ref": "\\ud800"}',
        b"[" * DEEP,
    ):
        answer = await call.sends(content)
        refused(answer, 422, why=content[:30])
        assert pointers(answer) == {""}, content[:30]


async def test_a_body_over_256_kib_is_refused_however_it_arrives(calls: dict[Key, Call]) -> None:
    async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]

    for key, call in calls.items():
        if call.body is None:
            continue
        for content in (
            json.dumps({**call.body, CANARY: CANARY * 25_000}).encode(),
            json.dumps(call.body).encode() + b" " * 300_000,
        ):
            refused(await call.sends(in_pieces(content)), 413, why=(key, "chunked"))
            refused(await call.sends(content), 413, why=(key, "with its length"))


async def test_a_body_of_another_kind_is_refused(calls: dict[Key, Call]) -> None:
    for key, call in calls.items():
        if call.body is None:
            continue
        content = json.dumps(call.body)
        for media in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "application/json-patch+json",
            "application/merge-patch+json",
            "text/json",
            "application/jsonx",
            CANARY,
        ):
            answer = await call.sends(content, **{"Content-Type": media})
            refused(answer, 415, why=(key, media))
        form = await call.by.send(
            call.method, call.path, data={CANARY: CANARY}, headers=call.headers
        )
        refused(form, 415, why=(key, "a form"))


async def test_a_body_that_is_compressed_is_refused(calls: dict[Key, Call]) -> None:
    for key, call in calls.items():
        if call.body is None:
            continue
        content = json.dumps(call.body).encode()
        for coding, sent in (
            ("gzip", gzip.compress(content)),
            ("identity, GZIP", gzip.compress(content)),
            ("br", content),
            (CANARY, content),
        ):
            answer = await call.sends(sent, **{"Content-Encoding": coding})
            refused(answer, 415, why=(key, coding))
            assert answer.json()["type"] == "urn:boundary-notes:unsupported-encoding"
            assert answer.headers["accept-encoding"] == "identity"


async def test_a_form_that_is_compressed_is_refused_and_one_that_is_not_is_read(
    world: World,
) -> None:
    form = {"grant_type": "password", "username": world.clinician.email, "password": PASSWORD}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for coding, sent, status in (
        ("gzip", gzip.compress(urlencode(form).encode()), 415),
        ("identity", urlencode(form).encode(), 200),
        ("", urlencode(form).encode(), 200),
    ):
        answer = await world.http.post(
            "/v1/auth/token", content=sent, headers={**headers, "Content-Encoding": coding}
        )
        assert answer.status_code == status, (coding, answer.text)
    search = {**headers, "Content-Encoding": "gzip"}
    answer = await world.clinician.send("POST", "/fhir/Task/_search", content=b"", headers=search)
    refused(answer, 415)


async def test_a_move_that_needs_nothing_may_be_sent_without_a_body(world: World) -> None:
    calls = await staged(world, world.here)
    moves = [
        (method, path)
        for method, path, operation in described()
        if method == "POST" and not operation.get("requestBody", {"required": True}).get("required")
    ]
    searches = [key for key in moves if key in FORMS]
    assert {path for _, path in searches} == {f"/fhir/{kind}/_search" for kind in SERVED}
    for key in searches:
        answer = await world.clinician.send(*key)
        assert answer.status_code == 200, (key, answer.text)
    assert len(moves) - len(searches) == 4
    for key in set(moves) - set(searches):
        call = calls[key]
        answer = await call.by.send(call.method, call.path)
        assert answer.status_code == 200, (key, answer.text)


BAD_DAYS = [
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "2026-02-30",
    "2026-13-01",
    "2026-3-1",
    "20260301",
    "2026-W10-1",
    "2026-03-01T00:00:00Z",
    "2026-03-01T00:00:00",
    "  2026-03-01 ",
    "2026-03-01\n",
    "+2026-03-01",
    "-2026-03-01",
    "\u0662\u0660\u0662\u0666-\u0660\u0663-\u0660\u0661",  # the digits of another script
    "1772323200",
    1772323200,
    1772323200.5,
    20260301,
]
NO_TEXT: list[Any] = [5, 1.5, True, [CANARY], {CANARY: CANARY}]
LONG = CANARY * 3_500


def wrong_values(spec: dict[str, Any]) -> list[Any]:
    """Give values that a field of this schema must refuse."""
    options = spec.get("anyOf", [spec])
    nullable = {"type": "null"} in options
    (spec,) = [option for option in options if option != {"type": "null"}]
    wrong = [] if nullable else [None]
    if "enum" in spec or "const" in spec:
        word = spec.get("const") or spec["enum"][0]
        if isinstance(word, int):
            return [*wrong, True, str(word), word + 0.5, word + 1, -1, 10**400, CANARY, [], {}]
        return [*wrong, CANARY, "", " ", word.upper(), f" {word}", f"{word}\n", *NO_TEXT]
    match spec.get("type"), spec.get("format"):
        case "integer", _:
            return [*wrong, True, False, "5", 1.5, -1, 10**400, -(10**400), CANARY, [], {}]
        case "number", _:
            return [*wrong, True, False, "5", -1, -0.5, 10**400, 1e300, CANARY, [], {}]
        case "boolean", _:
            return [*wrong, 1, 0, 1.0, "true", "yes", "", CANARY, [], {}]
        case "string", "date":
            return [*wrong, CANARY, "", *BAD_DAYS, *NO_TEXT]
        case "string", "uuid":
            return [*wrong, CANARY, "", "1", f"{uuid4()}0", str(uuid4())[:-1], *NO_TEXT]
        case "string", _:
            blank = ["", "  ", "\n\t"] if spec.get("minLength") else []
            return [*wrong, LONG, *blank, *NO_TEXT]
        case "array", _:
            empty: list[Any] = [[]] if spec.get("minItems") else []
            return [*wrong, *empty, CANARY, 5, True, {}, {CANARY: 1}, [CANARY], [5], [[]], [None]]
        case "object", _:
            return [*wrong, CANARY, 5, True, [], [CANARY], {CANARY: CANARY}]
        case _:
            assert "oneOf" in spec, spec
            return [*wrong, CANARY, 5, True, [], [CANARY], {}, {"kind": CANARY}, {"kind": [CANARY]}]


class Schemas:
    """The schemas of the OpenAPI document."""

    def __init__(self) -> None:
        self.all: dict[str, Any] = document()["components"]["schemas"]
        self.names = {
            name for schema in self.all.values() for name in schema.get("properties", {})
        } | {"query", "path", "header"}

    def resolved(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Replace references by what they refer to."""
        if "$ref" in spec:
            return self.resolved(self.all[spec["$ref"].rpartition("/")[2]])
        if "anyOf" in spec:
            return {**spec, "anyOf": [self.resolved(option) for option in spec["anyOf"]]}
        return spec

    def body_of(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Give the fields of an operation's JSON body, each with its schema."""
        schema = self.resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        (schema,) = [s for s in schema.get("anyOf", [schema]) if s != {"type": "null"}]
        return self.fields(schema)

    def fields(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Give the fields of an object's schema."""
        return {name: self.resolved(s) for name, s in schema.get("properties", {}).items()}

    def kinds(self) -> dict[str, dict[str, Any]]:
        """Give the fields of each kind of an incident's details."""
        details = self.all["IncidentCreate"]["properties"]["details"]
        mapping = details["discriminator"]["mapping"]
        return {kind: self.fields(self.resolved({"$ref": ref})) for kind, ref in mapping.items()}


def rounds(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Write bodies in which every field is wrong, until each wrong value had its turn."""
    wrong = {name: wrong_values(spec) for name, spec in fields.items()}
    for turn in range(max(map(len, wrong.values()), default=0)):
        yield {name: values[turn % len(values)] for name, values in wrong.items()}


def assert_named(answer: Response, expected: set[str], names: set[str], why: object) -> None:
    """Check that a refusal points at each of these fields, and only at fields of the schema."""
    found = pointers(answer)
    parts = [part for pointer in found for part in pointer.split("/")[1:]]
    assert {part for part in parts if not part.isdigit()} <= names, (why, found)
    assert {pointer.split("/")[1] for pointer in found if pointer} == expected, (why, found)


async def test_a_value_of_the_wrong_kind_is_refused_and_its_field_named(
    home: World, calls: dict[Key, Call]
) -> None:
    schemas = Schemas()
    for method, path, operation in described():
        if "requestBody" not in operation or (method, path) in FORMS | LINES:
            continue
        fields = schemas.body_of(operation)
        for body in rounds(fields):
            answer = await calls[method, path].sends(json.dumps(body))
            why = (method, path, {name: str(value)[:40] for name, value in body.items()})
            refused(answer, 422, why=why)
            assert_named(answer, set(fields), schemas.names, why)


async def test_details_of_the_wrong_kind_are_refused_and_their_field_named(
    home: World, calls: dict[Key, Call]
) -> None:
    schemas = Schemas()
    call = calls["POST", "/v1/cases/{case_id}/incidents"]
    assert call.body is not None
    misnamed = []
    for kind, fields in schemas.kinds().items():
        fields.pop("kind")
        for wrong in rounds(fields):
            body = {**call.body, "details": {"kind": kind, **wrong}}
            answer = await call.sends(json.dumps(body))
            refused(answer, 422, why=(kind, str(wrong)[:300]))
            found = {pointer.rstrip("0123456789").rstrip("/") for pointer in pointers(answer)}
            if found != {f"/details/{name}" for name in fields}:
                misnamed.append((kind, sorted(fields), sorted(found)))
    assert {kind: (fields, found) for kind, fields, found in misnamed} == {}


async def test_texts_of_a_hundred_thousand_characters_are_refused(
    home: World, calls: dict[Key, Call]
) -> None:
    schemas = Schemas()
    for method, path, operation in described():
        if "requestBody" not in operation or (method, path) in FORMS | LINES:
            continue
        call = calls[method, path]
        for name in schemas.body_of(operation):
            body = {**(call.body or {}), name: CANARY * 9_000}
            refused(await call.sends(json.dumps(body)), 422, why=(method, path, name))


SERVERS = (
    "id", "clinic_id", "version", "created_at", "updated_at", "recorded_by_id", "voided_at",
    "void_reason", "flags", "flags_raised", "evidence", "rule", "effective_at", "condition_holds",
    "requested_at", "accepted_at", "completed_at", "due_at", "case_id", "password_hash",
    "reviewed_by_id", "reviewed_at", "resolved_by_id", "resolved_at", "rule_version",
    "acknowledged_at", "sealed_detail", "thresholds", "audience", "assigned_at", "advice_given",
    "__proto__", "constructor", CANARY, "", " ", "Kind", "a/b", "~1", "$ref",
)  # fmt: skip
"""Names that belong to the server, or to nobody."""


async def test_a_field_that_is_not_the_callers_is_refused_unnamed(
    home: World, calls: dict[Key, Call]
) -> None:
    schemas = Schemas()
    for method, path, operation in described():
        if "requestBody" not in operation or (method, path) in FORMS | LINES:
            continue
        call, fields = calls[method, path], schemas.body_of(operation)
        unknown = {name: CANARY for name in SERVERS if name not in fields}
        assert {"id", "version", "created_at", "recorded_by_id", "due_at", "evidence"} <= set(
            unknown
        )
        answer = await call.sends(json.dumps({**(call.body or {}), **unknown}))
        document = refused(answer, 422, why=(method, path))
        assert pointers(answer) == {""}, (method, path)
        # what is said alike of many is said once
        told = [error["message"] for error in document["errors"]]
        assert len(set(told)) == len(told) > 0, (method, path, document)
        for name in ("id", "version", CANARY):
            answer = await call.sends(json.dumps({**(call.body or {}), name: 1}))
            refused(answer, 422, why=(method, path, name))


@pytest.mark.parametrize(
    ("template", "server_owned"),
    [
        ("/v1/cases", ["flags"]),
        ("/v1/cases/{case_id}/incidents", ["status", "kind", "determination", "review_note"]),
        ("/v1/cases/{case_id}/promises", ["status"]),
        (
            "/v1/cases/{case_id}/consultations",
            ["status", "due_at", "outcome", "advice", "response"],
        ),
        (
            "/v1/cases/{case_id}/notes",
            ["status", "signed_at", "amends_id", "content_hash", "content_salt", "cosignatures"],
        ),
        ("/v1/cases/{case_id}/flags", ["status", "audience", "evidence", "rule", "determination"]),
    ],
)
async def test_what_the_server_decides_cannot_be_sent(
    calls: dict[Key, Call], template: str, server_owned: list[str]
) -> None:
    for method in ("POST", "PATCH"):
        wanted = template.replace("/cases/{case_id}/", "/") if method == "PATCH" else template
        for (known, path), call in calls.items():
            if known != method or path.partition("/{")[0] != wanted.partition("/{")[0]:
                continue
            if method == "POST" and path != template:
                continue
            for name in server_owned:
                for value in (None, "reviewed", CANARY):
                    body = {**(call.body or {}), name: value}
                    answer = await call.sends(json.dumps(body))
                    refused(answer, 422, why=(method, path, name))
                    assert pointers(answer) == {""}, (method, path, name)


async def test_an_unknown_or_misplaced_field_of_details_points_at_details(
    home: World, calls: dict[Key, Call]
) -> None:
    call = calls["POST", "/v1/cases/{case_id}/incidents"]
    assert call.body is not None
    misnamed = {}
    for details in (
        {"kind": "crossing", "area": "time", CANARY: CANARY},
        {"kind": "crossing", "area": "time", "item": "gift"},
        {"kind": "risk", "indicator": "self_harm", "risk": {"indicator": CANARY}},
        {"kind": "gift", "direction": "both", "item": "gift", "gift": {CANARY: CANARY}},
    ):
        answer = await call.sends(json.dumps({**call.body, "details": details}))
        refused(answer, 422, why=details)
        if pointers(answer) != {"/details"}:
            misnamed[str(details)] = pointers(answer)
    for kind in (CANARY, CANARY.upper(), "", "Crossing", None, 1, [CANARY], {CANARY: 1}):
        answer = await call.sends(json.dumps({**call.body, "details": {"kind": kind}}))
        refused(answer, 422, why=kind)
        if pointers(answer) != {"/details/kind"}:
            misnamed[str(kind)] = pointers(answer)
    assert misnamed == {}


async def test_a_submitted_field_named_like_a_kind_is_never_pointed_into(
    calls: dict[Key, Call],
) -> None:
    call = calls["POST", "/v1/cases/{case_id}/incidents"]
    assert call.body is not None
    for kind, missing in (("risk", "indicator"), ("crossing", "area"), ("gift", "item")):
        details = {"kind": kind, kind: {missing: CANARY}, "direction": "both"}
        answer = await call.sends(json.dumps({**call.body, "details": details}))
        refused(answer, 422)
        assert f"/details/{missing}" in pointers(answer), pointers(answer)
        assert f"/details/{kind}/{missing}" not in pointers(answer)


def lists() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every list, with its parameters."""
    for method, path, operation in described():
        parameters = {p["name"]: p["schema"] for p in operation.get("parameters", [])}
        if method == "GET" and "cursor" in parameters:
            yield path, parameters


async def test_an_unknown_or_repeated_query_parameter_is_refused_everywhere(
    home: World, calls: dict[Key, Call]
) -> None:
    ids = ids_of(calls)
    for method, template, operation in described():
        path, by = template.format(**ids), reader(home.here, template)
        own = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for query in (
            f"{CANARY}=1",
            f"x={CANARY}",
            f"limit{CANARY}=5",
            f"{CANARY}=%00",
            f"%00={CANARY}",
            f"%ff={CANARY}",
            "offset=0&page=1",
            "=",
            "LIMIT=5",
            *(f"{name}={CANARY}&{name}={CANARY}" for name in own),
            *(f"{name}=1&{name}=1" for name in own),
            *(f"{name}=a%00b" for name in own),
        ):
            if query.startswith(f"x={CANARY}") and method != "GET":
                continue
            answer = await by.send(method, f"{path}?{query}")
            wrong = 400 if path == TOKEN_PATH else 422
            refused(answer, 415, wrong, why=(method, path, query))


async def test_a_bad_limit_is_refused_on_every_list(home: World, calls: dict[Key, Call]) -> None:
    ids = ids_of(calls)
    for template, _ in lists():
        by, path = reader(home.here, template), template.format(**ids)
        for limit in ("0", "101", "-1", "a", "1e3", "", "1.5", "\u0665", "9" * 400, "true", CANARY):
            answer = await by.get(path, limit=limit)
            refused(answer, 422, why=(path, limit))
            assert pointers(answer) == {"/query/limit"}


BAD_TIMES = [
    *(str(day) for day in BAD_DAYS if day != "2026-03-01T00:00:00Z"),
    "2026-03-02",
    "2026-03-02T09:00:00",
    "2026-03-02T25:00:00Z",
    "2026-03-02T09:60:00Z",
    "2026-03-02T09:00:00+25:00",
    "2026-02-30T09:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "-1",
    "+1772323200",
    "-1772323200",
    "1e9",
    "Infinity",
    "NaN",
    "now",
    CANARY,
    "",
    "9" * 400,
]


def wrong_filters(spec: dict[str, Any]) -> list[str]:
    """Give values that a query parameter of this schema must refuse."""
    match spec.get("type"), spec.get("format"):
        case "string", "date":
            return [str(day) for day in BAD_DAYS]
        case "string", "date-time":
            return BAD_TIMES
        case "boolean", _:
            return [CANARY, "2", "", "truee", "None", "-1"]
        case _:
            return [CANARY, "", " ", "1", f"{uuid4()}0", LONG[:4_000], "\u0661"]


async def test_every_filter_refuses_what_is_not_of_its_type(
    home: World, calls: dict[Key, Call]
) -> None:
    schemas, ids = Schemas(), ids_of(calls)
    accepted = set()
    for template, parameters in lists():
        wrong = {}
        for name, schema in parameters.items():
            resolved = schemas.resolved(schema)
            if name not in {"limit", "cursor", "client_ref"} and name not in ids:
                wrong[name] = wrong_filters(resolved.get("anyOf", [resolved])[0])
        by, path = reader(home.here, template), template.format(**ids)
        # every value once, and a few of them on every list
        turns = max(map(len, wrong.values()), default=0)
        for turn in range(turns if template in {"/v1/cases", "/v1/flags"} else min(turns, 7)):
            query = {name: values[turn % len(values)] for name, values in wrong.items()}
            answer = await by.get(path, **query)
            if answer.status_code != 200:
                refused(answer, 422, why=(path, query))
            found = pointers(answer)
            accepted |= {(n, v) for n, v in query.items() if f"/query/{n}" not in found}
            assert found <= {f"/query/{name}" for name in query}, path
    assert accepted == set()


async def test_a_client_reference_in_a_query_is_never_repeated(world: World) -> None:
    by = tolerant(world).clinician
    refused(await by.get("/v1/cases", client_ref=CANARY * 50), 422)
    # not even by a redirect to the path without the stroke at its end
    refused(await by.get("/v1/cases/", client_ref=CANARY), 404)
    refused(await by.get(f"/v1/cases/{uuid4()}/", client_ref=CANARY), 404)


async def test_a_bad_id_in_a_path_is_refused(home: World, calls: dict[Key, Call]) -> None:
    for method, template, _ in described():
        if "{" not in template:
            continue
        for bad in (CANARY, "1", f"{uuid4()}0", "%00", "%ed%a0%80"):
            name = template.partition("{")[2].partition("}")[0]
            if (name, bad) == ("n", "1"):
                # at a door accounts have numbers
                continue
            call = calls.get((method, template))
            by = call.by if call else reader(home.here, template)
            path = template.replace("{" + name + "}", bad)
            body = {"json": call.body} if call and call.body is not None else {}
            refused(await by.send(method, path, **body), 404, 422, why=(method, path))


def wrong_matches(right: str) -> Iterator[bytes]:
    """Give values of If-Match that are not the present version."""
    yield from (b"", b"*", b'"0"', b'"999"', f'"{CANARY}"'.encode())
    yield from (f"W/{right}".encode(), f"{right}, {right}".encode(), right.strip('"').encode())
    yield from (b'"-1"', b"0", b'""', b"null", b"'1'", b'"1e0"', b'"\xff"', b'"' + b"9" * 5000)
    yield from (f"{right}x".encode(), f'"00", {right}'.encode(), f'"0{right[1:]}'.encode())
    yield from ("\u0661".encode(), f"{right}\r\nX-Evil: {CANARY}".encode())


async def test_if_match_is_needed_and_must_be_the_present_version(
    home: World, calls: dict[Key, Call]
) -> None:
    guarded = {
        (method, path)
        for method, path, operation in described()
        if any(p["name"] == "If-Match" for p in operation.get("parameters", []))
    }
    # nobody but its client changes what is theirs at a door
    changing = {key for key in calls if key[0] in {"PATCH", "DELETE"}}
    assert {key for key in changing if not key[1].startswith("/door/")} == guarded
    for key in sorted(guarded):
        call = calls[key]
        content = None if call.body is None else json.dumps(call.body)
        absent = await call.by.send(call.method, call.path, content=content, headers=JSON)
        refused(absent, 428, why=key)
        wrong = list(wrong_matches(call.headers["If-Match"]))
        for match in wrong if key == ("PATCH", "/v1/cases/{case_id}") else wrong[:8]:
            headers: dict[Any, Any] = {**JSON, "If-Match": match}
            answer = await call.by.send(call.method, call.path, content=content, headers=headers)
            refused(answer, 412, 428, why=(key, match[:40]))


async def test_headers_of_a_request_are_not_repeated(world: World) -> None:
    by = tolerant(world).clinician
    for headers in (
        {"X-Request-ID": CANARY},
        {"Accept": CANARY},
        {"Origin": f"https://{CANARY}.example"},
        {"Host": f"{CANARY}.example"},
        {"X-Forwarded-Host": CANARY},
        {"X-Forwarded-Prefix": f"/{CANARY}\r\nX-Evil: {CANARY}"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Range": f"bytes={CANARY}"},
        {"Cookie": f"session={CANARY}"},
        {"Authorization": f"Basic {CANARY}"},
    ):
        for path in (f"/v1/cases/{uuid4()}", "/v1/nowhere", "/v1/cases?limit=0"):
            refused(await by.send("GET", path, headers=headers), 401, 404, 422, why=headers)
        made_now = await by.post("/v1/cases", {"client_ref": uuid4().hex}, headers=headers)
        assert CANARY not in str(made_now.headers.raw).lower(), headers


def spoiled(cursor: str) -> Iterator[str]:
    """Change a cursor in every way that somebody might try."""
    yield from (
        "",
        " ",
        "A",
        "AAAA",
        "=",
        "null",
        CANARY,
        "é",
        "\u0661",
        "💥",
        "A" * 1025,
        "A" * 1000,
    )
    yield from (cursor[:-1], cursor[:-4], cursor[1:], cursor[: len(cursor) // 2])
    yield from (cursor * 2, cursor.swapcase(), cursor[::-1])
    yield from (f" {cursor}", f"{cursor}\n", f"{cursor}=", f"{cursor}====", f"{cursor}!")
    yield from (f"{cursor[:9]}.{cursor[9:]}", f"{cursor[:9]} {cursor[9:]}")
    for place in range(0, len(cursor), 7):
        other = "B" if cursor[place] != "B" else "C"
        yield cursor[:place] + other + cursor[place + 1 :]
    # the last character holds bits that the decoder drops
    for last in "ABCDEFGHabcdefgh0123456789-_":
        if last != cursor[-1]:
            yield cursor[:-1] + last


HISTORIES = ("/versions", "/resolutions")
"""Lists of what stood there before: nothing staged here has any, see below."""


async def test_a_cursor_of_a_history_serves_no_other(world: World) -> None:
    case = await world.clinician.case()
    paths = []
    for _ in range(2):
        made = await world.clinician.incident(case, "hurtful_words", repeated=True)
        ok(await world.supervisor.patch(f"/v1/incidents/{made['id']}", {"repair": "repaired"}))
        flag = f"/v1/flags/{(await world.supervisor.flag_list(case))[0]['id']}"
        paths.append(f"/v1/incidents/{made['id']}/versions")
    for _ in range(2):
        noted = {"determination": "normal_process", "resolution_note": "seen together"}
        ok(await world.supervisor.post(f"{flag}/resolve", noted))
        ok(await world.supervisor.post(f"{flag}/reopen", {"reason": "looked at again"}))
    paths.append(f"{flag}/resolutions")
    for path in paths:
        cursor = ok(await world.supervisor.get(path, limit=1))["next"]
        assert ok(await world.supervisor.get(path, limit=1, cursor=cursor))["items"]
        for other in paths:
            if other != path:
                refused(await world.supervisor.get(other, cursor=cursor), 422, why=(path, other))


async def test_a_cursor_serves_only_the_list_and_the_filters_it_was_made_for(
    home: World, calls: dict[Key, Call]
) -> None:
    ids = ids_of(calls)
    cursors = {}
    for template, _ in lists():
        path = template.format(**ids)
        page = ok(await reader(home.here, template).get(path, limit=1))
        if not template.endswith(HISTORIES):
            assert page["next"], f"{path} needs two rows here"
            cursors[template] = page["next"]
    for template, parameters in lists():
        by, path = reader(home.here, template), template.format(**ids)
        if template in cursors:
            ok(await by.get(path, limit=2, cursor=cursors[template]))
        for other, cursor in cursors.items():
            if other != template:
                refused(await by.get(path, cursor=cursor), 422, why=(path, other))
        for filters in (
            {"updated_since": "2020-01-01T00:00:00Z"},
            {"from": "2020-01-01"},
            {"clinician_id": str(home.clinician.id)},
            {"min_severity": "low"},
        ):
            if filters.keys() <= parameters.keys() and template in cursors:
                answer = await by.get(path, cursor=cursors[template], **filters)
                refused(answer, 422, why=(path, filters))


async def test_a_spoiled_cursor_is_refused(home: World, calls: dict[Key, Call]) -> None:
    ids = ids_of(calls)
    accepted = set()
    for template in ("/v1/cases/{case_id}/incidents", "/v1/flagged-cases"):
        by, path = reader(home.here, template), template.format(**ids)
        cursor = ok(await by.get(path, limit=1))["next"]
        for bad in spoiled(cursor):
            answer = await by.get(path, cursor=bad)
            if answer.status_code == 200:
                accepted.add(bad.replace(cursor[:-1], "…"))
                continue
            refused(answer, 422, why=(path, bad))
            assert pointers(answer) == {"/query/cursor"}
    assert accepted == set()


async def test_a_cursor_from_another_clinic_is_refused(world: World) -> None:
    tolerant(world)
    for people in (world.here, world.there):
        for _ in range(2):
            case = await people["clinician"].case()
            await people["clinician"].incident(case, "hurtful_words", repeated=True)
    accepted = []
    for path in ("/v1/cases", "/v1/incidents", "/v1/flags", "/v1/users", "/v1/flagged-cases"):
        theirs = ok(await reader(world.there, path).get(path, limit=1))["next"]
        answer = await reader(world.here, path).get(path, cursor=theirs)
        if answer.status_code == 200:
            accepted.append(path)
        else:
            refused(answer, 422, why=path)
    assert accepted == []


def _unknown(names: str) -> dict[str, None]:
    return dict.fromkeys(names.split())


def reported(world: World, kind: str, **details: Any) -> dict[str, Any]:
    """Write the shortest report of a kind."""
    return {
        "occurred_on": world.day(-1),
        "initiator": "client",
        "reported_by": "client",
        "details": {"kind": kind, **NEEDED[kind], **details},
    }


async def test_each_field_needed_at_creation_is_asked_for_by_its_name(
    home: World, calls: dict[Key, Call]
) -> None:
    needed = {
        "/v1/cases": ["client_ref"],
        "/v1/cases/{case_id}/incidents": ["occurred_on", "initiator", "reported_by", "details"],
        "/v1/cases/{case_id}/promises": [
            "wording",
            "made_by",
            "source",
            "kind",
            "scope",
            "significance",
            "made_on",
            "reported_by",
        ],
        "/v1/cases/{case_id}/consultations": ["kind", "urgency", "question"],
    }
    for path, names in needed.items():
        call = calls["POST", path]
        body = {name: (call.body or {})[name] for name in names}
        for missing in names:
            rest = {name: value for name, value in body.items() if name != missing}
            answer = await call.sends(json.dumps(rest))
            refused(answer, 422, why=(path, missing))
            assert pointers(answer) == {f"/{missing}"}, path
        answer = await call.sends("{}")
        assert pointers(answer) == {f"/{name}" for name in names}, path


async def test_each_detail_needed_at_creation_is_asked_for_by_its_name(
    home: World, calls: dict[Key, Call]
) -> None:
    call = calls["POST", "/v1/cases/{case_id}/incidents"]
    assert set(NEEDED) == set(Schemas().kinds())
    misnamed = {}
    for kind, needed in NEEDED.items():
        for missing in ["kind", *needed]:
            body = reported(home, kind)
            del body["details"][missing]
            answer = await call.sends(json.dumps(body))
            refused(answer, 422, why=(kind, missing))
            if pointers(answer) != {f"/details/{missing}"}:
                misnamed[kind, missing] = pointers(answer)
    body = reported(home, "ending", stage="ended")
    answer = await call.sends(json.dumps(body))
    refused(answer, 422)
    if pointers(answer) != {"/details/ending"}:
        misnamed["ending", "ending"] = pointers(answer)
    assert misnamed == {}


async def test_details_that_were_not_given_are_what_the_contract_presumes(world: World) -> None:
    case = await world.clinician.case()
    for kind, needed in NEEDED.items():
        report = made(
            await world.clinician.post(f"/v1/cases/{case['id']}/incidents", reported(world, kind))
        )
        assert report["details"] == {"kind": kind, **needed, **PRESUMED[kind]}, kind
        shown = ok(await world.clinician.get(f"/v1/incidents/{report['id']}"))
        assert shown["details"] == report["details"], kind


async def test_fields_that_were_not_given_are_what_the_contract_presumes(world: World) -> None:
    by = world.clinician
    case = await by.case()
    on_case = {"case_id": case["id"]}
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            case,
            {
                "clinician_id": str(by.id),
                "status": "active",
                "phase": "unknown",
                "attachment_roles": [],
                **_unknown(
                    "setting started_on ended_on sessions_per_week "
                    "agreed_sessions is_minor voided_at void_reason"
                ),
                "flags": {"open": 0, "top_severity": None, "next_due_at": None},
                "flags_raised": [],
            },
        ),
        (
            await by.incident(case, "crossing", initiator="client", area="time"),
            {
                **on_case,
                "date_precision": "day",
                "classification": "unclassified",
                "client_impact": "unknown",
                "repair": "unknown",
                "restricted": False,
                "status": "reported",
                **_unknown(
                    "rationale narrative discussed_with_client about_user_id "
                    "determination review_note reviewed_by_id reviewed_at"
                ),
            },
        ),
        (
            made(
                await by.post(
                    f"/v1/cases/{case['id']}/promises",
                    {k: v for k, v in promise(world).items() if k != "keepable"},
                )
            ),
            {
                **on_case,
                "keepable": "unknown",
                "due_on": None,
                "open_ended": False,
                "discussed_with_client": None,
                "discussed_on": None,
                "state": "open",
                "client_impact": "unknown",
            },
        ),
        (
            made(
                await by.post(
                    f"/v1/cases/{case['id']}/consultations",
                    {"kind": "supervision", "urgency": "routine", "question": "What now?"},
                )
            ),
            {
                **on_case,
                "released": False,
                "incident_ids": [],
                "promise_ids": [],
                "status": "draft",
                **_unknown("summary consultant_id due_at outcome advice"),
            },
        ),
    ]
    for row, presumed in wanted:
        assert {name: row[name] for name in presumed} == presumed
        assert (row["version"], row["recorded_by_id"]) == (1, str(by.id))


async def test_whose_conduct_an_incident_is_about_follows_from_who_began_it(world: World) -> None:
    for kind in NEEDED:
        case = await world.clinician.case()
        conduct = kind not in {"expression", "risk", "outcome", "record_request"}
        others = ("mutual", "disputed") if kind in {"crossing", "risk"} else ()
        for initiator in ("therapist", "client", *others):
            body = {**reported(world, kind), "initiator": initiator}
            report = made(await world.clinician.post(f"/v1/cases/{case['id']}/incidents", body))
            about = str(world.clinician.id) if conduct and initiator != "client" else None
            assert report["about_user_id"] == about, (kind, initiator)


async def test_a_case_and_a_promise_may_be_entered_late_in_any_state(world: World) -> None:
    by = world.clinician
    for status in ("active", "paused", "ended"):
        assert (await by.case(status=status))["status"] == status
    case = await by.case()
    states = Schemas().resolved({"$ref": "#/components/schemas/PromiseState"})["enum"]
    for state in states:
        assert (await by.promise(case, state=state))["state"] == state


ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")


@pytest.mark.parametrize("time_zone", ZONES)
async def test_what_has_happened_is_dated_today_at_the_latest_in_the_clinic(
    world: World, time_zone: str
) -> None:
    people = await tolerant(world).clinic(time_zone)
    by = people["clinician"]
    case = await by.case()
    today = world.clock.now.astimezone(ZoneInfo(time_zone)).date()
    day = {offset: (today + timedelta(days=offset)).isoformat() for offset in (-1, 0, 1, 30)}
    incidents, promises = f"/v1/cases/{case['id']}/incidents", f"/v1/cases/{case['id']}/promises"
    first = {"occurred_on": day[-1]}
    attempts: list[tuple[str, str, Any]] = [
        ("/v1/cases", "/started_on", lambda d: {"client_ref": uuid4().hex, "started_on": d}),
        ("/v1/cases", "/ended_on", lambda d: {"client_ref": uuid4().hex, "ended_on": d}),
        (promises, "/made_on", lambda d: promise(world, made_on=d)),
        (promises, "/discussed_on", lambda d: promise(world, made_on=day[-1], discussed_on=d)),
        *(
            (incidents, "/occurred_on", lambda d, k=kind: reported(world, k) | {"occurred_on": d})
            for kind in NEEDED
            if kind != "absence"
        ),
        *(
            (
                incidents,
                f"/details/{name}",
                lambda d, k=kind, n=name: reported(world, k, **{n: d}) | first,
            )
            for kind, name in (
                ("disclosure", "responded_on"),
                ("risk", "responded_on"),
                ("record_request", "requested_on"),
                ("record_request", "answered_on"),
            )
        ),
    ]
    for path, pointer, body in attempts:
        made(await by.post(path, body(day[0])))
        answer = await by.post(path, body(day[1]))
        refused(answer, 422, why=(path, pointer))
        assert pointers(answer) == {pointer}
    for body in (
        reported(world, "absence", return_due_on=day[30]) | {"occurred_on": day[1]},
        reported(world, "exception", ends_on=day[30]) | first,
    ):
        made(await by.post(incidents, body))
    made(await by.post(promises, promise(world, made_on=day[-1], due_on=day[30])))


async def test_a_change_obeys_the_same_sense(world: World) -> None:
    by = tolerant(world).clinician
    case = await by.case(started_on=world.day(-10), ended_on=world.day(-5))
    told = await by.incident(case, "disclosure", on=-8, initiator="client", of="love")
    given = await by.promise(case)
    asked = await by.incident(case, "record_request", on=-8, initiator="client", request="access")
    details = told["details"]
    before = await snapshot(world)
    for path, body, pointer in (
        (f"/v1/cases/{case['id']}", {"started_on": world.day(1)}, "/started_on"),
        (f"/v1/cases/{case['id']}", {"ended_on": world.day(1)}, "/ended_on"),
        (f"/v1/cases/{case['id']}", {"ended_on": world.day(-11)}, "/ended_on"),
        (f"/v1/cases/{case['id']}", {"started_on": world.day(-4)}, "/ended_on"),
        (f"/v1/incidents/{told['id']}", {"occurred_on": world.day(1)}, "/occurred_on"),
        (
            f"/v1/incidents/{told['id']}",
            {"details": {**details, "responded_on": world.day(-9)}},
            "/details/responded_on",
        ),
        (
            f"/v1/incidents/{told['id']}",
            {"details": {**details, "responded_on": world.day(1)}},
            "/details/responded_on",
        ),
        (
            f"/v1/incidents/{asked['id']}",
            {"details": {**asked["details"], "answered_on": world.day(1)}},
            "/details/answered_on",
        ),
        (f"/v1/promises/{given['id']}", {"made_on": world.day(1)}, "/made_on"),
        (f"/v1/promises/{given['id']}", {"discussed_on": world.day(1)}, "/discussed_on"),
    ):
        answer = await by.patch(path, body)
        refused(answer, 422, why=(path, body))
        assert pointers(answer) == {pointer}, (path, body)
    assert await snapshot(world) == before
    # a later day of the same disclosure would come after its answer
    path = f"/v1/incidents/{told['id']}"
    ok(await by.patch(path, {"details": {**details, "responded_on": world.day(-8)}}))
    answer = await by.patch(path, {"occurred_on": world.day(-7)})
    refused(answer, 422)
    assert pointers(answer) == {"/details/responded_on"}


async def test_an_end_or_an_answer_comes_on_the_same_day_at_the_earliest(world: World) -> None:
    by = tolerant(world).clinician
    case = await by.case(started_on=world.day(-9), ended_on=world.day(-9))
    body = {"client_ref": "x", "started_on": world.day(-9), "ended_on": world.day(-10)}
    answer = await by.post("/v1/cases", body)
    refused(answer, 422)
    assert pointers(answer) == {"/ended_on"}
    path = f"/v1/cases/{case['id']}/incidents"
    for kind in ("disclosure", "risk"):
        made(await by.post(path, reported(world, kind, responded_on=world.day(-1))))
        answer = await by.post(path, reported(world, kind, responded_on=world.day(-2)))
        refused(answer, 422)
        assert pointers(answer) == {"/details/responded_on"}


async def test_a_record_may_lie_before_or_after_its_case(world: World) -> None:
    by = world.clinician
    case = await by.case(started_on=world.day(-10), ended_on=world.day(-5))
    for on in (-4000, -11, -4, 0):
        await by.incident(case, "crossing", on=on, area="time")
        await by.promise(case, made_on=world.day(on))


async def test_the_days_of_the_calendar_have_bounds_on_both_sides(world: World) -> None:
    by = tolerant(world).clinician
    case = await by.case(started_on="1900-01-01")
    refused(await by.post("/v1/cases", {"client_ref": "x", "started_on": "1899-12-31"}), 422)
    made(await by.post(f"/v1/cases/{case['id']}/promises", promise(world, due_on="2199-12-31")))
    refused(
        await by.post(f"/v1/cases/{case['id']}/promises", promise(world, due_on="2200-01-01")), 422
    )
    ok(await by.get(f"/v1/cases/{case['id']}/flags"))
    now = datetime.now(UTC).isoformat()
    ok(await by.get("/v1/cases", updated_since=now))
