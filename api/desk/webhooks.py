"""Webhooks: addresses that are told what happened, and what became of what they were sent."""

from fastapi import Response

from api.desk.desk import Desk, Doors, go
from api.desk.forms import Form, add_forms
from api.desk.lists import Choices, read_list
from api.desk.marked import N_
from api.domain.permissions.actions import Action
from api.routes.webhook_deliveries import WebhookReplay
from api.routes.webhooks import WebhookCreate, WebhookPatch, WebhookSecretCreate

doors = Doors()

_HERE = "/desk/webhooks"
_WEBHOOK, _ITS_PAGE = "/v1/webhooks/{webhook_id}", f"{_HERE}/{{webhook_id}}"
_SENT = f"{_ITS_PAGE}/deliveries"
DELIVERIES: Choices = (
    (N_("all"), {}),
    (N_("not sent yet"), {"status": "pending"}),
    (N_("arrived"), {"status": "delivered"}),
    (N_("given up"), {"status": "failed"}),
)

add_forms(
    doors,
    Form(
        f"{_HERE}/new",
        "Tell an address of events",
        Action.webhook_create,
        "/v1/webhooks",
        f"{_HERE}/{{id}}",
        body=WebhookCreate,
        once=False,
        recent=True,
        shows="told_once.html",
        button="Tell it from now on",
        hint="It is sent ids only, never what was written. Its secret is shown this once: with it "
        "the receiver checks that an event comes from here.",
    ),
    Form(
        f"{_ITS_PAGE}/change",
        "Change this webhook",
        Action.webhook_change,
        _WEBHOOK,
        _ITS_PAGE,
        body=WebhookPatch,
        method="PATCH",
        about=_WEBHOOK,
        changes=True,
        hint="Switched off, it gives up what it was still to send.",
    ),
    Form(
        f"{_ITS_PAGE}/delete",
        "Delete this webhook",
        Action.webhook_change,
        _WEBHOOK,
        "/desk/software",
        method="DELETE",
        about=_WEBHOOK,
        button="Delete it",
        hint="Nothing more is sent to this address, not even what is still to be sent.",
    ),
    Form(
        f"{_ITS_PAGE}/secrets/new",
        "Make a new secret",
        Action.webhook_change,
        f"{_WEBHOOK}/secrets",
        _ITS_PAGE,
        body=WebhookSecretCreate,
        about=_WEBHOOK,
        once=False,
        recent=True,
        shows="told_once.html",
        button="Make it",
        hint="Both secrets sign until the older one ends. The new one is shown this once.",
    ),
    Form(
        f"{_ITS_PAGE}/secrets/{{secret_id}}/end",
        "End this secret",
        Action.webhook_change,
        f"{_WEBHOOK}/secrets/{{secret_id}}",
        _ITS_PAGE,
        method="DELETE",
        about=_WEBHOOK,
        part=("secrets", "secret_id"),
        recent=True,
        button="End it",
        hint="It signs nothing any more, from now on.",
    ),
    Form(
        f"{_SENT}/replay",
        "Send again what it was not told",
        Action.webhook_change,
        f"{_WEBHOOK}/deliveries/replay",
        _SENT,
        body=WebhookReplay,
        about=_WEBHOOK,
        button="Send it",
        hint="What arrived is not sent a second time.",
    ),
)


@doors.get(_ITS_PAGE)
async def show_webhook(desk: Desk) -> Response:
    """Show one webhook: where it points, what it is told, the secrets that sign."""
    webhook = await desk.api.get(_WEBHOOK.format_map(desk.request.path_params))
    at = _ITS_PAGE.format_map(desk.request.path_params)
    return desk.page("webhook.html", webhook=webhook, at=at)


@doors.post(f"{_ITS_PAGE}/test")
async def test_webhook(desk: Desk) -> Response:
    """Send a test; what comes of it is in the list of deliveries."""
    await desk.api.send("POST", f"{_WEBHOOK}/test".format_map(desk.request.path_params))
    return go(_SENT.format_map(desk.request.path_params))


@doors.get(_SENT)
async def show_deliveries(desk: Desk) -> Response:
    """List what a webhook was sent, or is to be, with each try."""
    at = _ITS_PAGE.format_map(desk.request.path_params)
    api = f"{_WEBHOOK}/deliveries".format_map(desk.request.path_params)
    return desk.page("deliveries.html", listed=await read_list(desk, api, DELIVERIES), at=at)


@doors.post(f"{_SENT}/{{delivery_id}}/resend")
async def resend(desk: Desk) -> Response:
    """Send an event once more."""
    at = f"{_WEBHOOK}/deliveries/{{delivery_id}}/resend".format_map(desk.request.path_params)
    await desk.api.send("POST", at)
    return go(_SENT.format_map(desk.request.path_params))
