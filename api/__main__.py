"""`python -m api`."""

import gc

# what is imported stays: looking through all of it again and again took a fifth of each start
gc.set_threshold(20_000, 20, 100)

from api.commands.cli import app  # noqa: E402 - with that in force

app()
