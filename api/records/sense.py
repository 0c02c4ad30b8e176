"""Refuses days that make no sense."""

from api.domain.errors import Invalid
from api.domain.sense import Days, what_makes_no_sense
from api.storage.transaction import Transaction


def make_sense(tx: Transaction, told: Days, standing: Days | None = None) -> None:
    """Raise 422 for the first day that cannot be.

    `standing` is what a record says already: that is kept, whatever it is, and what is written
    beside it is taken.
    """
    for pointer, why in what_makes_no_sense(told, standing, tx.today):
        raise Invalid(pointer, why)
