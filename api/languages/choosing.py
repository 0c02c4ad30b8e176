"""Which language somebody reads: as this request asks, as they like, as their clinic does."""

from collections.abc import Iterable, Iterator, Sequence

from api.languages.spoken import IN_ENGLISH, KNOWN

Asked = Sequence[tuple[str, float]]
"""What `Accept-Language` holds: ranges in small letters, with their weights (RFC 9110, 12.5.4)."""

ANY = "*"


def choose(asked: Asked, *wishes: str | None) -> str:
    """Give the code of the language to answer in.

    The best of what is asked for comes first; then `wishes`, in their order; then English. `*` asks
    for any, and so for the first of these. Nothing is refused: who asks only for what is not known
    here is answered as if they had asked for nothing, though not in what they do not want.
    """
    weights: dict[str, float] = {}
    for name, weight in asked:
        if (code := _nearest(name)) is not None:
            weights[code] = max(weight, weights.get(code, 0))
    others = [code for code in _liked(wishes) if code not in weights]
    weights |= dict.fromkeys(others, dict(asked).get(ANY, 0))
    # of several with the same weight the first: they stand in the order they were asked for in
    best = max(weights, key=lambda code: weights[code])
    return best if weights[best] > 0 else [*others, IN_ENGLISH][0]


def _nearest(name: str) -> str | None:
    """Give the known language that a range falls back to: `es` of `es-mx` (RFC 4647, lookup)."""
    while 0 < len(name) <= _LONGEST:
        if name in _CODES:
            return _CODES[name]
        name = name.rpartition("-")[0]
    return None


_CODES = {code.lower(): code for code in KNOWN}
_LONGEST = 35
"""Characters of a range that are looked at (RFC 5646, 4.4.1)."""


def _liked(wishes: Iterable[str | None]) -> Iterator[str]:
    """Give every language once: those that are wished for, English, the others."""
    yield from dict.fromkeys(code for code in (*wishes, *KNOWN) if code in KNOWN)
