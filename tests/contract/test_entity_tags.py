"""Which version a change is of: one tag, in its quotes, and what is said of any other."""

from typing import Any

import pytest

from api.domain.errors import NoSuchVersion, PreconditionRequired, Refusal, Stale
from api.http.entity_tags import check_version, etag
from tests.support.world import World, ok

NOT_ONE = {
    "": "Send If-Match with the ETag of the version you read.",
    "*": "`If-Match: *` names no version. Send the ETag of the version you read, in its quotes.",
    '"3", "2"': "If-Match names several versions. Send the ETag of the one you read, alone.",
    'W/"3"': "A weak tag (W/) never matches in If-Match. Send the ETag without W/, in its quotes.",
    "3": 'If-Match is no entity tag. Send the ETag as it came, in its quotes, as in "3".',
}
"""What is sent, and what is said of it: each is 428."""


@pytest.mark.parametrize(("sent", "detail"), NOT_ONE.items())
def test_what_names_no_one_version_is_told_how_to(sent: str, detail: str) -> None:
    with pytest.raises(PreconditionRequired) as refused:
        check_version(3, sent)
    assert refused.value.detail == detail


def test_what_is_no_tag_is_told_apart_from_tags() -> None:
    for sent in ("'3'", '"3', '3"', "W/3", 'w/"3"', '"3"x', "null", '""3""', '"3" "3"', "\u0663"):
        with pytest.raises(PreconditionRequired, match="no entity tag"):
            check_version(3, sent)
    for sent in ('W/"1","3"', '"3" , "3"', '"3",', '"3", x'):
        with pytest.raises(PreconditionRequired, match="several"):
            check_version(3, sent)


def test_a_tag_is_of_this_version_of_an_earlier_one_or_of_none() -> None:
    check_version(3, etag(3))
    check_version(3, ' \t"3"\t ')
    said: dict[str, type[Refusal]] = {
        '"2"': Stale,
        '"1"': Stale,
        '"0"': NoSuchVersion,
        '"4"': NoSuchVersion,
        '"03"': NoSuchVersion,
        '"-1"': NoSuchVersion,
        '""': NoSuchVersion,
        '"\xff"': NoSuchVersion,
        '"1e0"': NoSuchVersion,
        f'"{"9" * 5000}"': NoSuchVersion,
    }
    for sent, kind in said.items():
        with pytest.raises(kind) as refused:
            check_version(3, sent)
        assert type(refused.value) is kind
        assert refused.value.status == 412


async def test_nothing_is_changed_and_only_an_old_version_was_changed_since(world: World) -> None:
    by = world.clinician
    case = await by.case()
    path = f"/v1/cases/{case['id']}"
    ok(await by.patch(path, {"phase": "unknown"}))

    async def said(tag: str) -> tuple[int, str, str]:
        headers: Any = {"If-Match": tag}
        answer = await by.send("PATCH", path, json={"status": "paused"}, headers=headers)
        told = answer.json()
        return answer.status_code, told["type"].rpartition(":")[2], told["detail"]

    for tag, detail in NOT_ONE.items():
        assert await said(tag) == (428, "precondition-required", detail)
    status, code, detail = await said('"7"')
    assert (status, code) == (412, "no-such-version")
    assert "changed" not in detail
    status, code, detail = await said('"1"')
    assert (status, code) == (412, "stale")
    assert "changed" in detail
    assert ok(await by.get(path))["status"] == "active"


async def test_several_lines_of_a_header_are_a_list(world: World) -> None:
    by = world.clinician
    case = await by.case()
    token = await world.token_of(by)
    for lines in (['"1"', '"0"'], ['"0"', '"1"'], ['"1"', '"1"']):
        headers = [("Authorization", f"Bearer {token}"), *(("If-Match", each) for each in lines)]
        answer = await world.http.request(
            "PATCH", f"/v1/cases/{case['id']}", json={"status": "paused"}, headers=headers
        )
        assert ok(answer, 428)["detail"] == NOT_ONE['"3", "2"']
    assert ok(await by.get(f"/v1/cases/{case['id']}"))["version"] == 1
