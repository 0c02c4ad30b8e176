"""Examples for the OpenAPI document: its schemas, filled from one table of values.

Whoever adds a property of a new name adds a value here; days, times, ids, words of the vocabulary
and true or false have one already. All of it is invented.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from api.http.field_errors import SENTENCES

Schema = dict[str, Any]

_HASH = hashlib.sha256(b"an example").hexdigest()
_TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJleGFtcGxlIjp0cnVlfQ.c2lnbmF0dXJl"  # noqa: S105
_REFRESH = "cXVpdGUtaW52ZW50ZWQtYW5kLW5vdC1hLXRva2VuLW9mLWFueW9uZQ"
_PASSWORD = "four invented words together"  # noqa: S105
_MORNING = "2026-03-02T09:30:00Z"
_NOON = "2026-03-02T12:00:00Z"
_LATER = "2026-03-09T09:30:00Z"

VALUES: dict[str, tuple[Any, ...]] = {
    "read_structure_definition.definition_id": ("extension-severity",),
    "read_code_system.definition_id": ("vocabulary-severity",),
    # a case
    "client_ref": ("HL-0007",),
    "sessions_per_week": (1.5,),
    "agreed_sessions": (40,),
    "therapy_months": (14,),
    "open": (2,),
    "phase": ("wishes_intensify",),
    "setting": ("clinic",),
    "attachment_roles": (["attachment_figure"],),
    "started_on": ("2025-01-13",),
    "ended_on": (None, "2026-02-27"),
    "flags": ({"open": 1, "top_severity": "high", "next_due_at": _LATER},),
    # an incident
    "occurred_on": ("2026-02-26",),
    "initiator": ("client",),
    "reported_by": ("client", "clinician"),
    "narrative": ("At the end of the hour she said that she had waited all week to tell it.",),
    "rationale": ("It was talked over in supervision before it was done.",),
    "responses": (["explored"],),
    "taken_up": (True,),
    "responded_on": ("2026-02-26",),
    "client_impact": ("unknown",),
    "discussed_with_client": (True,),
    "discussed": (True,),
    "IncidentCreate.restricted": (None,),
    "FrameChangeDetails.direction": ("loosen",),
    "elements": (["session_frequency"],),
    "GiftDetails.direction": ("from_client",),
    "count": (2,),
    "days": (21,),
    "days_per_week": (3,),
    "weeks": (6,),
    "client_messages_30d": (24,),
    "months": (9,),
    "times": (1,),
    "times_wished_to_stop": (2,),
    "notice_days": (28,),
    "closing_sessions": (6,),
    "plan": ("Six hours to take leave, and a colleague who takes over from April.",),
    "precautions": ("No contact outside the hours, and no shared work, until the end.",),
    "stated_reason": ("An acute danger that the ward saw at night.",),
    "review_note": (None, "Seen together; the frame was named and kept."),
    "reviewed_at": (None,),
    "reviewed_by_id": (None,),
    # a promise
    "wording": ("I will be here for as long as you need me.",),
    "made_on": ("2026-02-19",),
    "due_on": (None, "2026-04-30"),
    "discussed_on": (None, "2026-02-26"),
    "scope": ("outside_frame", ""),
    "significance": ("major",),
    "keepable": ("no",),
    # a consultation
    "question": ("How can a promise without an end be taken back without harm?",),
    "summary": ("A promise of lasting availability was made in the middle phase.",),
    "advice": (
        None,
        "Name the promise in the next hour, and say what can be kept of it.",
    ),
    "months_before": (1,),
    "BriefRecord.kind": ("disclosure",),
    "ConsultationRead.status": ("requested",),
    "ConsultationWritten.status": ("requested",),
    "ConsultationBrief.status": ("requested",),
    "accepted_at": (None,),
    "completed_at": (None,),
    "outcome": (None, "mixed"),
    "response": (None, "accepted"),
    # a note
    "body": ("The hour began with the ending of last week, and came back to it twice.",),
    "NoteRead.status": ("signed",),
    "amends_id": (None,),
    "drafts": (2,),
    "kept": (True,),
    "keep_covers": (False,),
    "content_hash": (_HASH,),
    "content_salt": ("c2FsdC1vZi1hbi1leGFtcGxl",),
    # a flag, a rule, a threshold
    "rule": ("promise_unkeepable",),
    "title": ("A promise that may not be kept",),
    "because": ("Promise made on 2026-02-19 (availability) is recorded as not keepable.",),
    "asks": ("Was a promise made or implied that cannot be kept?",),
    "severity": ("high",),
    "top_severity": ("high",),
    "audience": ("supervisor",),
    "rule_version": (1,),
    "resolution_note": (
        None,
        "Talked over with the clinician; the promise was taken back.",
    ),
    "reopen_reason": (None,),
    "resolved_at": (None,),
    "resolved_by_id": (None,),
    "acknowledged_at": (None,),
    "assigned_to_id": (None,),
    "condition_holds": (True,),
    "determination": (None, "normal_process"),
    # words of people
    "ConsultationRead.reason": (None,),
    "ConsultationWritten.reason": (None,),
    "reason": ("The clinician is on leave and cannot be reached.",),
    "response_reason": (None, "The advice came after the therapy had ended."),
    "purpose": ("emergency", None),
    # people, software, sessions
    "name": ("Vera Lindqvist",),
    "ServiceAccountCreate.name": ("Diary of the ward",),
    "ServiceAccountPatch.name": ("Diary of the ward",),
    "ServiceAccountRead.name": ("Diary of the ward",),
    "ServiceAccountMade.name": ("Diary of the ward",),
    "ClinicRead.name": ("Lakeside Clinic",),
    "ClinicPatch.name": ("Lakeside Clinic",),
    "email": ("vera.lindqvist@clinic.example",),
    "username": ("vera.lindqvist@clinic.example",),
    "role": ("clinician", "unrelated_business"),
    "Notice.kind": ("supervision",),
    "Notice.user_name": ("Jonas Aalto",),
    "Notice.actor_name": ("Mira Holm",),
    "read_at": (None,),
    "password": (_PASSWORD,),
    "current_password": (_PASSWORD,),
    "is_active": (True,),
    "is_current": (True,),
    "enrolled": (True,),
    "time_zones": ("2026f",),
    "time_zone": ("Europe/Stockholm",),
    "retention_years": (10,),
    "clinic": ("Lakeside Clinic",),
    "code": ("7QK2-M4XD-9RTF",),
    "TotpConfirm.code": ("492039",),
    "otp": ("492039",),
    "recovery_codes": (["7QK2-M4XD-9RTF", "B3NW-8HYP-LC6J"],),
    "recovery_codes_left": (10,),
    "secret": ("JBSWY3DPEHPK3PXP",),
    "uri": ("otpauth://totp/Boundary%20Notes:vera?secret=JBSWY3DPEHPK3PXP",),
    "client_id": ("AZyt8bLDfl0BnK3xssN_EAGcrfGyw35dAZyt8bLDfxA",),
    "client_secret": ("aW52ZW50ZWQtYW5kLXZhbGlkLW5vd2hlcmU",),
    "scopes": (["cases:read", "flags:read"],),
    "access_token": (_TOKEN,),
    "refresh_token": (_REFRESH,),
    "device_token": ("aW52ZW50ZWQtYW5kLWtub3duLWJ5LW5vYm9keS1lbHNlPw",),
    "expires_in": (600,),
    "AccessToken.scope": ("cases:read flags:read",),
    "secret_days": (90,),
    "SecretCreate.days": (90,),
    # journal, seals, keys
    "happening": ("promise.recorded",),
    "actor_name": ("Vera Lindqvist",),
    "actor_role": ("clinician",),
    "actor_kind": ("person",),
    "record_type": ("promise",),
    "changed": (["state"],),
    "at": (_MORNING,),
    "number": (48,),
    "size": (1024,),
    "tree_size": (1024,),
    "leaf_index": (517,),
    "path": ([_HASH, _HASH[::-1]],),
    "root": (_HASH,),
    "previous": (_HASH[::-1],),
    "public_key": ("MCowBQYDK2VwAyEA",),
    "signature": ("c2lnbmVkLW9uY2UtYW5kLWtlcHQtZWxzZXdoZXJl",),
    "kid": ("2026-03",),
    "x": ("WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis",),
    "y": ("y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE",),
    # webhooks
    "url": ("https://diary.clinic.example/events",),
    "events": (["flag.opened", "consultation.*"],),
    "WebhookCreate.name": ("Diary of the ward",),
    "WebhookPatch.name": ("Diary of the ward",),
    "WebhookRead.name": ("Diary of the ward",),
    "WebhookMade.name": ("Diary of the ward",),
    "WebhookMade.secret": ("whsec_aW52ZW50ZWQtYW5kLXZhbGlkLW5vd2hlcmU=",),
    "WebhookSecretMade.secret": ("whsec_aW52ZW50ZWQtYW5kLXZhbGlkLW5vd2hlcmU=",),
    "http_status": (204,),
    "milliseconds": (84,),
    # numbers of the summary, of patterns and of what settings would do
    "month": ("2026-03",),
    "cases": (4,),
    "findings": (5,),
    "RulePattern.flags": (5,),
    "critical": (0,),
    "high": (1,),
    "moderate": (3,),
    "low": (1,),
    "unresolved": (9,),
    "overdue": (2,),
    "waiting": (3,),
    "acknowledged": (1,),
    "requested": (2,),
    "accepted": (1,),
    "in_progress": (0,),
    "prompts": (4,),
    "unwatched_cases": (1,),
    "under_1_day": (2,),
    "from_1_to_7_days": (4,),
    "from_8_to_30_days": (2,),
    "over_30_days": (1,),
    "raised": (6,),
    "revived": (0,),
    "graver": (1,),
    "milder": (0,),
    "lapsed": (2,),
    "counted": (0,),
    "counted_no_longer": (0,),
    "cases_looked_at": (1000,),
    "cases_in_all": (1240,),
    # searches of an EHR
    "patient": ("HL-0007",),
    "patient:identifier": ("HL-0007",),
    "SearchByStatus.status": ("active",),
    "SearchProvenance.target": ("Observation/019cadf1-e3b0-7c44-8298-fc1c149afbf4",),
    "SearchDefinitions._id": ("extension-severity",),
    "SearchDefinitions.url": ("urn:boundary-notes:extension:severity",),
    "SearchIssues.status": ("preliminary",),
    "SearchObservations.status": ("final",),
    "SearchObservations.subject": ("HL-0007",),
    "SearchOfSubjects.status": ("active",),
    "SearchOfSubjects.subject": ("HL-0007",),
    "_pretty": (True,),
    "_format": ("json",),
    "_cursor": ("bmV4dA",),
    # times that differ from the usual
    "updated_at": (_NOON,),
    "revoked_at": (None,),
    "voided_at": (None,),
    "void_reason": (None, "entered_in_error"),
    "purged_at": (None,),
    "released_at": (None,),
    "released_by_id": (None,),
    "due_at": (_LATER,),
    "next_due_at": (_LATER,),
    "expires_at": ("2026-03-02T21:30:00Z",),
    "ends_at": ("2026-03-02T10:00:00Z", None),
    "review_due_at": ("2026-03-05T09:30:00Z",),
    "ends_on": ("2026-03-16",),
    "starts_on": ("2026-03-02",),
    # lists and problems
    "next": (None,),
    "version": (3, "1.0"),
    "type": ("urn:boundary-notes:conflict", "promise"),
    "detail": ("This note is already signed; it is amended, and never changed.",),
    "pointer": ("/details/discussed",),
    "message": (SENTENCES["bool_type"],),
    "meaning": ("The record's present state does not allow it.",),
    "remedy": ("Read the record again, and decide anew.",),
    "ProblemType.title": ("Conflict",),
    "ProblemType.code": ("conflict",),
    "ProblemType.status": (409,),
    "Problem.title": ("Conflict",),
    "Problem.status": (409,),
    "Problem.errors": (None,),
    "TokenProblem.type": ("urn:boundary-notes:invalid-grant",),
    "TokenProblem.title": ("Not signed in",),
    "TokenProblem.status": (400,),
    "TokenProblem.errors": (None,),
    "error": ("invalid_grant",),
    "error_description": ("This refresh token is not known or no longer valid. Sign in again.",),
    "read_problem.code": ("conflict",),
    # a file of records that was read in
    "form": ("ndjson",),
    "lines": (120,),
    "created": (112,),
    "unchanged": (7,),
    "refused": (1,),
    "line": (57,),
    "ImportDone.flags": ({"hurtful_words": 2, "ending_unprepared": 1},),
    # answers that have no names of their own
    "read_vocabulary": (
        {"severity": {"info": "a prompt for the clinician", "high": "look within days"}},
    ),
    "text/html": ("<!DOCTYPE html>\n<html lang='en'><title>Boundary Notes</title></html>",),
    # days, times, true and false, where the name says no more
    "=date": ("2026-03-02",),
    "=date-time": (_MORNING,),
    "=boolean": (False,),
}
"""Values by the name of a property, the first that fits; by schema and name where it differs."""

NAMED: dict[str, dict[str, dict[str, Any]]] = {
    "PromiseCreate": {
        "a promise that cannot be kept": {},
        "a promise within the frame": {
            "wording": "If you call before noon, I will call back the same day.",
            "kind": "contact_or_scheduling",
            "scope": "within_frame",
            "keepable": "yes",
            "significance": "minor",
        },
    },
}
"""Requests worth showing more than once, by schema: what differs from the first."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "null": (type(None),),
}
_FORMS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d$"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
}

