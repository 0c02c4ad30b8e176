"""Who may do what, cell by cell: every operation, for everyone, on every sort of record.

A column is a role. Its four letters say what comes of it on a record that is the asker's own, of a
clinician they are linked to, of somebody unrelated, and of another clinic; one letter stands for
all. Where no record is named, the four ask somebody with a case of their own, nobody, somebody
without one, and somebody without one in the other clinic.

y done · F 403 · N 404 · c 409 · v 422 · . there is no such cell
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from httpx import Response
from sqlmodel import SQLModel

from api.domain.look_back import LOOK_BACK_ID
from tests.support.world import PASSWORD, World

ROLES = ("clinician", "supervisor", "consultant", "privacy_officer", "admin", "service")
RELATIONS = ("own", "linked", "unrelated", "elsewhere")
STRANGERS = ("anonymous", "revoked", "expired", "client with code", "client with receipt")
"""Whoever holds no token that holds here: 401, wherever a token is needed."""
CLIENTS = ("client with code", "client with receipt", "another client", "client elsewhere")
"""Who is at a door: by a code, having sent something; by the receipt of a box; by that of another
box of the same case; and by one of another clinic."""
NO_CLIENTS = ("anonymous", "left", "idle", "too long", "thrown away", *ROLES)
"""Whoever is at no door, any more or at all: 401, whatever is asked there."""

STATUS = {"F": 403, "N": 404, "c": 409, "v": 422}

PUBLIC = {
    ("POST", "/v1/auth/token"),
    ("POST", "/v1/auth/password"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/problems"),
    ("GET", "/problems/{code}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/fhir/metadata"),
    ("POST", "/door/v1/session"),
}
"""What is answered to somebody without a token."""


OF_A_RECORD = ("a cover", "an emergency", "a hold", "a reference")
"""Bodies that name a record."""


@dataclass(frozen=True)
class DoorRow:
    """One operation of the clients' door, what comes of it for each of `CLIENTS`, and its body.

    `n` is the number of an account that one box alone has.
    """

    method: str
    path: str
    cells: str
    body: Any = None

    def expected(self) -> Iterator[tuple[str, str]]:
        """Give client and letter of each cell."""
        return zip(CLIENTS, self.cells.split(), strict=True)


@dataclass(frozen=True)
class Row:
    """One operation, what comes of it for each role, and what is sent."""

    method: str
    path: str
    cells: str
    body: Any = None
    on: dict[str, str] = field(default_factory=dict)
    """Which record stands for a name in the path, where it is not its namesake."""
    form: dict[str, str] | None = None
    """What is sent as a form."""

    @property
    def names_a_record(self) -> bool:
        """Tell whether the relation is that of a record, in the path or in the body."""
        return "{" in self.path or self.body in OF_A_RECORD

    def expected(self) -> Iterator[tuple[str, str, str]]:
        """Give role, relation and letter of each cell."""
        for role, letters in zip(ROLES, self.cells.split(), strict=True):
            several = letters if len(letters) > 1 else self._everywhere(role, letters)
            for relation, letter in zip(RELATIONS, several, strict=True):
                if letter != ".":
                    yield role, relation, letter

    def _everywhere(self, role: str, letter: str) -> str:
        if self.names_a_record:
            return f"..{letter * 2}" if role == "service" else letter * 4
        return f"..{letter * 2}" if role == "service" else f"{letter}.{letter * 2}"


NOTE = {"determination": "normal_process", "resolution_note": "looked at together"}
ASKED = {
    "kind": "legal_risk",
    "urgency": "routine",
    "question": "what do you see",
    "summary": "in short",
    "released": True,
}
HOOK = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
REQUESTED = {"consultation_id": "requested"}
DRAFTED = {"note_id": "drafted_note"}
SEARCH = {"_count": "5"}

QUESTIONNAIRE: dict[str, Any] = {
    "title": "How it goes",
    "for": "client",
    "parts": [
        {
            "link_id": "now",
            "items": [
                {"link_id": "how", "type": "scale", "reads_as": "experience"},
                {
                    "link_id": "changed",
                    "type": "yes_no",
                    "reads_as": "frame",
                    "concern": ["yes"],
                    "topic": "change",
                },
            ],
        }
    ],
    "texts": {
        "en": {
            "title": "How it goes",
            "parts": [{"link_id": "now", "title": "Now"}],
            "items": [
                {"link_id": "how", "asks": "It goes well.", "low": "no", "high": "yes"},
                {"link_id": "changed", "asks": "Was something changed without a word?"},
            ],
        }
    },
}

ANSWERED = {
    "questionnaire_id": str(LOOK_BACK_ID),
    "answered_on": "2026-03-01",
    "answers": [
        {"link_id": "listened_to", "value": 4},
        {"link_id": "touch", "value": "greeting"},
        {"link_id": "anything_else", "value": "nothing else"},
    ],
}

BY_AN_OFFICER = {"invitation_id": "invitation_by_an_officer"}
TO_OFFICERS = {"client_account_id": "account_to_officers"}
SHARED = {"client_account_id": "shared_account"}
MOVES_OF_READERS: list[tuple[str, dict[str, str]]] = [
    ("reply", {"reply": "Thank you for telling us."}),
    ("close", {"determination": "normal_process", "note": "We talked it over."}),
    ("step-out", {"reason": "They are friends of mine."}),
    ("told", {"reason": "A life was in danger."}),
]

#                    clinician supervisor consultant privacy admin service
EVERYONE = "         y         y          y          y       y     y"
PEOPLE = "           y         y          y          y       y     F"
OWN = "              yNNN      yNNN       yNNN       yyyN    yyyN  F"
SOFTWARE = "         F         F          F          F       F     y"
SOFTWARE_HERE = "    F         F          F          F       F     ..yN"
AUDITORS = "         F         F          F          y       y     F"
AUDITORS_HERE = "    F         F          F          ..yN    ..yN  F"
ADMINS = "           F         F          F          F       y     F"
ADMINS_HERE = "      F         F          F          F       yyyN  F"
STAFF = "            y         y          F          y       y     F"
CASES = "            y         y          y.FF       y.FF    y.FF  y"
CASE = "             yNNN      yyNN       yFFF       yFFF    yFFF  ..yN"
REWRITE = "          yNNN      yyNN       yFFF       yFFF    yFFF  ..FN"
SUPERVISE = "        F         FyNN       F          F       F     F"
REQUEST = "          yNNN      yFNN       yFFF       yFFF    yFFF  ..yN"
PROMPT = "           yNNN      yNNN       yFFF       yFFF    yFFF  F"
ASKED_TO_ANSWER = "  F         FyNN       FyyN       F       F     F"
ITS_CONSULTANT = "   F         FyNN       FNyN       F       F     F"
EXPORT = "           yNNN      yyNN       yFFF       yFFF    yFFF  F"
RESPONSES = "        y         y          y.FF       y.FF    y.FF  F"
STAFF_HERE = "       yyyN      yyyN       F          yyyN     yyyN  F"
WATCHER = "          F         F          F          y       F     F"
WATCHER_HERE = "     F         F          F          yyyN    F     F"
EXCEPTIONS = "       y         y          F          y       F     F"
NOTES = "            yNNN      yyNN       yFFF       yFFF    yFFF  F"
AUTHORS = "          yNNN      yFNN       yFFF       yFFF    yFFF  F"
OWN_INVITATION = "   yNNN      yyNN       yFFF       yNNN    yFFF  F"
OFFICERS_INVITE = "  NNNN      NyNN       F          yyyN    F     F"
READERS = "          F         NyNN       F          N       F     F"
RECORDERS = "        F         NyNN       F          F       F     F"
OFFICERS_READ = "    F         N          F          NyyN    F     F"
HIDDEN_NOTE = "      yNNN      yNNN       yFFF       yFFF    yFFF  F"

TABLE = [
    Row("POST", "/v1/auth/revoke", EVERYONE),
    Row("GET", "/v1/me", PEOPLE),
    Row("PATCH", "/v1/me", PEOPLE, {"current_password": PASSWORD, "password": PASSWORD}),
    Row("GET", "/v1/me/notices", PEOPLE),
    Row("POST", "/v1/me/notices/read", PEOPLE, "a notice"),
    Row("GET", "/v1/me/totp", PEOPLE),
    Row("POST", "/v1/me/totp", PEOPLE),
    Row("POST", "/v1/me/totp/confirm", "c c c c c F", {"code": "000000"}),
    Row("DELETE", "/v1/me/totp", "c c c c c F"),
    Row("GET", "/v1/sessions", PEOPLE),
    Row("GET", "/v1/sessions/{session_id}", "yNNN yNNN yNNN yNNN yyyN F"),
    Row("DELETE", "/v1/sessions/{session_id}", "yNNN yNNN yNNN yNNN yyyN F"),
    Row("GET", "/v1/colleagues", PEOPLE),
    Row("GET", "/v1/users", AUDITORS),
    Row(
        "POST",
        "/v1/users",
        ADMINS,
        {"name": "New", "email": "new@x.example", "role": "clinician", "password": PASSWORD},
    ),
    Row("GET", "/v1/users/{user_id}", OWN),
    Row("PATCH", "/v1/users/{user_id}", ADMINS_HERE, {"name": "Other"}),
    Row("POST", "/v1/users/{user_id}/password-reset", "F F F F FyyN F"),
    Row("GET", "/v1/supervisions", PEOPLE),
    Row("POST", "/v1/supervisions", ADMINS, "a link"),
    Row("GET", "/v1/supervisions/{supervision_id}", OWN),
    Row("PATCH", "/v1/supervisions/{supervision_id}", ADMINS_HERE, {"ends_on": "2026-12-31"}),
    Row("DELETE", "/v1/supervisions/{supervision_id}", ADMINS_HERE),
    Row("GET", "/v1/service-accounts", AUDITORS),
    Row("POST", "/v1/service-accounts", ADMINS, {"name": "New", "scopes": ["cases:read"]}),
    Row("GET", "/v1/service-accounts/{account_id}", AUDITORS_HERE),
    Row("PATCH", "/v1/service-accounts/{account_id}", "F F F F ..yN F", {"name": "Other"}),
    Row("POST", "/v1/service-accounts/{account_id}/secrets", "F F F F ..yN F", {}),
    Row("DELETE", "/v1/service-accounts/{account_id}/secrets/{secret_id}", "F F F F ..yN F"),
    Row("GET", "/v1/webhooks", AUDITORS),
    Row("POST", "/v1/webhooks", ADMINS, HOOK),
    Row("GET", "/v1/webhooks/{webhook_id}", AUDITORS_HERE),
    Row("PATCH", "/v1/webhooks/{webhook_id}", "F F F F ..yN F", {"url": HOOK["url"]}),
    Row("DELETE", "/v1/webhooks/{webhook_id}", "F F F F ..yN F"),
    Row("POST", "/v1/webhooks/{webhook_id}/secrets", "F F F F ..yN F", {}),
    Row(
        "DELETE",
        "/v1/webhooks/{webhook_id}/secrets/{secret_id}",
        "F F F F ..yN F",
        on={"webhook_id": "changing_webhook", "secret_id": "webhook_secret"},
    ),
    Row("POST", "/v1/webhooks/{webhook_id}/test", "F F F F ..yN F"),
    Row("GET", "/v1/webhooks/{webhook_id}/deliveries", AUDITORS_HERE),
    Row("GET", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", AUDITORS_HERE),
    Row(
        "POST",
        "/v1/webhooks/{webhook_id}/deliveries/replay",
        "F F F F ..yN F",
        {"since": "2026-03-01T12:00:00Z"},
    ),
    Row(
        "POST",
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
        "F F F F ..yN F",
    ),
    Row("GET", "/v1/cases", CASES),
    Row("POST", "/v1/cases", "y y F F F y", "a case"),
    Row("GET", "/v1/cases/{case_id}", CASE),
    Row("PATCH", "/v1/cases/{case_id}", CASE, {"phase": "acceptance"}),
    Row("DELETE", "/v1/cases/{case_id}", REWRITE),
    Row("POST", "/v1/cases/{case_id}/transfer", SUPERVISE, "a transfer"),
    Row("GET", "/v1/cases/{case_id}/versions", CASE),
    Row("GET", "/v1/cases/{case_id}/timeline", CASE),
    Row("GET", "/v1/cases/{case_id}/incidents", CASE),
    Row("POST", "/v1/cases/{case_id}/incidents", CASE, "an incident"),
    Row("GET", "/v1/incidents", CASES),
    Row("GET", "/v1/incidents/{incident_id}", CASE),
    Row("GET", "/v1/incidents/{incident_id}/versions", CASE),
    Row("PATCH", "/v1/incidents/{incident_id}", REWRITE, {"repair": "attempted"}),
    Row("DELETE", "/v1/incidents/{incident_id}", REWRITE),
    Row(
        "POST",
        "/v1/incidents/{incident_id}/review",
        SUPERVISE,
        {"determination": "normal_process", "review_note": "seen"},
    ),
    Row("GET", "/v1/cases/{case_id}/promises", CASE),
    Row("POST", "/v1/cases/{case_id}/promises", CASE, "a promise"),
    Row("GET", "/v1/promises", CASES),
    Row("GET", "/v1/promises/{promise_id}", CASE),
    Row("GET", "/v1/promises/{promise_id}/versions", CASE),
    Row("PATCH", "/v1/promises/{promise_id}", REWRITE, {"wording": "in short"}),
    Row("DELETE", "/v1/promises/{promise_id}", REWRITE),
    Row("GET", "/v1/cases/{case_id}/consultations", "yNNN yyNN yNNN yFFF yFFF ..yN"),
    Row("POST", "/v1/cases/{case_id}/consultations", REQUEST, "a question"),
    Row("GET", "/v1/consultations", "y y y y.FF y.FF y"),
    Row(
        "GET",
        "/v1/consultations/{consultation_id}",
        "yNNN yyNN yNNN yFFF yFFF ..yN",
        on={"consultation_id": "draft"},
    ),
    Row(
        "GET",
        "/v1/consultations/{consultation_id}",
        "yNNN yyNN yyyN yFFF yFFF ..yN",
        on=REQUESTED,
    ),
    Row("GET", "/v1/consultations/{consultation_id}/versions", CASE, on=REQUESTED),
    Row("PATCH", "/v1/consultations/{consultation_id}", REQUEST, {"summary": "x"}, REQUESTED),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/request",
        REQUEST,
        {},
        {"consultation_id": "draft"},
    ),
    Row("POST", "/v1/consultations/{consultation_id}/accept", ASKED_TO_ANSWER, {}, REQUESTED),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/decline",
        ASKED_TO_ANSWER,
        {"reason": "no time"},
        REQUESTED,
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/start",
        ITS_CONSULTANT,
        {},
        {"consultation_id": "accepted"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/complete",
        ITS_CONSULTANT,
        {"outcome": "mixed", "advice": "talk it over"},
        {"consultation_id": "in_progress"},
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/cancel",
        REQUEST,
        {"reason": "settled"},
        REQUESTED,
    ),
    Row(
        "POST",
        "/v1/consultations/{consultation_id}/respond",
        "yNNN yFNN yFFF yFFF yFFF F",
        {"response": "accepted"},
        {"consultation_id": "completed"},
    ),
    Row("GET", "/v1/notes", "y y y.FF y.FF y.FF F"),
    Row("GET", "/v1/cases/{case_id}/notes", NOTES),
    Row("POST", "/v1/cases/{case_id}/notes", AUTHORS, {"note_class": "progress", "body": "x"}),
    Row("GET", "/v1/notes/{note_id}", NOTES),
    Row("GET", "/v1/notes/{note_id}", HIDDEN_NOTE, on=DRAFTED),
    Row("GET", "/v1/notes/{note_id}", HIDDEN_NOTE, on={"note_id": "psychotherapy_note"}),
    Row("PATCH", "/v1/notes/{note_id}", HIDDEN_NOTE, {"body": "in short"}, DRAFTED),
    Row("DELETE", "/v1/notes/{note_id}", HIDDEN_NOTE, on=DRAFTED),
    Row("POST", "/v1/notes/{note_id}/sign", HIDDEN_NOTE, on=DRAFTED),
    Row("POST", "/v1/notes/{note_id}/amendments", AUTHORS, {"body": "in short"}),
    Row("POST", "/v1/notes/{note_id}/cosign", SUPERVISE),
    Row("GET", "/v1/cases/{case_id}/flags", CASE),
    Row(
        "POST",
        "/v1/cases/{case_id}/flags",
        SUPERVISE,
        {"severity": "low", "title": "Please look", "because": "It was told twice."},
    ),
    Row("GET", "/v1/flags", CASES),
    Row("GET", "/v1/flags/{flag_id}", CASE),
    Row("GET", "/v1/flags/{flag_id}", "yNNN yNNN yFFF yFFF yFFF ..NN", on={"flag_id": "prompt"}),
    Row("GET", "/v1/flags/{flag_id}/resolutions", CASE),
    Row(
        "GET",
        "/v1/flags/{flag_id}/resolutions",
        "yNNN yNNN yFFF yFFF yFFF ..NN",
        on={"flag_id": "prompt"},
    ),
    Row("POST", "/v1/flags/{flag_id}/acknowledge", SUPERVISE, {}),
    Row("POST", "/v1/flags/{flag_id}/resolve", "FNNN FyNN F F F F", NOTE),
    Row("POST", "/v1/flags/{flag_id}/resolve", PROMPT, NOTE, {"flag_id": "prompt"}),
    Row(
        "POST",
        "/v1/flags/{flag_id}/reopen",
        SUPERVISE,
        {"reason": "look again"},
        {"flag_id": "resolved"},
    ),
    Row("GET", "/v1/flagged-cases", "F y F F F y"),
    Row("GET", "/v1/flagged-cases?unwatched=true", "F F F y F F"),
    Row("GET", "/v1/summary", "y y y.FF y y.FF y"),
    Row("GET", "/v1/patterns", "y y y.FF y.FF y.FF F"),
    Row("GET", "/v1/cases/{case_id}/recusals", "yNNN yyNN F yyyN yyyN F"),
    Row("POST", "/v1/cases/{case_id}/recusals", "cNNN cyNN F F yyyN F", "a recusal"),
    Row("GET", "/v1/cases/{case_id}/recusals/{recusal_id}", "yNNN yyNN F yyyN yyyN F"),
    Row("DELETE", "/v1/cases/{case_id}/recusals/{recusal_id}", ADMINS_HERE),
    Row("GET", "/v1/covers", EXCEPTIONS),
    Row("POST", "/v1/covers", "yNNN yyNN F F F F", "a cover"),
    Row("GET", "/v1/covers/{cover_id}", "yNNN yyNN F yyyN F F"),
    Row("DELETE", "/v1/covers/{cover_id}", "yNNN yyNN F F F F"),
    Row("GET", "/v1/break-glass", EXCEPTIONS),
    Row("POST", "/v1/break-glass", "F ccyN F F F F", "an emergency"),
    Row("GET", "/v1/break-glass/{opening_id}", "yNNN yNNN F yyyN F F"),
    Row("POST", "/v1/break-glass/{opening_id}/review", "F F F yyyN F F", {"review_note": "seen"}),
    Row("GET", "/v1/journal", "y y y.FF y y.FF F"),
    Row("GET", "/v1/journal/heads", "F F F y F F"),
    Row("GET", "/v1/journal/{entry_id}/proof", "yNNN yNNN yNNN yyyN yNNN F"),
    Row("GET", "/v1/cases/{case_id}/export", EXPORT),
    Row("GET", "/v1/cases/{case_id}/export?preview=true", EXPORT),
    Row("GET", "/v1/cases/{case_id}/disclosures", EXPORT),
    Row("POST", "/v1/cases/{case_id}/disclosures", EXPORT, {"purpose": "other"}),
    Row("GET", "/v1/cases/{case_id}/disclosures/{disclosure_id}", EXPORT),
    Row("GET", "/v1/cases/{case_id}/disclosures/{disclosure_id}/document", EXPORT),
    Row("GET", "/v1/legal-holds", WATCHER),
    Row("POST", "/v1/legal-holds", WATCHER_HERE, "a hold"),
    Row("GET", "/v1/legal-holds/{hold_id}", WATCHER_HERE),
    Row("POST", "/v1/legal-holds/{hold_id}/release", WATCHER_HERE),
    Row("GET", "/v1/imports", SOFTWARE),
    Row("POST", "/v1/imports", SOFTWARE, b""),
    Row("GET", "/v1/imports/{import_id}", SOFTWARE_HERE),
    Row("GET", "/v1/imports/{import_id}/refusals", SOFTWARE_HERE),
    Row("GET", "/fhir/EpisodeOfCare", CASES),
    Row("POST", "/fhir/EpisodeOfCare/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/EpisodeOfCare/{case_id}", CASE),
    Row("GET", "/fhir/EpisodeOfCare/{case_id}/_history", CASE),
    Row("GET", "/fhir/EpisodeOfCare/{case_id}/_history/{version_id}", CASE),
    Row("GET", "/fhir/Observation", CASES),
    Row("POST", "/fhir/Observation/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/Observation/{incident_id}", CASE),
    Row("GET", "/fhir/Observation/{incident_id}/_history", CASE),
    Row("GET", "/fhir/Observation/{incident_id}/_history/{version_id}", CASE),
    Row("GET", "/fhir/Task", CASES),
    Row("POST", "/fhir/Task/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/Task/{promise_id}", CASE),
    Row("GET", "/fhir/Task/{promise_id}/_history", CASE),
    Row("GET", "/fhir/Task/{promise_id}/_history/{version_id}", CASE),
    Row("GET", "/fhir/ServiceRequest", CASES),
    Row("POST", "/fhir/ServiceRequest/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/ServiceRequest/{consultation_id}", CASE, on={"consultation_id": "draft"}),
    Row("GET", "/fhir/ServiceRequest/{consultation_id}", CASE, on=REQUESTED),
    Row("GET", "/fhir/ServiceRequest/{consultation_id}/_history", CASE, on=REQUESTED),
    Row("GET", "/fhir/ServiceRequest/{consultation_id}/_history/{version_id}", CASE, on=REQUESTED),
    Row("GET", "/fhir/DetectedIssue", CASES),
    Row("POST", "/fhir/DetectedIssue/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/DetectedIssue/{flag_id}", CASE),
    Row(
        "GET",
        "/fhir/DetectedIssue/{flag_id}",
        "yNNN yNNN yFFF yFFF yFFF ..NN",
        on={"flag_id": "prompt"},
    ),
    Row(
        "GET",
        "/fhir/DetectedIssue/{flag_id}/_history/{version_id}",
        CASE,
        on={"version_id": "flag_version"},
    ),
    Row("GET", "/fhir/Flag", CASES),
    Row("POST", "/fhir/Flag/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/Flag/{flag_id}", CASE, on={"flag_id": "warning"}),
    Row(
        "GET",
        "/fhir/Flag/{flag_id}/_history/{version_id}",
        CASE,
        on={"flag_id": "warning", "version_id": "warning_version"},
    ),
    Row("GET", "/fhir/QuestionnaireResponse", RESPONSES),
    Row("POST", "/fhir/QuestionnaireResponse/_search", RESPONSES, form=SEARCH),
    Row("GET", "/fhir/QuestionnaireResponse/{response_id}", EXPORT),
    Row("GET", "/fhir/QuestionnaireResponse/{response_id}/_history/{version_id}", EXPORT),
    Row("GET", "/fhir/Provenance", CASES),
    Row("GET", "/fhir/Provenance/{record_id}", CASE, on={"record_id": "incident_id"}),
    Row(
        "GET",
        "/fhir/Provenance/{record_id}/_history/{version_id}",
        CASE,
        on={"record_id": "incident_id"},
    ),
    Row("POST", "/fhir/Provenance/_search", CASES, form=SEARCH),
    Row("GET", "/fhir/AuditEvent", "y y y.FF y y.FF F"),
    Row("POST", "/fhir/AuditEvent/_search", "y y y.FF y y.FF F", form=SEARCH),
    Row("GET", "/fhir/AuditEvent/{entry_id}", "yNNN yNNN yNNN yyyN yNNN F"),
    Row(
        "GET",
        "/fhir/AuditEvent/{entry_id}/_history/{version_id}",
        "yNNN yNNN yNNN yyyN yNNN F",
    ),
    Row("GET", "/fhir/Questionnaire", STAFF),
    Row("POST", "/fhir/Questionnaire/_search", STAFF, form=SEARCH),
    Row("GET", "/fhir/Questionnaire/{questionnaire_id}", STAFF_HERE),
    Row("GET", "/fhir/Questionnaire/{questionnaire_id}/_history/{version_id}", STAFF_HERE),
    Row("GET", "/fhir/StructureDefinition", EVERYONE),
    Row("POST", "/fhir/StructureDefinition/_search", EVERYONE, form=SEARCH),
    Row("GET", "/fhir/StructureDefinition/{definition_id}", EVERYONE),
    Row("GET", "/fhir/CodeSystem", EVERYONE),
    Row("POST", "/fhir/CodeSystem/_search", EVERYONE, form=SEARCH),
    Row("GET", "/fhir/CodeSystem/{definition_id}", EVERYONE, on={"definition_id": "happenings"}),
    Row("GET", "/v1/clinic", STAFF),
    Row("PATCH", "/v1/clinic", ADMINS, {"name": "Other"}),
    Row("GET", "/v1/rules", EVERYONE),
    Row("GET", "/v1/cases/{case_id}/responses", EXPORT),
    Row("POST", "/v1/cases/{case_id}/responses", EXPORT, ANSWERED),
    Row("GET", "/v1/responses/{response_id}", EXPORT),
    Row("DELETE", "/v1/responses/{response_id}", EXPORT),
    Row("GET", "/v1/cases/{case_id}/invitations", EXPORT),
    Row("POST", "/v1/cases/{case_id}/invitations", CASE, {}),
    Row("POST", "/v1/invitations", "F F F NyyN F ..yN", "a reference"),
    Row("GET", "/v1/invitations/{invitation_id}", OWN_INVITATION),
    Row("GET", "/v1/invitations/{invitation_id}", OFFICERS_INVITE, on=BY_AN_OFFICER),
    Row("POST", "/v1/invitations/{invitation_id}/revoke", "yNNN yFNN yFFF yNNN yFFF F"),
    Row(
        "POST",
        "/v1/invitations/{invitation_id}/revoke",
        "NNNN NFNN F yyyN F F",
        on=BY_AN_OFFICER,
    ),
    Row("GET", "/v1/accounts", "y y F y F F"),
    Row("GET", "/v1/cases/{case_id}/accounts", "yNNN yyNN yFFF yyyN yFFF F"),
    Row("GET", "/v1/accounts/{client_account_id}", "N NyNN F N F F"),
    Row("GET", "/v1/accounts/{client_account_id}", "N N F NyyN F F", on=TO_OFFICERS),
    Row("GET", "/v1/accounts/{client_account_id}", "yNNN yNNN yFFF yNNN yFFF F", on=SHARED),
    *(
        Row("POST", f"/v1/accounts/{{client_account_id}}/{move}", cells, body, on)
        for move, body in MOVES_OF_READERS
        for cells, on in ((READERS, {}), (OFFICERS_READ, TO_OFFICERS))
    ),
    *(
        Row("POST", f"/v1/accounts/{{client_account_id}}/{records}", cells, body, on)
        for records, body in (("incidents", "what was told"), ("promises", "a promise"))
        for cells, on in ((RECORDERS, {}), ("F N F F F F", TO_OFFICERS))
    ),
    Row("GET", "/v1/questionnaires", STAFF),
    Row("POST", "/v1/questionnaires", ADMINS, QUESTIONNAIRE),
    Row("GET", "/v1/questionnaires/{questionnaire_id}", STAFF_HERE),
    Row("DELETE", "/v1/questionnaires/{questionnaire_id}", ADMINS_HERE),
    Row("GET", "/v1/rules/thresholds", STAFF),
    Row("PUT", "/v1/rules/thresholds", ADMINS, {"drift_days": 60}),
    Row("GET", "/v1/rules/modes", STAFF),
    Row("PUT", "/v1/rules/modes", ADMINS, {"frame_drift": "monitor"}),
    Row("GET", "/v1/rules/monitored", STAFF),
    Row("POST", "/v1/rules/preview", ADMINS, {"modes": {"frame_drift": "monitor"}}),
    Row("GET", "/v1/vocabulary", EVERYONE),
]

SAID = {"happened": "He said that he would always be there."}
DOOR_TABLE = [
    DoorRow("DELETE", "/door/v1/session", "y y y y"),
    DoorRow("GET", "/door/v1/who-reads", "y y y y"),
    DoorRow("GET", "/door/v1/mine", "y y y y"),
    DoorRow("POST", "/door/v1/accounts", "y y y y", SAID),
    DoorRow("POST", "/door/v1/accounts/{n}/words", "N y N N", {"words": "There is more."}),
    DoorRow("PATCH", "/door/v1/accounts/{n}", "N y N N", {"shared": "with_therapist"}),
    DoorRow("POST", "/door/v1/accounts/{n}/take-back", "N y N N"),
    DoorRow("GET", "/door/v1/questionnaire", "y y y y"),
    DoorRow("GET", "/door/v1/responses", "y y y y"),
    DoorRow("POST", "/door/v1/responses", "y y y y", {"answers": ANSWERED["answers"]}),
    DoorRow("POST", "/door/v1/throw-away", "y y y y"),
]


def count_cells() -> int:
    """Count the cells of both tables, those of strangers included."""
    cells = sum(len(list(row.expected())) + len(STRANGERS) for row in TABLE)
    return cells + len(DOOR_TABLE) * len((*CLIENTS, *NO_CLIENTS))


def count_rows() -> int:
    """Count what is asked of each."""
    return len(TABLE) + len(DOOR_TABLE)


def letter_of(answer: Response) -> str:
    """Write an answer as the table does."""
    if answer.is_success:
        return "y"
    by_status = {status: letter for letter, status in STATUS.items()}
    return by_status.get(answer.status_code, str(answer.status_code))


async def kept(world: World) -> list[tuple[str, ...]]:
    """Sum up all that is kept, but the journal and its seals."""
    sums = []
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        for table in SQLModel.metadata.sorted_tables:
            if table.name != "journal_entries":
                # rows that only ever come have no version
                changes = [
                    sa.func.sum(table.c.get("version", sa.literal(0))),
                    sa.func.max(table.c.get("updated_at", sa.literal(0))),
                ]
                found = await connection.execute(
                    sa.select(sa.func.count(), *changes).select_from(table)
                )
                sums.append((table.name, *map(str, found.one())))
    return sums


PAGES_AT_DOOR = {
    "/door/in": ("GET", "/door/v1/who-reads"),
    "/door/say": ("POST", "/door/v1/accounts"),
    "/door/look-back": ("GET", "/door/v1/questionnaire"),
    "/door/mine": ("GET", "/door/v1/mine"),
    "/door/mine/{n:int}": ("POST", "/door/v1/accounts/{n}/words"),
    "/door/who-reads": ("GET", "/door/v1/who-reads"),
}
"""The pages of the door, each with the operation whose row says to whom it is shown."""
PAGES_FOR_ANYBODY = {"/door", "/door/leave"}
"""Where one enters, and where one leaves."""
