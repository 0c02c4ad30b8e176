"""What somebody answers at the door, looking back: what they are asked, and how it is kept."""

from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from api.access.at_door import Visit
from api.domain.errors import Invalid, NotFound
from api.domain.look_back import LOOK_BACK_ID
from api.domain.questionnaires import wrong_answers
from api.domain.rules.moment import midnight
from api.domain.vocabulary import Sharing
from api.flags.catching_up import catch_up
from api.flags.reconcile import reconcile_flags
from api.journal.entries import Happening, record_row
from api.records.asked_versions import AskedVersion, find_version
from api.records.client_accounts import begins_to_be_shared, box_of, refuse_more_today
from api.records.create import new_response
from api.records.door_bodies import MOST_RESPONSES_A_DAY, AnswersSent
from api.security.door_secrets import DoorSecrets, id_made_at
from api.storage.models.door import Response
from api.storage.transaction import Transaction

NOT_ASKED = "This is nothing that is asked at this door, or it has no such version."


class Answered(NamedTuple):
    """What was answered, and the receipt, the first time alone."""

    response: Response
    receipt: str | None


async def asked_at(
    tx: Transaction, visit: Visit, questionnaire_id: UUID | None = None, number: int | None = None
) -> AskedVersion | None:
    """Give what somebody at the door is asked; None where nothing is.

    By an invitation what it names; else what every clinic has, where they are a client. One that
    was retired since they were shown it may still be answered, by the version that they name.
    """
    invited = None if visit.invitation is None else visit.invitation.questionnaire_id
    asked = await find_version(tx, questionnaire_id or invited or LOOK_BACK_ID, number)
    if asked is None or str(asked.body.for_) != str(visit.by):
        return None
    return asked if asked.retired_at is None or number is not None else None


async def receive_answers(
    tx: Transaction, visit: Visit, body: AnswersSent, secrets: DoorSecrets
) -> Answered:
    """Take what somebody answers at the door of a case, whose lock is held.

    Raises 429 past what a box takes in a day.
    """
    asked = await asked_at(tx, visit, body.questionnaire_id, body.questionnaire_version)
    if asked is None and body.questionnaire_id is None:
        raise NotFound
    if asked is None:
        raise Invalid("/questionnaire_id", NOT_ASKED)
    for place, why in wrong_answers(asked.body, body.answers):
        raise Invalid(f"/answers/{place}", why)
    await catch_up(tx, visit.case)
    box, receipt = await box_of(tx, visit, secrets, wants_receipt=not body.no_receipt)
    await refuse_more_today(tx, Response, box, MOST_RESPONSES_A_DAY)
    row = new_response(
        tx,
        asked,
        {each.link_id: each.value for each in body.answers},
        visit.case.id,
        None,
        **_shared(tx, visit, body.shared),
        by=visit.by,
        came_by=visit.came_by,
        box_id=box.id,
        by_therapist=False,
        answered_on=tx.today,
    )
    tx.add(row)
    visit.case.door_used = True
    record_row(tx, Happening.response_received, row, actor_id=box.id)
    await reconcile_flags(tx, visit.case, actor_id=box.id)
    return Answered(row, receipt)


def _shared(tx: Transaction, visit: Visit, sharing: Sharing) -> dict[str, object]:
    if sharing != Sharing.with_therapist:
        return {"id": uuid7(), "shared": sharing}
    begins = begins_to_be_shared(tx)
    return {
        # the therapist could tell from an id of now when it was sent
        "id": id_made_at(midnight(begins, tx.clinic.zone)),
        "shared": sharing,
        "shared_from": begins,
        "shared_with_id": visit.case.clinician_id,
    }
