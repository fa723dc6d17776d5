"""Somebody in front of a browser."""

from __future__ import annotations

import json

from playwright.sync_api import BrowserContext, Page, expect


class Visitor:
    """One page, and what broke in it."""

    def __init__(self, context: BrowserContext, key: str | None) -> None:
        """Without a `key` the page asks who is there."""
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if "Content Security" in said.text else None,
        )
        if key is not None:
            self.page.add_init_script(f"sessionStorage.setItem('actverse.key', {json.dumps(key)})")

    def shot(self, path: str | None, *, whole: bool = False) -> None:
        """A picture for the docs, where somebody wants one; `whole`: of what is scrolled too."""
        if path:
            self.page.screenshot(path=path, full_page=whole)

    def registers(self, name: str) -> None:
        """A new account, in the dialog that asks who is there."""
        self.page.click("#register")
        self.page.fill("#user", name)
        self.page.fill("#email", f"{name}@example.org")
        self.page.fill("#password", "seven green herons")
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#who")).to_have_text(name)
