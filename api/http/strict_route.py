"""How a request is read: strict JSON, known parameters, media types, a key of its own."""

import codecs
import json
import math
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.domain.errors import Invalid, UnsupportedEncoding, UnsupportedMediaType
from api.http.csv_lists import (
    CSV,
    MEDIA_TYPE,
    Columns,
    link_to_next,
    list_columns,
    prefers_csv,
    write_csv,
)
from api.http.direct_calls import DirectCall
from api.http.entity_tags import refuse_several
from api.http.field_errors import (
    BYTE_ORDER_MARK,
    DEEPEST,
    HALF_A_CHARACTER,
    NAMED_TWICE,
    NOT_FINITE,
    NOT_JSON,
    NOT_UTF8,
    NUL,
    SEND_ONCE,
    TOO_DEEP,
    TOO_MANY_DIGITS,
    names_of,
    unknown,
)

KEY = "Idempotency-Key"
"""The header that lets a request be sent again without being carried out again."""

_KEY_POINTER = f"/header/{KEY}"
_KEY_SCHEMA = {"type": "string", "pattern": "^[!-~]{1,200}$"}
_IS_A_KEY = re.compile(r"[!-~]{1,200}").fullmatch
_KEY_PARAMETER = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": "A word of your own for this request, new for each. Sent again with the same "
    "body within 24 hours, nothing is done again: the answer shows the same record, as you may "
    "see it now. With another body it is refused (422).",
    "schema": _KEY_SCHEMA,
}

_UNREADABLE = "\ufffd"
"""What stands in a text for bytes that were not UTF-8; or for itself."""

_FORM = "application/x-www-form-urlencoded"
_OF_EITHER = ("Vary", "Content-Language")
"""The headers that a list has as JSON and as CSV alike."""

Pairs = Sequence[tuple[str, str]]
"""Names and what was sent under them."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
MayAnswer = Callable[[Request], Coroutine[Any, Any, Response | None]]


class _StrictRequest(Request):
    """A request whose JSON holds only what JSON and both databases can hold."""

    async def json(self) -> Any:
        """Parse the body. Raises a validation error for anything that is not plain JSON."""
        if not hasattr(self, "_json"):
            self._json = strict_json(await self.body())
        return self._json


def by_its_name(route: APIRoute) -> str:
    """Tell an operation apart by its function's name: no two are alike."""
    return route.name


