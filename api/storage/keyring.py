"""The keys of each clinic, unwrapped once a process."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.security.crypto import KeyEncryptionKeys, Place, WrongKeyError, new_key, unwrap, wrap
from api.storage.models.people import ClinicKey, KeyPurpose

REMEMBERED = 300.0
"""Seconds that the key of a case is remembered."""
MOST_REMEMBERED = 4_000
"""Cases whose keys are remembered."""


@dataclass(frozen=True, slots=True)
class ClinicKeys:
    """The keys of one clinic. `texts` by number: the highest is in use, the others unwrap."""

    clinic_id: UUID
    texts: dict[int, AESGCM]
    lookup: bytes
    seal: bytes

    @property
    def newest(self) -> int:
        """The number of the text key in use."""
        return max(self.texts)

    def new_case_key(self, case_id: UUID) -> tuple[AESGCM, str]:
        """Make the key of a case; give it with what the case's row keeps of it."""
        key = new_key()
        return AESGCM(key), self.wrap_case_key(case_id, key)

    def wrap_case_key(self, case_id: UUID, key: bytes) -> str:
        """Wrap the key of a case with the text key in use, whose number comes first."""
        place = _place_of_case_key(self.clinic_id, case_id)
        return f"{self.newest}.{wrap(self.texts[self.newest], key, place)}"

    def unwrap_case_key(self, case_id: UUID, wrapped: str) -> bytes:
        """Unwrap the key of a case. Raises WrongKeyError where its clinic's key is not known."""
        number, _, payload = wrapped.partition(".")
        key = self.texts.get(int(number)) if number.isdecimal() else None
        if key is None:
            raise WrongKeyError(f"the key of case {case_id}")
        return unwrap(key, payload, _place_of_case_key(self.clinic_id, case_id))


class Keyring:
    """Unwraps the keys of clinics, and remembers them for as long as the process lives.

    Those of cases are remembered for some minutes, by what is kept of them: once that is another,
    or is gone, they are found no more.
    """

    def __init__(
        self, keys: KeyEncryptionKeys | None, tell_time: Callable[[], float] = monotonic
    ) -> None:
        self._keys = keys
        self._known: dict[UUID, ClinicKeys] = {}
        self._of_cases: OrderedDict[tuple[UUID, str], tuple[AESGCM, float]] = OrderedDict()
        self._tell_time = tell_time

    def case_key(self, keys: ClinicKeys, case_id: UUID, wrapped: str) -> AESGCM:
        """Give the key of a case. Raises WrongKeyError where its clinic's key is not known."""
        kept_as, now = (case_id, wrapped), self._tell_time()
        known = self._of_cases.get(kept_as)
        if known is not None and now < known[1]:
            return known[0]
        key = AESGCM(keys.unwrap_case_key(case_id, wrapped))
        self._of_cases[kept_as] = key, now + REMEMBERED
        self._of_cases.move_to_end(kept_as)
        self._forget_some(now)
        return key

    def _forget_some(self, now: float) -> None:
        """Forget what is too old, and the oldest where there are too many."""
        while self._of_cases:
            kept_as, (_, until) = next(iter(self._of_cases.items()))
            if until > now and len(self._of_cases) <= MOST_REMEMBERED:
                return
            del self._of_cases[kept_as]

    def known(self, clinic_id: UUID) -> ClinicKeys | None:
        """Give the keys of a clinic, where they were unwrapped before."""
        return self._known.get(clinic_id)

    def unlock(self, clinic_id: UUID, rows: Iterable[ClinicKey]) -> ClinicKeys:
        """Unwrap the keys of a clinic, and remember them. Raises WrongKeyError for other keys."""
        of: dict[KeyPurpose, dict[int, bytes]] = {purpose: {} for purpose in KeyPurpose}
        for row in rows:
            of[row.purpose][row.number] = self._unwrap(row)
        if not all(of.values()):
            raise WrongKeyError(f"clinic {clinic_id} has no keys")
        lookup, seal = (of[purpose][1] for purpose in (KeyPurpose.lookup, KeyPurpose.seal))
        texts = {number: AESGCM(key) for number, key in of[KeyPurpose.text].items()}
        keys = ClinicKeys(clinic_id, texts, lookup, seal)
        self._known[clinic_id] = keys
        # these may be others than before
        self._of_cases.clear()
        return keys

    def forge(self, clinic_id: UUID, now: datetime) -> list[ClinicKey]:
        """Make the keys of a new clinic."""
        return [self.forge_one(clinic_id, purpose, 1, now) for purpose in KeyPurpose]

    def forge_one(
        self, clinic_id: UUID, purpose: KeyPurpose, number: int, now: datetime
    ) -> ClinicKey:
        """Make one more key of a clinic."""
        place = _place_of_clinic_key(clinic_id, purpose, number)
        return ClinicKey(
            clinic_id=clinic_id,
            purpose=purpose,
            number=number,
            wrapped=self._wrapping.wrap(new_key(), place),
            wrapped_by=self._wrapping.current,
            created_at=now,
            updated_at=now,
        )

    def rewrap(self, row: ClinicKey, now: datetime) -> bool:
        """Wrap a clinic's key anew with the data key in use; tell whether it was another."""
        if row.wrapped_by == self._wrapping.current:
            return False
        place = _place_of_clinic_key(row.clinic_id, row.purpose, row.number)
        wrapped = self._wrapping.wrap(self._unwrap(row), place)
        row.change({"wrapped": wrapped, "wrapped_by": self._wrapping.current}, now)
        return True

    def _unwrap(self, row: ClinicKey) -> bytes:
        place = _place_of_clinic_key(row.clinic_id, row.purpose, row.number)
        return self._wrapping.unwrap(row.wrapped, row.wrapped_by, place)

    @property
    def _wrapping(self) -> KeyEncryptionKeys:
        if self._keys is None:
            raise WrongKeyError("no data key is set: BN_DATA_KEY or BN_DATA_KEY_FILE")
        return self._keys


def _place_of_clinic_key(clinic_id: UUID, purpose: KeyPurpose, number: int) -> Place:
    return Place(clinic_id, "clinic_keys", f"{purpose}/{number}", clinic_id)


def _place_of_case_key(clinic_id: UUID, case_id: UUID) -> Place:
    return Place(clinic_id, "cases", "text_key", case_id)
