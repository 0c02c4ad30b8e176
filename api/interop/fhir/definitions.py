"""What our extensions and codes mean, as FHIR defines such: for validators, and for who maps them.

All is made from the table of extensions and from the vocabulary, so that nothing is written that
has no definition.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

from api.domain.details import Details
from api.domain.errors import Invalid
from api.domain.values import sent_as
from api.domain.vocabulary import VOCABULARY
from api.flags.lifecycle import MANUAL
from api.interop.fhir.care import TOLD_OF_ALL, told_of
from api.interop.fhir.codes import BY_HAND, HAPPENING, KIND, OURS, PURPOSE, SYSTEMS, fields_of
from api.interop.fhir.elements import FHIR_VERSION, Element, Extension, Identified
from api.interop.fhir.extensions import EXTENSIONS, Kept
from api.interop.fhir.requests import TOLD
from api.interop.fhir.searching import SearchDefinitions, is_id, values_in
from api.journal.entries import Happening
from api.records.patient_copy_schemas import Purpose

SINCE = "2026-12-01"
"""When what is told of this façade, and what is defined here, last changed."""

_BASE = "http://hl7.org/fhir/StructureDefinition/"


class Definition(Identified):
    """What each definition says of itself."""

    url: str
    version: str
    name: str
    title: str
    status: Literal["active"] = "active"
    experimental: Literal[False] = False
    date: str = SINCE
    publisher: Literal["Boundary Notes"] = "Boundary Notes"
    description: str


class StructureDefinitionContext(Element):
    """Where an extension may stand."""

    type: Literal["element"] = "element"
    expression: str


class ElementDefinitionBase(Element):
    """The element that another one narrows."""

    path: str
    min: int
    max: str


class ElementDefinitionConstraint(Element):
    """A rule that an element keeps."""

    key: str
    severity: Literal["error"] = "error"
    human: str
    expression: str
    source: str


class ElementDefinitionType(Element):
    """A type that an element may be of."""

    extension: list[Extension] | None = None
    code: str
    target_profile: list[str] | None = None


class ElementDefinition(Element):
    """One element of an extension."""

    id: str
    path: str
    short: str | None = None
    definition: str | None = None
    min: int | None = None
    max: str | None = None
    base: ElementDefinitionBase | None = None
    type: list[ElementDefinitionType] | None = None
    fixed_uri: str | None = None
    constraint: list[ElementDefinitionConstraint] | None = None
    is_modifier: bool | None = None


class StructureDefinitionElements(Element):
    """The elements of an extension: all of them, or those that are told of it alone."""

    element: list[ElementDefinition]


class StructureDefinition(Definition):
    """One of our extensions: what it means, and where it may stand."""

    resource_type: Literal["StructureDefinition"] = "StructureDefinition"
    fhir_version: Literal["4.0.1"] = FHIR_VERSION
    kind: Literal["complex-type"] = "complex-type"
    abstract: Literal[False] = False
    context: list[StructureDefinitionContext]
    type: Literal["Extension"] = "Extension"
    base_definition: str = f"{_BASE}Extension"
    derivation: Literal["constraint"] = "constraint"
    snapshot: StructureDefinitionElements
    differential: StructureDefinitionElements


class CodeSystemConcept(Element):
    """One code, and what it means."""

    code: str
    display: str
    definition: str | None = None


class CodeSystem(Definition):
    """One list of our words."""

    resource_type: Literal["CodeSystem"] = "CodeSystem"
    case_sensitive: Literal[True] = True
    content: Literal["complete"] = "complete"
    count: int
    concept: list[CodeSystemConcept]


@dataclass(frozen=True, slots=True)
class Defining:
    """One type of definition that is served. `noun` names its operations."""

    name: str
    noun: str
    rows: str
    resource: type[Definition]
    query: type[SearchDefinitions] = SearchDefinitions


DEFINING = (
    Defining("StructureDefinition", "structure_definition", "extensions", StructureDefinition),
    Defining("CodeSystem", "code_system", "lists of words", CodeSystem),
)
"""The types of definitions, in the order of the document."""


@cache
def defined(name: str, version: str) -> Mapping[str, Definition]:
    """Give all definitions of a type by their ids, in their order, as of a version of this."""
    found: Iterable[Definition] = (
        (_extension(each, version) for each in EXTENSIONS if each.is_ours)
        if name == StructureDefinition.__name__
        else _code_systems(version)
    )
    return {each.id: each for each in sorted(found, key=lambda each: each.id)}


def asked_of(every: Mapping[str, Definition], query: SearchDefinitions) -> list[Definition]:
    """Give the definitions that are searched for. Raises 400 for what cannot be an id."""
    ids = None if query.ids is None else set(values_in(query.ids))
    urls = None if query.url is None else set(values_in(query.url))
    if not all(map(is_id, ids or ())):
        raise Invalid("/query/_id", "This must be an id, or several with commas between.")
    return [
        each
        for each in every.values()
        if (ids is None or each.id in ids) and (urls is None or each.url in urls)
    ]


# ------------------------------------------------------------------------------- extensions


def _extension(kept: Kept, version: str) -> StructureDefinition:
    named = _named(kept.url)
    codes = "" if kept.words is None else f" A code of {SYSTEMS[kept.words]}."
    return StructureDefinition(
        id=named.id,
        name=named.name,
        url=kept.url,
        version=version,
        title=kept.title,
        description=kept.means + codes,
        context=[StructureDefinitionContext(expression=each) for each in kept.on],
        snapshot=StructureDefinitionElements(element=list(_elements(kept))),
        differential=StructureDefinitionElements(
            element=[
                _element("Extension", short=kept.title, definition=kept.means),
                _element("Extension.extension", max="0"),
                _element("Extension.url", fixed_uri=kept.url),
                _element("Extension.value[x]", min=1, type=[_value_of(kept)]),
            ]
        ),
    )


def _elements(kept: Kept) -> Iterator[ElementDefinition]:
    """Give every element of an extension: FHIR's own, and what is narrowed here."""
    more = [ElementDefinitionType(code="Extension")]
    for path, base, told in (
        ("Extension", ("Extension", 0, "*"), {"min": 0, "max": "*", "constraint": _RULES}),
        ("Extension.id", ("Element.id", 0, "1"), {"min": 0, "max": "1", "type": _text("string")}),
        (
            "Extension.extension",
            ("Element.extension", 0, "*"),
            {"min": 0, "max": "0", "type": more},
        ),
        (
            "Extension.url",
            ("Extension.url", 1, "1"),
            {"min": 1, "max": "1", "type": _text("uri"), "fixed_uri": kept.url},
        ),
        (
            "Extension.value[x]",
            ("Extension.value[x]", 0, "1"),
            {"min": 1, "max": "1", "type": [_value_of(kept)]},
        ),
    ):
        of, least, most = base
        yield _element(
            path,
            short=_SHORT.get(path, kept.title),
            definition=_SHORT.get(path, kept.means),
            base=ElementDefinitionBase(path=of, min=least, max=most),
            is_modifier=False,
            **told,
        )


