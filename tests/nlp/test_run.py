"""The analysis: every step does what is new, once, whoever reads and however often it is killed; failures are rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.models import Article, InputError, SourceRow, StoreError
from db.store import Store
from nlp import run as analysis
from nlp.debate import load_debate
from nlp.encoder import describe
from nlp.reader import Reader, ReadFailure, Reading, ReadInput
from nlp.run import STEPS, analyze
from nlp.stance import StanceModel

ROOT = Path(__file__).parents[2]
DEBATE = load_debate()
PARAGRAPHS = (
    'Yann LeCun argued that open models make AI safer because many people can inspect them. "Share it," Priya Raman said.',
    "Senator Marian Holt said that releasing model weights hands weapons to terrorists, and nobody can recall the file.",
    "Daniel Achterberg, a researcher, warned that open weights help malicious actors misuse AI and cannot be recalled.",
    "Amara Lindqvist said that advanced AI models should be released openly so that anybody can study and mend them.",
)


def _article(number: int, language: str | None = "en", text: str | None = None) -> Article:
    body = (
        text if text is not None else f"{PARAGRAPHS[number % 4]}\n\nThe hearing number {number} was held on a Tuesday."
    )
    return Article(
        url=f"https://example.org/{number}",
        title=f"Models, part {number}",
        text=body,
        published_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number),
        language=language,
    )


def _fill(path: Path, articles: list[Article]) -> Path:
    with Store.open(path) as store:
        store.add_source(SourceRow("s", "S", "https://example.org/", "feed"))
        run_id = store.start_run("crawl", "1")
        for article in articles:
            store.save_article(run_id, "s", article)
        store.finish_run(run_id, "done")
    return path


QUERIES = {
    "mentions": 'SELECT document_id, actor_id, name, type, start, "end" FROM mentions ORDER BY id',
    "statements": """SELECT id, document_id, start, "end", text, speaker_name, actor_id, kind, rule, side, score
                     FROM statements ORDER BY id""",
    "positions": "SELECT statement_id, proposition_id, stance, score FROM positions ORDER BY statement_id, proposition_id",
    "topics": "SELECT id, label, keywords, size, centroid FROM topics WHERE ended_run_id IS NULL ORDER BY id",
    "document_topics": "SELECT document_id, topic_id, score FROM current_document_topics ORDER BY 1",
    "changes": "SELECT speaker_name, proposition_id, before, after, changed_at FROM position_changes ORDER BY id",
    "terms": 'SELECT document_id, term_id, start, "end", model_id, denied FROM term_uses ORDER BY id',
    "steps": "SELECT document_id, step, version, status FROM document_steps ORDER BY 1, 2",
}


def _rows(path: Path) -> Mapping[str, list[tuple[object, ...]]]:
    with Store.open(path) as store:
        return {name: store.db.conn.execute(sql).fetchall() for name, sql in QUERIES.items()}


def _query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with Store.open(path) as store:
        return store.db.conn.execute(sql).fetchall()


@pytest.fixture(scope="module")
def articles() -> list[Article]:
    return [_article(n) for n in range(10)] + [_article(10, "fr", "Le modèle ouvert est un bien commun, dit-elle.")]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[Path]:
    path = _fill(tmp_path_factory.mktemp("run") / "a.db", articles)
    reports = analyze(path, DEBATE, batch=4)
    assert [(r.step, r.failed) for r in reports] == [(step, 0) for step in STEPS]
    assert reports[0].done == 10 and reports[0].skipped == 1 and "not in English" in reports[0].notes[0]
    assert reports[1].done > 5 and reports[2].done == 10
    yield path


def test_every_row_names_its_run_and_rests_on_its_text(analysed: Path) -> None:
    assert _query(
        analysed,
        """SELECT count(*) FROM statements s JOIN documents d ON d.id = s.document_id
           WHERE substr(d.text, s.start + 1, s."end" - s.start) != s.text OR s.side IS NULL OR s.stance_run_id IS NULL""",
    ) == [(0,)]
    runs = _query(analysed, "SELECT step, status, models FROM runs WHERE step != 'crawl' ORDER BY id")
    assert [(step, status) for step, status, _ in runs] == [(step, "done") for step in STEPS]
    stance, topics = (str(models) for step, _, models in runs if step in ("stance", "topics"))
    assert describe().sha256 in stance and "8199be6f" in topics
    assert _query(analysed, "SELECT count(*) FROM document_topics") == [(10,)]
    assert _query(analysed, "SELECT count(*) FROM statements WHERE document_id = 11") == [(0,)]


def test_nothing_new_is_nothing_done(analysed: Path) -> None:
    before = _rows(analysed)
    runs = _query(analysed, "SELECT count(*) FROM runs")
    reports = analyze(analysed, DEBATE)
    assert [(r.done, r.failed, r.skipped) for r in reports] == [(0, 0, 0)] * len(STEPS)
    assert _rows(analysed) == before
    assert _query(analysed, "SELECT count(*) FROM runs") == runs


def test_two_processes_give_the_same_rows_as_one(analysed: Path, articles: list[Article], tmp_path: Path) -> None:
    path = _fill(tmp_path / "b.db", articles)
    analyze(path, DEBATE, workers=2, batch=4)
    assert _rows(path) == _rows(analysed)


def test_killed_and_started_again_it_ends_with_the_same_rows(
    analysed: Path, articles: list[Article], tmp_path: Path
) -> None:
    path = _fill(tmp_path / "c.db", articles)
    code = f"""
