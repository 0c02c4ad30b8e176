"""Every word the records use, each with its definition: the page to read first."""

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Self


class Word(StrEnum):
    """A word of a fixed list; `definition` says what it means to a clinician."""

    definition: str

    def __new__(cls, value: str, definition: str) -> Self:
        """Make the word from its spelling and its definition."""
        word = str.__new__(cls, value)
        word._value_ = value
        word.definition = definition
        return word

    if not TYPE_CHECKING:
        # the standard library's, in half the time: an answer spells hundreds of words
        value = property(attrgetter("_value_"))


class Initiator(Word):
    """Words for `initiator`."""

    client = "client", "the client started it"
    therapist = "therapist", "the therapist started it"
    mutual = "mutual", "both"
    supervisor = "supervisor", "a supervisor started it"
    institution = "institution", "clinic, school, hospital"
    third_party = "third_party", "e.g. an insurer, a court, a colleague"
    disputed = "disputed", "accounts differ"
    unknown = "unknown", "not known"
    client_side = "client_side", "a parent, partner or guardian of the client"


class Classification(Word):
    """Words for `classification`."""

    unclassified = "unclassified", "not yet judged"
    normal_process = "normal_process", "expected feelings or talk"
    enactment = "enactment", "both drawn into an old pattern; worth a look together"
    rupture = "rupture", "strain in the alliance"
    boundary_crossing = "boundary_crossing", "departure from usual practice, which may help"
    boundary_violation = "boundary_violation", "harmful or exploitative departure"
    process_failure = "process_failure", "a lapse of notice, cover, referral or records"
    safety_concern = "safety_concern", "acute risk to the client or others"


class ClientImpact(Word):
    """Words for `client_impact`."""

    positive = "positive", "helped the client"
    none = "none", "no noticeable effect"
    transient_distress = "transient_distress", "distress for days"
    sustained_distress = "sustained_distress", "distress for weeks or more"
    severe = "severe", "daily life badly disrupted"
    crisis = (
        "crisis",
        "suicidality, admission, emergency care, dangerous relapse or essential medication stopped",
    )
    unknown = "unknown", "not assessed"


class Repair(Word):
    """Words for `repair`."""

    none = "none", "no repair tried"
    attempted = "attempted", "tried, result open"
    repaired = "repaired", "alliance restored by both accounts"
    failed = "failed", "tried without success"
    unknown = "unknown", "not known"


class Phase(Word):
    """Words for `phase`."""

    beginning = "beginning", "first meetings; trust not yet tested"
    hope_awakened = "hope_awakened", "the therapist's presence brings wishes out"
    wishes_intensify = "wishes_intensify", "wishes grow and may embarrass"
    frustration_protest = "frustration_protest", "pain or anger that understanding is what is given"
    feelings_present = "feelings_present", "old feelings are alive in the room and can heal"
    acceptance = "acceptance", "a grown-up view takes over"
    outward_turn = "outward_turn", "people outside become more important"
    termination = "termination", "a planned ending is under way"
    post_termination = "post_termination", "ended, and still bounded"
    interrupted = "interrupted", "stopped before its course"
    unknown = "unknown", "not recorded"


class AttachmentRole(Word):
    """Words for `attachment_role`."""

    mother = "mother", "seen as mother"
    father = "father", "seen as father"
    parent = "parent", "sex not stated"
    family = "family", "seen as family or home"
    friend = "friend", "wished-for friend"
    best_friend = "best_friend", "closest friend"
    romantic_love = "romantic_love", "love or crush"
    attachment_figure = "attachment_figure", "secure base, no family role"
    idealised_figure = "idealised_figure", "wise or perfect figure"
    client_cares_for_therapist = (
        "client_cares_for_therapist",
        "client feels parental towards the therapist",
    )
    identification = "identification", "wants to be like therapist"
    feared_figure = "feared_figure", "felt as dangerous or rejecting"
    none = "none", "no attachment felt"
    other = "other", "free coded value"


class CaseStatus(Word):
    """Words for `case_status`."""

    active = "active", "therapy is going on"
    paused = "paused", "interrupted with intent to resume"
    ended = "ended", "therapy has ended"


class Setting(Word):
    """Words for `setting`."""

    private_practice = "private_practice", "own practice"
    clinic = "clinic", "outpatient clinic"
    hospital = "hospital", "hospital service"
    college = "college", "college counselling centre"
    school = "school", "school"
    community = "community", "community service"
    online = "online", "remote only"
    other = "other", "another setting"


class Feeling(Word):
    """Words for `feeling`."""

    longing = "longing", "wish for closeness or care"
    love = "love", "love of any kind"
    desire = "desire", "romantic or sexual wish"
    grief = "grief", "mourning what was or was not"
    sadness = "sadness", "sadness"
    anger = "anger", "anger"
    rage = "rage", "intense anger"
    hate = "hate", "hate"
    hurt = "hurt", "feeling hurt"
    jealousy = "jealousy", "jealousy of others in the therapist's life"
    shame = "shame", "shame or embarrassment"
    fear = "fear", "fear, also of telling"
    despondency = "despondency", "loss of hope"
    overwhelm = "overwhelm", "too much at once"
    emptiness = "emptiness", "emptiness or numbness"
    dependence = "dependence", "needing the therapist"
    preoccupation = "preoccupation", "constant thoughts or daydreams"
    harsh_on_self = "harsh_on_self", "turning against oneself"
    hope = "hope", "hope"
    gratitude = "gratitude", "gratitude"
    trust = "trust", "trust"
    warmth = "warmth", "warmth"
    curiosity = "curiosity", "curiosity"
    other = "other", "another feeling"


