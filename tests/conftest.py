"""What all rooms' tests share: the folder of development data, and one crawled and analysed sample for a whole test run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

import debatewatch

# A deadline would make a test fail because the machine was busy.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data beside the checkout; the test is skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("the development data (../shared/data) is not here")
    return SHARED


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `debatewatch demo` made: sample crawled over HTTP, analysed. Made once for all workers; read only."""
    base = tmp_path_factory.getbasetemp()
    # Under xdist each worker has a folder of its own below one that they share.
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "sample" / "demo"
    with FileLock(str(shared / "sample.lock")):
        if not (shared / "sample" / "done").exists():
            shutil.rmtree(shared / "sample", ignore_errors=True)
            (shared / "sample").mkdir()
            with pytest.raises(SystemExit) as ended:
                debatewatch.main(["demo", "--dir", str(folder), "--no-serve"])
            assert ended.value.code == 0
            (shared / "sample" / "done").touch()
    return folder


@pytest.fixture
def demo_db(demo_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the sample's database that the test may change, its archive beside it."""
    target = tmp_path / "demo"
    shutil.copytree(demo_folder, target)
    yield target / "debatewatch.db"
