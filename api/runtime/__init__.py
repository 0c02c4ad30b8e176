"""A process: its settings, what it logs and counts, and how it ends."""
