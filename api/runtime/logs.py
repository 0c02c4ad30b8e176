"""What is written to the log: an allow-list of fields, never a client's words."""

import logging
import os
import re
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Literal

import structlog

from api.domain.time_zones import RELEASE

LogFormat = Literal["json", "text"]

ALLOWED = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "request_id",
        "method",
        "route",
        "status",
        "milliseconds",
        "signed_in",
        "kind",
        "where",
        "cases",
        "work",
        "mail",
        "outcome",
        "logger",
        "time_zones",
    }
)
"""Every field a line may have; `docs/monitoring.md` says what each means."""

_HERE = Path(__file__).parents[1]

log = structlog.get_logger("process")


def configure_logs(form: LogFormat | None = None) -> None:
    """Write lines with the allowed fields only to standard output, whoever has something to say.

    As JSON, one object a line; as text for a terminal, unless `form` says otherwise.
    """
    on_terminal = sys.stdout.isatty()
    text = form == "text" or (form is None and on_terminal)
    as_text = structlog.dev.ConsoleRenderer(colors=on_terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allow,
            as_text if text else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_OfOthers()], level=logging.WARNING, force=True)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _ended
    threading.excepthook = lambda how: _ended(how.exc_type, how.exc_value, how.exc_traceback)


def say_started() -> None:
    """Write down that a process begins its work, and by which data it tells the days of places."""
    log.info("started", time_zones=RELEASE)


def where(error: BaseException | None) -> str | None:
    """Name the last line of ours that an error came through: where to look, without its text."""
    if error is None:
        return None
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_HERE):
            return f"{path.relative_to(_HERE.parent)}:{line}"
    return None


def _allow(
    _logger: object, _method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {name: value for name, value in fields.items() if name in ALLOWED}


def _ended(
    kind: type[BaseException], error: BaseException | None, _traceback: TracebackType | None
) -> None:
    """Write down what ended a process or a thread; the interpreter would write its text."""
    if not issubclass(kind, KeyboardInterrupt):
        log.critical("ended", kind=kind.__name__, where=where(error))


class _OfOthers(logging.Handler):
    """Takes what libraries say, and passes on what is known to tell nothing of a request."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.msg, BaseException):
            error = record.msg
        about = {} if error is None else {"kind": type(error).__name__, "where": where(error)}
        log.log(record.levelno, _harmless(record), logger=record.name, **about)


def _harmless(record: logging.LogRecord) -> str:
    if isinstance(record.msg, OSError) and record.msg.errno:
        # the system's own words: an address that is taken, a file that is not there
        return os.strerror(record.msg.errno)
    if record.name.startswith("uvicorn"):
        said = record.getMessage().strip()
        if _OF_THE_SERVER.fullmatch(said):
            return said
    return "library_message"


_OF_THE_SERVER = re.compile(
    r"""(Started|Finished)\ server\ process\ \[\d+\]
    | (Started|Stopping)\ parent\ process\ \[\d+\]
    | (Terminated|Waiting\ for)\ child\ process\ \[\d+\]
    | (New\ )?[Cc]hild\ process\ \[\d+\]\ (died|failed\ to\ start|was\ not\ ready)[^:]*
    | Waiting\ for\ application\ (startup|shutdown)\.
    | Application\ (startup|shutdown)\ (complete\.|failed\.\ Exiting\.)
    | Uvicorn\ running\ on\ \S+\ \(Press\ CTRL\+C\ to\ quit\)
    | Shutting\ down
    | Waiting\ for\ [a-z ]+\.\ \(CTRL\+C\ to\ force\ quit\)
    | Cancel\ \d+\ running\ task\(s\),\ timeout\ graceful\ shutdown\ exceeded
    | Received\ SIG[A-Z]+,\ [a-z ]+\.
    | Exception\ in\ ASGI\ application
    | Invalid\ HTTP\ request\ received\.
    | Unsupported\ upgrade\ request\.""",
    re.VERBOSE,
)
