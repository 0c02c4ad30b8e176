"""Merkle trees, against the definition in RFC 6962, word for word."""

from collections.abc import Iterable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.security.merkle import inclusion_path, leaf_hash, node_hash, tree_root

LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def left_side(size: int) -> int:
    """Give the largest power of two smaller than a size."""
    return 1 << (size - 1).bit_length() - 1


def defined_root(data: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = left_side(len(data))
    return sha256(b"\x01" + defined_root(data[:k]) + defined_root(data[k:])).digest()


def defined_path(index: int, data: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(data) == 1:
        return []
    k = left_side(len(data))
    if index < k:
        return [*defined_path(index, data[:k]), defined_root(data[k:])]
    return [*defined_path(index - k, data[k:]), defined_root(data[:k])]


def root_from_path(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes:
    """Give the root that a path leads to (RFC 9162, 2.1.3.2).

    Raises ValueError where a tree of this size has no such leaf, or no path of this length.
    """
    if not 0 <= index < size:
        raise ValueError("there is no such leaf")
    node, last = leaf, size - 1
    for neighbour in path:
        if last == 0:
            raise ValueError("the path is too long")
        if index % 2 or index == last:
            node = node_hash(neighbour, node)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            node = node_hash(node, neighbour)
        index, last = index // 2, last // 2
    if last:
        raise ValueError("the path is too short")
    return node


@given(LEAVES, st.data())
def test_root_and_path_are_as_defined(data: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(data) - 1))
    leaves = [leaf_hash(each) for each in data]
    path = inclusion_path(leaves, index)
    assert tree_root(leaves) == defined_root(data)
    assert path == defined_path(index, data)
    assert root_from_path(leaves[index], index, len(leaves), path) == tree_root(leaves)


@given(LEAVES, st.data())
def test_no_other_leaf_place_or_path_leads_to_the_root(
    data: list[bytes], draw: st.DataObject
) -> None:
    leaves = [leaf_hash(bytes([place]) + each) for place, each in enumerate(data)]
    index, other = (draw.draw(st.integers(0, len(data) - 1)) for _ in range(2))
    path, root = inclusion_path(leaves, index), tree_root(leaves)
    if other != index:
        assert root_from_path(leaves[other], index, len(leaves), path) != root
        assert leads_elsewhere(leaves[index], other, len(leaves), path, root)
    assert leads_elsewhere(leaves[index], index, len(leaves), [*path, root], root)
    assert not path or leads_elsewhere(leaves[index], index, len(leaves), path[:-1], root)


def leads_elsewhere(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    try:
        return root_from_path(leaf, index, size, path) != root
    except ValueError:
        return True


def test_the_tree_of_nothing_and_leaves_that_are_not_there() -> None:
    assert tree_root([]) == sha256(b"").digest()
    leaves = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")]
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_path(leaves, index)
        with pytest.raises(ValueError, match="no such leaf"):
            root_from_path(leaves[0], index, 3, [])


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)
