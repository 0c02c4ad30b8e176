"""No view of a case tells its therapist that the door was used: not by a byte.

Two clinics live through the same days, to the same clock. In one of them the client, a guardian and
the readers do all that there is to do at the door.
"""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from api.access import guards, journal_reading
from api.records import read_models
from api.routes import exports, incidents, invitations, promises, timeline
from tests.support.two_doors import HIDDEN, differing, two_clinics
from tests.support.world import World, ok

LEAST = {"clinician": 150, "colleague": 80, "software": 60}
"""How much each is shown at least."""


async def test_nothing_that_is_shown_tells_that_the_door_was_used(world: World) -> None:
    plain, other = await two_clinics(world)
    before = await other.at_the_door()
    for part, least in LEAST.items():
        seen, told = await plain.seen_by(part), await other.seen_by(part)
        assert sum(view.startswith("200") for view in seen.values()) >= least, part
        assert HIDDEN not in "".join(told.values())
        assert differing(seen, told) == [], part
    assert differing(await plain.at_the_door(), before) == []
    # there is something to be told
    supervisor = other.people["supervisor"]
    assert HIDDEN in str(ok(await supervisor.get(f"/v1/cases/{other.case['id']}/incidents")))


async def test_of_what_is_shared_that_alone_is_shown(world: World) -> None:
    plain, other = await two_clinics(world, share=True)
    seen, told = await plain.seen_by("clinician"), await other.seen_by("clinician")
    where = differing(seen, told)
    assert where
    # what is shared, that she has read it, and what was copied
    told_of_it = re.compile("accounts|journal|AuditEvent|readers|export|disclosures")
    assert [each for each in where if not told_of_it.search(each)] == []
    path = f"/v1/cases/{other.case['id']}/accounts"
    hers = other.people["clinician"]
    (shared,) = ok(await hers.get(path))["items"]
    assert shared == {
        "id": shared["id"],
        "case_id": other.case["id"],
        "happened": "zq-shared",
        "topics": ["promise"],
        "when": None,
        "date_precision": "day",
        "shared_on": "2026-03-03",
    }
    assert HIDDEN not in "".join(told.values())
    assert differing(await plain.at_the_door(), await other.at_the_door()) == []


async def _nothing(*_: object) -> frozenset[Any]:
    return frozenset()


def _everything(*_: object) -> Any:
    return sa.true()


GUARDS: tuple[tuple[Any, str, Any, str], ...] = (
    (timeline, "hidden_on", _nothing, "/timeline"),
    (incidents, "visible_incidents", _everything, "^/v1/.*incidents"),
    (promises, "visible_promises", _everything, "^/v1/.*promises"),
    (exports, "visible_disclosures", _everything, "^/v1/.*/disclosures$"),
    (invitations, "visible_invitations", _everything, "^/v1/.*invitations"),
    (read_models, "may_see_flag", lambda *_, **__: True, "^/v1/cases$"),
    (guards, "purpose_of", lambda _: None, "^/v1/journal"),
    (journal_reading, "OVERSIGHT", "nothing", "^/v1/journal"),
)
"""Guards, what takes their place, and where it must show."""


@pytest.mark.parametrize(("room", "guard", "gone", "where"), GUARDS, ids=[g[1] for g in GUARDS])
async def test_a_guard_that_is_taken_away_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch, room: Any, guard: str, gone: Any, where: str
) -> None:
    monkeypatch.setattr(room, guard, gone)
    plain, other = await two_clinics(world)
    seen, told = [await each.seen_by("clinician", where) for each in (plain, other)]
    assert differing(seen, told)
