"""Reprints: the same rows in whatever order they come, the original's text, and what each points to."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise, permutations
from pathlib import Path
from random import Random

import pytest

from crawler.duplicates import is_near_duplicate
from crawler.pipelines import Collector
from crawler.relevance import Relevance
from db.coding import HAND_CODED
from db.doctor import examine
from db.models import Article, Fetch, SourceRow
from db.publish import publish
from db.store import Store
from tests.crawler.webserver import debate_text

NOON = datetime(2024, 3, 14, 12, tzinfo=UTC)


def chain(length: int) -> list[str]:
    """Texts each of which is nearly the one before, while the last is not nearly the first."""
    chance = Random(3)
    words = [f"{chance.choice('bdfgklm')}{chance.choice('aeiou')}{n}" for n in range(600)]
    texts = [" ".join(words[60 * n : 60 * n + 240]) for n in range(length)]
    assert all(is_near_duplicate(one, other) for one, other in pairwise(texts))
    assert not is_near_duplicate(texts[0], texts[-1])
    return texts


def article(name: str, text: str, day: int, **more: object) -> Article:
    return Article(f"https://{name}.example/a", f"As {name} has it", text, published_at=NOON.replace(day=day), **more)  # type: ignore[arg-type]


def collected(path: Path, articles: list[Article]) -> Store:
    store = Store.open(path)
    run = store.start_run("crawl", "1")
    for one in articles:
        source = one.url.split("/")[2].partition(".")[0]
        store.add_source(SourceRow(source, source.title(), f"https://{source}.example/", "feed"))
        fetch = Fetch(source, one.url, "stored", NOON)
        Collector(store, run, Relevance(1.0, ())).articles(fetch, [one], judge=False)
    return store


def shape(store: Store) -> list[tuple[object, ...]]:
    """What must be equal: every article, with the text, title and date of the document that it shares."""
    return store.db.conn.execute(
        """SELECT a.url, d.text, d.title, d.authors, d.published_at, d.words, d.sha256,
                  (SELECT group_concat(url) FROM (SELECT url FROM articles WHERE document_id = d.id ORDER BY url))
           FROM articles AS a JOIN documents AS d ON d.id = a.document_id ORDER BY a.url"""
    ).fetchall()


def test_the_rows_do_not_depend_on_the_order_in_which_reprints_come(tmp_path: Path) -> None:
    one, two, three = chain(3)
    articles = [
        article("courier", two, 15),
        article("ledger", three, 14),
        article("wire", one, 16),
        article("herald", one, 13, paywalled=True),
        article("other", debate_text(1), 12),
    ]
    shapes = []
    for number, order in enumerate(permutations(articles)):
        if number % 7 == 0:
            with collected(tmp_path / f"{number}.db", list(order)) as store:
                shapes.append(shape(store))
                assert store.db.conn.execute("SELECT count(*) FROM documents").fetchone() == (2,)
                assert store.db.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    assert all(found == shapes[0] for found in shapes[1:])
    shared = next(row for row in shapes[0] if row[0] == "https://courier.example/a")
    assert shared[1] == three, "the earliest text that everybody may read"
    assert (shared[2], shared[4]) == ("As herald has it", "2024-03-13T12:00:00Z"), "the earliest date and its title"


def test_what_was_read_in_a_text_that_gave_way_is_read_anew(tmp_path: Path) -> None:
    text = debate_text(3)
    with collected(tmp_path / "x.db", [article("courier", text + "\n\nMore at eleven.", 15)]) as store:
        run = store.start_run("read", "1")
        (document,) = store.documents_to_do("read", "1")
        store.save_readings(run, "read", "1", [(document, [], [])])
        assert store.documents_to_do("read", "1") == []
        collected(tmp_path / "x.db", [article("wire", text, 14)]).close()
        (again,) = store.documents_to_do("read", "1")
        assert (again.id, again.text) == (document.id, text)
    assert examine(tmp_path / "x.db", tmp_path / "archive") == []
    found = Store.open(tmp_path / "x.db")
    with found:
        assert found.db.conn.execute(
            "SELECT count(*) FROM documents_fts WHERE documents_fts MATCH 'eleven'"
        ).fetchone() == (0,)
    publish(tmp_path / "x.db", tmp_path / "public.db")
    with Store.open(tmp_path / "public.db") as public:
        assert public.db.conn.execute("SELECT count(*) FROM article_texts").fetchone() == (0,)


def test_a_text_that_was_coded_by_hand_or_is_an_earlier_version_stays(tmp_path: Path) -> None:
    text = debate_text(3)
    longer = text + "\n\nMore at eleven."
    with collected(tmp_path / "coded.db", [article("courier", longer, 15)]) as store:
        store.db.conn.execute(
            """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, kind, rule, run_id)
               VALUES (1, ?, 0, 7, 'S', 'S', 'direct', ?, 1)""",
            [longer[:7], HAND_CODED],
        )
        collected(tmp_path / "coded.db", [article("wire", text, 14)]).close()
        assert store.db.conn.execute("SELECT text FROM documents").fetchall() == [(longer,)]
    with collected(tmp_path / "reviewed.db", [article("courier", longer, 15)]) as store:
        store.db.conn.execute(
            """INSERT INTO reviews (document_sha256, start, "end", reviewer, verdict, shown_side, shown_speaker, reviewed_at)
               SELECT sha256, 0, 7, 'R', 'no statement', 'open', 'S', '2024-03-14T00:00:00Z' FROM documents"""
        )
        collected(tmp_path / "reviewed.db", [article("wire", text, 14)]).close()
        assert store.db.conn.execute("SELECT text FROM documents").fetchall() == [(longer,)]
    updated = article("courier", longer + "\n\nAnd at twelve.", 15)
    with collected(
        tmp_path / "version.db", [article("courier", longer, 15), updated, article("wire", text, 14)]
    ) as store:
        assert (longer,) in store.db.conn.execute("SELECT text FROM documents").fetchall(), (
            "what the article said before"
        )


@pytest.mark.parametrize("with_the_agency", [True, False])
def test_a_reprint_points_to_the_agency_that_it_credits(tmp_path: Path, with_the_agency: bool) -> None:
    text = debate_text(3)
    articles = [
        article("courier", text, 13, agency="Wire"),
        article("ledger", text + "\n\nMore at eleven.", 15),
        article("alone", debate_text(4), 15, agency="Wire"),
        article("single", debate_text(5), 15),
    ]
    if with_the_agency:
        articles.append(article("wire", text, 14))
    with collected(tmp_path / "x.db", articles) as store:
        found = store.db.conn.execute(
            "SELECT source_id, agency, original_url, shared_by FROM reprints ORDER BY 1"
        ).fetchall()
    wire, courier = "https://wire.example/a" if with_the_agency else None, "https://courier.example/a"
    number = 3 if with_the_agency else 2
    expected = [("alone", "Wire", None, 1), ("courier", "Wire", wire, number), ("ledger", None, courier, number)]
    assert found == expected + ([("wire", None, courier, number)] if with_the_agency else [])
