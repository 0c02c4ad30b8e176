"""The tables as the plain apps see them: texts are kept as they come, and shown as they are."""

import sqlalchemy as sa
from sqlmodel import SQLModel

from api.storage.models.clinical import Case, Incident
from api.storage.models.columns import SealedText
from api.storage.models.people import User

for model in (Case, Incident, User):
    for column in SQLModel.metadata.tables[str(model.__tablename__)].columns:
        if isinstance(column.type, SealedText):
            column.type = sa.Text()

__all__ = ["Case", "Incident", "User"]
