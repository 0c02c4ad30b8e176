"""What may be done with one case, by how somebody stands to it; who stands so, says the table."""

from api.domain.permissions.actions import Action

A = Action

_RESPONSES = frozenset({A.response_list, A.response_record, A.response_read, A.response_void})

_INVITATIONS = frozenset(
    {A.invitation_list, A.invitation_make, A.invitation_read, A.invitation_revoke}
)
OWN_INVITATION = frozenset({A.invitation_read, A.invitation_revoke})
"""What somebody may do with an invitation that they made, wherever they stand to its case."""

ADDRESSED = frozenset(
    {A.account_read, A.account_reply, A.account_close, A.account_step_out, A.account_tell}
)
"""What a reader may do with what a client said at their door, wherever they stand to its case."""

OWN_CASE = frozenset(
    {
        A.case_list,
        A.case_open,
        A.case_read,
        A.case_change,
        A.case_void,
        A.timeline_read,
        A.incident_list,
        A.incident_report,
        A.incident_read,
        A.incident_change,
        A.incident_void,
        A.promise_list,
        A.promise_record,
        A.promise_read,
        A.promise_change,
        A.promise_void,
        A.consultation_list,
        A.consultation_draft,
        A.consultation_read,
        A.consultation_read_in_full,
        A.consultation_change,
        A.consultation_request,
        A.consultation_cancel,
        A.consultation_respond,
        A.flag_list,
        A.flag_read,
        A.flag_resolve,
        A.note_list,
        A.note_draft,
        A.note_read,
        A.note_change,
        A.note_void,
        A.note_sign,
        A.note_amend,
        A.case_export,
        A.disclosure_list,
        A.journal_read,
        A.account_list,
        A.account_read,
        *_RESPONSES,
        *_INVITATIONS,
    }
)
"""What a case's clinician may do with it, whatever their role."""

LINKED_CASE = frozenset(
    {
        A.case_list,
        A.case_open,
        A.case_read,
        A.case_change,
        A.case_void,
        A.case_transfer,
        A.timeline_read,
        A.incident_list,
        A.incident_report,
        A.incident_read,
        A.incident_change,
        A.incident_void,
        A.incident_review,
        A.promise_list,
        A.promise_record,
        A.promise_read,
        A.promise_change,
        A.promise_void,
        A.consultation_list,
        A.consultation_read,
        A.consultation_read_in_full,
        A.consultation_accept,
        A.consultation_decline,
        A.consultation_start,
        A.consultation_complete,
        A.flag_list,
        A.flag_read,
        A.flag_raise,
        A.flag_acknowledge,
        A.flag_resolve,
        A.flag_reopen,
        A.queue_read,
        A.note_list,
        A.note_read,
        A.note_cosign,
        A.case_export,
        A.disclosure_list,
        A.account_list,
        A.account_record,
        *ADDRESSED,
        *_RESPONSES,
        *_INVITATIONS,
    }
)
"""What a supervisor may do with the cases of the clinicians they answer for."""

_READING = frozenset(
    {
        A.case_list,
        A.case_read,
        A.timeline_read,
        A.incident_list,
        A.incident_read,
        A.promise_list,
        A.promise_read,
        A.consultation_list,
        A.consultation_read,
        A.consultation_read_in_full,
        A.flag_list,
        A.flag_read,
        A.note_list,
        A.note_read,
    }
)

COVERED_CASE = (
    OWN_CASE
    - {A.case_open, A.case_void, A.case_export, A.disclosure_list, A.journal_read}
    - _RESPONSES
    - _INVITATIONS
)
"""What a colleague may do who stands in for a case's clinician."""

OPENED_CASE = _READING | {A.account_list, A.account_read}
"""What a supervisor may do with a case opened in an emergency: read."""

KEPT_NOTE = frozenset({A.note_read, A.note_change, A.note_void, A.note_sign, A.note_amend})
"""What an author may do with a note of their own, wherever they have come to stand to its case."""

BRIEFS = frozenset(
    {
        A.consultation_list,
        A.consultation_read,
        A.consultation_accept,
        A.consultation_decline,
        A.consultation_start,
        A.consultation_complete,
    }
)
"""What a consultant may do, with the requests that reach them."""
