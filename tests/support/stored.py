"""What the files and rows of a database hold, read as bytes."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from tests.support.world import Urls, World

CANARY = "zqcanary4kestrel"


def spellings(word: str) -> Iterator[bytes]:
    """Give a word as it may stand in a file: plainly, in base64, in hex, in an address, in JSON."""
    raw = word.encode()
    yield raw
    yield raw.hex().encode()
    yield quote(word).encode()
    yield word.encode("unicode_escape")
    for shift in range(3):
        # the middle of its base64, wherever the word begins
        yield base64.b64encode(b"x" * shift + raw)[4:-4]
        yield base64.urlsafe_b64encode(b"x" * shift + raw)[4:-4]


def hits(stored: bytes, word: str = CANARY) -> list[bytes]:
    """Name the spellings of a word that stand in some bytes."""
    return [each for each in spellings(word) if each in stored]


async def files_of(urls: Urls, world: World) -> list[Path]:
    """Give every file that the database keeps, the write-ahead log too."""
    if urls.owner.startswith("sqlite"):
        path = Path(urls.owner.partition("///")[2])
        return [each for each in path.parent.glob(f"{path.name}*") if each.is_file()]
    async with world.owner.transaction() as tx:
        await (await tx.connection()).exec_driver_sql("CHECKPOINT")
        found = await (await tx.connection()).exec_driver_sql("SHOW data_directory")
        folder = Path(found.scalar_one())
    if not folder.is_absolute():
        folder = Path(parse_qs(urlsplit(urls.owner).query)["host"][0]) / folder
    # but for what the server copies of its own catalogue, and throws away at any moment
    every = (each for each in folder.rglob("*") if each.name != "pg_internal.init")
    return [each for each in every if each.is_file()]


async def stored(urls: Urls, world: World) -> bytes:
    """Read all that the database keeps."""
    return b"\0".join(path.read_bytes() for path in await files_of(urls, world))
