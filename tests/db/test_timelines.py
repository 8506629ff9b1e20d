"""Timelines that can be trusted: one set of figures everywhere, an independent count, intervals, healthy sources, time zones."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.charts import chart
from db.exports import timeline_bytes
from db.models import Fetch, InputError, SourceRow, utc_now
from db.queries import open_read, rows
from db.serve import build
from db.store import Store
from db.timelines import Timeline, timeline
from tests.db.samples import fill

COUNTS = ("documents", "articles", "collected", "share", "healthy_sources", "state")
STANCE_COUNTS = ("statements", *COUNTS, "statement_share", "statement_share_low", "statement_share_high")


def _cells(counted: Timeline, identity: str, *columns: str) -> dict[str, tuple[object, ...]]:
    return {row["period"]: tuple(row[name] for name in columns) for row in counted.rows if row["id"] == identity}


def _site(path: Path, query: str) -> list[dict[str, Any]]:
    async def get() -> Any:
        return await build(path).client.get(f"/debatewatch/{query}.json?_shape=array&topic=%25")

    found = asyncio.run(get()).json()
    assert isinstance(found, list), found
    return found


# --- the same figures everywhere ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["hand-made", pytest.param("demo", marks=pytest.mark.xdist_group("demo"))])
def database(request: pytest.FixtureRequest, sample: Path) -> Path:
    """The small database that a person can count, and the crawled and analysed sample."""
    if request.param == "hand-made":
        return sample
    folder: Path = request.getfixturevalue("demo_folder")
    return folder / "debatewatch.db"


def test_view_query_csv_and_chart_of_stances_say_the_same(database: Path) -> None:
    with open_read(database) as connection:
        counted = timeline(connection, "stances")
        view = rows(
            connection,
            """SELECT *, low AS statement_share_low, high AS statement_share_high
               FROM stance_timeline LEFT JOIN stance_intervals USING (month, side)""",
        )
    expected = {(row["period"], row["id"]): tuple(row[name] for name in STANCE_COUNTS) for row in counted.rows}
    assert expected
    for found in (view, _site(database, "stance_timeline")):
        assert {(row["month"], row["side"]): tuple(row[n] for n in STANCE_COUNTS) for row in found} == expected
    written = csv.DictReader(io.StringIO(timeline_bytes(counted, "csv").decode(), newline=""))
    as_text = {key: tuple("" if value is None else str(value) for value in row) for key, row in expected.items()}
    assert {(row["period"], row["id"]): tuple(row[name] for name in STANCE_COUNTS) for row in written} == as_text
    names = {label: identity for identity, label in counted.series}
    drawn = [value for value in _values(chart(counted).to_dict()) if "series" in value]
    bars = {
        (v["period"], names[v["series"]]): (v["count"], v["documents"], v["articles"]) for v in drawn if "count" in v
    }
    assert bars == {key: row[:3] for key, row in expected.items() if row[0]}
    intervals = {(v["period"], names[v["series"]]): (v["part"], v["low"], v["high"]) for v in drawn if "part" in v}
    assert intervals == {key: row[-3:] for key, row in expected.items() if row[0]}


def test_view_query_csv_and_chart_of_topics_say_the_same(database: Path) -> None:
    with open_read(database) as connection:
        counted = timeline(connection, "topics")
        view = rows(connection, "SELECT * FROM topic_timeline")
    expected = {(row["period"], row["id"]): tuple(row[name] for name in COUNTS) for row in counted.rows}
    assert {(row["month"], str(row["topic_id"])): tuple(row[n] for n in COUNTS) for row in view} == expected
    shown = {
        (row["month"], str(row["topic_id"])): tuple(row[n] for n in COUNTS) for row in _site(database, "topic_timeline")
    }
    assert shown.items() <= expected.items()
    assert {key for key, row in expected.items() if row[0]} <= set(shown)
    written = csv.DictReader(io.StringIO(timeline_bytes(counted, "csv").decode(), newline=""))
    assert {(row["period"], row["id"]): row["articles"] for row in written} == {
        key: "" if row[1] is None else str(row[1]) for key, row in expected.items()
    }
    heights: dict[str, float] = defaultdict(float)
    for value in _values(chart(counted).to_dict()):
        if "count" in value:
            heights[value["period"]] += value["high"] - value["low"]
    for period, height in heights.items():
        assert height == pytest.approx(sum(row[3] for key, row in expected.items() if key[0] == period), abs=1e-4)


def _values(spec: Any) -> list[dict[str, Any]]:
    if isinstance(spec, dict):
        own = spec["data"]["values"] if "values" in spec.get("data", {}) else []
        return own + [value for key, part in spec.items() if key != "data" for value in _values(part)]
    return [value for part in spec for value in _values(part)] if isinstance(spec, list) else []


@pytest.mark.parametrize("by", ["month", "week", "quarter"])
def test_the_figures_equal_an_independent_count(database: Path, by: str) -> None:
    """Counted from the bare rows, in Python, with nothing of the timelines' code."""

    def period(moment: str) -> str:
        day = datetime.fromisoformat(moment)
        if by == "week":
            return "{}-W{:02}".format(*day.isocalendar()[:2])
        return f"{day:%Y-%m}" if by == "month" else f"{day:%Y}-Q{(day.month + 2) // 3}"

    with open_read(database) as connection:
        counted = timeline(connection, "stances", by=by)  # type: ignore[arg-type]
        articles = rows(connection, "SELECT id, url, document_id, published_at, source_id FROM articles")
        said = rows(connection, "SELECT id, document_id, side FROM statements")
        fetches = rows(connection, "SELECT * FROM fetches")
    urls = {article["url"] for article in articles}
    off_topic = {
        (fetch["final_url"] or fetch["url"], fetch["source_id"]): fetch["published_at"]
        for fetch in fetches
        if fetch["outcome"] == "off_topic"
        and (fetch["final_url"] or fetch["url"]) not in urls
        and fetch["published_at"]
    }
    collected: dict[str, int] = defaultdict(int)
    healthy: dict[str, set[str]] = defaultdict(set)
    for article in articles:
        if article["published_at"]:
            collected[period(article["published_at"])] += 1
            healthy[period(article["published_at"])].add(article["source_id"])
    for (_, source), moment in off_topic.items():
        collected[period(moment)] += 1
        healthy[period(moment)].add(source)
    for fetch in fetches:
        if fetch["outcome"] not in ("failed", "disallowed"):
            healthy[period(fetch["fetched_at"])].add(fetch["source_id"])
    sides: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for statement in said:
        sides[statement["document_id"]].append(statement)
    counts: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for article in articles:
        for statement in sides[article["document_id"]]:
            if article["published_at"] and statement["side"]:
                cell = counts[period(article["published_at"]), statement["side"]]
                cell["articles"].add(article["id"])
                cell["documents"].add(article["document_id"])
                cell["statements"].add(statement["id"])
    assert len(counted.rows) >= 8
    for row in counted.rows:
        here = (row["period"], row["id"])
        assert row["collected"] == collected[row["period"]], here
        assert row["healthy_sources"] == len(healthy[row["period"]]), here
        for name in ("articles", "documents", "statements"):
            assert row[name] == (len(counts[here][name]) if healthy[row["period"]] else None), (here, name)
    assert sum(row["statements"] or 0 for row in counted.rows) == sum(len(c["statements"]) for c in counts.values())


