"""Shows a record's versions, the present one and those before, to whom it is shown itself."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select

from api.access.visibility.named import seen_of
from api.domain.permissions.table import Actor
from api.domain.values import Output
from api.http.pagination import Bookmarks, PageQuery
from api.storage.models.clinical import Consultation, Incident, Promise, RecordVersion
from api.storage.models.columns import Named
from api.storage.record_versions import TYPES, as_it_stood, writer_of
from api.storage.transaction import Transaction

_OF_EVERY_VERSION = frozenset({"version", "updated_at"})
"""What differs from version to version and says nothing of what was changed."""


class VersionRead(Output):
    """A version of a record: who wrote it, and when.

    `changed` names the fields in which it differs from the one before. It is null where that is
    not known, as `record` is of versions from before versions were kept.
    """

    version: int
    written_at: datetime
    written_by_id: UUID | None
    changed: list[str] | None


class Version(NamedTuple):
    """A version of a record; `row` is the record as it stood, where that is known."""

    version: int
    written_at: datetime
    written_by_id: UUID | None
    row: Any
    changed: list[str] | None = None


class Versions(NamedTuple):
    """A page of versions, the newest first; the one before them, and the next page's cursor."""

    items: list[Version]
    before: Version | None
    following: str | None


async def versions_of(
    tx: Transaction, me: Actor, marks: Bookmarks, query: PageQuery, model: type[Any], row: Any
) -> Versions:
    """Give a page of a record's versions. The caller has made sure that `me` may read it now."""
    listing = f"{tx.clinic.id}/versions/{TYPES[model]}/{row.id}"
    last = marks.decode_cursor(listing, query)
    present = [Version(row.version, row.updated_at, writer_of(row), row)] if last is None else []
    below = row.version if last is None else int(last[0])
    kept = await tx.exec(
        _kept(tx, model, row)
        .where(col(RecordVersion.version) < below)
        .order_by(col(RecordVersion.version).desc())
        .limit(query.limit + 1)
    )
    found = [*present, *(_earlier(model, row, each) for each in kept)]
    found = await _as_seen(tx, me, model, found)
    items, following = marks.cut(listing, query, found, lambda each: [each.version])
    before = found[len(items)] if len(found) > len(items) else None
    return Versions(items, before, following)


async def version_at(
    tx: Transaction, me: Actor, model: type[Any], row: Any, version: int
) -> Version | None:
    """Give one version of a record; None where there is none, or nothing of it is known."""
    if version == row.version:
        found = [Version(version, row.updated_at, writer_of(row), row)]
    else:
        kept = await tx.exec(_kept(tx, model, row).where(RecordVersion.version == version))
        found = [_earlier(model, row, each) for each in kept]
    seen = [each for each in await _as_seen(tx, me, model, found) if each.row is not None]
    return seen[0] if seen else None


def told(found: Versions, show: Callable[[Any], Output]) -> Iterator[dict[str, Any]]:
    """Show versions as `VersionRead` has it, each with the record as `show` writes it."""
    records = [
        None if each is None or each.row is None else show(each.row)
        for each in (*found.items, found.before)
    ]
    for position, each in enumerate(found.items):
        record, before = records[position : position + 2]
        changed = _changed(record, before) if record and before else each.changed
        yield {**each._asdict(), "changed": [] if each.version == 1 else changed, "record": record}


def _changed(record: Output, before: Output) -> list[str]:
    now, then = record.model_dump(), before.model_dump()
    return sorted(name for name in now if name not in _OF_EVERY_VERSION and now[name] != then[name])


def _kept(tx: Transaction, model: type[Any], row: Any) -> Any:
    return select(RecordVersion).where(
        RecordVersion.clinic_id == tx.clinic.id,
        RecordVersion.record_type == TYPES[model],
        RecordVersion.record_id == row.id,
    )


def _earlier(model: type[Any], row: Any, kept: RecordVersion) -> Version:
    stood = as_it_stood(model, kept, row.created_at)
    return Version(kept.version, kept.written_at, kept.written_by_id, stood, kept.changed)


async def _as_seen(
    tx: Transaction, me: Actor, model: type[Any], versions: Sequence[Version]
) -> list[Version]:
    """Leave out of versions what they say of records that are hidden from who asks."""
    if model is not Consultation:
        return list(versions)
    rows = [each.row for each in versions if each.row is not None]
    seen = await seen_of(tx, me, (named for row in rows for named in row.named_records()))
    return [
        each if each.row is None else each._replace(row=_with_links(each.row, seen))
        for each in versions
    ]


def _with_links(row: Consultation, seen: frozenset[Named]) -> Consultation:
    # a row of its own: what is left out here must not be written back
    told = {name: getattr(row, name) for name in Consultation.model_fields}
    for model in (Incident, Promise):
        links = f"{model.noun}_ids"
        told[links] = [each for each in told[links] if (model.noun, UUID(each)) in seen]
    return Consultation(**told)
