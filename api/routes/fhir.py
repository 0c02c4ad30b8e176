"""The façade an EHR reads: our records as FHIR R4, by the rights of our own API.

Eight types of records are read in the same few ways, so their operations are made from the table
of types instead of being written out; each still has a name, a guard and a schema of its own.
"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Scope

from api.access.authentication import Me
from api.access.guards import may, may_on_cases
from api.access.visibility.cases import visible_cases
from api.domain.errors import Invalid, NotAcceptable, NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.flags.catching_up import catch_up_due
from api.http.pagination import Bookmarks, Marks
from api.http.request_transaction import Tx
from api.http.strict_route import LookingRoute
from api.interop.fhir.bundle import Bundle, History, bundle_of, history_of
from api.interop.fhir.capability import CapabilityStatement, capabilities
from api.interop.fhir.definitions import DEFINING, Defining, asked_of, defined
from api.interop.fhir.elements import FHIR_JSON, Element, Resource
from api.interop.fhir.guards import opened
from api.interop.fhir.kinds import KINDS, Kind, seen_with
from api.interop.fhir.outcome import BASE, OperationOutcome
from api.interop.fhir.patients import NOBODY, client_of, clients_of, know_patients
from api.interop.fhir.searching import (
    PRETTY,
    EverySearch,
    OfPages,
    SearchDefinitions,
    SearchOfPatients,
    is_id,
)
from api.journal.entries import Happening, record_shown
from api.records.versions import Version, version_at, versions_of
from api.storage.instants import last_ended
from api.storage.transaction import Transaction

_FORMATS = frozenset({"json", "text/json", "application/json", FHIR_JSON})
_ANY = frozenset({"*/*", "application/*"})


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


def _answer(
    shown: Element, *, pretty: bool | None, headers: dict[str, str] | None = None
) -> Response:
    """Write a resource, without what is not known."""
    written = shown.model_dump_json(by_alias=True, exclude_none=True, indent=2 if pretty else None)
    return Response(written, headers=headers, media_type=FHIR_JSON)


async def in_json(request: Request) -> None:
    """Raise 406 where the answer is wanted in anything but JSON; `_format` before `Accept`."""
    if "_format" in request.query_params:
        _refuse_other_formats(request.query_params["_format"], _FORMATS, "_format")
        return
    accepted = ",".join(request.headers.getlist("accept")) or "*/*"
    _refuse_other_formats(accepted, _FORMATS | _ANY, "Accept")


def _refuse_other_formats(wanted: str | None, served: frozenset[str], asked_in: str) -> None:
    if wanted is None:
        return
    # a plus sign in an address is read as a space
    named = {each.partition(";")[0].strip().lower() for each in wanted.split(",")}
    if served.isdisjoint({each.replace(" ", "+") for each in named}):
        raise NotAcceptable(f"This is served as {FHIR_JSON} only; ask for that in {asked_in}.")


Format = Annotated[
    str | None,
    Query(alias="_format", max_length=80, description="`json`, and nothing else."),
]
Pretty = Annotated[bool | None, Query(alias="_pretty", description=PRETTY)]
DefinitionId = Annotated[str, Path(max_length=64, description="The id of a definition.")]
VersionId = Annotated[str, Path(max_length=64, description="The number of a version.")]
Mode = Annotated[
    Literal["full", "normative", "terminology"] | None,
    Query(description="Taken, and all is told: the whole statement is short."),
]

router = APIRouter(
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


@router.get("/metadata", response_model=CapabilityStatement)
async def read_capabilities(
    request: Request,
    format_: Format = None,  # noqa: ARG001 - looked at before
    pretty: Pretty = None,
    mode: Mode = None,  # noqa: ARG001 - a server may ignore it
) -> Response:
    """Say what this façade serves (CapabilityStatement). Needs no token, as FHIR has it."""
    return _answer(capabilities(_base(request), request.app.version), pretty=pretty)


def _serve_read(kind: Kind) -> None:
    async def read(
        found: Annotated[Any, Depends(kind.guard)],
        me: Me,
        tx: Tx,
        format_: Format = None,  # noqa: ARG001 - looked at before
        pretty: Pretty = None,
    ) -> Response:
        row, case, purpose = opened(found)
        kind.tell(tx, me, [row], purpose)
        clients = {case.id: client_of(me, case)} if case is not None else {}
        shown = kind.show(row, await seen_with(tx, me, kind, [row], clients))
        return _answer(shown, pretty=pretty, headers=_versioned(shown))

    (path,) = _names_in_path(kind)
    _serve(
        f"/{kind.name}/{{{path}}}",
        read,
        name=f"read_{kind.noun}",
        response_model=kind.resource,
        description=f"Read one {kind.name}: {kind.rows}, to whom our own API shows them. "
        "404 for what you may not know of, 403 where your role never may, 406 for other formats.",
    )


def _serve_version(kind: Kind) -> None:
    async def vread(
        found: Annotated[Any, Depends(kind.guard)],
        me: Me,
        tx: Tx,
        version_id: VersionId,
        format_: Format = None,  # noqa: ARG001 - looked at before
        pretty: Pretty = None,
    ) -> Response:
        row, case, purpose = opened(found)
        clients = {case.id: client_of(me, case)} if case is not None else {}
        if kind.kept is not None:
            version = await _numbered(tx, me, kind.kept, row, version_id)
            record_shown(tx, Happening.versions_read, [row], actor_id=me.id, purpose=purpose)
            row = version.row
        else:
            kind.tell(tx, me, [row], purpose)
        shown = kind.show(row, await seen_with(tx, me, kind, [row], clients))
        if shown.meta.version_id != version_id:
            raise NotFound
        return _answer(shown, pretty=pretty, headers=_versioned(shown))

    (path,) = _names_in_path(kind)
    said = (
        "any of its versions of which we know what stood there"
        if kind.kept is not None
        else "its present version, which alone is kept"
    )
    _serve(
        f"/{kind.name}/{{{path}}}/_history/{{version_id}}",
        vread,
        name=f"read_{kind.noun}_version",
        response_model=kind.resource,
        description=f"Read one version of a {kind.name}: {said}. For whom the resource is "
        "shown to now. 404 for other versions, 403 where your role never may, 406 for other "
        "formats.",
    )


async def _numbered(
    tx: Transaction, me: Actor, model: type[Any], row: Any, version_id: str
) -> Version:
    """Give a version by the number it has in an address. Raises 404 where there is none."""
    is_number = re.fullmatch("[1-9][0-9]{0,8}", version_id) is not None
    found = await version_at(tx, me, model, row, int(version_id)) if is_number else None
    if found is None:
        raise NotFound
    return found


def _serve_history(kind: Kind, model: type[Any]) -> None:
    async def history(
        query: Annotated[OfPages, Query()],
        found: Annotated[Any, Depends(kind.guard)],
        me: Me,
        marks: Marks,
        tx: Tx,
        request: Request,
    ) -> Response:
        _refuse_other_formats(query.format, _FORMATS, "_format")
        row, case, purpose = opened(found)
        clients = {} if case is None else {case.id: client_of(me, case)}
        versions = await versions_of(tx, me, marks, query, model, row)
        record_shown(tx, Happening.versions_read, [row], actor_id=me.id, purpose=purpose)
        rows = [each.row for each in versions.items if each.row is not None]
        seen = await seen_with(tx, me, kind, rows, clients)
        shown = [kind.show(each, seen) for each in rows]
        base, following = _base(request), versions.following
        page = history_of(base, kind.name, str(row.id), shown, query, following)
        return _answer(page, pretty=query.pretty)

    (path,) = _names_in_path(kind)
    of: Any = History.__class_getitem__(kind.resource)
    _serve(
        f"/{kind.name}/{{{path}}}/_history",
        history,
        name=f"read_{kind.noun}_history",
        response_model=of,
        description=f"Read the versions of one {kind.name}, the present one first. For whom the "
        "resource is shown to now. Versions of which only the journal still tells are left out. "
        "404 for what you may not know of, 403 where your role never may, 406 for other formats.",
    )


def _serve(path: str, answer: Any, *, name: str, **options: Any) -> None:
    """Let a function answer at a path, under a name of its own."""
    answer.__name__ = name
    router.add_api_route(path, answer, name=name, **options)


def _names_in_path(kind: Kind) -> list[str]:
    return [name for name in type(kind.guard).__call__.__annotations__ if name.endswith("_id")]


def _serve_search(kind: Kind) -> None:
    guard, nothing = may_on_cases(kind.lists), kind.query()
    said = (
        f"Search {kind.name}: {kind.rows} that our own API would list for you, what was recorded "
        "last first. 400 for parameters that are not known, 403 where your role never may."
    )

    async def search(
        query: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],
        marks: Marks,
        tx: Tx,
        request: Request,
    ) -> Response:
        return await _search(kind, query, me, marks, tx, request)

    async def search_by_form(
        asked: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],
        marks: Marks,
        tx: Tx,
        request: Request,
        form: Annotated[kind.query, Form()] = nothing,  # type: ignore[name-defined]
    ) -> Response:
        await _refuse_blanks(request)
        return await _search(kind, _together(asked, form), me, marks, tx, request)

    of: Any = Bundle.__class_getitem__(kind.resource)
    _serve_both(kind.name, kind.noun, search, search_by_form, said, of)


def _serve_both(name: str, noun: str, search: Any, by_form: Any, said: str, of: Any) -> None:
    """Let a type be searched by GET, and by POST as a form."""
    _serve(f"/{name}", search, name=f"search_{noun}", response_model=of, description=said)
    _serve(
        f"/{name}/_search",
        by_form,
        methods=["POST"],
        name=f"search_{noun}_by_form",
        response_model=of,
        description=said + " Sent as a form, so that no reference to a client stands in an "
        "address; what stands there is asked for as well. It changes nothing and takes no "
        "idempotency key.",
    )


async def _refuse_blanks(request: Request) -> None:
    # the framework takes what is blank in a form for what was not sent: it would find everyone
    if not all(value for _, value in (await request.form()).multi_items()):
        raise Invalid(
            "/body", "What is searched for must not be blank; leave out what is not asked."
        )


Asked = TypeVar("Asked", bound=OfPages)


def _together(asked: Asked, form: Asked) -> Asked:
    """Put together what stands in an address and in its form. Raises 400 for what is in both."""
    both = asked.model_fields_set & form.model_fields_set
    ends = {name for name in both if isinstance(getattr(form, name), list)}
    for name in sorted(both - ends):
        twice = type(form).model_fields[name].alias or name
        raise Invalid(f"/{twice}", "This stands in the address and in the form; send it once.")
    said = {name: getattr(form, name) for name in form.model_fields_set}
    said |= {name: [*getattr(asked, name), *getattr(form, name)] for name in ends}
    return asked.model_copy(update=said)


async def _search(
    kind: Kind, query: Any, me: Actor, marks: Any, tx: Transaction, request: Request
) -> Response:
    # that of an address was looked at before: this one stands in a form
    _refuse_other_formats(query.format, _FORMATS, "_format")
    query = await know_patients(tx, me, _without_base(query, _base(request)))
    if kind.of_flags:
        await catch_up_due(tx, visible_cases(tx, me))
    rows, following = await kind.find(tx, me, marks, f"fhir/{kind.name}", query)
    if rows or not kind.names_clients:
        kind.tell(tx, me, rows, None)
    found = await _shown(kind, tx, me, rows)
    asked = query if rows else _without_patients(query)
    bundle = bundle_of(_base(request), kind.name, found, asked, following)
    return _answer(bundle, pretty=query.pretty)


async def _shown(kind: Kind, tx: Transaction, me: Actor, rows: list[Any]) -> list[Resource]:
    clients = {}
    if kind.names_clients:
        clients = await clients_of(tx, me, [getattr(row, "case_id", row.id) for row in rows])
    seen = await seen_with(tx, me, kind, rows, clients)
    return [_dated(kind.show(row, seen), tx.listed_until) for row in rows]


def _dated(shown: Resource, until: datetime | None) -> Resource:
    """Say that a row changed no later than in the last millisecond up to which the list is whole.

    What is told is cut to milliseconds, and `gt` goes on after the one that is sent: one of which
    only a part was told would lose the rest.
    """
    if until is None or shown.meta.last_updated < (ended := last_ended(until)):
        return shown
    return shown.model_copy(update={"meta": shown.meta.model_copy(update={"last_updated": ended})})


def _without_patients(query: EverySearch) -> EverySearch:
    """Name nobody where nothing was shown: an address tells of no case then, and not of all."""
    if not isinstance(query, SearchOfPatients) or query.patient is None:
        return query
    return query.model_copy(update={"patient": NOBODY})


def _without_base(query: EverySearch, base: str) -> EverySearch:
    """Take our own address off references that were sent with it, as links here have it."""
    sent = {name: getattr(query, name, None) for name in ("patient", "subject", "target")}
    begins = re.compile(rf"(^|,){re.escape(base)}/")
    return query.model_copy(
        update={name: begins.sub(r"\1", text) for name, text in sent.items() if text}
    )


def _base(request: Request) -> str:
    # the name a caller asks for is theirs to choose: a proxy lets one through, or this is set
    public: str | None = request.app.state.public_url
    return f"{public or str(request.base_url).rstrip('/')}{BASE}"


def _versioned(shown: Resource) -> dict[str, str]:
    changed: datetime = shown.meta.last_updated.astimezone(UTC)
    return {
        "ETag": f'W/"{shown.meta.version_id}"',
        "Last-Modified": format_datetime(changed, usegmt=True),
    }


def _serve_definitions(kind: Defining) -> None:
    """Let what our words mean be read by whoever is signed in; no record is shown there."""
    guard, nothing = may(Action.vocabulary_read), kind.query()
    said = f"Search {kind.name}: what our {kind.rows} mean, in the order of their ids."

    async def read(
        definition_id: DefinitionId,
        me: Annotated[Actor, Depends(guard)],  # noqa: ARG001 - the guard
        request: Request,
        format_: Format = None,  # noqa: ARG001 - looked at before
        pretty: Pretty = None,
    ) -> Response:
        found = defined(kind.name, request.app.version).get(definition_id)
        if found is None:
            raise NotFound
        return _answer(found, pretty=pretty)

    async def search(
        query: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],  # noqa: ARG001 - the guard
        marks: Marks,
        request: Request,
    ) -> Response:
        return _defined(kind, query, marks, request)

    async def search_by_form(
        asked: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],  # noqa: ARG001 - the guard
        marks: Marks,
        request: Request,
        form: Annotated[kind.query, Form()] = nothing,  # type: ignore[name-defined]
    ) -> Response:
        await _refuse_blanks(request)
        return _defined(kind, _together(asked, form), marks, request)

    of: Any = Bundle.__class_getitem__(kind.resource)
    _serve_both(kind.name, kind.noun, search, search_by_form, said, of)
    _serve(
        f"/{kind.name}/{{definition_id}}",
        read,
        name=f"read_{kind.noun}",
        response_model=kind.resource,
        description=f"Read one {kind.name}: what one of our {kind.rows} means. "
        "404 for what is not defined here, 406 for other formats.",
        responses={404: {}},
    )


def _defined(
    kind: Defining, query: SearchDefinitions, marks: Bookmarks, request: Request
) -> Response:
    _refuse_other_formats(query.format, _FORMATS, "_format")
    listing = f"fhir/{kind.name}"
    last = marks.decode_cursor(listing, query)
    found = [
        each
        for each in asked_of(defined(kind.name, request.app.version), query)
        if last is None or each.id > last[0]
    ]
    page, following = marks.cut(listing, query, found)
    return _answer(
        bundle_of(_base(request), kind.name, page, query, following), pretty=query.pretty
    )


for _kind in KINDS:
    _serve_search(_kind)
    _serve_read(_kind)
    _serve_version(_kind)
    if _kind.kept is not None:
        _serve_history(_kind, _kind.kept)
for _defining in DEFINING:
    _serve_definitions(_defining)
