"""A refusal names what it refuses, by the schema's words, and says what to do."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from time import process_time
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from httpx import Response
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from api.domain.details import DETAILS
from api.domain.errors import every_refusal
from api.domain.values import Day, Instant
from api.domain.vocabulary import VOCABULARY
from api.http import field_errors
from api.http.field_errors import (
    BOUNDED,
    LIKE,
    SENTENCES,
    UNFORESEEN,
    field_error,
    message_of,
    not_a_word,
    unknown,
)
from api.interop.bulk.lines import LINE
from api.main import create_app
from api.runtime.settings import Settings
from api.storage.models.integration import ImportRefusal
from tests.support.canary import CANARY
from tests.support.patience import slowness
from tests.support.readers import ids_of, reader
from tests.support.requests import described, tolerant
from tests.support.stage import staged
from tests.support.world import SETTINGS_SECRET, World, incident, ok, software


def said(answer: Response) -> dict[str, str]:
    """Give the sentence of each pointer of a refusal, which repeats nothing that was sent."""
    assert answer.status_code in {400, 422}, answer.text
    assert CANARY not in answer.text.lower()
    document = answer.json()
    if "issue" in document:
        told = [each.get("diagnostics", "") for each in document["issue"]]
        return {pointer: message for pointer, _, message in (each.partition(" ") for each in told)}
    return {error["pointer"]: error["message"] for error in document["errors"]}


# ------------------------------------------------- every error that a schema here can come to


NEVER_WRONG = {
    "default", "nullable", "definitions", "definition-ref", "model-field", "lax-or-strict",
    "json-or-python", "no-info",
}  # fmt: skip
"""What only stands around the schemas that can be wrong."""

CAN_BE: dict[str, set[str]] = {
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"missing", "extra_forbidden"},
    "int": {"int_type", "int_parsing", "int_from_float", "int_parsing_size"},
    "float": {"float_type", "finite_number"},
    "str": {"string_type", "string_sub_type", "string_unicode"},
    "bool": {"bool_type", "bool_parsing"},
    "date": {
        "date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact",
    },
    "datetime": {"datetime_type", "datetime_parsing", "datetime_from_date_parsing"},
    "uuid": {"uuid_type", "uuid_parsing"},
    "enum": {"enum"},
    "literal": {"literal_error"},
    "list": {"list_type"},
    "tagged-union": {"union_tag_invalid", "union_tag_not_found", "model_attributes_type"},
    "function-after": {"value_error"},
    "function-before": {"value_error"},
    # a text kept secret: pydantic's own pair of schemas, with one error for both
    "union": set(),
    "is-instance": set(),
}  # fmt: skip
"""The errors of each of pydantic's kinds of schema, as its documentation lists them."""

BOUNDS = {
    ("int", "ge"): "greater_than_equal", ("int", "le"): "less_than_equal",
    ("float", "ge"): "greater_than_equal", ("float", "le"): "less_than_equal",
    ("str", "min_length"): "string_too_short", ("str", "max_length"): "string_too_long",
    ("list", "min_length"): "too_short", ("list", "max_length"): "too_long",
}  # fmt: skip
LIBRARYS = {
    "max_length_validator": "too_long",
    "min_length_validator": "too_short",
    "greater_than_or_equal_validator": "greater_than_equal",
}
"""pydantic's own functions, and the error each raises."""


def errors_of(schema: Any) -> Iterator[str]:
    """Give every error that pydantic can find by a schema, and by those inside it."""
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from errors_of(each)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in NEVER_WRONG:
        yield from CAN_BE[kind]
        yield from (
            error for (of, bound), error in BOUNDS.items() if of == kind and bound in schema
        )
        if "custom_error_type" in schema:
            yield schema["custom_error_type"]
        if kind.startswith("function"):
            yield from _of_function(schema["function"]["function"])
    for name, inner in schema.items():
        if name not in {"metadata", "serialization"}:
            yield from errors_of(inner)


def _of_function(function: Any) -> Iterator[str]:
    function = function.func if isinstance(function, partial) else function
    if function.__module__.startswith("pydantic") and not isinstance(function, type):
        yield LIBRARYS[function.__name__]


