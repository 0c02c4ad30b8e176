"""Our words as codes, and our records, people and clients as references."""

from functools import cache, lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

from api.domain.vocabulary import VOCABULARY, PromptName, RuleName, Word
from api.interop.fhir.elements import CodeableConcept, Coding, Identifier, Period, Reference

OURS = "urn:boundary-notes:"
CLIENT_REF = f"{OURS}client-ref"
CASE = f"{OURS}case"
USER = f"{OURS}user"
KIND = f"{OURS}incident-kind"
BY_HAND = f"{OURS}flag"
HAPPENING = f"{OURS}happening"
PURPOSE = f"{OURS}purpose"
QUESTIONNAIRE = f"{OURS}questionnaire"

SYSTEMS = {words: f"{OURS}vocabulary:{name}" for name, words in VOCABULARY.items()}
"""The code system of each list of words."""

_RULES: dict[str, Word] = {str(rule): rule for rule in (*RuleName, *PromptName)}

VOIDED: Literal["entered-in-error"] = "entered-in-error"
"""FHIR's status of a record that was voided, whatever its type."""

SERVED_AS = {
    "case": "EpisodeOfCare",
    "incident": "Observation",
    "promise": "Task",
    "consultation": "ServiceRequest",
    "response": "QuestionnaireResponse",
    "questionnaire": "Questionnaire",
}
"""Under which type a record is read here; flags are of two types."""


class Client(NamedTuple):
    """Whom a record is about: the case, and its reference for those who may read it."""

    case_id: UUID
    client_ref: str | None
    entered_in_error: bool = False
    """The case was voided, and all that is on it with it."""


def coding_of(word: Word) -> Coding:
    """Give a word as a code of its list, with its definition."""
    return Coding(system=SYSTEMS[type(word)], code=str(word), display=word.definition)


# typed: words of two lists may be spelled alike, and are equal then
@lru_cache(maxsize=None, typed=True)
def coded(word: Word) -> CodeableConcept:
    """Give a word as a concept."""
    return CodeableConcept(coding=[coding_of(word)])


@cache
def field_named(name: str, of: str) -> CodeableConcept:
    """Name a field of our records, where FHIR asks for a concept."""
    return CodeableConcept(coding=[Coding(system=fields_of(of), code=name)])


def fields_of(of: str) -> str:
    """Give the code system of the fields that incidents, or promises, have."""
    return f"{OURS}{of}-field"


def rule_coding(rule: str) -> Coding:
    """Give the code of what raised a flag: a rule, a prompt, or a person."""
    known = _RULES.get(rule)
    return Coding(system=BY_HAND, code=rule) if known is None else coding_of(known)


def patient(client: Client) -> Reference:
    """Refer to a client: by the clinic's own pseudonym, or else by the case; never by a name."""
    if client.client_ref is None:
        known = Identifier(system=CASE, value=str(client.case_id))
    else:
        known = Identifier(system=CLIENT_REF, value=client.client_ref)
    return Reference(type="Patient", identifier=known)


def practitioner(user_id: UUID | None) -> Reference | None:
    """Refer to a clinician; None where there is none."""
    return None if user_id is None else _somebody(user_id, "Practitioner")


def recorder(user_id: UUID | None) -> Reference | None:
    """Refer to who wrote a record, a person or software: the record does not say which."""
    return None if user_id is None else _somebody(user_id, None)


def record_of(record_type: str, record_id: UUID | str) -> Reference:
    """Refer to a record: where it is read here, or by its id alone."""
    served = SERVED_AS.get(record_type)
    if served is not None:
        return Reference(reference=f"{served}/{record_id}", type=served)
    known = Identifier(system=f"{OURS}{record_type.replace('_', '-')}", value=str(record_id))
    return Reference(identifier=known)


@lru_cache(maxsize=16)
def ours(clinic_id: UUID) -> Reference:
    """Refer to the clinic that keeps a record."""
    clinic = Identifier(system=f"{OURS}clinic", value=str(clinic_id))
    return Reference(type="Organization", identifier=clinic)


def period(start: object, end: object) -> Period | None:
    """Give a period; None where neither end is known."""
    if start is None and end is None:
        return None
    return Period.model_validate({"start": _written(start), "end": _written(end)})


def _written(end: object) -> object:
    """Write a day as FHIR does; a time stays one."""
    return end.isoformat() if end is not None and not hasattr(end, "tzinfo") else end  # type: ignore[attr-defined]


# on a page there are few, again and again
@lru_cache(maxsize=256)
def _somebody(user_id: UUID, kind: str | None) -> Reference:
    return Reference(type=kind, identifier=Identifier(system=USER, value=str(user_id)))
