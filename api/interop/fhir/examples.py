"""Examples of what an EHR reads: our own examples, shown as the rows themselves would be."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from api.access.actor_names import ActorKind, Known
from api.domain.look_back import LOOK_BACK_ID, NEWEST
from api.domain.questionnaires import QuestionnaireBody
from api.domain.vocabulary import Role
from api.interop.fhir.bundle import bundle_of, history_of
from api.interop.fhir.capability import capabilities
from api.interop.fhir.codes import Client
from api.interop.fhir.definitions import DEFINING, defined
from api.interop.fhir.elements import Element, Resource
from api.interop.fhir.questionnaires import Questionnaire, show_questionnaire
from api.interop.fhir.resource_types import KINDS, Kind, Seen
from api.interop.fhir.searching import OfPages, SearchQuestionnaires
from api.records.asked_versions import AskedVersion
from api.storage.models import clinical, door, flags, journal

_BASE = "https://notes.clinic.example/fhir"
_LANGUAGE = "en"
_ANSWERED = {
    "questionnaire_id": LOOK_BACK_ID,
    "number": NEWEST,
    "concerns": 0,
    "frame_answers": {"touch": "greeting"},
    "sealed_answers": '{"listened_to": 4}',
}
"""What was answered to what every clinic asks."""
_MADE_OF: dict[str, tuple[type[Any], str]] = {
    "EpisodeOfCare": (clinical.Case, "CaseRead"),
    "Observation": (clinical.Incident, "IncidentRead"),
    "Task": (clinical.Promise, "PromiseRead"),
    "ServiceRequest": (clinical.Consultation, "ConsultationRead"),
    "DetectedIssue": (flags.Flag, "FlagRead"),
    "Flag": (flags.Flag, "FlagRead"),
    "QuestionnaireResponse": (door.Response, "ResponseRead"),
    "Provenance": (clinical.Case, "CaseRead"),
    "AuditEvent": (journal.JournalEntry, "EntryRead"),
}
"""The rows of each type, and the schema of our own API that they are shown by."""


def fhir_examples(of: Callable[[str], dict[str, Any]], version: str) -> dict[str, Any]:
    """Give an example for each schema of the façade; `of` gives those of our own schemas."""
    shown: dict[str, Element] = {"CapabilityStatement": capabilities(_BASE, version)}
    for kind in KINDS:
        resource = _resource(kind, of)
        shown[kind.name] = resource
        shown[f"Bundle{kind.name}"] = bundle_of(_BASE, kind.name, [resource], kind.query(), None)
        if kind.kept is not None:
            pages = history_of(_BASE, kind.name, resource.id, [resource], OfPages(), None)
            shown[f"History{kind.name}"] = pages
    asked = _questionnaire(of("QuestionnaireRead"))
    shown["Questionnaire"] = asked
    page = bundle_of(_BASE, "Questionnaire", [asked], SearchQuestionnaires(), None)
    shown["BundleQuestionnaire"] = page
    for defining in DEFINING:
        (one, *_) = defined(defining.name, version).values()
        shown[defining.name] = one
        shown[f"Bundle{defining.name}"] = bundle_of(
            _BASE, defining.name, [one], defining.query(), None
        )
    return {
        name: element.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, element in shown.items()
    }


def _questionnaire(told: dict[str, Any]) -> Questionnaire:
    body = {name: told[name] for name in ("title", "for", "parts", "texts")}
    made_at = datetime.fromisoformat(told["created_at"])
    asked = AskedVersion(
        UUID(told["id"]), told["version"], QuestionnaireBody.model_validate(body), made_at
    )
    return show_questionnaire(asked, _LANGUAGE)


def _resource(kind: Kind, of: Callable[[str], dict[str, Any]]) -> Resource:
    model, schema = _MADE_OF[kind.name]
    told = of(schema)
    # columns of which our own API does not tell by themselves
    columns = {"clinic_id": told["id"], "kind": told.get("details", {}).get("kind")}
    # what a row says is kept for any language, and shown in one
    answered = _ANSWERED if model is door.Response else {}
    row = model.model_validate({**columns, **told, "says": None, **answered})
    case_id = getattr(row, "case_id", None) or row.id
    client = Client(case_id, of("CaseRead")["client_ref"])
    actors = {}
    if "actor_name" in told:
        kind_of, role = ActorKind(told["actor_kind"]), Role[told["actor_role"]]
        actors[row.actor_id] = Known(told["actor_name"], kind_of, role)
    named = [] if kind.names is None else list(kind.names(row))
    return kind.show(row, Seen({case_id: client}, named, {}, actors, language=_LANGUAGE))
