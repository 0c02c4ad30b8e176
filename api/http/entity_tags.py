"""Entity tags: which version of a record was read, and whether it is still the present one."""

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import Header

from api.domain.errors import NoSuchVersion, PreconditionRequired, Stale

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='The ETag of the version you read, as in `"3"`.'),
]

_TAG = r'(W/)?"([!#-~\x80-\xff]*)"'
_ONE = re.compile(_TAG).fullmatch
_SEVERAL = re.compile(rf"{_TAG}[ \t]*,").match
_VERSION = re.compile(r"[1-9]\d{0,8}", re.ASCII).fullmatch

_NONE = "Send If-Match with the ETag of the version you read."
_ANY = "`If-Match: *` names no version. Send the ETag of the version you read, in its quotes."
_LIST = "If-Match names several versions. Send the ETag of the one you read, alone."
_WEAK = "A weak tag (W/) never matches in If-Match. Send the ETag without W/, in its quotes."
_NO_TAG = 'If-Match is no entity tag. Send the ETag as it came, in its quotes, as in "3".'


def refuse_several(lines: Sequence[str]) -> None:
    """Raise 428 for `If-Match` in several header lines: they are one list (RFC 9110, 5.3)."""
    if len(lines) > 1:
        raise PreconditionRequired(_LIST)


def etag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


def check_version(version: int, if_match: str | None) -> None:
    """Compare `If-Match` with a locked row's version.

    Raises 428 where it names no one version, 412 where it names an earlier one or none there was.
    """
    named = _opaque((if_match or "").strip(" \t"))
    if named == str(version):
        return
    if _VERSION(named) and int(named) < version:
        raise Stale
    raise NoSuchVersion


def _opaque(sent: str) -> str:
    """Give what stands in the one strong tag that is sent. Raises 428 for anything else."""
    if sent in {"", "*"}:
        raise PreconditionRequired(_ANY if sent else _NONE)
    tag = _ONE(sent)
    if tag is None:
        raise PreconditionRequired(_LIST if _SEVERAL(sent) else _NO_TAG)
    weak, opaque = tag.groups()
    if weak:
        raise PreconditionRequired(_WEAK)
    return str(opaque)
