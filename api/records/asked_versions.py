"""Finds what was asked: one version of a questionnaire, a clinic's own or what each has."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select

from api.domain.look_back import LOOK_BACK_ID, NEWEST, look_back
from api.domain.questionnaires import QuestionnaireBody
from api.storage.models.door import Questionnaire, Response
from api.storage.transaction import Transaction


class AskedVersion(NamedTuple):
    """One version of a questionnaire; nobody made what every clinic has."""

    questionnaire_id: UUID
    number: int
    body: QuestionnaireBody
    created_at: datetime | None = None
    recorded_by_id: UUID | None = None
    retired_at: datetime | None = None


async def questionnaire_rows(
    tx: Transaction, ids: Collection[UUID] | None = None
) -> list[Questionnaire]:
    """Give every version of a clinic's questionnaires, by default of all, the newest last."""
    statement = select(Questionnaire).where(Questionnaire.clinic_id == tx.clinic.id)
    if ids is not None:
        statement = statement.where(col(Questionnaire.questionnaire_id).in_(ids))
    order = col(Questionnaire.questionnaire_id), col(Questionnaire.number)
    return list(await tx.exec(statement.order_by(*order)))


async def find_version(
    tx: Transaction, questionnaire_id: UUID, number: int | None = None
) -> AskedVersion | None:
    """Find a version, by default the newest, whether or not it is still asked."""
    return version_among(await questionnaire_rows(tx, [questionnaire_id]), questionnaire_id, number)


def version_among(
    all_rows: Iterable[Questionnaire], questionnaire_id: UUID, number: int | None = None
) -> AskedVersion | None:
    """Find a version among all that a clinic has, and what every clinic has."""
    rows = [row for row in all_rows if row.questionnaire_id == questionnaire_id]
    if questionnaire_id == LOOK_BACK_ID:
        if number is not None and not 0 < number <= NEWEST:
            return None
        return ours(number or NEWEST, rows[0].retired_at if rows else None)
    wanted = [row for row in rows if number is None or row.number == number]
    return version_of(wanted[-1]) if wanted else None


def version_of(row: Questionnaire) -> AskedVersion:
    """Read a version of a clinic's own."""
    return AskedVersion(
        row.questionnaire_id,
        row.number,
        QuestionnaireBody.model_validate(row.content),
        row.created_at,
        row.recorded_by_id,
        row.retired_at,
    )


def ours(number: int = NEWEST, retired_at: datetime | None = None) -> AskedVersion:
    """Give a version of what every clinic has; `retired_at`: a clinic asks it no more."""
    return AskedVersion(LOOK_BACK_ID, number, look_back(number), retired_at=retired_at)


def version_answered(row: Response, all_rows: Iterable[Questionnaire]) -> AskedVersion:
    """Give the version that was answered: none ever goes."""
    asked = version_among(all_rows, row.questionnaire_id, row.number)
    if asked is None:
        raise RuntimeError("a version of a questionnaire is gone")
    return asked


def answers_of(row: Response) -> Mapping[str, Any]:
    """Give all that was answered, by item; without what was destroyed."""
    felt = {} if row.sealed_answers is None else json.loads(row.sealed_answers)
    return {**row.frame_answers, **felt}
