"""What clients are asked, as the façade shows it to an EHR: FHIR's Questionnaire, read only."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form, Path, Query, Request, Response

from api.access.guards import may
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
)
from api.interop.fhir.bundle import Bundle, bundle_of
from api.interop.fhir.questionnaires import Questionnaire, asked_for, show_questionnaire
from api.interop.fhir.search_answers import put_together, refuse_blanks
from api.interop.fhir.searching import SearchQuestionnaires
from api.records.asked_versions import AskedVersion, find_version, questionnaire_rows
from api.storage.transaction import Transaction

VersionNumber = Annotated[str, Path(max_length=64, description="The number of a version.")]
Lists = Annotated[Actor, Depends(may(Action.questionnaire_list))]
Reads = Annotated[Actor, Depends(may(Action.questionnaire_read))]
_KIND = Questionnaire.__name__
_NOTHING = SearchQuestionnaires()

router = fhir_router()


@router.get("/Questionnaire", response_model=Bundle[Questionnaire])
async def search_questionnaire_resource(
    query: Annotated[SearchQuestionnaires, Query()],
    me: Lists,
    marks: Marks,
    tx: Tx,
    request: Request,
) -> Response:
    """Search Questionnaire: what clients may be asked, in the order of their ids.

    The newest version of each that is still asked; `status` and `version` find others. 400 for
    parameters that are not known, 403 where your role never may.
    """
    return await _search(query, me, marks, tx, request)


@router.post("/Questionnaire/_search", response_model=Bundle[Questionnaire])
async def search_questionnaire_resource_by_form(
    asked: Annotated[SearchQuestionnaires, Query()],
    me: Lists,
    marks: Marks,
    tx: Tx,
    request: Request,
    form: Annotated[SearchQuestionnaires, Form()] = _NOTHING,
) -> Response:
    """Search Questionnaire, asked for in a form; what stands in the address is asked for as well.

    It changes nothing and takes no idempotency key.
    """
    await refuse_blanks(request)
    return await _search(put_together(asked, form), me, marks, tx, request)


@router.get("/Questionnaire/{questionnaire_id}", response_model=Questionnaire)
async def read_questionnaire_resource(
    questionnaire_id: UUID,
    me: Reads,
    tx: Tx,
    format_: Format = None,  # noqa: ARG001 - looked at before
    pretty: Pretty = None,
) -> Response:
    """Read one Questionnaire in its newest version; one that was retired, too.

    It is told in your language, or in the first that it is complete in. 404 for what this clinic
    has not, 403 where your role never may, 406 for other formats.
    """
    return _answer(await find_version(tx, questionnaire_id), me, pretty=pretty)


@router.get("/Questionnaire/{questionnaire_id}/_history/{version_id}", response_model=Questionnaire)
async def read_questionnaire_resource_version(
    questionnaire_id: UUID,
    version_id: VersionNumber,
    me: Reads,
    tx: Tx,
    format_: Format = None,  # noqa: ARG001 - looked at before
    pretty: Pretty = None,
) -> Response:
    """Read one version of a Questionnaire: any, since none ever goes.

    404 for what this clinic has not, 403 where your role never may, 406 for other formats.
    """
    if re.fullmatch("[1-9][0-9]{0,8}", version_id) is None:
        raise NotFound
    return _answer(await find_version(tx, questionnaire_id, int(version_id)), me, pretty=pretty)


def _answer(found: AskedVersion | None, me: Actor, *, pretty: bool | None) -> Response:
    if found is None:
        raise NotFound
    headers = {"ETag": f'W/"{found.number}"'}
    return answer(show_questionnaire(found, me.reads_in()), pretty=pretty, headers=headers)


async def _search(
    query: SearchQuestionnaires, me: Actor, marks: Bookmarks, tx: Transaction, request: Request
) -> Response:
    refuse_other_formats(query.format, FORMATS, "_format")
    listing, language = f"fhir/{_KIND}", me.reads_in()
    last = marks.decode_cursor(listing, query)
    found = [
        each
        for each in asked_for(await questionnaire_rows(tx), query)
        if last is None or str(each.questionnaire_id) > last[0]
    ]
    page, following = marks.cut(listing, query, found, lambda row: [str(row.questionnaire_id)])
    shown = [show_questionnaire(each, language) for each in page]
    bundle = bundle_of(base_of(request), _KIND, shown, query, following)
    return answer(bundle, pretty=query.pretty)
