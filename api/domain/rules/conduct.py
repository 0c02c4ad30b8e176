"""Rules about conduct: second roles, touch, gifts, words, and sexual conduct."""

from collections.abc import Iterator

from api.domain.details import (
    GiftDetails,
    HurtfulWordsDetails,
    RoleReversalDetails,
    SecondRoleDetails,
    SexualConductDetails,
    TouchDetails,
)
from api.domain.rules.facts import Facts, IncidentFact, Moment, consulted
from api.domain.rules.findings import CRITICAL, HIGH, MODERATE, Hit, incident_hit, spoken
from api.domain.vocabulary import (
    GiftDirection,
    GiftItem,
    Initiator,
    Interaction,
    RoleReversalForm,
    RoleTiming,
    SecondRole,
    SexualConduct,
    TouchKind,
)

_LESSER_ROLES = frozenset(
    {
        SecondRole.neighbour_or_community,
        SecondRole.recovery_peer,
        SecondRole.institution_employee,
    }
)


def beside_therapy(role: SecondRoleDetails) -> bool:
    """Tell whether a second role was held during therapy or begun after it."""
    return role.timing in {RoleTiming.during_therapy, RoleTiming.after_therapy}


def in_passing_with_precautions(incident: IncidentFact, role: SecondRoleDetails) -> bool:
    """Tell whether a second role was seldom met, and its precautions were written down."""
    return role.interaction == Interaction.incidental and incident.has_sealed_detail


