"""For each rule and prompt a situation that it asks about, and one like it that it leaves alone.

For whoever weighs the rules and reads no code, as a clinic's ethics committee. All are fictional,
and tests play each.
"""

from typing import NamedTuple

from api.domain.vocabulary import PromptName, RuleName


class Situations(NamedTuple):
    """Two situations that look alike."""

    asks: str
    """The rule asks somebody to look at this."""
    leaves_alone: str
    """And not at this."""


SITUATIONS: dict[RuleName | PromptName, Situations] = {
    RuleName.promise_unkeepable: Situations(
        "A therapist says that she will always be part of the client's life.",
        "A therapist says that the client may always come back to her for therapy.",
    ),
    RuleName.promise_broken: Situations(
        "A call was promised for Monday and recorded as not made.",
        "A letter was due five days ago and is still to be written.",
    ),
    RuleName.promise_unexamined: Situations(
        "Six weeks ago it was said that therapy would heal everything; nobody came back to it.",
        "The same was said, and taken back in a talk with the client.",
    ),
    RuleName.dual_relationship: Situations(
        "Therapist and client also run a shop together.",
        "They meet in the village bakery now and then, and wrote down how they would greet.",
    ),
    RuleName.sexual_conduct: Situations(
        "A therapist tells a client of his own desire.",
        "A client tells her therapist that she would like to kiss him.",
    ),
    RuleName.contact_out_of_frame: Situations(
        "Client and therapist write to each other five days a week for two months, without limits.",
        "They do so within limits that they agreed.",
    ),
    RuleName.special_exceptions: Situations(
        "Mail is answered at night and the last hour goes on longer; no reason is written down.",
        "The fee is lower than usual, and nothing else is special.",
    ),
    RuleName.gifts_or_money: Situations(
        "A client lends her therapist money.",
        "A client brings a cake at the end of the year.",
    ),
    RuleName.physical_contact: Situations(
        "A therapist holds a client who weeps, as part of the method; nobody was asked about it.",
        "The same was talked over with a supervisor.",
    ),
    RuleName.role_reversal: Situations(
        "A therapist pours out his own grief, and the client comforts him.",
        "A client worries about her therapist and asks how she is.",
    ),
    RuleName.frame_tightened_unprepared: Situations(
        "From one day to the next there are half as many hours, and no mail is answered any more.",
        "A therapist explains that she will no longer embrace at the door, and keeps to that.",
    ),
    RuleName.frame_drift: Situations(
        "Within three months: a walk, a longer hour, a private number, a lower fee.",
        "The same, and the last of them was talked over with a colleague.",
    ),
    RuleName.disclosure_response: Situations(
        "A client tells of love, and is told off for it.",
        "A client tells of love; it is talked through, and a limit kept and explained.",
    ),
    RuleName.disclosure_not_taken_up: Situations(
        "A client said that the work was hard; it was brushed aside, and nobody came back to it.",
        "The same was brushed aside, and taken up in the next hour.",
    ),
    RuleName.ending_unprepared: Situations(
        "After two years a therapist ends therapy with three weeks' notice.",
        "After two meetings that were to find out what helps, a therapist refers the client on.",
    ),
    RuleName.ending_left_open: Situations(
        "A month ago a therapist said that she might have to stop; nothing was planned since.",
        "A month ago a client wondered whether to stop.",
    ),
    RuleName.left_after_rupture: Situations(
        "A client stops three weeks after a limit was drawn without a word beforehand.",
        "A client stops three weeks after the same limit, which had been talked over.",
    ),
    RuleName.no_referral: Situations(
        "A clinic ends a therapy that is still needed, and names nobody to go to.",
        "A client who still needs therapy moves away, and no one else was named.",
    ),
    RuleName.collateral_care_loss: Situations(
        "With the therapy a client also lost the prescription of her medicine.",
        "A client leaves, and gives up the group as well.",
    ),
    RuleName.way_back_closed: Situations(
        "A client is told that she may come back only if she is in a crisis.",
        "A client leaves and does not want to come back.",
    ),
    RuleName.absence_uncovered: Situations(
        "A therapist was to be back from leave six weeks ago, and nothing tells whether he is.",
        "A therapist is away for a month, with a colleague standing in.",
    ),
    RuleName.client_safety: Situations(
        "A client tried to end his life last week.",
        "A client went to hospital two years ago.",
    ),
    RuleName.risk_unscreened: Situations(
        "A week ago a client said that he wanted it all to be over; what he meant was not asked.",
        "He said so, and was asked.",
    ),
    RuleName.outcome_unreviewed: Situations(
        "A client has felt worse for half a year.",
        "A client has felt worse for a month.",
    ),
    RuleName.consent_gap: Situations(
        "How the therapy works was never explained, and questions were refused.",
        "It is not known what was explained at the start.",
    ),
    RuleName.no_oversight: Situations(
        "A flag that asked for a look within a day has been open for two weeks.",
        "It has been open for two weeks, and a consultation was asked for.",
    ),
    RuleName.competence_gap: Situations(
        "A therapist writes down that the work is beyond what she has learnt.",
        "She does so, and has asked a specialist.",
    ),
    RuleName.fitness_to_practise: Situations(
        "A therapist fell asleep in a session.",
        "A therapist was too ill to work, and had talked it over with his supervisor.",
    ),
    RuleName.safeguarding_unanswered: Situations(
        "A child may be in danger, the law asks for a report, and in two days there was none.",
        "A client tells of what was done to her as a child, and nobody is in danger now.",
    ),
    RuleName.recording_without_consent: Situations(
        "Sessions are filmed though the client did not agree.",
        "Sessions are filmed for supervision, as agreed, and the client may stop the camera.",
    ),
    RuleName.record_conflict: Situations(
        "The record holds a diagnosis without any assessment.",
        "The record holds an old address.",
    ),
    RuleName.third_party_contact: Situations(
        "A therapist told a client's employer about him, without a basis.",
        "A client's mother rang; the therapist listened and said nothing.",
    ),
    RuleName.danger_review_required: Situations(
        "A therapist ended therapy because a letter frightened her; nobody has read the letter.",
        "The same, and a review found that the danger was real.",
    ),
    RuleName.crossing_undocumented: Situations(
        "A session was held on a walk, and nothing says why.",
        "A session was held on a walk, for a reason that is written down.",
    ),
    RuleName.hurtful_words: Situations(
        "A client reports words of her therapist about her faith that hurt her.",
        "A client shouts at her therapist.",
    ),
    RuleName.record_request_overdue: Situations(
        "A client asked for a copy of the record five weeks ago.",
        "A client asked for a correction of the record five weeks ago.",
    ),
    RuleName.client_not_safe: Situations(
        "At her door a client writes that she is not safe.",
        "A client writes that she was afraid of her therapist for years, and that she is safe.",
    ),
    RuleName.client_asks_to_look: Situations(
        "A client writes of hours that became walks, and asks that somebody else look.",
        "A client writes of the same hours, and wants nothing more.",
    ),
    RuleName.account_unanswered: Situations(
        "Two weeks ago a client wrote at his door and asked for an answer; none was given.",
        "Two weeks ago a client wrote of his anger at his therapist, and it was answered.",
    ),
    RuleName.look_back_concern: Situations(
        "Looking back, a client notes that she was asked to keep a secret, and lent money.",
        "Looking back, a client notes that she felt alone, misunderstood and angry.",
    ),
    PromptName.clarify_open_promise: Situations(
        "A client may always come back for therapy, without an end.",
        "A client may come back within the year.",
    ),
    PromptName.plan_ending: Situations(
        "A client speaks of ending, and there is no plan yet.",
        "They have begun to plan how it could end.",
    ),
    PromptName.offer_consultation: Situations(
        "A client doubts whether the work leads anywhere.",
        "A client is sure that it does.",
    ),
    PromptName.agree_contact_limits: Situations(
        "A client wrote thirty messages in a month; nothing was agreed about them.",
        "A client wrote thirty messages in a month, as was agreed.",
    ),
    PromptName.screen_distress: Situations(
        "Yesterday a client said something that may or may not mean danger.",
        "The client was asked what was meant.",
    ),
    PromptName.clarify_roles: Situations(
        "Therapist and client worked in one office before therapy.",
        "Nothing but therapy has ever joined them.",
    ),
    PromptName.complete_record: Situations(
        "Therapy that is still needed ended; whether a referral was offered is not recorded.",
        "It is recorded that a referral was offered.",
    ),
    PromptName.offer_door: Situations(
        "Therapy has begun; the clinic offers clients their door then, and nobody was invited yet.",
        "The therapist has invited the client to the door.",
    ),
}