class DisclosureOf(Word):
    """Words for `disclosure_of`."""

    attachment = "attachment", "strong bond"
    love = "love", "love or desire"
    feelings = "feelings", "anger, pain or other feelings"
    difficulty = "difficulty", "therapy is hard"
    confusion_about_relationship = "confusion_about_relationship", "what are we to each other"
    complaint = "complaint", "dissatisfaction"
    followup_request = "followup_request", "asks to be seen or answered"
    fear_of_ending = "fear_of_ending", "dread of ending"


class DisclosureResponse(Word):
    """Words for `disclosure_response`."""

    explored = "explored", "talked through with interest"
    normalised = "normalised", "named as an expected part of therapy"
    affirmed_caring = "affirmed_caring", "the client's importance was affirmed"
    boundary_explained = "boundary_explained", "a limit was kept and explained"
    dismissed = "dismissed", "brushed aside"
    hostile = "hostile", "met with anger or attack"
    shaming = "shaming", "made to feel wrong for telling"
    punitive_measure = "punitive_measure", "discipline, contract, report"
    refusal_to_discuss = "refusal_to_discuss", "would not talk about it"
    access_withdrawn = "access_withdrawn", "contact or appointments withdrawn"
    threatened_termination = "threatened_termination", "ending was threatened"
    withdrawal_or_termination = "withdrawal_or_termination", "care was withdrawn or ended"


class BoundaryArea(Word):
    """Words for `boundary_area`."""

    role = "role", "second role or role confusion"
    time = "time", "session length, hour, frequency"
    place_space = "place_space", "meetings outside the office"
    money = "money", "fees, discounts, loans, barter"
    gifts_services = "gifts_services", "gifts, favours, services"
    clothing = "clothing", "dress as boundary matter"
    language = "language", "endearments, family terms, tone"
    self_disclosure = "self_disclosure", "therapist's private life or feelings"
    physical_contact = "physical_contact", "any touch"


class SecondRole(Word):
    """Words for `second_role`."""

    friend = "friend", "social friendship"
    family = "family", "relative"
    business = "business", "commercial tie"
    employer = "employer", "one employs the other"
    institution_employee = "institution_employee", "client works where treated"
    teacher = "teacher", "evaluative authority"
    recovery_peer = "recovery_peer", "shared self-help group"
    therapist_spouse_involved = (
        "therapist_spouse_involved",
        "therapist's partner takes a role with the client",
    )
    related_cotreater = "related_cotreater", "treaters are partners or kin"
    neighbour_or_community = "neighbour_or_community", "small-community overlap"
    social_media_contact = "social_media_contact", "personal online tie"
    former_partner = "former_partner", "once lovers or partners"
    clients_relative_or_partner = (
        "clients_relative_or_partner",
        "a tie to the client's relative or partner",
    )
    other = "other", "another role"


class RoleTiming(Word):
    """Words for `role_timing`."""

    before_therapy = "before_therapy", "ended before therapy began"
    during_therapy = "during_therapy", "held while therapy goes on"
    after_therapy = "after_therapy", "began after therapy ended"
    unknown = "unknown", "not known"


class Interaction(Word):
    """Words for `interaction`."""

    incidental = "incidental", "seldom, in passing"
    regular = "regular", "recurring"
    close = "close", "personal"


class ExceptionTerm(Word):
    """Words for `exception`."""

    reduced_fee = "reduced_fee", "lower fee than usual"
    unpaid_sessions = "unpaid_sessions", "sessions not charged"
    extended_sessions = "extended_sessions", "longer than usual"
    extra_sessions = "extra_sessions", "more than agreed"
    email_between_sessions = "email_between_sessions", "mail answered between sessions"
    phone_between_sessions = "phone_between_sessions", "calls or texts between sessions"
    home_visit = "home_visit", "at the client's home"
    special_status = "special_status", "named a special case"
    other = "other", "another exception"


class TouchKind(Word):
    """Words for `touch`."""

    handshake = "handshake", "ordinary courtesy"
    hug = "hug", "embrace"
    hand_holding = "hand_holding", "holding a hand"
    holding = "holding", "held as comfort"
    hair_stroking = "hair_stroking", "stroking hair or face"
    sitting_close = "sitting_close", "side by side in contact"
    other = "other", "another touch"


class SexualConduct(Word):
    """Words for `sexual_conduct`."""

    remark = (
        "remark",
        "sexualised remark, or telling the client of one's own desire or love",
    )
    proposal = "proposal", "romantic or sexual proposal"
    contact = "contact", "sexual contact"
    relationship = "relationship", "sexual or romantic relationship"


