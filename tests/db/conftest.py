"""The hand-countable database of tests/db/samples.py, made once for each test session and copied for each test that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.queries import open_read
from tests.db.samples import fill


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the database; nobody writes to it."""
    return fill(tmp_path_factory.mktemp("sample") / "debate.db")


@pytest.fixture
def reading(sample: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to it."""
    with open_read(sample) as connection:
        yield connection
