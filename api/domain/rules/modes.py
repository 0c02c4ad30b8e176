"""Which of a clinic's rules raise flags, and which only count what they would have raised."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, WithJsonSchema

from api.domain.rules.door import OF_THE_DOOR
from api.domain.values import Input
from api.domain.vocabulary import RuleMode, RuleName

ALWAYS_ACTIVE = frozenset({RuleName.client_safety, RuleName.sexual_conduct}) | OF_THE_DOOR
"""The rules that are never only counted: a flag that was not raised here could cost a life, and
whoever says something at their door is promised that somebody looks."""


def _active(mode: RuleMode) -> RuleMode:
    if mode != RuleMode.active:
        raise ValueError("This rule always raises its flags; leave it active.")
    return mode


_AlwaysActive = Annotated[
    RuleMode,
    AfterValidator(_active),
    WithJsonSchema({"type": "string", "const": str(RuleMode.active)}),
]


class RuleModes(Input):
    """The mode of each rule. `monitor`: it raises no flag, and what it would have is counted.

    Two rules about safety, and those of the client's door, are always active. A prompt has no mode:
    it is its clinician's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    promise_unkeepable: RuleMode = RuleMode.active
    promise_broken: RuleMode = RuleMode.active
    promise_unexamined: RuleMode = RuleMode.active
    dual_relationship: RuleMode = RuleMode.active
    sexual_conduct: _AlwaysActive = RuleMode.active
    contact_out_of_frame: RuleMode = RuleMode.active
    special_exceptions: RuleMode = RuleMode.active
    gifts_or_money: RuleMode = RuleMode.active
    physical_contact: RuleMode = RuleMode.active
    role_reversal: RuleMode = RuleMode.active
    frame_tightened_unprepared: RuleMode = RuleMode.active
    frame_drift: RuleMode = RuleMode.active
    disclosure_response: RuleMode = RuleMode.active
    disclosure_not_taken_up: RuleMode = RuleMode.active
    ending_unprepared: RuleMode = RuleMode.active
    ending_left_open: RuleMode = RuleMode.active
    left_after_rupture: RuleMode = RuleMode.active
    no_referral: RuleMode = RuleMode.active
    collateral_care_loss: RuleMode = RuleMode.active
    way_back_closed: RuleMode = RuleMode.active
    absence_uncovered: RuleMode = RuleMode.active
    client_safety: _AlwaysActive = RuleMode.active
    risk_unscreened: RuleMode = RuleMode.active
    outcome_unreviewed: RuleMode = RuleMode.active
    consent_gap: RuleMode = RuleMode.active
    no_oversight: RuleMode = RuleMode.active
    competence_gap: RuleMode = RuleMode.active
    fitness_to_practise: RuleMode = RuleMode.active
    safeguarding_unanswered: RuleMode = RuleMode.active
    recording_without_consent: RuleMode = RuleMode.active
    record_conflict: RuleMode = RuleMode.active
    third_party_contact: RuleMode = RuleMode.active
    danger_review_required: RuleMode = RuleMode.active
    crossing_undocumented: RuleMode = RuleMode.active
    hurtful_words: RuleMode = RuleMode.active
    record_request_overdue: RuleMode = RuleMode.active
    client_not_safe: _AlwaysActive = RuleMode.active
    client_asks_to_look: _AlwaysActive = RuleMode.active
    account_unanswered: _AlwaysActive = RuleMode.active
    look_back_concern: _AlwaysActive = RuleMode.active

    @property
    def monitored(self) -> frozenset[str]:
        """The rules that only count."""
        return monitored_rules(self.model_dump())


def monitored_rules(modes: Mapping[str, str]) -> frozenset[str]:
    """Name the rules that only count, by the modes a clinic has set."""
    chosen = {rule for rule, mode in modes.items() if mode == RuleMode.monitor}
    return frozenset(chosen - ALWAYS_ACTIVE)
