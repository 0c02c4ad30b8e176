"""A line of an import: a record as it stood where it came from, and what that record was called."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter

from api.domain.bodies import CaseCreate, ConsultationCreate, IncidentCreate, PromiseCreate
from api.domain.values import Day, Input, Instant, Line, Text, YesNo, without_nul
from api.domain.vocabulary import (
    AdviceResponse,
    ConsultationOutcome,
    ConsultationStatus,
    Determination,
    VoidReason,
)

Key = Line
"""What a record is called where it comes from: its own, among the records of its type."""

SignInName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=254),
    AfterValidator(without_nul),
]
"""Somebody of the clinic, by the address they sign in with; who is meant is looked up."""

Keys = Annotated[list[Key], Field(max_length=200)]


class Voided(Input):
    """A record that no longer counts, since a day of the clinic. Default: today."""

    reason: VoidReason = VoidReason.entered_in_error
    on: Day | None = None


class Review(Input):
    """A supervisor's determination of an incident. `stands`: it was not changed since."""

    determination: Determination
    review_note: Text | None = None
    reviewed_on: Day | None = Field(default=None, description="Default: today.")
    reviewed_by: SignInName | None = Field(default=None, description="Default: nobody is named.")
    stands: YesNo = True


class CaseHistory(Input):
    """What became of a case."""

    voided: Voided | None = None


class IncidentHistory(Input):
    """What became of an incident. `about_nobody`: no default says whose conduct it is about."""

    review: Review | None = None
    voided: Voided | None = None
    about_nobody: YesNo = False


class PromiseHistory(Input):
    """What became of a promise, beside its state."""

    voided: Voided | None = None


class ConsultationHistory(Input):
    """How far a request came, and when."""

    status: ConsultationStatus = ConsultationStatus.draft
    requested_at: Instant | None = None
    accepted_at: Instant | None = None
    completed_at: Instant | None = None
    reason: Text | None = Field(default=None, description="Why it was declined or cancelled.")
    outcome: ConsultationOutcome | None = None
    advice: Text | None = None
    response: AdviceResponse | None = None
    response_reason: Text | None = None


class CaseLine(Input):
    """A case. Its clinician is named by `clinician` or by `data.clinician_id`."""

    type: Literal["case"]
    key: Key
    clinician: SignInName | None = None
    data: CaseCreate
    history: CaseHistory | None = None


class IncidentLine(Input):
    """An incident. `about`: whose conduct it is about, in place of `data.about_user_id`."""

    type: Literal["incident"]
    key: Key
    case: Key
    about: SignInName | None = None
    data: IncidentCreate
    history: IncidentHistory | None = None


class PromiseLine(Input):
    """A promise. `restricted`: it is hidden from the case's clinician, as an incident may be."""

    type: Literal["promise"]
    key: Key
    case: Key
    restricted: YesNo = False
    data: PromiseCreate
    history: PromiseHistory | None = None


class ConsultationLine(Input):
    """A consultation request; the records it speaks of come before it.

    `consultant`, `incidents` and `promises` name by address and by key what `data.consultant_id`,
    `data.incident_ids` and `data.promise_ids` name by id.
    """

    type: Literal["consultation"]
    key: Key
    case: Key
    consultant: SignInName | None = None
    incidents: Keys = []
    promises: Keys = []
    data: ConsultationCreate
    history: ConsultationHistory | None = None


RecordLine = IncidentLine | PromiseLine | ConsultationLine
AnyLine = CaseLine | RecordLine
LINE_OF: dict[str, type[AnyLine]] = {
    "case": CaseLine,
    "incident": IncidentLine,
    "promise": PromiseLine,
    "consultation": ConsultationLine,
}
"""The schema of a line of each type."""

LINE: TypeAdapter[AnyLine] = TypeAdapter(
    Annotated[AnyLine, Field(discriminator="type")], config=ConfigDict(hide_input_in_errors=True)
)
