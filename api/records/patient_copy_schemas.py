"""What a client's copy of a case may hold: an allowed list of fields.

What is not named here is never in a copy. That is nothing restricted, no flags and no reviews,
which are about how clinicians work, and no psychotherapy or supervision notes (45 CFR 164.501).
"""

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from api.domain.details import Details
from api.domain.values import Output
from api.domain.vocabulary import (
    AccountTopic,
    AccountWant,
    AdviceResponse,
    AttachmentRole,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
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
    ResponseBy,
    SafeNow,
    Setting,
    Significance,
    VoidReason,
)


class Form(StrEnum):
    """How a copy is written."""

    json = "json"
    html = "html"


class Recipient(StrEnum):
    """To whom a copy is given."""

    client = "client"
    representative = "representative"


class Purpose(StrEnum):
    """What a copy is given for."""

    access_request = "access_request"
    continuity_of_care = "continuity_of_care"
    other = "other"


class NamedPerson(Output):
    """Somebody of the clinic, or its software."""

    id: UUID
    name: str


class CaseSaid(Output):
    """What a copy says of a case."""

    id: UUID
    client_ref: str | None
    clinician: NamedPerson | None
    status: CaseStatus
    setting: Setting | None
    started_on: date | None
    ended_on: date | None
    phase: Phase
    attachment_roles: list[AttachmentRole]
    sessions_per_week: float | None
    agreed_sessions: int | None
    is_minor: bool | None
    created_at: datetime
    updated_at: datetime
    voided_at: datetime | None
    void_reason: VoidReason | None
    purged_at: datetime | None


class CaseBefore(CaseSaid):
    """The case as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class CaseCopied(CaseSaid):
    """The case itself."""

    earlier: list[CaseBefore]


class IncidentSaid(Output):
    """What a copy says of an incident."""

    id: UUID
    occurred_on: date
    date_precision: DatePrecision
    initiator: Initiator
    reported_by: ReportedBy
    about: NamedPerson | None
    classification: Classification
    client_impact: ClientImpact
    narrative: str | None
    rationale: str | None
    discussed_with_client: bool | None
    repair: Repair
    details: Details
    recorded_by: NamedPerson | None
    created_at: datetime
    updated_at: datetime


class IncidentBefore(IncidentSaid):
    """An incident as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class IncidentCopied(IncidentSaid):
    """Something that touched the frame."""

    earlier: list[IncidentBefore]


class PromiseSaid(Output):
    """What a copy says of a promise."""

    id: UUID
    wording: str | None
    made_by: PromiseMadeBy
    source: PromiseSource
    kind: PromiseKind
    scope: PromiseScope
    keepable: PromiseKeepable
    significance: Significance
    made_on: date
    due_on: date | None
    open_ended: bool
    discussed_with_client: bool | None
    discussed_on: date | None
    state: PromiseState
    client_impact: ClientImpact
    reported_by: ReportedBy
    recorded_by: NamedPerson | None
    created_at: datetime
    updated_at: datetime


class PromiseBefore(PromiseSaid):
    """A promise as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class PromiseCopied(PromiseSaid):
    """A promise, and what became of it."""

    earlier: list[PromiseBefore]


class ConsultationSaid(Output):
    """What a copy says of a consultation."""

    id: UUID
    kind: ConsultationKind
    urgency: ConsultationUrgency
    status: ConsultationStatus
    requested_at: datetime | None
    completed_at: datetime | None
    asked_by: NamedPerson | None
    consultant: NamedPerson | None
    question: str | None
    summary: str | None
    outcome: ConsultationOutcome | None
    advice: str | None
    response: AdviceResponse | None


class ConsultationBefore(ConsultationSaid):
    """A consultation as it stood until it was corrected, at `corrected_at`."""

    corrected_at: datetime


class ConsultationCopied(ConsultationSaid):
    """A question to another clinician, and the answer."""

    earlier: list[ConsultationBefore]


class AmendmentCopied(Output):
    """What was added to a signed note later."""

    id: UUID
    signed_at: datetime
    author: NamedPerson | None
    body: str | None


class NoteCopied(AmendmentCopied):
    """A signed progress note, with its amendments."""

    amendments: list[AmendmentCopied]


class AnswerCopied(Output):
    """What was asked, and what was answered, in the words of then."""

    asked: str
    answer: str


class ResponseCopied(Output):
    """What was answered to a questionnaire; what was left open is left out."""

    id: UUID
    answered_on: date
    by: ResponseBy
    title: str
    answers: list[AnswerCopied]


class WordsCopied(Output):
    """What the client added later."""

    at: datetime
    words: str | None


class AnswerToAccount(Output):
    """What was answered to what the client said."""

    at: datetime
    by: NamedPerson | None
    reply: str | None


class AccountCopied(Output):
    """What was said at the clinic's door.

    Of what was shared with the therapist they give what they know of it, from `shared_on` on; when
    it was sent, and all that follows in this list, stands only in a copy that its readers give.
    """

    id: UUID
    happened: str | None
    topics: list[AccountTopic]
    when: date | None
    date_precision: DatePrecision
    shared_on: date | None
    sent_at: datetime | None
    wants: list[AccountWant]
    safe_now: SafeNow | None
    reach: str | None
    further_words: list[WordsCopied]
    replies: list[AnswerToAccount]
    closed_at: datetime | None


RecordType = Literal["note", "incident", "promise", "consultation", "case"]


class Correction(Output):
    """A record was amended, changed, or voided as entered in error.

    `why` is known of what was voided. What stood before a change is in the record's `earlier`.
    """

    kind: Literal["amended", "changed", "voided"]
    record: RecordType
    id: UUID
    at: datetime
    why: VoidReason | None


class DisclosureCopied(Output):
    """A copy of this record was given to somebody."""

    id: UUID
    at: datetime
    recipient: Recipient
    purpose: Purpose
    form: Form
    given_by: NamedPerson | None


class CaseCopy(Output):
    """All that a client is given of their record. `disclosures` names this copy, too."""

    clinic: str
    exported_at: datetime
    case: CaseCopied
    incidents: list[IncidentCopied]
    promises: list[PromiseCopied]
    consultations: list[ConsultationCopied]
    notes: list[NoteCopied]
    responses: list[ResponseCopied]
    accounts: list[AccountCopied]
    corrections: list[Correction]
    disclosures: list[DisclosureCopied]
    door: str

    def record_ids(self) -> dict[str, list[UUID]]:
        """Give the ids of all records that are shown, by the type of record.

        But for what may have come by the door: each has entries as hidden as it is.
        """
        amendments = [amendment for note in self.notes for amendment in note.amendments]
        shown: dict[str, list[Any]] = {
            "case": [self.case],
            "incident": [*self.incidents],
            "promise": [*self.promises],
            "consultation": [*self.consultations],
            "note": [*self.notes, *amendments],
            "disclosure": [*self.disclosures],
        }
        for correction in self.corrections:
            if correction.kind == "voided":
                shown[correction.record].append(correction)
        return {record_type: [each.id for each in rows] for record_type, rows in shown.items()}

    def without(self, hidden: Collection[UUID]) -> "CaseCopy":
        """Leave out some records, and that they were corrected."""
        names = ("incidents", "responses", "accounts", "disclosures", "corrections")
        told = {
            name: [each for each in getattr(self, name) if each.id not in hidden] for name in names
        }
        return self.model_copy(update=told)


People = dict[UUID | None, NamedPerson]
