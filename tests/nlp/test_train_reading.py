"""The reader's training data: plain prose with its marks, composed texts, and which unit belongs to which label."""

from nlp import train_reading
from nlp.debate import load_debate
from nlp.reader import Reader
from nlp.scoring import load_passages
from nlp.statements import scene_of


def test_plain_prose_is_read_with_its_marks() -> None:
    records = train_reading.load_plain()
    assert len(records) > 40
    for record in records:
        assert "[[" not in record["text"]
        assert all(0 <= s["start"] < s["end"] <= len(record["text"]) for s in record["statements"])
    (first, *_) = records
    (statement,) = first["statements"]
    assert statement["speaker"] == "Petra Holm"
    assert first["text"][statement["start"] : statement["end"]].startswith("who helped to build its first model")
    assert {r["author"] for r in records if r["register"] == "oped"} == {"Nell Harding"}


def test_composed_texts_keep_the_place_of_every_statement() -> None:
    records = load_passages()[:60]
    composed = train_reading.compose(records)
    assert sum(len(c["statements"]) for c in composed) == sum(len(r["statements"]) for r in records)
    for text in composed:
        assert all(text["text"][s["start"] : s["end"]] == s["evidence"] for s in text["statements"])
    assert train_reading.compose(records) == composed


def test_a_unit_belongs_to_the_label_that_holds_it() -> None:
    views = ("Ana Ruiz said weights should be published.", "Ben Tóth said they should stay with the firm.")
    text = f"The council met on Monday. {views[0]} Lunch followed. {views[1]}"
    labelled = [{"start": text.index(view), "end": text.index(view) + len(view)} for view in views]
    doc = Reader(load_debate(), off_subject=True).parse([text])[0]
    doc._.mentions, doc._.author, doc._.kind = (), None, "article"
    scene = scene_of(doc)
    gold = train_reading.align({"statements": labelled}, scene)
    said = [text[unit.start : unit.end].strip() for unit in scene.units]
    assert dict(zip(said, gold, strict=True)) == {
        "The council met on Monday.": None,
        views[0]: 0,
        "Lunch followed.": None,
        views[1]: 1,
    }
