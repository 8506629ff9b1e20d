"""The store: one write is one transaction, a text counts once, an update is kept apart, and nothing is lost when killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.models import (
    ActorRow,
    AffiliationRow,
    Article,
    Document,
    Fetch,
    Judgement,
    Mention,
    Position,
    Speaker,
    Statement,
    StoreError,
    Topic,
    TopicAssignment,
    TopicEvent,
    from_iso,
    to_iso,
)
from db.store import Store
from tests.db.samples import ACTORS, AFFILIATIONS, PROPOSITIONS, SIDES, SOURCES, fill

NOON = datetime(2024, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "debate.db") as opened:
        opened.sync_sources(SOURCES)
        opened.sync_debate(SIDES, PROPOSITIONS, ACTORS, AFFILIATIONS)
        yield opened


def _save(
    store: Store, url: str, text: str, *, when: datetime | None = NOON, join: int | None = None
) -> tuple[str, int]:
    run = store.start_run("crawl", "1")
    saved = store.save_article(
        run, "courier", Article(url, "A title", text, published_at=when), near=[join] if join else []
    )
    return saved.outcome, saved.document_id


def _count(store: Store, table: str) -> int:
    return int(store.db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# --- articles and documents -------------------------------------------------------------------------------------------------


def test_the_same_text_at_two_addresses_is_one_document(store: Store) -> None:
    assert _save(store, "https://a.example/1", "The same words.") == ("stored", 1)
    assert _save(store, "https://b.example/1", "The same words.") == ("duplicate", 1)
    assert _save(store, "https://b.example/1", "The same words.") == ("unchanged", 1)
    assert (_count(store, "articles"), _count(store, "documents")) == (2, 1)


def test_a_document_has_the_date_of_its_earliest_article_also_when_that_is_found_later(store: Store) -> None:
    _save(store, "https://a.example/1", "Words.")
    _save(store, "https://b.example/1", "Words.", when=datetime(2024, 3, 1, tzinfo=UTC))
    _save(store, "https://c.example/1", "Words.", when=None)
    assert next(iter(store.documents())).published_at == datetime(2024, 3, 1, tzinfo=UTC)


def test_another_text_at_a_known_address_is_an_update_and_the_old_version_stays(store: Store) -> None:
    _save(store, "https://a.example/1", "First.")
    assert _save(store, "https://a.example/1", "Second.", join=1) == ("stored", 2)
    assert [document.text for document in store.documents()] == ["Second."]
    assert _count(store, "article_versions") == 2
    assert _save(store, "https://a.example/1", "First.") == ("stored", 1)
    assert [document.text for document in store.documents()] == ["First."]


def test_a_fetch_is_recorded_with_what_came_of_it(store: Store) -> None:
    run = store.start_run("crawl", "1")
    fetch = Fetch("courier", "https://a.example/1", "stored", NOON, etag='"x"')
    saved = store.save_article(
        run, "courier", Article("https://a.example/1", "T", "Words.", published_at=NOON), fetch=fetch
    )
    again = store.save_article(run, "courier", Article("https://b.example/1", "T", "Words."), fetch=fetch)
    rows = store.db.conn.execute("SELECT outcome, article_id, published_at FROM fetches ORDER BY id").fetchall()
    assert rows == [("stored", saved.article_id, "2024-03-14T12:00:00Z"), ("duplicate", again.article_id, None)]
    state = store.page_state("https://a.example/1")
    assert state is not None and (state.etag, state.fetched_at) == ('"x"', NOON)
    assert store.page_state("https://never.example/") is None


def test_a_failed_fetch_is_no_reason_for_a_conditional_request(store: Store) -> None:
    run = store.start_run("crawl", "1")
    store.record_fetch(run, Fetch("courier", "https://a.example/1", "failed", NOON, etag='"x"'))
    assert store.page_state("https://a.example/1") is None
    feed = Fetch("courier", "https://a.example/feed", "stored", NOON, target="listing")
    fetch = store.record_fetch(run, feed)
    store.settle_listing(fetch, replace(feed, etag='"y"', last_modified="Thu, 14 Mar 2024 12:00:00 GMT", due_at=NOON))
    assert store.due_at("https://a.example/feed") == NOON
    state = store.page_state("https://a.example/feed")
    assert state is not None and state.etag == '"y"'


def test_candidates_for_near_duplicates_share_a_band_at_its_place(store: Store) -> None:
    run = store.start_run("crawl", "1")
    store.save_article(run, "courier", Article("https://a.example/1", "T", "One."), bands=[11, 22])
    store.save_article(run, "courier", Article("https://a.example/2", "T", "Two."), bands=[33, 22])
    store.save_article(run, "courier", Article("https://a.example/3", "T", "Three."), bands=[22, 11])
    assert store.documents_sharing_bands([11, 22]) == [(1, "One."), (2, "Two.")]
    assert store.documents_sharing_bands([0, 0]) == []


# --- steps ------------------------------------------------------------------------------------------------------------------


def _read_all(store: Store, version: str = "1") -> None:
    run = store.start_run("read", version)
    documents = store.documents_to_do("read", version)
    store.save_readings(
        run,
        "read",
        version,
        [(d, [Mention(0, 4, "ORG", "Word")], [Statement(0, 5, Speaker("A", "A"), "authorial")]) for d in documents],
    )


def test_a_step_sees_each_document_once_for_each_of_its_versions(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    _save(store, "https://a.example/2", "Words two.")
    assert store.count_to_do("read", "1") == 2
    assert [d.id for d in store.documents_to_do("read", "1", limit=1)] == [1]
    assert [d.id for d in store.documents_to_do("read", "1", after=1)] == [2]
    _read_all(store)
    assert store.documents_to_do("read", "1") == []
    assert store.count_to_do("read", "2") == 2
    _read_all(store, "2")
    assert (_count(store, "statements"), _count(store, "mentions")) == (2, 2)


def test_a_failed_document_is_tried_again_by_the_next_run_and_not_by_this_one(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    run = store.start_run("read", "1")
    store.fail_document(run, "read", "1", 1, "ValueError", "x" * 5000)
    assert store.documents_to_do("read", "1", retry_run=run) == []
    assert [d.id for d in store.documents_to_do("read", "1", retry_run=run + 1)] == [1]
    assert store.db.conn.execute("SELECT step, document_id, error, length(detail) FROM failures").fetchall() == [
        ("read", 1, "ValueError", 2000)
    ]


def test_skipped_documents_are_marked_without_other_rows(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    store.mark_steps(store.start_run("read", "1"), "read", "1", [1], "skipped")
    assert store.count_to_do("read", "1") == 0


def test_an_offset_outside_the_text_is_refused_and_nothing_of_the_batch_is_kept(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    _save(store, "https://a.example/2", "Words two.")
    one, two = store.documents()
    bad = Statement(0, 99, Speaker("A", "A"), "direct")
    with pytest.raises(StoreError, match="document 2: offsets 0-99 are not in its text"):
        store.save_readings(store.start_run("read", "1"), "read", "1", [(one, [], []), (two, [], [bad])])
    assert store.count_to_do("read", "1") == 2


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), min_size=1), data=st.data())
def test_evidence_is_the_text_between_its_offsets_whatever_the_characters(
    store: Store, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    _, document_id = _save(store, f"https://a.example/{text.encode().hex()[:60]}", text)
    [document] = store.documents([document_id])
    assert document.text == text
    statement = Statement(start, end, Speaker("A", "A"), "direct")
    store.save_readings(store.start_run("read", "1"), "read", "1", [(document, [], [statement])])
    row = store.db.conn.execute("SELECT text FROM statements WHERE document_id = ?", [document_id]).fetchone()
    assert row[0] == text[start:end]


def test_judging_again_replaces_the_positions(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    _read_all(store)
    [statement] = store.statements_to_judge("1")
    assert (statement.text, statement.context, statement.side) == ("Words", "Words one.", None)
    run = store.start_run("stance", "1")
    first = Judgement("open", 0.9, (Position("misuse", "disagree", 0.8), Position("open-release", "agree", 0.7)))
    store.save_judgements(run, "1", [(statement.id, first)])
    assert store.statements_to_judge("1") == []
    assert store.count_to_judge("2") == 1
    store.save_judgements(run, "2", [(statement.id, Judgement("mixed", 0.5, (Position("misuse", "agree", 0.6),)))])
    [judged] = store.judged_statements()
    assert (judged.side, judged.positions) == ("mixed", (Position("misuse", "agree", 0.6),))


def test_the_context_of_a_statement_is_its_paragraph(store: Store) -> None:
    _save(store, "https://a.example/1", "Before.\n\nAnna said it. Twice.\n\nAfter.")
    [document] = store.documents()
    statement = Statement(9, 22, Speaker("Anna", "Anna", None, 9, 13), "indirect")
    store.save_readings(store.start_run("read", "1"), "read", "1", [(document, [], [statement])])
    [stored] = store.statements_to_judge("1")
    assert (stored.text, stored.context) == ("Anna said it.", "Anna said it. Twice.")
    assert stored.speaker == Speaker("Anna", "Anna", None, 9, 13)


def test_topics_end_with_a_refit_keep_edited_labels_and_old_assignments(store: Store) -> None:
    for number in (1, 2):
        _save(store, f"https://a.example/{number}", f"Words {number}.")
    first = store.start_run("topics", "1")
    topics = [Topic(1, "One", ("a",), 1, b"\0" * 4), Topic(2, "Two", ("b",), 1, b"\0" * 4)]
    store.save_topics(first, topics, [TopicAssignment(1, 1, 0.9), TopicAssignment(2, 2, 0.8)])
    store.db.conn.execute("UPDATE topics SET label = 'Mine', label_edited = 1 WHERE id = 1")
    second = store.start_run("topics", "1")
    merged = [Topic(1, "Other", ("c",), 2, b"\1" * 4)]
    store.save_topics(
        second, merged, [TopicAssignment(1, 1, 0.9), TopicAssignment(2, 1, 0.7)], [TopicEvent("merge", 2, 1, 0.8)]
    )
    assert [(t.id, t.label, t.keywords) for t in store.topics()] == [(1, "Mine", ("c",))]
    assert store.next_topic_id() == 3
    assert _count(store, "document_topics") == 4
    assert store.db.conn.execute("SELECT topic_id FROM current_document_topics").fetchall() == [(1,), (1,)]
    _save(store, "https://a.example/3", "Words 3.")
    store.save_assignments(store.start_run("topics", "1"), [TopicAssignment(3, 1, 0.6)])
    assert store.topics()[0].size == 3


def test_vectors_are_those_of_texts_that_an_article_still_carries(store: Store) -> None:
    _save(store, "https://a.example/1", "First.")
    store.save_embeddings("m", [(1, b"\1\2", None)])
    assert store.embeddings("m") == {1: b"\1\2"}
    assert store.embeddings("other") == {}
    _save(store, "https://a.example/1", "Second.")
    assert store.embeddings("m") == {}


# --- configuration and runs ---------------------------------------------------------------------------------------------------


def test_a_source_that_is_no_longer_named_is_marked_and_comes_back(store: Store) -> None:
    def removed() -> list[str]:
        return [
            row[0] for row in store.db.conn.execute("SELECT id FROM sources WHERE removed_at IS NOT NULL ORDER BY id")
        ]

    store.sync_sources(SOURCES[:1])
    assert removed() == ["courier", "ledger"]
    store.sync_sources(SOURCES)
    assert removed() == []


def test_actors_that_are_no_longer_named_stay_only_while_rows_refer_to_them(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    [document] = store.documents()
    mention = Mention(0, 5, "ORG", "Corvid Labs", "corvid")
    store.save_readings(store.start_run("read", "1"), "read", "1", [(document, [mention], [])])
    store.sync_debate(SIDES, PROPOSITIONS, [ActorRow("new", "New", "person")], [AffiliationRow("new", "new")])
    assert {row[0] for row in store.db.conn.execute("SELECT id FROM actors")} == {"new", "corvid"}


def test_runs_left_open_by_a_kill_are_closed_as_interrupted(store: Store) -> None:
    crawl, read = (
        store.start_run("crawl", "1"),
        store.start_run("read", "1", parameters={"a": 1}, models={"m": "0" * 64}),
    )
    assert store.close_abandoned_runs(["crawl"]) == 1
    store.finish_run(read, "done", {"documents": 3})
    rows = dict(store.db.conn.execute("SELECT id, status FROM runs").fetchall())
    assert (rows[crawl], rows[read]) == ("interrupted", "done")
    versions = store.db.conn.execute("SELECT versions FROM runs WHERE id = ?", [read]).fetchone()[0]
    assert '"sqlite"' in versions and '"python"' in versions


# --- the file -----------------------------------------------------------------------------------------------------------------


_WRITER = """
import sys
from datetime import UTC, datetime
from db.models import Article, Fetch
from db.store import Store

