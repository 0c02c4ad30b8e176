"""What FHIR has no place for: each extension once, to be written by and to be defined from."""

from typing import Any, Literal, NamedTuple
from uuid import UUID

from api.domain.vocabulary import (
    Audience,
    ConsultationStatus,
    FlagStatus,
    QuestionnaireFor,
    Severity,
    Word,
)
from api.interop.fhir.codes import OURS, record_of
from api.interop.fhir.elements import Extension, Reference

ValueType = Literal["boolean", "code", "CodeableConcept", "dateTime", "integer", "Reference"]

_R4 = "http://hl7.org/fhir/StructureDefinition/"
_FLAGS = ("DetectedIssue", "Flag")


class Kept(NamedTuple):
    """One extension: what it means, of which type its value is, and where it may stand."""

    url: str
    title: str
    means: str
    value: ValueType
    on: tuple[str, ...]
    words: type[Word] | None = None
    """The list that its codes are of."""
    to: str | None = None
    """The type that it refers to."""

    @property
    def is_ours(self) -> bool:
        """Tell whether it is defined here; FHIR defines the others."""
        return self.url.startswith(OURS)

    def saying(self, value: Any) -> Extension:
        """Write it with a value."""
        return Extension.model_validate({"url": self.url, f"value{_capital(self.value)}": value})


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _our_own(name: str, title: str, means: str, value: ValueType, **more: Any) -> Kept:
    return Kept(f"{OURS}extension:{name}", title, means, value, **more)


SEVERITY = _our_own(
    "severity",
    "Severity of a flag",
    "How grave a flag is: FHIR has a code neither for `critical` nor for `info`.",
    "code",
    on=_FLAGS,
    words=Severity,
)
FLAG_STATUS = _our_own(
    "flag-status",
    "Status of a flag",
    "What became of a flag, where FHIR's status does not tell open from acknowledged.",
    "code",
    on=_FLAGS,
    words=FlagStatus,
)
AUDIENCE = _our_own(
    "audience",
    "Whom a flag speaks to",
    "Who is asked to look: a prompt is its clinician's alone.",
    "code",
    on=_FLAGS,
    words=Audience,
)
CONDITION_HOLDS = _our_own(
    "condition-holds",
    "Whether what raised a flag still holds",
    "False where the records have changed since and would raise it no more.",
    "boolean",
    on=_FLAGS,
)
DUE = _our_own(
    "due", "When a flag is due", "By when somebody should have looked at it.", "dateTime", on=_FLAGS
)
CONSULTATION_STATUS = _our_own(
    "consultation-status",
    "Status of a request for consultation",
    "Where a request stands, where FHIR's status does not tell requested from in progress.",
    "code",
    on=("ServiceRequest",),
    words=ConsultationStatus,
)
EPISODE_OF_CARE = _our_own(
    "episode-of-care",
    "The case of a record",
    "On which case a record stands, of the types on which FHIR's `workflow-episodeOfCare` may not.",
    "Reference",
    on=("Task", *_FLAGS),
    to="EpisodeOfCare",
)
WORKFLOW_EPISODE = Kept(
    f"{_R4}workflow-episodeOfCare",
    "Episode of care",
    "The case that a record is on.",
    "Reference",
    on=("Observation", "ServiceRequest", "QuestionnaireResponse"),
    to="EpisodeOfCare",
)
FLAG_DETAIL = Kept(
    f"{_R4}flag-detail",
    "Flag details",
    "A record that a flag points at.",
    "Reference",
    on=("Flag",),
)
QUESTIONNAIRE_FOR = _our_own(
    "questionnaire-for",
    "Who is asked",
    "Whether clients are asked, or their guardians: FHIR says only whom the answers are about.",
    "code",
    on=("Questionnaire",),
    words=QuestionnaireFor,
)
LOWEST = Kept(
    f"{_R4}minValue",
    "Minimum value",
    "The lowest number of a scale.",
    "integer",
    on=("Questionnaire.item",),
)
HIGHEST = Kept(
    f"{_R4}maxValue",
    "Maximum value",
    "The highest number of a scale.",
    "integer",
    on=("Questionnaire.item",),
)
ITEM_CONTROL = Kept(
    f"{_R4}questionnaire-itemControl",
    "Item control",
    "At which end of a scale a text stands.",
    "CodeableConcept",
    on=("Questionnaire.item",),
)

EXTENSIONS = (
    SEVERITY,
    FLAG_STATUS,
    AUDIENCE,
    CONDITION_HOLDS,
    DUE,
    CONSULTATION_STATUS,
    EPISODE_OF_CARE,
    WORKFLOW_EPISODE,
    FLAG_DETAIL,
    QUESTIONNAIRE_FOR,
    LOWEST,
    HIGHEST,
    ITEM_CONTROL,
)
"""All that are written."""


def of_episode(case_id: UUID, kind: str) -> Extension:
    """Say on which case a record of some type is, by FHIR's own extension where that may stand."""
    said = WORKFLOW_EPISODE if kind in WORKFLOW_EPISODE.on else EPISODE_OF_CARE
    return said.saying(_episode(case_id))


def _episode(case_id: UUID) -> Reference:
    return record_of("case", case_id)
