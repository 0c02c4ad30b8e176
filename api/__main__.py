"""The entry point of `python -m api`."""

from api.commands.cli import app

app()
