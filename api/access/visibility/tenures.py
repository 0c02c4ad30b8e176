"""Who had a case before its present clinician, and what came then: said in SQL of any row."""

from typing import Any

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.storage.models.clinical import CaseTenure

_Tenure = aliased(CaseTenure)


def had_it_before(person: Any, row: Any, instant: Any) -> ColumnElement[bool]:
    """Say in SQL that somebody had the case of a row at an instant or since, and no more."""
    had = exists().where(
        col(_Tenure.clinic_id) == row.clinic_id,
        col(_Tenure.case_id) == row.case_id,
        col(_Tenure.clinician_id) == person,
        col(_Tenure.created_at) > instant,
    )
    return had.correlate_except(_Tenure)
