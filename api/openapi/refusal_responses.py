"""How an operation's refusals are written down: as problems, as FHIR's outcomes, as OAuth's."""

from collections.abc import Iterator
from typing import Any

from api.domain.errors import Refusal, every_refusal
from api.http.oauth_refusals import token_body_of
from api.http.problem_details import PROBLEM, body_of
from api.interop.fhir.elements import FHIR_JSON
from api.interop.fhir.outcome import as_outcome
from api.openapi.examples import first_sentence
from api.openapi.headers import NO_ID, headers, headers_of
from api.openapi.operations import Operation
from api.openapi.promised import refusals_of

_JSON = "application/json"


def write_refusals(operation: Operation, components: dict[str, Any]) -> None:
    """Write what an operation may refuse with, by status.

    A response that is the same everywhere is written once, in `components`.
    """
    by_status = _by_status(operation)
    answers = operation.written["responses"]
    for kind in every_refusal().values():
        # what a door declares because it cannot be read in its code
        if str(kind.status) in answers and kind.status not in by_status:
            by_status[kind.status] = [kind(*kind.example)]
    for status, refusals in sorted(by_status.items()):
        if operation.speaks_fhir:
            answers[str(status)] = _outcome_response(refusals)
        elif operation.speaks_oauth:
            answers[str(status)] = _token_response(refusals)
        else:
            answers[str(status)] = _problem_response(refusals, components)


def _by_status(operation: Operation) -> dict[int, list[Refusal]]:
    """Give the refusals of an operation that are told apart by what they say."""
    found: dict[int, list[Refusal]] = {}
    for refusal in refusals_of(operation):
        status = as_outcome(refusal)[0] if operation.speaks_fhir else refusal.status
        known = found.setdefault(status, [])
        if body_of(refusal, "") not in [body_of(each, "") for each in known]:
            known.append(refusal)
    return found


def _problem_response(refusals: list[Refusal], components: dict[str, Any]) -> dict[str, Any]:
    kinds = dict.fromkeys(type(refusal) for refusal in refusals)
    response = {
        "description": " ".join(map(_explained, kinds)),
        "headers": headers_of(refusals),
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
    components.setdefault("responses", {})[name] = response
    return {"$ref": f"#/components/responses/{name}"}


def _token_response(refusals: list[Refusal]) -> dict[str, Any]:
    """Write a refusal as it is told to whoever asked for a token."""
    told = zip(_told(refusals), refusals, strict=True)
    examples = {
        name: {**each, "value": token_body_of(refusal, NO_ID)} for (name, each), refusal in told
    }
    schema = {"$ref": "#/components/schemas/TokenProblem"}
    kinds = dict.fromkeys(type(refusal) for refusal in refusals)
    # plain JSON for who asks for nothing else
    content = {media: {"schema": schema, "examples": examples} for media in (PROBLEM, _JSON)}
    return {
        "description": " ".join(map(_explained, kinds)),
        "headers": {**headers_of(refusals), **headers(["Vary"])},
        "content": content,
    }


def _outcome_response(refusals: list[Refusal]) -> dict[str, Any]:
    """Write a refusal as it is told to an EHR."""
    kinds = dict.fromkeys(type(refusal) for refusal in refusals)
    told = zip(_told(refusals), refusals, strict=True)
    examples = {name: {**each, "value": as_outcome(refusal)[1]} for (name, each), refusal in told}
    schema = {"$ref": "#/components/schemas/OperationOutcome"}
    return {
        "description": " ".join(map(_explained, kinds)),
        "headers": headers_of(refusals),
        "content": {FHIR_JSON: {"schema": schema, "examples": examples}},
    }


def _explained(kind: type[Refusal]) -> str:
    meaning = first_sentence(kind.__doc__ or "")
    return f"{meaning} ([{kind.code}](/problems/{kind.code}))."


def _told(refusals: list[Refusal]) -> Iterator[tuple[str, Any]]:
    counted: dict[str, int] = {}
    for refusal in refusals:
        counted[refusal.code] = number = counted.get(refusal.code, 0) + 1
        name = refusal.code if number == 1 else f"{refusal.code}-{number}"
        yield name, {"summary": _summary(refusal), "value": body_of(refusal, NO_ID)}


def _summary(refusal: Refusal) -> str:
    return refusal.errors[0].message if refusal.errors else refusal.detail
