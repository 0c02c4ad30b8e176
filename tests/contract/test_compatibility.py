"""What was written to the document of the last release goes on working."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.commands.cli import app
from api.openapi.compatibility import breaking_changes
from tests.support.checkout import DOCS
from tests.support.requests import document

Document = dict[str, Any]
LAST_RELEASE = DOCS / "openapi-0.1.0.json"
ACCEPTED = (
    {
        # said to be null where they were meant to be left out: generated clients stumbled over it
        f"POST /v1/{move}: the body is no longer null."
        for move in (
            "consultations/{consultation_id}/request",
            "consultations/{consultation_id}/accept",
            "consultations/{consultation_id}/start",
            "flags/{flag_id}/acknowledge",
        )
    }
    | {
        # nothing waits there yet, and nobody would read what is sent by its door: listed last
        f"GET /v1/flagged-cases: the answer 200 /items /- /{field} may now be null."
        for field in ("severity", "due_at")
    }
    | {
        # it was null there for software, which libraries of OAuth refuse: it is left out
        "POST /v1/auth/token: the answer 200 may now lack the field refresh_token."
    }
)


def changed(change: Callable[[Document], object]) -> list[str]:
    """Change a copy of the present document; give what that would break."""
    copy: Document = json.loads(json.dumps(document()))
    change(copy)
    return breaking_changes(document(), copy)


def operation(of: Document, path: str, method: str) -> Document:
    found: Document = of["paths"][path][method]
    return found


def schema(of: Document, name: str) -> Document:
    found: Document = of["components"]["schemas"][name]
    return found


def field(of: Document, name: str, field_name: str) -> Document:
    found: Document = schema(of, name)["properties"][field_name]
    return found


def parameter(of: Document, path: str, method: str, name: str) -> Document:
    for each in operation(of, path, method)["parameters"]:
        if each["name"] == name:
            found: Document = each
            return found
    raise KeyError(name)


def drop_parameter(of: Document, path: str, method: str, name: str) -> None:
    operation(of, path, method)["parameters"].remove(parameter(of, path, method, name))


CASES = "/v1/cases"
FLAG = "/v1/flags/{flag_id}"

BREAKING: dict[str, tuple[Callable[[Document], object], str]] = {
    "an operation goes": (
        lambda d: d["paths"]["/v1/rules"].pop("get"),
        "GET /v1/rules is gone.",
    ),
    "a path goes": (lambda d: d["paths"].pop(FLAG), "GET /v1/flags/{flag_id} is gone."),
    "an operation is named otherwise": (
        lambda d: operation(d, CASES, "get").update(operationId="find_cases"),
        "GET /v1/cases has another operationId.",
    ),
    "an open operation needs a token": (
        lambda d: operation(d, "/healthz", "get").update(security=[{"person": []}]),
        "GET /healthz now needs a token.",
    ),
    "a parameter goes": (
        lambda d: drop_parameter(d, CASES, "get", "updated_since"),
        "GET /v1/cases: the query parameter updated_since is gone.",
    ),
    "a parameter is needed": (
        lambda d: parameter(d, CASES, "get", "status").update(required=True),
        "GET /v1/cases: the query parameter status is now needed.",
    ),
    "a parameter may be less": (
        lambda d: parameter(d, CASES, "get", "limit")["schema"].update(maximum=20),
        "GET /v1/cases: the query parameter limit has a narrower maximum.",
    ),
    "a body is needed": (
        lambda d: operation(d, f"{FLAG}/acknowledge", "post")["requestBody"].update(required=True),
        "POST /v1/flags/{flag_id}/acknowledge: a body is now needed.",
    ),
    "a field that is sent goes": (
        lambda d: schema(d, "CaseCreate")["properties"].pop("phase"),
        "POST /v1/cases: the body has no field phase any more.",
    ),
    "a field is needed": (
        lambda d: schema(d, "CaseCreate")["required"].append("phase"),
        "POST /v1/cases: the body now needs the field phase.",
    ),
    "a word is no longer taken, nor given": (
        lambda d: schema(d, "Repair")["enum"].remove("attempted"),
        "is no longer the word attempted.",
    ),
    "a kind goes": (
        lambda d: field(d, "IncidentCreate", "details")["oneOf"].pop(0),
        "POST /v1/cases/{case_id}/incidents: the body /details is no longer kind expression.",
    ),
    "null is no longer taken": (
        lambda d: field(d, "IncidentCreate", "narrative")["anyOf"].pop(),
        "the body /narrative is no longer null.",
    ),
    "a text may be less long": (
        lambda d: field(d, "CaseCreate", "client_ref").update(maxLength=10),
        "POST /v1/cases: the body /client_ref has a narrower maxLength.",
    ),
    "a text must have a form": (
        lambda d: field(d, "CaseCreate", "client_ref").update(pattern="^HL-"),
        "POST /v1/cases: the body /client_ref has another pattern.",
    ),
    "a type is another": (
        lambda d: field(d, "RuleRead", "version").update(type="string"),
        "may now be string.",
    ),
    "what is answered may be null": (
        lambda d: schema(d, "RuleRead")["properties"].update(
            version={"anyOf": [{"type": "integer"}, {"type": "null"}]}
        ),
        "may now be null.",
    ),
    "a field that is answered goes": (
        lambda d: schema(d, "RuleRead")["properties"].pop("asks"),
        "has no field asks any more.",
    ),
    "a field that is answered may be missing": (
        lambda d: schema(d, "RuleRead")["required"].remove("asks"),
        "may now lack the field asks.",
    ),
    "a status goes": (
        lambda d: operation(d, CASES, "post")["responses"].update(
            {"200": operation(d, CASES, "post")["responses"].pop("201")}
        ),
        "POST /v1/cases: the answer 201 is gone.",
    ),
    "a media type goes": (
        lambda d: operation(d, CASES, "get")["responses"]["200"]["content"].pop("text/csv"),
        "GET /v1/cases: the answer 200 is no longer text/csv.",
    ),
    "a header goes": (
        lambda d: operation(d, CASES, "post")["responses"]["201"]["headers"].pop("ETag"),
        "POST /v1/cases: the answer 201 has no header ETag any more.",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_is_reported(name: str) -> None:
    change, said = BREAKING[name]
    found = changed(change)
    assert any(each.endswith(said) for each in found), found


HARMLESS: dict[str, Callable[[Document], object]] = {
    "a new operation": lambda d: d["paths"].update({"/v1/more": d["paths"]["/v1/rules"]}),
    "a new optional parameter": lambda d: operation(d, CASES, "get")["parameters"].append(
        {"name": "more", "in": "query", "schema": {"type": "string"}}
    ),
    "a new optional field": lambda d: schema(d, "CaseCreate")["properties"].update(
        more={"type": "string"}
    ),
    "a field is no longer needed": lambda d: schema(d, "CaseCreate")["required"].clear(),
    "a further word": lambda d: schema(d, "Repair")["enum"].append("offered"),
    "more is answered": lambda d: schema(d, "RuleRead")["properties"].update(
        more={"type": "string"}
    ),
    "a longer text": lambda d: field(d, "CaseCreate", "client_ref").update(maxLength=500),
    "null is never answered": lambda d: field(d, "CaseRead", "ended_on")["anyOf"].pop(),
    "a further refusal": lambda d: operation(d, CASES, "get")["responses"].update(
        {"410": {"description": "Gone."}}
    ),
    "other words": lambda d: operation(d, CASES, "get").update(summary="x", description="y"),
    "nothing": lambda d: None,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_not(name: str) -> None:
    assert changed(HARMLESS[name]) == []


def test_a_range_of_statuses_may_be_told_one_by_one() -> None:
    ranged = json.loads(json.dumps(document()))
    operation(ranged, CASES, "get")["responses"] = {
        "200": operation(ranged, CASES, "get")["responses"]["200"],
        "4XX": {"description": "A problem."},
    }
    assert breaking_changes(ranged, document()) == []


def test_nothing_else_breaks_what_was_written_to_the_last_release() -> None:
    assert set(breaking_changes(json.loads(LAST_RELEASE.read_text()), document())) == ACCEPTED


def test_the_command_says_so_and_ends_in_failure_where_something_breaks(tmp_path: Path) -> None:
    def against(path: Path) -> tuple[int, str]:
        ended = CliRunner().invoke(app, ["openapi", "--against", str(path)])
        return ended.exit_code, ended.stdout

    assert against(DOCS / "openapi.json") == (
        0,
        "Nothing breaks what was written to openapi.json.\n",
    )
    before = json.loads(json.dumps(document()))
    before["paths"]["/v1/gone"] = before["paths"]["/v1/rules"]
    (tmp_path / "before.json").write_text(json.dumps(before))
    assert against(tmp_path / "before.json") == (1, "GET /v1/gone is gone.\n")
    assert against(tmp_path / "nothing.json") == (2, "")
