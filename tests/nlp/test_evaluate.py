"""The accuracy card counts what it says it counts, is the same in every run, and stands in the README as it was committed."""

import json
from pathlib import Path

import pytest

import debatewatch
from db.models import Counts, InputError, Judgement, Mention, Position, Speaker, Statement
from nlp import accuracy_card, baselines, measures
from nlp.accuracy_card import Card, committed, with_section
from nlp.bootstrap import OURS, Bootstrap, Layer, Score
from nlp.debate import SHIPPED, load_debate
from nlp.evaluate import side_baselines
from nlp.inspection import Inspection
from nlp.name_scores import count_entities, count_mentions, labelled_sentences
from nlp.reader import Reader

TEXT = "Meta's Yann LeCun said weights should be public. Ana Ruiz warned that criminals would use them."
FIRST, SECOND = TEXT.split(". ")
DEBATE = load_debate()


def gold(evidence, speaker, side, propositions=(), kind="indirect"):
    start = TEXT.index(evidence)
    return {
        "start": start,
        "end": start + len(evidence),
        "evidence": evidence,
        "speaker": speaker,
        "kind": kind,
        "side": side,
        "propositions": [{"id": p, "stance": s} for p, s in propositions],
    }


PASSAGE = {
    "id": "one",
    "text": TEXT,
    "author": None,
    "entities": [
        {"surface": "Meta", "canonical": "Meta", "type": "ORG"},
        {"surface": "Yann LeCun", "canonical": "Yann LeCun", "type": "PERSON"},
        {"surface": "Ana Ruiz", "canonical": "Ana Ruiz", "type": "PERSON"},
    ],
    "statements": [
        gold(FIRST, "Yann LeCun", "open", [("open-release", "agree")]),
        gold(SECOND, "Ana Ruiz", "closed", [("misuse", "agree")]),
    ],
}


def statement(evidence, name, actor=None):
    start = TEXT.index(evidence)
    return Statement(start, start + len(evidence), Speaker(name, name, actor, 0, 1), "indirect", "")


def read(*pairs, mentions=()):
    return Inspection(TEXT, DEBATE, tuple(mentions), tuple(s for s, _ in pairs), tuple(j for _, j in pairs))


OPEN = Judgement("open", 0.9, (Position("open-release", "agree", 0.9),))
CLOSED = Judgement("closed", 0.9, (Position("misuse", "disagree", 0.9),))


def test_a_passage_read_as_labelled_is_right_in_every_layer_but_the_false_proposition() -> None:
    mentions = [Mention(0, 4, "company", "Meta", "meta"), Mention(7, 17, "person", "Yann LeCun", "lecun")]
    reading = read(
        (statement(FIRST, "Yann LeCun", "yann-lecun"), OPEN), (statement(SECOND, "Ruiz"), CLOSED), mentions=mentions
    )
    counts = measures.count_passage(DEBATE, PASSAGE, reading, [OPEN, CLOSED])
    for rule in measures.RULES:
        assert counts[measures.FOUND[rule]] == counts[measures.BOTH[rule]] == Counts(2, 2, 2)
        assert counts[measures.OPEN[rule]] == counts[measures.CLOSED[rule]] == Counts(1, 1, 1)
        assert counts[measures.CLAIMS[rule]] == Counts(1, 2, 2)
    assert counts[measures.SIDE_GIVEN] == Counts(2, 2, 2)
    assert counts[measures.CLAIMS_GIVEN] == Counts(1, 2, 2)
    assert counts[measures.NAMES] == Counts(2, 2, 3)
    assert counts[measures.LINKS].labelled == 2
    assert counts[measures.ACTOR].found == 1
    assert counts[measures.SILENCE] == Counts()


def test_a_span_cut_short_counts_by_the_kind_rule_only() -> None:
    short = (statement("weights should be public", "Yann LeCun"), OPEN)
    counts = measures.count_passage(DEBATE, PASSAGE, read(short), [None, CLOSED])
    assert counts[measures.FOUND["half"]] == Counts(1, 1, 2)
    overlapping = len("weights should be public") / len(FIRST)
    assert counts[measures.FOUND["IoU"]].right == int(overlapping >= 0.5)
    tiny = (statement("public", "Yann LeCun"), OPEN)
    assert measures.count_passage(DEBATE, PASSAGE, read(tiny), [None, None])[measures.FOUND["IoU"]] == Counts(0, 1, 2)
    assert counts[measures.SIDE_GIVEN] == Counts(1, 2, 2), "no judgement is a wrong one where there is a statement"


def test_a_passage_without_statements_is_left_alone_or_not() -> None:
    empty = {**PASSAGE, "statements": []}
    neutral = (statement(FIRST, "Yann LeCun"), Judgement("neutral", 0.9))
    assert measures.count_passage(DEBATE, empty, read(neutral), [])[measures.SILENCE] == Counts(1, 1, 1)
    taken = (statement(FIRST, "Yann LeCun"), OPEN)
    assert measures.count_passage(DEBATE, empty, read(taken), [])[measures.SILENCE] == Counts(0, 1, 1)


