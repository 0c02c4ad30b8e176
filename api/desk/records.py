"""The records of a case, each on a page of its own: incidents, promises, consultations, notes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Response

from api.desk.desk import Desk, Doors, ids_of
from api.desk.lists import Choices, read_list
from api.desk.marked import N_
from api.desk.showing import people_in, shown

doors = Doors()


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of record that the desk shows."""

    word: str
    plural: str
    title: str
    choices: Choices
    """Which of them may be chosen, as links."""
    has_versions: bool = True

    @property
    def page(self) -> str:
        """Where one is shown."""
        return f"/desk/{self.plural}/{{{self.word}_id}}"

    @property
    def api(self) -> str:
        """Where the API tells of one."""
        return f"/v1/{self.plural}/{{{self.word}_id}}"


NOUNS = (
    Noun(
        "incident",
        "incidents",
        N_("Incidents"),
        ((N_("to review"), {"status": "reported"}), (N_("all"), {})),
    ),
    Noun("promise", "promises", N_("Promises"), ((N_("open"), {"state": "open"}), (N_("all"), {}))),
    Noun(
        "consultation",
        "consultations",
        N_("Consultations"),
        (
            (N_("all"), {}),
            (N_("asked for"), {"status": "requested"}),
            (N_("drafts"), {"status": "draft"}),
        ),
    ),
    Noun(
        "note",
        "notes",
        N_("Notes"),
        ((N_("all"), {}), (N_("drafts"), {"status": "draft"})),
        has_versions=False,
    ),
)


def _add(noun: Noun) -> None:
    @doors.get(f"/desk/{noun.plural}")
    async def listed(desk: Desk) -> Response:
        return await _list(desk, noun)

    @doors.get(noun.page)
    async def one(desk: Desk) -> Response:
        return await _one(desk, noun)

    if noun.has_versions:

        @doors.get(f"{noun.page}/versions")
        async def versions(desk: Desk) -> Response:
            return await show_versions(desk, noun.api, noun.page)


@doors.get("/desk/cases/{case_id}/versions")
async def case_versions(desk: Desk) -> Response:
    """Show how a case was written before."""
    return await show_versions(desk, "/v1/cases/{case_id}", "/desk/cases/{case_id}")


async def _list(desk: Desk, noun: Noun) -> Response:
    listed = await read_list(desk, f"/v1/{noun.plural}", noun.choices)
    await desk.name(*ids_of(listed.items, "about_user_id"))
    return desk.page("records.html", noun=noun, listed=listed)


async def _one(desk: Desk, noun: Noun) -> Response:
    record = await desk.api.get(noun.api.format_map(desk.request.path_params))
    await desk.name(*people_in([record]), *_signers(record))
    return desk.page(
        "record.html",
        noun=noun,
        record=record,
        rows=shown(record, "incident_ids", "promise_ids", "cosignatures", "records"),
        case_id=record.get("case_id"),
        is_mine=desk.is_me(record.get("recorded_by_id")),
        moves=MOVES[noun.word],
    )


def _signers(record: Mapping[str, Any]) -> list[str | None]:
    return ids_of(record.get("cosignatures", ()), "user_id")


async def show_versions(desk: Desk, api: str, page: str) -> Response:
    """Show how a record was written before, newest first."""
    at = api.format_map(desk.request.path_params)
    listed = await read_list(desk, f"{at}/versions", limit=20)
    written = [each["record"] for each in listed.items if each["record"]]
    await desk.name(*ids_of(listed.items, "written_by_id"), *people_in(written))
    return desk.page(
        "versions.html",
        listed=listed,
        items=[(each, shown(each["record"] or {}, "flags")) for each in listed.items],
        to=page.format_map(desk.request.path_params),
    )


@dataclass(frozen=True, slots=True)
class Move:
    """Something that may be done with a record: offered where it stands so, and is allowed."""

    action: str
    name: str
    to: str
    where: Mapping[str, tuple[str, ...]]
    """Fields with the words of which they must have one."""
    is_post: bool = False
    """Done at once by a button; else by a form on a page of its own."""
    by: str = "anyone"
    """`author`: whoever recorded it; `other`: anybody else."""


_STANDS: dict[str, tuple[str, ...]] = {"voided_at": ("",)}
MOVES: dict[str, tuple[Move, ...]] = {
    "incident": (
        Move("incident:review", N_("Review it"), "review", {"status": ("reported",)}),
        Move("incident:change", N_("Change it"), "change", _STANDS),
        Move("incident:void", N_("Void it"), "void", _STANDS),
    ),
    "promise": (
        Move("promise:change", N_("Change it"), "change", _STANDS),
        Move("promise:void", N_("Void it"), "void", _STANDS),
    ),
    "consultation": (
        Move("consultation:change", N_("Change it"), "change", {"status": ("draft",)}),
        Move(
            "consultation:request", N_("Send it"), "request", {"status": ("draft",)}, is_post=True
        ),
        Move(
            "consultation:accept",
            N_("Accept it"),
            "accept",
            {"status": ("requested",)},
            is_post=True,
        ),
        Move("consultation:decline", N_("Decline it"), "decline", {"status": ("requested",)}),
        Move("consultation:start", N_("Begin"), "start", {"status": ("accepted",)}, is_post=True),
        Move("consultation:complete", N_("Give advice"), "complete", {"status": ("in_progress",)}),
        Move(
            "consultation:cancel",
            N_("Call it off"),
            "cancel",
            {"status": ("draft", "requested", "accepted", "in_progress")},
        ),
        Move(
            "consultation:respond", N_("Answer the advice"), "respond", {"status": ("completed",)}
        ),
    ),
    "note": (
        Move("note:change", N_("Change it"), "change", {"status": ("draft",)}, by="author"),
        Move("note:sign", N_("Sign it"), "sign", {"status": ("draft",)}, is_post=True, by="author"),
        Move("note:amend", N_("Amend it"), "amend", {"status": ("signed",)}, by="author"),
        Move(
            "note:cosign",
            N_("Co-sign it"),
            "cosign",
            {"status": ("signed",)},
            is_post=True,
            by="other",
        ),
        Move("note:void", N_("Void it"), "void", _STANDS, by="author"),
    ),
}
"""What may be done with each kind of record."""

for _noun in NOUNS:
    _add(_noun)
