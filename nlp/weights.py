"""The trained weights of the reader: named features -> a number. Reads and writes `nlp/models/reader-linear`; knows no texts.

Linear models over named features need no library but numpy, take microseconds, and can say which feature decided.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from db.models import ModelError

KINDS: Final = ("law", "model", "none", "organisation", "person")
FOLDER: Final = Path(__file__).with_name("models") / "reader-linear"


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear model: the weight of each feature by name, features that it does not know weigh nothing."""

    weights: Mapping[str, float]

    def score(self, features: Mapping[str, float]) -> float:
        """The weighted sum of the features, not yet a probability."""
        known = self.weights
        return sum(known[name] * value for name, value in features.items() if name in known)


@dataclass(frozen=True, slots=True)
class ReaderWeights:
    """The models of the reader and the settings that were tuned with them; `sha256` is the one of their file."""

    speaker: Linear
    view: Linear
    kinds: Mapping[str, Linear]
    settings: Mapping[str, float]
    sha256: str


def save_weights(weights: ReaderWeights, folder: Path = FOLDER) -> str:
    """Writes weights.npz and model.json into the folder; returns the sha256 of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    for label, model in {"speaker": weights.speaker, "view": weights.view, **weights.kinds}.items():
        names = sorted(name for name, weight in model.weights.items() if abs(weight) > 1e-4)
        if any("\n" in name for name in names):
            raise ValueError(f"{label}: the name of a feature runs over a line's end, where names are parted")
        arrays[f"{label}_names"] = np.frombuffer("\n".join(names).encode(), dtype=np.uint8)
        arrays[f"{label}_weights"] = np.array([model.weights[name] for name in names], dtype=np.float16)
    path = folder / "weights.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    description = {"name": "reader-linear", "sha256": digest, "settings": dict(sorted(weights.settings.items()))}
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return digest


@cache
def load_weights(folder: Path = FOLDER) -> ReaderWeights:
    """Reads the folder's weights; ModelError when they are missing or are not the ones that model.json names."""
    path = folder / "weights.npz"
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{error.filename}: the reader's weights are missing; install debatewatch again") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != description["sha256"]:
        raise ModelError(
            f"{path}: sha256 is {digest[:12]}..., model.json says {description['sha256'][:12]}...; install again"
        )
    with np.load(path, allow_pickle=False) as arrays:
        models = {label: _linear(arrays, label) for label in ("speaker", "view", *KINDS)}
    kinds = {kind: models[kind] for kind in KINDS}
    return ReaderWeights(models["speaker"], models["view"], kinds, description["settings"], digest)


def _linear(arrays: Mapping[str, np.ndarray], label: str) -> Linear:
    names = bytes(arrays[f"{label}_names"]).decode().split("\n")
    return Linear(dict(zip(names, map(float, arrays[f"{label}_weights"]), strict=True)))
