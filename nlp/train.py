"""The recipe of `nlp/models/stance-mpnet`: labelled passages -> a transformer that reads side, propositions and claims.

    python -m nlp.train --base DIR --pairs DIR [--labels nlp/labels ...] [--seed 0]

needs the extra `train` (torch, transformers, onnx) and the published all-mpnet-base-v2 (model.safetensors, config.json,
tokenizer.json). Of its lower eight layers the upper four are fine-tuned with three heads at once (Caruana 1997): the side of a
stretch of text (or that it carries no statement), its stance on each shipped proposition, and, given a text and any claim in plain
words, whether the text agrees. That is done twice from the same start, each time in another order, for runs differ by several
points, and the run that reads the tuning part best is kept. Then exported to ONNX in 8 bits (dynamic quantisation, one scale a
channel), calibrated on passages that were not trained on, scored on the held-out passages, and described in a card.

Three steps, which may be run on three machines (`--step`): `prepare` needs the reader, `fit` is the one for which a GPU is worth
having, `finish` exports. Everything that torch is not needed for lives in nlp/training_set.py and nlp/calibration.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoModel

from nlp.debate import Debate, load_debate
from nlp.embeddings import cut
from nlp.encoder import AFTER, BEFORE, FOLDER, MAX_TOKENS, marked
from nlp.scoring import SHIPPED_LABELS
from nlp.training_set import PAIR_CLASSES, Material, Pair, load_labels, prepare

LAYERS: Final = 8
"""Of 12: the upper ones serve the similarity of sentences; without them the file stays under 90 MB and a statement takes 25 ms."""
FROZEN: Final = 4
"""The lower layers stay as published; what they make of each text is computed once, which makes an epoch twice as fast."""
RUNS: Final = 2
WINDOW: Final = (60, 30)
"""Tokens before and after a statement in training. Reading takes fewer (nlp/encoder.py): half a point less for half the time."""
HEADS_FASTER: Final = 2.0
"""The rate of the heads, for that of the layers."""
SMOOTHING: Final = 0.05
STANCE_WEIGHT: Final = 24.0
"""Of the mean loss over all (proposition, stance) heads, of which nearly all are zeros."""
READ_AT_ONCE: Final = 64
STEPS: Final = ("prepare", "fit", "finish")

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """One stage of training. pairs: pairs of text and claim in an epoch, each epoch its own."""

    epochs: int
    batch: int
    rate: float
    pairs: int


LEARN: Final = Plan(epochs=6, batch=64, rate=1.4e-4, pairs=3500)
SETTLE: Final = Plan(epochs=1, batch=16, rate=4e-5, pairs=8000)
"""After the best run, with statements as they will be read: claims in plain words have too small a share of the runs."""
SETTLED: Final = 4000
"""Examples of that stage."""
STEP: Final = 0.7
"""How far the weights go towards those after the last stage (Wortsman et al. 2022, "Robust fine-tuning"): all of it costs sides."""


class StanceNetwork(nn.Module):  # type: ignore[misc]
    """The encoder's lower layers with a head each for sides, stances and pairs, on the first and the mean token vector."""

    def __init__(self, base: Path, sides: int, stances: int) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(base, dtype=torch.float32)
        self.encoder.encoder.layer = self.encoder.encoder.layer[:LAYERS]
        for fixed in (
            self.encoder.embeddings,
            self.encoder.encoder.relative_attention_bias,
            *self.encoder.encoder.layer[:FROZEN],
        ):
            fixed.requires_grad_(False)
        self.width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.sides, self.stances = nn.Linear(2 * self.width, sides), nn.Linear(2 * self.width, stances)
        self.relation = nn.Linear(2 * self.width, len(PAIR_CLASSES))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(n, tokens) ids and mask -> logits of sides (n, sides), stances (n, stances) and relations (n, 3)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._heads(hidden, attention_mask)

    def lower(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(n, tokens) ids and mask -> what the frozen layers make of them, (n, tokens, width)."""
        hidden = self.encoder.embeddings(input_ids=input_ids)
        return self._through(self.encoder.encoder.layer[:FROZEN], hidden, attention_mask)

    def upper(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The rest of `forward`, from what `lower` made."""
        hidden = self._through(self.encoder.encoder.layer[FROZEN:], hidden, attention_mask)
        return self._heads(hidden, attention_mask)

    def trained(self) -> Weights:
        """A copy of the weights that training changes, on the CPU."""
        return {name: p.detach().float().cpu().clone() for name, p in self.named_parameters() if p.requires_grad}

    def take(self, weights: Weights) -> None:
        """Sets the weights that training changes."""
        self.load_state_dict(weights, strict=False)

    def _through(self, layers: Sequence[nn.Module], hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        shut = (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        places = self.encoder.encoder.compute_position_bias(hidden)
        for layer in layers:
            hidden = layer(hidden, shut, places)[0]
        return hidden

    def _heads(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mask = attention_mask[..., None].to(hidden.dtype)
        pooled = torch.cat([hidden[:, 0], (hidden * mask).sum(1) / mask.sum(1)], dim=1)
        pooled = self.dropout(pooled)
        return self.sides(pooled), self.stances(pooled), self.relation(pooled)


class _Texts:
    """Tokenised texts with what the frozen layers make of each, in batches of like length: little is computed on padding, and the
    two of a minimal pair, which are of like length, meet in one batch more often than not.
    """

    def __init__(self, network: StanceNetwork, texts: Sequence[list[int]], pad: int, device: torch.device) -> None:
        self._lengths = [len(ids) for ids in texts]
        starts = [0]
        for length in self._lengths:
            starts.append(starts[-1] + length)
        self._starts = torch.tensor(starts, device=device)
        kind = torch.bfloat16 if device.type == "cuda" else torch.float16
        self._hidden = torch.empty((starts[-1], network.width), dtype=kind, device=device)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        network.eval()
        with torch.no_grad(), _precision(device):
            for start in range(0, len(order), READ_AT_ONCE):
                rows = order[start : start + READ_AT_ONCE]
                ids, mask = _padded([texts[i] for i in rows], pad, device)
                hidden = network.lower(ids, mask).to(kind)
                for row, i in enumerate(rows):
                    self._hidden[starts[i] : starts[i + 1]] = hidden[row, : len(texts[i])]

    def batches(
        self, chosen: Sequence[int], size: int, rng: random.Random
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """The chosen texts, each once: their numbers, hidden states (n, tokens, width) and mask (n, tokens)."""
        order = rng.sample(chosen, len(chosen))
        batches: list[list[int]] = []
        for start in range(0, len(order), 20 * size):
            chunk = sorted(order[start : start + 20 * size], key=lambda i: self._lengths[i])
            batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        for rows in rng.sample(batches, len(batches)):
            yield rows, *self.of(rows)

    def of(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """The hidden states (n, tokens, width) of some texts and their mask (n, tokens)."""
        device = self._hidden.device
        numbers = torch.tensor(rows, device=device)
        first, after = self._starts[numbers][:, None], self._starts[numbers + 1][:, None]
        places = first + torch.arange(max(self._lengths[i] for i in rows), device=device)
        mask = places < after
        hidden = self._hidden[places.clamp(max=len(self._hidden) - 1)] * mask[..., None]
        return (hidden if device.type == "cuda" else hidden.float()), mask.long()


def _padded(texts: Sequence[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[pad] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    return ids, mask


def _precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def fit(material: Material, base: Path, *, seed: int) -> Weights:
    """Fine-tunes RUNS networks from the same start, each in an order of its own; returns the weights of the best.

    The best has the most sides of the tuning part right. Prints the loss and the seconds of each epoch.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, products on a GPU are not repeatable
    torch.use_deterministic_algorithms(True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    network: StanceNetwork = StanceNetwork(base, len(material.sides), len(material.heads)).to(device)
    start = network.trained()
    tokenizer = read_tokenizer(base)
    texts = _examples(network, tokenizer, material, WINDOW, device)
    mixed = _pairs(network, tokenizer, material.pairs, device)
    best, kept = -1.0, start
    for number in range(RUNS):
        network.take(start)
        torch.manual_seed(seed + number)
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - seeded, so that it can be repeated
        _train(network, texts, mixed, material, LEARN, rng, device)
        right = _sides_right(network, tokenizer, material)
        print(f"run {number + 1} of {RUNS}: {right:.3f} of the sides of the tuning part right", flush=True)
        if right > best:
            best, kept = right, network.trained()
    network.take(kept)
    settle(network, tokenizer, material, device, seed=seed)
    network.take({name: (1 - STEP) * kept[name] + STEP * weight for name, weight in network.trained().items()})
    print(f"settled: {_sides_right(network, tokenizer, material):.3f} right", flush=True)
    return network.trained()


def settle(
    network: StanceNetwork, tokenizer: Tokenizer, material: Material, device: torch.device, *, seed: int
) -> None:
    """The last stage, slower: some of the examples as they will be read, and claims in plain words."""
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311 - seeded, so that it can be repeated
    some = replace(material, examples=tuple(rng.sample(material.examples, min(SETTLED, len(material.examples)))))
    texts = _examples(network, tokenizer, some, (BEFORE, AFTER), device)
    _train(network, texts, _pairs(network, tokenizer, material.public, device), some, SETTLE, rng, device)


def _examples(
    network: StanceNetwork, tokenizer: Tokenizer, material: Material, window: tuple[int, int], device: torch.device
) -> _Texts:
    ids = [marked(tokenizer, e.text, e.context, window) for e in material.examples]
    return _Texts(network, ids, tokenizer.token_to_id("<pad>") or 0, device)


def _pairs(
    network: StanceNetwork, tokenizer: Tokenizer, pairs: Sequence[Pair], device: torch.device
) -> tuple[_Texts, torch.Tensor]:
    encodings = tokenizer.encode_batch([(pair.text, pair.claim) for pair in pairs])
    ids = [cut(encoding.ids, MAX_TOKENS) for encoding in encodings]
    relation = torch.tensor([PAIR_CLASSES.index(pair.relation) for pair in pairs], device=device)
    return _Texts(network, ids, tokenizer.token_to_id("<pad>") or 0, device), relation


def _train(
    network: StanceNetwork,
    texts: _Texts,
    pairs: tuple[_Texts, torch.Tensor],
    material: Material,
    plan: Plan,
    rng: random.Random,
    device: torch.device,
) -> None:
    examples = material.examples
    claims, relation = pairs
    side = torch.tensor([material.sides.index(example.side) for example in examples], device=device)
    held = [[float(head in (example.stances or ())) for head in material.heads] for example in examples]
    stance = torch.tensor(held, device=device)
    asked = torch.tensor([float(example.stances is not None) for example in examples], device=device)
    share = min(plan.pairs, len(relation) // plan.epochs)
    kinds = ["main"] * math.ceil(len(examples) / plan.batch) + ["pairs"] * math.ceil(share / plan.batch)
    steps = plan.epochs * len(kinds)
    optimiser = torch.optim.AdamW(_groups(network, plan.rate), fused=device.type == "cuda")
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.06 * steps)) * max(0.0, (steps - step) / steps)
    )
    network.train()
    for epoch in range(plan.epochs):
        started, total = time.monotonic(), torch.zeros((), device=device)
        main = texts.batches(range(len(examples)), plan.batch, rng)
        other = claims.batches(range(epoch * share, (epoch + 1) * share), plan.batch, rng)
        for kind in rng.sample(kinds, len(kinds)):
            rows, hidden, mask = next(main if kind == "main" else other)
            with _precision(device):
                side_logits, stance_logits, relation_logits = (logits.float() for logits in network.upper(hidden, mask))
            if kind == "main":
                loss = functional.cross_entropy(side_logits, side[rows], label_smoothing=SMOOTHING)
                each = functional.binary_cross_entropy_with_logits(stance_logits, stance[rows], reduction="none")
                loss = loss + STANCE_WEIGHT * (each.mean(1) * asked[rows]).mean()
            else:
                loss = functional.cross_entropy(relation_logits, relation[rows], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.detach()
        print(
            f"epoch {epoch + 1}: loss {total.item() / len(kinds):.3f}, {time.monotonic() - started:.0f} s", flush=True
        )


def _groups(network: StanceNetwork, rate: float) -> list[dict[str, Any]]:
    """What is trained, heads faster than layers; no decay of weights on biases and norms."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            faster = 1.0 if name.startswith("encoder.") else HEADS_FASTER
            decay = 0.0 if name.endswith(("bias", "LayerNorm.weight")) else 0.01
            groups.setdefault((rate * faster, decay), []).append(parameter)
    return [{"params": p, "lr": speed, "weight_decay": decay} for (speed, decay), p in groups.items()]


def _sides_right(network: StanceNetwork, tokenizer: Tokenizer, material: Material) -> float:
    """The share of the tuning part's statements whose side is the likeliest, "no statement" left aside."""
    device = next(network.parameters()).device
    pad = tokenizer.token_to_id("<pad>") or 0
    network.eval()
    right = 0
    with torch.no_grad(), _precision(device):
        for start in range(0, len(material.tune), READ_AT_ONCE):
            examples = material.tune[start : start + READ_AT_ONCE]
            ids, mask = _padded([marked(tokenizer, e.text, e.context) for e in examples], pad, device)
            likeliest = network(ids, mask)[0][:, :-1].argmax(1).tolist()
            right += sum(material.sides[side] == e.side for side, e in zip(likeliest, examples, strict=True))
    return right / len(material.tune)


def read_tokenizer(base: Path) -> Tokenizer:
    """The published tokenizer, which neither pads nor cuts: `marked` wants the tokens of a paragraph nearest to a statement."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


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


def export(network: StanceNetwork, path: Path) -> None:
    """Writes the network as 8-bit ONNX: weights of products and of the vocabulary in int8, one scale a channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    network.eval()
    ids = torch.randint(5, 1000, (2, 24))
    whole = path.with_suffix(".float.onnx")
    dynamic = {"input_ids": {0: "n", 1: "tokens"}, "attention_mask": {0: "n", 1: "tokens"}}
    outputs = ["sides", "stances", "relation"]
    torch.onnx.export(
        network,
        (ids, torch.ones_like(ids)),
        str(whole),
        input_names=list(dynamic),
        output_names=outputs,
        dynamic_axes={**dynamic, **{name: {0: "n"} for name in outputs}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(
        str(whole), str(path), per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"]
    )
    whole.unlink()


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

    network = StanceNetwork(base, len(material.sides), len(material.heads))
    network.take(weights)
    folder.mkdir(parents=True, exist_ok=True)
    export(network, folder / "model.onnx")
    shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
    told = description(folder, debate, material.sides, material.heads, seed)
    (folder / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    passages = load_labels(labels)
    calibrate(folder, debate, passages, public)
    scores = held_out_scores(folder, debate, passages, public)
    write_card(folder, scores, layers=LAYERS)
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
    parser.add_argument("--base", type=Path, required=True, help="Folder of the published all-mpnet-base-v2.")
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
