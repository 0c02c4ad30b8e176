"""The command line: the commands of `python -m api`, in the order in which its help tells them."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "import": "import_export.import_records",
    "export": "import_export.export_records",
    "rules": "rules_page.print_rules",
    "serve": "serve.serve",
    "migrate": "install.migrate",
    "bootstrap": "install.bootstrap",
    "worker": "worker.worker",
    "verify-journal": "journal_checks.verify_journal",
    "journal-heads": "journal_checks.journal_heads",
    "new-data-key": "install.new_data_key",
    "rotate-keys": "maintenance.rotate_keys",
    "backup": "maintenance.backup",
    "restore": "maintenance.restore",
    "purge": "maintenance.purge",
    "language": "translating.language",
    "page-texts": "page_texts.page_texts",
    "openapi": "document.openapi",
    "demo": "demo.demo",
}
"""Each with its room and its function there."""


def load(names: Iterable[str]) -> list[Callable[..., None]]:
    """Load the commands of these names, as far as there are any."""
    places = [COMMANDS[name].split(".") for name in names if name in COMMANDS]
    return [getattr(import_module(f"api.commands.{room}"), name) for room, name in places]


class _LoadedWhenAsked(TyperGroup):
    """Loads a command when somebody asks for it: a server holds none of the others for ever."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        # the names alone tell which may have been meant by one that there is not
        self.commands: Any = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None where there is none of this name."""
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            (function,) = load([cmd_name])
            alone.command(cmd_name)(function)
            self.commands[cmd_name] = typer.main.get_command(alone)
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_LoadedWhenAsked,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def say_what_this_is() -> None:
    """Boundary Notes: case notes for clinicians who keep the frame of psychotherapy."""
