"""All refusals of an operation: what its parameters can come to, and what its source foresees."""

from collections.abc import Iterator

from api.access.at_door import at_door
from api.access.authentication import OPEN_BEFORE_ENROLMENT
from api.access.case_relationship import refuse_purged
from api.access.door_guards import account_for, invitation_for
from api.access.guards import case_for, flag_for, may, may_on_cases, record_for, refuse_closed
from api.domain.errors import (
    Forbidden,
    Invalid,
    NoSuchVersion,
    NotAcceptable,
    NotFound,
    PreconditionRequired,
    Refusal,
    Stale,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from api.domain.permissions.case_rules import Standing, why_not
from api.domain.permissions.table import PEOPLE, may_anybody, roles_that_may, why_no_scope
from api.http.field_errors import BOUNDED, NEEDED, SENTENCES, unknown
from api.http.idempotency import being_carried_out
from api.http.oauth_refusals import as_token_refusal
from api.http.strict_route import KEY, StrictRoute
from api.openapi.foreseen import Refused, foresee
from api.openapi.operations import Operation, fields_of

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_OUTLIVE_THEIR_CASE = flag_for | account_for | invitation_for
"""The guards of what is settled on a case that was voided, too."""
_ASKING = {"Database", "Throttle", "GuessesAtDoor"}
"""What is named where a database is asked by somebody who is not signed in yet."""


def refusals_of(operation: Operation) -> Iterator[Refusal]:
    """Give every refusal an operation can come to, each as it will be said.

    What its shape tells (guard, ids, body, headers), and what its code says.
    """
    told = _all_refusals_of(operation)
    yield from map(as_token_refusal, told) if operation.speaks_oauth else told


def _all_refusals_of(operation: Operation) -> Iterator[Refusal]:
    if operation.guard is not None:
        yield from _refused_at_the_door(operation)
    if operation.is_at_door:
        yield from (each.kind(*each.said) for each in foresee(at_door).refusals)
    yield from _refused_by_shape(operation)
    for refused in operation.foreseen.refusals:
        yield from _as_said(refused, operation)
    if operation.guard is not None or operation.is_at_door or operation.foreseen.names & _ASKING:
        yield Unavailable()


def _refused_at_the_door(operation: Operation) -> Iterator[Refusal]:
    guard = operation.guard
    yield Unauthorized()
    # software is counted before it is asked what it may
    yield TooMany(*TooMany.example)
    yield from _forbidden(operation)
    if isinstance(guard, case_for | record_for):
        yield NotFound()
        closes = refuse_purged if isinstance(guard, _OUTLIVE_THEIR_CASE) else refuse_closed
        for refused in foresee(closes).refusals if operation.writes else ():
            yield refused.kind(*refused.said)
    elif isinstance(guard, may_on_cases) and operation.takes(KEY):
        # sent again by somebody who may no longer see what they made
        yield NotFound()
    elif not isinstance(guard, may):
        for refused in foresee(type(guard).__call__).refusals:
            yield from _as_said(refused, operation)


def _forbidden(operation: Operation) -> Iterator[Refusal]:
    guard, action = operation.guard, operation.guard.action
    refused = [role for role in PEOPLE if role not in roles_that_may(action)]
    if not may_anybody(action):
        if refused:
            yield Forbidden(f"The role {refused[-1].replace('_', ' ')} does not do this.")
        yield Forbidden(why_no_scope(action))
    if isinstance(guard, case_for | record_for):
        for standing in (Standing(own=True), Standing(linked=True), Standing(opened=True)):
            if reason := why_not(action, standing):
                yield Forbidden(reason)
    if operation.path not in OPEN_BEFORE_ENROLMENT:
        yield Forbidden("This clinic asks for a second factor: enrol at /v1/me/totp first.")


def _refused_by_shape(operation: Operation) -> Iterator[Refusal]:
    body = operation.written.get("requestBody")
    if body is not None:
        yield TooLarge()
        if _FORM in body["content"]:
            yield UnsupportedMediaType(f"Send a form: {_FORM}.")
        elif _JSON in body["content"]:
            yield UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
        yield UnsupportedEncoding()
    if operation.takes("If-Match"):
        yield Stale()
        yield NoSuchVersion()
        yield PreconditionRequired(*PreconditionRequired.example)
    if operation.takes(KEY):
        yield being_carried_out()
    if operation.speaks_fhir:
        yield NotAcceptable(*NotAcceptable.example)
        yield _unknown_parameter(operation)
    if isinstance(operation.route, StrictRoute):
        yield _invalid(operation)


def _invalid(operation: Operation) -> Invalid:
    """Say what is most likely wrong with a request of this shape."""
    field = operation.route.body_field
    for name in [] if field is None else fields_of(field, needed=True):
        return Invalid(f"/{name}", NEEDED)
    for parameter in operation.written.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        if schema.get("format") == "uuid":
            return Invalid(f"/path/{name}", SENTENCES["uuid_parsing"])
        if name == "limit":
            return Invalid("/query/limit", BOUNDED["less_than_equal"]({"le": schema["maximum"]}))
    return _unknown_parameter(operation)


def _unknown_parameter(operation: Operation) -> Invalid:
    parameters = operation.written.get("parameters", ())
    known = [each["name"] for each in parameters if each["in"] == "query"]
    return Invalid("/query", unknown("", known, "parameter"))


def _as_said(refused: Refused, operation: Operation) -> Iterator[Refusal]:
    """Give a refusal of the code, with its own words where they are written out there."""
    kind = refused.kind
    if kind is NotFound and not operation.names_records and not operation.is_at_door:
        # what is one's own is always there; nothing may be asked at a door
        return
    if kind is Unauthorized and operation.guard is not None:
        return
    try:
        yield kind(*refused.said)
    except TypeError:
        # its words depend on what is asked; others of this kind are shown where there are any
        others = (each for each in operation.foreseen.refusals if each.kind is kind)
        if kind is not Invalid and not any(each.said for each in others):
            yield kind(*kind.example)
