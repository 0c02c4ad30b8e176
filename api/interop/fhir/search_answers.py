"""Answers a search: finds, journals and shows a page, and says how to ask for the next."""

import re
from datetime import datetime
from typing import Any, TypeVar

from fastapi import Request, Response

from api.access.due_cases import catch_up_what_is_shown
from api.access.visibility.cases import seen_in_lists
from api.domain.errors import Invalid
from api.domain.permissions.table import Actor
from api.interop.fhir.answers import FORMATS, answer, base_of, refuse_other_formats
from api.interop.fhir.bundle import bundle_of
from api.interop.fhir.elements import Resource
from api.interop.fhir.patients import NOBODY, client_of, clients_of, know_patients
from api.interop.fhir.resource_types import Kind, seen_with
from api.interop.fhir.searching import EverySearch, OfPages, SearchOfPatients
from api.storage.instants import last_ended
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

Asked = TypeVar("Asked", bound=OfPages)


async def answer_search(
    kind: Kind, query: Any, me: Actor, marks: Any, tx: Transaction, request: Request
) -> Response:
    """Find a page of what is searched for, journal that it is shown, and show it."""
    # that of an address was looked at before: this one stands in a form
    refuse_other_formats(query.format, FORMATS, "_format")
    query = await know_patients(tx, me, _without_base(query, base_of(request)))
    if kind.of_flags:
        await catch_up_what_is_shown(tx, me, seen_in_lists)
    rows, following = await kind.find(tx, me, marks, f"fhir/{kind.name}", query)
    if rows or not kind.names_clients:
        kind.tell(tx, me, rows, None)
    found = await _shown(kind, tx, me, rows)
    asked = query if rows else _without_patients(query)
    bundle = bundle_of(base_of(request), kind.name, found, asked, following)
    return answer(bundle, pretty=query.pretty)


def put_together(asked: Asked, form: Asked) -> Asked:
    """Put together what stands in an address and in its form. Raises 400 for what is in both."""
    both = asked.model_fields_set & form.model_fields_set
    ends = {name for name in both if isinstance(getattr(form, name), list)}
    for name in sorted(both - ends):
        twice = type(form).model_fields[name].alias or name
        raise Invalid(f"/{twice}", "This stands in the address and in the form; send it once.")
    said = {name: getattr(form, name) for name in form.model_fields_set}
    said |= {name: [*getattr(asked, name), *getattr(form, name)] for name in ends}
    return asked.model_copy(update=said)


async def refuse_blanks(request: Request) -> None:
    """Raise 400 where a field of a form is blank."""
    # the framework takes what is blank in a form for what was not sent: it would find everyone
    if not all(value for _, value in (await request.form()).multi_items()):
        raise Invalid(
            "/body", "What is searched for must not be blank; leave out what is not asked."
        )


async def _shown(kind: Kind, tx: Transaction, me: Actor, rows: list[Any]) -> list[Resource]:
    clients = {}
    if kind.kept is Case:
        clients = {row.id: client_of(me, row) for row in rows}
    elif kind.names_clients:
        clients = await clients_of(tx, me, [row.case_id for row in rows])
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
