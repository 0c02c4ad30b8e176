"""Imports: a clinic's old records, brought in as a file; and what became of each."""

from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlmodel import col, select
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.access.authentication import software_now
from api.access.guards import may, may_alone, refuse_role
from api.domain.errors import Invalid, UnsupportedMediaType
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor, may_ever
from api.domain.values import Input, Instant, Output
from api.domain.vocabulary import Scope
from api.http.entity_tags import etag
from api.http.pagination import Marks, Page, PageQuery, newest_first
from api.http.request_transaction import Tx
from api.http.strict_route import LinesRoute, charset_of, media_of
from api.interop.bulk import charsets
from api.interop.bulk.charsets import UnreadableFileError
from api.interop.bulk.parse import FileLine, read_csv, read_ndjson
from api.interop.bulk.run_import import Order, TooManyLinesError, take_in
from api.interop.bulk.sender import Rights
from api.interop.bulk.take_batch import Done
from api.records.read_models import RecordRead
from api.storage.database import Database
from api.storage.loading import load_or_404
from api.storage.models.integration import Import, ImportRefusal, ImportStatus
from api.storage.transaction import Transaction

NDJSON, CSV = "application/x-ndjson", "text/csv"
_FILES = {
    NDJSON: '{"type":"case","key":"71","clinician":"vera.lindqvist@clinic.example",'
    '"data":{"client_ref":"HL-0071"}}\n',
    CSV: "type,key,clinician,client_ref\ncase,71,vera.lindqvist@clinic.example,HL-0071\n",
}

router = APIRouter(prefix="/v1/imports", tags=["imports"], route_class=LinesRoute)


class ImportQuery(Input):
    """How a file is to be read."""

    dry_run: bool = Field(default=False, description="Look at every line, and keep no record.")
    type: Literal["case", "incident", "promise", "consultation"] | None = Field(
        default=None, description="What every row is, where no column of a CSV file says it."
    )


class ImportsQuery(PageQuery):
    """Which imports."""

    status: ImportStatus | None = Field(default=None, description="How far they have come.")
    updated_since: Instant | None = None


class RefusalRead(Output):
    """A line that was not taken; it repeats nothing of the line.

    `pointer` names the field, as in `/data/details/kind`; it is empty for the line as a whole.
    """

    line: int
    pointer: str
    message: str


class ImportRead(RecordRead):
    """An import. Its counts are of lines, blank ones left out.

    `running`: lines are being read; where the server was killed meanwhile it stays so, and its
    `updated_at` stands still. `created`: lines that came from this account for the first time.
    `broken_off`: the connection broke, or something else ended it; the
    lines before are in, and the file may be sent again. `unchanged`: lines that were in before.
    """

    form: str
    dry_run: bool
    status: ImportStatus
    lines: int
    created: int
    unchanged: int
    refused: int
    finished_at: datetime | None


class ImportDone(ImportRead):
    """An import that was read to its end, with the first hundred refusals.

    `flags`: how many were opened by each rule, of those that this software may see.
    """

    refusals: list[RefusalRead]
    flags: dict[str, int]


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "One record a line, as `docs/import.md` has it: at most 256 MiB, "
            "500,000 lines, and 512 KiB a line.",
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}, "example": file}
                for media, file in _FILES.items()
            },
        }
    },
)
async def run_import(
    request: Request,
    query: Annotated[ImportQuery, Query()],
    me: Annotated[Actor, Depends(may_alone(Action.import_run))],
    response: Response,
) -> ImportDone:
    """Take records in from a file, one a line. For clinic software with `cases:write`.

    Good lines become records and bad ones are told with their numbers; a line whose key came before
    with the same content changes nothing, so a file that broke off is sent again as it is. What
    somebody else did, such as a review, is refused: it comes in on the command line.
    """
    lines, form = _reader(request, query)
    clinic, _ = request.state.signed_in
    database: Database = request.app.state.database
    order = Order(
        clinic,
        me.id,
        form,
        dry_run=query.dry_run,
        request_id=request.state.request_id,
        rights=partial(_rights, me=me),
    )
    try:
        done = await take_in(database, order, lines)
    except UnreadableFileError as error:
        raise Invalid("", str(error)) from error
    except TooManyLinesError as error:
        raise HTTPException(413) from error
    except ClientDisconnect as error:
        # nobody listens any more; the batches before are in, and the import says so
        raise HTTPException(400) from error
    return _report(me, done, response)


