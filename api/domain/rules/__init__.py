"""The rulebook: facts of a case in, findings out."""