# --- filters, zones, health ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "statements", "collected"),
    [
        ({"proposition": "misuse"}, {"2024-01": 0, "2024-03": 1, "2024-06": 0}, 5),
        ({"proposition": "open-release"}, {"2024-01": 1, "2024-03": 1, "2024-06": 0}, 5),
        ({"outlet": "the courier"}, {"2024-01": 1}, 3),
        ({"outlet": "ledger"}, {"2024-01": 1, "2024-03": 1}, 1),
        ({"country": "gb"}, {"2024-01": 1, "2024-03": 1}, 1),
    ],
)
def test_propositions_outlets_and_countries_choose_what_counts(
    reading: sqlite3.Connection, filters: dict[str, str | None], statements: dict[str, int], collected: int
) -> None:
    found = _cells(timeline(reading, "stances", filters=filters), "open", "statements", "collected")
    assert {period: found[period][0] for period in statements} == statements
    assert found["2024-01"][1] == collected


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"topic": "1"},
        {"actor": "okafor"},
        {"proposition": "misuse"},
        {"outlet": "The Courier"},
        {"country": "GB"},
        {"kind": "post"},
        {"language": "en"},
        {"country": "US", "actor": "brandvik", "kind": "article"},
    ],
)
def test_the_filtered_query_of_the_site_says_what_the_timeline_says(sample: Path, filters: dict[str, str]) -> None:
    async def get() -> Any:
        return await build(sample).client.get(
            "/debatewatch/filtered_timeline.json", params={"_shape": "array", **filters}
        )

    names = ("statements", "documents", "articles", "collected", "share", "healthy_sources")
    shown = {(row["month"], row["side"]): tuple(row[name] for name in names) for row in asyncio.run(get()).json()}
    with open_read(sample) as connection:
        counted = timeline(connection, "stances", filters=dict(filters), intervals=False)
    assert shown == {(row["period"], row["id"]): tuple(row[name] for name in names) for row in counted.rows}
    assert shown


