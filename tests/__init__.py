"""Tests: the product as its users meet it."""
