"""Rules about conduct: second roles, gifts, words, and sexual conduct."""

from collections.abc import Iterator

from api.domain.details import (
    EndingDetails,
    GiftDetails,
    HurtfulWordsDetails,
    RoleReversalDetails,
    SecondRoleDetails,
    SexualConductDetails,
)
from api.domain.rules.facts import Facts, IncidentFact
from api.domain.rules.findings import CRITICAL, HIGH, LOW, MODERATE, Hit, incident_hit
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said
from api.domain.vocabulary import (
    ConductWith,
    EndingStage,
    EndingWay,
    GiftDirection,
    GiftItem,
    Initiator,
    Interaction,
    RoleReversalForm,
    RoleTiming,
    SecondRole,
    Severity,
    SexualConduct,
)

_LESSER_ROLES = frozenset(
    {
        SecondRole.neighbour_or_community,
        SecondRole.recovery_peer,
        SecondRole.institution_employee,
    }
)


def _beside_therapy(role: SecondRoleDetails) -> bool:
    """Tell whether a second role was held during therapy or begun after it."""
    return role.timing in {RoleTiming.during_therapy, RoleTiming.after_therapy}


def in_passing_with_precautions(incident: IncidentFact, role: SecondRoleDetails) -> bool:
    """Tell whether a second role was seldom met, and its precautions were written down."""
    return role.interaction == Interaction.incidental and incident.has_sealed_detail


