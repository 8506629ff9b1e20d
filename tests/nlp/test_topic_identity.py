"""What a user makes of topics survives a refit, and a refit of grown coverage keeps what stands."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from db.models import Article, InputError, SourceRow, UnknownNameError
from db.store import Store
from debatewatch import cli
from nlp.debate import load_debate
from nlp.embeddings import Vectors, normalise
from nlp.run import analyze
from nlp.topic_quality import coherence, diversity, words_of
from nlp.topic_stability import measure
from nlp.topic_step import merge_topics
from nlp.topic_words import Text
from nlp.topics import Anchors, fit_topics

SUBJECTS = (
    "The senator wants a federal licence for model weights before the Senate votes on the bill.",
    "The hospital runs the model on its own servers so that patient records stay in the clinic.",
    "The ministry counts graphics chips and limits their export to rival states across the border.",
)
PLACES = (
    "Ashford",
    "Bristol",
    "Carlow",
    "Dundee",
    "Exeter",
    "Falmouth",
    "Galway",
    "Harwich",
    "Inverness",
    "Jarrow",
    "Keswick",
)


def _drawn(each: int, subjects: int = 3, seed: int = 5) -> tuple[list[Text], Vectors]:
    draw = np.random.default_rng(seed)
    rows = np.repeat(np.arange(subjects), each)
    vectors = normalise((np.eye(16)[rows] + draw.normal(0, 0.1, (len(rows), 16))).astype(np.float32))
    return [Text("", f"{SUBJECTS[row % 3]} Part {row}.") for row in rows.tolist()], vectors


def _anchored(texts: list[Text], vectors: Vectors, new: int) -> Anchors:
    """The topics of all but the last `new` documents."""
    fit = fit_topics(texts[:-new], vectors[:-new])
    return Anchors(
        np.stack([t.centroid for t in fit.topics]), np.concatenate([fit.assigned, np.full(new, -1, np.int64)])
    )


def test_the_order_of_the_documents_decides_nothing() -> None:
    texts, vectors = _drawn(20)
    order = np.random.default_rng(1).permutation(len(texts))
    one, other = fit_topics(texts, vectors), fit_topics([texts[row] for row in order], vectors[order])
    assert {frozenset(t.members) for t in one.topics} == {
        frozenset(order[list(t.members)].tolist()) for t in other.topics
    }


def test_a_refit_leaves_documents_where_they_are_and_finds_a_new_subject() -> None:
    texts, vectors = _drawn(20, subjects=4)
    anchors = _anchored(texts, vectors, new=20)
    fit = fit_topics(texts, vectors, anchors=anchors)
    groups = {frozenset(t.members) for t in fit.topics}
    assert groups == {frozenset(range(start, start + 20)) for start in (0, 20, 40, 60)}


def test_topics_that_a_user_merged_are_one_in_a_fresh_fit() -> None:
    texts, vectors = _drawn(20)
    apart = fit_topics(texts, vectors)
    pair = (apart.topics[0].centroid, apart.topics[1].centroid)
    fit = fit_topics(texts, vectors, together=[pair])
    assert sorted(len(t.members) for t in fit.topics) == [20, 40]


def test_measures_of_keywords() -> None:
    texts = ["red apple on a table"] * 5 + ["blue boat on the sea"] * 5
    assert coherence([["red", "apple"]], texts) == pytest.approx(1.0)
    assert coherence([["red", "boat"]], texts) < 0 < coherence([["red", "apple"], ["blue", "boat"]], texts)
    assert diversity([["a", "b"], ["a", "c"]]) == 0.75
    assert words_of(["open weights", "weights", "EU"]) == ["open", "weights", "eu"]


def test_stability_is_measured_beside_plain_bertopic() -> None:
    texts, vectors = _drawn(40)
    found = measure(texts, vectors, seeds=(0, 1))
    assert found.ours.ari == 1.0
    assert found.ours.carry_over > 0.95
    assert found.ours.outliers <= 0.15
    assert [len(row) for row in found.rows()] == [len(found.header())] * 2
    assert set(found.to_json()["plain_bertopic"]) == set(found.to_json()["debatewatch"])


# --- in the database --------------------------------------------------------------------------------------------------------


def _article(number: int) -> Article:
    place = PLACES[number // 3 % len(PLACES)]
    return Article(
        url=f"https://example.org/{number}",
        title=f"News from {place}",
        text=f"{SUBJECTS[number % 3]} This was said in {place}, where {number} people heard it.",
        published_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number),
        language="en",
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "t.db"
    with Store.open(path) as store:
        store.add_source(SourceRow("s", "S", "https://example.org/", "feed"))
        run_id = store.start_run("crawl", "1")
        for number in range(36):
            store.save_article(run_id, "s", _article(number))
        store.finish_run(run_id, "done")
    analyze(path, load_debate(), steps=("topics",))
    return path


def _topics(path: Path) -> dict[int, tuple[str, int]]:
    with sqlite3.connect(path) as connection:
        return {
            i: (label, size)
            for i, label, size in connection.execute(
                "SELECT id, label, size FROM topics WHERE ended_run_id IS NULL ORDER BY id"
            )
        }


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_labels_and_merges_of_a_user_survive_refits(database: Path) -> None:
    first, second, *_ = before = _topics(database)
    _run("topics", "rename", str(first), "My own name", "--db", str(database))
    _run("topics", "merge", str(second), str(first), "--db", str(database))
    together = before[first][1] + before[second][1]
    assert _topics(database)[first] == ("My own name", together)
    analyze(database, load_debate(), steps=("topics",), refit=True)
    after = _topics(database)
    assert after[first] == ("My own name", together)
    assert second not in after
    shown = json.loads(_run("topics", "show", str(second), "--db", str(database), "--json"))
    assert (shown["standing"], shown["documents"], shown["runs"][0]["documents"]) == (False, 0, before[second][1])
    events = json.loads(_run("topics", "events", "--db", str(database), "--json"))
    assert ("merge", second, first) in {(e["kind"], e["topic_id"], e["other_topic_id"]) for e in events}
    assert all(0 < e["similarity"] <= 1 for e in events if e["kind"] == "merge")
    listed = json.loads(_run("topics", "list", "--db", str(database), "--json"))
    assert {t["id"] for t in listed} == set(after)


def test_the_size_of_a_topic_is_what_is_in_it_comments_included_and_earlier_versions_not(database: Path) -> None:
    with Store.open(database) as store:
        run_id = store.start_run("crawl", "1")
        for number in range(40, 46):
            store.save_article(run_id, "s", replace(_article(number), kind="comment"))
        store.save_article(run_id, "s", replace(_article(1), text=f"{SUBJECTS[1]} This was said again, and corrected."))
    analyze(database, load_debate(), steps=("topics",), refit=True)
    sizes = {topic_id: size for topic_id, (_, size) in _topics(database).items()}
    with sqlite3.connect(database) as connection:
        counted = connection.execute(
            """SELECT topic_id, count(DISTINCT document_id) FROM current_document_topics JOIN articles USING (document_id)
               WHERE topic_id IS NOT NULL GROUP BY 1"""
        ).fetchall()
    listed = json.loads(_run("topics", "list", "--db", str(database), "--json"))
    shown = [json.loads(_run("topics", "show", str(t), "--db", str(database), "--json"))["documents"] for t in sizes]
    assert sizes == dict(counted) == {t["id"]: t["documents"] for t in listed}
    assert (sum(sizes.values()), shown) == (42, list(sizes.values()))


def test_a_label_is_not_taken_twice_and_what_is_not_there_is_said(database: Path) -> None:
    first, second, *_ = _topics(database)
    with Store.open(database) as store:
        taken = _topics(database)[second][0]
        with pytest.raises(InputError, match="already"):
            store.rename_topic(first, taken.upper())
        with pytest.raises(InputError, match="empty"):
            store.rename_topic(first, " \u200b\x00 ")
        with pytest.raises(InputError, match="at most 120 characters, this one 5000"):
            store.rename_topic(first, "x" * 5000)
        store.rename_topic(first, "Licences\x00\u202e\n for <b>weights</b>")
        assert _topics(database)[first][0] == "Licences for <b>weights</b>"
        with pytest.raises(UnknownNameError, match="no standing topic 999"):
            store.rename_topic(999, "x")
        with pytest.raises(UnknownNameError, match="no standing topic 999"):
            merge_topics(store, first, 999)
        with pytest.raises(InputError, match="itself"):
            merge_topics(store, first, first)
