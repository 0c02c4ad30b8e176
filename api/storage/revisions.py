"""Which revision of the tables this program expects, read off the migrations without running them.

Alembic makes the tables; a server only asks at which revision they are, and need not load it.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from api.storage.questions import AcrossClinics

_MIGRATIONS = Path(__file__).resolve().parents[2] / "alembic" / "versions"
_NAMED = re.compile(r'^(revision|down_revision) = "(\w+)"$', re.MULTILINE)

_ASKED = sa.text("SELECT version_num FROM alembic_version")
REVISION = AcrossClinics(_ASKED, _ASKED)
"""Asks which revision the tables are at."""


@cache
def head() -> str:
    """Give the revision this program expects the database to be at.

    Raises ValueError where not exactly one migration is the last.
    """
    return last_of(path.read_text() for path in _MIGRATIONS.glob("*.py"))


def last_of(migrations: Iterable[str]) -> str:
    """Give the revision that no other of these migrations follows. Raises ValueError as above."""
    named: list[tuple[str, str]] = [pair for each in migrations for pair in _NAMED.findall(each)]
    followed = {name for word, name in named if word == "down_revision"}
    (last,) = {name for word, name in named if word == "revision"} - followed
    return last
