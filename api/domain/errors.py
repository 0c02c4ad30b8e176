"""Every refusal: its status and code, and why, in sentences a clinician can read."""

from typing import Any, ClassVar, Literal

from api.domain.lifecycles import CASE_VOIDED
from api.domain.rules.evaluate import MOST_RECORDS, MOST_RESTRICTED
from api.domain.values import Output

OAuthError = Literal[
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "unsupported_grant_type",
]
"""OAuth's words for a refusal: those of RFC 6749, 5.2, and of 4.1.2.1 for what is the server's."""


class FieldError(Output):
    """One field that could not be accepted; it never repeats what was sent."""

    pointer: str
    message: str


class Refusal(Exception):
    """A request that is not carried out; `detail` says why, in a sentence a clinician can read."""

    # each code has a page, made of the docstring, of what to do, and of an example
    status = 400
    code = "refused"
    title = "Refused"
    remedy = "The status says of which kind it is; ask whoever runs this server, by `request_id`."
    example: ClassVar[tuple[Any, ...]] = ("This request was refused.",)
    """What an example is made with."""
    error: OAuthError = "invalid_request"
    """What OAuth calls it where a token was asked for."""
    is_of_tokens = False
    """Whether it is said only where a token was asked for."""

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.errors: list[FieldError] | None = None


class Unauthorized(Refusal):
    """Nobody is signed in with this token, whatever the reason: one body for all."""

    status, code, title = 401, "unauthorized", "Not signed in"
    remedy = (
        "Sign in again at `POST /v1/auth/token`; software does so with its client id and secret. "
        "A token is valid for at most ten minutes. At a client's door: enter the code or the "
        "receipt again at `POST /door/v1/session`."
    )
    example = ()

    def __init__(
        self,
        detail: str = "Send `Authorization: Bearer` with a valid token, from POST /v1/auth/token.",
        *,
        challenge: str | None = "Bearer",
    ) -> None:
        headers = None if challenge is None else {"WWW-Authenticate": challenge}
        super().__init__(detail, headers=headers)


class InvalidGrant(Unauthorized):
    """What was shown for a token lets nobody in, whatever the reason: one body for all.

    An address with a password and a second factor, or a refresh token. OAuth has 400 for it, and
    401 only for software that does not show who it is.
    """

    status, code, title = 400, "invalid-grant", "Not signed in"
    error, is_of_tokens = "invalid_grant", True
    remedy = (
        "Let the person sign in anew with address, password and second factor. `clinic` is needed "
        "where the address is known in several. A refresh token is used once: keep the last one."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This refresh token is not known or no longer valid. Sign in again.",
    )

    def __init__(self, detail: str) -> None:
        super().__init__(detail, challenge=None)


class InvalidClient(Unauthorized):
    """Software did not show who it is, whatever the reason: one body for all."""

    code, title = "invalid-client", "Software not signed in"
    error, is_of_tokens = "invalid_client", True
    remedy = (
        "Send `client_id` and `client_secret` of a service account, in the form or by HTTP Basic. "
        "A secret ends after 90 days at the latest: the clinic's admin makes another."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This client id and secret do not match, or are no longer valid.",
    )


class Forbidden(Refusal):
    """The caller may know of this, but may not do it."""

    status, code, title = 403, "forbidden", "Not allowed"
    remedy = (
        "`detail` says why. Sending it again changes nothing: ask somebody who may, or for "
        "software the clinic's admin for the scope."
    )
    example: ClassVar[tuple[Any, ...]] = ("The role admin does not do this.",)


