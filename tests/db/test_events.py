"""Bursts of topics and new actors: stored, listed, and told to those who subscribe."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import feedparser
import pytest

from db.exports import find_export, write_export
from db.feed import atom
from db.models import Article, Document, Speaker, Statement, TopicBurst, WeekCount
from db.queries import change_evidence, nearest_evidence, new_actors, open_read, status
from db.serve import build
from db.store import Store
from tests.db.samples import fill

BURST = TopicBurst(1, date(2024, 3, 11), date(2024, 3, 17), 4, 0.5, 6.25, "kleinberg-1")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The hand-made sample with a burst and, seven months in, two texts by Nora Vance and one by Otto Kerr."""
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        run = store.start_run("changes", "1")
        store.replace_topic_bursts(run, [BURST])
        for number, speaker in enumerate(("Nora Vance", "Nora Vance", "Otto Kerr")):
            text = f"{speaker} said number {number}."
            day = datetime(2024, 8, 1 + number, tzinfo=UTC)
            saved = store.save_article(run, "ledger", Article(f"https://ledger.example/n{number}", "T", text, (), day))
            said = Statement(0, len(text), Speaker(speaker, speaker, None, 0, len(speaker)), "indirect")
            store.save_readings(run, "read", "1", [(Document(saved.document_id, text, "T", "en", day), [], [said])])
    return path


def test_texts_are_counted_by_the_week_of_their_first_appearance_and_the_base_holds_off_topic_pages(
    tmp_path: Path,
) -> None:
    with Store.open(fill(tmp_path / "debate.db")) as store:
        counts, collected = store.topic_weeks()
    # d1 (two reprints) and the off-topic page of 5 January; d5 appeared on 1 June, a Saturday.
    assert counts == [
        WeekCount(1, date(2024, 1, 8), 1),
        WeekCount(1, date(2024, 3, 11), 1),
        WeekCount(2, date(2024, 1, 15), 1),
        WeekCount(2, date(2024, 5, 27), 1),
    ]
    assert collected == {
        date(2024, 1, 8): 1,
        date(2024, 1, 15): 1,
        date(2024, 2, 26): 1,
        date(2024, 3, 11): 1,
        date(2024, 4, 1): 1,
        date(2024, 5, 27): 1,
    }


def test_new_is_who_speaks_after_the_beginning_and_in_more_than_one_text(database: Path) -> None:
    with open_read(database) as connection:
        found = new_actors(connection)
    assert [(row["speaker"], row["entered_at"], row["statements"]) for row in found] == [
        ("Nora Vance", "2024-08-01", 2)
    ]


def test_status_tells_bursts_and_new_actors(database: Path) -> None:
    with open_read(database) as connection:
        state = status(connection)
    assert [(row["topic"], row["started_on"], row["documents"]) for row in state["bursts"]] == [
        ("Releasing weights", "2024-03-11", 4)
    ]
    assert [row["speaker"] for row in state["new_actors"]] == ["Nora Vance"]


def test_the_feed_tells_all_three_kinds_newest_first_with_ids_of_their_own(database: Path) -> None:
    with open_read(database) as connection:
        feed = feedparser.parse(atom(connection))
        addressed = feedparser.parse(atom(connection, absolute=lambda path: f"https://site.example{path}"))
    assert not feed.bozo
    assert [(entry.title, entry.tags[0].term) for entry in feed.entries] == [
        ("New in the debate: Nora Vance", "new-actor"),
        ("Ines Okafor: agree to disagree on release openly", "change"),
        ("Burst of a topic: Releasing weights", "burst"),
    ]
    assert len({entry.id for entry in feed.entries}) == 3
    assert "4 texts from 2024-03-11 to 2024-03-17" in feed.entries[2].content[0].value
    assert addressed.entries[2].link == "https://site.example/-/topic/1"


@pytest.mark.parametrize(
    ("query", "column", "value"),
    [("topic_bursts", "topic", "Releasing weights"), ("new_actors", "speaker", "Nora Vance")],
)
def test_the_canned_queries_list_them(database: Path, query: str, column: str, value: str) -> None:
    async def get() -> object:
        return (await build(database).client.get(f"/debatewatch/{query}.json?_shape=array")).json()

    [row] = asyncio.run(get())  # type: ignore[misc]
    assert row[column] == value


def test_the_evidence_shown_first_says_itself_what_changed(tmp_path: Path) -> None:
    """The days on each side of a change mostly agree: the last statement before it may be an exception, as may the first after."""
    path = fill(tmp_path / "debate.db")
    with sqlite3.connect(path) as database:
        [change] = database.execute("SELECT id FROM position_changes").fetchone()
        database.executemany(
            "INSERT INTO position_change_statements (change_id, statement_id, moment) VALUES (?, ?, ?)",
            [(change, 4, "after"), (change, 3, "before")],
        )
        database.execute(
            """UPDATE documents SET published_at = '2024-05-01T00:00:00Z'
               WHERE id = (SELECT document_id FROM statements WHERE id = 4)"""
        )
    with open_read(path) as connection:
        evidence = change_evidence(connection, change)
        assert [(row["statement_id"], row["moment"], row["telling"]) for row in evidence] == [
            (1, "before", 1),
            (3, "before", 0),
            (4, "after", 0),
            (5, "after", 1),
        ]
        before, after = nearest_evidence(evidence)
    assert before is not None
    assert after is not None
    assert (before["statement_id"], after["statement_id"]) == (1, 5)
    write_export(path, find_export("changes"), format="json", output=tmp_path / "changes.json")
    [row] = json.loads((tmp_path / "changes.json").read_text())
    assert (row["text_before"], row["text_after"]) == (before["text"], after["text"])
    answer = asyncio.run(build(path).client.get("/debatewatch/changes_of_position.json?_shape=array"))
    [row] = answer.json()
    assert (row["before_statement_id"], row["after_statement_id"]) == (1, 5)
