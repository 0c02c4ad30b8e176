"""a record that cannot be lost.

Revision 0003, after 0002.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from alembic import context, op
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NEW_TABLES = (
    "clinic_keys",
    "notes",
    "cosignatures",
    "disclosures",
    "legal_holds",
    "repeatable_requests",
    "seal_heads",
    "seal_leaves",
)
SEALED = (
    # table, its sealed columns, and the column that names the case
    ("cases", ("client_ref", "transfer_reason"), "id"),
    ("incidents", ("rationale", "narrative", "sealed_detail", "review_note"), "case_id"),
    ("promises", ("wording",), "case_id"),
    ("consultations", ("question", "summary", "reason", "advice", "response_reason"), "case_id"),
    ("declines", ("reason",), "case_id"),
    ("access_grants", ("reason", "review_note"), "case_id"),
    ("flags", ("resolution_note", "reopen_reason"), "case_id"),
    ("users", ("totp_secret",), None),
)
BATCH = 1_000


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "seal_heads",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("floor_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "number", name=op.f("pk_seal_heads")),
    )
    op.create_table(
        "seal_leaves",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("head_number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "entry_id", name=op.f("pk_seal_leaves")),
        sa.UniqueConstraint(
            "clinic_id",
            "head_number",
            "position",
            name=op.f("uq_seal_leaves_clinic_id_head_number_position"),
        ),
    )
    op.create_table(
        "clinic_keys",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.String(length=200), nullable=False),
        sa.Column("wrapped_by", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_clinic_keys_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_clinic_keys")),
        sa.UniqueConstraint(
            "clinic_id", "purpose", "number", name=op.f("uq_clinic_keys_clinic_id_purpose_number")
        ),
    )
    op.create_table(
        "repeatable_requests",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("record_type", sa.String(length=40), nullable=True),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column(
            "flag_ids",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name=op.f("fk_repeatable_requests_clinic_id_clinics")
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_repeatable_requests")),
        sa.UniqueConstraint(
            "clinic_id",
            "recorded_by_id",
            "key_hash",
            name=op.f("uq_repeatable_requests_clinic_id_recorded_by_id_key_hash"),
        ),
    )
    op.create_table(
        "disclosures",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("form", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_disclosures_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_disclosures")),
    )
    with op.batch_alter_table("disclosures", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_disclosures_clinic_id_case_id_id"),
            ["clinic_id", "case_id", "id"],
            unique=False,
        )

    op.create_table(
        "legal_holds",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_legal_holds_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_legal_holds")),
    )
    with op.batch_alter_table("legal_holds", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_legal_holds_clinic_id_case_id_id"),
            ["clinic_id", "case_id", "id"],
            unique=False,
        )

    op.create_table(
        "notes",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.String(length=40), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("note_class", sa.String(length=40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amends_id", sa.Uuid(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("content_salt", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "amends_id"],
            ["notes.clinic_id", "notes.id"],
            name=op.f("fk_notes_clinic_id_amends_id_notes"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "case_id"],
            ["cases.clinic_id", "cases.id"],
            name=op.f("fk_notes_clinic_id_case_id_cases"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_notes")),
    )
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notes_clinic_id_amends_id"), ["clinic_id", "amends_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_notes_clinic_id_case_id_id"),
            ["clinic_id", "case_id", "id"],
            unique=False,
        )

    op.create_table(
        "cosignatures",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=True),
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "note_id"],
            ["notes.clinic_id", "notes.id"],
            name=op.f("fk_cosignatures_clinic_id_note_id_notes"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_cosignatures")),
        sa.UniqueConstraint(
            "clinic_id",
            "note_id",
            "recorded_by_id",
            name=op.f("uq_cosignatures_clinic_id_note_id_recorded_by_id"),
        ),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("client_ref_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("text_key", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index(batch_op.f("uq_cases_clinic_id_client_ref_started_on"))

    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retention_years", sa.Integer(), nullable=True))

    with op.batch_alter_table("declines", schema=None) as batch_op:
        batch_op.add_column(sa.Column("case_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE declines SET case_id = (SELECT c.case_id FROM consultations c "
        "WHERE c.clinic_id = declines.clinic_id AND c.id = declines.consultation_id)"
    )
    with op.batch_alter_table("declines", schema=None) as batch_op:
        batch_op.alter_column("case_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_declines_clinic_id_case_id_cases"),
            "cases",
            ["clinic_id", "case_id"],
            ["clinic_id", "id"],
        )

    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("is_read", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("purpose", sa.String(length=40), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_journal_entries_clinic_id_actor_id_id"),
            ["clinic_id", "actor_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_journal_entries_clinic_id_at"), ["clinic_id", "at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_journal_entries_clinic_id_happening_id"),
            ["clinic_id", "happening", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_journal_entries_what_happened",
            ["clinic_id", "case_id", "id"],
            unique=False,
            postgresql_where=sa.text("NOT is_read"),
            sqlite_where=sa.text("NOT is_read"),
        )

    if op.get_bind().dialect.name == "postgresql":
        _build_wall()
    _refuse_changes_of_signed_notes()
    _seal_what_stands()
    # only now do cases have the hash that the index is about
    op.create_index(
        "uq_cases_clinic_id_client_ref_hash_started_on",
        "cases",
        ["clinic_id", "client_ref_hash", sa.literal_column("coalesce(started_on, '0001-01-01')")],
        unique=True,
        postgresql_where=sa.text("voided_at IS NULL"),
        sqlite_where=sa.text("voided_at IS NULL"),
    )


def downgrade() -> None:
    """Go back: texts are written out again, and notes are lost."""
    op.drop_index("uq_cases_clinic_id_client_ref_hash_started_on", "cases")
    _open_what_is_sealed()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION data_key_names()")
        op.execute("DROP FUNCTION clinics_with_unsealed_entries()")
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_journal_entries_what_happened",
            postgresql_where=sa.text("NOT is_read"),
            sqlite_where=sa.text("NOT is_read"),
        )
        batch_op.drop_index(batch_op.f("ix_journal_entries_clinic_id_happening_id"))
        batch_op.drop_index(batch_op.f("ix_journal_entries_clinic_id_at"))
        batch_op.drop_index(batch_op.f("ix_journal_entries_clinic_id_actor_id_id"))
        batch_op.drop_column("purpose")
        batch_op.drop_column("is_read")

    with op.batch_alter_table("declines", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_declines_clinic_id_case_id_cases"), type_="foreignkey"
        )
        batch_op.drop_column("case_id")

    with op.batch_alter_table("clinics", schema=None) as batch_op:
        batch_op.drop_column("retention_years")

    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_column("purged_at")
        batch_op.drop_column("text_key")
        batch_op.drop_column("client_ref_hash")
    op.create_index(
        op.f("uq_cases_clinic_id_client_ref_started_on"),
        "cases",
        ["clinic_id", "client_ref", sa.literal_column("coalesce(started_on, '0001-01-01')")],
        unique=True,
        postgresql_where=sa.text("voided_at IS NULL"),
        sqlite_where=sa.text("voided_at IS NULL"),
    )

    op.drop_table("cosignatures")
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notes_clinic_id_case_id_id"))
        batch_op.drop_index(batch_op.f("ix_notes_clinic_id_amends_id"))

    op.drop_table("notes")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_signed_note()")
    with op.batch_alter_table("legal_holds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_legal_holds_clinic_id_case_id_id"))

    op.drop_table("legal_holds")
    with op.batch_alter_table("disclosures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_disclosures_clinic_id_case_id_id"))

    op.drop_table("disclosures")
    op.drop_table("repeatable_requests")
    op.drop_table("clinic_keys")
    op.drop_table("seal_leaves")
    op.drop_table("seal_heads")


def _build_wall() -> None:
    """Let each role but the owner see and write rows of the clinic it has entered only."""
    inside = "clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid"
    for table in NEW_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic_wall ON {table} USING ({inside}) WITH CHECK ({inside})")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for name, result, body in (
        (
            "data_key_names()",
            "TABLE (name text)",
            "SELECT DISTINCT k.wrapped_by FROM {0}.clinic_keys k",
        ),
        (
            "clinics_with_unsealed_entries()",
            "TABLE (id uuid)",
            "SELECT c.id FROM {0}.clinics c WHERE EXISTS (SELECT FROM {0}.journal_entries e "
            "WHERE e.clinic_id = c.id AND e.id >= coalesce((SELECT h.floor_id FROM "
            "{0}.seal_heads h WHERE h.clinic_id = c.id ORDER BY h.number DESC LIMIT 1), "
            "'00000000-0000-0000-0000-000000000000') AND NOT EXISTS (SELECT FROM "
            "{0}.seal_leaves l WHERE l.clinic_id = e.clinic_id AND l.entry_id = e.id))",
        ),
    ):
        op.execute(
            f"CREATE FUNCTION {name} RETURNS {result} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $$ {body.format(schema)} $$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _refuse_changes_of_signed_notes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change_of_signed_note() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'a signed note does not change'; END $$"
        )
        op.execute(
            "CREATE TRIGGER signed_notes_stand BEFORE UPDATE OR DELETE ON notes FOR EACH ROW "
            "WHEN (old.status = 'signed') EXECUTE FUNCTION refuse_change_of_signed_note()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER signed_notes_stand_{change.lower()} BEFORE {change} ON notes "
            "WHEN old.status = 'signed' "
            "BEGIN SELECT RAISE(ABORT, 'a signed note does not change'); END"
        )


# Sealing, as it was when this migration was written: AES-256-GCM, each text bound to its place.


def _seal_what_stands() -> None:
    clinics = [row.id for row in op.get_bind().execute(sa.text("SELECT id FROM clinics"))]
    if not clinics:
        return
    name, wrapping = next(iter(_data_keys().items()))
    for clinic_id in map(_uuid, clinics):
        keys = {purpose: os.urandom(32) for purpose in ("text", "lookup", "seal")}
        for purpose, key in keys.items():
            place = (clinic_id, "clinic_keys", f"{purpose}/1", clinic_id)
            _keep_clinic_key(clinic_id, purpose, _wrap(wrapping, key, place), name)
        case_keys = {}
        for case in _rows("cases", ("client_ref",), clinic_id):
            case_id = _uuid(case.id)
            case_keys[case_id] = os.urandom(32)
            place = (clinic_id, "cases", "text_key", case_id)
            wrapped = "1." + _wrap(AESGCM(keys["text"]), case_keys[case_id], place)
            hashed = hmac.new(keys["lookup"], case.client_ref.encode(), hashlib.sha256)
            _update("cases", case, {"text_key": wrapped, "client_ref_hash": hashed.hexdigest()})
        for table, columns, of_case in SEALED:
            for row in _rows(table, columns, clinic_id, of_case):
                key = AESGCM(case_keys[_uuid(row.case_of)] if of_case else keys["text"])
                texts = {
                    column: "1." + _wrap(key, text.encode(), (clinic_id, table, column, row.id))
                    for column in columns
                    if (text := getattr(row, column)) is not None
                }
                _update(table, row, texts)


def _open_what_is_sealed() -> None:
    clinics = [row.id for row in op.get_bind().execute(sa.text("SELECT id FROM clinics"))]
    if not clinics:
        return
    wrapping = _data_keys()
    for clinic_id in map(_uuid, clinics):
        text_keys = []
        for row in _rows("clinic_keys", ("purpose", "number", "wrapped", "wrapped_by"), clinic_id):
            if row.purpose == "text":
                place = (clinic_id, "clinic_keys", f"text/{row.number}", clinic_id)
                text_keys.append(AESGCM(_unwrap([wrapping[row.wrapped_by]], row.wrapped, place)))
        case_keys: dict[UUID, list[AESGCM]] = {}
        for case in _rows("cases", ("text_key",), clinic_id):
            place = (clinic_id, "cases", "text_key", _uuid(case.id))
            wrapped = (case.text_key or "").partition(".")[2]
            case_keys[_uuid(case.id)] = (
                [AESGCM(_unwrap(text_keys, wrapped, place))] if wrapped else []
            )
        for table, columns, of_case in SEALED:
            for row in _rows(table, columns, clinic_id, of_case):
                keys = case_keys[_uuid(row.case_of)] if of_case else text_keys
                texts = {
                    column: _unwrap(keys, text[2:], (clinic_id, table, column, row.id)).decode()
                    if keys
                    else f"purged {row.id}"
                    for column in columns
                    if (text := getattr(row, column)) is not None
                }
                _update(table, row, texts)


def _data_keys() -> dict[str, AESGCM]:
    written = context.config.attributes.get("data_keys") or os.environ.get("BN_DATA_KEY")
    if not written and (path := os.environ.get("BN_DATA_KEY_FILE")):
        written = Path(path).read_text()
    if not written:
        raise SystemExit("Records stand in this database: set BN_DATA_KEY to seal or open them.")
    keys = [
        base64.urlsafe_b64decode(each + "=" * (-len(each) % 4))
        for each in written.replace(",", " ").split()
    ]
    kind = b"boundary-notes key-encryption key\0"
    return {hashlib.sha256(kind + key).hexdigest()[:16]: AESGCM(key) for key in keys}


def _rows(
    table: str, columns: tuple[str, ...], clinic_id: UUID, of_case: str | None = None
) -> Iterator[Any]:
    """Give the rows of a clinic, a batch at a time."""
    named = [sa.column(name) for name in columns]
    kept = sa.table(table, sa.column("clinic_id", sa.Uuid()), sa.column("id", sa.Uuid()), *named)
    shown = [kept.c.clinic_id, kept.c.id, *(kept.c[name] for name in columns)]
    if of_case is not None:
        shown.append(sa.literal_column(of_case, sa.Uuid()).label("case_of"))
    after = UUID(int=0)
    while True:
        wanted = sa.select(*shown).where(kept.c.clinic_id == clinic_id, kept.c.id > after)
        rows = op.get_bind().execute(wanted.order_by(kept.c.id).limit(BATCH)).all()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def _update(table: str, row: Any, values: dict[str, str]) -> None:
    if values:
        named = [sa.column(name) for name in values]
        kept = sa.table(
            table, sa.column("clinic_id", sa.Uuid()), sa.column("id", sa.Uuid()), *named
        )
        of_row = (kept.c.clinic_id == row.clinic_id, kept.c.id == row.id)
        op.get_bind().execute(kept.update().where(*of_row).values(values))


def _keep_clinic_key(clinic_id: UUID, purpose: str, wrapped: str, wrapped_by: str) -> None:
    now = datetime.now(UTC)
    columns = {
        "clinic_id": (clinic_id, sa.Uuid()),
        "id": (uuid4(), sa.Uuid()),
        "purpose": (purpose, sa.String()),
        "number": (1, sa.Integer()),
        "wrapped": (wrapped, sa.String()),
        "wrapped_by": (wrapped_by, sa.String()),
        "created_at": (now, sa.DateTime(timezone=True)),
        "updated_at": (now, sa.DateTime(timezone=True)),
        "version": (1, sa.Integer()),
    }
    kept = sa.table("clinic_keys", *(sa.column(name, kind) for name, (_, kind) in columns.items()))
    values = {name: value for name, (value, _) in columns.items()}
    op.get_bind().execute(kept.insert().values(values))


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
