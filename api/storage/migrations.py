"""Which tables this program expects, and how a database comes to them."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from api.storage.transaction import AcrossClinics

_ROOT = Path(__file__).resolve().parents[2]

_ASKED = sa.text("SELECT version_num FROM alembic_version")
REVISION = AcrossClinics(_ASKED, _ASKED)
"""Asks which revision the tables are at."""


def config() -> Config:
    """Give Alembic's configuration, wherever the process was started."""
    made = Config(_ROOT / "alembic.ini")
    made.set_main_option("script_location", str(_ROOT / "alembic"))
    return made


def migrate(url: str) -> None:
    """Bring a database's tables up to date."""
    chosen = config()
    chosen.attributes["url"] = url
    command.upgrade(chosen, "head")


def revisions() -> frozenset[str]:
    """Give every revision of the tables that this program can bring up to date."""
    scripts = ScriptDirectory.from_config(config())
    return frozenset(script.revision for script in scripts.walk_revisions())


@cache
def head() -> str:
    """Give the revision this program expects the database to be at."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""
