"""The demo, as a newcomer runs it: one command, then what it prints."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.commands.demo import PASSWORD, receiver_of, requests_to_try
from api.commands.demo_cases import ADA, ADMIN, BRUNO, CASES, CLEO, DOROTHEA, PEOPLE, Person
from api.domain.vocabulary import SEVERITY_ORDER
from tests.support.checkout import ROOT
from tests.support.demo import Demo, running
from tests.support.patience import PATIENCE, get, post, slowness

READY_WITHIN = 15
"""Seconds of processor on a quiet machine."""

# it is told to wait for up to a minute: the others need not wait with it
pytestmark = pytest.mark.usefixtures("afternoon")


@pytest.fixture(scope="module")
def afternoon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A newcomer's afternoon, with a demo of its own; it ends while others are looked at."""
    with running(tmp_path_factory.mktemp("afternoon")) as demo:
        command = (sys.executable, ROOT / "docs" / "afternoon.py", "--url", demo.url)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as played:
            try:
                yield played
            finally:
                played.kill()


def test_it_is_ready_soon_whatever_the_environment_says(demo: Demo) -> None:
    assert demo.ready_after < READY_WITHIN * slowness()
    assert len(demo.left_behind) == 1


def test_it_prints_where_to_look_and_who_can_sign_in(demo: Demo) -> None:
    for path in ("/v1", "/docs", "/redoc", "/openapi.json"):
        assert f"{demo.url}{path}\n" in demo.printed
    for person in PEOPLE:
        assert re.search(f"{person.role} +{person.name} +{person.email}\n", demo.printed)
    assert f"password is {PASSWORD}\n" in demo.printed
    assert max(map(len, demo.printed.splitlines())) < 80
    assert demo.printed.isascii()


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.email.partition("@")[0])
def test_everybody_can_sign_in(demo: Demo, person: Person) -> None:
    assert demo.get(person, "me")["role"] == person.role


def test_the_three_printed_requests_work_in_a_plain_shell(demo: Demo) -> None:
    sign_in, read_queue, report = requests_to_try(demo.port)
    assert all(request in demo.printed for request in (sign_in, read_queue, report))
    assert _shell(sign_in).count(".") == 2
    _token, _, queue = _shell(sign_in + read_queue).partition("\n")
    (item,) = json.loads(queue)["items"]
    assert item["top_severity"] == "critical"
    (flag,) = json.loads(_shell(report))["flags_raised"]
    assert (flag["rule"], flag["severity"]) == ("frame_tightened_unprepared", "moderate")


def test_the_printed_code_opens_the_clients_door_and_shows_nothing_of_before(demo: Demo) -> None:
    assert f"{demo.url}/door\n" in demo.printed
    code = re.search(r"with the code ((?:[0-9A-Z]{4}-?){4}),", demo.printed)
    assert code is not None
    token = post(f"{demo.url}/door/v1/session", json={"code": code[1]}).json()["token"]
    at_door = {"Authorization": f"Bearer {token}"}
    assert get(f"{demo.url}/door/v1/mine", headers=at_door).json()["items"] == []
    # but her desk has what was said by it
    assert demo.get(DOROTHEA, "accounts")["items"][0]["wants"] == ["an_answer"]
    assert demo.get(BRUNO, "accounts")["items"] == []


