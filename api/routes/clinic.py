"""The clinic's own settings, its rules and their thresholds, and every word it uses."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.access.authentication import require_recent_sign_in
from api.access.case_relationship import load_clinic
from api.access.guards import may
from api.domain.door import DoorOffer, DoorTexts
from api.domain.permissions.actions import Action
from api.domain.permissions.table import Actor
from api.domain.rules.findings import Rule
from api.domain.rules.in_words import in_words
from api.domain.rules.modes import monitored_rules
from api.domain.rules.prompts import PROMPTS
from api.domain.rules.rulebook import RULEBOOK_VERSION, RULES
from api.domain.rules.situations import SITUATIONS
from api.domain.rules.thresholds import Thresholds
from api.domain.values import (
    Input,
    Line,
    Output,
    TimeZone,
    WebAddress,
    YesNo,
    absent,
    whole,
)
from api.domain.vocabulary import Audience, PromptName, RuleMode, RuleName
from api.flags.catching_up import ask_every_rule_again
from api.http.entity_tags import IfMatch, check_version, etag
from api.http.pagination import Page
from api.http.request_transaction import Tx
from api.http.strict_route import StrictRoute
from api.journal.entries import Happening, record_row
from api.languages.messages import asks_id
from api.languages.spoken import LanguageCode, Spoken, language_of, title_of, vocabulary_in
from api.records.read_models import ClinicRead
from api.storage.models.people import Clinic

router = APIRouter(prefix="/v1", tags=["clinic"], route_class=StrictRoute)


class ClinicPatch(Input):
    """A change to the clinic. A new time zone moves every midnight.

    Where it `requires_totp`, nobody does anything before they have enrolled a second factor.
    `retention_years` after a case ended its texts may be destroyed; null: never. `language` is what
    people and software are told things in who ask for no other; null: English.

    Of the clients' door: what to do in an emergency, what readers may have to pass on, and who else
    can be asked, each by the language it is in (one left out is taken away); the page that whoever
    leaves in a hurry is led to; within how many days somebody reads what was sent; the languages
    it is offered in, and when clinicians are asked to offer it.
    """

    name: Line = absent()
    time_zone: TimeZone = absent()
    requires_totp: YesNo = absent()
    retention_years: Annotated[int, whole(1, 100)] | None = None
    language: LanguageCode | None = None
    door_emergency_text: DoorTexts = absent()
    door_duty_text: DoorTexts = absent()
    door_elsewhere_text: DoorTexts = absent()
    door_leave_to: WebAddress | None = None
    door_read_within_days: Annotated[int, whole(1, 30)] = absent()
    door_languages: Annotated[list[LanguageCode], Field(min_length=1)] = absent()
    door_offer: list[DoorOffer] = absent()


class RuleThreshold(Output):
    """A number that a rule compares with, as this clinic has it."""

    threshold: str
    value: int


class RuleRead(Output):
    """A rule or prompt: its neutral title, whom it speaks to, and what it asks.

    A rule whose `mode` is monitor raises no flags in this clinic; prompts are always active.
    `condition` and `severity` say in words when it asks and how gravely (null: always info), with
    the fields and words of the API; `thresholds` are this clinic's numbers that it compares with.
    `asks_about` and `leaves_alone` are two fictional situations that look alike.
    """

    rule: str
    title: str
    audience: Audience
    mode: RuleMode
    asks: str
    version: int
    source: str | None
    condition: str
    severity: str | None
    thresholds: list[RuleThreshold]
    asks_about: str
    leaves_alone: str


@router.get("/clinic")
async def read_clinic(
    me: Annotated[Actor, Depends(may(Action.clinic_read))],  # noqa: ARG001 - the guard
    tx: Tx,
    response: Response,
) -> ClinicRead:
    """Read the clinic's settings."""
    clinic = await load_clinic(tx)
    response.headers["ETag"] = etag(clinic.version)
    return ClinicRead.model_validate(clinic)


