"""Texts become vectors that are normalised, repeatable and independent of their batch; a damaged model is refused."""

from pathlib import Path

import numpy as np
import pytest

from db.models import ModelError
from nlp.embeddings import DEFAULT_MODEL, Embedder, check_sha256

TEXTS = [
    "Open weights let anyone inspect a model.",
    "Anybody can look inside a model whose parameters are published.",
    "The ferry to the island was late again because of fog.",
    "",
    "word " * 600,
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(threads=1)


def test_rows_are_normalised_float32_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_a_text_has_the_same_vector_in_every_batch(embedder: Embedder) -> None:
    together = embedder.encode(TEXTS)
    alone = np.vstack([embedder.encode([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.array_equal(together, embedder.encode(TEXTS, batch_size=2))


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.encode([]).shape == (0, 384)
    assert embedder.encode_documents([]).shape == (0, 384)


def test_a_long_document_is_read_beyond_its_first_window(embedder: Embedder) -> None:
    start = "The ministry discussed the harvest of barley and rye in the northern districts. " * 12
    first, second = embedder.encode_documents([("", start), ("", start + "Open model weights were leaked. " * 30)])
    leaked = embedder.encode(["Open model weights were leaked."])[0]
    assert second @ leaked > first @ leaked + 0.1
    short = embedder.encode_documents([("A title", "A text.")])[0]
    assert np.allclose(short, embedder.encode(["A title\n\nA text."])[0], atol=1e-6)


def test_the_models_in_use_are_named_with_their_sums(embedder: Embedder) -> None:
    assert embedder.models[f"{DEFAULT_MODEL}/model.onnx"].startswith("8199be6f")
    assert set(embedder.models) == {f"{DEFAULT_MODEL}/model.onnx", f"{DEFAULT_MODEL}/tokenizer.json"}


def test_a_file_that_is_not_the_one_on_the_card_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model\.onnx: sha256 is .* its card says 8199be6f"):
        check_sha256(damaged, "8199be6f" + "0" * 56)


def test_another_model_is_a_folder_with_its_two_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.onnx there"):
        Embedder(str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Embedder(str(tmp_path))
