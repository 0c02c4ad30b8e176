"""Lets others who are served by this process have their turn beside long work."""

import asyncio
from time import monotonic

LONGEST_TURN = 0.005
"""Seconds that a line may take beyond which others come first: to ask after each costs as much."""


class Turns:
    """One piece of work after the other, with pauses in between."""

    def __init__(self) -> None:
        self._began = monotonic()

    async def give(self) -> None:
        """Pause, where others have waited for long enough."""
        if monotonic() - self._began > LONGEST_TURN:
            await asyncio.sleep(0)
            self._began = monotonic()