class ConductWith(Word):
    """Words for `conduct_with`."""

    client = "client", "the client"
    clients_relative = "clients_relative", "a relative or partner of the client"


class RoleReversalForm(Word):
    """Words for `role_reversal_form`."""

    own_distress_disclosed = "own_distress_disclosed", "therapist's own distress put on the client"
    caretaking_worry = "caretaking_worry", "worry about hurting the therapist"
    parental_care = "parental_care", "caring for the therapist as for a child"
    other = "other", "another form"


class FrameElement(Word):
    """Words for `frame_element`."""

    touch = "touch", "physical contact"
    self_disclosure = "self_disclosure", "therapist sharing own life"
    warmth = "warmth", "emotional tone"
    session_frequency = "session_frequency", "how often"
    session_length = "session_length", "how long"
    fee = "fee", "price"
    phone_contact = "phone_contact", "calls and texts"
    email_replies = "email_replies", "answering mail"
    place = "place", "where"
    other = "other", "another element"


class EndingWay(Word):
    """Words for `ending`."""

    planned_mutual = "planned_mutual", "agreed and prepared"
    client_initiated = "client_initiated", "client chose and said so"
    ended_without_word = "ended_without_word", "client stopped coming"
    therapist_initiated = "therapist_initiated", "therapist chose"
    institution_initiated = "institution_initiated", "employer or clinic chose"
    time_limited_completed = "time_limited_completed", "limit agreed at outset"
    therapist_unavailable = "therapist_unavailable", "leave, move, illness, death"
    transferred = "transferred", "handed to another clinician"
    conversion_to_other_relationship = (
        "conversion_to_other_relationship",
        "therapy swapped for friendship etc.",
    )
    disputed = "disputed", "accounts differ on who ended it"
    client_side_initiated = "client_side_initiated", "a parent, partner or guardian ended it"


class EndingReason(Word):
    """Words for `ending_reason`."""

    goals_met = "goals_met", "aims reached"
    plateau_familiar = "plateau_familiar", "coming back to the same place, no longer a problem"
    can_continue_alone = "can_continue_alone", "able to go on with the work alone"
    cost_no_longer_justified = (
        "cost_no_longer_justified",
        "what remains is not worth the time and money",
    )
    client_choice = "client_choice", "client's wish"
    client_finances_or_move = "client_finances_or_move", "money or relocation of client"
    contract_limit_reached = "contract_limit_reached", "agreed number reached"
    not_benefiting_or_harmed = (
        "not_benefiting_or_harmed",
        "not likely to benefit, or being harmed (APA 10.10)",
    )
    competence_mismatch = "competence_mismatch", "outside therapist's skill"
    therapist_overwhelmed = "therapist_overwhelmed", "therapist cannot bear the work"
    therapist_life_event = "therapist_life_event", "leave, move, illness, retirement"
    danger_to_therapist = "danger_to_therapist", "a threat by the client; needs a danger review"
    institutional_policy = "institutional_policy", "rule of the service"
    attachment_disclosed = "attachment_disclosed", "the client told of attachment"
    disclosure_of_difficulty = "disclosure_of_difficulty", "the client told that therapy was hard"
    nonpayment = "nonpayment", "fees unpaid"
    client_trait = "client_trait", "what the client is (origin, faith, body, age, whom they love)"
    unknown = "unknown", "not recorded"


class CollateralLoss(Word):
    """Words for `collateral_loss`."""

    medical_care = "medical_care", "unrelated medical care"
    medication = "medication", "prescriptions"
    work_community = "work_community", "work or a community"
    group_therapy = "group_therapy", "a therapy group"
    other = "other", "another loss"


class ReturnCondition(Word):
    """Words for `return_condition`."""

    none = "none", "no condition stated"
    by_appointment = "by_appointment", "ordinary route"
    only_if_crisis = "only_if_crisis", "may come back only in a crisis"
    never = "never", "no return"


class AbsenceReason(Word):
    """Words for `absence`."""

    vacation = "vacation", "holiday"
    parental_leave = "parental_leave", "parental leave"
    illness = "illness", "illness"
    relocation = "relocation", "moved away"
    other = "other", "another absence"


class RiskIndicator(Word):
    """Words for `risk_indicator`."""

    suicidal_ideation_passive = "suicidal_ideation_passive", "wish to be dead, no thought of acting"
    suicidal_ideation_conditional = (
        "suicidal_ideation_conditional",
        "thoughts tied to an event, such as the end of therapy",
    )
    suicidal_ideation_active = "suicidal_ideation_active", "intent or plan"
    suicidal_ideation = "suicidal_ideation", "thoughts of suicide, kind not specified"
    suicide_attempt = "suicide_attempt", "attempt"
    self_harm = "self_harm", "self-harm without intent to die"
    hospitalisation = "hospitalisation", "psychiatric admission"
    emergency_visits = "emergency_visits", "emergency care for mental health"
    substance_relapse = "substance_relapse", "return to substance use"
    essential_medication_stopped = (
        "essential_medication_stopped",
        "stopped medication that health depends on",
    )
    considering_stopping_medication = (
        "considering_stopping_medication",
        "speaks of stopping medication",
    )
    concern_for_others = (
        "concern_for_others",
        "words or acts that raise concern for another person's safety",
    )
    ambiguous_statement = "ambiguous_statement", "words that may or may not mean danger"


