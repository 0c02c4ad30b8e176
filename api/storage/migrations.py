"""How a database comes to the tables that this program expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_ROOT = Path(__file__).resolve().parents[2]


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