import os, signal
from pathlib import Path
from typing import Any
from nlp.debate import load_debate
from nlp.run import analyze
def kill(done, total, what):
    if done >= 8:
        os.kill(os.getpid(), signal.SIGKILL)
analyze(Path({str(path)!r}), load_debate(), steps=("read",), batch=4, progress=kill)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert killed.returncode == -signal.SIGKILL
    assert _query(path, "SELECT count(*) FROM document_steps") == [(8,)]
    reports = analyze(path, DEBATE, batch=4)
    assert reports[0].done == 2 and reports[0].skipped == 1
    assert _rows(path) == _rows(analysed)
    assert _query(path, "SELECT status FROM runs WHERE step = 'read' ORDER BY id") == [("interrupted",), ("done",)]


class _Stumbling(Reader):
    """A reader that cannot read one of the documents."""

    def read(self, texts: object, batch_size: int = 16) -> Iterator[Reading | ReadFailure]:
        for item in texts:  # type: ignore[attr-defined]
            assert isinstance(item, ReadInput)
            if "number 2 " in item.text:
                yield ReadFailure(item.id, "ValueError: a text that cannot be read")
            elif "number 3 " in item.text:
                (reading,) = super().read([item])
                assert isinstance(reading, Reading)
                yield replace(reading, statements=tuple(replace(s, end=10**6) for s in reading.statements))
            else:
                yield from super().read([item])


