"""Other software."""
