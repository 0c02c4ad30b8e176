"""Clients: found by the clinic's reference, and shown by it to whoever may read it."""

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from api.access.listed_cases import cases_named
from api.access.visibility.cases import visible_cases
from api.domain.errors import Forbidden
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.interop.fhir.codes import CASE, CLIENT_REF, Client
from api.interop.fhir.outcome import SERVED
from api.interop.fhir.searching import SearchOfPatients, Token, ids_in, tokens_in, values_in
from api.storage.models.clinical import Case
from api.storage.transaction import Transaction

NOBODY = str(UUID(int=0))
"""Stands in a search for clients that are not known here."""

Search = TypeVar("Search", bound=SearchOfPatients)


async def know_patients(tx: Transaction, me: Actor, query: Search) -> Search:
    """Say by the ids of cases which clients are asked for, so that no reference stands in a link.

    Raises 403 for who may not list cases: they would learn who is a client, or find nothing and
    think that there was nothing.
    """
    asked = [_reference(each) for each in _given(query.patient)]
    asked += [_reference(each) for each in _given(getattr(query, "subject", None))]
    asked += [_identifier(each) for each in _tokens(query.patient_identifier)]
    if not asked:
        return query
    found = {value for system, value in asked if system == CASE}
    references = [value for system, value in asked if system == CLIENT_REF]
    if references:
        reads_of_all = me.is_software or may_ever(me, Action.journal_read_all)
        if reads_of_all and not may_ever(me, Action.case_list):
            raise Forbidden("Clients are found by their reference by those who may list cases.")
        found |= await _cases_of(tx, me, references)
    known = ",".join(sorted(found)) or NOBODY
    return query.model_copy(update={"patient": known, "subject": None, "patient_identifier": None})


def of_patients(query: SearchOfPatients, case_id: Any) -> list[ColumnElement[bool]]:
    """Say in SQL that a row is of the clients asked for, once they are known by their cases."""
    if query.patient is None:
        return []
    return [case_id.in_(ids_in(query.patient, "/query/patient"))]


async def clients_of(tx: Transaction, me: Actor, case_ids: Iterable[UUID]) -> dict[UUID, Client]:
    """Give the clients of several cases, as this reader may know them."""
    wanted = set(case_ids)
    cases = await cases_named(tx, wanted) if wanted else {}
    return {case_id: client_of(me, case) for case_id, case in cases.items()}


def client_of(me: Actor, case: Case) -> Client:
    """Give the client of a case; software that may not read cases learns no reference."""
    hidden = me.is_software and not may_ever(me, Action.case_read)
    return Client(case.id, None if hidden else case.client_ref, case.voided_at is not None)


def _given(text: str | None) -> list[str]:
    return [] if text is None else values_in(text)


def _tokens(text: str | None) -> list[Token]:
    return [] if text is None else tokens_in(text)


def _reference(text: str) -> tuple[str, str]:
    if text.partition("/")[0] in SERVED:
        # a record of another type is no client
        return _OTHER, text
    value = text.removeprefix("Patient/")
    case_id = _case_id(value)
    return (CLIENT_REF, value) if case_id is None else (CASE, case_id)


def _identifier(token: Token) -> tuple[str, str]:
    if token.system == CASE:
        case_id = _case_id(token.code)
        return (_OTHER, token.code) if case_id is None else (CASE, case_id)
    # of a system that is not ours nobody is known here
    return CLIENT_REF if token.system is None else token.system, token.code


_OTHER = "other"
"""Stands for what is said well, and is the identifier of nobody."""


def _case_id(value: str) -> str | None:
    try:
        return str(UUID(value))
    except ValueError:
        return None


async def _cases_of(tx: Transaction, me: Actor, references: Iterable[str]) -> set[str]:
    hashes = [each for text in references for each in await tx.lookup_hashes(text)]
    statement: Any = select(col(Case.id)).where(
        visible_cases(tx, me), col(Case.client_ref_hash).in_(hashes)
    )
    return {str(case_id) for case_id in await tx.exec(statement)}
