"""Rows that are only shown have all that may be shown of them."""

from typing import Any

import pytest
from pydantic import BaseModel

from api.records.incidents_shown import IncidentRead
from api.records.promises_shown import PromiseRead
from api.records.read_models import CaseFields, FlagRead
from api.storage.models.clinical import Case, Incident, Promise
from api.storage.models.flags import Flag
from api.storage.plain_rows import columns_of, names_of, plain_row


@pytest.mark.parametrize(
    ("model", "shown"),
    [(Case, CaseFields), (Incident, IncidentRead), (Promise, PromiseRead), (Flag, FlagRead)],
)
def test_they_have_each_field_that_is_shown(model: Any, shown: type[BaseModel]) -> None:
    names = names_of(model)
    assert set(shown.model_fields) <= set(names)
    assert len(columns_of(model, withheld=False)) == len(names)
    row = plain_row(model, range(len(names) + 2))
    assert [getattr(row, name) for name in names] == list(range(len(names)))
    assert row.noun == model.noun


def test_they_are_not_taken_for_rows_that_have_everything() -> None:
    row = plain_row(Case, range(100))
    assert "client_ref_hash" in Case.model_fields
    with pytest.raises(AttributeError):
        _ = row.client_ref_hash
