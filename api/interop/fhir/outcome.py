"""How a refusal is told to an EHR: as an OperationOutcome."""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from api.domain.errors import NotFound, Refusal
from api.http.problem_details import Dialect
from api.interop.fhir.elements import FHIR_JSON, CodeableConcept, Element

BASE = "/fhir"
"""Where the resources are served; what is refused below it is told as FHIR does."""

SERVED = (
    "EpisodeOfCare",
    "Observation",
    "Task",
    "ServiceRequest",
    "DetectedIssue",
    "Flag",
    "QuestionnaireResponse",
    "Provenance",
    "AuditEvent",
    "Questionnaire",
    "StructureDefinition",
    "CodeSystem",
)
"""Every type that is served, in the order of the document."""

NOT_SERVED = (
    f"This is not served here. Served are {', '.join(SERVED[:-1])} and {SERVED[-1]}: "
    f"GET {BASE}/metadata, which needs no token, says how each is read and searched, and of which "
    "older versions are kept."
)
"""Said of a path that nothing answers at, and of a type that is not among these."""
NOT_ANSWERED = (
    "This path does not answer that method, only those in `Allow`. Nothing is written as FHIR: "
    f"records are read and searched, and GET {BASE}/metadata says how; what is new goes to /v1."
)

IssueType = Literal[
    "conflict",
    "exception",
    "forbidden",
    "invalid",
    "login",
    "not-found",
    "not-supported",
    "throttled",
    "too-long",
    "transient",
]

_ISSUES: dict[int, IssueType] = {
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    413: "too-long",
    415: "not-supported",
    429: "throttled",
    503: "transient",
}


class OperationOutcomeIssue(Element):
    """One thing that stood in the way, in words a clinician can read."""

    severity: Literal["error", "fatal"]
    code: IssueType
    details: CodeableConcept
    diagnostics: str | None = None


class OperationOutcome(Element):
    """A refusal. It never repeats what was sent."""

    resource_type: Literal["OperationOutcome"] = "OperationOutcome"
    issue: list[OperationOutcomeIssue]


def is_asked_as_fhir(path: str) -> bool:
    """Tell whether a request expects its answer as FHIR."""
    return path == BASE or path.startswith(f"{BASE}/")


def status_as_fhir(status: int, pointers: Sequence[str]) -> int:
    """Give the status that FHIR has for a refusal: a search that makes no sense is a 400.

    What cannot be an id is the id of nothing.
    """
    if status != 422:
        return status
    of_path = [pointer for pointer in pointers if pointer.startswith("/path/")]
    return 404 if of_path and len(of_path) == len(pointers) else 400


def outcome_of(status: int, detail: str, fields: Sequence[tuple[str, str]]) -> OperationOutcome:
    """Build the outcome of a refusal; `fields` are what could not be accepted, and why."""
    code = _ISSUES.get(status, "exception" if status >= 500 else "invalid")
    if detail == NOT_SERVED:
        code = "not-supported"
    severity: Literal["error", "fatal"] = "fatal" if status >= 500 else "error"
    # what an EHR shows is the text of `details`
    said: list[tuple[str, str | None]] = [(detail, None)]
    if fields:
        said = [(message, f"{pointer} {message}".strip()) for pointer, message in fields]
    return OperationOutcome(
        issue=[
            OperationOutcomeIssue(
                severity=severity,
                code=code,
                details=CodeableConcept(text=text),
                diagnostics=where,
            )
            for text, where in said
        ]
    )


def as_outcome(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Give a refusal as FHIR tells it: the status, and an OperationOutcome."""
    errors = refusal.errors or []
    detail, fields = refusal.detail, [(error.pointer, error.message) for error in errors]
    status = status_as_fhir(refusal.status, [error.pointer for error in errors])
    if status == NotFound.status != refusal.status:
        # an id that cannot be one is answered as one that is of nothing
        detail, fields = NotFound().detail, []
    outcome = outcome_of(status, detail, fields)
    return status, outcome.model_dump(by_alias=True, exclude_none=True)


def _answer(_request: Request, refusal: Refusal) -> Response:
    status, said = as_outcome(refusal)
    return JSONResponse(said, status, refusal.headers, media_type=FHIR_JSON)


AS_FHIR = Dialect(is_asked_as_fhir, _answer, {404: NOT_SERVED, 405: NOT_ANSWERED})
"""How refusals are told to an EHR, which may ask for all that FHIR knows."""
