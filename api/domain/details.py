"""What an incident may say: one class for each kind, together one discriminated union."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from api.domain.values import Day, Input, Text, YesNo, whole
from api.domain.vocabulary import (
    AbsenceReason,
    BoundaryArea,
    CoerciveMeasure,
    CollateralLoss,
    ConductWith,
    ContactBasis,
    DisclosureOf,
    DisclosureResponse,
    EndingAppliesTo,
    EndingReason,
    EndingStage,
    EndingWay,
    ExceptionTerm,
    ExpressedBy,
    Feeling,
    FitnessSign,
    FrameDirection,
    FrameElement,
    GiftDirection,
    GiftItem,
    Interaction,
    OutcomeTrend,
    RecordingMeans,
    RecordIssue,
    RecordRequest,
    ReturnCondition,
    RiskIndicator,
    RiskResponse,
    RoleReversalForm,
    RoleTiming,
    SafeguardingConcern,
    SecondRole,
    SexualConduct,
    ThirdParty,
    TouchKind,
)

MANY = 50
"""More items than any list of words needs."""


class _Details(Input):
    """What every kind shares: which text is sealed, and which days must not lie ahead."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    sealed_field: ClassVar[str | None] = None
    """The one field of this kind that holds a clinician's words, kept encrypted, if any."""
    past_days: ClassVar[tuple[str, ...]] = ()
    """The fields that say when something happened."""
    following_days: ClassVar[tuple[str, ...]] = ()
    """The fields that say when it was answered, or is due or over: not before it began."""


class ExpressionDetails(_Details):
    """What was felt or wished: the normal work, never a flag."""

    kind: Literal["expression"]
    by: ExpressedBy
    feelings: list[Feeling] = Field(default=[], max_length=MANY)


class DisclosureDetails(_Details):
    """The client told something; how it was met."""

    past_days = ("responded_on",)
    following_days = ("responded_on",)

    kind: Literal["disclosure"]
    of: DisclosureOf
    responses: list[DisclosureResponse] = Field(default=[], max_length=MANY)
    taken_up: YesNo | None = None
    responded_on: Day | None = None


class CrossingDetails(_Details):
    """A departure from usual practice that no other kind names."""

    kind: Literal["crossing"]
    area: BoundaryArea


class SecondRoleDetails(_Details):
    """A role beside that of therapist and client."""

    sealed_field = "precautions"

    kind: Literal["second_role"]
    role: SecondRole
    timing: RoleTiming = RoleTiming.unknown
    interaction: Interaction
    precautions: Text | None = None


class ContactDetails(_Details):
    """Contact between sessions."""

    kind: Literal["contact"]
    therapist_participates: YesNo | None = None
    social_meetings: YesNo | None = None
    days_per_week: Annotated[int, whole(0, 7)] | None = None
    weeks: Annotated[int, whole(0, 5_200)] | None = None
    client_messages_30d: Annotated[int, whole(0, 100_000)] | None = None
    limits_agreed: YesNo | None = None


class ExceptionDetails(_Details):
    """Special terms for this client. `ends_on` is the last day on which they hold."""

    following_days = ("ends_on",)

    kind: Literal["exception"]
    exception: ExceptionTerm
    ends_on: Day | None = None


class GiftDetails(_Details):
    """A gift, a favour or money, and which way it went."""

    kind: Literal["gift"]
    direction: GiftDirection
    item: GiftItem


class TouchDetails(_Details):
    """Physical contact. `times` not known counts as once."""

    kind: Literal["touch"]
    touch: TouchKind
    consent: YesNo | None = None
    planned_method: YesNo | None = None
    times: Annotated[int, whole(1, 100_000)] | None = None


class SexualConductDetails(_Details):
    """Sexual or romantic conduct. `declined`: whoever it was addressed to said no."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: Literal["sexual_conduct"]
    conduct: SexualConduct
    with_: ConductWith = Field(default=ConductWith.client, alias="with")
    declined: YesNo | None = None


class RoleReversalDetails(_Details):
    """The client looked after the therapist's needs."""

    kind: Literal["role_reversal"]
    form: RoleReversalForm


class FrameChangeDetails(_Details):
    """The frame became tighter or looser. `discussed` means before it took effect."""

    kind: Literal["frame_change"]
    direction: FrameDirection
    elements: list[FrameElement] = Field(min_length=1, max_length=MANY)
    discussed: YesNo | None = None
    notice_days: Annotated[int, whole(0, 3_650)] | None = None


class EndingDetails(_Details):
    """An ending, spoken of or done."""

    sealed_field = "plan"

    kind: Literal["ending"]
    stage: EndingStage
    ending: EndingWay | None = None
    reason: EndingReason = EndingReason.unknown
    applies_to: EndingAppliesTo = EndingAppliesTo.therapy
    planned_at_outset: YesNo | None = None
    abrupt: YesNo | None = None
    notice_days: Annotated[int, whole(0, 3_650)] | None = None
    closing_sessions: Annotated[int, whole(0, 1_000)] | None = None
    needs_ongoing_care: YesNo | None = None
    referral_offered: YesNo | None = None
    collateral_loss: list[CollateralLoss] = Field(default=[], max_length=MANY)
    return_condition: ReturnCondition | None = None
    plan: Text | None = None

    @model_validator(mode="after")
    def _an_ending_that_happened_says_how(self) -> "EndingDetails":
        if self.stage == EndingStage.ended and self.ending is None:
            raise ValidationError.from_exception_data(
                "ending", [InitErrorDetails(type="missing", loc=("ending",), input=None)]
            )
        return self


