"""Rules about endings: how they came, and what they left."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from api.domain.details import EndingDetails
from api.domain.rules.facts import CaseFact, Facts, IncidentFact, consulted, on_the_care_side
from api.domain.rules.findings import CRITICAL, HIGH, MODERATE, Hit, graver_in_crisis, incident_hit
from api.domain.rules.moment import Moment
from api.domain.rules.said import Said, words_of
from api.domain.rules.thresholds import Thresholds
from api.domain.vocabulary import (
    ClientImpact,
    CollateralLoss,
    Determination,
    EndingAppliesTo,
    EndingStage,
    Initiator,
    ReturnCondition,
    Severity,
)

_DAYS_A_WEEK = 7


def ended_by_the_care_side(incident: IncidentFact, ending: EndingDetails) -> bool:
    """Tell whether therapy, or agreed contact, was ended by those who gave it."""
    return ending.stage == EndingStage.ended and on_the_care_side(incident)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What an ending asks for: days of notice, and closing sessions."""

    notice_days: int
    closing_sessions: int

    def as_far_as(self, asked: "Preparation") -> "Preparation":
        """Ask for no more than is asked anyway."""
        return Preparation(
            min(self.notice_days, asked.notice_days),
            min(self.closing_sessions, asked.closing_sessions),
        )

    @property
    def told(self) -> Said:
        """Say what is asked for."""
        return Said("preparation_asked", notice=self.notice_days, sessions=self.closing_sessions)

    def within(self, sessions_per_week: float | None) -> "Preparation":
        """Ask for no more sessions than the notice holds; how many are not known: one a week."""
        a_week = 1 if sessions_per_week is None else sessions_per_week
        # a thousandth of a session: what a fraction of a week lost in a float is no session
        held = int(a_week * self.notice_days / _DAYS_A_WEEK + 0.001)
        return Preparation(self.notice_days, min(self.closing_sessions, held))


def preparation_asked(case: CaseFact, day: date, thresholds: Thresholds) -> Preparation | None:
    """Give what an ending on a day asks for after so long a therapy; None where it was short.

    Under `ending_asked_days` of therapy nothing is asked. Under a year, or where it is not known
    when therapy began, `ending_notice_days` and `closing_sessions`; from one calendar year to three
    `ending_notice_days_from_one_year` and `closing_sessions_from_one_year`; after more than three
    `ending_notice_days_after_three_years` and `closing_sessions_after_three_years`. There are never
    more sessions asked than `sessions_per_week` gives in the days of notice.
    """
    begun = case.started_on
    least = _least(thresholds)
    if begun is None or begun > day:
        return least.within(case.sessions_per_week)
    if (day - begun).days < thresholds.ending_asked_days:
        return None
    if day < _years_on(begun, 1):
        asked = least
    elif day <= _years_on(begun, 3):
        asked = Preparation(
            thresholds.ending_notice_days_from_one_year, thresholds.closing_sessions_from_one_year
        )
    else:
        asked = Preparation(
            thresholds.ending_notice_days_after_three_years,
            thresholds.closing_sessions_after_three_years,
        )
    return asked.within(case.sessions_per_week)


def _least(thresholds: Thresholds) -> Preparation:
    return Preparation(thresholds.ending_notice_days, thresholds.closing_sessions)


def _years_on(day: date, years: int) -> date:
    if (day.month, day.day) == (2, 29):
        day = day.replace(day=28)
    return day.replace(year=day.year + years)


def left_little_time(
    incident: IncidentFact, ending: EndingDetails, facts: Facts, at: Moment
) -> tuple[Said, ...]:
    """Say in what an ending is known to have been abrupt, short of notice or of sessions."""
    short = [Said("abrupt")] if ending.abrupt is True else []
    asked = _asked_of(incident, ending, facts, at)
    return tuple(short if asked is None else short + _short_of(ending, asked))


def _asked_of(
    incident: IncidentFact, ending: EndingDetails, facts: Facts, at: Moment
) -> Preparation | None:
    if ending.applies_to == EndingAppliesTo.agreed_contact:
        return Preparation(facts.thresholds.ending_notice_days, 0)
    return preparation_asked(facts.case, at.day_of(incident), facts.thresholds)


def _short_of(ending: EndingDetails, asked: Preparation) -> list[Said]:
    short = []
    notice, sessions = ending.notice_days, ending.closing_sessions
    if notice is not None and notice < asked.notice_days:
        short.append(Said("days_of_notice", n=notice))
    if sessions is not None and sessions < asked.closing_sessions:
        short.append(Said("closing_sessions", n=sessions))
    return short


