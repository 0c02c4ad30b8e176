"""The façade an EHR reads: our records as FHIR R4, by the rights of our own API.

Nine types of records are read in the same few ways, so their operations are made from the table
of types instead of being written out; each still has a name, a guard and a schema of its own.
"""

import re
from typing import Annotated, Any, Literal

from fastapi import Depends, Form, Path, Query, Request, Response

from api.access.authentication import Me
from api.access.guards import may, may_on_cases
from api.domain.errors import NotFound
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.http.pagination import Bookmarks, Marks
from api.http.request_transaction import Tx
from api.interop.fhir.answers import (
    FORMATS,
    Format,
    Pretty,
    answer,
    base_of,
    fhir_router,
    refuse_other_formats,
    version_headers,
)
from api.interop.fhir.bundle import Bundle, History, bundle_of, history_of
from api.interop.fhir.capability import CapabilityStatement, capabilities
from api.interop.fhir.definitions import DEFINING, Defining, asked_of, defined
from api.interop.fhir.guards import opened
from api.interop.fhir.patients import client_of
from api.interop.fhir.resource_types import KINDS, Kind, seen_with
from api.interop.fhir.search_answers import answer_search, put_together, refuse_blanks
from api.interop.fhir.searching import OfPages, SearchDefinitions
from api.journal.entries import Happening, record_shown
from api.records.versions import Version, version_at, versions_of
from api.storage.transaction import Transaction

VersionId = Annotated[str, Path(max_length=64, description="The number of a version.")]
DefinitionId = Annotated[str, Path(max_length=64, description="The id of a definition.")]
Mode = Annotated[
    Literal["full", "normative", "terminology"] | None,
    Query(description="Taken, and all is told: the whole statement is short."),
]

router = fhir_router()


@router.get("/metadata", response_model=CapabilityStatement)
async def read_capabilities(
    request: Request,
    format_: Format = None,  # noqa: ARG001 - looked at before
    pretty: Pretty = None,
    mode: Mode = None,  # noqa: ARG001 - a server may ignore it
) -> Response:
    """Say what this façade serves (CapabilityStatement). Needs no token, as FHIR has it."""
    return answer(capabilities(base_of(request), request.app.version), pretty=pretty)


