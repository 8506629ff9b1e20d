"""Charts: what is drawn is what was counted, and a gap is never a zero."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from db.chart_panels import MAX_SERIES
from db.charts import chart, draw
from db.queries import rows
from db.timelines import Timeline, next_start, timeline


def _spec(counted: Timeline, **options: str) -> dict[str, Any]:
    spec = json.loads(chart(counted, **options).to_json())
    assert isinstance(spec, dict)
    return spec


def _values(spec: Any) -> list[dict[str, Any]]:
    """All data of a specification, wherever they stand."""
    if isinstance(spec, dict):
        own = spec["data"]["values"] if "values" in spec.get("data", {}) else []
        return own + [value for key, part in spec.items() if key != "data" for value in _values(part)]
    return [value for part in spec for value in _values(part)] if isinstance(spec, list) else []


def _labels(spec: Any) -> list[str]:
    """The names under the time axis, in order."""
    return re.findall(r": '([^']+)'", re.search(r'"labelExpr": "(\(\{\d.*?)"', json.dumps(spec)).group(1))  # type: ignore[union-attr]


def _made(
    periods: int, series: int, by: str = "month", start: date = date(2023, 2, 1), kind: str = "topics"
) -> Timeline:
    rows = []
    for _ in range(periods):
        name = f"{start:%Y-%m}" if by == "month" else f"{start:%Y}-Q{start.month // 3 + 1}"
        for identity in range(series):
            counts = {"documents": 1, "articles": 1 + identity, "statements": 1, "mentions": 0, "collected": 100}
            row = {"period": name, "start": start.isoformat(), "id": str(identity), "label": f"Topic {identity}"}
            rows.append({**row, **counts, "share": (1 + identity) / 100, "state": "counted"})
        start = next_start(start, by)
    names = tuple((str(identity), f"Topic {identity}") for identity in range(series))
    return Timeline(kind, by, "UTC", names, {}, tuple(rows), (), 0)  # type: ignore[arg-type]


def test_bars_stack_statements_from_zero_and_span_their_period(reading: sqlite3.Connection) -> None:
    found = [value for value in _values(_spec(timeline(reading, "stances"))) if value.get("period") == "2024-01"]
    values = [value for value in found if "count" in value]
    assert [(v["series"], v["low"], v["high"]) for v in values] == [("Open", 0, 1), ("Closed", 1, 2), ("Mixed", 2, 3)]
    assert all("2024-01-01" <= v["start"] < v["end"] < "2024-02-01" for v in values)


def test_topics_stack_the_share_of_what_was_collected(reading: sqlite3.Connection) -> None:
    [value] = [v for v in _values(_spec(timeline(reading, "topics"))) if v.get("period") == "2024-03"]
    assert (value["low"], value["high"], value["count"], value["collected"]) == (0, 0.5, 1, 2)


def test_months_without_data_are_bands_and_zeros_are_nothing(reading: sqlite3.Connection) -> None:
    spec = _spec(timeline(reading, "stances"))
    bands = [(v["first"], v["start"][:10], v["end"][:10]) for v in _values(spec) if "first" in v and "series" not in v]
    assert sorted(set(bands)) == [("2024-02", "2024-02-01", "2024-03-01"), ("2024-05", "2024-05-01", "2024-06-01")]
    notes = " ".join(spec["title"]["subtitle"])
    assert "Grey: no source was healthy" in notes
    assert "1 article without a date" in notes


def test_lines_of_actors_break_where_there_is_no_data(reading: sqlite3.Connection) -> None:
    values = _values(_spec(timeline(reading, "actors", filters={"actor": "okafor"})))
    line = {v["period"]: v["count"] for v in values if v.get("series") == "Ines Okafor"}
    assert line == {"2024-01": 1, "2024-02": None, "2024-03": 0, "2024-04": 0, "2024-05": None, "2024-06": 1}


def test_sides_have_the_colours_of_the_debate(reading: sqlite3.Connection) -> None:
    text = json.dumps(_spec(timeline(reading, "stances")))
    assert (
        '"domain": ["Open", "Closed", "Mixed", "Neutral"], "range": ["#0072B2", "#D55E00", "#8C6BB1", "#8A8A8A"]'
        in text
    )


def test_beyond_eight_series_the_smallest_are_summed_as_other() -> None:
    values = [value for value in _values(_spec(_made(3, 11))) if "series" in value]
    names = {value["series"] for value in values}
    assert len(names) == MAX_SERIES + 1
    [other] = [value for value in values if value["series"] == "other" and value["period"] == "2023-02"]
    assert other["count"] == 1 + 2 + 3
    assert other["high"] - other["low"] == pytest.approx(0.06)


def test_what_the_filters_choose_stands_on_the_chart(reading: sqlite3.Connection) -> None:
    since = datetime(2024, 1, 15, tzinfo=UTC)
    chosen = {"outlet": "ledger", "actor": "okafor", "topic": "1", "country": "gb", "kind": "post"}
    notes = " ".join(_spec(timeline(reading, "stances", filters=chosen, since=since))["title"]["subtitle"])
    topic = rows(reading, "SELECT label FROM topics WHERE id = 1")[0]["label"]
    wanted = f"Only outlet The Ledger, actor Ines Okafor, topic {topic}, country GB, kind post, since 2024-01-15."
    assert wanted in notes
    assert "Only" not in " ".join(_spec(timeline(reading, "stances"))["title"]["subtitle"])


@pytest.mark.parametrize("kind", ["topics", "terms"])
def test_a_period_with_a_healthy_source_and_no_page_is_drawn_as_nothing(kind: str) -> None:
    """A crawl that was answered on a day without news: zero of zero collected, so there is no share."""
    counted = _made(2, MAX_SERIES + 2, kind=kind)
    none = {"documents": 0, "articles": 0, "uses": 0, "collected": 0, "share": None, "state": "zero"}
    rows = [row | {"uses": 2} | (none if row["period"] == "2023-03" else {}) for row in counted.rows]
    values = _values(_spec(replace(counted, rows=tuple(rows))))
    assert {value["period"] for value in values if "series" in value} == {"2023-02"}


def test_what_is_summed_as_other_claims_no_texts_that_were_counted_twice() -> None:
    """One text may use two of the terms that are shown as one."""
    counted = _made(1, MAX_SERIES + 2, kind="terms")
    rows = tuple(row | {"uses": 2 + int(row["id"])} for row in counted.rows)
    [other] = [v for v in _values(_spec(replace(counted, rows=rows))) if v.get("series") == "other"]
    assert (other["count"], other["articles"], other["documents"], other["share"]) == (5, None, None, None)


def test_of_many_series_those_of_which_there_is_nothing_take_no_place_in_the_legend() -> None:
    made = _made(2, 11)
    rows = tuple({**row, "articles": 0, "share": 0.0} if int(row["id"]) < 4 else row for row in made.rows)
    spec = _spec(Timeline("topics", "month", "UTC", made.series, {}, rows, (), 0))
    names = {value["series"] for value in _values(spec) if "series" in value}
    assert names == {f"Topic {number}" for number in range(4, 11)}
    assert "Topic 3" not in json.dumps(spec["vconcat"] if "vconcat" in spec else spec["layer"])


@pytest.mark.parametrize(
    ("periods", "by", "expected"),
    [
        (3, "month", ["Feb 2023", "Mar 2023", "Apr 2023"]),
        (44, "month", ["Jul 2023", "Jan 2024", "Jul 2024", "Jan 2025", "Jul 2025", "Jan 2026", "Jul 2026"]),
        (4, "quarter", ["Q1 2023", "Q2 2023", "Q3 2023", "Q4 2023"]),
    ],
)
def test_labels_stand_as_closely_as_they_fit(periods: int, by: str, expected: list[str]) -> None:
    start = date(2023, 2, 1) if by == "month" else date(2023, 1, 1)
    assert _labels(_spec(_made(periods, 2, by, start))) == expected


def test_two_hundred_periods_still_have_room_for_each_label() -> None:
    spec = _spec(_made(200, 3))
    assert 2 <= len(_labels(spec)) <= 14
    assert "Jan 2024" in _labels(spec)


def test_title_source_and_dates_stand_on_the_chart(reading: sqlite3.Connection) -> None:
    text = json.dumps(_spec(timeline(reading, "stances"), title="Who is for what", source="My desk"))
    assert "Who is for what" in text
    assert "Source: My desk, 20" in text
    assert "Sides taken by month, 2024-01 to 2024-06" in json.dumps(_spec(timeline(reading, "stances")))


@pytest.mark.parametrize("kind", ["topics", "stances", "actors"])
def test_html_needs_nothing_from_elsewhere(reading: sqlite3.Connection, kind: str) -> None:
    page = draw(timeline(reading, kind), "html").decode()  # type: ignore[arg-type]
    assert re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(?:https?:)?//""", page) == []
    assert "vegaEmbed" in page


def test_a_name_with_markup_in_it_stays_a_name() -> None:
    name = "</script><script>alert(1)</script><!--"
    made = _made(2, 1)
    rows = tuple({**row, "label": name} for row in made.rows)
    page = draw(Timeline("topics", "month", "UTC", (("0", name),), {}, rows, (), 0), "html").decode()
    assert "<script>alert" not in page
    assert "\\u003c/script>\\u003cscript>alert(1)" in page


@pytest.mark.parametrize("kind", ["topics", "stances", "actors"])
def test_an_empty_timeline_is_a_chart_that_says_so(kind: str) -> None:
    svg = draw(Timeline(kind, "month", "UTC", (), {}, (), (), 0), "svg").decode()  # type: ignore[arg-type]
    assert "nothing to show" in svg


def test_png_is_twice_the_size_for_print(reading: sqlite3.Connection) -> None:
    counted = timeline(reading, "stances")
    png, svg = draw(counted, "png"), draw(counted, "svg").decode()
    width = float(re.search(r'<svg[^>]* width="([\d.]+)"', svg).group(1))  # type: ignore[union-attr]
    assert int.from_bytes(png[16:20], "big") == pytest.approx(2 * width, abs=2)
    assert "Open" in svg and "statements" in svg
