"""The operations of the document: each with its route, its guard, and what its code foresees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.access.at_door import at_door
from api.access.door_guards import accounts_on
from api.access.guards import case_for, may_on_cases, record_for
from api.domain.permissions.actions import Action
from api.domain.permissions.on_a_case import (
    ADDRESSED,
    BRIEFS,
    COVERED_CASE,
    KEPT_NOTE,
    LINKED_CASE,
    OPENED_CASE,
    OWN_CASE,
    OWN_INVITATION,
)
from api.domain.permissions.table import PEOPLE, may_anybody, roles_that_may, scopes_that_let
from api.http.oauth_refusals import is_asked_as_oauth
from api.interop.fhir.outcome import is_asked_as_fhir
from api.openapi.foreseen import Foreseen, foresee

_OFFICER = "a privacy officer to whom it is addressed"
_ON_A_CASE = {
    "the case's clinician": OWN_CASE,
    "a supervisor who is linked to the clinician": LINKED_CASE,
    "whoever covers for the clinician": COVERED_CASE,
    "a supervisor who opened the case in an emergency": OPENED_CASE,
    "the consultant who is asked": BRIEFS,
    "the note's author, who may no longer see its case": KEPT_NOTE,
    _OFFICER: ADDRESSED,
    "whoever made the invitation": OWN_INVITATION,
}
_AT_DOOR = "For whoever is at the door, by a code or a receipt."
_BY_RECEIPT = "For whoever is at the door by the receipt that it was sent by."


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its route, its guard, what its code foresees, and what is written of it."""

    method: str
    path: str
    route: APIRoute
    dependant: Dependant
    guard: Any
    foreseen: Foreseen
    written: dict[str, Any]

    @property
    def action(self) -> Action | None:
        """What the guard asks for; None where nobody need be signed in."""
        return None if self.guard is None else self.guard.action

    @property
    def is_at_door(self) -> bool:
        """Tell whether it is asked by the token of a visit at a client's door."""
        return is_at_door(self.dependant)

    @property
    def writes(self) -> bool:
        """Tell whether this is more than reading."""
        return self.method != "GET"

    def takes(self, header: str) -> bool:
        """Tell whether it reads a header."""
        return any(each["name"] == header for each in self.written.get("parameters", ()))

    @property
    def speaks_fhir(self) -> bool:
        """Tell whether it answers, and refuses, as FHIR does."""
        return is_asked_as_fhir(self.path)

    @property
    def speaks_oauth(self) -> bool:
        """Tell whether it refuses in OAuth's words."""
        return is_asked_as_oauth(self.path)

    @property
    def names_records(self) -> bool:
        """Tell whether an id is sent to it, in the path or in the body."""
        fields = [] if self.route.body_field is None else fields_of(self.route.body_field)
        return "{" in self.path or any(name.endswith(("_id", "ids")) for name in fields)


def operations_of(routes: Any, paths: dict[str, Any]) -> Iterator[Operation]:
    """Give every operation of the document with the route that answers it."""
    for context in iter_route_contexts(routes):
        route, path = context.original_route, context.path or ""
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        dependant = context.dependant or route.dependant
        (guard, *_) = *guards_of(dependant), None
        for method in sorted(route.methods or ()):
            written = paths[path if path in paths else path.lstrip("/")][method.lower()]
            foreseen = foresee(route.endpoint)
            yield Operation(method, path, route, dependant, guard, foreseen, written)


def guards_of(dependant: Dependant) -> Iterator[Any]:
    """Give the guards that an operation depends on: what asks for an action."""
    if isinstance(getattr(dependant.call, "action", None), Action):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from guards_of(inner)


def is_at_door(dependant: Dependant) -> bool:
    """Tell whether an operation depends on a visit at a client's door."""
    return dependant.call is at_door or any(map(is_at_door, dependant.dependencies))


def who_may(operation: Operation) -> str:
    """Say in a sentence who may use a guarded operation."""
    if operation.is_at_door:
        return _BY_RECEIPT if "{" in operation.path else _AT_DOOR
    action = operation.guard.action
    if may_anybody(action):
        return "For everybody who is signed in, software too."
    if isinstance(operation.guard, case_for | record_for):
        people = [who for who, may_do in _ON_A_CASE.items() if action in may_do]
        if isinstance(operation.guard, accounts_on):
            people.append(_OFFICER)
    else:
        roles = roles_that_may(getattr(operation.guard, "other", action)) | roles_that_may(action)
        people = [who for role, who in PEOPLE.items() if role in roles]
        if len(people) == len(PEOPLE):
            people = ["everybody who is signed in"]
        elif isinstance(operation.guard, may_on_cases) and action in OWN_CASE:
            people.append("whoever has a case of their own")
    scopes = [f"`{scope}`" for scope in scopes_that_let(action)]
    software = f"software with the scope {_listed(scopes, 'or')}" if scopes else ""
    return f"For {_listed([*people, *filter(None, [software])])}."


def _listed(parts: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def fields_of(field: Any, *, needed: bool = False) -> list[str]:
    """Name the fields of a body; `needed`: those that must be sent."""
    model = field.field_info.annotation
    fields = getattr(model, "model_fields", {})
    return [name for name, info in fields.items() if not needed or info.is_required()]