def dual_relationship(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a second role beside therapy. APA 3.05; ACA A.5, A.6; NASW 1.06; AAMFT 1.3.

    A second role whose `timing` is `during_therapy` or `after_therapy`; but not one that is met in
    passing (`interaction` is `incidental`) with its `precautions` written down.

    Severity: moderate where it is met in passing, where `role` is `related_cotreater`, or where
    `role` is `neighbour_or_community`, `recovery_peer` or `institution_employee`, `interaction` is
    `regular` and `precautions` are written down; else high.
    """
    for incident, role in facts.of(SecondRoleDetails):
        if not beside_therapy(role) or in_passing_with_precautions(incident, role):
            continue
        lesser = (
            role.interaction == Interaction.incidental
            or role.role == SecondRole.related_cotreater
            or (
                role.role in _LESSER_ROLES
                and role.interaction == Interaction.regular
                and incident.has_sealed_detail
            )
        )
        said = (
            f"a second role ({spoken(role.role)}, {spoken(role.interaction)}) is recorded {{when}}"
        )
        yield incident_hit(incident, at, MODERATE if lesser else HIGH, said)


def is_sexual_word(conduct: SexualConductDetails) -> bool:
    """Tell a remark or proposal from contact or a relationship."""
    return conduct.conduct in {SexualConduct.remark, SexualConduct.proposal}


def sexual_conduct(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about sexual conduct; abstaining is the clinician's duty. APA 10.05-10.08; ACA A.5.

    `contact` or a `relationship`, whoever began it; a `remark` or `proposal` where `initiator` is
    `therapist`, `mutual`, `supervisor`, `institution` or `disputed`.

    Severity: critical; high for a remark or proposal of which accounts differ (`disputed`).
    """
    graded = {
        Initiator.therapist: CRITICAL,
        Initiator.mutual: CRITICAL,
        Initiator.supervisor: CRITICAL,
        Initiator.institution: CRITICAL,
        Initiator.disputed: HIGH,
    }
    for incident, conduct in facts.of(SexualConductDetails):
        severity = graded.get(incident.initiator) if is_sexual_word(conduct) else CRITICAL
        if severity is not None:
            said = f"sexual or romantic conduct ({spoken(conduct.conduct)}) is recorded {{when}}"
            yield incident_hit(incident, at, severity, said)


def gifts_or_money(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about loans, money, barter, and undocumented giving both ways. NASW 1.13; ACA A.10.

    A `loan`, `money` or `barter`, with a `rationale` or without. A `gift` or `favour` without a
    `rationale`, where such giving went both ways: one record says `both`, or one says `to_client`
    and another `from_client`.

    Severity: high for a loan, else moderate.
    """
    given = [
        (incident, gift)
        for incident, gift in facts.of(GiftDetails)
        if gift.item in {GiftItem.gift, GiftItem.favour} and not incident.documented
    ]
    ways = {gift.direction for _, gift in given}
    both_ways = GiftDirection.both in ways or (
        {GiftDirection.to_client, GiftDirection.from_client} <= ways
    )
    for incident, gift in facts.of(GiftDetails):
        said = f"{spoken(gift.item)} ({spoken(gift.direction)}) is recorded {{when}}"
        if gift.item == GiftItem.loan:
            yield incident_hit(incident, at, HIGH, said)
        elif gift.item in {GiftItem.money, GiftItem.barter}:
            yield incident_hit(incident, at, MODERATE, said)
        elif both_ways and not incident.documented:
            yield incident_hit(incident, at, MODERATE, f"{said} without a written reason")


def is_holding(touch: TouchDetails) -> bool:
    """Tell the touches that are used as comfort from all the others."""
    return touch.touch in {TouchKind.holding, TouchKind.hair_stroking}


def physical_contact(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about touch; a handshake is courtesy. APA 3.05; Gutheil & Gabbard (nine areas).

    A touch other than a `handshake` whose `consent` is false. And of touch that nobody was
    consulted about and whose `consent` is not false: `holding` or `hair_stroking` of which
    `planned_method` is known, be it true or false; any other touch, where that comes to
    `touch_times` in all. "In all" is the sum of `times` over the records; where that is not known,
    a record counts once.

    Severity: high without consent. Holding and hair stroking: high where `planned_method` is false
    and all such that nobody was consulted about, with consent or without, comes to `touch_times`;
    else moderate. Any other touch: moderate.
    """
    touches = [(i, t) for i, t in facts.of(TouchDetails) if t.touch != TouchKind.handshake]
    alone = [(i, t) for i, t in touches if not consulted(facts, i, at)]
    held = sum(t.times or 1 for _, t in alone if is_holding(t) and t.planned_method is False)
    others = [(i, t) for i, t in alone if not is_holding(t) and t.consent is not False]
    often = facts.thresholds.touch_times
    otherwise = sum(t.times or 1 for _, t in others)
    for incident, touch in touches:
        if touch.consent is False:
            yield incident_hit(incident, at, HIGH, _touched(touch, "without consent"))
    for incident, touch in alone:
        if is_holding(touch) and touch.consent is not False and touch.planned_method is not None:
            unplanned = touch.planned_method is False
            how = "not part of a planned method" if unplanned else "as a planned method"
            severity = HIGH if unplanned and held >= often else MODERATE
            yield incident_hit(incident, at, severity, _touched(touch, how))
    if otherwise >= often:
        for incident, touch in others:
            yield incident_hit(incident, at, MODERATE, _touched(touch, f"{otherwise} in all"))


def _touched(touch: TouchDetails, how: str) -> str:
    times = f", {touch.times} times" if touch.times else ""
    return f"touch ({spoken(touch.touch)}{times}; {how}) is recorded {{when}}"


def role_reversal(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whose needs were met. APA 3.05; Gutheil & Gabbard (self-disclosure).

    A role reversal whose `initiator` is `therapist` or `mutual`.

    Severity: moderate where it is the only one and its `form` is `own_distress_disclosed` or
    `caretaking_worry`; else high.
    """
    begun = [
        (incident, reversal)
        for incident, reversal in facts.of(RoleReversalDetails)
        if incident.initiator in {Initiator.therapist, Initiator.mutual}
    ]
    lesser = {RoleReversalForm.own_distress_disclosed, RoleReversalForm.caretaking_worry}
    for incident, reversal in begun:
        severity = MODERATE if reversal.form in lesser and len(begun) == 1 else HIGH
        said = f"the client meeting the therapist's needs ({spoken(reversal.form)}) is recorded"
        yield incident_hit(incident, at, severity, f"{said} {{when}}")


def hurtful_words(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about words reported as hurtful. APA 3.04.

    Hurtful words whose `initiator` is `therapist`, `supervisor` or `institution`.

    Severity: high where they were `repeated`, or where there are two such records or more; else
    moderate.
    """
    speakers = {Initiator.therapist, Initiator.supervisor, Initiator.institution}
    spoken_words = [
        (incident, words)
        for incident, words in facts.of(HurtfulWordsDetails)
        if incident.initiator in speakers
    ]
    for incident, words in spoken_words:
        severity = HIGH if words.repeated or len(spoken_words) > 1 else MODERATE
        how = "repeatedly" if words.repeated else "once"
        said = f"words that hurt the client are recorded {{when}} ({how})"
        yield incident_hit(incident, at, severity, said)
