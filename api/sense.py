"""Dates that make sense together."""

from datetime import date

from api.db import Transaction
from api.errors import Invalid

AFTER_TODAY = "What has happened cannot be dated after today, as the clinic's time zone has it."
OUT_OF_ORDER = "This lies before what it follows; put right whichever of the two is wrong."


def not_ahead(tx: Transaction, pointer: str, day: date | None) -> None:
    """Refuse a day that lies after today in the clinic, for something that has happened."""
    if day is not None and day > tx.today:
        raise Invalid(pointer, AFTER_TODAY)


def in_order(pointer: str, earlier: date | None, later: date | None) -> None:
    """Refuse an end, or an answer, that comes before its beginning."""
    if earlier is not None and later is not None and later < earlier:
        raise Invalid(pointer, OUT_OF_ORDER)