_USUAL_KIND = "disclosure"
_TOLD_OF_A_KIND: dict[str, dict[str, Any]] = {
    _USUAL_KIND: {},
    "frame_change": {
        "initiator": "therapist",
        "narrative": "From April there is a second hour each week; it was said a month before.",
    },
    "gift": {
        "narrative": "A hand-bound notebook, brought to the last hour before the summer.",
        "rationale": None,
    },
}
"""What is told of an incident of a kind; of others, that it came from the therapist."""
_TOLD_OF_OTHERS = {"initiator": "therapist", "narrative": None, "rationale": None}


class Examples:
    """Writes examples for the schemas of one document; `missing` names what no value was for."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas
        self.whole: dict[str, Any] = {}
        """Examples of schemas that are not filled from the table, by name."""
        self._kind = _USUAL_KIND
        self.missing: set[str] = set()

    def of(self, schema: Schema, name: str = "", *, is_request: bool = False) -> Any:
        """Write one example. A request leaves out the ids it need not send: they are not known."""
        return self._value(schema, name, "", is_request=is_request)

    def several(
        self, schema: Schema, name: str = "", *, is_request: bool = False
    ) -> dict[str, tuple[str, Any]]:
        """Write an example for each way to fill a schema: its name, in a sentence, and the value.

        One alone has no name.
        """
        within, body = self._resolved(schema)
        if within in self.whole:
            return {"": ("", self.whole[within])}
        if "oneOf" in body and "properties" in body:
            return {each: (each, value) for each, value in self._branches(within, body)}
        if is_request and (kinds := self._kinds(body)):
            return dict(self._by_kind(schema, kinds))
        if len(options := _options(body)) > 1:
            return {
                name: (told, self.of(each, is_request=is_request))
                for each in options
                for name, told in [self._called(each)]
            }
        value = self.of(schema, name, is_request=is_request)
        if is_request and within in NAMED:
            return {each: (each, {**value, **more}) for each, more in NAMED[within].items()}
        return {"": ("", value)}

    def _branches(self, within: str, body: Schema) -> Iterator[tuple[str, Any]]:
        """Fill an object that needs other fields for each word of one of them."""
        for branch in body["oneOf"]:
            ((chooser, chosen),) = (
                (name, field) for name, field in branch["properties"].items() if "const" in field
            )
            needed = dict.fromkeys((*body["required"], *branch["required"]))
            names = [name for name in needed if name != chooser]
            sent = {
                name: self._value(body["properties"][name], name, within, is_request=True)
                for name in names
            }
            yield chosen["const"], {chooser: chosen["const"], **sent}

    def _kinds(self, body: Schema) -> dict[str, str]:
        """Give the mapping of the union in a body, where it has one."""
        found: list[dict[str, str]] = [
            field["discriminator"]["mapping"]
            for field in body.get("properties", {}).values()
            if "discriminator" in field
        ]
        return found[0] if found else {}

    def _by_kind(self, schema: Schema, kinds: dict[str, str]) -> Iterator[tuple[str, Any]]:
        for kind, reference in sorted(kinds.items(), key=lambda each: each[0] != _USUAL_KIND):
            self._kind = kind
            told = _TOLD_OF_A_KIND.get(kind, _TOLD_OF_OTHERS)
            value = {**self.of(schema, is_request=True), **told}
            yield kind, (self._says({"$ref": reference}), value)
        self._kind = _USUAL_KIND

    def _says(self, schema: Schema) -> str:
        name, body = self._resolved(schema)
        return first_sentence(body.get("description", "")) or name

    def _called(self, schema: Schema) -> tuple[str, str]:
        """Give the name of a schema with what it says; of a page, those of its items."""
        items = self._resolved(schema)[1].get("properties", {}).get("items", {}).get("items", {})
        named = items if "$ref" in items else schema
        return _tail(named), self._says(named)

    def _resolved(self, schema: Schema) -> tuple[str, Schema]:
        if "$ref" not in schema:
            return "", schema
        name = _tail(schema)
        return name, self._schemas[name]

    def _value(self, schema: Schema, name: str, within: str, *, is_request: bool) -> Any:
        if "const" in schema:
            return schema["const"]
        reference, body = self._resolved(schema)
        for key in (f"{within}.{name}", name):
            for value in VALUES.get(key, ()):
                if self._fits(value, body):
                    return value
        if reference and "properties" in body:
            return self._object(body, reference, is_request=is_request)
        if "discriminator" in body:
            mapping = body["discriminator"]["mapping"]
            chosen = mapping.get(self._kind) or next(iter(mapping.values()))
            return self._value({"$ref": chosen}, "", "", is_request=is_request)
        options = _options(body)
        if options != [body]:
            return self._value(options[0], name, within, is_request=is_request)
        return self._plain(body, name, within, is_request=is_request)

    def _object(self, body: Schema, reference: str, *, is_request: bool) -> dict[str, Any]:
        within = re.sub("-(Input|Output)$", "", reference)
        needed = body.get("required", ())
        return {
            name: self._value(field, name, within, is_request=is_request)
            for name, field in body["properties"].items()
            if name in needed or not (is_request and _is_an_id(field))
        }

    def _plain(self, schema: Schema, name: str, within: str, *, is_request: bool) -> Any:
        if "enum" in schema:
            return schema["enum"][0]
        if "default" in schema:
            return schema["default"]
        match schema.get("type"), schema.get("format"):
            case "array", _:
                items = _options(schema["items"])
                return [self._value(each, name, within, is_request=is_request) for each in items]
            case "object", _ if "properties" in schema:
                return self._object(schema, within, is_request=is_request)
            case "string", "uuid":
                return _id_of(name, within)
            case "string", ("date" | "date-time") as form:
                return VALUES[f"={form}"][0]
            case "boolean", _:
                return VALUES["=boolean"][0]
            case "string", _ if name.endswith(("_id", "_ids")):
                return _id_of(name, within)
        self.missing.add(f"{within}.{name}")
        return "" if schema.get("type") == "string" else 0

    def _fits(self, value: Any, schema: Schema) -> bool:
        options = _options(schema, nulls=True)
        if options != [schema]:
            return any(self._fits(value, self._resolved(each)[1]) for each in options)
        if "enum" in schema:
            known_words: list[Any] = schema["enum"]
            return value in known_words
        if "discriminator" in schema:
            return False
        if isinstance(value, list) and schema.get("type") == "array":
            item = self._resolved(schema["items"])[1]
            return all(self._fits(each, item) for each in value)
        if isinstance(value, dict) and "properties" in schema:
            return set(value) == set(schema["properties"])
        return _is_of(schema, value)


def first_sentence(text: str) -> str:
    """Give the first sentence of a docstring, as one line."""
    return " ".join(re.split(r"(?<=[.;:])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".;:")


def _options(schema: Schema, *, nulls: bool = False) -> list[Schema]:
    """Give what a schema may be instead, null left out unless it is asked for."""
    options: list[Schema] = schema.get("anyOf") or [schema]
    return options if nulls else [each for each in options if each.get("type") != "null"]


def _tail(schema: Schema) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _is_an_id(schema: Schema) -> bool:
    (option, *_) = _options(schema)
    return bool(option.get("items", option).get("format") == "uuid")


def _is_of(schema: Schema, value: Any) -> bool:
    """Tell whether a plain value is of a schema's type and form."""
    if isinstance(value, bool):
        return schema.get("type") == "boolean"
    form = _FORMS.get(schema.get("format", ""))
    if form is not None and not (isinstance(value, str) and form.match(value)):
        return False
    return isinstance(value, _TYPES.get(schema.get("type", ""), ()))


def _id_of(name: str, within: str) -> str:
    """Make an id that is the same wherever the same record is named."""
    noun = re.sub(r"_ids?$", "", name)
    if name == "id":
        of = re.sub("(Read|Written|Copied|Made|Brief)$", "", within).lower()
        noun = {"evidence": "promise", "unwatchedcase": "case"}.get(of, of)
    digits = hashlib.sha256(noun.encode()).hexdigest()
    return f"019cadf1-{digits[:4]}-7{digits[4:7]}-8{digits[7:10]}-{digits[10:22]}"
