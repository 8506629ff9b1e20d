"""The recipe of nlp/models/subject-linear: `python -m nlp.train_subject --other DIR`. Seeded; scikit-learn, no torch.

What is on the subject: the evidence of labelled statements, and what says it plainly (the examples of debate.toml, the plain
prose written for the reader), which counts PLAIN times because the labelled passages avoid plain words. What is not: sentences of
labelled passages without any statement, and texts about other things from public sets that may be trained on (news on politicians,
posts on candidates, arguments on any question, facts on AI). The held-out fifth of the passages is only scored.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from nlp.debate import load_debate
from nlp.embeddings import Embedder
from nlp.scoring import Passage, held_out, load_passages
from nlp.subject import FOLDER, Subject, load_weights
from nlp.train_reading import load_plain
from nlp.units import split_units

INVERSE_REGULARISATION: Final = 10.0
OTHER_SETS: Final = (
    ("stance/newsmtsc-train-dev.jsonl.gz", "sentence", 2500),
    ("stance/perspectrum.jsonl.gz", "statement", 2500),
    ("stance/pstance-train-val.jsonl.gz", "tweet", 800),
)
FACTS: Final = ("ner/crossner-ai-train.txt", "ner/crossner-ai-dev.txt")
PLAIN: Final = 2
OTHER_WEIGHT: Final = 0.5
"""Texts on other things are many and easy; sentences beside the subject are few and hard."""


def evidence(passages: Iterable[Passage]) -> list[str]:
    """The evidence of all labelled statements."""
    return [p["text"][s["start"] : s["end"]] for p in passages for s in p["statements"]]


def beside(passages: Iterable[Passage]) -> list[str]:
    """The sentences of passages that hold no statement."""
    return [p["text"][u.start : u.end] for p in passages if not p["statements"] for u in split_units(p["text"])]


def other_texts(folder: Path, seed: int) -> list[str]:
    """Texts about other things, a fixed draw from each set."""
    drawn = random.Random(seed)  # noqa: S311 - seeded, so that the recipe can be repeated
    found: list[str] = []
    for name, key, number in OTHER_SETS:
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            found += [str(json.loads(line)[key]) for line in drawn.sample(list(lines), number)]
    for name in FACTS:
        blocks = (folder / name).read_text(encoding="utf-8").split("\n\n")
        found += [" ".join(line.split()[0] for line in b.splitlines() if line.strip()) for b in blocks if b.strip()]
    return found


def train(other: Path, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Fits, writes weights.npz and model.json, and returns shares of held-out texts taken for being on the subject."""
    from sklearn.linear_model import LogisticRegression

    embedder, passages = Embedder(), load_passages()
    learnt = [p for p in passages if not held_out(p["id"])]
    scored = [p for p in passages if held_out(p["id"])]
    plain, debate = load_plain(), load_debate()
    examples = [text for p in debate.propositions for text in (p.text, *p.agree, *p.disagree)]
    texts = (
        evidence(learnt) + PLAIN * (examples + evidence(plain)),
        beside(learnt) + beside(plain),
        other_texts(other, seed),
    )
    rows = np.vstack([embedder.encode(part) for part in texts])
    truth = np.repeat([1, 0, 0], [len(part) for part in texts])
    weight = np.repeat([1.0, 1.0, OTHER_WEIGHT], [len(part) for part in texts])
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=2000).fit(rows, truth, sample_weight=weight)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "weights.npz"
    np.savez(path, weights=model.coef_[0].astype(np.float32), bias=np.float32(model.intercept_[0]))
    description = {
        "name": "subject-linear",
        "debate": debate.id,
        "embedding": embedder.key,
        "seed": seed,
        "trained_on": {"statements": len(texts[0]), "sentences beside": len(texts[1]), "other texts": len(texts[2])},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (folder / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")

    load_weights.cache_clear()
    subject = Subject(debate, embedder)

    def share(part: list[str]) -> float:
        return round(sum(subject.on_subject(part)) / len(part), 3)

    return {
        "held-out statements kept": share(evidence(scored)),
        "held-out sentences beside kept": share(beside(scored)),
    }


def main() -> None:
    """The command line of the recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="The folder that holds stance/ and ner/.")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(train(options.other, options.output, options.seed), indent=1))


if __name__ == "__main__":
    main()
