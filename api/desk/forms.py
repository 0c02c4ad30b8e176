"""Forms: each says what it sends to which operation of the API; all are shown and sent alike."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from api.access.authentication import RECENT
from api.desk.asking import Answer, Refused, Told, is_id
from api.desk.desk import Desk, Doors, go
from api.desk.fields import RULE, Field, body_of, fields_of, name_of, written
from api.desk.marked import N_
from api.desk.same_origin import TOKEN
from api.desk.signing_in import CODE, PASSWORD, keep_signed_in, step_up
from api.domain.errors import SignInAgain
from api.domain.permissions.actions import Action
from api.domain.permissions.on_a_case import OWN_CASE

_CASE = "case_id"
_VERSION = "form_version"
"""The field that tells which version of a record is changed."""
TRY = "try"
"""The button that asks what a form would do."""
_CHANGED = 412
"""The status of what was changed by somebody else meanwhile."""
_BACK_INTO_THE_FORM = frozenset({400, 403, 404, 409, _CHANGED, 422, 428, 429})


FORMS: "list[Form]" = []
"""All forms that there are."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What a form asks beside what its body names, where that is data itself."""

    fields: Sequence[Field]
    body: Mapping[str, Any]
    """What was told there, as the API takes it."""
    names: Mapping[str, str]
    """By where that stands in what is sent, the fields it came from."""
    shown: Mapping[str, Any]
    """What its template needs."""
    told: Mapping[str, str] = field(default_factory=dict)
    """What is said here of a refusal, by where the API points, in place of its own words."""

    def at_its_field(self, refusal: Told) -> Told:
        """Give a refusal as it is told here, at the field that it is about."""
        at = name_of(refusal.pointer)
        found = (name for of, name in self.names.items() if f"{at}.".startswith(f"{of}."))
        return Told(next(found, refusal.pointer), self.told.get(at, refusal.message))


@dataclass(frozen=True, slots=True)
class Form:
    """A form. Places in braces are those of its own address, and in `then` of the answer, too."""

    path: str
    title: str
    action: Action
    """What somebody must be allowed to do to be shown it at all."""
    sends: str
    """The address at the API, as in `/v1/cases/{case_id}/promises`."""
    then: str
    """The page that is shown once it is done."""
    body: type[BaseModel] | None = None
    method: str = "POST"
    about: str | None = None
    """What the API is asked for to show whose form it is: who may not see that sees no form."""
    changes: bool = False
    """What it is about is changed: the form holds it as it stands."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Fields of the body that the address says."""
    leaves_out: frozenset[str] = frozenset()
    button: str = "Save"
    hint: str = ""
    once: bool = True
    """What is sent twice is done once: the operation takes an idempotency key."""
    shows: str | None = None
    """The template of what is told once and never again."""
    tells: Callable[[Desk, Mapping[str, Any]], Awaitable[Mapping[str, Any]]] | None = None
    """What that template is told beside the answer."""
    reason: bool = False
    """It asks why, in the words for voiding."""
    part: tuple[str, str] | None = None
    """The list in what it is about that holds what is changed, and the place that names it."""
    recent: bool = False
    """It needs a recent sign-in, and asks at once for what shows it."""
    tries: tuple[str, str] | None = None
    """Where the API says what this would do before it is done, and as which member of a body."""
    rules: bool = False
    """Its fields are rules, and are called by their titles."""
    beside: Callable[[Desk], Awaitable[Beside]] | None = None
    """What it asks beside its body, found out anew each time."""
    template: str = "form.html"
    variant: str = ""
    """What its fields are called by where they are called otherwise than elsewhere."""

    def __post_init__(self) -> None:
        FORMS.append(self)


def add_forms(doors: Doors, *forms: Form) -> None:
    """Give each form its page, and what is done when it is sent."""
    for form in forms:
        _add(doors, form)


def _add(doors: Doors, form: Form) -> None:
    @doors.get(form.path)
    async def show(desk: Desk) -> Response:
        return await show_form(desk, form)

    @doors.post(form.path)
    async def send(desk: Desk) -> Response:
        return await send_form(desk, form)


async def show_form(desk: Desk, form: Form, variant: str | None = None) -> Response:
    """Show a form as it is before anything is typed."""
    about = await _about(desk, form)
    variant = variant or _kind_of(form, about)
    shown = fields(form, variant)
    held = _as_it_stands(shown, about) if form.changes else _which_case(desk, shown)
    return await _page(desk, form, variant, about, held)