def _serve_read(kind: Kind) -> None:
    async def read_one(
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
        return answer(shown, pretty=pretty, headers=version_headers(shown))

    (path,) = _names_in_path(kind)
    _serve(
        f"/{kind.name}/{{{path}}}",
        read_one,
        name=f"read_{kind.noun}",
        response_model=kind.resource,
        description=f"Read one {kind.name}: {kind.rows}, to whom our own API shows them. "
        "404 for what you may not know of, 403 where your role never may, 406 for other formats.",
    )


def _serve_version(kind: Kind) -> None:
    async def read_version(
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
        return answer(shown, pretty=pretty, headers=version_headers(shown))

    (path,) = _names_in_path(kind)
    said = (
        "any of its versions of which we know what stood there"
        if kind.kept is not None
        else "its present version, which alone is kept"
    )
    _serve(
        f"/{kind.name}/{{{path}}}/_history/{{version_id}}",
        read_version,
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
    async def read_history(
        query: Annotated[OfPages, Query()],
        found: Annotated[Any, Depends(kind.guard)],
        me: Me,
        marks: Marks,
        tx: Tx,
        request: Request,
    ) -> Response:
        refuse_other_formats(query.format, FORMATS, "_format")
        row, case, purpose = opened(found)
        clients = {} if case is None else {case.id: client_of(me, case)}
        versions = await versions_of(tx, me, marks, query, model, row)
        record_shown(tx, Happening.versions_read, [row], actor_id=me.id, purpose=purpose)
        rows = [each.row for each in versions.items if each.row is not None]
        seen = await seen_with(tx, me, kind, rows, clients)
        shown = [kind.show(each, seen) for each in rows]
        base, following = base_of(request), versions.following
        page = history_of(base, kind.name, str(row.id), shown, query, following)
        return answer(page, pretty=query.pretty)

    (path,) = _names_in_path(kind)
    of: Any = History.__class_getitem__(kind.resource)
    _serve(
        f"/{kind.name}/{{{path}}}/_history",
        read_history,
        name=f"read_{kind.noun}_history",
        response_model=of,
        description=f"Read the versions of one {kind.name}, the present one first. For whom the "
        "resource is shown to now. Versions of which only the journal still tells are left out. "
        "404 for what you may not know of, 403 where your role never may, 406 for other formats.",
    )


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
        return await answer_search(kind, query, me, marks, tx, request)

    async def search_by_form(
        asked: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],
        marks: Marks,
        tx: Tx,
        request: Request,
        form: Annotated[kind.query, Form()] = nothing,  # type: ignore[name-defined]
    ) -> Response:
        await refuse_blanks(request)
        return await answer_search(kind, put_together(asked, form), me, marks, tx, request)

    of: Any = Bundle.__class_getitem__(kind.resource)
    _serve_both_ways(kind.name, kind.noun, search, search_by_form, said=said, of=of)


def _serve_definition(kind: Defining) -> None:
    """Let one definition be read by whoever is signed in; no record is shown there."""

    async def read_definition(
        definition_id: DefinitionId,
        me: Annotated[Actor, Depends(may(Action.vocabulary_read))],  # noqa: ARG001 - the guard
        request: Request,
        format_: Format = None,  # noqa: ARG001 - looked at before
        pretty: Pretty = None,
    ) -> Response:
        found = defined(kind.name, request.app.version).get(definition_id)
        if found is None:
            raise NotFound
        return answer(found, pretty=pretty)

    _serve(
        f"/{kind.name}/{{definition_id}}",
        read_definition,
        name=f"read_{kind.noun}",
        response_model=kind.resource,
        description=f"Read one {kind.name}: what one of our {kind.rows} means. "
        "404 for what is not defined here, 406 for other formats.",
        responses={404: {}},
    )


def _serve_search_for_definitions(kind: Defining) -> None:
    guard, nothing = may(Action.vocabulary_read), kind.query()

    async def search(
        query: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],  # noqa: ARG001 - the guard
        marks: Marks,
        request: Request,
    ) -> Response:
        return _answer_definitions(kind, query, marks, request)

    async def search_by_form(
        asked: Annotated[kind.query, Query()],  # type: ignore[name-defined]
        me: Annotated[Actor, Depends(guard)],  # noqa: ARG001 - the guard
        marks: Marks,
        request: Request,
        form: Annotated[kind.query, Form()] = nothing,  # type: ignore[name-defined]
    ) -> Response:
        await refuse_blanks(request)
        return _answer_definitions(kind, put_together(asked, form), marks, request)

    said = f"Search {kind.name}: what our {kind.rows} mean, in the order of their ids."
    of: Any = Bundle.__class_getitem__(kind.resource)
    _serve_both_ways(kind.name, kind.noun, search, search_by_form, said=said, of=of)


def _answer_definitions(
    kind: Defining, query: SearchDefinitions, marks: Bookmarks, request: Request
) -> Response:
    refuse_other_formats(query.format, FORMATS, "_format")
    listing = f"fhir/{kind.name}"
    last = marks.decode_cursor(listing, query)
    found = [
        each
        for each in asked_of(defined(kind.name, request.app.version), query)
        if last is None or each.id > last[0]
    ]
    page, following = marks.cut(listing, query, found)
    return answer(
        bundle_of(base_of(request), kind.name, page, query, following), pretty=query.pretty
    )


def _serve(path: str, endpoint: Any, *, name: str, **options: Any) -> None:
    """Let a function answer at a path, under a name of its own."""
    endpoint.__name__ = name
    router.add_api_route(path, endpoint, name=name, **options)


def _serve_both_ways(
    name: str, noun: str, search: Any, by_form: Any, *, said: str, of: Any
) -> None:
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


for _kind in KINDS:
    _serve_search(_kind)
    _serve_read(_kind)
    _serve_version(_kind)
    if _kind.kept is not None:
        _serve_history(_kind, _kind.kept)
for _defining in DEFINING:
    _serve_search_for_definitions(_defining)
    _serve_definition(_defining)