with Store.open(sys.argv[1]) as store:
    run = store.start_run("crawl", "1")
    for number in range(1_000_000):
        article = Article(f"https://a.example/{number}", "T", f"Words number {number}.")
        fetch = Fetch("courier", article.url, "stored", datetime.now(UTC))
        store.save_article(run, "courier", article, bands=[number], fetch=fetch)
        if number == 20:
            print("going", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_rows_only(store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(store.path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"going\n"
        process.kill()
    assert _count(store, "articles") > 20
    counts = {
        _count(store, table) for table in ("articles", "documents", "fetches", "document_bands", "article_versions")
    }
    assert len(counts) == 1
    assert store.db.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert _save(store, "https://a.example/next", "More words.")[0] == "stored"


def test_a_write_waits_for_another_and_gives_up_with_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    store.db.conn.execute("PRAGMA busy_timeout = 50")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"cannot be written .*is another process holding it"):
        store.start_run("crawl", "1")
    store.db.conn.execute("PRAGMA busy_timeout = 30000")
    release = threading.Timer(0.05, lambda: other.execute("COMMIT"))
    release.start()
    assert store.start_run("crawl", "1") == 1
    release.join()
    other.close()


def test_readers_go_on_while_a_writer_writes(store: Store) -> None:
    reader = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
    store.db.conn.execute("BEGIN IMMEDIATE")
    store.db.conn.execute("UPDATE sources SET name = 'Changed'")
    assert reader.execute("SELECT count(*) FROM sources WHERE name = 'Changed'").fetchone() == (0,)
    store.db.conn.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM sources WHERE name = 'Changed'").fetchone() == (3,)
    reader.close()


def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"):
        Store.open(tmp_path / "missing.db", create=False)
    with pytest.raises(StoreError, match="does not exist; make it"):
        Store.open(tmp_path / "missing" / "debate.db")
    (tmp_path / "text.db").write_text("this is not a database, however long it may be " * 30)
    with pytest.raises(StoreError, match="cannot be opened as a Debatewatch database"):
        Store.open(tmp_path / "text.db")


def test_full_text_search_follows_what_is_written(tmp_path: Path) -> None:
    with Store.open(fill(tmp_path / "debate.db")) as store:
        search = "SELECT count(*) FROM statements_fts WHERE statements_fts MATCH 'criminals'"
        assert store.db.conn.execute(search).fetchone() == (3,)
        run = store.start_run("read", "2")
        store.save_readings(run, "read", "2", [(d, [], []) for d in store.documents()])
        assert store.db.conn.execute(search).fetchone() == (0,)


_OFFSETS = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=_OFFSETS).filter(lambda moment: 1900 < moment.year < 2200))
def test_times_are_kept_to_the_second_in_utc(moment: datetime) -> None:
    kept = from_iso(to_iso(moment))
    assert kept == moment.astimezone(UTC).replace(microsecond=0)
    assert kept is not None and kept.tzinfo is UTC


def test_a_time_without_a_zone_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="naive datetime"):
        to_iso(datetime(2024, 1, 1))  # noqa: DTZ001
    assert to_iso(None) is None
    assert from_iso("") is None


def test_documents_can_be_asked_for_by_id(store: Store) -> None:
    _save(store, "https://a.example/1", "Words one.")
    assert [type(document) for document in store.documents([1, 99])] == [Document]
