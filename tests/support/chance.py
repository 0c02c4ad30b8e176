"""Rows of one clinic by chance: who is linked, stands in and keeps away, and what is recorded."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from api.domain.lifecycles import BRIEF_LASTS
from api.domain.look_back import LOOK_BACK_ID
from api.domain.vocabulary import (
    Audience,
    CameBy,
    CaseStatus,
    Classification,
    ClientImpact,
    ConsultationKind,
    ConsultationStatus,
    ConsultationUrgency,
    DatePrecision,
    Event,
    Initiator,
    InvitationFor,
    NoteClass,
    NoteStatus,
    Phase,
    PromiseKeepable,
    PromiseKind,
    PromiseMadeBy,
    PromiseScope,
    PromiseSource,
    PromiseState,
    Repair,
    ReportedBy,
    ResponseBy,
    Severity,
    Significance,
)
from api.flags.triage import keep_triage
from api.records.oversight_notices import KEPT_FOR
from api.storage.hidden_entries import ABOUT_ROWS
from api.storage.models.access import (
    AccessGrant,
    AccessNotice,
    AccessNoticeReader,
    GrantKind,
    NoticeKind,
    Supervision,
)
from api.storage.models.clinical import Case, Consultation, Decline, Incident, Note, Promise
from api.storage.models.disclosures import Disclosure
from api.storage.models.door import Invitation, Response
from api.storage.models.flags import Flag
from api.storage.models.journal import JournalEntry
from tests.support.world import World

CASES, LINKS, GRANTS, ROWS, NOTICES = 10, 8, 40, 12, 12
"""How many of each are made up; `ROWS` of each kind of record, and two of some."""

_WORDS: dict[type[SQLModel], dict[str, Any]] = {
    Incident: {
        "date_precision": DatePrecision.day,
        "initiator": Initiator.client,
        "reported_by": ReportedBy.client,
        "classification": Classification.unclassified,
        "client_impact": ClientImpact.unknown,
        "repair": Repair.unknown,
        "details": {"kind": "oversight", "available": None},
        "kind": "oversight",
    },
    Promise: {
        "wording": "words",
        "made_by": PromiseMadeBy.therapist,
        "source": PromiseSource.explicit,
        "kind": PromiseKind.other,
        "scope": PromiseScope.within_frame,
        "keepable": PromiseKeepable.yes,
        "significance": Significance.minor,
        "state": PromiseState.open,
        "client_impact": ClientImpact.unknown,
        "reported_by": ReportedBy.client,
    },
    Flag: {
        "rule": "manual",
        "title": "look",
        "severity": Severity.low,
        "because": "of this",
        "rule_version": 1,
    },
    Consultation: {
        "kind": ConsultationKind.ethics,
        "urgency": ConsultationUrgency.routine,
        "question": "words",
    },
    Response: {
        "questionnaire_id": LOOK_BACK_ID,
        "number": 1,
        "by": ResponseBy.client,
        "came_by": CameBy.typed_in,
        "sealed_answers": "{}",
    },
    Invitation: {"for_whom": InvitationFor.client, "code_hash": "none"},
    Disclosure: {"recipient": "client", "purpose": "access_request", "form": "json"},
}
"""What has no part in who sees a row."""


@dataclass
class Chance:
    """Makes rows up; the same `luck` makes the same ones."""

    world: World
    luck: random.Random
    people: list[UUID]
    cases: list[Case] = field(default_factory=list)

    async def put_up(self) -> None:
        """Keep rows of every kind, those that others point at first."""
        self.cases = [self._case() for _ in range(CASES)]
        records = [row for _ in range(ROWS) for row in self._records()]
        for case in self.cases:
            flags = [row for row in records if isinstance(row, Flag) and row.case_id == case.id]
            keep_triage(case, flags)
        notices = [self._notice() for _ in range(NOTICES)]
        entries = (self._entry(records) for _ in range(2 * ROWS))
        async with self.world.owner.transaction() as tx:
            await tx.enter(self.world.clinician.clinic_id)
            for rows in (
                self.cases,
                [*self._links(), *self._grants(), *records, *notices],
                [*self._declines(records), *entries, *self._readers(notices)],
            ):
                for row in rows:
                    tx.add(row)
                await tx.flush()

    def _here(self) -> dict[str, Any]:
        now = self.world.clock.now
        return {
            "clinic_id": self.world.clinician.clinic_id,
            "id": uuid7(),
            "created_at": now,
            "updated_at": now,
            "recorded_by_id": self.luck.choice([*self.people, None]),
        }

    def _anybody(self) -> UUID:
        return self.luck.choice(self.people)

    def _somebody_else(self) -> UUID:
        """Give most often one of those who see cases of others."""
        others = ("supervisor", "stranger", "consultant")
        return self.luck.choice([*self.people, *3 * [self.world.here[each].id for each in others]])

    def _rarely(self) -> bool:
        return self.luck.random() < 0.15

    def _evenly(self) -> bool:
        return self.luck.random() < 0.5

    def _on_a_case(self, model: type[SQLModel]) -> dict[str, Any]:
        return {
            **self._here(),
            **_WORDS.get(model, {}),
            "case_id": self.luck.choice(self.cases).id,
        }

    def _days(self) -> tuple[timedelta, timedelta | None]:
        """Give when something begins and ends: before, at and after what is now."""
        ends = self.luck.choice([None, None, -1, 0, 1])
        return timedelta(self.luck.choice([-3, -3, 0, 1])), None if ends is None else timedelta(
            ends
        )

    def _case(self) -> Case:
        return Case(
            **self._here(),
            client_ref=f"made up {uuid7()}",
            clinician_id=self._anybody(),
            status=CaseStatus.active,
            phase=Phase.unknown,
            voided_at=self.world.clock.now if self._rarely() else None,
        )

    def _links(self) -> Iterator[Supervision]:
        today = self.world.clock.now.date()
        for _ in range(LINKS):
            begins, ends = self._days()
            yield Supervision(
                **self._here(),
                supervisor_id=self._somebody_else(),
                clinician_id=self._anybody(),
                starts_on=today + begins,
                ends_on=None if ends is None else today + ends,
            )

    def _grants(self) -> Iterator[AccessGrant]:
        now = self.world.clock.now
        for _ in range(GRANTS):
            begins, ends = self._days()
            yield AccessGrant(
                **self._on_a_case(AccessGrant),
                kind=self.luck.choice(list(GrantKind)),
                user_id=self._somebody_else(),
                starts_at=now + begins,
                ends_at=None if ends is None else now + ends,
            )

    def _records(self) -> Iterator[Any]:
        now = self.world.clock.now
        yield Incident(
            **self._on_a_case(Incident),
            occurred_on=now.date(),
            restricted=self._evenly(),
            about_user_id=self._somebody_else() if self._rarely() else None,
            voided_at=now if self._rarely() else None,
        )
        yield Flag(
            **self._on_a_case(Flag),
            audience=self.luck.choice(list(Audience)),
            restricted=self._evenly(),
            effective_at=now,
        )
        yield Note(
            **self._on_a_case(Note),
            body="words",
            note_class=self.luck.choice(list(NoteClass)),
            status=self.luck.choice(list(NoteStatus)),
        )
        yield Promise(**self._on_a_case(Promise), made_on=now.date(), restricted=self._evenly())
        yield Response(**self._on_a_case(Response), answered_on=now.date())
        yield Invitation(**self._on_a_case(Invitation), expires_on=now.date())
        yield Disclosure(**self._on_a_case(Disclosure), restricted=self._evenly())
        yield self._consultation()
        yield self._consultation()

    def _consultation(self) -> Consultation:
        """Make up a request; most are released, and wait for whoever answers."""
        at = self.world.clock.now - self.luck.choice([timedelta(1), BRIEF_LASTS])
        waiting = [
            ConsultationStatus.requested,
            ConsultationStatus.requested,
            ConsultationStatus.accepted,
            ConsultationStatus.in_progress,
        ]
        return Consultation(
            **self._on_a_case(Consultation),
            status=self.luck.choice([*waiting, *ConsultationStatus]),
            released=not self._rarely(),
            consultant_id=self.luck.choice([*self.people, *3 * [self._consultant], None, None]),
            requested_at=at,
            accepted_at=at,
        )

    @property
    def _consultant(self) -> UUID:
        return self.world.here["consultant"].id

    def _declines(self, records: list[Any]) -> Iterator[Decline]:
        now = self.world.clock.now
        for row in records:
            if isinstance(row, Consultation) and self._rarely():
                yield Decline(
                    clinic_id=row.clinic_id,
                    case_id=row.case_id,
                    consultation_id=row.id,
                    user_id=self._consultant,
                    created_at=now,
                    updated_at=now,
                )

    def _entry(self, records: list[Any]) -> JournalEntry:
        """Make up an entry about some records of one kind on one case, or about the case."""
        about = self.luck.choice(records)
        kind = type(about).__name__.lower()
        alike = [
            row for row in records if row.case_id == about.case_id and type(row) is type(about)
        ]
        some = self.luck.sample(alike, k=self.luck.randint(1, len(alike)))
        # of no case is told what is of no record that could be hidden
        of_none = kind not in ABOUT_ROWS and self._rarely()
        return JournalEntry(
            clinic_id=about.clinic_id,
            id=uuid7(),
            at=self.world.clock.now,
            actor_id=self.luck.choice([*self.people, None]),
            happening=self.luck.choice([Event.flag_opened, Event.flag_acknowledged]),
            case_id=None if of_none else about.case_id,
            record_type=kind,
            record_ids=[str(row.id) for row in some],
            restricted=self._evenly(),
            is_read=self._rarely(),
            request_id=self.luck.choice([None, "one", "two"]),
        )

    def _notice(self) -> AccessNotice:
        now = self.world.clock.now
        return AccessNotice(
            clinic_id=self.world.clinician.clinic_id,
            at=now + self.luck.choice([timedelta(1), timedelta(), timedelta(), -KEPT_FOR]),
            kind=self.luck.choice(list(NoticeKind)),
            user_id=self._anybody(),
            record_id=uuid7(),
            entry_id=uuid7(),
            withdrawn_at=now if self._rarely() else None,
        )

    def _readers(self, notices: list[AccessNotice]) -> Iterator[AccessNoticeReader]:
        now = self.world.clock.now
        for notice in notices:
            for person in self.luck.sample(self.people, k=2):
                yield AccessNoticeReader(
                    clinic_id=notice.clinic_id,
                    user_id=person,
                    notice_id=notice.id,
                    read_at=self.luck.choice([None, now]),
                )
