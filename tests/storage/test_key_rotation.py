"""Keys are changed while the clinic works: no text is written anew, and every word is read on."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from api.commands.key_rotation import rotate
from api.records.software_secrets import live_secrets
from api.security.base64url import decode
from api.security.crypto import KeyEncryptionKeys, WrongKeyError, new_key
from api.storage import keyring as keyrings
from api.storage.database import Database
from api.storage.key_check import names_in_use
from api.storage.keyring import REMEMBERED, Keyring
from api.storage.models.clinical import Case, Promise
from api.storage.models.integration import WebhookSecret
from api.storage.models.people import ClinicKey, User
from tests.support.migrated import Migrated, both_urls, empty_url
from tests.support.world import DATA_KEY, NOON, SETTINGS, World, made, ok, open_world, promise

pytestmark = pytest.mark.both_databases

__all__ = ["empty_url"]


@pytest.fixture
async def alone(empty_url: str) -> AsyncIterator[World]:
    """A world on a database of its own: a change of keys is about all of it."""
    await Migrated(empty_url).to("head")
    async with open_world(await both_urls(empty_url), NOON) as opened:
        yield opened


async def stored(world: World) -> dict[str, Any]:
    """Give what the database keeps of the texts and of the keys."""
    async with world.owner.transaction() as tx:
        connection = await tx.connection()
        rows = {
            "wording": select(col(Promise.id), col(Promise.wording)),
            "totp": select(col(User.id), col(User.totp_secret)),
            "secret": select(col(WebhookSecret.id), col(WebhookSecret.secret)),
            "text_key": select(col(Case.id), col(Case.text_key)),
            "wrapped": select(col(ClinicKey.id), col(ClinicKey.wrapped)),
        }
        bare = {name: str(statement) for name, statement in rows.items()}
        return {
            name: set(map(tuple, await connection.exec_driver_sql(sql)))
            for name, sql in bare.items()
        }


async def change(world: World, keys: KeyEncryptionKeys, *, clinic_keys: bool) -> list[Any]:
    """Change the keys as the command does; give how far it said to be."""
    url = world.owner.engine.url.render_as_string(hide_password=False)
    database = Database(url, keys=keys, pool_size=1, clock=world.clock)
    try:
        return [step async for step in rotate(database, clinic_keys=clinic_keys)]
    finally:
        await database.dispose()


@pytest.mark.parametrize("clinic_keys", [False, True])
async def test_every_word_stays_readable_while_keys_change(alone: World, clinic_keys: bool) -> None:
    me, old = alone.clinician, SETTINGS.data_keys
    assert old is not None
    case = await me.case(client_ref="B-17")
    told = await me.promise(case, wording="as it was told")
    secret = ok(await me.post("/v1/me/totp"))["secret"]
    body = {"name": "Diary", "url": "https://diary.example/events", "events": ["flag.*"]}
    hook = made(await alone.admin.post("/v1/webhooks", body))
    fresh = new_key()
    both = KeyEncryptionKeys([fresh, decode(DATA_KEY.get_secret_value())])
    # a server that runs with both, and has the clinic's keys in its memory
    alone.database.keyring = Keyring(both)
    assert ok(await me.get(f"/v1/promises/{told['id']}"))["wording"] == "as it was told"
    before = await stored(alone)
    steps = await change(alone, both, clinic_keys=clinic_keys)
    assert steps == [(done, 2) for done in range(3)]
    after = await stored(alone)
    assert after["wording"] == before["wording"]
    assert (after["text_key"] == before["text_key"]) is not clinic_keys
    assert (after["secret"] == before["secret"]) is not clinic_keys
    assert (after["totp"] == before["totp"]) is not clinic_keys
    assert not after["wrapped"] & before["wrapped"]
    only = KeyEncryptionKeys([fresh])
    async with alone.database.transaction() as tx:
        assert await names_in_use(tx) == only.names
    for keyring in (alone.database.keyring, Keyring(only)):
        alone.database.keyring = keyring
        assert ok(await me.get(f"/v1/promises/{told['id']}"))["wording"] == "as it was told"
        assert len(ok(await me.get("/v1/cases", client_ref="B-17"))["items"]) == 1
        made(await me.post(f"/v1/cases/{case['id']}/promises", promise(alone)))
        async with alone.database.transaction() as tx:
            await tx.enter(me.clinic_id)
            hook_id = UUID(hook["id"])
            (signs,) = (await live_secrets(tx, WebhookSecret, [hook_id]))[hook_id]
        assert signs.secret == hook["secret"]
    assert secret
    alone.database.keyring = Keyring(old)
    assert (await me.get(f"/v1/promises/{told['id']}")).status_code == 500


async def test_what_is_done_already_is_left_alone(alone: World) -> None:
    await alone.clinician.case()
    assert SETTINGS.data_keys is not None
    before = await stored(alone)
    await change(alone, SETTINGS.data_keys, clinic_keys=False)
    assert await stored(alone) == before


def test_without_a_data_key_nothing_is_wrapped_or_opened() -> None:
    with pytest.raises(WrongKeyError, match="no data key"):
        Keyring(None).forge(uuid4(), NOON)
    with pytest.raises(WrongKeyError, match="no keys"):
        Keyring(SETTINGS.data_keys).unlock(uuid4(), [])
    for wrong in ([], [b"short"], [new_key(), b""]):
        with pytest.raises(ValueError, match="32 bytes"):
            KeyEncryptionKeys(wrong)


def test_the_key_of_a_case_is_remembered_for_some_minutes_by_what_is_kept_of_it() -> None:
    time = 0.0
    keyring = Keyring(KeyEncryptionKeys([new_key()]), lambda: time)
    clinic_id, case_id = uuid4(), uuid4()
    keys = keyring.unlock(clinic_id, keyring.forge(clinic_id, NOON))
    _, wrapped = keys.new_case_key(case_id)
    known = keyring.case_key(keys, case_id, wrapped)
    assert keyring.case_key(keys, case_id, wrapped) is known
    _, other = keys.new_case_key(case_id)
    assert keyring.case_key(keys, case_id, other) is not known
    with pytest.raises(WrongKeyError):
        # of another case it opens nothing, remembered or not
        keyring.case_key(keys, uuid4(), wrapped)
    time = REMEMBERED
    assert keyring.case_key(keys, case_id, wrapped) is not known
    assert [name for name, _ in keyring._of_cases] == [case_id]
    known = keyring.case_key(keys, case_id, wrapped)
    keyring.unlock(clinic_id, keyring.forge(clinic_id, NOON))
    assert keyring._of_cases == {}


def test_no_more_keys_are_remembered_than_were_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyrings, "MOST_REMEMBERED", 2)
    keyring = Keyring(KeyEncryptionKeys([new_key()]))
    clinic_id = uuid4()
    keys = keyring.unlock(clinic_id, keyring.forge(clinic_id, NOON))
    cases = [uuid4() for _ in range(3)]
    for case_id in cases:
        keyring.case_key(keys, case_id, keys.new_case_key(case_id)[1])
    assert [case_id for case_id, _ in keyring._of_cases] == cases[1:]