def dual_relationship(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a second role beside therapy. APA 3.05; ACA A.5, A.6; NASW 1.06; AAMFT 1.3.

    A second role whose `timing` is `during_therapy` or `after_therapy`; but not one that is met in
    passing (`interaction` is `incidental`) with its `precautions` written down. A `former_partner`
    at any time, however met. And an ending whose `ending` is `conversion_to_other_relationship`:
    where its `stage` is `ended`, whoever began it; where it was raised, its `initiator` is
    `therapist`, `mutual`, `supervisor` or `institution`.

    Severity: moderate where a second role other than a former partner is met in passing, where
    `role` is `related_cotreater`, or where `role` is `neighbour_or_community`, `recovery_peer` or
    `institution_employee`, `interaction` is `regular` and `precautions` are written down; else
    high.
    """
    for incident, role in facts.of(SecondRoleDetails):
        severity = _weight_of_role(incident, role)
        if severity is not None:
            said = Said("second_role", role=role.role, met=role.interaction)
            yield incident_hit(incident, at, severity, said)
    for incident, ending in facts.of(EndingDetails):
        if _turns_into_another_relationship(incident, ending):
            was_done = ending.stage == EndingStage.ended
            said = Said("became_other" if was_done else "to_become_other")
            yield incident_hit(incident, at, HIGH, said)


def _weight_of_role(incident: IncidentFact, role: SecondRoleDetails) -> Severity | None:
    if role.role == SecondRole.former_partner:
        return HIGH
    if not _beside_therapy(role) or in_passing_with_precautions(incident, role):
        return None
    lesser = (
        role.interaction == Interaction.incidental
        or role.role == SecondRole.related_cotreater
        or (
            role.role in _LESSER_ROLES
            and role.interaction == Interaction.regular
            and incident.has_sealed_detail
        )
    )
    return MODERATE if lesser else HIGH


def _turns_into_another_relationship(incident: IncidentFact, ending: EndingDetails) -> bool:
    """Tell whether therapy was swapped for something else, or the care side spoke of that."""
    proposed = {
        Initiator.therapist,
        Initiator.mutual,
        Initiator.supervisor,
        Initiator.institution,
    }
    return ending.ending == EndingWay.conversion_to_other_relationship and (
        ending.stage == EndingStage.ended or incident.initiator in proposed
    )


def is_sexual_word(conduct: SexualConductDetails) -> bool:
    """Tell a remark or proposal from contact or a relationship."""
    return conduct.conduct in {SexualConduct.remark, SexualConduct.proposal}


FROM_OUTSIDE = frozenset({Initiator.client, Initiator.client_side, Initiator.third_party})
"""Who may make an advance that it is for the care side to decline."""


def was_declined(incident: IncidentFact, conduct: SexualConductDetails) -> bool:
    """Tell whether an advance came from outside and was declined.

    Its `initiator` is `client`, `client_side` or `third_party`, and `declined` is true; a
    `relationship` cannot have been.
    """
    return (
        incident.initiator in FROM_OUTSIDE
        and conduct.declined is True
        and conduct.conduct != SexualConduct.relationship
    )


def sexual_conduct(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about sexual conduct; abstaining is the clinician's duty. APA 10.05-10.08; ACA A.5.

    `contact` or a `relationship`, whoever began it and however long after therapy; a `remark` or
    `proposal` where `initiator` is `therapist`, `mutual`, `supervisor`, `institution` or
    `disputed`, and in the case of a minor `unknown`, too. But not what was begun by `client`,
    `client_side` or `third_party` and is recorded as `declined`, save a `relationship`.

    Severity: critical; high for a remark or proposal of which accounts differ (`disputed`) or
    nobody said who began it; high at most where it was `with` `clients_relative`.
    """
    for incident, conduct in facts.of(SexualConductDetails):
        severity = _weight_of_conduct(incident, conduct, facts)
        if severity is not None and not was_declined(incident, conduct):
            towards = conduct.with_ == ConductWith.clients_relative
            name = "sexual_conduct_with_relative" if towards else "sexual_conduct"
            said = Said(name, conduct=conduct.conduct, who=incident.initiator)
            yield incident_hit(incident, at, HIGH if towards else severity, said)


def _weight_of_conduct(
    incident: IncidentFact, conduct: SexualConductDetails, facts: Facts
) -> Severity | None:
    """Grade it by who began it: contact and a relationship are as grave whoever did."""
    graded = {
        Initiator.therapist: CRITICAL,
        Initiator.mutual: CRITICAL,
        Initiator.supervisor: CRITICAL,
        Initiator.institution: CRITICAL,
        Initiator.disputed: HIGH,
    }
    if facts.case.is_minor is True:
        graded[Initiator.unknown] = HIGH
    return graded.get(incident.initiator) if is_sexual_word(conduct) else CRITICAL


def gifts_or_money(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about loans, money, barter, and undocumented giving. NASW 1.13; ACA A.10.

    A `loan`, `money` or `barter`, with a `rationale` or without. And of each `gift` or `favour`
    without a `rationale` that is no more than `gift_days` old: all, where such giving went both
    ways (one record says `both`, or one says `to_client` and another `from_client`), or where
    there are `gifts_one_way` or more.

    Severity: high for a loan; moderate for money, barter and giving both ways; low for giving one
    way.
    """
    given = [
        (incident, gift)
        for incident, gift in facts.of(GiftDetails)
        if gift.item in {GiftItem.gift, GiftItem.favour}
        and not incident.documented
        and not at.passed(facts.thresholds.gift_days, at.day_of(incident))
    ]
    ways = {gift.direction for _, gift in given}
    both_ways = GiftDirection.both in ways or (
        {GiftDirection.to_client, GiftDirection.from_client} <= ways
    )
    for incident, gift in facts.of(GiftDetails):
        if gift.item in {GiftItem.loan, GiftItem.money, GiftItem.barter}:
            severity = HIGH if gift.item == GiftItem.loan else MODERATE
            said = Said("exchange", item=gift.item, direction=gift.direction)
            yield incident_hit(incident, at, severity, said)
    if both_ways or len(given) >= facts.thresholds.gifts_one_way:
        for incident, gift in given:
            said = Said("exchange", item=gift.item, direction=gift.direction)
            yield incident_hit(incident, at, MODERATE if both_ways else LOW, said, "no_reason")


def reversed_by_the_therapist(incident: IncidentFact) -> bool:
    """Tell whether the therapist had a part in the client's looking after them."""
    return incident.initiator in {Initiator.therapist, Initiator.mutual}


def role_reversal(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask whose needs were met. APA 3.05; Gutheil & Gabbard (self-disclosure).

    A role reversal whose `initiator` is `therapist`, `mutual` or `disputed`.

    Severity: moderate where accounts differ (`disputed`), or where it is the only one of the
    others and its `form` is `own_distress_disclosed` or `caretaking_worry`; else high.
    """
    told = list(facts.of(RoleReversalDetails))
    begun = [incident for incident, _ in told if reversed_by_the_therapist(incident)]
    lesser = {RoleReversalForm.own_distress_disclosed, RoleReversalForm.caretaking_worry}
    for incident, reversal in told:
        said = Said("role_reversal", form=reversal.form)
        if incident.initiator == Initiator.disputed:
            yield incident_hit(incident, at, MODERATE, said)
        elif reversed_by_the_therapist(incident):
            severity = MODERATE if reversal.form in lesser and len(begun) == 1 else HIGH
            yield incident_hit(incident, at, severity, said)


def said_on_the_care_side(incident: IncidentFact) -> bool:
    """Tell whether words came from those who give care."""
    speakers = {Initiator.therapist, Initiator.supervisor, Initiator.institution}
    return incident.initiator in speakers


def hurtful_words(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about words reported as hurtful. APA 3.01, 3.04.

    Hurtful words whose `initiator` is `therapist`, `supervisor`, `institution` or `disputed`.

    Severity: high where they were `repeated` or `about_trait`, or where there are two such records
    or more, other than those of which accounts differ; moderate where there is one, and where
    accounts differ (`disputed`).
    """
    told = list(facts.of(HurtfulWordsDetails))
    undisputed = sum(said_on_the_care_side(incident) for incident, _ in told)
    for incident, words in told:
        name = "hurtful_words_repeated" if words.repeated else "hurtful_words_once"
        said = Said("hurtful_words_trait" if words.about_trait is True else name)
        if incident.initiator == Initiator.disputed:
            yield incident_hit(incident, at, MODERATE, said)
        elif said_on_the_care_side(incident):
            grave = words.repeated or words.about_trait is True or undisputed > 1
            yield incident_hit(incident, at, HIGH if grave else MODERATE, said)
