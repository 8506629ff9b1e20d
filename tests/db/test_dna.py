"""Discourse Network Analyzer files: what a person coded comes in exactly, stays, and goes out again."""

from __future__ import annotations

import csv
import io
import sqlite3
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.dna import import_dna, read_dna
from db.dna_file import dna_bytes
from db.exports import find_export, write_export
from db.models import (
    ActorRow,
    AffiliationRow,
    Article,
    Document,
    InputError,
    Mention,
    PropositionRow,
    SourceRow,
    Speaker,
    Statement,
)
from db.queries import open_read
from db.store import Store
from tests.db.samples import ACTORS, AFFILIATIONS, PROPOSITIONS, SIDES, STATEMENTS, TEXTS, fill

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "dna" / "sample.dna"

needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="needs ../shared/data/dna/sample.dna")


def _matrix(path: Path, folder: Path, **options: str) -> list[list[float]]:
    write_export(path, find_export("network"), format="csv", output=folder / "net.csv", options=options)
    rows = list(csv.reader(io.StringIO((folder / "net.csv").read_text(), newline="")))
    return [[float(cell) for cell in row[1:]] for row in rows[1:]]


@pytest.mark.shared
@needs_sample
def test_networks_of_the_reference_sample_have_the_reference_figures(tmp_path: Path) -> None:
    with Store.open(tmp_path / "coded.db") as store:
        report = import_dna(store, SAMPLE)
    assert (report.documents, report.statements, report.left_out) == (7, 40, 1)
    two_mode = _matrix(tmp_path / "coded.db", tmp_path)
    assert (len(two_mode), len(two_mode[0]), sum(map(sum, two_mode))) == (7, 6, 40)
    one_mode = _matrix(tmp_path / "coded.db", tmp_path, mode="onemode")
    assert (len(one_mode), len(one_mode[0]), sum(map(sum, one_mode))) == (7, 7, 276)
    with open_read(tmp_path / "coded.db") as connection:
        texts = connection.execute(
            """SELECT s.text = substr(d.text, s.start + 1, s."end" - s.start) FROM statements AS s
               JOIN documents AS d ON d.id = s.document_id"""
        ).fetchall()
    assert texts == [(1,)] * 40


@pytest.mark.shared
@needs_sample
def test_the_reference_sample_goes_out_and_comes_in_again_with_its_offsets_and_figures(tmp_path: Path) -> None:
    with Store.open(tmp_path / "first.db") as store:
        import_dna(store, SAMPLE)
    write_export(tmp_path / "first.db", find_export("dna"), format="dna", output=tmp_path / "again.dna")
    with Store.open(tmp_path / "second.db") as store:
        import_dna(store, tmp_path / "again.dna")

    def content(path: Path) -> list[tuple[object, ...]]:
        documents, statements, _ = read_dna(path)
        of = {document.id: document for document in documents}
        return sorted(
            (astuple(of[s.document_id])[1:], of[s.document_id].text[s.start : s.end], *astuple(s)[1:])
            for s in statements
        )

    assert content(tmp_path / "again.dna") == content(SAMPLE)
    for options in ({}, {"mode": "onemode"}, {"mode": "onemode", "qualifier": "subtract", "normalization": "average"}):
        assert _matrix(tmp_path / "second.db", tmp_path, **options) == _matrix(
            tmp_path / "first.db", tmp_path, **options
        )


@pytest.mark.shared
@needs_sample
@pytest.mark.parametrize("variable", ["author", "source", "section", "type", "id", "title"])
def test_variables_of_documents_can_be_rows_as_in_the_reference_tool(tmp_path: Path, variable: str) -> None:
    with Store.open(tmp_path / "coded.db") as store:
        import_dna(store, SAMPLE)
    with sqlite3.connect(f"file:{SAMPLE}?mode=ro", uri=True) as reference:
        named = reference.execute(
            f"""SELECT count(*) FROM STATEMENTS AS s JOIN DOCUMENTS AS d ON d.ID = s.DocumentId
                WHERE s.StatementTypeId = 1 AND coalesce(d.{variable}, '') != ''"""
        ).fetchone()[0]
    if variable == "type":
        named = 40  # Imported texts are articles, whatever type the coder gave them.
    matrix = _matrix(tmp_path / "coded.db", tmp_path, rows=variable, columns="concept")
    assert sum(map(sum, matrix)) == named


