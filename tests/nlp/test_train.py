"""The recipe of the stance weights: seeded, never reads the held-out fifth before scoring, says what is wrong with a label."""

import json
import shutil
from pathlib import Path

import pytest

from db.models import InputError
from nlp import train
from nlp.debate import load_debate
from nlp.scoring import held_out
from nlp.stance import StanceModel, load_weights
from nlp.train import main, read_labels

LABELS = Path(train.__file__).with_name("labels")


@pytest.fixture(scope="module")
def few_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    records = [json.loads(line) for line in (LABELS / "pairs.jsonl").read_text(encoding="utf-8").splitlines()[:100]]
    # Mixed and neutral statements are rare: some from everywhere.
    everything = [json.loads(line) for path in sorted(LABELS.glob("*.jsonl")) for line in path.read_text().splitlines()]
    for side in ("mixed", "neutral"):
        records += [r for r in everything if [s["side"] for s in r["statements"]] == [side]][:25]
    (folder / "few.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return folder


def test_the_same_labels_and_seed_give_the_same_weights(
    few_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "vectors.npz"
    for name in ("a", "b"):
        main(["stance", "--labels", str(few_labels), "--output", str(tmp_path / name), "--cache", str(cache)])
    first, second = (json.loads((tmp_path / name / "model.json").read_text()) for name in ("a", "b"))
    assert first == second
    assert first["sha256"] in (tmp_path / "a" / "card.md").read_text()
    assert '"open_from_closed"' in capsys.readouterr().out
    model = StanceModel(load_debate(), load_weights(tmp_path / "a"), StanceModel.for_debate(load_debate())._embedder)
    statements = [s for s in read_labels(few_labels) if not held_out(s.id)]
    judged = model.judge([s.input for s in statements])
    assert sum(j.side == s.side for j, s in zip(judged, statements, strict=True)) > 0.8 * len(statements)


def test_the_shipped_weights_were_not_trained_on_the_held_out_fifth() -> None:
    share = sum(held_out(s.id) for s in read_labels(LABELS)) / len(read_labels(LABELS))
    assert 0.15 < share < 0.25


def test_every_label_rests_on_its_text() -> None:
    for path in sorted(LABELS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            for statement in record["statements"]:
                assert record["text"][statement["start"] : statement["end"]] == statement["evidence"], record["id"]


def test_a_bad_line_is_named(few_labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(few_labels, folder)
    with (folder / "few.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')
    with pytest.raises(InputError, match=r"few\.jsonl: line 151: not a labelled passage"):
        read_labels(folder)
    (folder / "few.jsonl").write_text("".join(few_labels.joinpath("few.jsonl").read_text().splitlines(True)[:40]))
    with pytest.raises(InputError, match='fewer than 10 statements to train on are "mixed"'):
        main(["stance", "--labels", str(folder), "--output", str(tmp_path / "x")])
    with pytest.raises(InputError, match="no labelled passages"):
        read_labels(tmp_path)