class StrictRoute(APIRoute):
    """A route that refuses unknown query parameters and bodies that are not strict JSON.

    Its POSTs may be sent again with the same idempotency key, and are carried out once. Where it
    answers with a list, it also writes it as CSV, for whoever asks for that.
    """

    takes_no_key: ClassVar[str | None] = None
    """Why its POSTs take no key for themselves; None: they take one."""
    several: ClassVar[frozenset[str]] = frozenset()
    """The parameters that may be sent more than once."""
    form_is_needed: ClassVar[bool] = True
    """Whether what takes a form refuses to be sent without any body."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["generate_unique_id_function"] = by_its_name
        super().__init__(path, endpoint, **options)
        if self.takes_no_key is None and "POST" in (self.methods or ()):
            self.openapi_extra = {"parameters": [_KEY_PARAMETER]}
        self.directly = self._without_the_framework()
        if list_columns(self.response_model):
            as_csv = {"content": {CSV: {"schema": {"type": "string"}}}}
            self.responses = {**self.responses, 200: as_csv}

    def get_route_handler(self) -> Handler:
        """Wrap the ordinary handler with the checks that come before it."""
        handle = super().get_route_handler()
        known = _query_names(self.dependant)
        takes_form = _is_form(self.dependant)
        in_form = _form_names(self.dependant) if takes_form else frozenset()
        field = self.body_field
        takes_json = field is not None and not takes_form
        may_be_absent = field is not None and not field.field_info.is_required()
        columns = list_columns(self.response_model)

        async def strictly(request: Request) -> Response:
            _refuse_unknown_parameters(request, known, self.several)
            if request.method == "POST":
                _refuse_other_keys(request, self.takes_no_key)
            elif request.method != "GET":
                refuse_several(request.headers.getlist("If-Match"))
            strict = _StrictRequest(request.scope, request.receive)
            if takes_json and not (may_be_absent and not await strict.body()):
                _refuse_other_media(request)
                if may_be_absent:
                    _refuse_null(await strict.body())
            if takes_form and (self.form_is_needed or not await _says_nothing(strict)):
                await _refuse_other_forms(strict, in_form, self.several)
            answer = await handle(strict)
            return _in_the_form_asked_for(request, answer, columns) if columns else answer

        return strictly

    def _without_the_framework(self) -> MayAnswer | None:
        """Give what answers it straight away, None where that cannot be; see `DirectCall`."""
        call = DirectCall.of(self)
        if call is None:
            return None
        known = _query_names(self.dependant)
        columns = list_columns(self.response_model)

        async def directly(request: Request) -> Response | None:
            _refuse_unknown_parameters(request, known, self.several)
            answer = await call.answer(request)
            if answer is None or not columns:
                return answer
            return _in_the_form_asked_for(request, answer, columns)

        return directly


class OneTimeRoute(StrictRoute):
    """A route whose answers cannot be shown again: tokens, secrets, codes."""

    takes_no_key = "What this answers is shown once; it takes no such key."


class LookingRoute(StrictRoute):
    """A route whose POSTs only look: sent again, they look again."""

    takes_no_key = "This changes nothing, however often it is sent; it takes no such key."


class LinesRoute(StrictRoute):
    """A route that takes lines, each of which has a key of its own and is taken once."""

    takes_no_key = "Each line has a key of its own; the file as a whole takes none."


def _refuse_other_keys(request: Request, why_none: str | None) -> None:
    keys = request.headers.getlist(KEY)
    if not keys:
        return
    if why_none is not None:
        raise Invalid(_KEY_POINTER, why_none)
    if len(keys) > 1 or not _IS_A_KEY(keys[0]):
        raise Invalid(_KEY_POINTER, "A key is 1 to 200 visible ASCII characters, sent once.")


def _in_the_form_asked_for(request: Request, answer: Response, columns: Columns) -> Response:
    """Give a list as JSON, or as CSV; what the operation did, it has done already."""
    answer.headers["Vary"] = ", ".join(["Accept", *answer.headers.getlist("Vary")])
    if not prefers_csv(",".join(request.headers.getlist("accept"))):
        return answer
    page = json.loads(bytes(answer.body))
    written = Response(write_csv(page["items"], columns), media_type=MEDIA_TYPE)
    written.headers.update({n: answer.headers[n] for n in _OF_EITHER if n in answer.headers})
    if page["next"] is not None:
        query = request.scope["query_string"].decode()
        written.headers["Link"] = link_to_next(request.url.path, query, page["next"])
    return written


def strict_json(body: bytes) -> Any:
    """Parse JSON that every reader and both databases take alike.

    Raises JSONDecodeError, with a sentence that says why, for anything else.
    """
    try:
        # json.loads guesses the encoding of bytes; JSON is UTF-8 (RFC 8259)
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise not_json(_why_not(error, body)) from error
    _refuse_what_cannot_be_kept(value)
    return value


def not_json(why: str) -> json.JSONDecodeError:
    """Refuse a body without repeating any of it: FastAPI makes a 422 of this, a 400 of others."""
    return json.JSONDecodeError(why, "", 0)


class _Unlike(ValueError):
    """What is written as JSON is, and is not taken; the message is one of ours."""


def _why_not(error: Exception, body: bytes) -> str:
    if isinstance(error, _Unlike):
        return str(error)
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, UnicodeDecodeError):
        return NOT_UTF8
    if body.startswith(codecs.BOM_UTF8):
        return BYTE_ORDER_MARK
    # Python reads no number of more than some thousand digits
    return NOT_JSON if isinstance(error, json.JSONDecodeError) else TOO_MANY_DIGITS


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Unlike(NAMED_TWICE)
    return members


def _refuse_constant(_name: str) -> None:
    raise _Unlike(NOT_FINITE)


def _refuse_what_cannot_be_kept(value: Any) -> None:
    """Walk a parsed body without recursion: depth, infinite numbers, half characters, NUL."""
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str):
                _refuse_half_characters(item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise not_json(NOT_FINITE)
        level = below
    raise not_json(TOO_DEEP)


def _refuse_half_characters(text: str) -> None:
    if "\x00" in text or (not text.isprintable() and _has_surrogate(text)):
        raise not_json(HALF_A_CHARACTER)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse_unknown_parameters(
    request: Request, known: frozenset[str], several: frozenset[str]
) -> None:
    if not request.scope["query_string"]:
        return
    query = request.query_params
    for name in query:
        if name not in known:
            raise _unknown_parameter(name, known)
    _refuse_what_is_sent(
        query.multi_items(), request.scope["query_string"], known, several, "/query"
    )


def _unknown_parameter(name: str, known: frozenset[str]) -> Invalid:
    bare, mark, _ = name.partition(":")
    if mark and bare in known:
        # FHIR's way to ask for something else: who leaves it out asks the opposite
        taken = [each for each in known if each.startswith(f"{bare}:")]
        but = "no modifier" if not taken else f"this alone with one: `{taken[0]}`"
        return Invalid(f"/query/{bare}", f"This takes {but}; ask for it otherwise.")
    return Invalid("/query", unknown(name, known, "parameter"))


def _refuse_what_is_sent(
    sent: Pairs, written: bytes, known: frozenset[str], several: frozenset[str], where: str
) -> None:
    """Refuse what is sent twice, and texts that cannot be read: nothing would be found by them."""
    seen: set[str] = set()
    doubtful = False
    for name, value in sent:
        if name in seen and name not in several:
            raise Invalid(_pointer(where, name, known), SEND_ONCE)
        seen.add(name)
        if "\x00" in value:
            raise Invalid(_pointer(where, name, known), NUL)
        if _UNREADABLE in value:
            doubtful = True
    # as itself that character may be sent; read once, however often it stands there
    for name in _that_are_no_text(written) if doubtful else ():
        raise Invalid(_pointer(where, name, known), NOT_UTF8)


def _pointer(where: str, name: str, known: frozenset[str]) -> str:
    """Point at what was sent under a name; one that is not known is not said again."""
    return f"{where}/{name}" if name in known else where


def _that_are_no_text(written: bytes) -> Iterator[str]:
    """Name what was sent that is not UTF-8, as the bytes themselves say; they are read once."""
    pairs = parse_qsl(written.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    return (name for name, value in pairs if _has_surrogate(value))


def media_of(request: Request) -> str:
    """Give what kind of body is sent. Raises 415 for one that is compressed, which nobody reads."""
    codings = ",".join(request.headers.getlist("content-encoding")).split(",")
    if not {each.strip().lower() for each in codings} <= {"", "identity"}:
        raise UnsupportedEncoding
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _says_nothing(request: Request) -> bool:
    """Tell whether no body was sent, and none was announced."""
    announced = {"content-type", "content-encoding"} & set(request.headers.keys())
    return not announced and not await request.body()


def charset_of(request: Request) -> str | None:
    """Give the charset that a body is declared to be of."""
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    return header.get_content_charset() or None


async def _refuse_other_forms(
    request: Request, known: frozenset[str], several: frozenset[str]
) -> None:
    if media_of(request) != _FORM:
        raise UnsupportedMediaType(f"Send a form: {_FORM}.")
    # read as a whole first: it is asked for again where something in it cannot be read
    written = await request.body()
    form = await request.form()
    sent = [(name, str(value)) for name, value in form.multi_items()]
    _refuse_what_is_sent(sent, written, known, several, "")


def _refuse_other_media(request: Request) -> None:
    if media_of(request) != "application/json":
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")


def _refuse_null(body: bytes) -> None:
    """Refuse what the framework would take for a body that was left out."""
    if body.strip() == b"null":
        raise Invalid("", "Send an object, or no body at all.")


def _query_names(dependant: Dependant) -> frozenset[str]:
    """Name the parameters that an operation takes in its address."""
    names = {name for field in dependant.query_params for name in _sent_names(field)}
    return frozenset(names).union(*(_query_names(inner) for inner in dependant.dependencies))


def _form_names(dependant: Dependant) -> frozenset[str]:
    names = {name for field in dependant.body_params for name in _sent_names(field)}
    return frozenset(names).union(*(_form_names(inner) for inner in dependant.dependencies))


def _sent_names(field: Any) -> list[str]:
    """Name what is sent for a parameter: the fields of a schema each, else itself."""
    return names_of(field.field_info.annotation) or [field.alias]


def _is_form(dependant: Dependant) -> bool:
    return any(type(field.field_info).__name__ == "Form" for field in dependant.body_params)
