"""Examples of what an EHR reads: our own examples, shown as the rows themselves would be."""

from collections.abc import Callable
from typing import Any

from api.access.actor_names import ActorKind, Known
from api.domain.vocabulary import Role
from api.interop.fhir.bundle import bundle_of, history_of
from api.interop.fhir.capability import capabilities
from api.interop.fhir.codes import Client
from api.interop.fhir.definitions import DEFINING, defined
from api.interop.fhir.elements import Element, Resource
from api.interop.fhir.resource_types import KINDS, Kind, Seen
from api.interop.fhir.searching import OfPages
from api.storage.models import clinical, flags, journal

_BASE = "https://notes.clinic.example/fhir"
_MADE_OF: dict[str, tuple[type[Any], str]] = {
    "EpisodeOfCare": (clinical.Case, "CaseRead"),
    "Observation": (clinical.Incident, "IncidentRead"),
    "Task": (clinical.Promise, "PromiseRead"),
    "ServiceRequest": (clinical.Consultation, "ConsultationRead"),
    "DetectedIssue": (flags.Flag, "FlagRead"),
    "Flag": (flags.Flag, "FlagRead"),
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
    for defining in DEFINING:
        (one, *_) = defined(defining.name, version).values()
        shown[defining.name] = one
        page = bundle_of(_BASE, defining.name, [one], defining.query(), None)
        shown[f"Bundle{defining.name}"] = page
    return {
        name: element.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, element in shown.items()
    }


def _resource(kind: Kind, of: Callable[[str], dict[str, Any]]) -> Resource:
    model, schema = _MADE_OF[kind.name]
    told = of(schema)
    # columns of which our own API does not tell by themselves
    columns = {"clinic_id": told["id"], "kind": told.get("details", {}).get("kind")}
    # what a row says is kept for any language, and shown in one
    row = model.model_validate({**columns, **told, "says": None})
    case_id = getattr(row, "case_id", None) or row.id
    client = Client(case_id, of("CaseRead")["client_ref"])
    actors = {}
    if "actor_name" in told:
        kind_of, role = ActorKind(told["actor_kind"]), Role[told["actor_role"]]
        actors[row.actor_id] = Known(told["actor_name"], kind_of, role)
    named = [] if kind.names is None else list(kind.names(row))
    return kind.show(row, Seen({case_id: client}, named, {}, actors))
