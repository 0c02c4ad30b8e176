"""The OpenAPI document as somebody reads it who writes a program: words, rights and examples."""

import json
import re
import tomllib
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from httpx import Response
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel

import api
from api.domain.errors import Invalid, every_refusal
from api.domain.incident_kinds import IncidentKind
from api.domain.vocabulary import Scope
from api.http.problem_details import PROBLEM
from api.main import VERSION, create_app
from api.openapi import documents
from api.openapi.description import TAGS
from api.openapi.example_values import VALUES
from api.openapi.examples import Examples
from api.openapi.foreseen import foresee
from api.openapi.security_schemes import CLIENT, PERSON, SOFTWARE
from api.openapi.served_document import kept, on_one_line
from api.runtime.settings import Settings, random_secret
from tests.support.checkout import DOCS
from tests.support.matrix import PUBLIC, TABLE
from tests.support.patience import slowness
from tests.support.processes import run
from tests.support.requests import described, document
from tests.support.scopes import OPENS
from tests.support.world import NOON, Urls, World, made, ok, open_world

RENEW = "python -m api openapi > docs/openapi.json"

Place = tuple[Any, ...]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the document."""
    while "$ref" in part:
        found: Any = document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def test_the_document_in_the_checkout_is_the_one_that_is_printed_without_any_setting() -> None:
    # a megabyte that differs is not shown
    is_current = (DOCS / "openapi.json").read_text() == run("openapi").stdout
    assert is_current, f"renew it: {RENEW}"


async def test_the_document_is_served_as_it_is_kept_and_built_by_no_server(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.app, "openapi", None)
    # the first request of all also makes the routes ready, which is another matter
    ok(await world.http.get("/healthz"))
    begun = process_time()
    served = await world.http.get("/openapi.json")
    assert process_time() - begun < slowness()
    assert ok(served) == json.loads((DOCS / "openapi.json").read_text())
    assert served.headers["content-type"] == "application/json"
    paths = [getattr(route, "path", "") for route in world.app.routes]
    assert paths.count("/openapi.json") == 1


def test_a_document_on_one_line_says_the_same() -> None:
    said: dict[str, Any] = {
        "a": ["one\ntwo ", "  \r\n  three", " \u00e9\u2028 \\"],
        '": ': {},
        "b": [[], None, 1.5],
    }
    lines = json.dumps(said, indent=2).encode().splitlines(keepends=True)
    assert len(lines) > 10
    written = on_one_line(lines)
    assert json.loads(written) == said
    assert b"\n" not in written


def test_the_document_is_made_ready_to_be_served_in_little_memory() -> None:
    def most_held(make: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            make()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    path = DOCS / "openapi.json"
    enough = 3 * path.stat().st_size
    assert most_held(kept.__wrapped__) < enough
    assert most_held(lambda: json.loads(path.read_text())) > enough, "it would not be noticed"


def test_every_operation_is_named_as_its_function_and_no_two_alike() -> None:
    app = create_app(Settings(secret_key=random_secret()))
    names = [
        context.original_route.endpoint.__name__
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute) and context.original_route.include_in_schema
    ]
    ids = [operation["operationId"] for _, _, operation in described()]
    assert sorted(ids) == sorted(names)
    assert len(set(ids)) == len(ids)


def test_every_operation_says_what_it_does_and_for_whom() -> None:
    for method, path, operation in described():
        summary, description = operation["summary"], operation["description"]
        assert 3 < len(summary) < 90, (summary, path)
        assert not summary.endswith("."), path
        assert description.startswith(summary), path
        if (method, path) not in PUBLIC:
            assert re.search(r"\n\nFor [^.]+\.", description), (method, path, description)
        for status, answer in operation["responses"].items():
            told = resolved(answer)["description"]
            assert told.endswith("."), (method, path, status, told)
            assert "Successful Response" not in told, (method, path)


def test_the_parts_are_told_in_reading_order() -> None:
    tags = [tag["name"] for tag in document()["tags"]]
    assert [tag for tag in tags if tag in TAGS] == list(TAGS)
    assert {tag for _, _, each in described() for tag in each["tags"]} <= set(tags)
    assert all(tag["description"].strip().endswith(".") for tag in document()["tags"])


def test_who_may_is_said_as_the_matrix_has_it() -> None:
    for_software = {
        (row.method, row.path.partition("?")[0])
        for row in TABLE
        if any(role == "service" and letter == "y" for role, _, letter in row.expected())
    }
    for_people = {
        (row.method, row.path.partition("?")[0])
        for row in TABLE
        if any(role != "service" and letter in "yc" for role, _, letter in row.expected())
    }
    told = set()
    for method, path, operation in described():
        if (method, path) in PUBLIC:
            assert "security" not in operation, path
            continue
        if path.startswith("/door/"):
            assert operation["security"] == [{CLIENT: []}], path
            continue
        only_software = (method, path) in for_software - for_people
        assert ({PERSON: []} in operation["security"]) != only_software, (method, path)
        if any(SOFTWARE in each for each in operation["security"]):
            told.add((method, path))
    # what software may on no record of the table it may on those it recorded itself
    assert for_software <= told
    assert {method for method, _ in told - for_software} <= {"PATCH", "DELETE"}


def test_the_scopes_are_those_that_open_it() -> None:
    flows = document()["components"]["securitySchemes"]
    assert flows[SOFTWARE]["flows"]["clientCredentials"]["scopes"] == {
        str(scope): scope.definition for scope in Scope
    }
    assert flows[PERSON]["flows"]["password"]["tokenUrl"] == "/v1/auth/token"
    named: dict[str, set[str]] = {}
    for method, path, operation in described():
        for each in operation.get("security", ()):
            for scope in each.get(SOFTWARE, ()):
                named.setdefault(scope, set()).add(f"{method} {path}")
    for scope, opened in OPENS.items():
        spelled = {re.sub(r"{(\w+?)}", r"/v1/\1s/{\1_id}", each) for each in opened}
        assert spelled <= named.get(scope, set()), scope


def test_where_a_new_record_is_found_is_promised_of_new_ones_alone() -> None:
    """A name that a function binds itself is no door of its module, which might say where."""
    promised = {
        status
        for _, _, operation in described()
        for status, answer in operation["responses"].items()
        if "Location" in answer.get("headers", {})
    }
    assert promised == {"201"}


def test_what_is_sent_in_headers_is_in_it() -> None:
    operations = {(method, path): operation for method, path, operation in described()}
    answers = operations["POST", "/v1/cases"]["responses"]
    assert {"ETag", "Location", "X-Request-Id"} <= answers["201"]["headers"].keys()
    assert "Link" in operations["GET", "/v1/cases"]["responses"]["200"]["headers"]
    assert "Retry-After" in resolved(answers["429"])["headers"]
    assert "Retry-After" in resolved(answers["503"])["headers"]
    assert "WWW-Authenticate" in resolved(answers["401"])["headers"]
    copies = operations["GET", "/v1/cases/{case_id}/export"]["responses"]["200"]
    assert "Content-Disposition" in copies["headers"]
    assert copies["content"].keys() == {"application/json", "text/html"}


def test_a_refusal_is_read_in_the_code_that_says_it() -> None:
    operations = {operation["operationId"]: operation for _, _, operation in described()}
    for name, status, said in (
        ("sign_note", "409", "This note is already signed; it is amended, and never changed."),
        ("create_user", "409", "This address is already known in the clinic."),
        ("read_case", "403", "The role admin does not do this."),
        ("break_glass", "403", "Sign in again first: this needs a sign-in of the last 15 minutes."),
        ("void_case", "409", "This case was voided; nothing more is written to it."),
    ):
        shown = resolved(operations[name]["responses"][status])["content"][PROBLEM]["examples"]
        assert said in {each["value"]["detail"] for each in shown.values()}, (name, shown)
    assert "409" not in operations["read_case"]["responses"]
    assert "404" not in operations["read_me"]["responses"]
    # whatever is not the program's own is not followed
    assert foresee(json.dumps).refusals == ()


def bodies(described_by: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Give every body of the document, those of webhooks too, with its place."""
    for part in ("paths", "webhooks"):
        for path, operations in described_by.get(part, {}).items():
            for method, operation in operations.items():
                sent = operation.get("requestBody", {}).get("content", {})
                yield from (((method, path, media), each) for media, each in sent.items())
                for status, answer in operation["responses"].items():
                    for media, each in resolved(answer).get("content", {}).items():
                        yield (method, path, status, media), each