class SignInAgain(Forbidden):
    """What is asked for needs a recent sign-in (step-up, RFC 9470)."""

    code, title = "sign-in-again", "Recent sign-in needed"
    remedy = (
        "Let the person sign in anew with password and second factor at `POST /v1/auth/token`, "
        "and send the request again with the new token. A refreshed token is not enough."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("Sign in again first: this needs a sign-in of the last 15 minutes.")


class NotFound(Refusal):
    """There is no such record, or none that the caller may know of: the same body."""

    status, code, title = 404, "not-found", "Not found"
    remedy = (
        "Check the id and the path. Both answers are the same on purpose: whether a record exists "
        "is known only to those who may read it."
    )
    example = ()

    def __init__(self, detail: str = "There is no such record here.") -> None:
        super().__init__(detail)


class NotAcceptable(Refusal):
    """The answer is wanted in a form that is not served."""

    status, code, title = 406, "not-acceptable", "Not acceptable"
    remedy = "Ask for a form that the operation answers in; `detail` names it."
    example = ("This is served as application/fhir+json only; ask for that in Accept.",)


class Conflict(Refusal):
    """The record's present state does not allow it."""

    status, code, title = 409, "conflict", "Conflict"
    remedy = (
        "`detail` says what stands in the way. Read the record again, and decide anew. Where the "
        "same request is being carried out just now, wait as `Retry-After` says."
    )
    example: ClassVar[tuple[Any, ...]] = (CASE_VOIDED,)


class CaseFull(Conflict):
    """The case has as many records as a case takes."""

    code, title = "case-full", "Case is full"
    remedy = (
        f"A case takes {MOST_RECORDS:,} incidents, promises and consultations, and "
        f"{MOST_RESTRICTED:,} restricted ones beside them; what was voided does not count. "
        "Void what was entered in error, or open a further case for the client and go on there. "
        "What is recorded can be read, reviewed and changed as before."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "This case is full. Void what was entered in error, or go on in a further case."
        )


class Stale(Refusal):
    """Somebody changed the record since the caller read it."""

    status, code, title = 412, "stale", "Changed meanwhile"
    remedy = (
        "Read the record again, look at what changed, and send the change with the new ETag in "
        "`If-Match`. Never send it blindly: somebody's words would be lost."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("This record was changed since you read it. Read it again first.")


class NoSuchVersion(Refusal):
    """`If-Match` names a version that the record never had: nobody can have read it here."""

    status, code, title = 412, "no-such-version", "No such version"
    remedy = (
        "Read the record, and send its `ETag` in `If-Match` as it came. A tag of another record, "
        "or of another server, is none of this one."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "If-Match names a version that this record never had. Read it, and send its own ETag."
        )


class UnsupportedMediaType(Refusal):
    """The body is not of a kind this operation reads."""

    status, code, title = 415, "unsupported-media-type", "Unsupported media type"
    remedy = (
        "Send JSON with `Content-Type: application/json`; to `POST /v1/auth/token` a form with "
        "`Content-Type: application/x-www-form-urlencoded`; to `POST /v1/imports` a record a line, "
        "with `Content-Type: application/x-ndjson` or `text/csv`."
    )
    example: ClassVar[tuple[Any, ...]] = ("Send JSON, with Content-Type: application/json.",)


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed or encoded otherwise; what is sent here is read as it stands."""

    code, title = "unsupported-encoding", "Unsupported encoding"
    remedy = "Send the body as it is, without a `Content-Encoding`."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "Send the body as it is, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )


class Invalid(Refusal):
    """A field, a parameter or the whole body does not make sense, or is not known here.

    `pointer` names the place, as in `/details/kind`.
    """

    status, code, title = 422, "invalid", "Invalid request"
    remedy = (
        "`errors` names each field and says what is wrong with it; what was sent is never "
        "repeated. A field that is not known points at its parent; the known "
        "one it is like is named, or all. Put it right, and send it again."
    )
    example = ("/details/discussed", "This must be true or false.")

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__("Some of what was sent cannot be accepted; `errors` says what, and why.")
        self.errors = [FieldError(pointer=pointer, message=message)]


class InvalidTokenRequest(Invalid):
    """The form that asks for a token lacks a field, or has one that makes no sense or stands twice.

    Fields that are not known are left alone, and one without a value counts as left out.
    """

    status, code, title = 400, "invalid-request", "Invalid request"
    is_of_tokens = True
    remedy = (
        "`errors` names each field and says what is wrong with it; what was sent is never "
        "repeated. Put it right, and send it again."
    )
    example = ("/username", "This is needed to sign in this way.")


class UnsupportedGrantType(Refusal):
    """A token is asked for in a way that is not known here."""

    code, title = "unsupported-grant-type", "Unsupported grant type"
    error, is_of_tokens = "unsupported_grant_type", True
    remedy = "Send `password`, `refresh_token` or `client_credentials` as `grant_type`."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "This grant_type is not known. Send password, refresh_token or client_credentials."
        )


class InvalidScope(Refusal):
    """A token is asked for with a scope that it cannot have."""

    code, title = "invalid-scope", "Invalid scope"
    error, is_of_tokens = "invalid_scope", True
    remedy = (
        "Software asks for scopes that its service account has, or sends no `scope`, which asks "
        "for all of them. A person's token has no scopes: send none."
    )
    example: ClassVar[tuple[Any, ...]] = (
        "This software was not given every scope it asks for. Ask for fewer, or send no scope.",
    )


class PreconditionRequired(Refusal):
    """A change without saying which version is changed: one, exactly, in `If-Match`."""

    status, code, title = 428, "precondition-required", "Precondition required"
    remedy = (
        "Read the record, and send its `ETag` as `If-Match` with the change: one strong tag, in "
        "its quotes. `*` and lists (RFC 9110, 13.1.1) are not taken: they would change a version "
        "that nobody read. A weak tag never matches in `If-Match`; a proxy that compresses answers "
        "makes one of ours by writing W/ before it."
    )
    example: ClassVar[tuple[Any, ...]] = ("Send If-Match with the ETag of the version you read.",)


class TooMany(Refusal):
    """Too many attempts to sign in failed, or software asked too much in a minute."""

    status, code, title = 429, "too-many-requests", "Too many requests"
    error = "temporarily_unavailable"
    remedy = "Wait as many seconds as `Retry-After` says. Software paces itself below the limit."
    example = (42,)

    def __init__(self, seconds: int, detail: str | None = None) -> None:
        super().__init__(
            detail or "Too much was asked or tried in a while. Wait as long as Retry-After says.",
            headers={"Retry-After": str(max(1, seconds))},
        )


class Unavailable(Refusal):
    """The database cannot answer just now.

    Nothing was kept, unless it was lost in the very moment of the commit: whether that came
    through, nobody can say then. An idempotency key makes it safe to send a change again.
    """

    status, code, title = 503, "unavailable", "Unavailable"
    error = "temporarily_unavailable"
    remedy = (
        "Send it again after the seconds in `Retry-After`. A POST with an `Idempotency-Key` is "
        "carried out once, however often it is sent."
    )
    example = ()

    def __init__(self) -> None:
        super().__init__("The records cannot be reached just now. Try again in a moment.")
        self.headers = {"Retry-After": "2"}


class BadRequest(Refusal):
    """The request cannot be read at all."""

    status, code, title = 400, "bad-request", "Bad request"
    remedy = "Check how the program writes its requests: the body is cut off, or not what it says."
    example = ()

    def __init__(self) -> None:
        super().__init__("This request cannot be read; check how it is written, and send it again.")


class MethodNotAllowed(Refusal):
    """The path is known, but not with this method."""

    status, code, title = 405, "method-not-allowed", "Method not allowed"
    remedy = "`Allow` lists the methods that the path answers."
    example = ()

    def __init__(self) -> None:
        super().__init__("This path answers GET, HEAD only.")


class TooLarge(Refusal):
    """The body is larger than any body may be."""

    status, code, title = 413, "too-large", "Too large"
    remedy = "Send less at once: fewer or shorter texts, or a file of records in parts."
    example = ()

    def __init__(self) -> None:
        super().__init__(
            "A body is at most 256 KiB; an import 256 MiB and 500,000 lines, its dry run 50,000."
        )


class Failed(Refusal):
    """A mistake of this program. Its log tells which, under the `request_id`."""

    status, code, title = 500, "internal", "Something went wrong"
    error = "server_error"
    remedy = "Report the `request_id` to whoever runs this server."
    example = ()

    def __init__(self) -> None:
        super().__init__("This was our mistake. Nothing was kept.")


def every_refusal() -> dict[str, type[Refusal]]:
    """Give each kind of refusal by its code."""
    kinds = [Refusal]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds}
