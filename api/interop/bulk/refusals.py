"""Why a line is not taken."""

from typing import NamedTuple


class Refused(NamedTuple):
    """Why a line is not taken; it repeats nothing of the line."""

    pointer: str
    message: str


class NotTaken(Exception):
    """A line is refused."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__()
        self.refused = Refused(pointer, message)
