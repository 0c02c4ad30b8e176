"""A server process, of which there may be several: each loads the API, and keeps it to its end."""

from fastapi import FastAPI

from api.runtime.loading import for_ever


def app() -> FastAPI:
    """Load the API and build it from the environment's settings."""
    with for_ever():
        from api.main import app_from_environment  # noqa: PLC0415 - what is kept is loaded here

        return app_from_environment()
