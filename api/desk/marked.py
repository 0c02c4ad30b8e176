"""`N_` marks a text in a table: it is gathered for catalogues, and told in a language elsewhere."""


def N_(english: str) -> str:  # noqa: N802 - the name that gettext has for it
    """Give a text as it is."""
    return english
