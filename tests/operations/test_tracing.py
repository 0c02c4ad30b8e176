"""Traces: a span for each request and transaction, and nothing in them that anybody sent."""

import ast
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
import typer
from httpx import ASGITransport
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from api.commands import serve
from api.main import create_app
from api.runtime import tracing
from api.runtime.settings import Settings, random_secret
from tests.support.checkout import ROOT
from tests.support.stored import CANARY, hits
from tests.support.world import SETTINGS, Urls, World

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Keeps what is sent to it, as a collector would."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def spans(self) -> list[Span]:
        """Give every span that came."""
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


async def send_everything(world: World, urls: Urls, collector: Collector) -> str:
    """Send a word wherever a request has room for one; give the id of a case."""
    case = await world.clinician.case(client_ref=f"{CANARY} of {world.clinician.id}")
    changed = {"database_url": urls.runtime, "telemetry_endpoint": collector.url}
    app = create_app(SETTINGS.model_copy(update=changed), world.clock)
    headers = {
        "Authorization": f"Bearer {await world.token_of(world.clinician)}",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "tracestate": f"vendor={CANARY}",
        "baggage": f"case={CANARY}",
        "user-agent": CANARY,
        "host": CANARY,
    }
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=ASGITransport(app=app), base_url="http://notes.test", headers=headers
        ) as http,
    ):
        assert (await http.get(f"/v1/cases/{case['id']}")).status_code == 200
        assert (await http.get("/v1/cases", params={"client_ref": CANARY})).status_code == 200
        await http.post("/v1/cases", json={"client_ref": [CANARY], CANARY: CANARY})
        await http.get(f"/v1/{CANARY}")
        await http.request(CANARY.upper(), "/v1/cases")
    return str(case["id"])


async def test_spans_tell_how_long_and_nothing_of_what_was_sent(
    world: World, urls: Urls, collector: Collector
) -> None:
    case_id = await send_everything(world, urls, collector)
    sent = b"".join(collector.bodies)
    assert hits(sent) == []
    assert hits(sent, CANARY.upper()) == []
    assert case_id.encode() not in sent
    spans = collector.spans()
    names = sorted(span.name for span in spans)
    assert names == [
        "GET",
        "GET /v1/cases",
        "GET /v1/cases/{case_id}",
        "POST /v1/cases",
        "_OTHER /v1/cases",
        # one of each request, and one that writes down that what was sent was refused
        *["transaction"] * 6,
    ]
    one = next(span for span in spans if span.name == "GET /v1/cases/{case_id}")
    assert one.trace_id.hex() == TRACE
    assert {each.key for span in spans for each in span.attributes} <= tracing.ALLOWED
    of_request = {each.key: each.value for each in one.attributes}
    assert of_request["http.response.status_code"].int_value == 200
    assert one.span_id in {span.parent_span_id for span in spans if span.name == "transaction"}


async def test_without_the_allow_list_it_would_be_told(
    world: World, urls: Urls, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_allowed", lambda span: span)
    case_id = await send_everything(world, urls, collector)
    sent = b"".join(collector.bodies)
    assert hits(sent)
    assert case_id.encode() in sent


# ------------------------------------------------------------------------------------ switched off


def test_switched_off_nothing_of_it_is_loaded_or_asked() -> None:
    for path in (ROOT / "api").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and path.name != "tracing.py":
                assert not str(node.module).startswith(("opentelemetry", "api.runtime.tracing")), (
                    path
                )
    app = create_app(SETTINGS)
    assert not app._native_telemetry.enabled()
    assert app.state.database.traced is nullcontext


def test_without_the_extra_the_server_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(secret_key=random_secret(), telemetry_endpoint="http://127.0.0.1:1/x")
    serve._refuse_without_the_extra(settings)
    monkeypatch.delitem(sys.modules, "api.runtime.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(typer.Exit) as stopped:
        serve._refuse_without_the_extra(settings)
    assert stopped.value.exit_code == 2
    assert "BN_TELEMETRY_ENDPOINT" in capsys.readouterr().err
    serve._refuse_without_the_extra(Settings(secret_key=random_secret()))
