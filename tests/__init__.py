"""Tests: the product as its users meet it."""

import pytest

pytest.register_assert_rewrite("tests.support")
