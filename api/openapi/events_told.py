"""What receivers of events are sent, for the OpenAPI document; nothing here is ever asked."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from api.domain.vocabulary import Event
from api.interop.webhooks.deliveries import TRIES
from api.interop.webhooks.signed_request import EventNotice

told = APIRouter()


async def _receive(
    body: EventNotice,
    webhook_id: Annotated[
        str, Header(alias="webhook-id", description="The event's id: the same for each try.")
    ],
    webhook_timestamp: Annotated[
        str,
        Header(
            alias="webhook-timestamp",
            description="When this try was made, in seconds since 1970: refuse what is old.",
        ),
    ],
    webhook_signature: Annotated[
        str,
        Header(
            alias="webhook-signature",
            description="`v1,` and the base64 of an HMAC-SHA256 over id, timestamp and body, "
            "joined by dots (Standard Webhooks); one for each secret, with a blank between.",
        ),
    ],
) -> None:
    """Take note of an event."""


_EXPECTED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Any 2xx within ten seconds: it has arrived. No body is read."},
    "3XX": {"description": "Not followed: the event is tried again."},
    410: {"description": "Nothing more is wanted: the webhook is switched off."},
    "default": {"description": f"The event is tried {TRIES} times in all, within about a day."},
}

for _event in Event:
    told.add_api_route(
        str(_event),
        _receive,
        methods=["POST"],
        status_code=204,
        responses=_EXPECTED,
        summary=_event.definition[0].upper() + _event.definition[1:],
        description=f"Sent to webhooks where {_event.definition}. Ids only: read the record to "
        "learn more, as far as you may. Events may come twice, and not in their order.",
        operation_id=f"told_{_event.name}",
        tags=["webhooks"],
    )