class CoerciveMeasure(Word):
    """Words for `coercive_measure`."""

    security_called = "security_called", "guards or security present"
    no_contact_contract = "no_contact_contract", "client made to sign a no-contact paper"
    police_threat = "police_threat", "police threatened"
    police_called = "police_called", "police called"
    legal_threat = "legal_threat", "legal action threatened"
    site_ban = "site_ban", "banned from the premises"
    access_locked = "access_locked", "doors or lines locked against the client"
    restraint = "restraint", "held or tied"
    seclusion = "seclusion", "shut in"
    involuntary_admission = "involuntary_admission", "admitted against their will"
    forced_medication = "forced_medication", "medicated against their will"


class RecordIssue(Word):
    """Words for `record_issue`."""

    account_conflict = "account_conflict", "what is recorded and what the client was told differ"
    unsupported_label = "unsupported_label", "a diagnosis or label without assessment"
    other = "other", "another conflict"


class RecordRequest(Word):
    """Words for `record_request`."""

    access = "access", "client's copy"
    release = "release", "copy to a third party"
    amendment = "amendment", "correction"
    accounting = "accounting", "list of disclosures"


class OutcomeTrend(Word):
    """Words for `outcome_trend`."""

    improving = "improving", "getting better"
    mixed = "mixed", "some better, some worse"
    worse = "worse", "getting worse"
    no_benefit = "no_benefit", "no change"
    unknown = "unknown", "not assessed"


class ConsultationKind(Word):
    """Words for `consultation_kind`."""

    peer_consultation = "peer_consultation", "colleague of equal standing"
    supervision = "supervision", "person responsible for the therapist's work"
    second_opinion_for_client = "second_opinion_for_client", "independent knowledgeable therapist"
    ethics = "ethics", "ethics committee or adviser"
    legal_risk = "legal_risk", "lawyer, insurer, risk manager"
    specialist = "specialist", "modality or diagnosis"
    danger_review = "danger_review", "real or mistaken danger"
    facilitated_repair = "facilitated_repair", "closing or clarifying meeting"


class ConsultationUrgency(Word):
    """Words for `consultation_urgency`."""

    routine = "routine", "30 days"
    priority = "priority", "7 days"
    urgent = "urgent", "48 hours"
    emergency = "emergency", "24 hours"


class ConsultationStatus(Word):
    """Words for `consultation_status`."""

    draft = "draft", "not sent"
    requested = "requested", "sent"
    accepted = "accepted", "consultant agreed"
    declined = "declined", "reason required"
    in_progress = "in_progress", "first contact made"
    completed = "completed", "outcome required"
    cancelled = "cancelled", "withdrawn by requester"


class ConsultationOutcome(Word):
    """Words for `consultation_outcome`."""

    mainly_client_process = "mainly_client_process", "feelings belong to the client's past and work"
    mainly_therapist_conduct = "mainly_therapist_conduct", "therapist's actions need change"
    mixed = "mixed", "both"
    frame_plan_agreed = "frame_plan_agreed", "written plan for limits"
    transfer_advised = "transfer_advised", "another clinician advised"
    inconclusive = "inconclusive", "no clear view"


class PromiseKind(Word):
    """Words for `promise_kind`."""

    professional_availability = "professional_availability", "door stays open, as therapist"
    return_from_absence = "return_from_absence", "will be back"
    contact_or_scheduling = "contact_or_scheduling", "calls, replies, extra sessions"
    information_or_explanation = "information_or_explanation", "will explain or answer"
    referral_or_followup = "referral_or_followup", "will refer or see again"
    post_therapy_contact = "post_therapy_contact", "contact after ending"
    personal_relationship = "personal_relationship", "friendship, lifelong presence"
    unconditional_love = "unconditional_love", "love regardless of the client role"
    family_role = "family_role", "as parent or family"
    special_status = "special_status", "special case, special care"
    outcome_guarantee = "outcome_guarantee", "will heal you"
    absolute_confidentiality = "absolute_confidentiality", "will never tell anyone"
    other = "other", "another promise"


class PromiseSource(Word):
    """Words for `promise_source`."""

    explicit = "explicit", "said or written"
    implied = "implied", "by conduct or repeated practice"


class PromiseScope(Word):
    """Words for `promise_scope`."""

    within_frame = "within_frame", "a therapist can do it as therapist"
    outside_frame = "outside_frame", "needs another role"


class PromiseKeepable(Word):
    """Words for `promise_keepable`."""

    yes = "yes", "within role and power"
    doubtful = "doubtful", "depends on things not controlled"
    no = "no", "outside role or power"
    unknown = "unknown", "not judged"


