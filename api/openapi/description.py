"""What the document says of the API as a whole, and of its parts."""

from typing import Any

from api.http.problem_details import Problem

DESCRIPTION = """
Case notes for clinicians who keep the frame of psychotherapy.

Clinicians record cases, boundary incidents, promises and requests for consultation. Rules raise
flags that say "please look"; supervisors work through the queue of flagged cases. Feelings for a
therapist are how therapy works, and are never a flag.

**Sign in** at `POST /v1/auth/token`, and send what it gives as `Authorization: Bearer …`. A person
signs in with address and password; the clinic's software with the id and secret of a service
account, and may do what its scopes name. A token is valid for at most ten minutes.

**Lists** give `items` and `next`: send it as `cursor` for the page that follows. Any list is also
written as CSV for whoever sends `Accept: text/csv`; there a `Link` header names the next page.

**Changes** carry the `ETag` of the version that was read as `If-Match`. A POST may carry an
`Idempotency-Key`: sent again within 24 hours, it is carried out once.

**Languages**: what a flag `says`, what rules ask and what words mean is told in the language that
`Accept-Language` asks for; else in that of the person, of the clinic, or in English.

**Refusals** are problem documents (RFC 9457), each with a sentence that a clinician can read. The
pages under [/problems](/problems) say for each kind what it means and what to do. Besides what is
listed with an operation, a path that is not known is 404, a method that a path does not answer is
405, and a mistake of the server is 500.
"""

REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem}}
"""Tells the framework of problem documents, which one door does for all.

Each operation's own take the place of this.
"""

TAGS = {
    "sign-in": "Tokens for people and for software, sessions, and the second factor.",
    "people": "The users of a clinic, who supervises whom, and the software that signs in.",
    "clinic": "The clinic's settings, the rules and their thresholds, and every word it uses.",
    "cases": "A case is one client's therapy with one clinician; everything else hangs on it.",
    "incidents": "One dated thing that touched the frame, as somebody told it.",
    "promises": "The ledger of what was promised to a client, and what became of it.",
    "consultations": "Asking another clinician, from the draft of a question to the answer.",
    "notes": "Clinical notes: drafts that are their author's alone, and signed notes.",
    "flags": "What the rules, or a supervisor, ask to look at: a question, never a finding.",
    "queue": "The supervisor's queue: the cases that ask for a look, the gravest first.",
    "door": "Invitations to a client's door, what was said there, and what clients are asked.",
    "the door itself": "What a client, or a minor's guardian, is told, asked and shown at the "
    "door of a case, and what they send: by the token of a visit, which a code or a receipt opens.",
    "who sees a case": "Recusals, covers, and emergency openings.",
    "copies": "Copies of a case for its client, and to whom they were given.",
    "journal": "Who did what and who read what, sealed so that nothing can be taken back.",
    "retention": "Legal holds, which keep a case from being destroyed.",
    "problems": "What each kind of refusal means, and what to do about it.",
    "health": "Whether the server lives, and whether it is ready.",
}
"""The parts of the API in reading order; a part not named here comes last, with its door's
words."""