async def send_form(desk: Desk, form: Form, variant: str | None = None) -> Response:
    """Send what a form says; what is refused comes back into it, with what was typed."""
    # what is only sent is the API's to weigh: it is not read before as well
    about = await _about(desk, form) if form.changes else None
    device = await step_up(desk)
    answer = await _sent(desk, form, variant or _kind_of(form, about), about)
    return answer if device is None else keep_signed_in(desk, answer, device)


def _kind_of(form: Form, about: Answer | None) -> str | None:
    """Give the kind of details that what is changed has; None where it has none."""
    if not form.changes or about is None:
        return None
    details = about.content.get("details")
    return None if details is None else str(details["kind"])


async def _sent(desk: Desk, form: Form, variant: str | None, about: Answer | None) -> Response:
    held = defaultdict(list)
    for name, value in desk.sent:
        held[name].append(value)
    try:
        if form.tries is not None and desk.value(TRY):
            told = await _try(desk, form, held)
            return await _page(desk, form, variant, about, held, effect=told)
        done = await _send(desk, form, variant, about, held)
    except Refused as refused:
        if refused.status not in _BACK_INTO_THE_FORM:
            raise
        about = await _about(desk, form)
        if refused.status == _CHANGED and _stands_so(form, variant, about, held):
            # it was sent twice, and is as its sender wants it
            return go(_at(desk, form.then, {} if about is None else about.content))
        return await _page(desk, form, variant, about, held, _as_said_here(desk, refused))
    content = {} if done is None else done.content or {}
    if form.shows is not None:
        then = _at(desk, form.then, content)
        more = {} if form.tells is None else await form.tells(desk, content)
        return desk.page(form.shows, told=content, title=form.title, then=then, **more)
    return go(_at(desk, form.then, content))


def _stands_so(
    form: Form, variant: str | None, about: Answer | None, held: Mapping[str, list[str]]
) -> bool:
    """Tell whether what is changed stands by now as a form says."""
    if about is None or form.method != "PATCH":
        return False
    return not body_of(fields(form, variant), held, about.content)


async def _try(desk: Desk, form: Form, held: Mapping[str, list[str]]) -> Any:
    """Ask what a form would do, were it sent."""
    assert form.tries is not None  # noqa: S101 - nothing else is tried
    path, member = form.tries
    body = {member: body_of(fields(form), held, None)}
    try:
        return (await desk.api.send("POST", path, body)).content
    except Refused as refused:
        # what is wrong there is in the same fields here
        told = [
            each._replace(pointer=each.pointer.removeprefix(f"/{member}"))
            for each in refused.errors
        ]
        raise replace(refused, errors=told) from refused


async def _send(
    desk: Desk,
    form: Form,
    variant: str | None,
    about: Answer | None,
    held: Mapping[str, list[str]],
) -> Answer | None:
    body = None
    beside = None if form.beside is None else await form.beside(desk)
    if form.body is not None:
        # what a PUT leaves out goes back to its default
        patches = form.changes and form.method == "PATCH"
        stands = about.content if patches and about is not None else None
        body = body_of(fields(form, variant), held, stands)
        if patches and not body:
            return None
        body |= {name: desk.request.path_params[of] for name, of in form.fixed.items()}
        body |= {} if beside is None else beside.body
        if variant is not None and (not form.changes or "details" in body):
            body["details"] = {"kind": variant, **body.get("details", {})}
    # a form that is sent twice shows the same secret
    key = sha256(desk.value(TOKEN).encode()).hexdigest()
    return await desk.api.send(
        form.method,
        _at(desk, form.sends),
        body,
        version=desk.value(_VERSION) or None,
        key=key if form.once and form.method == "POST" else None,
        query={"reason": desk.value("reason")} if form.reason else None,
    )


def fields(form: Form, variant: str | None = None) -> list[Field]:
    """Give the fields that a form asks for."""
    if form.body is None:
        return []
    without = {*form.leaves_out, *form.fixed}
    asked = fields_of(form.body, variant)
    found = [each for each in asked if not {each.name, each.within} & without]
    named = RULE if form.rules else form.variant
    return [replace(each, variant=named) for each in found] if named else found


async def _about(desk: Desk, form: Form) -> Answer | None:
    """Read what a form is about. Raises Refused where that, or the form, is not theirs."""
    about, unseen = None, None
    try:
        if form.about is None:
            await desk.know_me()
        else:
            about = await desk.api.read(_at(desk, form.about))
    except Refused as refused:
        unseen = refused
    # whose role never does this is told so whether there is such a record or not, as by the API
    if desk.api.me is not None and not await _may(desk, form, about):
        raise Refused(403, "forbidden", N_("This is not for your role."))
    if unseen is not None:
        raise unseen
    return about


