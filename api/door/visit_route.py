"""How a request at a client's door is read: strictly, and without a key of its own."""

from api.http.strict_route import StrictRoute


class VisitRoute(StrictRoute):
    """A route of a client's door: a key is kept with who sent it, and there nobody is known."""

    takes_no_key = "A key is kept with who sent it, and at a door nobody is known; it takes none."
