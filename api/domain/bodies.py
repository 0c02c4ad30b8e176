"""What is said to make a record: one schema for each noun, whichever way it comes in."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.domain.details import Details
from api.domain.values import Day, Input, Reference, Text, YesNo, whole
from api.domain.vocabulary import (
    AttachmentRole,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationUrgency,
    DatePrecision,
    Initiator,
    Phase,
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    Repair,
    ReportedBy,
    Setting,
    Significance,
)

SessionsPerWeek = Annotated[float, Field(strict=True, ge=0, le=50, allow_inf_nan=False)]
AttachmentRoles = Annotated[list[AttachmentRole], Field(max_length=50)]
AgreedSessions = Annotated[int, whole(1, 100_000)]
LinkedIds = Annotated[list[UUID], Field(max_length=200)]


class CaseCreate(Input):
    """A new case. `client_ref` is the clinic's own pseudonym for the client, never a name."""

    client_ref: Reference
    clinician_id: UUID | None = Field(
        default=None, description="Default: yourself; software names one."
    )
    status: CaseStatus = CaseStatus.active
    setting: Setting | None = None
    started_on: Day | None = None
    ended_on: Day | None = None
    phase: Phase = Phase.unknown
    attachment_roles: AttachmentRoles = []
    sessions_per_week: SessionsPerWeek | None = None
    agreed_sessions: AgreedSessions | None = None
    is_minor: YesNo | None = None


class IncidentCreate(Input):
    """Something that touched the frame, as somebody told it."""

    occurred_on: Day
    date_precision: DatePrecision = Field(
        default=DatePrecision.day,
        description="How much of `occurred_on` is known: where only the month or year is, any day "
        "of it is sent.",
    )
    initiator: Initiator
    reported_by: ReportedBy = Field(description="Whose account this is.")
    classification: Classification = Classification.unclassified
    client_impact: ClientImpact = ClientImpact.unknown
    rationale: Text | None = Field(default=None, description="Why it was done.")
    narrative: Text | None = None
    discussed_with_client: YesNo | None = None
    repair: Repair = Repair.unknown
    about_user_id: UUID | None = Field(
        default=None,
        description="Whose conduct it is about. Default: whoever had the case on `occurred_on`, "
        "as its transfers say, where the initiator is therapist, mutual or disputed and the kind "
        "speaks of conduct; else nobody. On the day of a transfer that is the new clinician; where "
        "only the month or year is known and the case changed hands in it, nobody.",
    )
    restricted: YesNo | None = Field(
        default=None,
        description="True hides it from the case's clinician, who cannot set it. Default: true "
        "when somebody else records an incident that is, or by its date may be, about that "
        "clinician.",
    )
    details: Details


class PromiseCreate(Input):
    """A promise made to the client, as somebody told it."""

    wording: Text
    made_by: PromiseMadeBy
    source: PromiseSource
    kind: PromiseKind
    scope: PromiseScope
    keepable: PromiseKeepable = PromiseKeepable.unknown
    significance: Significance
    made_on: Day
    due_on: Day | None = None
    open_ended: YesNo = False
    discussed_with_client: YesNo | None = None
    discussed_on: Day | None = None
    state: PromiseState = PromiseState.open
    client_impact: ClientImpact = ClientImpact.unknown
    reported_by: ReportedBy = Field(description="Whose account this is.")


class ConsultationCreate(Input):
    """A question to another clinician. It is a draft until it is requested."""

    kind: ConsultationKind
    urgency: ConsultationUrgency
    question: Text
    summary: Text | None = Field(
        default=None, description="What a consultant outside the case may read; name nobody."
    )
    released: YesNo = Field(
        default=False, description="Set after checking that question and summary name nobody."
    )
    incident_ids: LinkedIds = []
    promise_ids: LinkedIds = []
    consultant_id: UUID | None = Field(
        default=None, description="None: a linked supervisor or any consultant may accept."
    )