async def _may(desk: Desk, form: Form, about: Answer | None) -> bool:
    """Tell whether somebody may ever send a form: by their role, or as a case's own clinician."""
    if desk.may(form.action):
        return True
    case = {} if about is None else about.content
    if form.action in OWN_CASE and _CASE in case:
        case = await desk.api.get(f"/v1/cases/{case[_CASE]}")
    return "clinician_id" in case and desk.may_on(form.action, case["clinician_id"])


async def _page(
    desk: Desk,
    form: Form,
    variant: str | None,
    about: Answer | None,
    held: Mapping[str, list[str]],
    refused: Refused | None = None,
    effect: Any = None,
) -> Response:
    shown = fields(form, variant)
    beside = None if form.beside is None else await form.beside(desk)
    errors = {name_of(each.pointer): each for each in _refusals(refused, beside)}
    people, records = await _to_choose_from(desk, shown, about)
    return desk.page(
        form.template,
        200 if refused is None else refused.status,
        form=form,
        variant=variant,
        fields=shown,
        every=[*shown, *(() if beside is None else beside.fields)],
        held=held,
        errors=errors,
        refused=refused,
        about=None if about is None else about.content,
        # what somebody else changed meanwhile is not written over by sending once more
        version=desk.value(_VERSION)
        if refused is not None and refused.status == _CHANGED
        else _version(desk, form, about),
        version_field=_VERSION,
        asks_again=_asks_again(desk, form, refused),
        effect=effect,
        try_field=TRY,
        proof=(PASSWORD, CODE),
        people=people,
        records=records,
        **({} if beside is None else beside.shown),
    )


def _refusals(refused: Refused | None, beside: Beside | None) -> list[Told]:
    told = [] if refused is None else refused.errors
    return told if beside is None else [beside.at_its_field(each) for each in told]


def _version(desk: Desk, form: Form, about: Answer | None) -> str | None:
    """Give the version of what is changed or taken away: of what a form is about, or a part."""
    if about is None or not (form.changes or form.method == "DELETE"):
        return None
    if form.part is None:
        return about.version
    name, place = form.part
    rows = {row["id"]: row for row in about.content[name]}
    found = rows.get(desk.request.path_params[place])
    if found is None:
        raise Refused(404, "not-found", "")
    return f'"{found["version"]}"'


def _as_said_here(desk: Desk, refused: Refused) -> Refused:
    """Say of a recent sign-in what a form asks for; the rest as the API says it."""
    if refused.code != SignInAgain.code:
        return refused
    said = (
        N_("This password does not match, or the code is missing or wrong.")
        if desk.value(PASSWORD)
        else N_("This needs your password once more.")
    )
    return replace(refused, detail=said)


def _asks_again(desk: Desk, form: Form, refused: Refused | None) -> bool:
    if refused is not None and refused.code == SignInAgain.code:
        return True
    me, now = desk.api.me, desk.words.now
    return form.recent and me is not None and not me.signed_in_since(now - RECENT)


async def _to_choose_from(
    desk: Desk, shown: list[Field], about: Answer | None
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Give the colleagues and the records of the case that a form lets somebody choose from."""
    people: list[dict[str, Any]] = []
    if any(each.kind == "person" for each in shown):
        people, _ = await desk.api.whole("/v1/colleagues")
    records: dict[str, list[dict[str, Any]]] = {}
    stands = {} if about is None else about.content
    case_id = desk.request.path_params.get("case_id") or stands.get("case_id")
    for each in shown:
        if each.kind == "records" and case_id is not None:
            noun = each.own_name.removesuffix("_ids")
            listed = await desk.api.get(f"/v1/cases/{case_id}/{noun}s", limit=100)
            records[each.name] = listed["items"]
    return people, records


def _which_case(desk: Desk, shown: list[Field]) -> dict[str, list[str]]:
    """Give the case that a link to a form names; nothing else of a form is filled in by a link."""
    case_id = desk.request.query_params.get(_CASE, "")
    named = is_id(case_id) and any(each.name == _CASE for each in shown)
    return {_CASE: [case_id]} if named else {}


def _as_it_stands(shown: list[Field], about: Answer | None) -> dict[str, list[str]]:
    stands = {} if about is None else about.content
    return {
        each.name: written(
            (stands.get(each.within) or {}).get(each.own_name)
            if each.within
            else stands.get(each.name)
        )
        for each in shown
    }


def _at(desk: Desk, path: str, content: Mapping[str, Any] | None = None) -> str:
    """Fill in the places of an address."""
    places = {**(content or {}), **desk.request.path_params}
    return path.format_map(places)