class PromiseState(Word):
    """Words for `promise_state`."""

    open = "open", "made, not yet due or settled"
    kept = "kept", "fulfilled"
    broken = "broken", "not fulfilled"
    renegotiated = "renegotiated", "changed by talk"
    withdrawn_with_repair = "withdrawn_with_repair", "taken back, pain acknowledged"
    disputed = "disputed", "therapist denies it"
    superseded = "superseded", "replaced by another promise"


class ReportedBy(Word):
    """Words for `reported_by`."""

    client = "client", "client's account"
    therapist = "therapist", "therapist's account"
    supervisor = "supervisor", "supervisor's account"
    colleague = "colleague", "colleague's account"
    record_review = "record_review", "found in records"
    third_party = "third_party", "anyone else"


class PromiseMadeBy(Word):
    """Words for `promise_made_by`."""

    therapist = "therapist", "the therapist"
    therapist_and_partner = "therapist_and_partner", "therapist and partner together"
    institution = "institution", "clinic, school, hospital"
    supervisor = "supervisor", "the supervisor"


class Determination(Word):
    """Words for `determination`."""

    normal_process = "normal_process", "expected therapy process"
    normal_process_needs_support = "normal_process_needs_support", "expected, therapist needs help"
    benign_crossing = "benign_crossing", "unusual, helpful or harmless"
    crossing_needs_repair = "crossing_needs_repair", "no exploitation, but talk and repair needed"
    boundary_violation = "boundary_violation", "harmful or exploitative"
    process_failure = "process_failure", "system lapse, not personal misconduct"
    real_danger = "real_danger", "threat substantiated"
    mistaken_for_danger = "mistaken_for_danger", "feelings or contact taken for threat"
    referred_externally = "referred_externally", "board, HR, mandated report"
    insufficient_information = "insufficient_information", "cannot be decided yet"
    duplicate = "duplicate", "same event as another flag"


class Severity(Word):
    """Words for `severity`."""

    info = "info", "prompt for the clinician, never in the supervisor's queue"
    low = "low", "next supervision, 30 days"
    moderate = "moderate", "7 days"
    high = "high", "48 hours"
    critical = "critical", "24 hours"


class FlagStatus(Word):
    """Words for `flag_status`."""

    open = "open", "asks for a look"
    acknowledged = "acknowledged", "someone is looking"
    resolved = "resolved", "closed by a person with a determination"
    withdrawn = "withdrawn", "a prompt whose reason is gone"


class NoteClass(Word):
    """Words for `note_class`."""

    progress = "progress", "the ordinary record"
    psychotherapy = (
        "psychotherapy",
        "session analysis kept apart; its author's alone (45 CFR 164.501)",
    )
    supervision = "supervision", "about the work, for supervision"


class Role(Word):
    """Words for `role`."""

    clinician = "clinician", "treats clients"
    supervisor = "supervisor", "answers for linked clinicians' work"
    consultant = "consultant", "outside the case; answers a de-identified brief"
    privacy_officer = "privacy_officer", "reads the journal and counts, not clinical records"
    admin = "admin", "keeps users and settings; no clinical reading"
    service = "service", "clinic software, by scope"


class RiskResponse(Word):
    """Words for `risk_response`."""

    safety_plan = "safety_plan", "safety plan agreed"
    means_safety = "means_safety", "access to means reduced"
    crisis_team = "crisis_team", "crisis service involved"
    admitted = "admitted", "admitted to care"
    none = "none", "nothing yet"
    unknown = "unknown", "not known"


class ContactBasis(Word):
    """Words for `contact_basis`."""

    consent = "consent", "the client agreed"
    emergency = "emergency", "to avert danger"
    legal_duty = "legal_duty", "required by law"
    none = "none", "without a basis"


class DatePrecision(Word):
    """Words for `date_precision`."""

    day = "day", "the day is known"
    month = "month", "the month is known"
    year = "year", "the year is known"


class IncidentStatus(Word):
    """Words for `incident_status`."""

    reported = "reported", "recorded"
    reviewed = "reviewed", "a supervisor has given a determination"
    voided = "voided", "entered in error; kept, not counted"


class VoidReason(Word):
    """Words for `void_reason`."""

    entered_in_error = "entered_in_error", "should not have been entered"
    duplicate = "duplicate", "the same thing is recorded elsewhere"
    wrong_case = "wrong_case", "belongs to another case"


class Significance(Word):
    """Words for `significance`."""

    minor = "minor", "small to the client"
    major = "major", "weighty to the client"


class ExpressedBy(Word):
    """Words for `expressed_by`."""

    client = "client", "the client"
    therapist = "therapist", "the therapist"


class GiftDirection(Word):
    """Words for `gift_direction`."""

    to_client = "to_client", "therapist to client"
    from_client = "from_client", "client to therapist"
    both = "both", "both ways"


class GiftItem(Word):
    """Words for `gift_item`."""

    gift = "gift", "a present"
    favour = "favour", "a favour or service"
    money = "money", "money"
    loan = "loan", "a loan"
    barter = "barter", "goods or work for sessions"


class FrameDirection(Word):
    """Words for `frame_direction`."""

    tighten = "tighten", "the client has less than before, or pays more"
    loosen = "loosen", "the client has more than before, or pays less"


