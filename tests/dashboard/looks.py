"""What every page must look like."""

from __future__ import annotations

from playwright.sync_api import Page


def fits(page: Page) -> None:
    """Nothing is wider than the window. Waits, since charts follow a change of the window when the browser has time."""
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