@pytest.mark.parametrize(
    "filters",
    [{"proposition": "nothing"}, {"outlet": "Gazette"}, {"country": "FR"}, {"kind": "podcast"}, {"language": "xx"}],
)
def test_a_value_that_no_row_has_is_refused(reading: sqlite3.Connection, filters: dict[str, str | None]) -> None:
    with pytest.raises(InputError, match=next(iter(filters))):
        timeline(reading, "stances", filters=filters)


@pytest.mark.parametrize("query", ["topic_timeline", "topic_bursts"])
def test_a_number_names_a_topic_and_is_no_part_of_a_name(tmp_path: Path, query: str) -> None:
    path = fill(tmp_path / "debate.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE topics SET label = 'DeepSeek, R1' WHERE id = 2")
        database.executemany(
            """INSERT INTO topic_bursts (topic_id, started_on, ended_on, documents, expected, strength, method, run_id)
               VALUES (?, '2024-01-01', '2024-01-07', 3, 1.0, 1.0, 'm', 1)""",
            [(1,), (2,)],
        )

    async def get(topic: str) -> Any:
        return await build(path).client.get(f"/debatewatch/{query}.json?_shape=array&topic={topic}")

    assert {row["topic_id"] for row in asyncio.run(get("1")).json()} == {1}
    assert {row["topic_id"] for row in asyncio.run(get("r1")).json()} == {2}


