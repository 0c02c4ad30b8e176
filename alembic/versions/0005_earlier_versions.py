"""earlier versions of records, of resolutions, and copies as they were given.

Revision 0005, after 0004.
"""

import base64
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from alembic import context, op
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NEW_TABLES = ("record_versions", "flag_resolutions", "disclosed_documents")
RECORDS = {
    "case": "cases",
    "incident": "incidents",
    "promise": "promises",
    "consultation": "consultations",
}
BATCH = 1_000

_ID, _TIME = sa.Uuid(), sa.DateTime(timezone=True)


def _json() -> Any:
    return sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def _record() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
    ]


def upgrade() -> None:
    """Go forward."""
    # not in a batch: that would read the index on an expression, and cannot
    for table in RECORDS.values():
        op.add_column(table, sa.Column("written_by_id", sa.Uuid(), nullable=True))
    op.add_column(
        "disclosures",
        sa.Column("is_kept", sa.Boolean(), nullable=False, server_default=sa.false()),
    )

    op.create_table(
        "record_versions",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by_id", sa.Uuid(), nullable=True),
        sa.Column("fields", _json(), nullable=True),
        sa.Column("texts", sa.Text(), nullable=True),
        sa.Column("changed", _json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_record_versions_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_record_versions")),
        sa.UniqueConstraint(
            "clinic_id",
            "record_type",
            "record_id",
            "version",
            name=op.f("uq_record_versions_clinic_id_record_type_record_id_version"),
        ),
    )
    with op.batch_alter_table("record_versions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_record_versions_clinic_id_case_id_record_type"),
            ["clinic_id", "case_id", "record_type"],
            unique=False,
        )

    op.create_table(
        "flag_resolutions",
        *_record(),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("flag_id", sa.Uuid(), nullable=False),
        sa.Column("determination", sa.String(length=40), nullable=False),
        sa.Column("resolution_note", sa.Text(), nullable=True),
        sa.Column("resolved_by_id", sa.Uuid(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reopen_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_flag_resolutions_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "flag_id"],
            ["flags.clinic_id", "flags.id"],
            name=op.f("fk_flag_resolutions_clinic_id_flag_id_flags"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_flag_resolutions")),
    )
    with op.batch_alter_table("flag_resolutions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_flag_resolutions_clinic_id_flag_id_id"),
            ["clinic_id", "flag_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_flag_resolutions_clinic_id_case_id"),
            ["clinic_id", "case_id"],
            unique=False,
        )

    op.create_table(
        "disclosed_documents",
        *_record(),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("disclosure_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_disclosed_documents_clinic_id_case_id_cases"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "disclosure_id"],
            ["disclosures.clinic_id", "disclosures.id"],
            name=op.f("fk_disclosed_documents_clinic_id_disclosure_id_disclosures"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_disclosed_documents")),
        sa.UniqueConstraint(
            "clinic_id",
            "disclosure_id",
            name=op.f("uq_disclosed_documents_clinic_id_disclosure_id"),
        ),
    )
    with op.batch_alter_table("disclosed_documents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_disclosed_documents_clinic_id_case_id"),
            ["clinic_id", "case_id"],
            unique=False,
        )

    if op.get_bind().dialect.name == "postgresql":
        _build_wall()
    _tell_what_the_journal_knows()
    _set_resolutions_aside()


def downgrade() -> None:
    """Go back: earlier versions, resolutions that stand no more and kept documents are lost."""
    with op.batch_alter_table("disclosed_documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_disclosed_documents_clinic_id_case_id"))

    op.drop_table("disclosed_documents")
    with op.batch_alter_table("flag_resolutions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_flag_resolutions_clinic_id_case_id"))
        batch_op.drop_index(batch_op.f("ix_flag_resolutions_clinic_id_flag_id_id"))

    op.drop_table("flag_resolutions")
    with op.batch_alter_table("record_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_record_versions_clinic_id_case_id_record_type"))

    op.drop_table("record_versions")
    op.drop_column("disclosures", "is_kept")
    for table in RECORDS.values():
        op.drop_column(table, "written_by_id")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    for table in NEW_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


# ------------------------------------------------- versions of which the texts are gone already


_ENTRIES = sa.table(
    "journal_entries",
    sa.column("clinic_id", _ID),
    sa.column("id", _ID),
    sa.column("at", _TIME),
    sa.column("actor_id", _ID),
    sa.column("happening", sa.String()),
    sa.column("record_type", sa.String()),
    sa.column("record_ids", _json()),
    sa.column("changed", _json()),
    sa.column("is_read", sa.Boolean()),
)
_VERSIONS = sa.table(
    "record_versions",
    sa.column("clinic_id", _ID),
    sa.column("id", _ID),
    sa.column("case_id", _ID),
    sa.column("record_type", sa.String()),
    sa.column("record_id", _ID),
    sa.column("version", sa.Integer()),
    sa.column("written_at", _TIME),
    sa.column("written_by_id", _ID),
    sa.column(
        "changed",
        sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
    ),
)


