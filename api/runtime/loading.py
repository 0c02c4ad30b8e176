"""Loading what stays for ever: nobody looks meanwhile, or ever after, for what of it may go."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def for_ever() -> Iterator[None]:
    """Take what is loaded in the block to be needed until the process ends.

    The collector of garbage walks all there is again and again while it grows, which is a third of
    the time that loading takes; and would walk it once more whenever much was made since.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
