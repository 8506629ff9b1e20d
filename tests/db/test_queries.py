"""Figures that people see: timelines with a denominator, status, summary. Counted by hand from tests/db/samples.py."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from db.migrations import migrations
from db.models import InputError, StoreError
from db.queries import change_evidence, changes, open_read, rows, speakers, status, summary, totals
from db.timelines import Timeline, timeline


def _cells(counted: Timeline, identity: str, *columns: str) -> dict[str, tuple[object, ...]]:
    return {row["period"]: tuple(row[name] for name in columns) for row in counted.rows if row["id"] == identity}


def test_a_month_without_anything_collected_has_no_counts_and_one_with_other_pages_has_zeros(
    reading: sqlite3.Connection,
) -> None:
    found = _cells(timeline(reading, "stances"), "open", "statements", "articles", "collected", "share", "state")
    assert found == {
        "2024-01": (1, 3, 5, 0.6, "counted"),
        "2024-02": (None, None, 0, None, "no data"),
        "2024-03": (1, 1, 2, 0.5, "counted"),
        "2024-04": (0, 0, 1, 0.0, "zero"),
        "2024-05": (None, None, 0, None, "no data"),
        "2024-06": (0, 0, 1, 0.0, "zero"),
    }


def test_reprints_add_to_articles_and_not_to_documents(reading: sqlite3.Connection) -> None:
    found = _cells(timeline(reading, "topics"), "1", "documents", "articles", "collected")
    assert found["2024-01"] == (1, 3, 5)
    assert found["2024-03"] == (1, 1, 2)


def test_an_updated_article_counts_once_with_its_newest_text(reading: sqlite3.Connection) -> None:
    assert _cells(timeline(reading, "topics"), "2", "documents", "articles")["2024-01"] == (1, 1)
    assert totals(reading)["documents"] == 5


def test_periods_are_in_utc_whatever_the_paper_prints(reading: sqlite3.Connection) -> None:
    found = _cells(
        timeline(reading, "stances", by="day", since=datetime(2024, 5, 31, tzinfo=UTC)), "closed", "articles"
    )
    assert found == {"2024-05-31": (None,), "2024-06-01": (1,)}


@pytest.mark.parametrize("kind", ["topic", "stance"])
def test_by_month_the_timeline_equals_the_view_that_the_site_reads(reading: sqlite3.Connection, kind: str) -> None:
    column = {"topic": "topic_id", "stance": "side"}[kind]
    counts = "statements, documents, articles" if kind == "stance" else "documents, articles"
    names = ["period", "id", *counts.split(", "), "collected", "share"]
    view = {
        tuple(row.values())
        for row in rows(
            reading,
            f"SELECT month, CAST({column} AS TEXT) AS id, {counts}, collected, share FROM {kind}_timeline",
        )
    }
    counted = timeline(reading, "topics" if kind == "topic" else "stances")
    assert {tuple(row[name] for name in names) for row in counted.rows} == view
    assert view


@pytest.mark.parametrize(
    ("by", "periods"),
    [
        ("month", ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06"]),
        ("quarter", ["2024-Q1", "2024-Q2"]),
    ],
)
def test_every_period_has_a_row_gaps_included(reading: sqlite3.Connection, by: str, periods: list[str]) -> None:
    counted = timeline(reading, "stances", by=by)  # type: ignore[arg-type]
    assert list(dict.fromkeys(row["period"] for row in counted.rows)) == periods


def test_weeks_are_iso_weeks_also_around_new_year(reading: sqlite3.Connection) -> None:
    span = {"since": datetime(2024, 12, 28, tzinfo=UTC), "until": datetime(2025, 1, 6, tzinfo=UTC)}
    counted = timeline(reading, "stances", by="week", **span)  # type: ignore[arg-type]
    found = dict.fromkeys((row["period"], row["start"]) for row in counted.rows)
    assert list(found) == [("2024-W52", "2024-12-23"), ("2025-W01", "2024-12-30"), ("2025-W02", "2025-01-06")]


def test_a_quarter_sums_unique_texts_not_months(reading: sqlite3.Connection) -> None:
    assert _cells(timeline(reading, "stances", by="quarter"), "open", "documents", "articles", "collected") == {
        "2024-Q1": (2, 4, 7),
        "2024-Q2": (0, 0, 2),
    }


def test_actors_are_those_who_speak_linked_or_not_and_mentions_count_apart(reading: sqlite3.Connection) -> None:
    counted = timeline(reading, "actors")
    assert dict(counted.series) == {"brandvik": "Tomas Brandvik", "okafor": "Ines Okafor", "Lena Moss": "Lena Moss"}
    assert _cells(counted, "brandvik", "statements", "articles")["2024-01"] == (2, 4)
    mentioned = timeline(reading, "actors", filters={"actor": "corvid"})
    assert mentioned.series == (("corvid", "Corvid Labs"),)


def test_the_actors_shown_are_the_ones_who_say_most(reading: sqlite3.Connection) -> None:
    assert [identity for identity, _ in timeline(reading, "actors", max_actors=1).series] == ["brandvik"]


@pytest.mark.parametrize(
    ("filters", "articles", "collected"),
    [
        ({"source": "courier"}, 1, 3),
        ({"language": "en"}, 3, 4),
        ({"kind": "article"}, 3, 4),
        ({"topic": "1"}, 3, 5),
        ({"actor": "okafor"}, 3, 5),
        ({"side": "open"}, 3, 5),
        ({"source": "courier", "kind": "article"}, 1, 2),
    ],
)
def test_filters_on_articles_change_the_denominator_and_the_others_do_not(
    reading: sqlite3.Connection, filters: dict[str, str | None], articles: int, collected: int
) -> None:
    found = _cells(timeline(reading, "stances", filters=filters), "open", "articles", "collected")
    assert found["2024-01"] == (articles, collected)


def test_the_timeline_can_be_cut_to_days_both_included(reading: sqlite3.Connection) -> None:
    day = datetime(2024, 1, 11, tzinfo=UTC)
    assert _cells(timeline(reading, "topics", since=day, until=day), "1", "articles", "collected") == {
        "2024-01": (2, 2)
    }


def test_articles_without_a_date_are_in_no_period_and_are_counted_beside(reading: sqlite3.Connection) -> None:
    assert timeline(reading, "stances").undated == 1
    assert timeline(reading, "stances", filters={"source": "harbour"}).undated == 0


@pytest.mark.parametrize(
    "filters", [{"topic": "99"}, {"actor": "nobody"}, {"side": "left"}, {"source": "gazette"}, {"colour": "red"}]
)
def test_a_name_that_is_not_there_is_refused_and_named(
    reading: sqlite3.Connection, filters: dict[str, str | None]
) -> None:
    with pytest.raises(InputError, match=next(iter(filters))):
        timeline(reading, "topics", filters=filters)


def test_an_empty_database_has_an_empty_timeline(tmp_path: Path) -> None:
    from db.store import Store

    with Store.open(tmp_path / "empty.db"):
        pass
    with open_read(tmp_path / "empty.db") as connection:
        assert timeline(connection, "stances").rows == ()
        assert "0 articles" in summary(connection)
        assert status(connection)["runs"] == []


def test_status_names_runs_failures_and_changes(reading: sqlite3.Connection) -> None:
    state = status(reading)
    assert state["totals"] | {"articles": 7, "documents": 5, "statements": 6, "speakers": 3} == state["totals"]
    assert state["totals"]["undated_articles"] == 1
    assert state["pages"] == {"stored": 5, "off_topic": 3, "duplicate": 2, "failed": 1}
    assert [run["step"] for run in state["runs"]] == ["topics", "stance", "read", "crawl"]
    assert state["runs"][-1]["counts"] == {"stored": 6}
    assert [(row["step"], row["error"], row["failures"]) for row in state["failures"]] == [("crawl", "HTTPError", 1)]
    assert [(row["speaker"], row["about"]) for row in state["changes"]] == [("Ines Okafor", "Release openly")]


def test_a_change_comes_with_the_statements_on_both_sides_of_it(reading: sqlite3.Connection) -> None:
    change = changes(reading)[0]
    evidence = change_evidence(reading, change["id"])
    assert [(row["moment"], row["date"], row["side"]) for row in evidence] == [
        ("before", "2024-01-10", "open"),
        ("after", "2024-06-01", "closed"),
    ]
    assert evidence[0]["url"] == "https://harbour.example/wire"
    assert "weights should be public" in evidence[0]["text"]


def test_the_summary_says_who_says_what(reading: sqlite3.Connection) -> None:
    text = summary(reading)
    assert "7 articles from 3 sources, 5 unique texts (2 reprints)" in text
    assert "6 statements by 3 speakers: 3 open, 2 closed, 1 mixed, 0 neutral." in text
    assert "Ines Okafor" in text
    assert [row["speaker"] for row in speakers(reading)] == ["Tomas Brandvik", "Ines Okafor", "Lena Moss"]


def test_reading_cannot_write(reading: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reading.execute("DELETE FROM articles")


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"), open_read(tmp_path / "missing.db"):
        pass
    (tmp_path / "text.db").write_text("no database at all, but long enough to look like one" * 20)
    with pytest.raises(StoreError, match="cannot be read as a database"), open_read(tmp_path / "text.db"):
        pass
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(StoreError, match="not a Debatewatch database"), open_read(tmp_path / "other.db"):
        pass


def test_a_database_of_an_older_version_is_told_with_the_mend(tmp_path: Path) -> None:
    with sqlite_utils.Database(tmp_path / "old.db") as old:
        migrations.apply(old, stop_before="m005_timelines_with_healthy_sources")
    with pytest.raises(StoreError, match="older Debatewatch; `debatewatch analyze`"), open_read(tmp_path / "old.db"):
        pass