class AbsenceDetails(_Details):
    """The therapist was or will be away. `days` is the length in days."""

    following_days = ("return_due_on",)

    kind: Literal["absence"]
    absence: AbsenceReason
    days: Annotated[int, whole(1, 36_500)]
    planned: YesNo | None = None
    return_due_on: Day | None = None
    returned: YesNo | None = None
    coverage: YesNo | None = None


class RiskDetails(_Details):
    """A sign of risk to the client or to others, and the answer to it."""

    past_days = ("responded_on",)
    following_days = ("responded_on",)

    kind: Literal["risk"]
    indicator: RiskIndicator
    count: Annotated[int, whole(0, 100_000)] | None = None
    screened: YesNo | None = None
    response: RiskResponse | None = None
    responded_on: Day | None = None


class CoerciveMeasureDetails(_Details):
    """A protective or coercive measure against the client."""

    sealed_field = "stated_reason"

    kind: Literal["coercive_measure"]
    measures: list[CoerciveMeasure] = Field(min_length=1, max_length=MANY)
    stated_reason: Text | None = None


class RecordConflictDetails(_Details):
    """The record and what the client was told differ."""

    kind: Literal["record_conflict"]
    issue: RecordIssue


class RecordRequestDetails(_Details):
    """The client asked for, or about, the record. `requested_on` defaults to `occurred_on`."""

    past_days = ("requested_on", "answered_on")
    following_days = ("answered_on",)

    kind: Literal["record_request"]
    request: RecordRequest
    requested_on: Day | None = None
    answered_on: Day | None = None


class ThirdPartyContactDetails(_Details):
    """The therapist was in contact with someone else about the client."""

    kind: Literal["third_party_contact"]
    party: ThirdParty
    basis: ContactBasis | None = None
    content_shared: YesNo | None = None
    client_informed: YesNo | None = None


class HurtfulWordsDetails(_Details):
    """Words the client reported as hurtful.

    `about_trait`: about what the client is (origin, faith, body, age, whom they love).
    """

    kind: Literal["hurtful_words"]
    repeated: YesNo = False
    about_trait: YesNo | None = None


class CompetenceGapDetails(_Details):
    """The work went beyond the therapist's skill or support."""

    kind: Literal["competence_gap"]


class ConsentDetails(_Details):
    """What was explained when therapy began."""

    kind: Literal["consent"]
    process_explained: YesNo | None = None
    goals_known: YesNo | None = None
    questions_refused: YesNo | None = None
    harm_reported: YesNo | None = None


class OutcomeDetails(_Details):
    """How therapy is going, in months and in the client's view."""

    kind: Literal["outcome"]
    trend: OutcomeTrend = OutcomeTrend.unknown
    months: Annotated[int, whole(0, 1_200)] | None = None
    times_wished_to_stop: Annotated[int, whole(0, 10_000)] | None = None
    doubt: YesNo | None = None


class OversightDetails(_Details):
    """Whether anyone answers for the therapist's work."""

    kind: Literal["oversight"]
    available: YesNo | None = None


class CotreatmentDetails(_Details):
    """Several clinicians treat the client."""

    kind: Literal["cotreatment"]
    coordinated: YesNo | None = None


class SafeguardingDetails(_Details):
    """Somebody may be in danger: a child, or an adult who cannot protect themselves.

    The incident's day is that on which it became known. `present`: it is so now. `duty`: the law
    asks that it be reported.
    """

    past_days = ("reported_on",)
    following_days = ("reported_on",)

    kind: Literal["safeguarding"]
    concern: SafeguardingConcern
    present: YesNo | None = None
    duty: YesNo | None = None
    reported_on: Day | None = None
    client_told: YesNo | None = None


class FitnessDetails(_Details):
    """A sign that the therapist was not well enough to work."""

    kind: Literal["fitness"]
    sign: FitnessSign
    in_session: YesNo | None = None


class RecordingDetails(_Details):
    """A session was recorded, watched, or given to software.

    `consent` is the client's; `may_refuse`: the client may, without a loss.
    """

    kind: Literal["recording"]
    means: RecordingMeans
    consent: YesNo | None = None
    may_refuse: YesNo | None = None


Details = Annotated[
    ExpressionDetails
    | DisclosureDetails
    | CrossingDetails
    | SecondRoleDetails
    | ContactDetails
    | ExceptionDetails
    | GiftDetails
    | TouchDetails
    | SexualConductDetails
    | RoleReversalDetails
    | FrameChangeDetails
    | EndingDetails
    | AbsenceDetails
    | RiskDetails
    | CoerciveMeasureDetails
    | RecordConflictDetails
    | RecordRequestDetails
    | ThirdPartyContactDetails
    | HurtfulWordsDetails
    | CompetenceGapDetails
    | ConsentDetails
    | OutcomeDetails
    | OversightDetails
    | CotreatmentDetails
    | SafeguardingDetails
    | FitnessDetails
    | RecordingDetails,
    Field(discriminator="kind"),
]

DETAILS: TypeAdapter[Details] = TypeAdapter(Details, config=ConfigDict(hide_input_in_errors=True))


def put_together(details: Mapping[str, object], sealed: str | None) -> Details:
    """Make one of what rules read and of the one text that is kept encrypted."""
    parted = DETAILS.validate_python(details)
    if parted.sealed_field is None:
        return parted
    return parted.model_copy(update={parted.sealed_field: sealed})
