"""one text.

References and addresses that stand in another Unicode form are spelled as they are looked for from
now on, and no clinic lives by a time zone that only some servers know. Revision 0010, after 0009.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import combining, normalize
from uuid import UUID

import sqlalchemy as sa
from alembic import context, op
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BATCH = 1_000
LONGEST, LONGEST_ADDRESS = 200, 254
MOST_MARKS = 30

CLINICS = sa.table("clinics", sa.column("id", sa.Uuid()), sa.column("time_zone", sa.String()))
USERS = sa.table(
    "users",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("email", sa.String()),
)
KEYS = sa.table(
    "clinic_keys",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("purpose", sa.String()),
    sa.column("number", sa.Integer()),
    sa.column("wrapped", sa.String()),
    sa.column("wrapped_by", sa.String()),
)
CASES = sa.table(
    "cases",
    sa.column("clinic_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("client_ref", sa.Text()),
    sa.column("client_ref_hash", sa.String()),
    sa.column("started_on", sa.Date()),
    sa.column("text_key", sa.String()),
    sa.column("voided_at", sa.DateTime(timezone=True)),
)
OF_NO_PLACE = ("localtime", "Factory")
"""Names that some systems have for what was never set, or for themselves: most are on UTC."""


def upgrade() -> None:
    """Go forward."""
    connection = op.get_bind()
    nowhere = CLINICS.c.time_zone.in_(OF_NO_PLACE)
    connection.execute(CLINICS.update().where(nowhere).values(time_zone="UTC"))
    _spell_addresses()
    with_cases = connection.execute(sa.select(CASES.c.clinic_id).distinct()).scalars().all()
    for clinic_id in with_cases:
        _spell_references(clinic_id)


def downgrade() -> None:
    """Go back: what is spelled in one form is found as it was."""


def _spell_addresses() -> None:
    connection = op.get_bind()
    people = connection.execute(sa.select(USERS)).all()
    taken = {(each.clinic_id, each.email) for each in people}
    for each in people:
        spelled = _address(each.email)
        if spelled == each.email:
            continue
        if (each.clinic_id, spelled) in taken:
            raise SystemExit(
                f"User {each.id} of clinic {each.clinic_id} signs in with an address that another "
                "user has in another Unicode form. Give one of them another address, and migrate."
            )
        taken.add((each.clinic_id, spelled))
        of_row = (USERS.c.clinic_id == each.clinic_id, USERS.c.id == each.id)
        connection.execute(USERS.update().where(*of_row).values(email=spelled))


def _spell_references(clinic_id: UUID) -> None:
    """Spell the references of a clinic.

    Where two open cases would have one reference and one start then, the later one stays as it is,
    and so does one that would be too long: they are found in the form that they have.
    """
    connection = op.get_bind()
    texts, lookup = _keys_of(clinic_id)
    for case in _cases_of(clinic_id):
        place = (clinic_id, "cases", "text_key", case.id)
        key = _unwrap(texts, case.text_key.partition(".")[2], place)
        place = (clinic_id, "cases", "client_ref", case.id)
        reference = _unwrap([key], case.client_ref[2:], place).decode()
        spelled = _in_one_form(reference)
        hashed = hmac.new(lookup, spelled.encode(), hashlib.sha256).hexdigest()
        if spelled != reference and len(spelled) <= LONGEST and not _is_taken(case, hashed):
            values = {
                "client_ref": "1." + _wrap(AESGCM(key), spelled.encode(), place),
                "client_ref_hash": hashed,
            }
            of_row = (CASES.c.clinic_id == clinic_id, CASES.c.id == case.id)
            connection.execute(CASES.update().where(*of_row).values(values))


def _is_taken(case: Any, hashed: str) -> bool:
    if case.voided_at is not None:
        return False
    same = sa.select(CASES.c.id).where(
        CASES.c.clinic_id == case.clinic_id,
        CASES.c.client_ref_hash == hashed,
        CASES.c.started_on.is_not_distinct_from(case.started_on),
        CASES.c.voided_at.is_(None),
    )
    return op.get_bind().execute(same).first() is not None


def _cases_of(clinic_id: UUID) -> Iterator[Any]:
    """Give the cases of a clinic whose texts stand, a batch at a time."""
    after = UUID(int=0)
    while True:
        wanted = sa.select(CASES).where(
            CASES.c.clinic_id == clinic_id, CASES.c.text_key.is_not(None), CASES.c.id > after
        )
        rows = op.get_bind().execute(wanted.order_by(CASES.c.id).limit(BATCH)).all()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def _keys_of(clinic_id: UUID) -> tuple[list[bytes], bytes]:
    """Give the keys that wrap cases' keys, the newest first, and the one that finds references."""
    wrapping = _data_keys()
    found: dict[str, list[bytes]] = {"text": [], "lookup": []}
    of_clinic = sa.select(KEYS).where(KEYS.c.clinic_id == clinic_id, KEYS.c.purpose.in_(found))
    for row in op.get_bind().execute(of_clinic.order_by(KEYS.c.number.desc())):
        if row.wrapped_by not in wrapping:
            raise SystemExit(f"BN_DATA_KEY lacks the key {row.wrapped_by}, which is in use.")
        place = (clinic_id, "clinic_keys", f"{row.purpose}/{row.number}", clinic_id)
        found[row.purpose].append(_unwrap([wrapping[row.wrapped_by]], row.wrapped, place))
    return found["text"], found["lookup"][0]


def _data_keys() -> dict[str, bytes]:
    written = context.config.attributes.get("data_keys") or os.environ.get("BN_DATA_KEY")
    if not written and (path := os.environ.get("BN_DATA_KEY_FILE")):
        written = Path(path).read_text()
    if not written:
        raise SystemExit("Cases stand in this database: set BN_DATA_KEY to read their references.")
    keys = [
        base64.urlsafe_b64decode(each + "=" * (-len(each) % 4))
        for each in written.replace(",", " ").split()
    ]
    kind = b"boundary-notes key-encryption key\0"
    return {hashlib.sha256(kind + key).hexdigest()[:16]: key for key in keys}


def _wrap(key: AESGCM, secret: bytes, place: tuple[Any, ...]) -> str:
    nonce = os.urandom(12)
    sealed = nonce + key.encrypt(nonce, secret, _bound_to(place))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unwrap(keys: list[bytes], wrapped: str, place: tuple[Any, ...]) -> bytes:
    sealed = base64.urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4))
    for key in keys[:-1]:
        try:
            return AESGCM(key).decrypt(sealed[:12], sealed[12:], _bound_to(place))
        except InvalidTag:
            continue
    return AESGCM(keys[-1]).decrypt(sealed[:12], sealed[12:], _bound_to(place))


def _bound_to(place: tuple[Any, ...]) -> bytes:
    return "/".join(map(str, place)).encode()


def _address(text: str) -> str:
    spelled = _in_one_form(_in_one_form(text).lower())
    return spelled if len(spelled) <= LONGEST_ADDRESS else text


def _in_one_form(text: str) -> str:
    """Bring a text into form NFC; one with more marks on a letter than any has stays as it is."""
    marks = 0
    for is_mark in map(bool, map(combining, text)):
        marks = marks + 1 if is_mark else 0
        if marks > MOST_MARKS:
            return text
    return normalize("NFC", text)