class EndingStage(Word):
    """Words for `ending_stage`."""

    raised = "raised", "spoken of or planned"
    ended = "ended", "has happened"


class EndingAppliesTo(Word):
    """Words for `ending_applies_to`."""

    therapy = "therapy", "the therapy"
    agreed_contact = "agreed_contact", "contact agreed for afterwards"


class ThirdParty(Word):
    """Words for `third_party`."""

    friend = "friend", "client's friend"
    relative = "relative", "client's relative"
    partner = "partner", "client's partner"
    employer = "employer", "client's employer"
    other_client = "other_client", "another client"
    family_of_therapist = "family_of_therapist", "the therapist's family or friends"
    other = "other", "someone else"


class SafeguardingConcern(Word):
    """Words for `safeguarding_concern`."""

    child = "child", "a child may be in danger"
    adult_at_risk = "adult_at_risk", "an adult who cannot protect themselves may be in danger"


class FitnessSign(Word):
    """Words for `fitness_sign`."""

    intoxicated = "intoxicated", "under the influence"
    asleep = "asleep", "asleep"
    confused = "confused", "confused or not oriented"
    ill = "ill", "too ill to work"
    overwhelmed = "overwhelmed", "too burdened to work"


class RecordingMeans(Word):
    """Words for `recording_means`."""

    audio = "audio", "sound recording"
    video = "video", "video recording"
    ai_scribe = "ai_scribe", "software that writes the notes"
    ai_analysis = "ai_analysis", "software that judges the session"
    observer = "observer", "somebody listening or watching"


class EmailNotices(Word):
    """Words for `email_notices`."""

    at_once = "at_once", "what is critical at once, what else waits once a day"
    daily = "daily", "once a day, where something waits"
    never = "never", "no e-mail"


class Audience(Word):
    """Words for `audience`."""

    supervisor = "supervisor", "in the supervisor's queue"
    clinician = "clinician", "a prompt for the case's clinician"


class NoteStatus(Word):
    """Words for `note_status`."""

    draft = "draft", "its author's alone"
    signed = "signed", "final; changed only by amendment"


class AdviceResponse(Word):
    """Words for `advice_response`."""

    accepted = "accepted", "followed"
    partly = "partly", "followed in part"
    not_followed = "not_followed", "not followed, with a reason"


class RuleMode(Word):
    """Words for `rule_mode`."""

    active = "active", "raises flags"
    monitor = "monitor", "only counts what it would have raised"


class Scope(Word):
    """Words for `scope`."""

    cases_read = "cases:read", "read cases, incidents, promises"
    cases_write = "cases:write", "write them"
    narrative_read = "narrative:read", "read sealed text too"
    restricted_write = "restricted:write", "record restricted incidents"
    consultations_create = "consultations:create", "request consultations"
    consultations_read = "consultations:read", "read their status"
    flags_read = "flags:read", "read flags and the queue"
    invitations_create = "invitations:create", "make invitations to the client's door"


class Event(Word):
    """What the clinic's own software may be told of, each with what it means."""

    case_opened = "case.opened", "a case was opened"
    case_changed = "case.changed", "fields of a case changed"
    case_transferred = "case.transferred", "a case was handed to another clinician"
    case_voided = "case.voided", "a case was voided"
    incident_reported = "incident.reported", "an incident was reported"
    incident_changed = "incident.changed", "fields of an incident changed"
    incident_reviewed = "incident.reviewed", "a supervisor reviewed an incident"
    incident_voided = "incident.voided", "an incident was voided"
    promise_recorded = "promise.recorded", "a promise was entered in the ledger"
    promise_changed = "promise.changed", "fields of a promise changed, its state included"
    promise_voided = "promise.voided", "a promise was voided"
    consultation_requested = "consultation.requested", "a consultation was asked for"
    consultation_accepted = "consultation.accepted", "somebody will answer a request"
    consultation_declined = "consultation.declined", "somebody will not answer a request"
    consultation_started = "consultation.started", "somebody began to work on a request"
    consultation_completed = "consultation.completed", "advice was given"
    consultation_cancelled = "consultation.cancelled", "a request was taken back"
    consultation_answered = "consultation.answered", "the requester said what became of the advice"
    flag_opened = "flag.opened", "a rule asks somebody to look at a case"
    flag_escalated = "flag.escalated", "what a flag asks to look at got more severe"
    flag_raised = "flag.raised", "a supervisor raised a flag by hand"
    flag_acknowledged = "flag.acknowledged", "somebody is looking"
    flag_resolved = "flag.resolved", "a flag was closed with a determination"
    flag_reopened = "flag.reopened", "a resolved flag asks again"
    webhook_test = "webhook.test", "nothing happened: somebody tries whether deliveries arrive"


