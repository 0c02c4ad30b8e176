"""A text that no answer may contain."""

CANARY = "zq7canary4xk"
"""What no answer may contain."""
