"""The rules: what asks a supervisor to look, one short function each, in the rulebook's order.

Sources: Gutheil & Gabbard 1993 and 1998 (nine areas; crossing and violation); the codes of ethics
of APA, ACA (2014), NASW and AAMFT; 45 CFR part 164. Each rule names its sections; one that names
none is the rulebook's own. Not legal advice.

A rule asks "please look"; it never finds fault. Not known never counts against anyone, so every
yes-or-no is compared with `is True` or `is False`.
"""

from api.domain.rules.care import (
    competence_gap,
    consent_gap,
    fitness_to_practise,
    no_oversight,
    outcome_unreviewed,
    record_conflict,
    record_request_overdue,
    recording_without_consent,
    third_party_contact,
)
from api.domain.rules.conduct import (
    dual_relationship,
    gifts_or_money,
    hurtful_words,
    role_reversal,
    sexual_conduct,
)
from api.domain.rules.disclosures import (
    disclosure_not_taken_up,
    disclosure_response,
    left_after_rupture,
)
from api.domain.rules.door import (
    account_unanswered,
    client_asks_to_look,
    client_not_safe,
    look_back_concern,
)
from api.domain.rules.endings import (
    collateral_care_loss,
    ending_left_open,
    ending_unprepared,
    no_referral,
    way_back_closed,
)
from api.domain.rules.findings import Rule
from api.domain.rules.frame import (
    contact_out_of_frame,
    crossing_undocumented,
    frame_drift,
    frame_tightened_unprepared,
    special_exceptions,
)
from api.domain.rules.promises import promise_broken, promise_unexamined, promise_unkeepable
from api.domain.rules.safety import (
    absence_uncovered,
    client_safety,
    danger_review_required,
    risk_unscreened,
    safeguarding_unanswered,
)
from api.domain.rules.touch import physical_contact
from api.domain.vocabulary import RuleName

RULEBOOK_VERSION = 2
"""Raised with each new rule and each new meaning; a flag keeps the version that raised it."""

RULES: dict[RuleName, Rule] = {
    RuleName.promise_unkeepable: promise_unkeepable,
    RuleName.promise_broken: promise_broken,
    RuleName.promise_unexamined: promise_unexamined,
    RuleName.dual_relationship: dual_relationship,
    RuleName.sexual_conduct: sexual_conduct,
    RuleName.contact_out_of_frame: contact_out_of_frame,
    RuleName.special_exceptions: special_exceptions,
    RuleName.gifts_or_money: gifts_or_money,
    RuleName.physical_contact: physical_contact,
    RuleName.role_reversal: role_reversal,
    RuleName.frame_tightened_unprepared: frame_tightened_unprepared,
    RuleName.frame_drift: frame_drift,
    RuleName.disclosure_response: disclosure_response,
    RuleName.disclosure_not_taken_up: disclosure_not_taken_up,
    RuleName.ending_unprepared: ending_unprepared,
    RuleName.ending_left_open: ending_left_open,
    RuleName.left_after_rupture: left_after_rupture,
    RuleName.no_referral: no_referral,
    RuleName.collateral_care_loss: collateral_care_loss,
    RuleName.way_back_closed: way_back_closed,
    RuleName.absence_uncovered: absence_uncovered,
    RuleName.client_safety: client_safety,
    RuleName.risk_unscreened: risk_unscreened,
    RuleName.outcome_unreviewed: outcome_unreviewed,
    RuleName.consent_gap: consent_gap,
    RuleName.no_oversight: no_oversight,
    RuleName.competence_gap: competence_gap,
    RuleName.fitness_to_practise: fitness_to_practise,
    RuleName.safeguarding_unanswered: safeguarding_unanswered,
    RuleName.recording_without_consent: recording_without_consent,
    RuleName.record_conflict: record_conflict,
    RuleName.third_party_contact: third_party_contact,
    RuleName.danger_review_required: danger_review_required,
    RuleName.crossing_undocumented: crossing_undocumented,
    RuleName.hurtful_words: hurtful_words,
    RuleName.record_request_overdue: record_request_overdue,
    RuleName.client_not_safe: client_not_safe,
    RuleName.client_asks_to_look: client_asks_to_look,
    RuleName.account_unanswered: account_unanswered,
    RuleName.look_back_concern: look_back_concern,
}
