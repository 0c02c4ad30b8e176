"""The entry point of `python -m api`."""

import sys

from api.runtime.loading import for_ever

with for_ever():
    from api.commands.cli import app, load

    load(sys.argv[1:2])

app()