@router.get("")
async def list_imports(
    query: Annotated[ImportsQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.import_read))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[ImportRead]:
    """List the clinic's imports, newest first. For clinic software with `cases:write`."""
    statement = select(Import).where(Import.clinic_id == tx.clinic.id)
    if query.status is not None:
        statement = statement.where(Import.status == query.status)
    if query.updated_since is not None:
        statement = statement.where(col(Import.updated_at) >= query.updated_since)
    rows, following = await newest_first(tx, marks, "imports", query, statement, Import)
    return Page(items=[ImportRead.model_validate(row) for row in rows], next=following)


@router.get("/{import_id}")
async def read_import(
    import_id: UUID,
    me: Annotated[Actor, Depends(may(Action.import_read))],  # noqa: ARG001 - the guard
    tx: Tx,
    response: Response,
) -> ImportRead:
    """Read how far an import has come. For clinic software with `cases:write`."""
    found = await load_or_404(tx, select(Import).where(Import.id == import_id))
    response.headers["ETag"] = etag(found.version)
    return ImportRead.model_validate(found)


@router.get("/{import_id}/refusals")
async def list_refusals(
    import_id: UUID,
    query: Annotated[PageQuery, Query()],
    me: Annotated[Actor, Depends(may(Action.import_read))],  # noqa: ARG001 - the guard
    marks: Marks,
    tx: Tx,
) -> Page[RefusalRead]:
    """List the lines that an import refused, in their order. For software with `cases:write`."""
    found = await load_or_404(tx, select(Import).where(Import.id == import_id))
    listing = f"{tx.clinic.id}/imports/{found.id}/refusals"
    statement = select(ImportRefusal).where(ImportRefusal.import_id == found.id)
    if (last := marks.decode_cursor(listing, query)) is not None:
        statement = statement.where(col(ImportRefusal.id) > UUID(last[0]))
    statement = statement.order_by(col(ImportRefusal.id)).limit(query.limit + 1)
    page, following = marks.cut(listing, query, (await tx.exec(statement)).all())
    return Page(items=[RefusalRead.model_validate(row) for row in page], next=following)


def _reader(request: Request, query: ImportQuery) -> tuple[AsyncIterator[FileLine], str]:
    """Give what reads the body, by what the request says that it is."""
    media, charset = media_of(request), charset_of(request)
    if media not in _FILES:
        raise UnsupportedMediaType("Send one record a line, as application/x-ndjson or text/csv.")
    if charset is not None and not charsets.is_known(charset):
        raise UnsupportedMediaType(f"The charset that is declared is not read here. {charsets.HOW}")
    if media == NDJSON:
        return read_ndjson(request.stream(), charset), "ndjson"
    return read_csv(request.stream(), query.type, charset), "csv"


async def _rights(tx: Transaction, me: Actor) -> Rights:
    """Say anew for each batch what this software may bring. Raises 401 once it may nothing."""
    now = await software_now(tx, me)
    refuse_role(now, Action.import_run)
    return Rights(
        history=False,
        consultations=may_ever(now, Action.consultation_draft),
        restricted=Scope.restricted_write in now.scopes,
    )


def _report(me: Actor, done: Done, response: Response) -> ImportDone:
    read = ImportRead.model_validate(done.row)
    response.headers["Location"] = f"/v1/imports/{read.id}"
    response.headers["ETag"] = etag(read.version)
    refusals = [
        RefusalRead(line=number, pointer=refused.pointer, message=refused.message)
        for number, refused in done.refusals
    ]
    # as of what a write raised: for software that may read flags, and for no other
    flags = dict(sorted(done.flags.items())) if may_ever(me, Action.flag_read) else {}
    return ImportDone(**dict(read), refusals=refusals, flags=flags)
