"""What clients said at their door: what waits, one account, and what its readers do with it."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Response

from api.desk.asking import Refused
from api.desk.desk import Desk, Doors
from api.desk.fields import Field, kinds_of
from api.desk.forms import Beside, Form, add_forms, fields, send_form, show_form
from api.desk.lists import read_list
from api.desk.marked import N_
from api.desk.navigation import FROM_THE_DOOR
from api.domain.bodies import IncidentCreate, PromiseCreate
from api.domain.incident_kinds import IncidentKind
from api.domain.permissions.actions import Action
from api.domain.vocabulary import AccountStatus, AccountTopic, AccountWant, ReportedBy
from api.journal.entries import Happening
from api.routes.client_account_moves import AccountReason, Closing, Reply

doors = Doors()

_ACCOUNT, _PAGE = "/v1/accounts/{client_account_id}", f"{FROM_THE_DOOR}/{{client_account_id}}"
_WHOSE = Field("about_user_id", "person", required=True, nullable=True, variant="account")
_SAYS = "reported_by"
"""The field that tells whose account a record is: what was said tells that itself."""
_NOBODY = "nobody"
"""What is chosen where something is about nobody's conduct."""

KIND_OF: Mapping[AccountTopic, IncidentKind | None] = {
    AccountTopic.promise: None,
    AccountTopic.feelings_met: "disclosure",
    AccountTopic.contact: "contact",
    AccountTopic.touch: "touch",
    AccountTopic.sexual: "sexual_conduct",
    AccountTopic.roles: "second_role",
    AccountTopic.money_gifts: "gift",
    AccountTopic.words: "hurtful_words",
    AccountTopic.ending: "ending",
    AccountTopic.absence: "absence",
    AccountTopic.change: "frame_change",
    AccountTopic.danger: "coercive_measure",
    AccountTopic.records: "record_conflict",
    AccountTopic.privacy: "third_party_contact",
    AccountTopic.recording: "recording",
    AccountTopic.something_else: None,
}
"""The kind of incident that a topic names, for a reader to weigh; None: it names none."""

CHANGED: Mapping[str, str] = {
    str(Happening.case_transferred): N_("The case was handed over."),
    str(Happening.case_voided): N_("The case was voided."),
    str(Happening.incident_voided): N_("An incident was voided."),
    str(Happening.promise_voided): N_("A promise was voided."),
    str(Happening.invitation_revoked): N_("An invitation to the door was revoked."),
    str(Happening.incident_reported): N_("An ending, or a tightened frame, was recorded."),
}
"""What changed on a case since an account came, in a sentence."""


_AS_SAID: Mapping[str, Any] = {_SAYS: ReportedBy.client}
"""What the body needs and the account tells."""


async def _as_said(_desk: Desk) -> Beside:
    return Beside(fields=[], body=_AS_SAID, names={}, shown={})


async def _whose_conduct(desk: Desk) -> Beside:
    """Give who it may be about: said each time, and nobody's too; what was said does not tell."""
    chosen = desk.value(_WHOSE.name)
    told = dict(_AS_SAID)
    if chosen:
        told[_WHOSE.name] = None if chosen == _NOBODY else chosen
    people, _ = await desk.api.whole("/v1/colleagues")
    shown = {"whose": _WHOSE, "colleagues": people, "nobody": _NOBODY}
    return Beside(fields=[_WHOSE], body=told, names={}, shown=shown)


def _move(
    move: str, title: str, action: Action, body: type, button: str, hint: str, then: str = _PAGE
) -> Form:
    return Form(
        f"{_PAGE}/{move}",
        title,
        action,
        f"{_ACCOUNT}/{move}",
        then,
        body=body,
        about=_ACCOUNT,
        button=button,
        hint=hint,
        variant="account",
    )


