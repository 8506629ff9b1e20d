"""A real server on loopback and a real browser for the tests of this folder. Without chromium they are skipped, and say so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from db.serve import _listen, build, shipped_metadata
from tests.db.site_samples import Sample, build_sample

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Visit:
    """A browser page that notes what it asked for and what went wrong."""

    page: Any
    base: str
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Opens a path of the site and waits until nothing is being loaded any more."""
        self.page.goto(self.base + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    @property
    def elsewhere(self) -> list[str]:
        """Requests to anything but the server under test."""
        return [
            u for u in self.requests if not u.startswith(("data:", "blob:")) and urlsplit(u).hostname != "127.0.0.1"
        ]


@contextmanager
def _served(sample: Sample) -> Iterator[str]:
    import uvicorn

    listening = _listen("127.0.0.1", 8401, strict=False)
    server = uvicorn.Server(uvicorn.Config(build(sample.path, metadata=shipped_metadata()).app(), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM} (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return build_sample(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def address(sample: Sample) -> Iterator[str]:
    with _served(sample) as url:
        yield url


@pytest.fixture(scope="module")
def hostile_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _served(build_sample(tmp_path_factory.mktemp("web-hostile"), hostile=True)) as url:
        yield url


def visit(browser: Any, base: str, **options: Any) -> Visit:
    """A page with a profile of its own."""
    page = browser.new_context(**options).new_page()
    noted = Visit(page, base)
    page.on("request", lambda request: noted.requests.append(request.url))
    page.on("pageerror", lambda error: noted.problems.append(str(error)))
    page.on("console", lambda message: noted.problems.append(message.text) if message.type == "error" else None)
    return noted
