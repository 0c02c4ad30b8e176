"""A newcomer's afternoon with the API, step by step, against the demo: read it, then run it.

In one terminal `python -m api demo`, in another `python docs/afternoon.py`. It ends with an error
where an answer is not what the text beside it says.
"""

import argparse
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

ADMIN, CLINICIAN = "admin@harbour-lane.example", "bruno@harbour-lane.example"
PASSWORD = "only-for-this-demo"  # noqa: S105 - the demo's, as it prints it
SCOPES = ["cases:read", "cases:write", "flags:read", "narrative:read"]

Json = dict[str, Any]


def main() -> None:
    """Play the afternoon."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo serves")
    url = httpx.URL(options.parse_args().url)
    # the demo sends events to this one address of its own machine, as it says when it starts
    receiver = Mailbox((url.port or 80) + 765)
    with httpx.Client(base_url=url, timeout=30) as http, receiver as mailbox:
        admin = Person(http, ADMIN)
        software = make_software(http, admin)
        webhook = subscribe(admin, mailbox.url)
        case = open_a_case(software, clinician_id=find_clinician(admin))
        report_an_incident(software, case)
        receive_the_event(mailbox, webhook["secret"], case)
        unsubscribe(admin, webhook)
        page_the_queue(software)
        change_what_somebody_else_changed(software, case)
        read_it_as_fhir(software, case)
        ask_too_much(software)


class Caller:
    """Somebody with a token, who waits when told to and raises for any answer not asked for."""

    def __init__(self, http: httpx.Client, form: dict[str, str]) -> None:
        self._http = http
        # a token holds for ten minutes: longer-lived software signs in again
        token = http.post("/v1/auth/token", data=form).raise_for_status().json()["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> httpx.Response:
        """Ask for what must be answered with `status`; told to wait (429), wait and ask again."""
        answer = self.try_once(method, path, **more)
        while answer.status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
            answer = self.try_once(method, path, **more)
        if answer.status_code != status:
            # a problem document (RFC 9457): its `detail` is a sentence, never what was sent
            raise SystemExit(f"{method} {path}: {answer.status_code}, not {status}: {answer.text}")
        return answer

    def try_once(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask once, whatever the answer is."""
        headers = {**self._headers, **more.pop("headers", {})}
        return self._http.request(method, path, headers=headers, **more)


class Person(Caller):
    """Somebody who signs in with address and password."""

    def __init__(self, http: httpx.Client, email: str) -> None:
        super().__init__(http, {"grant_type": "password", "username": email, "password": PASSWORD})


