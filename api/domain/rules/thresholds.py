"""The numbers the rules compare with, one set for each clinic."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from api.domain.values import Input, whole

# the text beside the bounds is the unit, which docs/rules.md tells
_Days = Annotated[int, whole(1, 3_650), "days"]
_Times = Annotated[int, whole(1, 1_000)]


class Thresholds(Input):
    """A clinic's thresholds. The defaults are the rulebook's; few have a published source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unexamined_days: _Days = Field(
        default=30, description="Days before a promise counts as unexamined."
    )
    overdue_grace_days: _Days = Field(
        default=7, description="Days of grace after a promise was due."
    )
    contact_days_per_week: Annotated[int, whole(1, 7), "days a week"] = Field(
        default=3, description="Days a week from which contact is frequent."
    )
    contact_weeks: Annotated[_Times, "weeks"] = Field(
        default=4, description="Weeks from which frequent contact is lasting."
    )
    client_messages: Annotated[_Times, "messages"] = Field(
        default=10, description="Client messages in 30 days from which limits are worth agreeing."
    )
    exceptions: Annotated[_Times, "records"] = Field(
        default=2, description="Running exceptions without a written reason."
    )
    touch_times: Annotated[_Times, "times"] = Field(default=3, description="Touches in all.")
    touch_days: _Days = Field(default=365, description="Days within which touches are counted.")
    gifts_one_way: Annotated[_Times, "records"] = Field(
        default=5, description="Gifts and favours one way without a written reason."
    )
    gift_days: _Days = Field(
        default=365, description="Days within which gifts and favours are counted."
    )
    tightening_notice_days: _Days = Field(
        default=14, description="Days of notice before a tighter frame."
    )
    tightening_elements: Annotated[_Times, "elements"] = Field(
        default=2, description="Elements that make a tightening weighty."
    )
    drift_departures: Annotated[_Times, "records"] = Field(
        default=4, description="Departures that make a drift."
    )
    drift_days: _Days = Field(default=90, description="Days within which departures are counted.")
    disclosure_window_days: _Days = Field(
        default=30,
        description="Days after a disclosure in which a withdrawal counts as the answer to it.",
    )
    complaint_days: _Days = Field(
        default=30, description="Days to answer a complaint, or a wish to be seen."
    )
    ending_asked_days: _Days = Field(
        default=42, description="Days of therapy from which an ending is asked about."
    )
    ending_notice_days: _Days = Field(
        default=30, description="Days of notice before an ending, under a year of therapy."
    )
    closing_sessions: Annotated[_Times, "sessions"] = Field(
        default=3, description="Closing sessions before an ending, under a year of therapy."
    )
    ending_notice_days_from_one_year: _Days = Field(
        default=60, description="The same from one year of therapy to three."
    )
    closing_sessions_from_one_year: Annotated[_Times, "sessions"] = Field(
        default=6, description="The same from one year of therapy to three."
    )
    ending_notice_days_after_three_years: _Days = Field(
        default=90, description="The same after more than three years of therapy."
    )
    closing_sessions_after_three_years: Annotated[_Times, "sessions"] = Field(
        default=8, description="The same after more than three years of therapy."
    )
    ending_left_open_days: _Days = Field(
        default=30, description="Days in which an ending that was spoken of may be left open."
    )
    rupture_days: _Days = Field(
        default=30, description="Days after a strain in which leaving is linked."
    )
    absence_days: _Days = Field(
        default=14, description="Days of absence from which cover is needed."
    )
    absence_with_safety_days: _Days = Field(
        default=7, description="The same while the client's safety is in question."
    )
    absence_grace_days: _Days = Field(
        default=7, description="Days of grace after a return was due."
    )
    return_unknown_days: _Days = Field(
        default=30, description="Days after a return was due in which it is to be recorded."
    )
    risk_recent_days: _Days = Field(default=30, description="Days in which a risk is recent.")
    risk_past_days: _Days = Field(default=90, description="Days in which a risk is past.")
    risk_distant_days: _Days = Field(default=365, description="Days after which a risk is history.")
    screen_days: _Days = Field(default=7, description="Days in which to ask about ambiguous words.")
    safeguarding_days: _Days = Field(
        default=2, description="Days in which to report a concern for somebody's safety."
    )
    safeguarding_known_days: _Days = Field(
        default=30, description="Days in which to find out whether somebody is in danger now."
    )
    informed_days: _Days = Field(
        default=60,
        description="Days in which to tell the client what was shared (45 CFR 164.404).",
    )
    outcome_months: Annotated[_Times, "months"] = Field(
        default=3, description="Months without benefit."
    )
    wished_to_stop: Annotated[_Times, "times"] = Field(
        default=2, description="Times the client wished to stop."
    )
    oversight_days: _Days = Field(default=14, description="Days a grave flag may wait for a look.")
    record_access_days: _Days = Field(
        default=30, description="Days to answer an access (45 CFR 164.524) or release request."
    )
    record_amendment_days: _Days = Field(
        default=60,
        description="Days to answer an amendment or accounting request (45 CFR 164.526, .528).",
    )

    door_unanswered_days: Annotated[int, whole(1, 14), "days"] = Field(
        default=14, description="Days in which to answer what a client said at their door."
    )
    door_long_unanswered_days: Annotated[int, whole(1, 30), "days"] = Field(
        default=30, description="Days after which that has waited long."
    )

    @model_validator(mode="after")
    def _risk_grows_older_in_order(self) -> Self:
        if not self.risk_recent_days <= self.risk_past_days <= self.risk_distant_days:
            raise ValueError("The three ages of a risk stand in rising order.")
        return self