@pytest.mark.shared
@needs_sample
def test_a_file_written_here_has_the_tables_and_columns_of_the_reference_tool(sample: Path) -> None:
    def columns(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: connection.execute(f"SELECT name, type FROM pragma_table_info('{name}')").fetchall()
            for (name,) in names
        }

    with open_read(sample) as connection:
        content = dna_bytes(connection, "", "9999")
    ours = sqlite3.connect(":memory:")
    ours.deserialize(content)
    reference = sqlite3.connect(f"file:{SAMPLE}?mode=ro", uri=True)
    assert columns(ours) == columns(reference)
    assert ours.execute("PRAGMA foreign_key_check").fetchall() == []
    assert ours.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    version = "SELECT Value FROM SETTINGS WHERE Property = 'version'"
    assert ours.execute(version).fetchone() == reference.execute(version).fetchone()


def _written(sample: Path, folder: Path) -> Path:
    with open_read(sample) as connection:
        (folder / "own.dna").write_bytes(dna_bytes(connection, "", "9999"))
    return folder / "own.dna"


def test_what_goes_out_comes_in_again(sample: Path, tmp_path: Path) -> None:
    documents, statements, left_out = read_dna(_written(sample, tmp_path))
    # One for each position; the update of the report takes none.
    assert len(statements) == sum(len(row[5]) for row in STATEMENTS) == 7
    assert left_out == 0
    texts = {document.id: document.text for document in documents}
    found = {(texts[s.document_id][s.start : s.end], s.person, s.concept, s.agreement) for s in statements}
    label = {proposition.id: proposition.label for proposition in PROPOSITIONS}
    assert found == {
        (row[1], row[2], label[proposition], stance == "agree") for row in STATEMENTS for proposition, stance in row[5]
    }
    organisations = {(s.person, s.organisation) for s in statements}
    assert organisations >= {("Tomas Brandvik", "Corvid Labs"), ("Ines Okafor", "Brindle Institute"), ("Lena Moss", "")}
    assert {document.source for document in documents} == {"Harbour Wire", "The Ledger"}
    undated = [document for document in documents if document.text == TEXTS[6]]
    assert undated[0].published_at is None


def test_offsets_are_exact_beyond_the_basic_plane(tmp_path: Path) -> None:
    """The reference tool counts UTF-16 units, where an emoji is two."""
    text = "🙂🙂 Anna says 🙂 that weights should be free. 🙂"
    path = _small_file(tmp_path / "emoji.dna", text, 8, 8 + 4)
    [statement] = read_dna(path)[1]
    assert text[statement.start : statement.end] == text[6:10]
    with Store.open(tmp_path / "emoji.db") as store:
        import_dna(store, path)
    write_export(tmp_path / "emoji.db", find_export("dna"), format="dna", output=tmp_path / "out.dna")
    with sqlite3.connect(tmp_path / "out.dna") as connection:
        assert connection.execute("SELECT Start, Stop FROM STATEMENTS").fetchall() == [(8, 12)]


def _small_file(
    path: Path, text: str, start: int, stop: int, *, person: str = "Anna", concept: str = "Free weights"
) -> Path:
    empty = Path(path.parent) / "empty.db"
    with Store.open(empty):
        pass
    with open_read(empty) as connection:
        path.write_bytes(dna_bytes(connection, "", "9999"))
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO DOCUMENTS (ID, Title, Text, Coder, Date) VALUES (1, 'A', ?, 1, 1700000000)", [text])
        file.execute("INSERT INTO STATEMENTS VALUES (1, 1, 1, ?, ?, 1)", [start, stop])
        file.execute("INSERT INTO ENTITIES (ID, VariableId, Value) VALUES (10, 1, ?), (11, 3, ?)", [person, concept])
        file.execute("INSERT INTO DATASHORTTEXT (StatementId, VariableId, Entity) VALUES (1, 1, 10), (1, 3, 11)")
        file.execute("INSERT INTO DATABOOLEAN (StatementId, VariableId, Value) VALUES (1, 4, 0)")
    return path


