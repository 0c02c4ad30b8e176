"""Every table can be distributed by clinic, and the page that says how names them all."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

import api.storage.models  # noqa: F401 - fills the metadata
from api.commands.runtime_role import FUNCTIONS
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "citus.md").read_text()


def key_of(table: sa.Table) -> str:
    """Name the column that a table is distributed by."""
    return "id" if table.name == "clinics" else "clinic_id"


def obstacles(metadata: sa.MetaData) -> Iterator[str]:
    """Name what would keep a table from being distributed by clinic, beside all others."""
    for table in metadata.tables.values():
        key = key_of(table)
        if key not in table.c:
            yield f"{table.name} has no {key}"
            continue
        if not isinstance(table.c[key].type, sa.Uuid):
            yield f"{table.name} is distributed by another type"
        if next(iter(table.primary_key.columns)).name != key:
            yield f"the primary key of {table.name}"
        unique: list[sa.UniqueConstraint | sa.Index] = [
            *(each for each in table.constraints if isinstance(each, sa.UniqueConstraint)),
            *(each for each in table.indexes if each.unique),
        ]
        yield from (f"{each.name}" for each in unique if key not in each.columns)
        for each in table.foreign_key_constraints:
            pairs = {(pair.parent.name, pair.column.name) for pair in each.elements}
            if (key, key_of(each.referred_table)) not in pairs:
                yield f"{each.name}"


def test_every_key_holds_the_clinic() -> None:
    assert list(obstacles(SQLModel.metadata)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        sa.UniqueConstraint("name"),
        sa.Index("one", "name", unique=True),
        sa.ForeignKeyConstraint(["other"], ["clinics.id"]),
        sa.PrimaryKeyConstraint("other", "clinic_id"),
    ],
)
def test_a_key_without_it_is_found(wrong: sa.Constraint | sa.Index) -> None:
    metadata = sa.MetaData()
    sa.Table("clinics", metadata, sa.Column("id", sa.Uuid, primary_key=True))
    sa.Table(
        "things",
        metadata,
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("other", sa.Uuid),
        sa.Column("name", sa.Text),
        wrong,
        *([] if isinstance(wrong, sa.PrimaryKeyConstraint) else [_primary_key()]),
    )
    assert len(list(obstacles(metadata))) == 1


def _primary_key() -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("clinic_id", "other")


def calls() -> list[str]:
    """Write the calls that distribute every table, each after those it points at."""
    clinics, *others = SQLModel.metadata.sorted_tables
    assert clinics.name == "clinics"
    return ["SELECT create_distributed_table('clinics', 'id');"] + [
        f"SELECT create_distributed_table('{each.name}', 'clinic_id', colocate_with => 'clinics');"
        for each in others
    ]


def test_the_page_distributes_every_table_in_an_order_that_works() -> None:
    written = re.findall(r"^SELECT create_distributed_table\(.*$", PAGE, re.MULTILINE)
    assert sorted(written) == sorted(calls()), "\n".join(calls())
    order = [re.findall(r"'(\w+)'", each)[0] for each in written]
    for table in SQLModel.metadata.tables.values():
        for foreign in table.foreign_key_constraints:
            there = foreign.referred_table.name
            assert order.index(there) <= order.index(table.name), (table.name, there)


def test_the_page_names_every_question_that_is_asked_across_clinics() -> None:
    assert [each for each in FUNCTIONS if f"`{each.partition('(')[0]}`" not in PAGE] == []
