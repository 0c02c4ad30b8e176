"""axe-core, which looks for what keeps people out of pages: from npm, as it is pinned here."""

import base64
import hashlib
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

NAME = "axe-core@4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]

OF_SIGHT = ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]
"""Rules whose answer hangs on colours and on the width of the screen."""

_RUN = """async ({source, only}) => {
  if (!window.axe) { (0, eval)(source); }
  const found = await window.axe.run(document, {runOnly: only, resultTypes: ["violations"]});
  return found.violations.map(
    each => `${each.id}: ${each.nodes.map(node => node.html).slice(0, 3).join(" ")}`);
}"""


def fetch_axe(folder: Path) -> str:
    """Give the source of axe-core. Raises AssertionError for any other than the pinned package."""
    # from whichever registry npm is told to ask
    packed = subprocess.run(
        ["npm", "pack", NAME, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    )
    archive = folder / packed.stdout.split()[-1]
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert found == SHA512, f"{NAME} is not what it was: {found}"
    with tarfile.open(archive) as opened:
        member = opened.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def violations(page: Page, source: str, *, of_sight: bool = False) -> list[str]:
    """Give what is wrong with a page for whoever does not see, or not well.

    `of_sight`: of the rules that may say something else in other colours, on another screen.
    """
    only = {"type": "rule", "values": OF_SIGHT} if of_sight else {"type": "tag", "values": TAGS}
    told: Any = page.evaluate(_RUN, {"source": source, "only": only})
    return [str(each) for each in told]
