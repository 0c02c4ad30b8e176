"""Copies of cases: that they were given, to whom and what for, and the documents as given."""

from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field

from api.storage.models.columns import Record, points_at, sealed_text, short_text


class Disclosure(Record, table=True):
    """What of a case was given to whom, when and what for (45 CFR 164.528).

    `is_kept`: the document is kept, as it was given, in a `DisclosedDocument`. `restricted`: it
    holds what the client said at their door, and is hidden from the case's clinician as that is.
    """

    __tablename__ = "disclosures"
    noun: ClassVar[str] = "disclosure"
    __table_args__ = (points_at("case_id", "cases"), Index(None, "clinic_id", "case_id", "id"))

    case_id: UUID
    recipient: str = short_text(40)
    purpose: str = short_text(40)
    form: str = short_text(40)
    is_kept: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    restricted: bool = False


class DisclosedDocument(Record, table=True):
    """The copy of a case as it was given: a `CaseCopy` as JSON. Its page is written from it."""

    __tablename__ = "disclosed_documents"
    __table_args__ = (
        points_at("case_id", "cases"),
        points_at("disclosure_id", "disclosures"),
        sa.UniqueConstraint("clinic_id", "disclosure_id"),
        Index(None, "clinic_id", "case_id"),
    )

    case_id: UUID
    disclosure_id: UUID
    document: str | None = sealed_text()
