"""Which revision a server expects: read off the migrations, and the same that Alembic finds."""

import pytest
from alembic.script import ScriptDirectory

from api.storage import migrations, revisions

FIRST = 'revision = "0001"\ndown_revision = None\n'
SECOND = 'revision = "0002"\ndown_revision = "0001"\n'


def test_a_server_expects_what_alembic_brings_a_database_to() -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    assert revisions.head() == scripts.get_current_head()


def test_the_last_migration_is_the_one_that_none_follows() -> None:
    assert revisions.last_of([SECOND, FIRST]) == "0002"


def test_two_that_are_last_and_none_at_all_are_not_guessed_at() -> None:
    for written in ([FIRST, SECOND, SECOND.replace("0002", "0003")], []):
        with pytest.raises(ValueError, match="values to unpack"):
            revisions.last_of(written)
