"""Every sentence that rules say, in English: what is recorded, whose account, and no verdict.

A client may read all of it one day. Of what is missing it is said that nothing is recorded, and of
nobody that they did not do it. Places in braces hold days, numbers, and what the vocabulary says of
a word. Of two texts the first is for one, the second for several.
"""

from datetime import date

from api.domain.rules.said import Language
from api.domain.vocabulary import DatePrecision, served_vocabulary

SENTENCES: dict[str, str | tuple[str, str]] = {
    # whose account it is
    "by_client": "By the client's account",
    "by_therapist": "By the therapist's account",
    "by_supervisor": "By the supervisor's account",
    "by_colleague": "By a colleague's account",
    "by_record_review": "By the records",
    "by_third_party": "By someone else's account",
    "disputed_client": "Accounts differ: by the client's account",
    "disputed_therapist": "Accounts differ: by the therapist's account",
    "disputed_supervisor": "Accounts differ: by the supervisor's account",
    "disputed_colleague": "Accounts differ: by a colleague's account",
    "disputed_record_review": "Accounts differ: by the records",
    "disputed_third_party": "Accounts differ: by someone else's account",
    "in_the_queue": "In the queue",
    "more": (
        "And one more record in the evidence.",
        "And {n} more records in the evidence.",
    ),
    # when
    "when_day": "on {day}",
    "when_month": "in {day}",
    "when_year": "in {day}",
    # what is missing is said of the record, and not in anybody's account
    "no_consultation": "No consultation is recorded.",
    "no_reason": "No written reason is recorded.",
    "no_return": "No return is recorded.",
    "no_question": "No question about them is recorded.",
    "no_settling_review": "No review of whether there was danger is recorded.",
    "no_report": "No report is recorded.",
    "no_report_nor_duty": "No report is recorded, nor whether the law asks for one.",
    "no_answer": "No answer is recorded.",
    "preparation_asked": (
        "Asked about are endings with less than this: days of notice {notice}, closing sessions "
        "{sessions}."
    ),
    "no_basis": "No basis for it is recorded.",
    "no_plan": "No plan is recorded.",
    "nothing_since": "Neither a plan nor a consultation is recorded, nor an ending since.",
    "no_limits": "No agreed limits are recorded.",
    # promises
    "promise_not_keepable": "the promise made {when} ({kind}) is recorded as not keepable",
    "promise_hard_to_keep": "the promise made {when} ({kind}) is recorded as hard to keep",
    "promise_not_kept": "the promise made {when} ({kind}) is recorded as not kept",
    "promise_overdue": "the promise made {when} ({kind}) was due on {due} and is recorded as open",
    "promise_not_talked_over": (
        "the promise made {when} ({kind}) is recorded as not yet talked over with the client"
    ),
    "promise_without_end": "the promise made {when} ({kind}) has no end",
    # conduct
    "second_role": "a second role ({role}; {met}) is recorded {when}",
    "became_other": "an ending {when} is recorded in which therapy became another relationship",
    "to_become_other": (
        "an ending in which therapy would become another relationship was spoken of {when}"
    ),
    "sexual_conduct": "sexual or romantic conduct ({conduct}; {who}) is recorded {when}",
    "sexual_conduct_with_relative": (
        "sexual or romantic conduct with a relative or partner of the client ({conduct}; {who}) is "
        "recorded {when}"
    ),
    "sexual_conduct_declined": (
        "it is recorded {when} that something sexual or romantic ({conduct}) was declined"
    ),
    "exchange": "an exchange ({item}; {direction}) is recorded {when}",
    "touch": "touch ({touch}) is recorded {when}",
    "touch_without_consent": (
        "touch ({touch}) is recorded {when} as something that the client did not consent to"
    ),
    "touch_as_planned": "touch ({touch}) is recorded {when} as a planned method",
    "touch_not_planned": "touch ({touch}) is recorded {when} as not part of a planned method",
    "touch_often": (
        "touch ({touch}) is recorded {when}, once in a year",
        "touch ({touch}) is recorded {when}, one of {n} times in a year",
    ),
    "touch_of_minor": (
        "touch ({touch}) of a minor is recorded {when}, once in a year",
        "touch ({touch}) of a minor is recorded {when}, one of {n} times in a year",
    ),
    "role_reversal": "the client meeting the therapist's needs ({form}) is recorded {when}",
    "hurtful_words_once": "words reported as hurtful are recorded {when}",
    "hurtful_words_repeated": "words reported as hurtful are recorded {when}, as said repeatedly",
    "hurtful_words_trait": (
        "words reported as hurtful are recorded {when}, about who the client is"
    ),
    # the frame
    "days_a_week": ("{n} day a week", "{n} days a week"),
    "weeks": ("{n} week", "{n} weeks"),
    "contact_meetings": (
        "meetings outside sessions, with the therapist taking part, are recorded {when}"
    ),
    "contact_frequent": (
        "frequent contact between sessions ({how}), with the therapist taking part and without "
        "agreed limits, is recorded {when}"
    ),
    "contact_of_minor": (
        "frequent contact between sessions with a minor ({how}), with the therapist taking part, "
        "is recorded {when}"
    ),
    "contact_between_sessions": "frequent contact between sessions is recorded {when}",
    "special_terms": "special terms ({exception}) are recorded {when}",
    "not_talked_over_before": "not talked over beforehand",
    "days_of_notice": ("{n} day of notice", "{n} days of notice"),
    "limit_drawn": "a limit drawn {when} is recorded ({elements}; {how})",
    "departure": "a departure from usual practice ({area}) is recorded {when}",
    "departure_one_of": (
        "a departure from usual practice ({area}) is recorded {when}",
        "a departure from usual practice ({area}) is recorded {when}, one of {n} departures",
    ),
    "terms_one_of": (
        "special terms ({exception}) are recorded {when}",
        "special terms ({exception}) are recorded {when}, one of {n} departures",
    ),
    "loosening_one_of": (
        "a frame with more than before ({elements}) is recorded {when}",
        "a frame with more than before ({elements}) is recorded {when}, one of {n} departures",
    ),
    # being told, and endings
    "disclosure_met": "what the client told {when} is recorded as answered so: {responses}",
    "ending_raised_because": "an ending spoken of {when} has as its recorded reason: {reason}",
    "ending_because": "an ending {when} has as its recorded reason: {reason}",
    "disclosure_not_taken_up": "what the client told {when} ({of}) is recorded as not taken up",
    "abrupt": "abrupt",
    "not_planned_at_outset": "not planned at the outset",
    "closing_sessions": ("{n} closing session", "{n} closing sessions"),
    "ending_with_little_time": "of the ending {when} it is recorded: {how}",
    "ending_spoken_of": "an ending was spoken of {when}",
    "left_same_day": "the client left {when}, the same day",
    "left_after": (
        "the client left {when}, {n} day after",
        "the client left {when}, {n} days after",
    ),
    "before_leaving_limit": "a limit was drawn {when} ({elements})",
    "no_referral": (
        "the ending {when} is recorded with a need for ongoing care and no referral offered"
    ),
    "also_lost": "it is recorded that with the ending {when} were also lost: {losses}",
    "way_back": "after the ending {when} the way back is recorded as: {condition}",
    # safety
    "not_returned": (
        "the absence {when} was to end on {due}, and it is recorded that there was no return"
    ),
    "absence_to_end": "the absence {when} was to end on {due}",
    "not_covered": (
        "an absence of {n} day {when} is recorded as without cover",
        "an absence of {n} days {when} is recorded as without cover",
    ),
    "risk": "a risk ({indicator}) is recorded {when}",
    "ending_recorded": "an ending is recorded {when}",
    "ambiguous_words": "words that may or may not mean danger are recorded {when}",
    "measure": "a measure against the client ({measures}) is recorded {when}",
    "ending_for_danger": "an ending {when} has as its recorded reason that danger was seen",
    "ending_raised_for_danger": (
        "an ending spoken of {when} has as its recorded reason that danger was seen"
    ),
    "concern": "a concern ({concern}) became known {when}",
    "reported_untold": (
        "a concern that became known {when} ({concern}) is recorded as reported on {reported}, and "
        "as not told to the client"
    ),
    # care as a whole
    "trend": "{trend}",
    "months": ("{n} month", "{n} months"),
    "wished_to_stop": (
        "the client wished to stop {n} time",
        "the client wished to stop {n} times",
    ),
    "outcome": "an outcome ({how}) is recorded {when}",
    "outcome_in_doubt": "an outcome recorded {when} is in doubt",
    "not_explained": "it is recorded {when} that the way of working was not explained",
    "goals_not_known": "it is recorded {when} that the goals were not known",
    "nobody_available": "it is recorded {when} that nobody is available for oversight",
    "flag_waits": "a flag that asks for a look within {severity} has been open since {since}",
    "competence_gap": "work beyond present skill or support is recorded {when}",
    "fitness": (
        "a sign that the therapist may not have been well enough to work ({sign}) is recorded "
        "{when}"
    ),
    "fitness_in_session": (
        "a sign that the therapist may not have been well enough to work ({sign}) is recorded "
        "{when}, in a session"
    ),
    "recorded_without_consent": (
        "a recording ({means}) is noted {when} as one that the client did not consent to"
    ),
    "recorded_without_choice": (
        "a recording ({means}) is noted {when} as one that the client may not refuse"
    ),
    "recorded_without_consent_or_choice": (
        "a recording ({means}) is noted {when} as one that the client did not consent to and may "
        "not refuse"
    ),
    "record_conflict": "a conflict in the record ({issue}) is noted {when}",
    "contact_without_basis": (
        "contact outside the therapy ({party}) is recorded {when} as without a basis"
    ),
    "shared_untold": (
        "it is recorded that something was shared outside the therapy ({party}) {when}, and that "
        "the client was not informed"
    ),
    "request": "a request ({request}) was made {when}",
    "request_on_another_day": "a request ({request}) was made {asked}",
    # what came by the client's door
    "told_not_safe": "the client is not safe now (told at the door {when})",
    "told_unsure_of_safety": (
        "it is not sure whether the client is safe now (told at the door {when})"
    ),
    "asked_to_look": "somebody other than the therapist should look (asked at the door {when})",
    "not_answered": (
        "No answer is recorded to what was last written at the door {when}, {n} day ago or more.",
        "No answer is recorded to what was last written at the door {when}, {n} days ago or more.",
    ),
    "looked_back": (
        "{n} answer about what was done, given {when}, asks for a look",
        "{n} answers about what was done, given {when}, ask for a look",
    ),
    "door_at_opening": (
        "No invitation by the case's clinician to the client's door is recorded; the clinic offers "
        "it at the beginning."
    ),
    "door_at_ending": (
        "No invitation by the case's clinician to the client's door is recorded since the ending; "
        "the clinic offers it then."
    ),
    # prompts
    "clarify_role": "a second role ({role}) is recorded {when}",
    "not_coordinated": "treatment by several clinicians, not coordinated, is recorded {when}",
    "record_to_complete": "The record of what happened {when} does not yet say {missing}.",
    "missing_cover": "whether the absence was covered",
    "missing_return": "whether there was a return",
    "missing_present": "whether somebody may be in danger now",
    "missing_duty": "whether there is a duty to report",
    "missing_consent": "whether the client agreed to the recording",
    "missing_basis": "on what basis there was contact",
    "missing_declined": "whether it was declined",
    "missing_initiator": "who began it",
    "missing_outset": "whether the ending was planned at the outset",
    "missing_referral": "whether a referral was offered",
    "missing_method": "whether the touch was part of a planned method",
}

_MEANINGS = served_vocabulary()
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


class _English:
    def sentence(self, name: str, number: int | None) -> str:
        said = SENTENCES[name]
        if isinstance(said, str):
            return said
        return said[0] if number == 1 else said[1]

    def word(self, words: str, word: str) -> str:
        return _MEANINGS[words][word]

    def day(self, day: date, precision: DatePrecision) -> str:
        match precision:
            case DatePrecision.year:
                return f"{day.year}"
            case DatePrecision.month:
                return f"{_MONTHS[day.month - 1]} {day.year}"
            case _:
                return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


ENGLISH: Language = _English()
