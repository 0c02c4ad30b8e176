"""Who sends a file of records: what they may bring in, and which rows they may not know of."""

from dataclasses import dataclass
from uuid import UUID

from api.interop.bulk.refusals import NotTaken
from api.storage.models.clinical import Incident, Promise


@dataclass(frozen=True, slots=True)
class Rights:
    """What an import may bring. `history`: what somebody else did, such as a review."""

    history: bool
    consultations: bool
    restricted: bool


EVERYTHING = Rights(history=True, consultations=True, restricted=True)
"""What the operator may bring."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who records the lines of a batch."""

    id: UUID
    rights: Rights

    def refuse_history(self) -> None:
        """Raise NotTaken where what somebody else did is not theirs to bring."""
        if not self.rights.history:
            raise NotTaken("/history", "What became of a record is brought in by the operator.")

    def is_hidden(self, kind: str, recorded_by: UUID | None, *, restricted: bool) -> bool:
        """Tell whether a record is hidden from them: nothing is from the operator.

        That it is here must show in no answer; what they brought in themselves they know.
        """
        if self.rights.history or recorded_by == self.id:
            return False
        return restricted or (kind == "consultation" and not self.rights.consultations)


def is_hidden_from_software(row: Incident | Promise) -> bool:
    """Tell whether software's requests may not speak of a record."""
    return row.voided_at is not None or row.restricted