class RuleName(Word):
    """The rules, each with its neutral title."""

    promise_unkeepable = "promise_unkeepable", "A promise that may not be kept"
    promise_broken = "promise_broken", "A promise not kept"
    promise_unexamined = "promise_unexamined", "A promise not yet talked over"
    dual_relationship = "dual_relationship", "A second role beside therapy"
    sexual_conduct = "sexual_conduct", "Sexual or romantic conduct"
    contact_out_of_frame = "contact_out_of_frame", "Contact outside the frame"
    special_exceptions = "special_exceptions", "Special terms without a written reason"
    gifts_or_money = "gifts_or_money", "Gifts or money"
    physical_contact = "physical_contact", "Touch"
    role_reversal = "role_reversal", "Whose needs were met"
    frame_tightened_unprepared = "frame_tightened_unprepared", "A limit drawn without preparation"
    frame_drift = "frame_drift", "The frame loosening step by step"
    disclosure_response = "disclosure_response", "How a disclosure was met"
    disclosure_not_taken_up = "disclosure_not_taken_up", "A disclosure not yet taken up"
    ending_unprepared = "ending_unprepared", "An ending without preparation"
    ending_left_open = "ending_left_open", "An ending spoken of and left open"
    left_after_rupture = "left_after_rupture", "Leaving after a rupture"
    no_referral = "no_referral", "No onward care offered"
    collateral_care_loss = "collateral_care_loss", "Other care lost with the ending"
    way_back_closed = "way_back_closed", "The way back"
    absence_uncovered = "absence_uncovered", "Absence and cover"
    client_safety = "client_safety", "Safety of the client"
    risk_unscreened = "risk_unscreened", "Words not yet asked about"
    outcome_unreviewed = "outcome_unreviewed", "An outcome not yet looked at together"
    consent_gap = "consent_gap", "What was explained at the start"
    no_oversight = "no_oversight", "Nobody looking yet"
    competence_gap = "competence_gap", "Skills and support"
    fitness_to_practise = "fitness_to_practise", "Whether the therapist was well enough to work"
    safeguarding_unanswered = "safeguarding_unanswered", "A concern for somebody's safety"
    recording_without_consent = "recording_without_consent", "Agreement to recording"
    record_conflict = "record_conflict", "Two versions in the record"
    third_party_contact = "third_party_contact", "Contact with someone else"
    danger_review_required = "danger_review_required", "A protective measure to review"
    crossing_undocumented = "crossing_undocumented", "A departure without a written reason"
    hurtful_words = "hurtful_words", "Words reported as hurtful"
    record_request_overdue = "record_request_overdue", "A record request waiting"
    client_not_safe = "client_not_safe", "The client writes of not being safe"
    client_asks_to_look = "client_asks_to_look", "The client asks that somebody look"
    account_unanswered = "account_unanswered", "An account waits for an answer"
    look_back_concern = "look_back_concern", "What the client noted looking back"


class PromptName(Word):
    """The prompts, each with its neutral title."""

    clarify_open_promise = "clarify_open_promise", "Clarify an open-ended promise"
    plan_ending = "plan_ending", "Plan the ending"
    offer_consultation = "offer_consultation", "Offer a consultation"
    agree_contact_limits = "agree_contact_limits", "Agree limits for contact"
    screen_distress = "screen_distress", "Ask about distress"
    clarify_roles = "clarify_roles", "Clarify the roles"
    complete_record = "complete_record", "Complete the record"
    offer_door = "offer_door", "Offer the client their door"


class AccountTopic(Word):
    """Words for `account_topic`."""

    promise = "promise", "something was promised"
    feelings_met = "feelings_met", "how it was met when I told of my feelings"
    contact = "contact", "contact outside the sessions"
    touch = "touch", "touch"
    sexual = "sexual", "something sexual"
    roles = "roles", "we know each other in another way, too"
    money_gifts = "money_gifts", "money, gifts or favours"
    words = "words", "words that hurt me"
    ending = "ending", "how it ended, or is to end"
    absence = "absence", "nobody was there"
    change = "change", "something we had agreed was changed"
    danger = "danger", "I was treated as a danger"
    records = "records", "what is written about me"
    privacy = "privacy", "others know what I said"
    recording = "recording", "recording or software in the session"
    something_else = "something_else", "something else"


class ItemType(Word):
    """Words for `item_type`."""

    yes_no = "yes_no", "yes or no"
    choice = "choice", "one of several"
    scale = "scale", "a number between two ends"
    words = "words", "own words"


class ReadsAs(Word):
    """Words for `reads_as`."""

    experience = "experience", "felt, wished or thought; read by no rule"
    frame = "frame", "what somebody did"


class QuestionnaireFor(Word):
    """Words for `questionnaire_for`."""

    client = "client", "clients"
    guardian = "guardian", "parents and guardians"


class CameBy(Word):
    """Words for `came_by`."""

    invitation = "invitation", "at the door, with an invitation"
    receipt = "receipt", "at the door, with a receipt"
    typed_in = "typed_in", "written down by staff"


class ResponseBy(Word):
    """Words for `response_by`."""

    client = "client", "the client"
    guardian = "guardian", "a parent or guardian"


class AccountWant(Word):
    """Words for `account_want`."""

    somebody_looks = "somebody_looks", "somebody other than my therapist should look"
    an_answer = "an_answer", "an answer"
    a_copy = "a_copy", "a copy of my record"
    a_correction = "a_correction", "a correction of my record"
    nothing_more = "nothing_more", "nothing more"


