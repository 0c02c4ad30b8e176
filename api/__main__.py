"""The entry point of `python -m api`."""

import gc

# what is imported stays: looking through all of it again and again took a fifth of each start
gc.set_threshold(10_000, 10, 10)

from api.commands.cli import app  # noqa: E402 - with that in force

app()
