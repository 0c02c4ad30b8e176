"""Where links begin: at the address that is set, else at the name that a request asks for."""

from typing import Any

import pytest
from fastapi import FastAPI

from api.main import furnish
from api.runtime.settings import Settings
from api.storage.database import utc_now
from tests.support.world import SETTINGS_SECRET, World, ok


async def test_links_begin_with_the_public_address_whatever_name_was_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.app.state, "public_url", "https://notes.example/here")
    case = await world.clinician.case()
    patient = "https://notes.example/here/fhir/Patient/" + case["client_ref"]
    foreign = {"Host": "elsewhere.example"}
    for path, params in (
        ("/fhir/EpisodeOfCare", None),
        ("/fhir/EpisodeOfCare", {"patient": patient}),
        (f"/fhir/EpisodeOfCare/{case['id']}", None),
        ("/fhir/metadata", None),
    ):
        answer = await world.clinician.send("GET", path, params=params, headers=foreign)
        ok(answer)
        assert "elsewhere.example" not in answer.text, path
        if "/" not in path.removeprefix("/fhir/") and path != "/fhir/metadata":
            assert "https://notes.example/here/fhir/EpisodeOfCare" in answer.text


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        (None, None),
        ("https://notes.example", "https://notes.example"),
        ("https://notes.example/", "https://notes.example"),
        ("http://[::1]:8000/notes/", "http://[::1]:8000/notes"),
        ("notes.example", ValueError),
        ("https://", ValueError),
        ("https://somebody@notes.example", ValueError),
        ("https://notes.example/?a=b", ValueError),
        ("javascript:alert(1)", ValueError),
    ],
)
def test_a_public_address_is_one_of_the_web(url: str | None, begins: Any) -> None:
    if begins is ValueError:
        with pytest.raises(ValueError, match="public_url"):
            Settings(secret_key=SETTINGS_SECRET, public_url=url)
        return
    app = FastAPI()
    furnish(app, Settings(secret_key=SETTINGS_SECRET, public_url=url), utc_now)
    assert app.state.public_url == begins