class SafeNow(Word):
    """Words for `safe_now`."""

    yes = "yes", "I am safe"
    no = "no", "I am not safe"
    unsure = "unsure", "I am not sure"
    not_said = "not_said", "not said"


class Sharing(Word):
    """Words for `sharing`."""

    with_therapist = "with_therapist", "my therapist may read it"
    not_yet = "not_yet", "not yet"
    not_with_therapist = "not_with_therapist", "not my therapist"


class AccountStatus(Word):
    """Words for `account_status`."""

    received = "received", "nobody has read it yet"
    read = "read", "somebody has read it"
    answered = "answered", "it was answered"
    closed = "closed", "somebody has decided what came of it"
    taken_back = "taken_back", "the client took it back"


class InvitationFor(Word):
    """Words for `invitation_for`."""

    client = "client", "the client"
    guardian = "guardian", "a parent or guardian of a minor"


class AccountTo(Word):
    """Words for `account_to`."""

    supervisors = "supervisors", "the therapist's supervisors"
    privacy_officers = "privacy_officers", "the clinic's privacy officers"


VOCABULARY: dict[str, type[Word]] = {
    "initiator": Initiator,
    "classification": Classification,
    "client_impact": ClientImpact,
    "repair": Repair,
    "phase": Phase,
    "attachment_role": AttachmentRole,
    "case_status": CaseStatus,
    "setting": Setting,
    "feeling": Feeling,
    "disclosure_of": DisclosureOf,
    "disclosure_response": DisclosureResponse,
    "boundary_area": BoundaryArea,
    "second_role": SecondRole,
    "role_timing": RoleTiming,
    "interaction": Interaction,
    "exception": ExceptionTerm,
    "touch": TouchKind,
    "sexual_conduct": SexualConduct,
    "role_reversal_form": RoleReversalForm,
    "frame_element": FrameElement,
    "ending": EndingWay,
    "ending_reason": EndingReason,
    "collateral_loss": CollateralLoss,
    "return_condition": ReturnCondition,
    "absence": AbsenceReason,
    "risk_indicator": RiskIndicator,
    "coercive_measure": CoerciveMeasure,
    "record_issue": RecordIssue,
    "record_request": RecordRequest,
    "outcome_trend": OutcomeTrend,
    "consultation_kind": ConsultationKind,
    "consultation_urgency": ConsultationUrgency,
    "consultation_status": ConsultationStatus,
    "consultation_outcome": ConsultationOutcome,
    "promise_kind": PromiseKind,
    "promise_source": PromiseSource,
    "promise_scope": PromiseScope,
    "promise_keepable": PromiseKeepable,
    "promise_state": PromiseState,
    "reported_by": ReportedBy,
    "promise_made_by": PromiseMadeBy,
    "determination": Determination,
    "severity": Severity,
    "flag_status": FlagStatus,
    "note_class": NoteClass,
    "role": Role,
    "risk_response": RiskResponse,
    "contact_basis": ContactBasis,
    "date_precision": DatePrecision,
    "incident_status": IncidentStatus,
    "void_reason": VoidReason,
    "significance": Significance,
    "expressed_by": ExpressedBy,
    "gift_direction": GiftDirection,
    "gift_item": GiftItem,
    "frame_direction": FrameDirection,
    "ending_stage": EndingStage,
    "ending_applies_to": EndingAppliesTo,
    "third_party": ThirdParty,
    "audience": Audience,
    "note_status": NoteStatus,
    "advice_response": AdviceResponse,
    "rule_mode": RuleMode,
    "scope": Scope,
    "rule": RuleName,
    "prompt": PromptName,
    "conduct_with": ConductWith,
    "safeguarding_concern": SafeguardingConcern,
    "fitness_sign": FitnessSign,
    "recording_means": RecordingMeans,
    "account_topic": AccountTopic,
    "account_want": AccountWant,
    "safe_now": SafeNow,
    "sharing": Sharing,
    "account_status": AccountStatus,
    "item_type": ItemType,
    "reads_as": ReadsAs,
    "invitation_for": InvitationFor,
    "account_to": AccountTo,
    "questionnaire_for": QuestionnaireFor,
    "came_by": CameBy,
    "response_by": ResponseBy,
    "email_notices": EmailNotices,
}

SEVERITY_ORDER = tuple(Severity)
"""From the mildest to the most severe."""


def severity_rank(severity: Severity) -> int:
    """How severe, as a number: 0 for a prompt, 4 for critical."""
    return _RANK[severity]


_RANK = {severity: rank for rank, severity in enumerate(SEVERITY_ORDER)}


UNRESOLVED = (FlagStatus.open, FlagStatus.acknowledged)
"""The statuses of a flag that still waits for a person."""


def served_vocabulary() -> dict[str, dict[str, str]]:
    """Give every list as the API serves it: name → word → definition."""
    return {
        name: {str(word): word.definition for word in words} for name, words in VOCABULARY.items()
    }