@router.patch("/clinic")
async def change_clinic(
    body: ClinicPatch,
    me: Annotated[Actor, Depends(may(Action.clinic_change))],
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> ClinicRead:
    """Change the clinic's name, time zone, retention or language, or ask for a second factor.

    For admins; the second factor needs a recent sign-in.
    """
    clinic = await load_clinic(tx, lock=True)
    check_version(clinic.version, if_match)
    changes = body.model_dump(include=body.model_fields_set)
    if "requires_totp" in changes:
        require_recent_sign_in(me, tx.now)
    if changes:
        clinic.change(changes, tx.now)
        record_row(tx, Happening.clinic_changed, clinic, actor_id=me.id, changed=changes)
    if not changes.keys().isdisjoint({"time_zone", "door_offer"}):
        await ask_every_rule_again(tx)
    response.headers["ETag"] = etag(clinic.version)
    return ClinicRead.model_validate(clinic)


@router.get("/rules")
async def list_rules(
    me: Annotated[Actor, Depends(may(Action.rules_read))],
    tx: Tx,
    response: Response,
) -> Page[RuleRead]:
    """List every rule and prompt, each with its mode here; titles and words in your language.

    `condition` and `severity` speak of fields and words of the API, and stay English.
    """
    language = _language_of(me, response)
    clinic = await load_clinic(tx)
    shown = [
        _show_rule(name, rule, audience, clinic, language)
        for book, audience in ((RULES, Audience.supervisor), (PROMPTS, Audience.clinician))
        for name, rule in book.items()
    ]
    return Page(items=shown, next=None)


def _show_rule(
    name: RuleName | PromptName,
    rule: Rule,
    audience: Audience,
    clinic: Clinic,
    language: Spoken,
) -> RuleRead:
    said, numbers = in_words(rule), Thresholds(**clinic.thresholds)
    counts_only = name in monitored_rules(clinic.rule_modes)
    return RuleRead(
        rule=name,
        title=title_of(name, language),
        audience=audience,
        mode=RuleMode.monitor if counts_only else RuleMode.active,
        asks=language.text(asks_id(name)),
        version=RULEBOOK_VERSION,
        source=said.source,
        condition=said.condition,
        severity=said.graded,
        thresholds=[
            RuleThreshold(threshold=each, value=getattr(numbers, each)) for each in said.thresholds
        ],
        asks_about=SITUATIONS[name].asks,
        leaves_alone=SITUATIONS[name].leaves_alone,
    )


@router.get("/rules/thresholds")
async def read_thresholds(
    me: Annotated[Actor, Depends(may(Action.thresholds_read))],  # noqa: ARG001 - the guard
    tx: Tx,
) -> Thresholds:
    """Read the numbers the rules compare with."""
    return Thresholds(**(await load_clinic(tx)).thresholds)


@router.put("/rules/thresholds")
async def set_thresholds(
    body: Thresholds, me: Annotated[Actor, Depends(may(Action.thresholds_change))], tx: Tx
) -> Thresholds:
    """Set the clinic's thresholds; what is left out goes back to its default. For admins."""
    clinic = await load_clinic(tx, lock=True)
    own = body.model_dump(exclude_defaults=True)
    changed = {
        name
        for name in own.keys() | clinic.thresholds.keys()
        if own.get(name) != clinic.thresholds.get(name)
    }
    if changed:
        clinic.change({"thresholds": own}, tx.now)
        record_row(tx, Happening.thresholds_changed, clinic, actor_id=me.id, changed=changed)
        await ask_every_rule_again(tx)
    return body


@router.get("/vocabulary")
async def read_vocabulary(
    me: Annotated[Actor, Depends(may(Action.vocabulary_read))],
    response: Response,
) -> dict[str, dict[str, str]]:
    """Read every word the records use, with its definition in your language."""
    return vocabulary_in(_language_of(me, response))


def _language_of(me: Actor, response: Response) -> Spoken:
    """Give the language that somebody is answered in, and say so."""
    language = language_of(me.reads_in())
    response.headers["Content-Language"] = language.code
    response.headers["Vary"] = "Accept-Language"
    return language
