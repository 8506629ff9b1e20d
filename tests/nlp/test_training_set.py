"""What the stance model learns from: parts that never mix, stretches without a statement, pairs, and labels that are wrong."""

import gzip
import json
import random
from pathlib import Path

import pytest

from db.models import InputError
from nlp import training_set
from nlp.debate import load_debate
from nlp.scoring import SHIPPED_LABELS, Passage, load_passages
from nlp.training_set import NONE, Example, Pair, part

TEXT = "The vote is on Monday. Ana Ruiz said weights must be open. Lunch follows at noon. Trains run late."
SAID = "Ana Ruiz said weights must be open."


@pytest.fixture
def passage() -> Passage:
    start = TEXT.index(SAID)
    statement = {
        "start": start,
        "end": start + len(SAID),
        "evidence": SAID,
        "speaker": "Ana Ruiz",
        "side": "open",
        "propositions": [{"id": "open-release", "stance": "agree"}],
    }
    return {"id": "a-1", "author": None, "text": TEXT, "statements": [statement]}


def _example(side: str) -> Example:
    return Example("x", "A text.", side)


def test_the_held_out_passages_come_from_every_file_and_are_more_than_500() -> None:
    passages = load_passages()
    parts = {name: [p["id"] for p in passages if part(p["id"]) == name] for name in ("train", "tune", "held-out")}
    assert len(parts["held-out"]) >= 500
    assert len(parts["tune"]) >= 250
    files = {path.stem for path in SHIPPED_LABELS.glob("*.jsonl")}
    assert {identity.rsplit("-", 1)[0] for identity in parts["held-out"]} == files


def test_every_label_rests_on_its_text() -> None:
    propositions = {p.id for p in load_debate().propositions}
    for passage in load_passages():
        for statement in passage["statements"]:
            assert passage["text"][statement["start"] : statement["end"]] == statement["evidence"], passage["id"]
            assert {p["id"] for p in statement["propositions"]} <= propositions, passage["id"]


def test_no_text_stands_in_two_parts() -> None:
    seen: dict[str, str] = {}
    for passage in load_passages():
        text = " ".join(passage["text"].casefold().split())
        assert seen.setdefault(text, part(passage["id"])) == part(passage["id"]), passage["id"]


def test_a_review_teaches_the_side_and_nothing_of_propositions(passage: Passage) -> None:
    seen = {**passage, "register": "review"}
    (example,) = training_set.statements(seen)
    assert (example.side, example.stances) == ("open", None)
    assert training_set.debate_pairs([example], load_debate(), random.Random(0)) == []
    assert training_set.heads([example] * 20, load_debate(), 3) == []


def test_reviews_are_trained_on_and_never_scored_by(passage: Passage) -> None:
    many = [{**passage, "id": f"review-{number}", "register": "review"} for number in range(60)]
    assert training_set.of_part(many, "tune") == training_set.of_part(many, "held-out") == []
    assert 0 < len(training_set.of_part(many, "train")) < 60


def test_the_material_of_a_training_run_can_be_carried_as_a_file(passage: Passage, tmp_path: Path) -> None:
    labels = [{**passage, "id": f"a-{number}"} for number in range(400)]
    for number, side in enumerate(("closed", "mixed", "neutral")):
        for held in labels[number * 80 : number * 80 + 80]:
            held["statements"] = [{**held["statements"][0], "side": side}]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(held) + "\n" for held in labels), encoding="utf-8")
    prepared = training_set.prepare([tmp_path], tmp_path, load_debate(), seed=0, pairs=50)
    assert prepared.sides[-1] == NONE
    assert {e.side for e in prepared.examples} == {"open", "closed", "mixed", "neutral", NONE}
    assert len(prepared.pairs) == 50
    assert {part(e.passage) for e in prepared.examples} == {"train"}
    assert {part(e.passage) for e in prepared.tune} == {"tune"}
    prepared.save(tmp_path / "material.json.gz")
    assert training_set.Material.load(tmp_path / "material.json.gz") == prepared
    (tmp_path / "other.gz").write_bytes(gzip.compress(b"{}"))
    with pytest.raises(InputError, match=r"other\.gz: not what"):
        training_set.Material.load(tmp_path / "other.gz")


