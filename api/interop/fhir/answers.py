"""How FHIR is answered: as JSON in its own form, under the clinic's own address."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Scope

from api.domain.errors import NotAcceptable
from api.http.strict_route import LookingRoute
from api.interop.fhir.elements import FHIR_JSON, Element, Resource
from api.interop.fhir.outcome import BASE, OperationOutcome
from api.interop.fhir.searching import PRETTY, is_id

FORMATS = frozenset({"json", "text/json", "application/json", FHIR_JSON})
_ANY = frozenset({"*/*", "application/*"})

Format = Annotated[
    str | None,
    Query(alias="_format", max_length=80, description="`json`, and nothing else."),
]
Pretty = Annotated[bool | None, Query(alias="_pretty", description=PRETTY)]


def answer(
    shown: Element, *, pretty: bool | None, headers: dict[str, str] | None = None
) -> Response:
    """Write a resource, without what is not known."""
    written = shown.model_dump_json(by_alias=True, exclude_none=True, indent=2 if pretty else None)
    return Response(written, headers=headers, media_type=FHIR_JSON)


async def in_json(request: Request) -> None:
    """Raise 406 where the answer is wanted in anything but JSON; `_format` before `Accept`."""
    if "_format" in request.query_params:
        refuse_other_formats(request.query_params["_format"], FORMATS, "_format")
        return
    accepted = ",".join(request.headers.getlist("accept")) or "*/*"
    refuse_other_formats(accepted, FORMATS | _ANY, "Accept")


def refuse_other_formats(wanted: str | None, served: frozenset[str], asked_in: str) -> None:
    """Raise 406 where only forms are named that are not served; `asked_in` is where they are."""
    if wanted is None:
        return
    # a plus sign in an address is read as a space
    named = {each.partition(";")[0].strip().lower() for each in wanted.split(",")}
    if served.isdisjoint({each.replace(" ", "+") for each in named}):
        raise NotAcceptable(f"This is served as {FHIR_JSON} only; ask for that in {asked_in}.")


def base_of(request: Request) -> str:
    """Give the address below which all of the façade stands."""
    # the name a caller asks for is theirs to choose: a proxy lets one through, or this is set
    public: str | None = request.app.state.public_url
    return f"{public or str(request.base_url).rstrip('/')}{BASE}"


def version_headers(shown: Resource) -> dict[str, str]:
    """Give the headers that say which version is shown, and since when."""
    changed: datetime = shown.meta.last_updated.astimezone(UTC)
    return {
        "ETag": f'W/"{shown.meta.version_id}"',
        "Last-Modified": format_datetime(changed, usegmt=True),
    }


class FhirRoute(LookingRoute):
    """A route that lets the ends of a span be sent as one parameter twice.

    A form may be left out of a search by POST: all that is searched for may stand in the address.
    """

    several = frozenset({"_lastUpdated", "date"})
    form_is_needed = False

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Answer at ids alone: operations, and searches by GET, have no place beside them."""
        match, found = super().matches(scope)
        if all(is_id(str(each)) for each in found.get("path_params", {}).values()):
            return match, found
        return Match.NONE, {}


class FhirAnswer(JSONResponse):
    """An answer in FHIR's own JSON."""

    media_type = FHIR_JSON


def fhir_router() -> APIRouter:
    """Make a router of the façade: below its address, in its form, with its own refusals."""
    return APIRouter(
        prefix=BASE,
        tags=["fhir"],
        route_class=FhirRoute,
        dependencies=[Depends(in_json)],
        default_response_class=FhirAnswer,
        responses={
            statuses: {"model": OperationOutcome, "description": "A refusal, as FHIR tells it."}
            for statuses in ("4XX", "5XX")
        },
    )
