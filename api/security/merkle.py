"""Merkle trees as in RFC 6962: one hash for many leaves, and a short proof for each of them."""

from collections.abc import Sequence
from hashlib import sha256

_LEAF, _NODE = b"\0", b"\1"
"""What is hashed first, so that no node passes for a leaf."""


def leaf_hash(data: bytes) -> bytes:
    """Hash what a leaf stands for."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours together."""
    return sha256(_NODE + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Give the root of the tree over these leaf hashes; of none, the hash of nothing."""
    if not leaves:
        return sha256().digest()
    level = leaves
    while len(level) > 1:
        level = _above(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Give the neighbours on the way from a leaf up to the root. Raises ValueError beyond them."""
    if not 0 <= index < len(leaves):
        raise ValueError("there is no such leaf")
    path, level = [], leaves
    while len(level) > 1:
        neighbour = index ^ 1
        # the last one of an odd number goes up alone
        if neighbour < len(level):
            path.append(level[neighbour])
        level, index = _above(level), index // 2
    return path


def _above(level: Sequence[bytes]) -> list[bytes]:
    """Join neighbours; the last one of an odd number goes up as it is.

    That gives the RFC's tree, whose left side is always the largest full tree that fits.
    """
    pairs = iter(level)
    joined = [node_hash(left, right) for left, right in zip(pairs, pairs)]  # noqa: B905 - the odd one is left over
    return [*joined, level[-1]] if len(level) % 2 else joined
