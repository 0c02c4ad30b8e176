"""The values that examples of the clients' door are made of, all invented."""

from typing import Any

_CODE, _RECEIPT = "7K2M-9QXD-0R4T-H8WB", "J3V8-2NFA-6PZC-W5E1"
_SAID = "Before the summer he said that he would always be there, and now he has no more hours."
_REPLY = "Thank you for telling us. I will speak with you alone if you wish: call the front desk."
_READ_BY = "019cadf1-0a3c-7d41-8b5e-2f6c7a8d9e01"
_SENT, _READ, _ANSWERED = "2026-03-02T09:30:00Z", "2026-03-03T08:05:00Z", "2026-03-04T15:20:00Z"
OF_THE_DOOR: dict[str, tuple[Any, ...]] = {
    "door_emergency_text": ({"en": "Call 112, or go to the nearest emergency ward.", "es": None},),
    "door_duty_text": ({"en": "A danger to somebody's life may have to be told.", "es": None},),
    "door_elsewhere_text": ({"en": "The patients' office of the town hall.", "es": None},),
    "door_leave_to": (None, "https://weather.example/"),
    "door_read_within_days": (7,),
    "door_languages": (["en"],),
    "door_offer": (["at_ending"],),
    "QuestionnaireCreate.title": ("After the summer",),
    "QuestionnaireRead.title": ("After the summer",),
    "languages": (["en"],),
    "SearchQuestionnaires._id": ("6c6f6f6b-0000-7000-8000-6261636b0001",),
    "SearchQuestionnaires.url": (
        "urn:boundary-notes:questionnaire:6c6f6f6b-0000-7000-8000-6261636b0001",
    ),
    "SearchQuestionnaires.status": ("active",),
    "SearchQuestionnaires.version": ("1",),
    "ResponseCreate.answers": ([{"link_id": "listened_to", "value": 4}],),
    "AnswersSent.answers": ([{"link_id": "listened_to", "value": 4}],),
    "ResponseMine.answers": ([{"link_id": "listened_to", "value": 4}],),
    "ResponseRead.answers": ([{"link_id": "listened_to", "value": 4}],),
    "ResponseRead.parts": ([{"link_id": "between_us", "mean": 4.0, "answered": 1, "scales": 3}],),
    "questionnaire_version": (1,),
    "concerns": (["what_was_agreed"],),
    "ResponseCopied.title": ("Looking back",),
    # an invitation, and a visit
    "InvitationMade.code": (_CODE,),
    "InvitationMade.address": ("https://notes.clinic.example/door",),
    "InvitationMade.version": (1,),
    "InvitationCreate.expires_on": ("2026-05-31",),
    "InvitationByReference.expires_on": ("2026-05-31",),
    "expires_on": ("2026-05-31",),
    "Knock.code": (_CODE,),
    "Knock.receipt": (None,),
    "VisitRead.token": ("aW52ZW50ZWQtYW5kLW9mLW5vLXZpc2l0LWF0LWFueS1kb29y",),
    "VisitRead.ends_at": ("2026-03-02T13:30:00Z",),
    "SentRead.receipt": (_RECEIPT,),
    "AnsweredRead.receipt": (_RECEIPT,),
    "n": (1,),
    "ToldAtDoor.en": ("Call 112, or go to the nearest emergency ward.",),
    "ToldAtDoor.es": (None,),
    "WhoReads.emergency": ({"en": "Call 112, or go to the nearest emergency ward.", "es": None},),
    "WhoReads.duty": ({"en": "A danger to somebody's life may have to be told.", "es": None},),
    "WhoReads.elsewhere": ({"en": "The patients' office of the town hall.", "es": None},),
    "WhoReads.leave_to": ("https://weather.example/",),
    "WhoReads.read_within_days": (7,),
    "WhoReads.supervisors": ([{"id": _READ_BY, "name": "Mira Holm", "role": "supervisor"}],),
    "WhoReads.privacy_officers": ([],),
    "WhoReads.not_among_them": (
        [
            {
                "id": "019cadf1-3a0d-7259-8175-2ecc1bf5d536",
                "name": "Jonas Aalto",
                "role": "clinician",
            }
        ],
    ),
    # an account, as it is sent, read by whom it is addressed to, shared, and read again
    "happened": (_SAID,),
    "wants": (["an_answer", "somebody_looks"],),
    "words": ("He has said it again since.",),
    "reach": ("By letter only. Please do not call: others answer the phone.",),
    "AccountCreate.shared": ("not_yet",),
    "AccountCreate.when": ("2026-02-19",),
    "when": ("2026-02-19",),
    "reply": (_REPLY,),
    "Closing.note": ("Talked over with both; the promise was taken back.",),
    "AccountReason.reason": ("The therapist and I are close friends.",),
    "AccountLine.language": ("en",),
    "AccountLine.status": ("answered",),
    "AccountLine.recorded_by_id": (None,),
    "AccountLine.answered_at": (_ANSWERED,),
    "AccountRead.language": ("en",),
    "AccountRead.status": ("answered",),
    "AccountRead.recorded_by_id": (None,),
    "AccountRead.answered_at": (_ANSWERED,),
    "AccountRead.shared": ("not_yet",),
    "AccountRead.shared_from": (None,),
    "AccountRead.therapist_reads_from": (None,),
    "AccountRead.further_words": ([{"at": _SENT, "words": "He has said it again since."}],),
    "AccountRead.not_to": ([],),
    "AccountRead.read_by": ([{"at": _READ, "by_id": _READ_BY, "reason": None}],),
    "AccountRead.stepped_out": ([],),
    "AccountRead.told": ([],),
    "ReplyRead.at": (_ANSWERED,),
    "ReplyRead.by_id": (_READ_BY,),
    "closed_at": (None,),
    "closed_by_id": (None,),
    "closing_note": (None,),
    "taken_back_at": (None,),
    "AccountRead.since": ([],),
    "SharedAccount.shared_on": ("2026-03-03",),
    "AccountMine.status": ("answered",),
    "AccountMine.shared": ("not_yet",),
    "AccountMine.shared_from": (None,),
    "AccountMine.further_words": ([{"on": "2026-03-02", "words": "He has said it again since."}],),
    "AccountMine.read_by": ([{"name": "Mira Holm", "role": "supervisor", "on": "2026-03-03"}],),
    "AccountMine.replies": (
        [{"name": "Mira Holm", "role": "supervisor", "on": "2026-03-04", "reply": _REPLY}],
    ),
    "AccountMine.told_on": ([],),
    "closed_on": (None,),
    # an account's own line in the client's copy
    "CaseCopy.door": (
        "What was sent to the clinic at its clients' door is not in this copy: it may be asked "
        "for from the clinic's privacy officer.",
    ),
    "asked": ("My therapist listens to me.",),
    "answer": ("4 (from not at all to very much)",),
    "parts": (
        [
            {
                "link_id": "the_hours",
                "items": [
                    {
                        "link_id": "changed_times",
                        "type": "choice",
                        "reads_as": "frame",
                        "choices": ["as_before", "talked_over", "told_afterwards"],
                        "lowest": 1,
                        "highest": 5,
                        "concern": ["told_afterwards"],
                        "topic": "change",
                    }
                ],
            }
        ],
    ),
    "texts": (
        {
            "en": {
                "title": "After the summer",
                "parts": [{"link_id": "the_hours", "title": "Our hours"}],
                "items": [
                    {
                        "link_id": "changed_times",
                        "asks": "Our hours are at another time than before:",
                        "low": None,
                        "high": None,
                        "choices": [
                            {"choice": "as_before", "says": "No."},
                            {"choice": "talked_over", "says": "Yes, we talked about it."},
                            {"choice": "told_afterwards", "says": "Yes, I learned of it later."},
                        ],
                    }
                ],
            },
            "es": None,
        },
    ),
}

NAMED_OF_THE_DOOR: dict[str, dict[str, dict[str, Any]]] = {
    "Knock": {
        "the code of an invitation": {"code": _CODE, "receipt": None},
        "a receipt": {"code": None, "receipt": _RECEIPT},
    },
}
"""Several examples of one body."""