def test_a_document_that_fails_is_a_row_and_is_tried_again(
    tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _fill(tmp_path / "d.db", articles[:5])
    monkeypatch.setattr(analysis, "Reader", _Stumbling)
    (report,) = analyze(path, DEBATE, steps=("read",))
    assert (report.done, report.failed) == (3, 2)
    failures = _query(path, "SELECT step, document_id, error FROM failures ORDER BY document_id")
    assert failures == [("read", 3, "ValueError"), ("read", 4, "StoreError")]
    assert _query(path, "SELECT status FROM runs WHERE step = 'read'") == [("partial",)]
    monkeypatch.undo()
    (report,) = analyze(path, DEBATE, steps=("read",))
    assert (report.done, report.failed) == (2, 0)


def test_a_statement_that_fails_stops_no_other(
    tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _fill(tmp_path / "e.db", articles[:4])
    analyze(path, DEBATE, steps=("read",))
    judge = StanceModel.judge

    def stumble(self: StanceModel, inputs: list[object]) -> object:
        if any("terrorists" in str(item) for item in inputs):
            raise RuntimeError("out of words")
        return judge(self, inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(StanceModel, "judge", stumble)
    (report,) = analyze(path, DEBATE, steps=("stance",))
    assert report.failed >= 1 and report.done >= 1
    assert _query(path, "SELECT DISTINCT step, document_id, error FROM failures") == [("stance", 2, "RuntimeError")]
    monkeypatch.undo()
    (again,) = analyze(path, DEBATE, steps=("stance",))
    assert (again.done, again.failed) == (report.failed, 0)


def test_new_documents_join_standing_topics_and_a_refit_keeps_their_ids(
    articles: list[Article], tmp_path: Path
) -> None:
    path = _fill(tmp_path / "f.db", articles[:9])
    analyze(path, DEBATE, steps=("topics",))
    first = _query(path, "SELECT id, label FROM topics")
    _fill(path, [_article(20)])
    (report,) = analyze(path, DEBATE, steps=("topics",))
    assert report.done == 1
    assert _query(path, "SELECT id, label FROM topics") == first
    (report,) = analyze(path, DEBATE, steps=("topics",), refit=True)
    assert report.done == 10
    kept = {row[0] for row in _query(path, "SELECT id FROM topics WHERE ended_run_id IS NULL")}
    assert kept & {row[0] for row in first}
    kinds = [row[0] for row in _query(path, "SELECT kind FROM topic_events ORDER BY id")]
    assert kinds[: len(first)] == ["birth"] * len(first) and {"continue", "drift"} & set(kinds[len(first) :])


def test_too_few_documents_for_topics_are_said_to_be(tmp_path: Path, articles: list[Article]) -> None:
    path = _fill(tmp_path / "g.db", articles[:3])
    (report,) = analyze(path, DEBATE, steps=("topics",))
    assert (report.done, report.skipped) == (0, 3)
    assert "topics need 5 documents" in report.notes[0]


def test_a_changed_debate_is_new_work(tmp_path: Path, articles: list[Article]) -> None:
    path = _fill(tmp_path / "h.db", articles[:2])
    analyze(path, DEBATE, steps=("read", "stance"))
    changed = replace(DEBATE, question="Another question?")
    reports = analyze(path, changed, steps=("read", "stance"))
    assert reports[0].done == 2 and reports[1].done >= 2


def test_a_text_whose_terms_cannot_be_read_is_a_failure_and_tried_again(
    tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _fill(tmp_path / "t.db", articles[:3])
    whole = analysis.terms_step.find_uses

    def broken(text: str, *others: Any) -> Any:
        if "number 1" in text:
            raise ValueError("unreadable")
        return whole(text, *others)

    monkeypatch.setattr(analysis.terms_step, "find_uses", broken)
    [report] = analyze(path, DEBATE, steps=("terms",))
    assert (report.done, report.failed) == (2, 1)
    assert _query(path, "SELECT step, error, detail FROM failures") == [("terms", "ValueError", "unreadable")]
    monkeypatch.undo()
    [report] = analyze(path, DEBATE, steps=("terms",))
    assert (report.done, report.failed) == (1, 0)


def test_wrong_use_is_one_line(tmp_path: Path, articles: list[Article]) -> None:
    with pytest.raises(StoreError, match="no such database"):
        analyze(tmp_path / "none.db", DEBATE)
    path = _fill(tmp_path / "i.db", articles[:1])
    with pytest.raises(InputError, match='no analysis step "sing"; the steps are read, stance'):
        analyze(path, DEBATE, steps=("sing",))
    with pytest.raises(StoreError, match="another analysis is running"), analysis._alone(path):
        analyze(path, DEBATE)


def test_a_cluster_reads_what_one_process_reads(analysed: Path, articles: list[Article], tmp_path: Path) -> None:
    path = _fill(tmp_path / "j.db", articles)
    analyze(path, DEBATE, steps=("read",), cluster="local", batch=4)
    expected = [(row[1], row[2], row[3], row[4]) for row in _rows(analysed)["statements"]]
    assert [(row[1], row[2], row[3], row[4]) for row in _rows(path)["statements"]] == expected


def test_a_scheduler_that_does_not_answer_is_bad_input(tmp_path: Path, articles: list[Article]) -> None:
    path = _fill(tmp_path / "k.db", articles[:1])
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        analyze(path, DEBATE, steps=("read",), cluster="nonsense://nowhere")