REPLY = _move(
    "reply",
    "Answer the client",
    Action.account_reply,
    Reply,
    "Send the answer",
    "They read it at the door, with their receipt, and that it is from you. It cannot be unsent. "
    "There may be several answers.",
)
CLOSE = _move(
    "close",
    "Close this account",
    Action.account_close,
    Closing,
    "Close it",
    "The client reads that it is closed, and since when: never what you determine or note here. "
    "It opens again once they add words.",
)
RECORD = Form(
    f"{_PAGE}/incidents/new",
    "Record an incident of what was said",
    Action.account_record,
    f"{_ACCOUNT}/incidents",
    "/desk/incidents/{id}",
    body=IncidentCreate,
    about=_ACCOUNT,
    leaves_out=frozenset({_WHOSE.name, _SAYS, "restricted"}),
    button="Record it",
    hint="It is the client's account, or the guardian's, and kept from the therapist unless that "
    "was shared with them.",
    beside=_whose_conduct,
    template="account_incident_form.html",
)
PROMISE = Form(
    f"{_PAGE}/promises/new",
    "Record a promise that was told of",
    Action.account_record,
    f"{_ACCOUNT}/promises",
    "/desk/promises/{id}",
    body=PromiseCreate,
    about=_ACCOUNT,
    leaves_out=frozenset({_SAYS}),
    button="Record it",
    hint="It is the client's account, or the guardian's, and kept from the therapist unless that "
    "was shared with them.",
    beside=_as_said,
    template="account_record_form.html",
)
add_forms(
    doors,
    REPLY,
    CLOSE,
    PROMISE,
    _move(
        "step-out",
        "Step out",
        Action.account_step_out,
        AccountReason,
        "Read it no more",
        "For a reader who knows too much: the client, the therapist, or what happened. You see "
        "this account no more, and nothing that came of it. The other readers see why.",
        FROM_THE_DOOR,
    ),
    _move(
        "told",
        "The therapist was told",
        Action.account_tell,
        AccountReason,
        "Write it down",
        "Nobody speaks of this with the therapist, save where the law or a danger to life compels. "
        "Where it does, say here what compelled you. The client reads at the door that the "
        "therapist was told, and on which day.",
    ),
)


@doors.get(FROM_THE_DOOR)
async def show_accounts(desk: Desk) -> Response:
    """List what clients said that is addressed to somebody, newest first."""
    return desk.page("accounts.html", listed=await read_list(desk, "/v1/accounts"))


@doors.get(_PAGE)
async def show_account(desk: Desk) -> Response:
    """Show one account to its reader; to the therapist what was shared with them, and no more."""
    account = await desk.api.get(_ACCOUNT.format_map(desk.request.path_params))
    if "shared_on" in account:
        return desk.page("shared_account.html", account=account)
    await desk.name(*_people_in(account))
    begins, today = account["therapist_reads_from"], desk.words.today.isoformat()
    return desk.page(
        "account.html",
        account=account,
        changed=CHANGED,
        is_shared=begins is not None and begins <= today,
        is_open=account["status"] not in {AccountStatus.closed, AccountStatus.taken_back},
        answer_first=_waits_for_an_answer(account),
        reply=fields(REPLY),
        close=fields(CLOSE),
    )


def _waits_for_an_answer(account: Mapping[str, Any]) -> bool:
    """Tell whether an answer is wanted, and the latest words have none."""
    answered = account["answered_at"]
    unanswered: bool = answered is None or answered < account["words_at"]
    return unanswered and AccountWant.an_answer in account["wants"]


def _people_in(account: Mapping[str, Any]) -> Iterable[str | None]:
    yield from account["not_to"]
    yield account["closed_by_id"]
    for moves in ("read_by", "stepped_out", "told", "replies"):
        yield from (each["by_id"] for each in account[moves])


@doors.get(RECORD.path)
async def choose_kind(desk: Desk) -> Response:
    """Ask first what kind of incident it was: a topic may name one, and a person says it."""
    at = _ACCOUNT.format_map(desk.request.path_params)
    account = await desk.api.get(at)
    kinds = kinds_of(IncidentCreate)
    named = [KIND_OF[AccountTopic[each]] for each in account["topics"]]
    return desk.page(
        "account_kinds.html",
        account=account,
        named={str(kind): kinds[kind] for kind in named if kind is not None},
        promise=PROMISE.path.format_map(desk.request.path_params)
        if AccountTopic.promise in account["topics"]
        else None,
        kinds=kinds,
        to=RECORD.path.format_map(desk.request.path_params),
    )


@doors.get(f"{RECORD.path}/{{kind}}")
async def show_record(desk: Desk) -> Response:
    """Show the form for one kind of incident, below what was said."""
    return await show_form(desk, RECORD, _known_kind(desk))


@doors.post(f"{RECORD.path}/{{kind}}")
async def send_record(desk: Desk) -> Response:
    """Record an incident of what was said."""
    return await send_form(desk, RECORD, _known_kind(desk))


def _known_kind(desk: Desk) -> str:
    kind: str = desk.request.path_params["kind"]
    if kind not in kinds_of(IncidentCreate):
        raise Refused(404, "not-found", "")
    return kind
