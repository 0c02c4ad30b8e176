"""The log: lines of known fields, whoever speaks, and never a word of a request or an error."""

import ast
import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.runtime.logs import ALLOWED, where
from api.runtime.settings import new_data_key
from api.security.tokens import AccessTokens, InvalidToken
from tests.support.checkout import ROOT
from tests.support.patience import get
from tests.support.processes import READY_WITHIN, environment, once_answering
from tests.support.stored import CANARY, hits
from tests.support.world import NOON, Urls

WRITERS = {"debug", "info", "warning", "error", "critical", "exception", "log"}

# all that may be said in a process, by us, by libraries and by the interpreter
SPEAKS = f"""
import asyncio, logging, sys, threading, warnings
import structlog
from api.runtime import logs
{{sabotage}}
logs.configure_logs({{form!r}})
ours = structlog.get_logger("test")
ours.info("request", route="/v1/cases", unknown="{CANARY}", status=200)
try:
    raise ValueError("{CANARY}")
except ValueError as error:
    ours.exception("request_failed", kind="ValueError", stack="{CANARY}")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=error)
    logging.getLogger("sqlalchemy.engine").error("{CANARY} %s", error)
    logging.getLogger("uvicorn.error").error("Uvicorn running on {CANARY} and more")
logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
logging.getLogger("uvicorn.error").error(OSError(98, "{CANARY}"))
logging.getLogger("httpx").info("HTTP Request: GET https://x/?q={CANARY}")
warnings.warn("{CANARY}")

async def forget():
    asyncio.get_running_loop().call_exception_handler(
        {{{{"message": "{CANARY}", "exception": ValueError("{CANARY}")}}}}
    )

asyncio.run(forget())

def fail():
    raise ValueError("{CANARY}")

thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def spoken(form: str, sabotage: str = "") -> subprocess.CompletedProcess[str]:
    """Let a process say all of it and end by an error."""
    return subprocess.run(
        [sys.executable, "-c", SPEAKS.format(form=form, sabotage=sabotage)],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_whoever_speaks_only_known_fields_are_written() -> None:
    said = spoken("json")
    assert said.returncode == 1
    assert said.stderr == ""
    assert hits(said.stdout.encode()) == []
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert all(set(line) <= ALLOWED for line in lines)
    assert [(line["event"], line.get("logger"), line.get("kind")) for line in lines] == [
        ("request", None, None),
        ("request_failed", None, "ValueError"),
        ("Exception in ASGI application", "uvicorn.error", "ValueError"),
        ("library_message", "sqlalchemy.engine", None),
        ("library_message", "uvicorn.error", None),
        ("Started server process [7]", "uvicorn.error", None),
        ("Address already in use", "uvicorn.error", "OSError"),
        ("library_message", "py.warnings", None),
        ("library_message", "asyncio", "ValueError"),
        ("ended", None, "ValueError"),
        ("ended", None, "ValueError"),
    ]


def test_as_text_it_is_the_same() -> None:
    said = spoken("text")
    assert hits((said.stdout + said.stderr).encode()) == []
    assert "request_failed" in said.stdout
    assert "route=/v1/cases" in said.stdout


@pytest.mark.parametrize(
    "sabotage",
    [
        "logs._allow = lambda _logger, _method, fields: fields",
        "logs._harmless = lambda record: record.getMessage()",
        "logs._ended = sys.__excepthook__",
    ],
)
def test_without_one_of_its_guards_a_word_gets_out(sabotage: str) -> None:
    said = spoken("json", sabotage)
    assert hits((said.stdout + said.stderr).encode())


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Give every call in the program that writes to the log."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
                and node.func.attr in WRITERS
            ):
                yield f"{path.name}:{node.lineno}", node


def test_our_own_lines_have_fixed_words_and_documented_fields() -> None:
    calls = list(log_calls())
    assert len(calls) >= 6
    for place, call in calls:
        if not place.startswith("logs.py"):
            assert [type(each) for each in call.args] == [ast.Constant], place
        assert {each.arg for each in call.keywords} - {None} <= ALLOWED, place
    described = (ROOT / "docs" / "monitoring.md").read_text()
    assert [name for name in ALLOWED if f"`{name}`" not in described] == []


def test_an_error_is_placed_in_our_own_code() -> None:
    with pytest.raises(FileNotFoundError) as elsewhere:
        Path("/nowhere/at/all").read_text()
    with pytest.raises(InvalidToken) as here:
        AccessTokens("x" * 32, timedelta(minutes=1)).verify("no token", NOON)
    assert where(elsewhere.value) is None
    assert str(where(here.value)).startswith("api/security/tokens.py:")


def test_server_and_worker_write_lines_of_one_form(tmp_path: Path, new_urls: Urls) -> None:
    settings = {
        "database_url": new_urls.runtime,
        "secret_key": secrets.token_urlsafe(48),
        "data_key": new_data_key(),
    }
    env = environment(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    files = {}
    running = []
    for command, more in {"serve": ["--port", port], "worker": []}.items():
        files[command] = tmp_path / command
        with files[command].open("wb") as out:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "api", command, *more],
                    cwd=ROOT,
                    env=env,
                    stdout=out,
                    stderr=out,
                )
            )
    try:
        url = once_answering(f"http://127.0.0.1:{port}", "/readyz")
        get(f"{url}/v1/cases?client_ref={CANARY}")
        get(f"{url}/v1/{CANARY}")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(READY_WITHIN)
    events = {}
    for command, file in files.items():
        said = file.read_bytes()
        assert hits(said) == []
        lines = [json.loads(line) for line in said.splitlines()]
        assert all(set(line) <= ALLOWED for line in lines)
        events[command] = {line["event"] for line in lines}
    assert {"Application startup complete.", "Shutting down", "request"} <= events["serve"]
    assert "worked" in events["worker"]