class Mailbox:
    """The receiver of the clinic's software: it answers 204 at once, and looks at it later."""

    def __init__(self, port: int) -> None:
        self.arrived: Queue[tuple[bytes, dict[str, str]]] = Queue()
        arrived = self.arrived

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived.put((body, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", port), Receiver)
        self.url = f"http://127.0.0.1:{port}/events"

    def __enter__(self) -> "Mailbox":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def make_software(http: httpx.Client, admin: Caller) -> Caller:
    """Give the clinic's software an account of its own, and sign in as it."""
    wanted = {"name": "Diary", "scopes": SCOPES}
    made = admin.ask("POST", "/v1/service-accounts", 201, json=wanted).json()
    say(f"Software may {', '.join(made['scopes'])}; its secret is shown this once.")
    credentials = {name: made[name] for name in ("client_id", "client_secret")}
    return Caller(http, {"grant_type": "client_credentials", **credentials})


def subscribe(admin: Caller, url: str) -> Json:
    """Ask to be told when a flag is opened; the answer has the secret that will sign what comes."""
    wanted = {"name": "Diary", "url": url, "events": ["flag.opened"]}
    made: Json = admin.ask("POST", "/v1/webhooks", 201, json=wanted).json()
    say(f"Subscribed to {', '.join(made['events'])}; the signing secret is shown this once.")
    return made


def find_clinician(admin: Caller) -> str:
    """Find whose case it will be: software has no cases of its own."""
    for user in listed(admin, "/v1/users"):
        if user["email"] == CLINICIAN:
            return str(user["id"])
    raise SystemExit("This is not the demo's clinic.")


def open_a_case(software: Caller, clinician_id: str) -> Json:
    """Open a case; sent twice with one Idempotency-Key, it is opened once."""
    # the clinic's own pseudonym for the client, never a name
    number = int(time.time()) % 1_000_000
    body = {"client_ref": f"HL-{number}", "clinician_id": clinician_id, "started_on": "2026-01-12"}
    key = {"Idempotency-Key": f"diary-case-{number}"}
    first = software.ask("POST", "/v1/cases", 201, json=body, headers=key)
    again = software.ask("POST", "/v1/cases", 201, json=body, headers=key)
    expect(again.json()["id"] == first.json()["id"], "the same key, the same case")
    case: Json = software.ask("GET", first.headers["Location"]).json()
    say(f"Case {case['client_ref']} is open.")
    return case


def report_an_incident(software: Caller, case: Json) -> None:
    """Report a limit that was drawn without notice: the answer says which flags that raised."""
    body = {
        "occurred_on": case["started_on"],
        "initiator": "therapist",
        "reported_by": "client",
        "details": {
            "kind": "frame_change",
            "direction": "tighten",
            "elements": ["email_replies"],
            "discussed": False,
        },
    }
    made = software.ask("POST", f"/v1/cases/{case['id']}/incidents", 201, json=body).json()
    for flag in made["flags_raised"]:
        say(f"Please look ({flag['severity']}): {flag['because']}")
    expect(len(made["flags_raised"]) == 1, "one flag")


def receive_the_event(mailbox: Mailbox, secret: str, case: Json) -> None:
    """Verify who sent the event; it holds ids only, so what it is about is read from the API."""
    body, headers = mailbox.arrived.get(timeout=30)
    event: Json = Webhook(secret).verify(body, headers)
    expect(event["type"] == "flag.opened" and event["data"]["case_id"] == case["id"], "our flag")
    try:
        Webhook(secret).verify(body.replace(b"flag", b"lfag"), headers)
    except WebhookVerificationError:
        say(f"The event {event['type']} is genuine; one that was tampered with is refused.")
    else:
        raise SystemExit("A tampered event was not refused.")


def unsubscribe(admin: Caller, webhook: Json) -> None:
    """Be told no more; like every PATCH and DELETE it names the version that was read."""
    path = f"/v1/webhooks/{webhook['id']}"
    version = admin.ask("GET", path).headers["ETag"]
    admin.ask("DELETE", path, 204, headers={"If-Match": version})


def page_the_queue(software: Caller) -> None:
    """Read the queue of flagged cases to its end, three at a time, most severe first."""
    queue = list(listed(software, "/v1/flagged-cases", limit=3))
    expect(len({item["case"]["id"] for item in queue}) == len(queue) > 3, "each case once")
    say(f"The queue has {len(queue)} cases; the first is {queue[0]['top_severity']}.")


def change_what_somebody_else_changed(software: Caller, case: Json) -> None:
    """Change a case of which an older version was read: 412, so read it again and decide anew."""
    path = f"/v1/cases/{case['id']}"
    read = software.ask("GET", path).headers["ETag"]
    # meanwhile somebody else is quicker
    software.ask("PATCH", path, json={"phase": "hope_awakened"}, headers={"If-Match": read})
    mine = {"sessions_per_week": 2}
    problem = software.ask("PATCH", path, 412, json=mine, headers={"If-Match": read}).json()
    say(f"412: {problem['detail']}")
    read = software.ask("GET", path).headers["ETag"]
    software.ask("PATCH", path, json=mine, headers={"If-Match": read})
    # without saying which version is meant, no PATCH or DELETE changes anything
    software.ask("PATCH", path, 428, json=mine)


def read_it_as_fhir(software: Caller, case: Json) -> None:
    """Find the same case as an EHR would: FHIR R4, read-only."""
    expect(software.ask("GET", "/fhir/metadata").json()["fhirVersion"] == "4.0.1", "R4")
    by_patient = {"patient:identifier": case["client_ref"]}
    bundle = software.ask("GET", "/fhir/EpisodeOfCare", params=by_patient).json()
    (episode,) = (entry["resource"] for entry in bundle["entry"])
    expect(episode["id"] == case["id"], "the same case")
    say(f"FHIR calls it an {episode['resourceType']}, status {episode['status']}.")


def ask_too_much(software: Caller) -> None:
    """Ask faster than software may (the demo allows 200 requests a minute), then wait."""
    answer = software.try_once("GET", "/v1/vocabulary")
    while answer.status_code == 200:
        answer = software.try_once("GET", "/v1/vocabulary")
    say(f"429: {answer.json()['detail']} Retry-After: {answer.headers['Retry-After']} s.")
    # this is the wait
    software.ask("GET", "/v1/vocabulary")
    say("After that wait all is answered again. That was the afternoon.")


def listed(caller: Caller, path: str, **filters: Any) -> Iterator[Json]:
    """Give every item of a list, page after page; a cursor goes with the filters it came from."""
    page = caller.ask("GET", path, params=filters).json()
    yield from page["items"]
    while page["next"] is not None:
        page = caller.ask("GET", path, params={**filters, "cursor": page["next"]}).json()
        yield from page["items"]


def expect(is_so: bool, what: str) -> None:  # noqa: FBT001 - read as a sentence
    """End the afternoon where something is not as it says here."""
    if not is_so:
        raise SystemExit(f"This is not so: {what}.")


def say(sentence: str) -> None:
    """Tell what was seen."""
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
