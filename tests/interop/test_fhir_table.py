"""What each search parameter is answered, of each type: played, and written down in docs/fhir.md.

    RENEW_FHIR_TABLE=1 .venv/bin/pytest --no-cov tests/interop/test_fhir_table.py

writes the page anew.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from httpx import Response

from api.interop.fhir.outcome import SERVED
from api.interop.fhir.searching import PARAMETERS
from tests.support.checkout import DOCS
from tests.support.fhir import ANSWERED, ASKED, KINDS, check
from tests.support.world import NOON, Person, Urls, made, ok, open_world

PAGE = DOCS / "fhir.md"
BEGIN, END = "<!-- what is answered: begin -->\n", "<!-- what is answered: end -->\n"
RENEW = "RENEW_FHIR_TABLE"

ROWS = (
    ("_id", "its id", "{id}"),
    ("_id", "its id in capitals, or `urn:uuid:` before it", "{ID},urn:uuid:{id}"),
    ("_id", "one that nothing has", "abc"),
    ("_id", "no id of FHIR", "a b"),
    ("_lastUpdated", "`ge1800-01-01`", "ge1800-01-01"),
    ("_lastUpdated", "`le9999-12-31T23:59:59.999+14:00`", "le9999-12-31T23:59:59.999+14:00"),
    ("_lastUpdated", "`lt0001-01-01`", "lt0001-01-01"),
    ("_lastUpdated", "`2026-02-30`, `0000` or `ap2026`", "2026-02-30", "0000", "ap2026"),
    ("patient", "the id of its case, `Patient/` before it or not", "{case}", "Patient/{case}"),
    ("patient", "the client's reference", "{reference}"),
    ("patient", "the id of no case", "Patient/00000000-0000-4000-8000-000000000000"),
    ("patient", "another type, as in `EpisodeOfCare/<case>`", "EpisodeOfCare/{case}"),
    ("patient:identifier", "our system, and its case", "urn:boundary-notes:case|{case}"),
    ("patient:identifier", "another system", "urn:other|{case}"),
    ("subject", "as `patient`", "{case}"),
    ("status", "its own", "{status}"),
    ("status", "several, with its own", "draft,registered,unknown,{status}"),
    ("status", "one that no row has, of R4 or not", "unknown", "amended", "ended"),
    ("code", "its own", "{code}"),
    ("code", "another", "abc"),
    ("date", "`ge1800-01-01`", "ge1800-01-01"),
    ("date", "`ge9999-12-31`", "ge9999-12-31"),
    ("date", "`2026-13` or `0000`", "2026-13", "0000"),
    ("target", "what it is of", "{target}"),
    ("target", "another record, of whatever type", "Observation/abc", "Patient/1"),
    ("target", "no reference", "Observation/", "*"),
    ("url", "its own", "{url}"),
    ("url", "another", "urn:other"),
    ("version", "its own", "1"),
    ("version", "another", "2", "x"),
    ("_count", "5, or 5000", "5", "5000"),
    ("_count", "0", "0"),
)  # fmt: skip
"""A parameter, what is asked for, and how: each of several is answered alike."""

REFUSED = (
    "_sort", "_include", "_revinclude", "_summary", "_elements", "_total", "_has", "_text",
    "_content", "_filter", "_query", "identifier", "encounter", "name", "status:not",
)  # fmt: skip
"""What others may know, and is refused here."""

DEFINED = {"StructureDefinition", "CodeSystem"}
FINDS, NOTHING = "✓", "∅"


@dataclass
class Asked:
    """One resource of each type: who finds it, and what stands in it."""

    by: Person
    kind: str
    known: dict[str, str]
    among: dict[str, str] = field(default_factory=dict)
    """Asked with each: of the journal, what was there before; each question leaves an entry."""

    async def answers(self, name: str, *values: str) -> str:
        """Say what comes, by GET and by POST; it must be the same for each value."""
        said = set()
        for value in values:
            asked = {**self.among, name: value.format(**self.known)}
            path = f"/fhir/{self.kind}"
            said |= {
                await self._said(await self.by.send("GET", f"{path}?{urlencode(asked)}")),
                await self._said(await self.by.send("POST", f"{path}/_search", data=asked)),
                await self._said(await self.by.send("POST", f"{path}/_search", params=asked)),
            }
        assert len(said) == 1, (self.kind, name, values, said)
        return said.pop()

    async def _said(self, answer: Response) -> str:
        check(answer.json())
        while answer.status_code == 200:
            bundle = ok(answer)
            entries = bundle.get("entry", ())
            if any(entry["resource"]["id"] == self.known["id"] for entry in entries):
                return FINDS
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            if "next" not in links:
                assert not entries, (self.kind, "others are found, and it is not")
                return NOTHING
            answer = await self.by.send("GET", links["next"])
        return str(answer.status_code)


@pytest.fixture
async def every_type(sqlite_urls: Urls) -> AsyncIterator[list[Asked]]:
    """One resource of each type that is served."""
    async with open_world(sqlite_urls, NOON) as world:
        me, officer = world.clinician, world.here["privacy_officer"]
        case = await me.case(client_ref="HL-0007")
        noted = await me.incident(case, "risk", **KINDS["risk"])
        await me.promise(case, keepable="no")
        made(await me.post(f"/v1/cases/{case['id']}/consultations", ASKED))
        made(await me.post(f"/v1/cases/{case['id']}/responses", ANSWERED))
        world.clock.forward(seconds=1)
        asked = []
        for kind in SERVED:
            by = officer if kind == "AuditEvent" else me
            entries = ok(await by.get(f"/fhir/{kind}"))["entry"]
            # the journal's oldest tells of the case; of the others, whichever comes
            resource = entries[-1]["resource"]
            if kind == "Provenance":
                entries = [e for e in entries if e["resource"]["id"] == noted["id"]]
                (resource,) = (each["resource"] for each in entries)
            coding = resource.get("code", {}).get("coding", [{"code": "abc"}])
            known = {
                "id": resource["id"],
                "ID": resource["id"].upper() if kind not in DEFINED else resource["id"],
                "case": case["id"],
                "reference": case["client_ref"],
                "status": resource.get("status", "active"),
                "code": coding[0]["code"],
                "target": f"Observation/{noted['id']}",
                "url": resource.get("url", "urn:other"),
            }
            among = {"date": f"lt{world.clock.now.isoformat()}"} if kind == "AuditEvent" else {}
            asked.append(Asked(by, kind, known, among))
        yield asked


async def table_of(every_type: list[Asked]) -> str:
    """Play every parameter, and write down what came."""
    rows = [("parameter", "asked for", *(each.kind for each in every_type))]
    rows.append(tuple("---" for _ in rows[0]))
    for name, what, *values in ROWS:
        cells = [await each.answers(name, *values) for each in every_type]
        rows.append((f"`{name}`", what, *cells))
    for name in REFUSED:
        cells = [await each.answers(name, "1") for each in every_type]
        assert set(cells) == {"400"}, name
    rows.append((", ".join(f"`{name}`" for name in REFUSED), "anything", *cells))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


async def test_the_page_says_what_each_parameter_is_answered(every_type: list[Asked]) -> None:
    assert {name for name, *_ in ROWS} >= set(PARAMETERS)
    played = await table_of(every_type)
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    written, after = rest.split(END)
    if os.environ.get(RENEW):
        PAGE.write_text(f"{before}{BEGIN}{played}{END}{after}")
        return
    assert written == played, f"renew it: {RENEW}=1 .venv/bin/pytest --no-cov {__file__}"
