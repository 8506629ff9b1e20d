"""Exports: every format of every export can be read back, and says what the database says."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import feedparser
import pyarrow.parquet
import pytest

from db import tables
from db.exports import EXPORTS, TIMELINE_FORMATS, find_export, write_export, write_timeline
from db.models import InputError, StoreError, UnknownNameError
from db.tables import Table, encode
from tests.db.samples import STATEMENTS


def _export(sample: Path, folder: Path, name: str, format: str, **options: Any) -> bytes:
    output = folder / f"{name}.{format}"
    write_export(sample, find_export(name), format=format, output=output, options=options)
    return output.read_bytes()


def _json(sample: Path, folder: Path, name: str, **options: Any) -> list[dict[str, Any]]:
    found = json.loads(_export(sample, folder, name, "json", **options))
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("name", "format"), [(e.name, f) for e in EXPORTS.values() for f in e.formats if f in tables.FORMATS]
)
def test_every_format_of_a_table_holds_the_same_rows(sample: Path, tmp_path: Path, name: str, format: str) -> None:
    expected = _json(sample, tmp_path, name)
    content = _export(sample, tmp_path, name, format)
    assert expected
    if format == "csv":
        read = list(csv.reader(io.StringIO(content.decode(), newline="")))
        assert read[0] == list(expected[0])
        assert len(read) == len(expected) + 1
    elif format == "jsonl":
        assert [json.loads(line) for line in content.decode().splitlines()] == expected
    elif format == "parquet":
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        assert table.column_names == list(expected[0])
        assert table.num_rows == len(expected)
    elif format == "html":
        assert content.decode().count("<tr>") == len(expected) + 1


def test_statements_carry_their_evidence_speaker_positions_and_archived_page(sample: Path, tmp_path: Path) -> None:
    found = _json(sample, tmp_path, "statements")
    assert {row["text"] for row in found} == {row[1] for row in STATEMENTS}
    moss = next(row for row in found if row["speaker"] == "Lena Moss")
    assert moss["actor_id"] is None
    assert moss["side"] == "open"
    assert [(p["id"], p["stance"]) for p in moss["positions"]] == [("open-release", "agree"), ("misuse", "disagree")]
    assert (moss["url"], moss["outlet"], moss["published_at"]) == (
        "https://ledger.example/post",
        "The Ledger",
        "2024-03-14T08:00:00Z",
    )
    assert (moss["warc_file"], moss["warc_offset"]) == ("pages.warc.gz", 40)
    wire = next(row for row in found if row["speaker"] == "Ines Okafor" and row["side"] == "open")
    assert (wire["url"], wire["articles"]) == ("https://harbour.example/wire", 3)


def test_articles_name_the_article_that_they_reprint(sample: Path, tmp_path: Path) -> None:
    reprints = {row["url"]: row["reprint_of"] for row in _json(sample, tmp_path, "articles")}
    assert reprints["https://courier.example/reprint-1"] == "https://harbour.example/wire"
    assert reprints["https://harbour.example/wire"] is None
    assert len(reprints) == 7


def test_a_period_cuts_exports_and_leaves_out_what_has_no_date(sample: Path, tmp_path: Path) -> None:
    day = datetime(2024, 1, 11, tzinfo=UTC)
    found = _json(sample, tmp_path, "articles", since=day, until=day)
    assert sorted(row["url"] for row in found) == [
        "https://courier.example/reprint-1",
        "https://ledger.example/reprint-2",
    ]


def test_documents_come_without_their_text_unless_asked(sample: Path, tmp_path: Path) -> None:
    assert "text" not in _json(sample, tmp_path, "documents")[0]
    assert "Filler sentence" in _json(sample, tmp_path, "documents", text=True)[0]["text"]


def test_mentions_are_the_words_at_their_place(sample: Path, tmp_path: Path) -> None:
    [mention] = _json(sample, tmp_path, "mentions")
    assert (mention["text"], mention["actor_id"]) == ("Corvid Labs", "corvid")


def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe_in_csv_only(sample: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(_export(sample, tmp_path, "statements", "csv").decode(), newline="")))
    [moss] = [row for row in rows if row["speaker"] == "Lena Moss"]
    assert moss["text"].startswith("'=Weights")
    assert any(row["text"].startswith("=Weights") for row in _json(sample, tmp_path, "statements"))
    cells = Table(["a"], [{"a": value} for value in ("-1+1", "+x", "@x", "\tx", "fine", -1, 0.5)])
    read = list(csv.reader(io.StringIO(encode(cells, "csv").decode(), newline="")))
    assert [row[0] for row in read[1:]] == ["'-1+1", "'+x", "'@x", "'\tx", "fine", "-1", "0.5"]


def test_csv_keeps_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    awkward = 'She said: "no, never"\r\nand left; naïve 🙂'
    content = encode(Table(["a", "b"], [{"a": awkward, "b": ["x", "y"]}]), "csv").decode()
    assert content.startswith("a,b\r\n")
    assert list(csv.reader(io.StringIO(content, newline="")))[1] == [awkward, "x; y"]


def test_html_shows_markup_as_text(sample: Path, tmp_path: Path) -> None:
    content = _export(sample, tmp_path, "statements", "html").decode()
    assert "&lt;b&gt;other&lt;/b&gt;" in content
    assert "<b>other" not in content
    assert "<script" not in content


def test_changes_come_with_the_words_before_and_after(sample: Path, tmp_path: Path) -> None:
    [change] = _json(sample, tmp_path, "changes")
    assert (change["before"], change["after"], change["statements_before"]) == ("agree", "disagree", [1])
    assert "should be public" in change["text_before"]
    assert "should stay closed" in change["text_after"]
    assert change["url_after"] == "https://harbour.example/evening"


def test_the_feed_is_one_that_readers_understand_and_ids_outlive_an_analysis(sample: Path, tmp_path: Path) -> None:
    content = _export(sample, tmp_path, "atom", "atom")
    feed = feedparser.parse(content)
    assert not feed.bozo
    assert feed.version == "atom10"
    [entry] = feed.entries
    assert entry.title == "Ines Okafor: agree to disagree on release openly"
    assert entry.link == "https://harbour.example/evening"
    assert "weights should be public" in entry.content[0].value
    assert entry.id.startswith("urn:uuid:")
    with sqlite3.connect(tmp_path / "again.db") as again, sqlite3.connect(sample) as before:
        before.backup(again)
        again.execute("PRAGMA foreign_keys = OFF")
        again.execute("UPDATE position_changes SET id = 99")
        again.execute("UPDATE position_change_statements SET change_id = 99")
    assert feedparser.parse(_export(tmp_path / "again.db", tmp_path, "atom", "atom")).entries[0].id == entry.id


# --- networks ---------------------------------------------------------------------------------------------------------------


def _matrix(sample: Path, folder: Path, **options: object) -> dict[str, dict[str, float]]:
    content = _export(sample, folder, "network", "csv", **options).decode()
    rows = list(csv.reader(io.StringIO(content, newline="")))
    return {row[0]: dict(zip(rows[0][1:], map(float, row[1:]), strict=True)) for row in rows[1:]}


def test_organisations_are_those_that_people_worked_for_at_the_time(sample: Path, tmp_path: Path) -> None:
    """Okafor left the institute in March 2024: her statement of June counts for nobody."""
    assert _matrix(sample, tmp_path) == {
        "Brindle Institute": {"Misuse": 0, "Release openly": 1},
        "Corvid Labs": {"Misuse": 1, "Release openly": 1},
    }


@pytest.mark.parametrize(
    ("options", "okafor", "moss"),
    [
        ({}, {"Misuse": 1, "Release openly": 2}, {"Misuse": 1, "Release openly": 1}),
        ({"qualifier": "subtract"}, {"Misuse": 1, "Release openly": 0}, {"Misuse": -1, "Release openly": 1}),
        ({"qualifier": "combine"}, {"Misuse": 1, "Release openly": 3}, {"Misuse": 2, "Release openly": 1}),
        ({"duplicates": "acrossrange"}, {"Misuse": 1, "Release openly": 1}, {"Misuse": 1, "Release openly": 1}),
        ({"duplicates": "year"}, {"Misuse": 1, "Release openly": 1}, {"Misuse": 1, "Release openly": 1}),
        ({"duplicates": "month"}, {"Misuse": 1, "Release openly": 2}, {"Misuse": 1, "Release openly": 1}),
        ({"normalization": "activity"}, {"Misuse": 0.333333, "Release openly": 0.666667}, {"Misuse": 0.5, "Release openly": 0.5}),
        (
            {"normalization": "prominence"},
            {"Misuse": 0.333333, "Release openly": 0.5},
            {"Misuse": 0.333333, "Release openly": 0.25},
        ),
    ],
)  # fmt: skip
def test_two_mode_networks(
    sample: Path, tmp_path: Path, options: dict[str, str], okafor: dict[str, float], moss: dict[str, float]
) -> None:
    found = _matrix(sample, tmp_path, rows="person", **options)
    assert (found["Ines Okafor"], found["Lena Moss"]) == (okafor, moss)


@pytest.mark.parametrize(
    ("options", "okafor_brandvik", "okafor_moss"),
    [
        # Okafor: release +1 -1, misuse +1. Brandvik: misuse +1, release +1. Moss: release +1, misuse -1.
        ({}, 3, 3),
        ({"qualifier": "congruence"}, 2, 1),
        ({"qualifier": "conflict"}, 1, 2),
        ({"qualifier": "subtract"}, 1, -1),
        ({"normalization": "average"}, 1.2, 1.2),
        ({"normalization": "cosine"}, 0.5, 0.5),
        ({"qualifier": "congruence", "normalization": "jaccard"}, 0.666667, 0.25),
    ],
)
def test_one_mode_networks(
    sample: Path, tmp_path: Path, options: dict[str, str], okafor_brandvik: float, okafor_moss: float
) -> None:
    found = _matrix(sample, tmp_path, mode="onemode", rows="person", **options)
    assert found["Ines Okafor"]["Tomas Brandvik"] == found["Tomas Brandvik"]["Ines Okafor"] == okafor_brandvik
    assert found["Ines Okafor"]["Lena Moss"] == okafor_moss
    assert found["Ines Okafor"]["Ines Okafor"] == 0


def test_authors_without_a_name_are_no_node(sample: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "unnamed.db") as unnamed, sqlite3.connect(sample) as named:
        named.backup(unnamed)
        unnamed.execute("UPDATE statements SET speaker_name = 'AUTHOR' WHERE speaker_name = 'Lena Moss'")
    for variable in ("person", "actor"):
        assert set(_matrix(tmp_path / "unnamed.db", tmp_path, rows=variable)) == {"Ines Okafor", "Tomas Brandvik"}


def test_isolates_are_kept_and_values_left_out_where_asked(sample: Path, tmp_path: Path) -> None:
    june = {"rows": "person", "since": datetime(2024, 6, 1, tzinfo=UTC)}
    assert list(_matrix(sample, tmp_path, **june)) == ["Ines Okafor"]
    kept = _matrix(sample, tmp_path, **june, isolates=True)
    assert kept["Lena Moss"] == {"Misuse": 0, "Release openly": 0}
    assert kept["Ines Okafor"] == {"Misuse": 1, "Release openly": 1}
    without = _matrix(sample, tmp_path, rows="person", exclude=("person=Lena Moss", "concept=Misuse"))
    assert without == {"Ines Okafor": {"Release openly": 2}, "Tomas Brandvik": {"Release openly": 1}}


def test_graph_files_hold_the_same_ties_as_the_matrix(sample: Path, tmp_path: Path) -> None:
    graphml = ElementTree.fromstring(_export(sample, tmp_path, "network", "graphml", rows="person"))
    space = {"g": "http://graphml.graphdrawing.org/xmlns", "x": "http://gexf.net/1.3"}
    assert len(graphml.findall(".//g:node", space)) == 5
    assert sorted(float(data.text or 0) for data in graphml.findall(".//g:edge/g:data", space)) == [1, 1, 1, 1, 1, 2]
    gexf = ElementTree.fromstring(_export(sample, tmp_path, "network", "gexf", mode="onemode", rows="person"))
    assert [node.get("label") for node in gexf.findall(".//x:node", space)] == [
        "Ines Okafor",
        "Lena Moss",
        "Tomas Brandvik",
    ]
    assert len(gexf.findall(".//x:edge", space)) == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mode": "threemode"}, "twomode, onemode"),
        ({"rows": "horoscope"}, "organisation, person"),
        ({"qualifier": "congruence"}, "ignore, combine, subtract"),
        ({"normalization": "jaccard"}, "no, activity, prominence"),
        ({"rows": "concept"}, "two different variables"),
        ({"exclude": ("organisation",)}, "names no value"),
        ({"exclude": ("organisation=Corvid Lab",)}, "nothing has the organisation 'Corvid Lab'"),
        ({"exclude": ("colour=red",)}, "no exclude 'colour'"),
    ],
)
def test_a_choice_that_a_network_does_not_have_is_refused_with_those_it_has(
    sample: Path, tmp_path: Path, options: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        _export(sample, tmp_path, "network", "csv", **options)


# --- timelines, and what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", TIMELINE_FORMATS)
def test_a_timeline_can_be_written_in_every_format(sample: Path, tmp_path: Path, format: str) -> None:
    output = tmp_path / f"stances.{format}"
    write_timeline(
        sample, "stances", by="quarter", format=format, output=output, filters={"since": None, "topic": None}
    )
    content = output.read_bytes()
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        assert [row["collected"] for row in rows if row["id"] == "open"] == ["7", "2"]
    elif format == "json":
        assert [row["share"] for row in json.loads(content) if row["id"] == "open"] == [0.571429, 0.0]
    elif format == "parquet":
        assert pyarrow.parquet.read_table(output).num_rows == 8
    elif format == "html":
        assert content.rstrip().endswith(b"</html>")
        script, _, below = content.rpartition(b"</script>")
        assert b"vegaEmbed" in script
        assert below.count(b"<td>2024-Q1</td>") == 4
    elif format == "png":
        assert content.startswith(b"\x89PNG")
    elif format == "svg":
        assert ElementTree.fromstring(content).tag.endswith("svg")


def test_a_period_without_data_is_an_empty_cell_in_csv_and_null_in_json(sample: Path, tmp_path: Path) -> None:
    for format in ("csv", "json"):
        write_timeline(sample, "stances", format=format, output=tmp_path / f"t.{format}")
    [cell] = [
        r
        for r in csv.DictReader((tmp_path / "t.csv").open(newline=""))
        if (r["period"], r["id"]) == ("2024-02", "open")
    ]
    assert (cell["articles"], cell["share"], cell["state"]) == ("", "", "no data")
    [row] = [r for r in json.loads((tmp_path / "t.json").read_text()) if (r["period"], r["id"]) == ("2024-02", "open")]
    assert (row["articles"], row["share"], row["state"]) == (None, None, "no data")


def test_an_unknown_export_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match="statements, articles"):
        find_export("horoscopes")


def test_options_and_formats_of_other_exports_are_refused(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no option 'mode'; there are since, until"):
        _export(sample, tmp_path, "statements", "csv", mode="onemode")
    with pytest.raises(InputError, match="no format 'png'; there are csv"):
        _export(sample, tmp_path, "statements", "png")
    with pytest.raises(InputError, match="there are topics"):
        write_timeline(sample, "horoscopes", output=tmp_path / "x")


def test_a_file_is_replaced_whole_and_nothing_else_is_left(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "statements.csv").write_text("old")
    _export(sample, tmp_path, "statements", "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["statements.csv"]
    assert (tmp_path / "statements.csv").stat().st_mode & 0o777 != 0o600
    with pytest.raises(StoreError, match="cannot be written"):
        write_export(sample, find_export("articles"), format="csv", output=tmp_path / "missing" / "a.csv")


def test_binary_content_goes_to_a_pipe_and_never_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    for terminal in (True, False):
        screen = Screen(io.BytesIO())
        monkeypatch.setattr("sys.stdout", screen)
        if terminal:
            with pytest.raises(InputError, match="name a file with -o"):
                tables.write(b"\0", "png", None)
        else:
            tables.write(b"\0", "png", None)
            assert screen.buffer.getvalue() == b"\0"  # type: ignore[attr-defined]