def _text(of: str) -> list[ElementDefinitionType]:
    """Give the type of a text that is an attribute in XML, as FHIR's own definitions have it."""
    named = Extension(url=f"{_BASE}structuredefinition-fhir-type", value_url=of)
    return [ElementDefinitionType(extension=[named], code="http://hl7.org/fhirpath/System.String")]


_RULES = [
    ElementDefinitionConstraint(
        key="ele-1",
        human="All FHIR elements must have a @value or children",
        expression="hasValue() or (children().count() > id.count())",
        source=f"{_BASE}Element",
    ),
    ElementDefinitionConstraint(
        key="ext-1",
        human="Must have either extensions or value[x], not both",
        expression="extension.exists() != value.exists()",
        source=f"{_BASE}Extension",
    ),
]
"""What FHIR asks of every extension, in its own words."""

_SHORT = {
    "Extension.id": "Its id, for references within a resource.",
    "Extension.extension": "It has none of its own.",
    "Extension.url": "Says which extension it is.",
    "Extension.value[x]": "What it says.",
}


def _element(path: str, **told: Any) -> ElementDefinition:
    return ElementDefinition(id=path, path=path, **told)


def _value_of(kept: Kept) -> ElementDefinitionType:
    profile = None if kept.to is None else [f"{_BASE}{kept.to}"]
    return ElementDefinitionType(code=kept.value, target_profile=profile)


# ----------------------------------------------------------------------------- code systems

_PURPOSES = {
    "emergency": "a case that was opened in an emergency",
    "cover": "somebody stands in for the case's clinician",
    "consultation": "a consultant who was asked",
    Purpose.access_request: "a copy for the client, who asked for it",
    Purpose.continuity_of_care: "a copy for whoever goes on with the therapy",
    Purpose.other: "a copy for another reason",
}
"""What records were shown for, where that is out of the ordinary."""


def _code_systems(version: str) -> Iterator[CodeSystem]:
    for name, words in VOCABULARY.items():
        yield _code_system(
            SYSTEMS[words],
            f"Words for `{name}`, as in /v1/vocabulary.",
            {str(word): word.definition for word in words},
            version,
        )
    kinds = dict(_kinds())
    fields = [
        *TOLD_OF_ALL,
        *(sent_as(told, name) for told in kinds.values() for name in told_of(told)),
    ]
    meant = {kind: (told.__doc__ or kind).partition(".")[0] for kind, told in kinds.items()}
    for url, description, codes in (
        (KIND, "Kinds of incidents.", meant),
        (fields_of("incident"), "Fields of incidents.", _in_words(fields)),
        (fields_of("promise"), "Fields of promises.", _in_words(TOLD)),
        (BY_HAND, "What raises a flag and is no rule.", {MANUAL: "a person"}),
        (HAPPENING, "What an entry of the journal says happened.", _in_words(Happening)),
        (PURPOSE, "What records were shown for, where it is out of the ordinary.", _PURPOSES),
    ):
        yield _code_system(url, description, codes, version)


def _code_system(url: str, description: str, codes: Mapping[str, str], version: str) -> CodeSystem:
    named = _named(url)
    return CodeSystem(
        id=named.id,
        name=named.name,
        url=url,
        version=version,
        title=url.rpartition(":")[2].replace("_", " ").replace("-", " ").capitalize(),
        description=description,
        count=len(codes),
        concept=[
            # as codings have it, which show what a code means
            CodeSystemConcept(code=str(code), display=meant, definition=meant)
            for code, meant in codes.items()
        ],
    )


def _kinds() -> Iterator[tuple[str, type[Any]]]:
    """Give each kind of incident with the class of its details."""
    (union, *_) = get_args(Details)
    for each in get_args(union):
        (kind,) = get_args(each.model_fields["kind"].annotation)
        yield kind, each


def _in_words(names: Iterable[str]) -> dict[str, str]:
    return {str(name): str(name).replace("_", " ").replace(".", ": ") for name in names}


class _Named(NamedTuple):
    """What a definition is called by, here and by programs."""

    id: str
    name: str


def _named(url: str) -> _Named:
    row_id = url.removeprefix(OURS).replace(":", "-").replace("_", "-")
    return _Named(row_id, "".join(part.capitalize() for part in row_id.split("-")))
