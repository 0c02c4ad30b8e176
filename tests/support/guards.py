"""What says in SQL whom a record exists for, taken away: the guards in Python are left."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from api.access import case_relationship, due_cases, guards
from api.access.visibility import named


@contextmanager
def unwalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Load what is hidden, too."""
    with made_anew(), monkeypatch.context() as patch:
        patch.setattr(guards, "existing_record", lambda *_: sa.true())
        patch.setattr(case_relationship, "existing_case", lambda *_: sa.true())
        yield


@contextmanager
def made_anew() -> Iterator[None]:
    """Let the guards make their statements anew, before and after."""
    made_once = (
        guards._one_record,
        named._seen,
        due_cases._is_any_due,
        case_relationship._case_to_change,
        case_relationship._case_to_read,
    )
    for each in made_once:
        each.cache_clear()
    try:
        yield
    finally:
        for each in made_once:
            each.cache_clear()
