"""Takes the pictures of the desk that the documentation shows.

`python -m docs.pictures` starts a demo of its own, looks at its pages with the Chromium that is
installed, and writes `docs/pictures/*.png`. What a picture shows is of this day: look at each
before it is kept.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from api.commands.demo import PASSWORD
from api.commands.demo_cases import ADA, DOROTHEA, Person

PORT = 8765
URL = f"http://127.0.0.1:{PORT}"
FOLDER = Path(__file__).parent / "pictures"
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1040, 760


@contextmanager
def demo() -> Iterator[None]:
    """Run a demo until its pages were looked at."""
    command = [sys.executable, "-m", "api", "demo", "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None  # noqa: S101 - it is piped
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield
        finally:
            process.terminate()


def sign_in(page: Page, person: Person) -> None:
    """Come to the desk as somebody."""
    page.goto(f"{URL}/desk")
    page.fill("#address", person.email)
    page.fill("#password", PASSWORD)
    page.click("button")


def keep(page: Page, name: str, *, whole: bool = False) -> None:
    """Write what is seen."""
    page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)


def of_a_supervisor(page: Page) -> None:
    """The queue, a flag, an agenda."""
    sign_in(page, DOROTHEA)
    keep(page, "queue")
    page.click(".queue h3 a")
    keep(page, "flag")
    page.goto(f"{URL}/desk/agenda")
    keep(page, "agenda")


def of_a_clinician(page: Page) -> None:
    """A case as a picture, and a form."""
    sign_in(page, ADA)
    page.goto(f"{URL}/desk/cases?client_ref=HL-0005")
    page.click("tbody a")
    page.locator(".in-time").screenshot(path=FOLDER / "case.png")
    page.get_by_role("link", name=re.compile("Report an incident")).click()
    page.get_by_role("link", name="Touch", exact=True).click()
    keep(page, "report")


def main() -> None:
    """Take them all."""
    FOLDER.mkdir(exist_ok=True)
    with demo(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for take in (of_a_supervisor, of_a_clinician):
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            take(context.new_page())
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
