"""HEAD: wherever a GET is answered, the same answer without its body, and as much a read."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from limits import RateLimitItemPerMinute
from sqlmodel import select

from api.domain.vocabulary import Scope
from api.storage.models.disclosures import Disclosure
from tests.support.readers import MOVING, headers_of, ids_of, reader, told_of
from tests.support.requests import described, tolerant
from tests.support.signing_in import signed_in_since
from tests.support.stage import staged
from tests.support.world import Person, World, software

OUTSIDE = ("/docs", "/redoc", "/redoc/redoc.standalone.js", "/openapi.json", "/metrics", "/nowhere")
"""What is answered and stands in no document; and what is not answered."""


async def assert_alike(world: World, by: Person, path: str, why: object, **options: Any) -> int:
    """Check that HEAD is answered, and journalled, as GET is; give the status."""
    got = await by.send("GET", path, **options)
    asked = await by.send("HEAD", path, **options)
    assert (asked.status_code, asked.content) == (got.status_code, b""), why
    one, other = headers_of(got), headers_of(asked)
    assert int(one["content-length"]) == len(got.content), why
    if why in MOVING:
        assert int(other.pop("content-length")) > 0
        del one["content-length"]
    assert one == other, why
    told, also = await told_of(world, got), await told_of(world, asked)
    if why in MOVING:
        told, also = ([each[:2] for each in entries] for entries in (told, also))
    assert told == also, why
    return got.status_code


async def test_every_get_is_answered_to_head_alike_and_journalled_alike(world: World) -> None:
    calls = await staged(tolerant(world), world.here)
    ids, seen = ids_of(calls), set()
    for method, template, _ in described():
        if method != "GET":
            continue
        path, by = template.format(**ids), reader(world.here, template)
        query = {"preview": "true"} if template.endswith("/export") else {}
        seen.add(await assert_alike(world, by, path, template, params=query))
        # refused in the same way, too
        seen.add(await assert_alike(world, by, path, template, params={"nobody_knows": 1}))
        seen.add(await assert_alike(world, by, path, template, headers={"Authorization": "Bearer"}))
    for path in OUTSIDE:
        await assert_alike(world, world.clinician, path, path)
    assert {200, 400, 401, 422} <= seen


async def test_no_body_of_an_answer_to_head_leaves_the_application(world: World) -> None:
    """A client and a server may hide one: so this is asked beneath both."""
    for path in ("/problems", "/docs", "/nowhere", "/redoc/redoc.standalone.js"):
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "HEAD",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("notes.test", 80),
            "client": ("127.0.0.1", 9),
            "root_path": "",
        }
        await world.app(scope, receive, send)
        start, *rest = sent
        assert start["type"] == "http.response.start"
        assert int(dict(start["headers"])[b"content-length"]) > 0
        assert [message["body"] for message in rest] == [b""] * len(rest) != []
        # a server frames the answer by its own scope
        assert scope["method"] == "HEAD"


async def test_head_answers_in_the_form_that_is_asked_for(world: World) -> None:
    await world.clinician.case()
    for path, accept, media in (
        ("/v1/cases", "text/csv", "text/csv; charset=utf-8; header=present"),
        ("/problems", "text/html", "text/html; charset=utf-8"),
        ("/fhir/EpisodeOfCare", "application/fhir+json", "application/fhir+json"),
    ):
        headers = {"Accept": accept}
        await assert_alike(world, world.clinician, path, path, headers=headers)
        answer = await world.clinician.send("HEAD", path, headers=headers)
        assert answer.headers["content-type"] == media


async def test_head_of_what_is_only_written_to_is_refused_and_told_what_is_answered(
    world: World,
) -> None:
    answer = await world.http.head("/v1/auth/token")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")
    for method in ("OPTIONS", "TRACE"):
        answer = await world.http.request(method, "/v1/me")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, PATCH")


async def test_head_of_a_copy_gives_none_and_is_a_look(world: World) -> None:
    """Who sees a copy's headers was given no copy, whichever way they ask."""
    case = await world.clinician.case()
    path = f"/v1/cases/{case['id']}/export"
    looked = await world.clinician.send("HEAD", path)
    assert (looked.status_code, looked.content) == (200, b"")
    assert looked.headers["content-disposition"].startswith("attachment")
    previewed = await world.clinician.send("GET", path, params={"preview": "true"})
    assert await told_of(world, looked) == await told_of(world, previewed) != []
    async with world.owner.transaction() as tx:
        given = select(Disclosure).where(Disclosure.case_id == UUID(case["id"]))
        assert (await tx.exec(given)).all() == []
    assert (await world.colleague.send("HEAD", path)).status_code == 404
    await signed_in_since(world, world.clinician, timedelta(minutes=15, seconds=1))
    assert (await world.clinician.send("HEAD", path)).status_code == 403


async def test_software_is_counted_for_each_head(world: World) -> None:
    hasty = await software(world, *Scope)
    with pytest.MonkeyPatch.context() as patch:
        thrice = RateLimitItemPerMinute(3, namespace="thrice")
        patch.setattr(world.app.state.throttle, "of_software", thrice)
        answers = [await hasty.send("HEAD", "/v1/rules") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"]
