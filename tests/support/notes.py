"""Notes, drafted and signed."""

from typing import Any
from uuid import UUID

from httpx import Response

from api.domain.vocabulary import NoteClass, NoteStatus, VoidReason
from api.storage.models.clinical import Note
from tests.support.world import Person, World, made, ok

WORDS = "what was said, and how it was met"


async def drafted(
    by: Person, case: dict[str, Any], note_class: str = "progress", body: str = WORDS
) -> dict[str, Any]:
    """Draft a note."""
    note = {"note_class": note_class, "body": body}
    return made(await by.post(f"/v1/cases/{case['id']}/notes", note))


async def signed(
    by: Person, case: dict[str, Any], note_class: str = "progress", body: str = WORDS
) -> dict[str, Any]:
    """Draft a note and sign it."""
    note = await drafted(by, case, note_class, body)
    return ok(await by.post(f"{path_of(note)}/sign"))


def path_of(note: dict[str, Any]) -> str:
    """Give where a note stands."""
    return f"/v1/notes/{note['id']}"


async def listed(by: Person, case: dict[str, Any], **filters: Any) -> list[str]:
    """Give the ids of the notes of a case that somebody reads."""
    page = ok(await by.get(f"/v1/cases/{case['id']}/notes", **filters))
    return [note["id"] for note in page["items"]]


def refused_note(answer: Response, status: int) -> str:
    """Give the sentence of a refusal."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    detail: str = answer.json()["detail"]
    assert detail.endswith(".")
    return detail


async def note(
    world: World,
    case: dict[str, Any],
    body: str,
    *,
    of: NoteClass = NoteClass.progress,
    status: NoteStatus = NoteStatus.signed,
    amends: UUID | None = None,
    voided: bool = False,
) -> UUID:
    """Write a note of the clinician's into a case."""
    async with world.owner.transaction() as tx:
        await tx.enter(world.clinician.clinic_id)
        row = Note(
            clinic_id=world.clinician.clinic_id,
            case_id=UUID(case["id"]),
            note_class=of,
            body=body,
            status=status,
            signed_at=tx.now if status == NoteStatus.signed else None,
            amends_id=amends,
            voided_at=tx.now if voided else None,
            void_reason=VoidReason.wrong_case if voided else None,
            created_at=tx.now,
            updated_at=tx.now,
            recorded_by_id=world.clinician.id,
        )
        tx.add(row)
        row_id: UUID = row.id
    return row_id