def test_a_topic_that_has_ended_is_refused_and_not_counted_as_zero(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE topics SET ended_run_id = 1 WHERE id = 2")
    with open_read(path) as connection, pytest.raises(InputError, match="no standing topic '2'"):
        timeline(connection, "stances", filters={"topic": "2"})


def test_an_end_as_far_as_dates_go_is_an_open_end(reading: sqlite3.Connection) -> None:
    """The periods that have not begun are no periods without data."""
    this_year = utc_now().year
    found = timeline(reading, "stances", by="quarter", until=datetime(9999, 12, 31, tzinfo=UTC))
    assert found.rows[-1]["period"].startswith(str(this_year))
    assert sum(row["statements"] or 0 for row in found.rows) == sum(
        row["statements"] or 0 for row in timeline(reading, "stances", by="quarter").rows
    )


def test_a_beginning_after_the_end_is_refused(reading: sqlite3.Connection) -> None:
    with pytest.raises(InputError, match="since 2024-06-01 lies after until 2024-01-01"):
        timeline(reading, "stances", since=datetime(2024, 6, 1, tzinfo=UTC), until=datetime(2024, 1, 1, tzinfo=UTC))


def test_periods_follow_the_time_zone_asked_for(reading: sqlite3.Connection) -> None:
    """a6 appeared at 23:30 on 31 May in New York, 1 June in UTC."""
    utc = _cells(timeline(reading, "stances"), "closed", "articles")
    there = timeline(reading, "stances", zone="America/New_York")
    assert utc["2024-06"] == (1,)
    assert _cells(there, "closed", "articles")["2024-05"] == (1,)
    assert there.rows[-1]["period"] == "2024-05"
    last_day = datetime(2024, 5, 31, tzinfo=UTC)
    cut = timeline(reading, "stances", by="day", zone="America/New_York", since=last_day, until=last_day)
    assert _cells(cut, "closed", "articles") == {"2024-05-31": (1,)}
    assert "America/New_York" in json.dumps(chart(there).to_dict())


def test_a_date_without_a_time_of_day_is_that_day_in_every_zone(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE articles SET published_at = '2024-06-01T00:00:00Z' WHERE url LIKE '%/evening'")
    with open_read(path) as connection:
        assert _cells(timeline(connection, "stances", zone="America/New_York"), "closed", "articles")["2024-06"] == (1,)


def test_an_unknown_time_zone_is_refused(reading: sqlite3.Connection) -> None:
    with pytest.raises(InputError, match="no time zone 'Mars/Olympus'"):
        timeline(reading, "stances", zone="Mars/Olympus")


def test_a_period_in_which_a_source_answered_and_published_nothing_is_zero_and_not_unknown(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        run = store.start_run("crawl", "1")
        for day, outcome in ((10, "unchanged"), (11, "failed")):
            asked = datetime(2024, 2 if outcome == "unchanged" else 5, day, tzinfo=UTC)
            store.record_fetch(run, Fetch("ledger", "https://ledger.example/feed", outcome, asked, target="listing"))  # type: ignore[arg-type]
    with open_read(path) as connection:
        found = _cells(timeline(connection, "stances"), "open", "statements", "share", "healthy_sources", "state")
    assert found["2024-02"] == (0, None, 1, "zero")
    assert found["2024-05"] == (None, None, 0, "no data")


# --- intervals ----------------------------------------------------------------------------------------------------------------


def test_intervals_are_those_of_a_bootstrap_over_texts(tmp_path: Path) -> None:
    """Against the plain bootstrap: texts drawn with replacement, 4,000 times."""
    said = [
        (document, side)
        for document in range(60)
        for side in ("open",) * (1 + document % 3) + ("closed",) * (document % 2)
    ]
    path = tmp_path / "debate.db"
    with Store.open(path) as store:
        store.sync_sources([SourceRow("s", "S", "https://s.example/", "feed")])
        run = store.start_run("crawl", "1")
        for document in range(60):
            store.db.execute(
                "INSERT INTO documents (id, title, text, sha256, words, run_id, added_at) VALUES (?, 't', 'x', ?, 1, ?, '')",
                [document + 1, str(document), run],
            )
            store.db.execute(
                """INSERT INTO articles (url, source_id, document_id, title, published_at, kind, run_id, added_at)
                   VALUES (?, 's', ?, 't', '2024-03-14T00:00:00Z', 'article', ?, '')""",
                [f"https://s.example/{document}", document + 1, run],
            )
        for document, side in said:
            store.db.execute(
                """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, kind, side, run_id)
                   VALUES (?, 'x', 0, 1, 'A', 'A', 'direct', ?, ?)""",
                [document + 1, side, run],
            )
        store.db.conn.commit()
    with open_read(path) as connection:
        [low, high] = rows(connection, "SELECT low, high FROM stance_intervals WHERE side = 'open'")[0].values()
    counts = np.array([[sum(d == n and s == side for d, s in said) for side in ("open", "closed")] for n in range(60)])
    drawn = counts[np.random.default_rng(1).integers(0, 60, (4000, 60))].sum(axis=1)
    expected = np.percentile(drawn[:, 0] / drawn.sum(axis=1), [2.5, 97.5])
    assert (low, high) == pytest.approx(expected, abs=0.015)
    assert low < counts[:, 0].sum() / counts.sum() < high


def test_one_text_gives_no_width_and_no_statement_no_interval(reading: sqlite3.Connection) -> None:
    found = timeline(reading, "stances")
    bounds = ("statement_share", "statement_share_low", "statement_share_high")
    assert _cells(found, "closed", *bounds)["2024-06"] == (1.0, 1.0, 1.0)
    assert _cells(found, "open", *bounds)["2024-06"] == (0.0, None, None)
    assert _cells(found, "open", *bounds)["2024-04"] == (None, None, None)


# --- sources that come and go -------------------------------------------------------------------------------------------------


def test_sources_that_were_added_or_fell_silent_are_marked(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        run = store.start_run("crawl", "1")
        for number, day in enumerate([(3, 20), (3, 22), (3, 24), (6, 1), (6, 2)]):
            page = Fetch(
                "ledger",
                f"https://ledger.example/off-{number}",
                "off_topic",
                datetime(2024, 7, 1, tzinfo=UTC),
                published_at=datetime(2024, *day, 8, tzinfo=UTC),
            )
            store.record_fetch(run, page)
        for number in range(3):
            page = Fetch(
                "harbour",
                f"https://harbour.example/off-{number}",
                "off_topic",
                datetime(2024, 7, 1, tzinfo=UTC),
                published_at=datetime(2024, 1, 11 + number, tzinfo=UTC),
            )
            store.record_fetch(run, page)
    with open_read(path) as connection:
        events = [
            (event["source_id"], event["event"], event["at"][:10]) for event in timeline(connection, "stances").events
        ]
        drawn = chart(timeline(connection, "stances")).to_dict()
    assert ("courier", "added", "2024-01-05") in events
    assert ("harbour", "silent", "2024-01-13") in events
    assert ("harbour", "back", "2024-06-01") in events
    marks = {(v["period"], v["what"], v["sources"]) for v in _values(drawn) if "sources" in v}
    assert ("2024-01", "fell silent", "Harbour Wire") in marks
    assert not any("The Courier" in mark[2] for mark in marks), "there from the first period on: not added in it"
    assert "fell silent: Harbour Wire (2024-01)" in " ".join(drawn["title"]["subtitle"])