def _tell_what_the_journal_knows() -> None:
    """Say of each earlier version who wrote it and when, and which fields it changed."""
    bind = op.get_bind()
    clinics = [row.id for row in bind.execute(sa.text("SELECT id FROM clinics"))]
    for clinic_id in map(_uuid, clinics):
        for record_type, name in RECORDS.items():
            changed = _changed_records(record_type, name, clinic_id)
            told = _entries_about(record_type, clinic_id, set(changed)) if changed else {}
            for record_id, row in changed.items():
                _tell_of(record_type, name, row, told.get(record_id, []))


def _changed_records(record_type: str, name: str, clinic_id: UUID) -> dict[UUID, Any]:
    case_id = "id" if record_type == "case" else "case_id"
    table = _records(name, sa.column("case_id", _ID))
    of_case = sa.column(case_id, _ID).label("of_case")
    shown = (table.c.clinic_id, table.c.id, table.c.version, table.c.created_at)
    statement = sa.select(*shown, table.c.updated_at, table.c.recorded_by_id, of_case).where(
        table.c.clinic_id == clinic_id, table.c.version > 1
    )
    return {_uuid(row.id): row for row in op.get_bind().execute(statement)}


def _entries_about(record_type: str, clinic_id: UUID, wanted: set[UUID]) -> dict[UUID, list[Any]]:
    """Give, for each record, the entries of what counted its version up, in their order."""
    declined = _declined_for_others(clinic_id) if record_type == "consultation" else set()
    told: dict[UUID, list[Any]] = defaultdict(list)
    after = UUID(int=0)
    while True:
        statement = sa.select(_ENTRIES).where(
            _ENTRIES.c.clinic_id == clinic_id,
            _ENTRIES.c.id > after,
            _ENTRIES.c.record_type == record_type,
            sa.not_(_ENTRIES.c.is_read),
        )
        rows = op.get_bind().execute(statement.order_by(_ENTRIES.c.id).limit(BATCH)).all()
        for entry in rows:
            if entry.happening == "records.exported" or _changed_nothing(entry, declined):
                continue
            for record_id in map(UUID, entry.record_ids):
                if record_id in wanted and entry.happening != "case.exported":
                    told[record_id].append(entry)
        if len(rows) < BATCH:
            return told
        after = rows[-1].id


def _changed_nothing(entry: Any, declined: set[tuple[UUID, Any]]) -> bool:
    """Tell of an entry about a consultation that did not count its version up."""
    if entry.happening == "consultation.changed":
        return not entry.changed
    if entry.happening != "consultation.declined":
        return False
    return (UUID(entry.record_ids[0]), entry.at) in declined


def _declined_for_others(clinic_id: UUID) -> set[tuple[UUID, Any]]:
    """Give which requests somebody declined that others still could answer, and when."""
    declines = sa.table(
        "declines",
        sa.column("clinic_id", _ID),
        sa.column("consultation_id", _ID),
        sa.column("created_at", _TIME),
    )
    statement = sa.select(declines).where(declines.c.clinic_id == clinic_id)
    return {
        (_uuid(row.consultation_id), row.created_at) for row in op.get_bind().execute(statement)
    }


def _tell_of(record_type: str, name: str, row: Any, entries: list[Any]) -> None:
    """Keep what is known of a record's earlier versions; of which none is made up."""
    writers = {entry.at: entry.actor_id for entry in entries}
    if len(entries) == row.version:
        versions = [
            (number, entry.at, entry.actor_id, entry.changed or None)
            for number, entry in enumerate(entries[:-1], 1)
        ]
    else:
        versions = [(1, row.created_at, row.recorded_by_id, None)]
    bind = op.get_bind()
    for number, at, by, changed in versions:
        values = {
            "clinic_id": row.clinic_id,
            "id": uuid4(),
            "case_id": row.of_case,
            "record_type": record_type,
            "record_id": row.id,
            "version": number,
            "written_at": at,
            "written_by_id": by,
            "changed": changed,
        }
        bind.execute(_VERSIONS.insert().values(values))
    writer = writers.get(row.updated_at)
    if writer is not None:
        table = _records(name)
        of_row = (table.c.clinic_id == row.clinic_id, table.c.id == row.id)
        bind.execute(table.update().where(*of_row).values(written_by_id=writer))


def _records(name: str, *more: Any) -> Any:
    return sa.table(
        name,
        sa.column("clinic_id", _ID),
        sa.column("id", _ID),
        sa.column("version", sa.Integer()),
        sa.column("created_at", _TIME),
        sa.column("updated_at", _TIME),
        sa.column("recorded_by_id", _ID),
        sa.column("written_by_id", _ID),
        *more,
    )


# ------------------------------------------------ resolutions of flags that are open again