def test_importing_twice_adds_nothing_and_a_newer_version_replaces_the_old(tmp_path: Path) -> None:
    text = "Anna says that weights should be free. Anna repeats it."
    path = _small_file(tmp_path / "coded.dna", text, 0, 38)
    with Store.open(tmp_path / "debate.db") as store:
        first = import_dna(store, path)
        before = store.db.execute("SELECT id, start FROM statements").fetchall()
        second = import_dna(store, path)
        assert (first.added, second.added, second.removed) == (1, 0, 0)
        assert store.db.execute("SELECT id, start FROM statements").fetchall() == before
        with sqlite3.connect(path) as file:
            file.execute("UPDATE STATEMENTS SET Start = 39, Stop = 55")
        third = import_dna(store, path)
        assert (third.added, third.removed) == (1, 1)
        assert store.db.execute("SELECT text, start FROM statements").fetchall() == [("Anna repeats it.", 39)]
        assert store.db.execute("SELECT count(*) FROM articles").fetchone() == (1,)


def test_two_coders_of_one_text_sit_side_by_side(tmp_path: Path) -> None:
    text = "Anna says that weights should be free. Anna repeats it."
    with Store.open(tmp_path / "debate.db") as store:
        import_dna(store, _small_file(tmp_path / "one.dna", text, 0, 38))
        import_dna(store, _small_file(tmp_path / "two.dna", text, 39, 55))
        assert store.db.execute("SELECT count(*), count(DISTINCT document_id) FROM statements").fetchone() == (2, 1)


def test_known_names_and_concepts_become_those_of_the_debate(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        for concept in ("Misuse", "misuse", "Open weights help malicious actors."):
            report = import_dna(
                store, _small_file(tmp_path / "a.dna", "Coded by hand.", 0, 5, person="dr. okafor", concept=concept)
            )
            assert report.new_propositions == ()
        [row] = store.db.execute(
            """SELECT s.actor_id, s.side, p.proposition_id, p.stance FROM statements AS s
               JOIN positions AS p ON p.statement_id = s.id WHERE s.rule = 'hand-coded'"""
        ).fetchall()
    assert row == ("okafor", "open", "misuse", "disagree")


def test_what_a_person_coded_stays_when_machines_read_and_judge_and_debates_are_edited(tmp_path: Path) -> None:
    path = tmp_path / "debate.db"
    text = "Anna says that weights should be free. Bo disagrees."
    with Store.open(path) as store:
        import_dna(store, _small_file(tmp_path / "coded.dna", text, 0, 38))
        before = store.db.execute("SELECT * FROM statements").fetchall()
        run = store.start_run("read", "2")
        document = Document(1, text, "A", None, None)
        machine = Statement(39, 52, Speaker("Bo", "Bo"), "indirect")
        for _ in range(2):
            store.save_readings(run, "read", "2", [(document, [Mention(0, 4, "PERSON", "Anna")], [machine])])
        assert store.db.execute("SELECT count(*) FROM statements").fetchone() == (2,)
        assert store.db.execute("SELECT * FROM statements WHERE rule = 'hand-coded'").fetchall() == before
        assert [statement.speaker.name for statement in store.statements_to_judge("2")] == ["Bo"]
        assert store.count_to_judge("2") == 1
        store.sync_debate(SIDES, PROPOSITIONS, ACTORS, AFFILIATIONS)
        assert store.db.execute("SELECT name FROM actors WHERE id = 'dna:anna'").fetchone() == ("Anna",)
        assert store.db.execute("SELECT label FROM propositions WHERE id = 'free-weights'").fetchone() == (
            "Free weights",
        )


def test_a_person_who_speaks_for_two_organisations_counts_for_each(tmp_path: Path) -> None:
    with Store.open(tmp_path / "debate.db") as store:
        from db.dna import _Speakers

        speakers = _Speakers(store)
        ids = [
            speakers.id_of("Anna", "Lab"),
            speakers.id_of("Anna", "School"),
            speakers.id_of("Anna", "Lab"),
            speakers.id_of("", "Lab"),
        ]
    assert ids == ["dna:anna", "dna:anna@school", "dna:anna", "dna:lab"]
    assert speakers.new[0] == ActorRow("dna:lab", "Lab", "organisation")
    assert speakers.affiliations == [
        AffiliationRow("dna:anna", "dna:lab"),
        AffiliationRow("dna:anna@school", "dna:school"),
    ]


def test_a_proposition_of_neither_side_gives_no_side(tmp_path: Path) -> None:
    with Store.open(tmp_path / "debate.db") as store:
        store.sync_debate(SIDES, [PropositionRow("free-weights", "x", "Free weights", None, 0)], [], [])
        import_dna(store, _small_file(tmp_path / "coded.dna", "Anna says so.", 0, 4))
        assert store.db.execute("SELECT side FROM statements").fetchone() == (None,)


def test_files_of_another_kind_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.dna").write_text("<xml/>" * 100)
    with pytest.raises(InputError, match="cannot be read as a Discourse Network Analyzer file"):
        read_dna(tmp_path / "text.dna")
    with sqlite3.connect(tmp_path / "other.dna") as other:
        other.execute("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(InputError, match="not a file of Discourse Network Analyzer 3"):
        read_dna(tmp_path / "other.dna")
    path = _small_file(tmp_path / "without.dna", "Anna says so.", 0, 4)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE VARIABLES SET Variable = 'theme' WHERE Variable = 'concept'")
    with pytest.raises(InputError, match="no statement type has the variables concept and agreement"):
        read_dna(path)


def test_statements_outside_their_text_and_without_a_concept_are_left_out_and_counted(tmp_path: Path) -> None:
    outside = _small_file(tmp_path / "outside.dna", "🙂 Anna.", 0, 400)
    empty = _small_file(tmp_path / "none.dna", "Anna says so.", 0, 4, concept=" ")
    for path in (outside, empty):
        assert read_dna(path)[1:] == ([], 1)
    with Store.open(tmp_path / "debate.db") as store:
        report = import_dna(store, outside)
    assert "1 annotations or incomplete statements left out" in report.to_text()
    assert report.to_json()["statements"] == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE DOCUMENTS SET Date = 99999999999999",  # milliseconds, or worse
        "UPDATE DOCUMENTS SET Date = 'soon'",
        "UPDATE STATEMENTS SET Start = 'four'",
        "UPDATE STATEMENTS SET Start = -4",
        "UPDATE DOCUMENTS SET Text = x'fffe00' || 1",
        "UPDATE ENTITIES SET Value = x'fffe00' || ID",
        "UPDATE DATABOOLEAN SET Value = 'maybe'",
        "UPDATE DOCUMENTS SET Text = 'Anna' || char(0) || ' says so.'",
    ],
)
def test_a_damaged_file_is_taken_in_as_far_as_it_can_be_read_or_refused_in_one_line(
    tmp_path: Path, change: str
) -> None:
    path = _small_file(tmp_path / "damaged.dna", "Anna says so.", 0, 9)
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        file.execute(change)
    with Store.open(tmp_path / "debate.db") as store:
        try:
            import_dna(store, path)
        except InputError as error:
            assert len(str(error)) < 100 + len(str(path)) + 100
            assert "\n" not in str(error)
        for text, start, end, evidence in store.db.execute(
            'SELECT d.text, s.start, s."end", s.text FROM statements AS s JOIN documents AS d ON d.id = s.document_id'
        ):
            assert text[start:end] == evidence


