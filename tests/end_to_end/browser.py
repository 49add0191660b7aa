"""Headless Chromium, and what people do in it: they look at pages, and fill in forms."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

PATIENCE = 90_000
"""Milliseconds in which a page must show what is looked for, on a busy machine."""
_TIMES = 5
"""Often enough for a person to press a button."""
_DRAWN = "document.fonts.status === 'loaded' && [...document.images].every((one) => one.complete)"
T = TypeVar("T")


class BrowserMissing(Exception):
    """There is no Chromium here."""


class Browser:
    """One window, in a thread of its own: there Playwright's event loop is in nobody's way.

    Args:
        pictures: Folder in which every screenshot is kept.
    """

    def __init__(self, pictures: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            raise BrowserMissing("no chromium on the path; Debian's package is chromium")
        pictures.mkdir(parents=True, exist_ok=True)
        self._pictures = pictures
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._playwright = self._there(lambda: sync_playwright().start())
        self._browser = self._there(
            lambda: self._playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        )
        self._window: BrowserContext = self._there(
            lambda: self._browser.new_context(viewport={"width": 1280, "height": 1000})
        )
        self._there(lambda: self._window.set_default_timeout(PATIENCE))

    def close(self) -> None:
        """End it."""
        self._there(self._browser.close)
        self._there(self._playwright.stop)
        self._thread.shutdown()

    def read(self, address: str, shows: str, picture: str, *, height: int = 1000) -> str:
        """The text of a page, once it shows some words.

        Args:
            picture: Name of the screenshot.
            height: Of the window, in dots.
        """

        def look(page: Page) -> str:
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto(address)
            page.get_by_text(shows).first.wait_for()
            page.wait_for_function(_DRAWN)  # some pages never stop asking their server
            page.screenshot(path=self._pictures / f"{picture}.png")
            return page.locator("body").inner_text()

        return self._on_a_page(look)

    def pictures_of(self, address: str, heading: str, count: int) -> list[str]:
        """What the pictures on a page show: each is drawn, and wide enough to be read.

        Args:
            count: Of the pictures; they may appear after the heading, one by one.
        """

        def look(page: Page) -> list[str]:
            page.goto(address)
            page.get_by_role("heading", name=heading).first.wait_for()
            drawn = page.locator("img[src^='data:image/png']")
            expect(drawn).to_have_count(count, timeout=PATIENCE)
            page.wait_for_function(_DRAWN)
            widths = drawn.evaluate_all("all => all.map(one => one.naturalWidth)")
            assert all(width > 1_000 for width in widths), widths
            return [str(name) for name in drawn.evaluate_all("all => all.map(one => one.alt)")]

        return self._on_a_page(look)

    def answer(self, run: str, picture: str, **fields: str) -> str:
        """Fill in the form of a suspended flow run in Prefect's present UI, and send it.

        Args:
            run: Address of the flow run's page.
            fields: By label; ``Decision`` is chosen, the rest is typed.

        Returns:
            What the form asked.
        """

        def fill(page: Page) -> str:
            form = self._form(page, run, picture)
            asked = form.inner_text()
            for label, value in fields.items():
                if label == "Decision":
                    form.get_by_role("button", name="Select").click()
                    page.get_by_role("option", name=value).click()
                else:
                    form.get_by_label(label).fill(value)
            page.screenshot(path=self._pictures / f"{picture}-filled-in.png")
            assert _sent(page, form, "Resume") == "ACCEPT"
            return asked

        return self._on_a_page(fill)

    def send_empty(self, run: str, picture: str) -> str:
        """What Prefect says to a form that is sent as it is."""
        return self._on_a_page(lambda page: _sent(page, self._form(page, run, picture), "Resume"))

    def _form(self, page: Page, run: str, picture: str) -> Locator:
        page.goto(run)
        page.get_by_role("button", name="Open menu").first.click()
        page.get_by_role("menuitem", name="Resume").click()
        form = page.get_by_role("dialog")
        form.get_by_text("go live?").wait_for()
        page.screenshot(path=self._pictures / f"{picture}-form.png")
        return form

    def answer_in_first_ui(self, run: str, picture: str, **fields: str) -> None:
        """The same in Prefect's first UI, whose fields bear no labels that a program finds."""

        def fill(page: Page) -> None:
            page.goto(run)
            page.get_by_role("button", name="Resume").click()
            form = page.get_by_role("dialog")
            form.get_by_text("go live?").wait_for()
            form.locator("button.p-select-button__control").focus()
            page.keyboard.press("ArrowDown")
            page.get_by_role("option", name=fields["Decision"]).click()
            typed = [value for label, value in fields.items() if label != "Decision"]
            for place, value in enumerate(typed):
                form.locator("textarea").nth(place).fill(value)
            page.screenshot(path=self._pictures / f"{picture}-filled-in.png")
            assert _sent(page, form, "Submit") == "ACCEPT"

        self._on_a_page(fill)

    def _on_a_page(self, what: Callable[[Page], T]) -> T:
        def there() -> T:
            page = self._window.new_page()
            try:
                return what(page)
            except Exception:
                page.screenshot(path=self._pictures / "where-it-failed.png")
                raise
            finally:
                page.close()

        return self._there(there)

    def _there(self, what: Callable[[], T]) -> T:
        return self._thread.submit(what).result()


def _sent(page: Page, form: Locator, button: str) -> str:
    """What the server says to a form: ACCEPT or REJECT.

    Where its database is locked, as SQLite's may be, the form stays and is sent again.
    """
    said = ""
    for _ in range(_TIMES):
        with page.expect_response(lambda answer: answer.url.endswith("/resume")) as answered:
            form.get_by_role("button", name=button).click()
        if answered.value.ok:
            return str(answered.value.json()["status"])
        said = f"{answered.value.status}: {answered.value.text()}"
    raise AssertionError(f"the form was never taken: {said}")
