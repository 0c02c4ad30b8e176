"""What somebody finds behind the door, for the top of each page."""

from api.desk.marked import N_
from api.desk.navigation import Place

ENTRY, INSIDE, SAY, MINE = "/door", "/door/in", "/door/say", "/door/mine"
LOOK_BACK = "/door/look-back"
WHO_READS, LEAVE = "/door/who-reads", "/door/leave"

PLACES = (
    Place(INSIDE, N_("Start")),
    Place(SAY, N_("Say what happened")),
    Place(LOOK_BACK, N_("Look back")),
    Place(MINE, N_("What I sent")),
    Place(WHO_READS, N_("Who reads it")),
)
"""In the order in which they are shown; leaving is a button beside them."""


def places_where(*, is_asked: bool) -> list[Place]:
    """Give the pages that somebody has at hand; `is_asked`: they may look back by one of them."""
    return [place for place in PLACES if is_asked or place.path != LOOK_BACK]
