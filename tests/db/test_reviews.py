"""Reviews: least certain first, by text and place so that they outlive an analysis, compared with the model, published unnamed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.models import Judgement
from db.publish import publish
from db.reviews import Review, cohen_kappa
from db.store import Store
from tests.db.samples import fill


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return fill(tmp_path / "sample.db")


def review(store: Store, reviewer: str, verdict: str, side: str | None = None, speaker: str | None = None) -> Review:
    item = store.statements_to_review(reviewer, 1)[0]
    if verdict == "right":
        side, speaker = item.side, item.speaker
    said = Review(item.document_sha256, item.start, item.end, reviewer, verdict, side, speaker)  # type: ignore[arg-type]
    store.save_review(said, item)
    return said


def test_the_least_certain_come_first_and_none_twice_for_one_reviewer(db: Path) -> None:
    with Store.open(db) as store:
        items = store.statements_to_review("ana", 100)
        assert [item.score for item in items] == sorted(item.score for item in items)
        for item in items:
            (text,) = store.db.execute("SELECT text FROM documents WHERE sha256 = ?", [item.document_sha256]).fetchone()
            assert text[item.start : item.end] == item.text
            assert f"{item.before}{item.text}{item.after}" in text
        review(store, "ana", "right")
        assert store.statements_to_review("ana", 100) == items[1:]
        assert store.statements_to_review("bo", 100) == items


def test_reviews_outlive_a_new_analysis_of_the_same_text(db: Path) -> None:
    with Store.open(db) as store:
        said = review(store, "ana", "right")
        left = len(store.statements_to_review("ana", 100))
        run = store.start_run("read", "2")
        (document_id,) = store.db.execute(
            "SELECT id FROM documents WHERE sha256 = ?", [said.document_sha256]
        ).fetchone()
        (document,) = store.documents([document_id])
        store.save_readings(run, "read", "2", [(document, (), ())])
        assert store.agreement().right == 0, "the model finds no statement there any more"
        assert [r for r, _ in store.reviewed_texts()] == [said]
        assert len(store.statements_to_review("ana", 100)) <= left


def test_agreement_compares_with_the_present_model(db: Path) -> None:
    with Store.open(db) as store:
        assert store.agreement().to_text() == "No reviews yet."
        review(store, "ana", "right")
        review(store, "ana", "right")
        wrong = review(store, "ana", "wrong side", "neutral", "Ines Okafor")
        review(store, "ana", "no statement")
        review(store, "bo", "right")
        found = store.agreement("ana")
        assert (found.reviews, found.right, found.speakers) == (4, 2, 3)
        assert "50%" in found.to_text()
        assert store.agreement().reviews == 5
        row = store.db.execute(
            """SELECT s.id FROM statements AS s JOIN documents AS d ON d.id = s.document_id
               WHERE d.sha256 = ? AND s.start = ?""",
            [wrong.document_sha256, wrong.start],
        ).fetchone()
        run = store.start_run("stance", "2")
        store.save_judgements(run, "2", [(row[0], Judgement("neutral", 0.9))])
        assert store.agreement("ana").right == 3


def test_a_second_review_of_the_same_place_replaces_the_first(db: Path) -> None:
    with Store.open(db) as store:
        item = store.statements_to_review("ana", 1)[0]
        place = (item.document_sha256, item.start, item.end, "ana")
        store.save_review(Review(*place, "no statement", None, None), item)
        store.save_review(Review(*place, "right", item.side, item.speaker), item)
        assert [r.verdict for r, _ in store.reviewed_texts()] == ["right"]


def test_kappa_is_one_for_full_zero_for_chance_agreement_and_none_where_nothing_varies() -> None:
    assert cohen_kappa([("open", "open"), ("closed", "closed")]) == 1
    assert cohen_kappa([("open", "open"), ("open", "closed"), ("closed", "open"), ("closed", "closed")]) == 0
    # Cohen 1960 by hand: 20 + 15 of 50 agree, 0.5 by chance.
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("open", "open")]) is None
    assert cohen_kappa([]) is None


def test_a_public_copy_names_no_reviewer(db: Path, tmp_path: Path) -> None:
    with Store.open(db) as store:
        review(store, "Ana Secretname", "right")
        review(store, "Ana Secretname", "right")
        review(store, "Bo Othername", "right")
    target = tmp_path / "public.db"
    publish(db, target)
    assert b"Secretname" not in target.read_bytes()
    with closing(sqlite3.connect(target)) as public:
        names = public.execute("SELECT reviewer, count(*) FROM reviews GROUP BY 1 ORDER BY 1").fetchall()
    assert names == [("reviewer 1", 2), ("reviewer 2", 1)]