def test_stretches_without_a_statement_touch_none(passage: Passage) -> None:
    found = [text for seed in range(9) for text in training_set.silences(passage, random.Random(seed))]
    assert {"The vote is on Monday.", "Lunch follows at noon."} <= {example.text for example in found}
    assert all(example.side == NONE and "Ruiz" not in example.text for example in found)


def test_the_readers_own_statements_are_cut_otherwise_or_mistaken() -> None:
    learnt = [p for p in load_passages() if p["id"].startswith(("columns-", "news-2023"))][:60]
    cut_otherwise, mistaken = training_set.as_read(load_debate(), learnt)
    by_id = {p["id"]: p for p in learnt}
    assert cut_otherwise
    for example in cut_otherwise:
        labelled = {s["evidence"] for s in by_id[example.passage]["statements"]}
        assert example.text not in labelled
        assert example.side in {s["side"] for s in by_id[example.passage]["statements"]}
    assert all(example.side == NONE for example in mistaken)


def test_a_statement_is_paired_with_what_it_says_and_with_what_it_does_not() -> None:
    debate = load_debate()
    example = Example("x", SAID, "open", frozenset({("open-release", "agree")}))
    first, second = training_set.debate_pairs([example], debate, random.Random(0))
    assert first == Pair(SAID, debate.proposition("open-release").text, "agree")
    assert (second.relation, second.claim == first.claim) == ("neither", False)


def test_public_pairs_keep_to_their_split(tmp_path: Path) -> None:
    rows = [
        {"split": "train", "claim": "Zoos should close.", "statement": "Animals suffer there.", "stance": "agree"},
        {"split": "test", "claim": "Taxes should fall.", "statement": "Roads need money.", "stance": "disagree"},
    ]
    with gzip.open(tmp_path / "perspectrum.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    assert list(training_set.public_pairs(tmp_path, random.Random(0))) == [
        Pair("Animals suffer there.", "Zoos should close.", "agree")
    ]
    assert [p.relation for p in training_set.public_pairs(tmp_path, random.Random(0), "test")] == ["disagree"]
    assert list(training_set.public_pairs(tmp_path / "missing", random.Random(0))) == []


def test_sentences_about_anything_else_are_no_statements(tmp_path: Path) -> None:
    sets = {
        "perspectrum": [("train", "statement", "Animals suffer in zoos."), ("test", "statement", "Roads need money.")],
        "newsmtsc-train-dev": [("train", "sentence", f"The senator spoke for {n} hours.") for n in range(2, 30)],
    }
    assert training_set.elsewhere(tmp_path, random.Random(0), 10) == []
    for name, rows in sets.items():
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("".join(json.dumps({"split": split, key: text}) + "\n" for split, key, text in rows))
    found = training_set.elsewhere(tmp_path, random.Random(0), 30)
    assert {e.side for e in found} == {NONE}
    assert {e.text for e in found} > {"Animals suffer in zoos."}
    assert "Roads need money." not in {e.text for e in found}
    amid = [e for e in found if e.context]
    assert 0 < len(amid) < len(found)
    assert all(e.text in e.context for e in amid)
    assert len(training_set.elsewhere(tmp_path, random.Random(0), 6)) == 5


def test_a_stance_gets_a_head_from_the_least_number_of_statements() -> None:
    stance = ("misuse", "agree")
    examples = [Example("x", "A text.", "closed", frozenset({stance}))] * 3
    assert training_set.heads(examples, load_debate(), 3) == [stance]
    assert training_set.heads(examples, load_debate(), 4) == []


def test_a_side_with_too_few_statements_is_named() -> None:
    examples = [_example("open")] * 10 + [_example("closed")] * 10 + [_example("neutral")] * 10
    with pytest.raises(InputError, match='few: fewer than 10 statements to train on are "mixed"'):
        training_set.check_sides(examples, load_debate(), 10, "few")


def test_a_bad_line_is_named(passage: Passage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no labelled passages"):
        training_set.load_labels([tmp_path])
    (tmp_path / "few.jsonl").write_text(json.dumps(passage) + '\n{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"few\.jsonl: line 2: not a labelled passage"):
        training_set.load_labels([tmp_path])
