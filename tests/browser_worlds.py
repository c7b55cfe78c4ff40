"""What the tests of pages in a real browser share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from media_worlds import WAIT

if TYPE_CHECKING:
    from playwright.sync_api import Page


def until(page: Page, condition: Callable[[], object]) -> None:
    """Wait for something to come true while the page goes on."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        page.wait_for_timeout(30)