def parameters(described_by: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Give every parameter and header that is shown with an example, with its place."""
    for path, operations in described_by["paths"].items():
        for method, operation in operations.items():
            for each in operation.get("parameters", ()):
                if each["in"] == "path" or each["required"]:
                    yield (method, path, each["name"]), each
    yield from (((name,), each) for name, each in described_by["components"]["headers"].items())


def shown_in(body: dict[str, Any]) -> list[Any]:
    """Give the examples of a body."""
    several = [each["value"] for each in body.get("examples", {}).values()]
    return [*several, body["example"]] if "example" in body else several


def wrong_examples(described_by: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Name each body without an example, and each example that its schema does not allow."""
    components = {"components": described_by["components"]}
    validators: dict[str, Draft202012Validator] = {}
    for place, body in (*bodies(described_by), *parameters(described_by)):
        key = json.dumps(body["schema"], sort_keys=True)
        if key not in validators:
            schema = {**body["schema"], **components}
            validators[key] = Draft202012Validator(schema, validate_formats=True)
        values = shown_in(body)
        if not values:
            yield (*place, "has no example")
        for value in values:
            yield from ((*place, str(each)) for each in validators[key].iter_errors(value))


def test_every_body_has_examples_and_each_is_as_its_schema_says() -> None:
    assert list(wrong_examples(document())) == []
    assert sum(len(shown_in(body)) for _, body in bodies(document())) > 1_000


def test_a_wrong_example_is_found() -> None:
    spoiled = json.loads(json.dumps(document()))
    clinic = spoiled["paths"]["/v1/clinic"]
    clinic["get"]["responses"]["200"]["content"]["application/json"]["example"]["version"] = "three"
    del clinic["patch"]["requestBody"]["content"]["application/json"]["example"]
    spoiled["paths"]["/v1/notes/{note_id}"]["get"]["parameters"][0]["example"] = "seven"
    found = {place[:2] for place in wrong_examples(spoiled)}
    notes = ("get", "/v1/notes/{note_id}")
    assert found == {("get", "/v1/clinic"), ("patch", "/v1/clinic"), notes}


def finished(app: FastAPI) -> tuple[dict[str, Any], Examples]:
    """Give an application's document, and the writer of its examples."""
    made_by: list[documents.Finishing] = []
    with pytest.MonkeyPatch.context() as patch:
        finish = documents.Finishing.finish

        def finish_and_keep(self: documents.Finishing) -> None:
            made_by.append(self)
            finish(self)

        patch.setattr(documents.Finishing, "finish", finish_and_keep)
        written = documents.document_of(app)
    return written, made_by[0].examples


class Thing(BaseModel):
    """A thing that is sent."""

    client_ref: str
    wobble: str
    wobbles: int


def test_every_property_has_a_realistic_value() -> None:
    app = create_app(Settings(secret_key=random_secret()))
    assert finished(app)[1].missing == set(), (
        "add a value to the table in api/openapi/example_values.py"
    )


def test_a_property_without_a_value_is_found_in_webhooks_too() -> None:
    app = create_app(Settings(secret_key=random_secret()))

    @app.webhooks.post("thing.happened")
    def thing_happened(body: Thing) -> None:
        """A thing happened. Sent to whoever asked for it."""

    written, shown = finished(app)
    assert shown.missing == {"Thing.wobble", "Thing.wobbles"}
    told = written["webhooks"]["thing.happened"]["post"]
    assert told["summary"] == "A thing happened"
    sent = told["requestBody"]["content"]["application/json"]["example"]
    assert sent["client_ref"] == VALUES["client_ref"][0]
    assert "422" not in told["responses"]


def test_a_door_may_declare_what_cannot_be_read_in_its_code() -> None:
    app = create_app(Settings(secret_key=random_secret()))

    @app.get("/declared", responses={409: {}, 404: {}})
    def declared() -> None:
        """Answer nothing."""

    answers = finished(app)[0]["paths"]["/declared"]["get"]["responses"]
    assert answers.keys() == {"200", "404", "409"}
    assert answers["409"] == {"$ref": "#/components/responses/Conflict"}


def test_the_richer_bodies_are_shown_more_than_once() -> None:
    operations = {operation["operationId"]: operation for _, _, operation in described()}

    def names(operation_id: str) -> set[str]:
        (body,) = operations[operation_id]["requestBody"]["content"].values()
        return set(body["examples"])

    assert names("report_incident") == set(get_args(IncidentKind))
    assert names("sign_in") == {"password", "refresh_token", "client_credentials"}
    assert len(names("record_promise")) == 2


async def test_what_is_shown_is_accepted(sqlite_urls: Urls) -> None:
    operations = {operation["operationId"]: operation for _, _, operation in described()}

    def shown(operation_id: str) -> list[Any]:
        return shown_in(operations[operation_id]["requestBody"]["content"]["application/json"])

    async with open_world(sqlite_urls, NOON) as world:
        me = world.clinician
        case = made(await me.post("/v1/cases", *shown("open_case")))
        path = f"/v1/cases/{case['id']}"
        for noun, operation_id in (
            ("incidents", "report_incident"),
            ("promises", "record_promise"),
            ("consultations", "draft_consultation"),
            ("notes", "draft_note"),
        ):
            for body in shown(operation_id):
                made(await me.post(f"{path}/{noun}", body))
        made(await world.admin.post("/v1/users", *shown("create_user")))
        made(await world.admin.post("/v1/service-accounts", *shown("create_service_account")))
        ok(await world.admin.send("PUT", "/v1/rules/thresholds", json=shown("set_thresholds")[0]))


PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def codes_in_the_document() -> set[str]:
    """Give the codes that the examples of refusals carry."""
    carried = (value for place, body in bodies(document()) for value in shown_in(body))
    types = {
        value["type"]
        for value in carried
        if isinstance(value, dict) and {"type", "detail"} <= set(value)
    }
    return {each.removeprefix("urn:boundary-notes:") for each in types}


async def test_every_code_has_a_page_that_anybody_can_read(sqlite_urls: Urls) -> None:
    async with open_world(sqlite_urls, NOON) as world:
        listed = ok(await world.http.get("/problems"))["items"]
        assert [each["code"] for each in listed] == sorted(every_refusal())
        for each in listed:
            path = f"/problems/{each['code']}"
            assert ok(await world.http.get(path)) == each
            kind = every_refusal()[each["code"]]
            assert each["status"] == kind.status == each["example"]["status"]
            assert each["meaning"].endswith(".")
            assert "remedy" in vars(kind), f"say in {kind.__name__} what to do"
            assert each["remedy"].endswith("."), path
            page = await world.http.get(path, headers=PAGE)
            assert_a_page(page, each["title"])
            assert each["code"] in page.text
            # as it is said: only where fields are refused are there any
            assert ("errors" in each["example"]) == issubclass(kind, Invalid)
            assert ("error" in each["example"]) == kind.is_of_tokens
            assert None not in each["example"].values()
        assert_a_page(await world.http.get("/problems", headers=PAGE), "Problems")
        assert ok(await world.http.get("/problems/nothing"), 404)["type"].endswith("not-found")
    assert codes_in_the_document() <= every_refusal().keys()


def assert_a_page(answer: Response, title: str) -> None:
    """Check that a page can be read as it is: with its own style, and nothing from elsewhere."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert f"<h1>{title}</h1>" in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")


async def test_what_is_refused_has_a_page(sqlite_urls: Urls) -> None:
    async with open_world(sqlite_urls, NOON) as world:
        refused = (await world.clinician.get("/v1/users")).json()
        code = refused["type"].removeprefix("urn:boundary-notes:")
        assert ok(await world.http.get(f"/problems/{code}"))["title"] == refused["title"]


def test_the_version_is_one_wherever_it_is_said() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    changes = re.findall(r"^## (.*)$", (DOCS.parent / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert VERSION == project["version"] == changes[0]


def test_every_kind_of_refusal_is_told_with_words_the_code_says() -> None:
    written = "".join(path.read_text() for path in Path(api.__file__).parent.rglob("*.py"))
    for code, kind in every_refusal().items():
        refusal = kind(*kind.example)
        words = refusal.errors[0].message if refusal.errors else refusal.detail
        # of whom it is said is put in
        assert words.removeprefix("The role admin") in written, code
