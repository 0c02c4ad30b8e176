"""What a change of an incident writes of its details, and of the day they are about."""

from collections.abc import Mapping
from typing import Any

from api.domain.days import IncidentDays, days_of
from api.domain.details import Details, RecordRequestDetails, put_together
from api.domain.errors import Invalid
from api.records.create import details_as_stored, refuse_impossible_days
from api.storage.models.clinical import Incident
from api.storage.transaction import Transaction


def details_of(incident: Incident) -> Details:
    """Give an incident's details, with the text of theirs that is sealed."""
    return put_together(incident.details, incident.sealed_detail)


def changed_details(
    tx: Transaction, incident: Incident, changes: Mapping[str, Any], replaced: Details | None
) -> dict[str, Any]:
    """Give the columns that follow from other details, or from another day of the incident.

    Raises 422 for details of another kind, and for days that make no sense beside what is changed.
    """
    details = _as_said(incident) if replaced is None else replaced
    if details.kind != incident.kind:
        raise Invalid("/details/kind", "An incident keeps its kind; void it and report another.")
    standing = IncidentDays(incident.occurred_on, incident.date_precision, details_of(incident))
    refuse_impossible_days(
        tx, days_of(IncidentDays, standing, {**changes, "details": details}), standing
    )
    stored = details_as_stored(details, changes.get("occurred_on", incident.occurred_on))
    if replaced is not None:
        return stored
    if "occurred_on" in changes and details != standing.details:
        # a day that nobody said goes with the incident's; no text is written anew for it
        return {"details": stored["details"]}
    return {}


def _as_said(incident: Incident) -> Details:
    """Give the details as they were told: a day that was only taken from the incident's is none."""
    details = details_of(incident)
    if isinstance(details, RecordRequestDetails) and details.requested_on == incident.occurred_on:
        return details.model_copy(update={"requested_on": None})
    return details
