"""Statements get a side and propositions: from weights where they know the debate, from examples where they do not."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from db.models import Judgement, ModelError, Position
from nlp.debate import Debate, Proposition, Side, load_debate
from nlp.ngrams import ngram_counts
from nlp.scoring import held_out
from nlp.stance import FOLDER, StanceInput, StanceModel, load_weights, side_of
from nlp.train import read_labels

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


def test_both_sides_of_the_shipped_debate_are_told_apart(model: StanceModel) -> None:
    first, second = model.judge([StanceInput(OPEN), StanceInput(CLOSED)])
    assert (first.side, second.side) == ("open", "closed")
    assert ("open-release", "agree") in {(p.proposition_id, p.stance) for p in first.positions}
    assert ("misuse", "agree") in {(p.proposition_id, p.stance) for p in second.positions}
    for judgement in (first, second):
        assert 0 < judgement.score <= 1
        assert all(0 < p.score <= 1 for p in judgement.positions)
        assert len({p.proposition_id for p in judgement.positions}) == len(judgement.positions)


def test_held_out_statements_are_judged_far_better_than_by_the_commonest_side(model: StanceModel) -> None:
    labelled = [s for s in read_labels(Path(FOLDER).parents[1] / "labels") if held_out(s.id)][::4]
    judged = model.judge([s.input for s in labelled])
    right = sum(j.side == s.side for j, s in zip(judged, labelled, strict=True))
    commonest = max(Counter(s.side for s in labelled).values())
    assert len(labelled) > 150
    assert right > commonest + 0.08 * len(labelled)
    claims = [{(p.proposition_id, p.stance) for p in j.positions} for j in judged]
    found = sum(len(c & s.stances) for c, s in zip(claims, labelled, strict=True))
    assert 2 * found / sum(len(c) + len(s.stances) for c, s in zip(claims, labelled, strict=True)) > 0.35


def test_neither_side_is_favoured(model: StanceModel) -> None:
    labelled = [s for s in read_labels(Path(FOLDER).parents[1] / "labels") if held_out(s.id)][1::4]
    judged = model.judge([s.input for s in labelled])
    recall = {
        side: sum(j.side == side for j, s in zip(judged, labelled, strict=True) if s.side == side)
        / sum(s.side == side for s in labelled)
        for side in ("open", "closed")
    }
    assert abs(recall["open"] - recall["closed"]) < 0.15


def test_a_judgement_does_not_depend_on_the_others(model: StanceModel) -> None:
    inputs = [StanceInput(OPEN), StanceInput(CLOSED), StanceInput("The weather was fine."), StanceInput("?")]
    assert model.judge(inputs) == [model.judge([item])[0] for item in inputs]
    assert model.judge([]) == []


def test_a_speakers_name_never_decides(model: StanceModel) -> None:
    named = [StanceInput(OPEN, speaker) for speaker in ("Yann LeCun", "Ilya Sutskever", "")]
    assert len(set(model.judge(named))) == 1


def test_who_is_neutral_supports_nothing(model: StanceModel, debate: Debate) -> None:
    for judgement in model.judge(
        [StanceInput("It depends."), StanceInput("The vote is on Monday."), StanceInput("Hm.")]
    ):
        if judgement.side == "neutral":
            assert not [p for p in judgement.positions if debate.proposition(p.proposition_id).supports]


def test_another_debate_is_judged_by_its_examples_without_training() -> None:
    model = StanceModel.for_debate(_other_debate(), threads=1)
    banned, allowed, other = model.judge(
        [
            StanceInput("The old town must be closed to cars and given back to people on foot."),
            StanceInput("A ban on cars would be a mistake and would ruin the traders of the old town."),
            StanceInput("The orchestra played Brahms on Sunday evening."),
        ]
    )
    assert (banned.side, banned.positions[0].stance) == ("walkers", "agree")
    assert (allowed.side, allowed.positions[0].stance) == ("drivers", "disagree")
    assert (other.side, other.positions) == ("neutral", ())
    assert "no trained weights" in model.notes[0]
    assert "stance-linear/weights.npz" not in model.models


def test_a_new_proposition_joins_those_that_the_weights_know(debate: Debate) -> None:
    added = replace(
        debate.propositions[0],
        id="libraries",
        text="Public libraries should host models.",
        agree=("Libraries should host models for their readers.",),
    )
    wider = replace(debate, propositions=(*debate.propositions, added))
    model = StanceModel.for_debate(wider, threads=1)
    (judgement,) = model.judge([StanceInput("Public libraries should host open models for their readers.")])
    assert "libraries" in {p.proposition_id for p in judgement.positions} or judgement.side == "neutral"
    assert model.judge([StanceInput(CLOSED)])[0].side == "closed"


def test_the_version_follows_debate_and_weights(model: StanceModel, debate: Debate) -> None:
    again = StanceModel.for_debate(debate, threads=1)
    assert again.version == model.version
    renamed = replace(debate, question="Another question?")
    assert StanceModel.for_debate(renamed, threads=1).version != model.version


def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path: Path, debate: Debate) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    weights = folder / "weights.npz"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"weights\.npz: sha256 is"):
        load_weights(folder)
    with pytest.raises(ModelError, match="cannot be read"):
        load_weights(tmp_path / "nothing")
    assert json.loads((FOLDER / "model.json").read_text())["sha256"] in (FOLDER / "card.md").read_text()


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


def test_the_hash_of_an_n_gram_never_changes() -> None:
    assert ngram_counts("") == {}
    assert list(ngram_counts("Open it")) == list(ngram_counts("open IT"))
    # CRC-32 of "open", "it" and "open it", modulo the number of columns: weights in the wild rely on it.
    assert {932, 30516, 13717} == {column for column in ngram_counts("open it") if column < 2**15}
