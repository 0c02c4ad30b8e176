"""Makes a record of what was said about it: the same sense, defaults and row, whoever says it."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from api.domain.bodies import CaseCreate, ConsultationCreate, IncidentCreate, PromiseCreate
from api.domain.days import CaseDays, Days, IncidentDays, PromiseDays, days_of, impossible_days
from api.domain.details import Details, RecordRequestDetails
from api.domain.errors import Invalid
from api.domain.questionnaires import concerns
from api.domain.vocabulary import ConsultationStatus, ReadsAs
from api.records.asked_versions import AskedVersion
from api.storage.models.clinical import Case, Consultation, Incident, Promise
from api.storage.models.columns import new_row
from api.storage.models.door import Response
from api.storage.transaction import Transaction

SAME_CASE = "There is already a case with this reference and this start."
NOT_TREATING = "This is no active clinician or supervisor of this clinic; name one."
NOT_OF_THE_CASE = "These are not all records of this case; leave the others out."
NOT_A_PERSON = "This is not a person of this clinic; name one, or leave it out."
WHY_NOT_FOLLOWED = "Say why the advice is not followed."
NOT_TO_BE_CONSULTED = "This is nobody who can be consulted here; name another, or nobody."


def new_case(tx: Transaction, body: CaseCreate, clinician_id: UUID, by: UUID) -> Case:
    """Make a case. Raises 422 where its days make no sense."""
    refuse_impossible_days(tx, days_of(CaseDays, body))
    return new_row(
        Case,
        **body.model_dump(exclude={"clinician_id"}),
        **recorded(tx, by),
        clinician_id=clinician_id,
    )


def new_incident(
    tx: Transaction,
    body: IncidentCreate,
    case_id: UUID,
    by: UUID | None,
    *,
    about: UUID | None,
    restricted: bool,
    account_id: UUID | None = None,
) -> Incident:
    """Make an incident. Raises 422 where its days make no sense."""
    refuse_impossible_days(tx, days_of(IncidentDays, body))
    return new_row(
        Incident,
        **body.model_dump(exclude={"details", "about_user_id", "restricted"}),
        **details_as_stored(body.details, body.occurred_on),
        **recorded(tx, by),
        case_id=case_id,
        account_id=account_id,
        kind=body.details.kind,
        about_user_id=about,
        restricted=restricted,
    )


def new_promise(
    tx: Transaction,
    body: PromiseCreate,
    case_id: UUID,
    by: UUID,
    *,
    restricted: bool = False,
    account_id: UUID | None = None,
) -> Promise:
    """Make a promise. Raises 422 where its days make no sense."""
    refuse_impossible_days(tx, days_of(PromiseDays, body))
    return new_row(
        Promise,
        **body.model_dump(),
        **recorded(tx, by),
        case_id=case_id,
        account_id=account_id,
        restricted=restricted,
    )


def new_consultation(
    tx: Transaction, body: ConsultationCreate, case_id: UUID, by: UUID
) -> Consultation:
    """Make the draft of a request."""
    return new_row(
        Consultation,
        **links_as_stored(body.model_dump()),
        **recorded(tx, by),
        case_id=case_id,
        status=ConsultationStatus.draft,
    )


def new_response(
    tx: Transaction,
    asked: AskedVersion,
    answers: Mapping[str, Any],
    case_id: UUID,
    by_whom: UUID | None,
    **how: Any,
) -> Response:
    """Make a response of what was answered: all but what was done is one sealed text.

    `by_whom` typed it in; None: it came by the door. `how`: the other fields of its row.
    """
    of_frame = {item.link_id for item in asked.body.items() if item.reads_as == ReadsAs.frame}
    felt = {name: value for name, value in answers.items() if name not in of_frame}
    known = {**recorded(tx, by_whom), **how}
    return new_row(
        Response,
        **known,
        case_id=case_id,
        questionnaire_id=asked.questionnaire_id,
        number=asked.number,
        concerns=len(concerns(asked.body, answers)),
        frame_answers={name: answers[name] for name in answers if name in of_frame},
        sealed_answers=json.dumps(felt, ensure_ascii=False),
    )


def details_as_stored(details: Details, occurred_on: date) -> dict[str, Any]:
    """Part details, with what they say by default, into what rules read and the one sealed text."""
    if isinstance(details, RecordRequestDetails) and details.requested_on is None:
        details = details.model_copy(update={"requested_on": occurred_on})
    sealed = details.sealed_field
    return {
        "details": details.model_dump(mode="json", exclude={sealed} if sealed else None),
        "sealed_detail": getattr(details, sealed) if sealed else None,
    }


def links_as_stored(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a consultation as its row keeps them: links once each, in order."""
    return {
        name: _in_order(value) if name in {"incident_ids", "promise_ids"} else value
        for name, value in given.items()
    }


def _in_order(ids: Iterable[UUID]) -> list[str]:
    return sorted({str(row_id) for row_id in ids})


def recorded(tx: Transaction, by: UUID | None) -> dict[str, Any]:
    """Give what stands in every new row. `by` None: it came by a client's door."""
    return {
        "id": uuid7(),
        "clinic_id": tx.clinic.id,
        "created_at": tx.now,
        "updated_at": tx.now,
        "recorded_by_id": by,
    }


def refuse_impossible_days(tx: Transaction, told: Days, standing: Days | None = None) -> None:
    """Raise 422 for the first day that cannot be.

    `standing` is what a record says already: that is kept, whatever it is, and what is written
    beside it is taken.
    """
    for pointer, why in impossible_days(told, standing, tx.today):
        raise Invalid(pointer, why)