@pytest.mark.parametrize(
    ("before", "evidence"), [("By the Wire.\n\n", ["says"]), ("By the Wire, which cut it: Anna ", [])]
)
def test_a_text_that_was_collected_with_another_head_keeps_its_evidence(
    tmp_path: Path, before: str, evidence: list[str]
) -> None:
    """The coded text is exactly that of a reprint, whose document has the words of the original."""
    text = "Anna says so, at some length."
    original = before + (text if evidence else "agrees.")
    with Store.open(tmp_path / "debate.db") as store:
        store.add_source(SourceRow("wire", "Wire", "https://wire.example/", "feed"))
        run = store.start_run("crawl", "1")
        first = store.save_article(run, "wire", Article("https://wire.example/1", "A", original, published_at=EARLY))
        copy = Article("https://wire.example/2", "A", text, published_at=EARLY.replace(year=2021))
        store.save_article(run, "wire", copy, near=[first.document_id])
        report = import_dna(store, _small_file(tmp_path / "coded.dna", text, 5, 9))
        assert store.db.execute("SELECT count(*) FROM documents").fetchone() == (1,)
        found = store.db.execute(
            """SELECT s.text, substr(d.text, s.start + 1, s."end" - s.start) FROM statements AS s
               JOIN documents AS d ON d.id = s.document_id"""
        ).fetchall()
    assert found == [(word, word) for word in evidence]
    assert (report.statements, report.left_out) == (len(evidence), 1 - len(evidence))
