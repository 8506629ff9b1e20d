"""What an outlet repeats under its articles makes no topics of its own."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from db.models import Article, Document, SourceRow
from db.queries import open_read, rows
from db.store import Store
from nlp.boilerplate import own_words
from nlp.debate import load_debate
from nlp.run import analyze

SUBJECTS = {
    "licence": "The senator wants a federal licence for model weights before the vote on the bill.",
    "clinic": "The hospital runs the model on its own servers so that patient records stay there.",
    "chips": "The ministry counts graphics chips and limits their export across the border.",
}
PLACES = ("Ashford", "Bristol", "Carlow", "Dundee", "Exeter", "Falmouth")
BOILERPLATE = {
    "courier.example": "Subscribe to the Courier for {n} dollars a month and read without limits.\n\n"
    "The Courier is owned by its readers in the valley and has won prizes for its coverage of farming.\n\n"
    "Our newsroom is funded by a foundation, by subscribers and by the county fair. Listen to our morning podcast.",
    "wireline.example": "Wireline is a cooperative of radio stations across the northern islands.\n\n"
    "It broadcasts in two languages.\n\n"
    "Hear the evening bulletin at {n}, repeated at eleven, with the shipping forecast.\n\n"
    "Wireline thanks its sponsors, the ferry company and the fishermen's bank.",
}


def _document(number: int, text: str) -> Document:
    return Document(number, text, "T", "en", None)


def _texts(*texts: str) -> list[Document]:
    return [_document(number, text) for number, text in enumerate(texts)]


def test_sentences_that_an_outlet_repeats_are_left_out_and_others_stay() -> None:
    documents = _texts(*(f"News from {place}.\n\nMore in {n} days. Read on!" for n, place in enumerate(PLACES)))
    assert own_words(documents, {d.id: {"a"} for d in documents})[2] == "News from Carlow."


@pytest.mark.parametrize(
    ("texts", "outlets"),
    [
        (["Read on! One.", "Read on! Two."], "aa"),  # two are no habit
        (["Read on! One.", "Read on! Two.", "Read on! Three."], "abc"),  # of one outlet each: a wire story
        (["All the same."] * 5, "aaaaa"),  # nothing would be left
        ([f"As we reported. {place}." for place in PLACES[:3]] + ["Other news."] * 2 + ["More."] * 3, "aaaaaaaa"),
    ],
)
def test_what_is_no_habit_of_an_outlet_stays(texts: list[str], outlets: str) -> None:
    found = own_words(_texts(*texts), {number: {outlet} for number, outlet in enumerate(outlets)})
    assert not {0, 1, 2}.intersection(found)


def test_two_outlets_with_much_boilerplate_have_topics_together(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Store.open(path) as store:
        store.add_source(SourceRow("import", "An import", "import:file", "import"))
        run = store.start_run("import", "1")
        for (host, foot), (subject, sentence), place in product(BOILERPLATE.items(), SUBJECTS.items(), PLACES):
            text = f"{sentence} People in {place} had heard of it.\n\n{foot.format(n=len(place))}"
            url = f"https://{host}/{subject}/{place}"
            store.save_article(run, "import", Article(url, f"{subject} in {place}", text, language="en"))
        store.finish_run(run, "done")
    analyze(path, load_debate(), steps=("topics",))
    with open_read(path) as connection:
        found = rows(
            connection,
            "SELECT a.url, c.topic_id FROM current_document_topics AS c JOIN articles AS a USING (document_id)",
        )
        keywords = " ".join(row["keywords"] for row in rows(connection, "SELECT keywords FROM topics"))
    topics = {subject: {row["topic_id"] for row in found if f"/{subject}/" in row["url"]} for subject in SUBJECTS}
    assert [len(numbers) for numbers in topics.values()] == [1, 1, 1]
    assert len(set.union(*topics.values())) == 3
    assert not any(word in keywords.lower() for word in ("courier", "wireline", "ferry", "podcast"))


def test_vectors_made_before_the_habit_showed_are_read_anew_by_a_fit(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    foot = BOILERPLATE["courier.example"]

    def save(store: Store, places: tuple[str, ...]) -> None:
        run = store.start_run("import", "1")
        for number, place in enumerate(places):
            subject = list(SUBJECTS.values())[number % 3]
            text = f"{subject} People in {place} had heard of it.\n\n{foot.format(n=3)}"
            store.save_article(run, "s", Article(f"https://courier.example/{place}", place, text, language="en"))

    with Store.open(path) as store:
        store.add_source(SourceRow("s", "S", "https://courier.example/", "feed"))
        run = store.start_run("import", "1")
        for number in range(5):
            text = f"{SUBJECTS['chips']} Number {number} of the Wireline."
            store.save_article(run, "s", Article(f"https://wireline.example/{number}", "T", text, language="en"))
        save(store, PLACES[:2])
    analyze(path, load_debate(), steps=("topics",))
    with Store.open(path) as store:
        [model] = {row[0] for row in store.db.execute("SELECT model FROM embeddings")}
        assert set(store.embedded_digests(model).values()) == {None}
        save(store, PLACES)
    analyze(path, load_debate(), steps=("topics",), refit=True)
    with Store.open(path) as store:
        assert sum(digest is not None for digest in store.embedded_digests(model).values()) == len(PLACES)
