"""What is written into a case: incidents, promises, consultations, notes, and who stands in."""

from fastapi import Response

from api.desk.asking import Refused
from api.desk.desk import Desk, Doors
from api.desk.fields import kinds_of
from api.desk.forms import Form, add_forms, send_form, show_form
from api.domain.bodies import ConsultationCreate, IncidentCreate, PromiseCreate
from api.domain.permissions.actions import Action
from api.routes.consultation_moves import Advice, AdviceAnswer, Reason
from api.routes.consultations import ConsultationPatch
from api.routes.covers import CoverCreate
from api.routes.incidents import IncidentPatch, IncidentReview
from api.routes.notes import NoteAmendment, NoteCreate, NotePatch
from api.routes.promises import PromisePatch

doors = Doors()
A = Action
_CASE, _ITS_PAGE = "/v1/cases/{case_id}", "/desk/cases/{case_id}"


def _on_case(
    noun: str, title: str, action: Action, body: type, *, then: str = "", button: str = "Save"
) -> Form:
    return Form(
        f"{_ITS_PAGE}/{noun}/new",
        title,
        action,
        f"{_CASE}/{noun}",
        then or f"/desk/{noun}/{{id}}",
        body=body,
        about=_CASE,
        button=button,
    )


def _changing(noun: str, title: str, action: Action, body: type) -> Form:
    at = f"/v1/{noun}s/{{{noun}_id}}"
    return Form(
        f"/desk/{noun}s/{{{noun}_id}}/change",
        title,
        action,
        at,
        f"/desk/{noun}s/{{{noun}_id}}",
        body=body,
        method="PATCH",
        about=at,
        changes=True,
    )


def _voiding(noun: str, title: str, action: Action) -> Form:
    at = f"/v1/{noun}s/{{{noun}_id}}"
    return Form(
        f"/desk/{noun}s/{{{noun}_id}}/void",
        title,
        action,
        at,
        f"/desk/{noun}s/{{{noun}_id}}",
        method="DELETE",
        about=at,
        button="Void it",
        hint="What was entered in error is kept and counts no more. It cannot be taken back.",
        reason=True,
    )


def _moving(
    noun: str, move: str, title: str, action: Action, body: type | None = None, to: str = ""
) -> Form:
    at = f"/v1/{noun}s/{{{noun}_id}}"
    return Form(
        f"/desk/{noun}s/{{{noun}_id}}/{move}",
        title,
        action,
        f"{at}/{to or move}",
        f"/desk/{noun}s/{{{noun}_id}}",
        body=body,
        about=at,
        button=title,
    )


REPORT = _on_case(
    "incidents", "Report an incident", A.incident_report, IncidentCreate, button="Report it"
)

add_forms(
    doors,
    _changing("incident", "Change the incident", A.incident_change, IncidentPatch),
    _voiding("incident", "Void the incident", A.incident_void),
    _moving("incident", "review", "Review the incident", A.incident_review, IncidentReview),
    _on_case("promises", "Record a promise", A.promise_record, PromiseCreate),
    _changing("promise", "Change the promise", A.promise_change, PromisePatch),
    _voiding("promise", "Void the promise", A.promise_void),
    _on_case(
        "consultations",
        "Ask for consultation",
        A.consultation_draft,
        ConsultationCreate,
        button="Save as a draft",
    ),
    _changing("consultation", "Change the request", A.consultation_change, ConsultationPatch),
    _moving("consultation", "request", "Send the request", A.consultation_request),
    _moving("consultation", "accept", "Accept the request", A.consultation_accept),
    _moving("consultation", "decline", "Decline the request", A.consultation_decline, Reason),
    _moving("consultation", "start", "Begin the consultation", A.consultation_start),
    _moving("consultation", "complete", "Give advice", A.consultation_complete, Advice),
    _moving("consultation", "cancel", "Call the request off", A.consultation_cancel, Reason),
    _moving("consultation", "respond", "Answer the advice", A.consultation_respond, AdviceAnswer),
    _on_case("notes", "Write a note", A.note_draft, NoteCreate, button="Save as a draft"),
    _changing("note", "Change the note", A.note_change, NotePatch),
    _voiding("note", "Void the note", A.note_void),
    _moving("note", "sign", "Sign the note", A.note_sign),
    _moving("note", "amend", "Amend the note", A.note_amend, NoteAmendment, to="amendments"),
    _moving("note", "cosign", "Co-sign the note", A.note_cosign),
    Form(
        f"{_ITS_PAGE}/covers/new",
        "Let a colleague stand in",
        A.cover_create,
        "/v1/covers",
        _ITS_PAGE,
        body=CoverCreate,
        about=_CASE,
        fixed={"case_id": "case_id"},
    ),
)


@doors.get(REPORT.path)
async def choose_kind(desk: Desk) -> Response:
    """Ask first what kind of incident it is: each has a form of its own."""
    case = await desk.api.get(_CASE.format_map(desk.request.path_params))
    to = REPORT.path.format_map(desk.request.path_params)
    return desk.page("kinds.html", case=case, kinds=kinds_of(IncidentCreate), to=to)


@doors.get(f"{REPORT.path}/{{kind}}")
async def show_report(desk: Desk) -> Response:
    """Show the form for one kind of incident."""
    return await show_form(desk, REPORT, _known_kind(desk))


@doors.post(f"{REPORT.path}/{{kind}}")
async def send_report(desk: Desk) -> Response:
    """Report an incident."""
    return await send_form(desk, REPORT, _known_kind(desk))


def _known_kind(desk: Desk) -> str:
    kind: str = desk.request.path_params["kind"]
    if kind not in kinds_of(IncidentCreate):
        raise Refused(404, "not-found", "")
    return kind