def adapters() -> Iterator[TypeAdapter[Any]]:
    """Give what every parameter, body and line is checked against."""

    def every(dependant: Dependant) -> Iterator[Dependant]:
        yield dependant
        for inner in dependant.dependencies:
            yield from every(inner)

    for context in iter_route_contexts(create_app(Settings(secret_key=SETTINGS_SECRET)).routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for each in every(context.dependant or route.dependant):
                parameters = each.query_params + each.path_params + each.header_params
                yield from (field._type_adapter for field in parameters + each.body_params)
            if route.body_field is not None:
                yield route.body_field._type_adapter
    yield LINE


def test_every_error_that_a_schema_can_come_to_has_a_sentence_of_its_own() -> None:
    found = {error for adapter in adapters() for error in errors_of(adapter.core_schema)}
    assert len(found) > 30
    own = {"value_error", "extra_forbidden"}
    assert found - SENTENCES.keys() - BOUNDED.keys() - own == set()
    # none is kept that nothing comes to
    assert (SENTENCES.keys() | BOUNDED.keys()) - found - {"dict_type"} == set()
    assert message_of({"type": "something_new"}) == UNFORESEEN


def test_every_sentence_ends_and_asks_for_something() -> None:
    context = {"expected": "'one' or 'two'", "expected_tags": "'one'", "ge": 1, "le": 2.5}
    context |= {"min_length": 2, "max_length": 1_000}
    sentences = [*SENTENCES.values(), *(say(context) for say in BOUNDED.values())]
    sentences += [value for name, value in vars(field_errors).items() if name.isupper()]
    # with which one begins
    sentences.remove(LIKE)
    for sentence in (each for each in sentences if isinstance(each, str)):
        assert sentence.endswith("."), sentence
        assert "cannot be accepted" not in sentence


def test_what_is_kept_of_a_refused_line_has_room_for_the_longest_sentence() -> None:
    room: Any = ImportRefusal.__table__.c.message.type  # type: ignore[attr-defined]
    lists = [not_a_word([str(each) for each in words]) for words in VOCABULARY.values()]
    objects = [model for model in _inputs(BaseModel) if model.model_fields]
    lists += [unknown("", field_errors.names_of(each)) for each in objects]
    assert len(objects) > 40
    assert max(map(len, lists)) < room.length


def _inputs(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        if each.__module__.startswith("api."):
            yield each
        yield from _inputs(each)


# ------------------------------------------------------------------------- parameters


async def test_a_parameter_that_is_sent_twice_or_not_known_is_told_by_the_operations_own(
    world: World,
) -> None:
    calls = await staged(tolerant(world), world.here)
    ids, told = ids_of(calls), 0
    for method, template, operation in described():
        own = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        path, by = template.format(**ids), reader(world.here, template)
        several = {"_lastUpdated", "date"}
        for name in own if method == "GET" else ():
            if name not in several:
                answer = await by.send("GET", f"{path}?{quote(name)}={CANARY}&{quote(name)}=1")
                assert said(answer)[f"/query/{name}"] == "Send this once.", (template, name)
            answer = await by.send("GET", f"{path}?{quote(name)}={CANARY}%00")
            assert "NUL" in said(answer)[f"/query/{name}"], (template, name)
            answer = await by.send("GET", f"{path}?{quote(name)}={CANARY}%ed%a0%80")
            assert "UTF-8" in said(answer)[f"/query/{name}"], (template, name)
            answer = await by.send("GET", f"{path}?{quote(name.upper())}s=1")
            if name.upper() != name:
                assert f"Did you mean `{name}`?" in said(answer)["/query"], (template, name)
        sentence = said(await by.send(method, f"{path}?{CANARY}=1"))["/query"]
        assert all(name in sentence for name in own), (template, sentence)
        assert own or sentence == "A parameter here is not known: this takes none."
        told += len(own)
    assert told > 150


@pytest.mark.parametrize(
    ("query", "pointer", "sentence"),
    [
        ("clinicianId=1", "/query", "A parameter here is not known. Did you mean `clinician_id`?"),
        ("limit=0", "/query/limit", "This number is too small: the least is 1."),
        ("limit=101", "/query/limit", "This number is too large: the most is 100."),
        ("limit=ten", "/query/limit", "This must be a whole number."),
        (f"limit={'9' * 5000}", "/query/limit", "This number has too many digits"),
        ("cursor=x", "/query/cursor", "send `next` of the page before"),
        (f"cursor={'x' * 1025}", "/query/cursor", "the most is 1,024 characters."),
        ("from=2026-W10-1", "/query/from", "as in 2026-03-02, without a time of day."),
        ("from=2026-03-01T00:00:00Z", "/query/from", "without a time of day."),
        ("from=1772323200", "/query/from", "A date is written YYYY-MM-DD"),
        ("from=2026-02-30", "/query/from", "There is no such day"),
        ("from=1026-02-03", "/query/from", "between 1900-01-01 and 2199-12-31"),
        ("updated_since=2026-03-01", "/query/updated_since", "its day and its offset"),
        ("updated_since=2026-03-01T00:00:00", "/query/updated_since", "its day and its offset"),
        ("updated_since=1772323200", "/query/updated_since", "its day and its offset"),
        ("updated_since=2026-03-01T25:00:00Z", "/query/updated_since", "There is no such time"),
        ("updated_since=2026-03-01T00:00:00+01:00", "/query/updated_since", "as %2B, or use Z."),
        ("updated_since=2026-03-01T00:00+0100", "/query/updated_since", "as %2B, or use Z."),
        ("status=gone", "/query/status", "words: active, paused, ended."),
        ("clinician_id=7", "/query/clinician_id", "This must be an id, a UUID"),
        ("client_ref=%ff", "/query/client_ref", "This is not text in UTF-8"),
    ],
)  # fmt: skip
async def test_a_parameter_is_refused_with_what_would_be_taken(
    world: World, query: str, pointer: str, sentence: str
) -> None:
    told = said(await world.clinician.send("GET", f"/v1/cases?{query}"))
    assert told.keys() == {pointer}
    assert sentence in told[pointer]


async def test_what_looks_wrong_and_is_right_is_taken(world: World) -> None:
    for query in (
        "updated_since=2026-03-01T00:00:00%2B01:00",
        "updated_since=2026-03-01%2000:00:00Z",
        "client_ref=%EF%BF%BD",
        "limit=5&client_ref=a%2Bb",
    ):
        answer = await world.clinician.send("GET", f"/v1/cases?{query}")
        assert answer.status_code == 200, (query, answer.text)


async def test_many_words_are_pointed_to_where_they_are_listed(world: World) -> None:
    told = said(await world.clinician.send("GET", "/v1/flags?rule=gossip"))
    assert told["/query/rule"].startswith("This is not one of the known words")
    listed = said(await world.clinician.send("GET", "/v1/promises?kind=gossip"))["/query/kind"]
    assert listed.endswith("`GET /v1/vocabulary` lists them as `promise_kind`.")
    assert "promise_kind" in (await world.clinician.get("/v1/vocabulary")).json()
    kinds = said(await world.clinician.send("GET", "/v1/incidents?kind=gossip"))["/query/kind"]
    assert kinds.endswith("/docs lists them.")


async def test_an_ehr_is_told_the_parameter_too(world: World) -> None:
    for query, pointer, sentence in (
        ("_Count=1", "/query", "Did you mean `_count`?"),
        ("_lastUpdated=ge2026-03-01T00:00:00+01:00", "/query/_lastUpdated", "as %2B, or use Z."),
        ("_lastUpdated=yesterday", "/query/_lastUpdated", "write 2026, 2026-03, 2026-03-02"),
        ("_id=*", "/query/_id", "This must be an id"),
    ):
        told = said(await world.clinician.send("GET", f"/fhir/Task?{query}"))
        assert sentence in told[pointer], (query, told)
    for how, name in (
        ({"headers": {"Accept": "application/xml"}}, "Accept"),
        ({"params": {"_format": "xml"}}, "_format"),
    ):
        answer = await world.clinician.send("GET", "/fhir/Task", **how)
        sentence = f"This is served as application/fhir+json only; ask for that in {name}."
        assert answer.json()["issue"][0]["details"]["text"] == sentence
    for form, pointer, sentence in (
        ("patient=a&patient=b", "/patient", "Send this once."),
        (f"patient={CANARY}%ff", "/patient", "This is not text in UTF-8"),
        (f"patient={CANARY}%00", "/patient", "NUL"),
        (f"{CANARY}=a&{CANARY}=b", "", "Send this once."),
        ("patiant=a", "", "Did you mean `patient`?"),
        ("patient=", "", "must not be blank"),
    ):
        media = {"Content-Type": "application/x-www-form-urlencoded"}
        sent: dict[str, Any] = {"content": form, "headers": media}
        answer = await world.clinician.send("POST", "/fhir/Task/_search", **sent)
        diagnostics = [each.get("diagnostics", "") for each in answer.json()["issue"]]
        assert answer.status_code == 400, (form, answer.text)
        assert any(each.startswith(pointer) and sentence in each for each in diagnostics), (
            form,
            diagnostics,
        )
        assert CANARY not in answer.text


async def test_a_header_is_named(world: World) -> None:
    headers = {"Idempotency-Key": f"two words {CANARY}"}
    told = said(await world.clinician.send("POST", "/v1/cases", json={}, headers=headers))
    assert told == {
        "/header/Idempotency-Key": "A key is 1 to 200 visible ASCII characters, sent once."
    }


# ------------------------------------------------------------------------- bodies


async def test_a_field_that_is_not_known_is_told_by_those_that_are(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    gift = {"kind": "gift", "direction": "to_client", "item": "gift"}

    async def told(url: str, body: dict[str, Any]) -> dict[str, str]:
        return said(await world.clinician.send("POST", url, json=body))

    near = await told("/v1/cases", {"client_ref": "x", "StartedOn": "2026-01-01"})
    assert near == {"": "A field here is not known. Did you mean `started_on`?"}
    few = await told("/v1/cases", {"client_ref": "x", CANARY: 1})
    assert few[""].startswith("A field here is not known. Known are: agreed_sessions, ")
    many = await told(path, {**incident("consent", world), CANARY: 1})
    assert many[""] == "A field here is not known; /docs lists the 13 that are."
    inner = {**incident("consent", world), "details": {**gift, "itm": CANARY}}
    assert await told(path, inner) == {
        "/details": "A field here is not known. Did you mean `item`?"
    }
    inner["details"] = {**gift, CANARY: CANARY}
    assert await told(path, inner) == {
        "/details": "A field here is not known. Known are: direction, item, kind."
    }


async def test_thousands_of_unknown_fields_are_refused_without_being_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0

    def counted(*how: Any) -> Any:
        nonlocal compared
        compared += 1
        return get_close_matches(*how)

    monkeypatch.setattr("api.http.field_errors.get_close_matches", counted)
    body: dict[str, Any] = {f"client_re{number}": 1 for number in range(3_000)}
    answer = await world.clinician.send("POST", "/v1/cases", json={"client_ref": "x", **body})
    # what is said alike of many is said once
    assert len(answer.json()["errors"]) == 2
    assert 0 < compared < 30
    assert answer.json()["errors"][-1]["message"].endswith("/docs lists those that are.")
    compared, body = 0, {"client_ref": "x", "x" * 90_000: 1}
    assert (await world.clinician.send("POST", "/v1/cases", json=body)).status_code == 422
    assert compared == 0


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"client_ref": "a", "client_ref": "b"}', "A name stands twice in one object"),
        ('{"client_ref": "a\\u0000"}', "A text here has a NUL or half a character"),
        ('{"client_ref": "\\ud800"}', "A text here has a NUL or half a character"),
        ('{"sessions_per_week": NaN}', "A number here is not finite"),
        ('{"sessions_per_week": 1e999}', "A number here is not finite"),
        (f'{{"agreed_sessions": {"9" * 5_000}}}', "more digits than any field takes"),
        (f'{{"client_ref": {"[" * 20}{"]" * 20}}}', "deeper than 16 levels"),
        ("[" * 100_000, "deeper than 16 levels"),
        ("{'client_ref': 'a'}", "This is not JSON: send one JSON object"),
        ('{"client_ref": "a"}}', "with nothing before or behind it"),
        (b'\xef\xbb\xbf{"client_ref": "a"}', "byte order mark"),
        ('{"client_ref": "ä"}'.encode("latin-1"), "This is not text in UTF-8"),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_why(
    world: World, body: str | bytes, sentence: str
) -> None:
    json_ = {"Content-Type": "application/json"}
    told = said(await world.clinician.send("POST", "/v1/cases", content=body, headers=json_))
    assert told.keys() == {""}
    assert sentence in told[""]


async def test_bounds_are_said(world: World) -> None:
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/incidents"
    told = said(
        await world.clinician.send(
            "POST",
            path,
            json={
                **incident("consent", world),
                "narrative": CANARY * 3_000,
                "rationale": "",
                "details": {"kind": "contact", "days_per_week": 9, "weeks": -1},
            },
        )
    )
    assert told == {
        "/narrative": "This text is too long: the most is 20,000 characters.",
        "/rationale": "This must not be blank.",
        "/details/days_per_week": "This number is too large: the most is 7.",
        "/details/weeks": "This number is too small: the least is 0.",
    }
    frame = {"kind": "frame_change", "direction": "tighten", "elements": []}
    told = said(
        await world.clinician.send(
            "POST", path, json={**incident("consent", world), "details": frame}
        )
    )
    assert told == {"/details/elements": "This list needs at least 1 item."}
    new = {"name": "N", "email": "n@n", "role": "clinician", "password": CANARY[:5]}
    told = said(await world.admin.send("POST", "/v1/users", json=new))
    assert told == {"/password": "This text is too short: the least is 15 characters."}


# ------------------------------------------------------------------------- the sentences


def test_a_value_or_name_that_was_sent_is_in_no_sentence() -> None:
    """Whatever pydantic says of a value: only what the schema says is taken from it."""

    class Asked(BaseModel):
        model_config = ConfigDict(extra="forbid")

        day: Day
        at: Instant
        count: int
        what: list[int]

    for value in (CANARY, 5, [CANARY], {CANARY: CANARY}, None, f"2026-03-01 {CANARY}"):
        sent = {"day": value, "at": value, "count": value, "what": value, CANARY: value}
        with pytest.raises(ValidationError) as raised:
            Asked.model_validate(sent)
        for error in raised.value.errors():
            told = field_error({**error, "loc": ("body", *error["loc"])}, Asked)
            assert CANARY not in json.dumps(told.model_dump())


def test_every_page_of_a_problem_says_what_to_do() -> None:
    for code, kind in every_refusal().items():
        refusal = kind(*kind.example)
        for sentence in (refusal.detail, kind.remedy, " ".join((kind.__doc__ or "").split())):
            assert sentence.endswith("."), (code, sentence)
        assert len(kind.remedy) > 25, code


async def test_software_is_told_the_scope_that_it_lacks_or_that_there_is_none(
    world: World,
) -> None:
    diary = await software(world, "cases:read")
    for path, sentence in (
        ("/v1/flagged-cases", "Software needs the scope flags:read for this, and this token was "),
        (
            "/fhir/DetectedIssue",
            "Software needs the scope flags:read for this, and this token was ",
        ),
        ("/v1/users", "No software does this: no scope opens it. A person does."),
        ("/v1/journal", "No software does this: no scope opens it. A person does."),
    ):
        answer = await diary.get(path)
        assert answer.status_code == 403
        assert sentence in answer.text, path


async def test_a_parameter_of_several_lists_of_words_has_one_sentence(world: World) -> None:
    answer = await world.supervisor.get("/v1/flags", rule="gossip")
    (told,) = ok(answer, 422)["errors"]
    assert told == {
        "pointer": "/query/rule",
        "message": "This is not one of the known words; /docs lists them.",
    }


async def test_a_modifier_is_not_taken_for_a_misspelt_name(world: World) -> None:
    for query, pointer, sentence in (
        ("status:not=active", "/query/status", "This takes no modifier; ask for it otherwise."),
        ("_lastUpdated:missing=true", "/query/_lastUpdated", "This takes no modifier"),
        ("patient:Patient=a", "/query/patient", "this alone with one: `patient:identifier`"),
    ):
        told = said(await world.clinician.send("GET", f"/fhir/EpisodeOfCare?{query}"))
        assert sentence in told[pointer], (query, told)


async def test_what_an_ehr_shows_is_the_sentence(world: World) -> None:
    answer = await world.clinician.send("GET", "/fhir/Observation?status=")
    (issue,) = answer.json()["issue"]
    assert issue["details"]["text"] == "This must not be blank."
    assert issue["diagnostics"] == "/query/status This must not be blank."


async def test_a_path_says_which_methods_it_answers(world: World) -> None:
    answer = await world.clinician.send("PUT", "/v1/cases")
    assert ok(answer, 405)["detail"] == "This path answers GET, HEAD, POST only."


async def test_what_stands_for_unreadable_text_is_looked_into_once(world: World) -> None:
    """The character itself may be sent, thousands of times; it is read in one go."""
    begun = process_time()
    many = "&".join(["date=%EF%BF%BD"] * 3_500)
    assert (await world.http.get(f"/fhir/Observation?{many}")).status_code == 401
    form = "grant_type=password&" + "&".join(f"k{n}={'%EF%BF%BD' * 28}" for n in range(990))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await world.http.post("/v1/auth/token", content=form, headers=headers)
    assert answer.status_code == 400
    assert process_time() - begun < 3 * slowness()
    told = said(await world.clinician.send("GET", "/v1/cases?client_ref=%EF%BF%BD%ff"))
    assert "not text in UTF-8" in told["/query/client_ref"]
    ok(await world.clinician.send("GET", "/v1/cases?client_ref=%EF%BF%BD"))


def test_no_error_of_a_schema_holds_what_was_sent() -> None:
    """Where one comes to a terminal or a log it would be a client's words."""
    for schema, wrong in (
        (LINE, {"type": "case", "key": CANARY, "data": {"client_ref": CANARY * 99}}),
        (DETAILS, {"kind": "gift", "direction": CANARY, "item": "gift"}),
    ):
        with pytest.raises(ValidationError) as refused:
            schema.validate_python(wrong)
        assert CANARY not in str(refused.value)