def ending_unprepared(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an ending without preparation. APA 10.09, 10.10; ACA A.11, A.12; NASW 1.17.

    An ending whose `stage` is `ended`, by the care side, that left little time: `abrupt` is true
    and `planned_at_outset` is not true; or `planned_at_outset` is false, and `notice_days` are
    known and fewer, or the closing sessions known and fewer, than the length of the therapy asks
    for. Under `ending_asked_days` of therapy neither is asked. Under a year, or where it is not
    known when therapy began, `ending_notice_days` and `closing_sessions`; from one calendar year to
    three `ending_notice_days_from_one_year` and `closing_sessions_from_one_year`; after more than
    three `ending_notice_days_after_three_years` and `closing_sessions_after_three_years`. There are
    never more sessions asked than `sessions_per_week` gives in the days of notice. Where an ending
    `applies_to` `agreed_contact`, `ending_notice_days` alone are asked.

    Severity: high where it was abrupt, or fell short of what is asked under a year, and then
    critical in a crisis; else moderate. Of agreed contact moderate, and high where it was abrupt
    and its impact a `crisis`. Moderate where a review of it found `real_danger`.
    """
    for incident, ending in facts.of(EndingDetails):
        if not ended_by_the_care_side(incident, ending) or ending.planned_at_outset is True:
            continue
        how = left_little_time(incident, ending, facts, at)
        if ending.abrupt is True or (ending.planned_at_outset is False and how):
            severity = _weight_of_ending(incident, ending, facts, at)
            if ending.planned_at_outset is False:
                how = (*how, Said("not_planned_at_outset"))
            said = Said("ending_with_little_time", how=how)
            asked = _asked_of(incident, ending, facts, at)
            yield incident_hit(incident, at, severity, said, None if asked is None else asked.told)


def _weight_of_ending(
    incident: IncidentFact, ending: EndingDetails, facts: Facts, at: Moment
) -> Severity:
    if incident.determination == Determination.real_danger:
        return MODERATE
    if ending.applies_to == EndingAppliesTo.agreed_contact:
        in_crisis = incident.client_impact == ClientImpact.crisis
        return HIGH if ending.abrupt is True and in_crisis else MODERATE
    asked = preparation_asked(facts.case, at.day_of(incident), facts.thresholds)
    grave = ending.abrupt is True
    if asked is not None:
        least = _least(facts.thresholds).within(facts.case.sessions_per_week)
        grave |= bool(_short_of(ending, least.as_far_as(asked)))
    return graver_in_crisis(HIGH if grave else MODERATE, incident.client_impact)


def left_unplanned(facts: Facts, at: Moment) -> Iterator[IncidentFact]:
    """Give each ending that was spoken of without a plan, and since which none has happened."""
    told = list(facts.of(EndingDetails))
    ended = [at.day_of(i) for i, ending in told if ending.stage == EndingStage.ended]
    last = max(ended, default=None)
    for incident, ending in told:
        if (
            ending.stage == EndingStage.raised
            and not incident.has_sealed_detail
            and (last is None or last < at.day_of(incident))
        ):
            yield incident


def ending_left_open(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about an ending that was spoken of and left hanging. APA 10.10; NASW 1.17.

    An ending whose `stage` is `raised`, by the care side, `ending_left_open_days` old or older,
    without a `plan`; that nobody was consulted about, and since which no ending has the `stage`
    `ended`.

    Severity: moderate.
    """
    days = timedelta(days=facts.thresholds.ending_left_open_days)
    for incident in left_unplanned(facts, at):
        if (
            on_the_care_side(incident)
            and not consulted(facts, incident)
            and at.reached(at.day_of(incident) + days)
        ):
            said = Said("ending_spoken_of")
            yield incident_hit(incident, at, MODERATE, said, "nothing_since")


def no_referral(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about onward care after an ending. APA 10.10(c); ACA A.11.c; NASW 1.17.

    An ending whose `stage` is `ended`, by the care side; whose `needs_ongoing_care` is true and
    whose `referral_offered` is false.

    Severity: high; critical in a crisis.
    """
    for incident, ending in facts.of(EndingDetails):
        if (
            ended_by_the_care_side(incident, ending)
            and ending.needs_ongoing_care is True
            and ending.referral_offered is False
        ):
            severity = graver_in_crisis(HIGH, incident.client_impact)
            yield incident_hit(incident, at, severity, Said("no_referral"))


def _by_the_care_side_or_mutually(incident: IncidentFact) -> bool:
    return on_the_care_side(incident) or incident.initiator == Initiator.mutual


def collateral_care_loss(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask what else was lost with an ending. NASW 1.17; 45 CFR 164.508.

    An ending whose `stage` is `ended`, with `medical_care` or `medication` in its
    `collateral_loss`, whoever began it; or with any other loss, by the care side or mutually
    (`initiator` is `mutual`).

    Severity: critical where `medical_care` or `medication` is among what was lost, else high.
    """
    vital = {CollateralLoss.medical_care, CollateralLoss.medication}
    for incident, ending in facts.of(EndingDetails):
        lost = words_of(ending.collateral_loss)
        is_vital = not vital.isdisjoint(lost)
        counts = is_vital or (lost and _by_the_care_side_or_mutually(incident))
        if ending.stage == EndingStage.ended and counts:
            severity = CRITICAL if is_vital else HIGH
            yield incident_hit(incident, at, severity, Said("also_lost", losses=lost))


def way_back_closed(facts: Facts, at: Moment) -> Iterator[Hit]:
    """Ask about a way back that is closed or open only in a crisis. ACA A.12; APA 10.10.

    An ending whose `stage` is `ended` and whose `return_condition` is `only_if_crisis`, whoever
    began it; or `never`, by the care side or mutually (`initiator` is `mutual`). But not where a
    review of it found `real_danger`.

    Severity: high.
    """
    for incident, ending in facts.of(EndingDetails):
        condition = ending.return_condition
        is_closed = condition == ReturnCondition.only_if_crisis or (
            condition == ReturnCondition.never and _by_the_care_side_or_mutually(incident)
        )
        if (
            ending.stage == EndingStage.ended
            and condition is not None
            and is_closed
            and incident.determination != Determination.real_danger
        ):
            yield incident_hit(incident, at, HIGH, Said("way_back", condition=condition))