def _shell(script: str) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_receiver_in_the_pages_is_told_of_events(demo: Demo, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "integrating.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (example,) = (each for each in examples if "standardwebhooks" in each)
    assert len([line for line in example.splitlines() if line]) <= 10
    form = {"grant_type": "password", "username": ADMIN.email, "password": PASSWORD}
    token = post(f"{demo.url}/v1/auth/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{demo.url}/v1", headers=headers, timeout=PATIENCE) as http:
        host, port = receiver_of(demo.port).split(":")
        assert f"http://{host}:{port}" in demo.printed
        body = {"name": "Diary", "url": f"http://{host}:{port}/", "events": ["flag.*"]}
        hook = http.post("/webhooks", json=body).raise_for_status().json()
        script = tmp_path / "receiver.py"
        assert receiver_of(8000).endswith(":8765")
        script.write_text(example.replace("whsec_…", hook["secret"]).replace("8765", port))
        with subprocess.Popen(
            [sys.executable, "-u", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as receiving:
            try:
                _wait_for_a_listener(host, port)
                http.post(f"/webhooks/{hook['id']}/test").raise_for_status()
                assert receiving.stdout is not None
                assert b"webhook.test" in receiving.stdout.readline()
            finally:
                receiving.kill()


def _wait_for_a_listener(host: str, port: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_needs_nothing_from_outside(demo: Demo, page: str) -> None:
    html = get(f"{demo.url}{page}").raise_for_status().text
    links = re.findall(r"""(?:src|href|spec-url)\s*=\s*["']([^"']+)["']""", html)
    assert len(links) >= 2
    for link in links:
        assert re.match("/[^/]", link), link
        assert get(f"{demo.url}{link}").status_code == 200
    assert "/openapi.json" in html


def test_the_openapi_document_is_there_for_it(demo: Demo) -> None:
    assert get(f"{demo.url}/openapi.json").json()["info"]["title"] == "Boundary Notes"


def test_the_cases_show_every_severity_and_that_feelings_are_no_flag(demo: Demo) -> None:
    seen_by_clinicians = [
        case["flags"] for clinician in CASES for case in demo.get(clinician, "cases")["items"]
    ]
    seen_by_supervisor = [case["flags"] for case in demo.get(DOROTHEA, "cases")["items"]]
    assert len(seen_by_supervisor) == len(seen_by_clinicians) == 18
    tops = {flags["top_severity"] for flags in seen_by_clinicians}
    assert {str(severity) for severity in SEVERITY_ORDER} <= tops
    for reader in (seen_by_clinicians, seen_by_supervisor):
        assert sum(flags["open"] == 0 for flags in reader) >= 4


def test_the_queue_is_sorted_and_some_of_it_is_overdue(demo: Demo) -> None:
    queue = demo.get(DOROTHEA, "flagged-cases")["items"]
    ranks = [SEVERITY_ORDER.index(item["top_severity"]) for item in queue]
    assert set(ranks) == {1, 2, 3, 4}
    keys = [(-rank, item["next_due_at"]) for rank, item in zip(ranks, queue, strict=True)]
    assert keys == sorted(keys)
    overdue = demo.get(DOROTHEA, "flagged-cases", overdue=True)["items"]
    assert 0 < len(overdue) < len(queue)


def test_every_stage_of_the_work_can_be_seen(demo: Demo) -> None:
    flags = demo.get(DOROTHEA, "flags")["items"]
    assert {flag["status"] for flag in flags} == {"open", "acknowledged", "resolved"}
    assert {flag["determination"] for flag in flags} > {"crossing_needs_repair"}
    incidents = demo.get(DOROTHEA, "incidents")["items"]
    assert {incident["status"] for incident in incidents} == {"reported", "reviewed"}
    promises = demo.get(ADA, "promises")["items"]
    assert {promise["state"] for promise in promises} == {"kept", "open", "broken"}
    asked = [each for who in CASES for each in demo.get(who, "consultations")["items"]]
    assert {each["status"] for each in asked} == {"draft", "requested", "completed"}


def test_a_restricted_incident_is_hidden_from_its_clinician(demo: Demo) -> None:
    def reports(reader: Person) -> list[dict[str, Any]]:
        (case,) = demo.get(reader, "cases", client_ref="HL-0015")["items"]
        items: list[dict[str, Any]] = demo.get(reader, f"cases/{case['id']}/incidents")["items"]
        return items

    assert [incident["restricted"] for incident in reports(DOROTHEA)] == [True]
    assert reports(CLEO) == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_when_it_stops_nothing_is_left(tmp_path: Path, sign: signal.Signals) -> None:
    with handed_down(sign, signal.SIG_DFL), running(tmp_path) as demo:
        assert demo.get(BRUNO, "me")["name"] == BRUNO.name
        assert len(demo.left_behind) == 1
        demo.stop(sign)
        assert demo.process.returncode == 0
        assert demo.left_behind == []
        assert demo.printed.endswith("The demo has stopped, and nothing of it is kept.\n")


def test_a_closed_terminal_does_not_end_it_where_it_was_told_not_to_care(tmp_path: Path) -> None:
    with handed_down(signal.SIGHUP, signal.SIG_IGN), running(tmp_path) as demo:
        demo.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            demo.process.wait(1)
        assert demo.get(BRUNO, "me")["name"] == BRUNO.name


@contextmanager
def handed_down(sign: signal.Signals, treatment: signal.Handlers) -> Iterator[None]:
    """Start programs that treat a signal so, whatever was handed down to these tests (`nohup`)."""
    before = signal.signal(sign, treatment)
    try:
        yield
    finally:
        signal.signal(sign, before)


@pytest.mark.parametrize(("port", "reason"), [(None, "is taken"), (70_000, "cannot be used")])
def test_a_port_it_cannot_have_is_said_in_one_sentence(port: int | None, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = port or taken.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "-m", "api", "demo", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert refused.returncode == 2
    assert refused.stdout == ""
    (sentence,) = refused.stderr.splitlines()
    assert sentence.startswith(f"Port {port} {reason}")


@pytest.mark.timeout(200)
def test_a_newcomers_afternoon_goes_as_its_page_says(afternoon: subprocess.Popen[str]) -> None:
    printed, complained = afternoon.communicate(timeout=150)
    assert (afternoon.returncode, complained) == (0, "")
    told = printed.splitlines()
    assert told[-1] == "After that wait all is answered again. That was the afternoon."
    assert [line.partition(":")[0] for line in told if line[:3].isdigit()] == ["412", "429"]
