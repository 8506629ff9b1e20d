"""Statements get a side and propositions: from weights where they know the debate, from examples where they do not."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.models import Judgement, ModelError, Position
from nlp.debate import Debate, Proposition, Side, load_debate
from nlp.embeddings import load_onnx
from nlp.encoder import AFTER, BEFORE, FOLDER, MAX_TOKENS, Encoder, claim_tokens, describe, marked
from nlp.scoring import load_passages
from nlp.stance import StanceInput, StanceModel, side_of
from nlp.training_set import Example, part, statements

CLOSED = "Once the weights are out, terrorists can misuse them and nobody can ever recall the file."
OPEN = "Models should be released with open weights that anybody can download, he said, so that researchers can build on them."


@pytest.fixture(scope="module")
def debate() -> Debate:
    return load_debate()


@pytest.fixture(scope="module")
def model(debate: Debate) -> StanceModel:
    return StanceModel.for_debate(debate, threads=1)


def _other_debate() -> Debate:
    propositions = (
        Proposition(
            "car-free",
            "Cars should be banned from the city centre.",
            "walkers",
            "Car-free centre",
            (
                "Keep cars out of the old town, the mayor said.",
                "The centre belongs to people on foot and not to traffic.",
                "We should close these streets to cars for good.",
            ),
            (
                "Banning cars would kill the shops of the old town, the trader warned.",
                "Residents need to reach their homes by car.",
                "Closing the centre to traffic is a mistake.",
            ),
        ),
    )
    sides = (
        Side("walkers", "For walkers", "", "#0072B2"),
        Side("drivers", "For drivers", "", "#D55E00"),
        Side("mixed", "Mixed", "", "#8C6BB1"),
        Side("neutral", "Neutral", "", "#8A8A8A"),
    )
    return Debate("cars", "Cars", "Cars?", "", "", sides, propositions, ())


@pytest.fixture(scope="module")
def held_out() -> list[Example]:
    return [e for passage in load_passages() if part(passage["id"]) == "held-out" for e in statements(passage)]


def _judge(model: StanceModel, *texts: str) -> list[Judgement]:
    judged = model.judge([StanceInput(text) for text in texts])
    assert None not in judged
    return [judgement for judgement in judged if judgement]


def test_both_sides_of_the_shipped_debate_are_told_apart(model: StanceModel) -> None:
    first, second = _judge(model, OPEN, CLOSED)
    assert (first.side, second.side) == ("open", "closed")
    assert ("open-release", "agree") in {(p.proposition_id, p.stance) for p in first.positions}
    assert ("misuse", "agree") in {(p.proposition_id, p.stance) for p in second.positions}
    for judgement in (first, second):
        assert 0 < judgement.score <= 1
        assert all(0 < p.score <= 1 for p in judgement.positions)
        assert len({p.proposition_id for p in judgement.positions}) == len(judgement.positions)


def test_held_out_statements_are_judged_far_better_than_by_the_commonest_side(
    model: StanceModel, held_out: list[Example]
) -> None:
    some = held_out[::4]
    judged = model.judge([StanceInput(e.text, context=e.context) for e in some])
    right = sum(j is not None and j.side == e.side for j, e in zip(judged, some, strict=True))
    assert len(some) > 150
    assert right > max(Counter(e.side for e in some).values()) + 0.15 * len(some)
    claims = [{(p.proposition_id, p.stance) for p in j.positions} if j else set() for j in judged]
    found = sum(len(c & (e.stances or set())) for c, e in zip(claims, some, strict=True))
    assert 2 * found / sum(len(c) + len(e.stances or ()) for c, e in zip(claims, some, strict=True)) > 0.4


def test_neither_side_is_favoured(model: StanceModel, held_out: list[Example]) -> None:
    some = held_out[1::4]
    judged = model.judge([StanceInput(e.text, context=e.context) for e in some])
    sides = [(j.side if j else "none", e.side) for j, e in zip(judged, some, strict=True)]
    recall = {
        side: sum(found == side for found, truth in sides if truth == side) / sum(truth == side for _, truth in sides)
        for side in ("open", "closed")
    }
    assert abs(recall["open"] - recall["closed"]) < 0.15


def test_what_is_about_something_else_is_no_statement(model: StanceModel) -> None:
    others = (
        "The orchestra played Brahms on Sunday evening.",
        "The minister said that taxes on fuel should fall in spring.",
    )
    assert model.judge([StanceInput(text) for text in others]) == [None, None]


def test_a_judgement_does_not_depend_on_the_others(model: StanceModel) -> None:
    inputs = [StanceInput(OPEN), StanceInput(CLOSED), StanceInput("The weather was fine."), StanceInput("?")]
    assert model.judge(inputs) == [model.judge([item])[0] for item in inputs]
    assert model.judge([]) == []


def test_a_speakers_name_never_decides(model: StanceModel) -> None:
    named = [StanceInput(OPEN, speaker) for speaker in ("Yann LeCun", "Ilya Sutskever", "")]
    assert len(set(model.judge(named))) == 1


def test_positions_never_argue_against_the_side(model: StanceModel, debate: Debate, held_out: list[Example]) -> None:
    for judgement in model.judge([StanceInput(e.text, context=e.context) for e in held_out[2::9]]):
        if judgement is None or judgement.side == "mixed":
            continue
        for position in judgement.positions:
            supports = debate.proposition(position.proposition_id).supports
            if supports:
                assert (judgement.side == supports) == (position.stance == "agree"), position
                assert judgement.side != "neutral"


def test_a_text_longer_than_the_model_reads_is_judged_by_its_beginning(model: StanceModel) -> None:
    (short,) = _judge(model, OPEN + " It was so." * 60)
    (longer,) = _judge(model, OPEN + " It was so." * 6_000)
    assert (short.side, longer.side) == ("open", "open")


def test_a_statement_is_read_amid_the_nearest_words_of_its_paragraph() -> None:
    _, tokenizer = load_onnx(FOLDER / "model.onnx", FOLDER / "tokenizer.json", 1)
    said = "Keep them shut."
    context = "far away " * 40 + f"Asked about weights, she laughed. {said} Then she left " + "at once " * 40

    def words(text: str, context: str = "") -> str:
        return " ".join(tokenizer.id_to_token(number).lstrip("▁") for number in marked(tokenizer, text, context))

    assert words(said) == words(said, "Another paragraph.") == "[CLS] [ Keep them shut . ] [SEP]"
    read = words(said, context)
    assert "Asked about weights , she laughed . [ Keep them shut . ] Then she left at once" in read
    assert len(read.split()) == BEFORE + AFTER + 4 + 4
    claim = claim_tokens(tokenizer, "They should be open.")
    assert marked(tokenizer, said, context, claim) == [*marked(tokenizer, said, context), *claim]
    long = "word " * 400
    assert len(marked(tokenizer, long.strip(), "before " + long + "after", claim)) == MAX_TOKENS


def test_another_debate_is_judged_by_wording_and_examples_without_training() -> None:
    model = StanceModel.for_debate(_other_debate(), threads=1)
    banned, allowed, other = _judge(
        model,
        "The old town must be closed to cars and given back to people on foot.",
        "A ban on cars would be a mistake and would ruin the traders of the old town.",
        "The orchestra played Brahms on Sunday evening.",
    )
    assert (banned.side, banned.positions[0].stance) == ("walkers", "agree")
    assert (allowed.side, allowed.positions[0].stance) == ("drivers", "disagree")
    assert (other.side, other.positions) == ("neutral", ())
    assert "no weights trained for them" in model.notes[0]


def test_a_new_proposition_joins_those_that_the_weights_know(debate: Debate) -> None:
    added = replace(
        debate.propositions[0],
        id="libraries",
        text="Public libraries should host models.",
        agree=("Libraries should host models for their readers.",),
    )
    wider = replace(debate, propositions=(*debate.propositions, added))
    model = StanceModel.for_debate(wider, threads=1)
    (judgement,) = _judge(model, "Public libraries should host open models for their readers.")
    assert "libraries" in {p.proposition_id for p in judgement.positions} or judgement.side == "neutral"
    assert _judge(model, CLOSED)[0].side == "closed"


def test_the_version_follows_debate_and_weights(model: StanceModel, debate: Debate) -> None:
    again = StanceModel.for_debate(debate, threads=1)
    assert again.version == model.version
    renamed = replace(debate, question="Another question?")
    assert StanceModel.for_debate(renamed, threads=1).version != model.version


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    yield folder
    describe.cache_clear()


def test_weights_that_are_not_those_of_the_card_are_refused(copied: Path) -> None:
    with (copied / "model.onnx").open("r+b") as weights:
        weights.seek(1000)
        weights.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx: sha256 is"):
        Encoder(copied)
    (copied / "model.json").write_text("{}")
    describe.cache_clear()
    with pytest.raises(ModelError, match="the stance model cannot be read"):
        Encoder(copied)


def test_the_card_is_that_of_the_weights() -> None:
    told = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))
    assert told["sha256"] in (FOLDER / "card.md").read_text(encoding="utf-8")
    assert json.dumps(told["calibration"]) in (FOLDER / "card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("positions", "side"),
    [
        ((), "neutral"),
        ((Position("car-free", "agree", 0.9),), "walkers"),
        ((Position("car-free", "disagree", 0.9),), "drivers"),
    ],
)
def test_the_side_follows_from_the_propositions(positions: tuple[Position, ...], side: str) -> None:
    judged = side_of(_other_debate(), positions)
    assert isinstance(judged, Judgement)
    assert judged.side == side


def test_arguments_for_both_sides_are_mixed() -> None:
    debate = _other_debate()
    second = replace(debate.propositions[0], id="parking", supports="drivers")
    both = replace(debate, propositions=(*debate.propositions, second))
    judged = side_of(both, (Position("car-free", "agree", 0.8), Position("parking", "agree", 0.7)))
    assert judged.side == "mixed"
