"""The demo."""


def run_demo(port: int) -> None:
    """Run."""