def test_intervals_hold_the_value_are_seeded_and_wider_for_fewer_passages() -> None:
    rows = [Counts(n % 2, 1, 1) for n in range(200)]
    layer = Layer("sides", "share")
    many = Bootstrap(200).score(layer, rows)
    assert many == Bootstrap(200).score(layer, rows)
    assert many.low < many.value == 0.5 < many.high
    few = Bootstrap(20).score(layer, rows[:20])
    assert few.high - few.low > 2 * (many.high - many.low)
    f1 = Bootstrap(2).score(Layer("found", "F1"), [Counts(1, 2, 1), Counts(0, 0, 3)])
    assert f1.value == round(2 / 6, 4)
    same = Bootstrap(200).difference(Layer("leaning", "difference"), rows, rows)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_readme_carries_the_committed_figures() -> None:
    text = accuracy_card.README.read_text(encoding="utf-8")
    assert with_section(text, committed()) == text, "run `debatewatch eval --write-readme`"


def test_the_committed_card_has_every_layer_and_every_baseline() -> None:
    scored = {(score.layer.name, score.method) for score in committed().scores}
    assert {layer.name for layer in measures.LAYERS} <= {name for name, _ in scored}
    methods = {"lexicon", "commonest side", "frozen vectors, logistic regression", "textacy", "trafilatura", "spaCy"}
    assert methods <= {method for _, method in scored}
    assert committed().notes == ()


def test_a_card_survives_json_and_names_a_readme_without_markers() -> None:
    score = Score(Layer("found", "F1", "IoU"), OURS, 0.5, 0.25, 0.75, Counts(1, 2, 2))
    card = Card(3, (score,), ("a note",), {"read": "1"})
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card
    with pytest.raises(InputError, match="needs the lines"):
        with_section("no markers here", card)
    with pytest.raises(InputError, match="not whole"):
        accuracy_card.commit(card)


def test_baselines_judge_and_quote() -> None:
    assert baselines.commonest_side(["open", "closed", "open"])(["a", "b"]) == ["open", "open"]
    lexicon = baselines.lexicon_sides(DEBATE)
    assert lexicon(["Publish the weights so that anyone can download, inspect and fix them.", "Zzz."]) == [
        "open",
        "neutral",
    ]
    docs = Reader(DEBATE).parse(
        ['"We want all weights to be public," Ana Ruiz said on Monday.', 'An odd "mark said Ana.']
    )
    (quote,) = baselines.textacy_quotes(docs[0])
    assert (quote.speaker.name, quote.start) == ("Ana Ruiz", 0)
    assert baselines.textacy_quotes(docs[1]) == []


def test_names_are_scored_by_stretch_and_kind(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text(
        "Ana\tB-researcher\nRuiz\tI-researcher\nleft\tO\nMIT\tB-university\n\nBERT\tB-algorithm\n\n", "utf-8"
    )
    first, second = labelled_sentences(file)
    assert first.text == "Ana Ruiz left MIT"
    assert first.names == {(0, 8, "person"), (14, 17, "organisation")}
    assert second.names == frozenset()
    found = [Mention(0, 8, "person", "Ana Ruiz"), Mention(14, 17, "person", "MIT"), Mention(9, 13, "model", "left")]
    assert count_mentions(first, found) == Counts(1, 2, 2)
    (doc,) = Reader(DEBATE).parse(["Ana Ruiz left MIT"])
    assert count_entities(first, doc).labelled == 2
    file.write_text("Ana B-researcher\n", "utf-8")
    with pytest.raises(InputError, match="line 1"):
        labelled_sentences(file)


def test_baselines_that_learn_are_scored_by_passage() -> None:
    training = [PASSAGE] * 20 + [{**PASSAGE, "statements": PASSAGE["statements"][:1]}]
    scored = dict(side_baselines(DEBATE, training, [PASSAGE]))
    assert scored["commonest side"] == [Counts(1, 2, 2)]
    assert scored["frozen vectors, logistic regression"] == [Counts(2, 2, 2)]
    assert set(dict(side_baselines(DEBATE, [], [PASSAGE]))) == {"lexicon"}


def test_the_command_scores_a_folder_of_ones_own_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, names = tmp_path / "labels", tmp_path / "data" / "ner"
    folder.mkdir()
    names.mkdir(parents=True)
    lines = [json.dumps({**PASSAGE, "id": f"own-{n}", "register": "news", "date": None}) + "\n" for n in range(2)]
    (folder / "own.jsonl").write_text("".join(lines), encoding="utf-8")
    (names / "crossner-ai-dev.txt").write_text("Ana\tB-researcher\nRuiz\tI-researcher\nleft\tO\n", encoding="utf-8")
    debate = tmp_path / "debate.toml"
    debate.write_text(SHIPPED.read_text("utf-8").replace('id = "open-closed-ai"', 'id = "own"'), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        debatewatch.main(
            [
                "eval",
                "--debate",
                str(debate),
                "--data",
                str(folder),
                "--limit",
                "1",
                "--shared",
                str(names.parent),
                "--json",
            ]
        )
    assert ended.value.code == 0
    card = json.loads(capsys.readouterr().out)
    assert card["passages"] == 1
    assert [note.partition(":")[0] for note in card["notes"]] == [
        "baselines that need training were left out",
        "extraction was not scored",
    ]
    found = {(row["layer"], row["method"]) for row in card["scores"]}
    assert {
        ("direct quotations found with their speaker", "textacy"),
        ("side of a labelled statement", "lexicon"),
    } <= found
    assert ("people and organisations in CrossNER", "spaCy") in found


def test_the_committed_card_is_not_written_from_a_part_of_the_passages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        debatewatch.main(["eval", "--limit", "3", "--write-readme"])
    assert ended.value.code == 2
    assert "--write-readme" in capsys.readouterr().err