_WORD, _NOTE = sa.String(), sa.Text()
_FLAGS = sa.table(
    "flags",
    sa.column("clinic_id", _ID),
    sa.column("id", _ID),
    sa.column("case_id", _ID),
    sa.column("status", _WORD),
    sa.column("updated_at", _TIME),
    sa.column("determination", _WORD),
    sa.column("resolution_note", _NOTE),
    sa.column("resolved_by_id", _ID),
    sa.column("resolved_at", _TIME),
    sa.column("reopen_reason", _NOTE),
)
_REOPENED = (
    _FLAGS.c.status.in_(("open", "acknowledged")),
    _FLAGS.c.determination.is_not(None),
    _FLAGS.c.resolved_at.is_not(None),
)


def _set_resolutions_aside() -> None:
    """Let what does not stand any more move to the history, sealed for its place there."""
    bind = op.get_bind()
    rows = bind.execute(sa.select(_FLAGS).where(*_REOPENED)).all()
    for row in rows:
        resolution_id = uuid4()
        key = _case_key(_uuid(row.clinic_id), _uuid(row.case_id))
        notes = {
            name: _moved(key, row, name, resolution_id)
            for name in ("resolution_note", "reopen_reason")
        }
        values = {
            "created_at": (row.updated_at, _TIME),
            "updated_at": (row.updated_at, _TIME),
            "version": (1, sa.Integer()),
            "clinic_id": (row.clinic_id, _ID),
            "id": (resolution_id, _ID),
            "case_id": (row.case_id, _ID),
            "flag_id": (row.id, _ID),
            "determination": (row.determination, _WORD),
            "resolved_by_id": (row.resolved_by_id, _ID),
            "resolved_at": (row.resolved_at, _TIME),
            **{name: (note, _NOTE) for name, note in notes.items()},
        }
        table = sa.table(
            "flag_resolutions", *(sa.column(name, kind) for name, (_, kind) in values.items())
        )
        bind.execute(table.insert().values({name: value for name, (value, _) in values.items()}))
        of_row = (_FLAGS.c.clinic_id == row.clinic_id, _FLAGS.c.id == row.id)
        gone = ("determination", "resolution_note", "resolved_by_id", "resolved_at")
        bind.execute(_FLAGS.update().where(*of_row).values(dict.fromkeys(gone)))


# Sealing, as it was when this migration was written: AES-256-GCM, each text bound to its place.


def _moved(key: AESGCM | None, row: Any, name: str, resolution_id: UUID) -> str | None:
    text = getattr(row, name)
    if text is None or key is None:
        return None
    opened = _unwrap([key], text[2:], (row.clinic_id, "flags", name, row.id))
    return "1." + _wrap(key, opened, (row.clinic_id, "flag_resolutions", name, resolution_id))


def _case_key(clinic_id: UUID, case_id: UUID) -> AESGCM | None:
    bind = op.get_bind()
    cases = sa.table(
        "cases", sa.column("clinic_id", _ID), sa.column("id", _ID), sa.column("text_key")
    )
    wrapped = bind.scalar(
        sa.select(cases.c.text_key).where(cases.c.clinic_id == clinic_id, cases.c.id == case_id)
    )
    if not wrapped:
        return None
    place = (clinic_id, "cases", "text_key", case_id)
    return AESGCM(_unwrap(list(_text_keys(clinic_id)), wrapped.partition(".")[2], place))


def _text_keys(clinic_id: UUID) -> Iterator[AESGCM]:
    names = ("purpose", "number", "wrapped", "wrapped_by")
    keys = sa.table("clinic_keys", sa.column("clinic_id", _ID), *map(sa.column, names))
    wrapping = _data_keys()
    statement = sa.select(keys).where(keys.c.clinic_id == clinic_id, keys.c.purpose == "text")
    for row in op.get_bind().execute(statement):
        place = (clinic_id, "clinic_keys", f"text/{row.number}", clinic_id)
        yield AESGCM(_unwrap([wrapping[row.wrapped_by]], row.wrapped, place))


def _data_keys() -> dict[str, AESGCM]:
    written = context.config.attributes.get("data_keys") or os.environ.get("BN_DATA_KEY")
    if not written and (path := os.environ.get("BN_DATA_KEY_FILE")):
        written = Path(path).read_text()
    if not written:
        raise SystemExit("Flags that were opened again stand here: set BN_DATA_KEY to move notes.")
    keys = [
        base64.urlsafe_b64decode(each + "=" * (-len(each) % 4))
        for each in written.replace(",", " ").split()
    ]
    kind = b"boundary-notes key-encryption key\0"
    return {hashlib.sha256(kind + key).hexdigest()[:16]: AESGCM(key) for key in keys}


def _wrap(key: AESGCM, secret: bytes, place: tuple[Any, ...]) -> str:
    nonce = os.urandom(12)
    sealed = nonce + key.encrypt(nonce, secret, "/".join(map(str, place)).encode())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unwrap(keys: list[AESGCM], wrapped: str, place: tuple[Any, ...]) -> bytes:
    sealed = base64.urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4))
    bound = "/".join(map(str, place)).encode()
    for key in keys[:-1]:
        try:
            return key.decrypt(sealed[:12], sealed[12:], bound)
        except InvalidTag:
            continue
    return keys[-1].decrypt(sealed[:12], sealed[12:], bound)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
