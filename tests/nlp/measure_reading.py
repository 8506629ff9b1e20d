"""Scores the reader on labelled passages that it was not trained on, and prints a table. Not a test.

    .venv/bin/python tests/nlp/measure_reading.py [--labels DIR] [--part held-out|dev] [--show N]

A statement counts as found when its evidence and a labelled evidence overlap by half: intersection over union >= 0.5 (strict),
or intersection over the shorter of the two >= 0.5 (loose). Speakers compare by canonical name, loosely (`same_name`).
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from db.models import AUTHOR, Statement
from nlp.debate import load_debate
from nlp.reader import Reader, Reading, ReadInput
from nlp.scoring import SHIPPED_LABELS, held_out, load_passages, match, right_speaker, share_of_shorter
from nlp.train_reading import compose


class Tally:
    """Counts of found, labelled, right, and right with speaker, for one row of the table."""

    def __init__(self) -> None:
        self.found = self.labelled = self.right = self.spoken = 0

    def add(self, found: int, labelled: int, right: int, spoken: int) -> None:
        self.found += found
        self.labelled += labelled
        self.right += right
        self.spoken += spoken

    def row(self, name: str) -> str:
        precision, recall = self.right / max(1, self.found), self.right / max(1, self.labelled)
        f1 = 2 * self.right / max(1, self.found + self.labelled)
        spoken = 2 * self.spoken / max(1, self.found + self.labelled)
        return f"{name:24} {self.labelled:6} {self.found:6} {precision:10.3f} {recall:8.3f} {f1:8.3f} {spoken:14.3f}"


def measure(reader: Reader, records: list[dict[str, Any]], show: int = 0) -> None:
    """Reads the records and prints the table of statements, the passages without any, and entities."""
    inputs = [ReadInput(r["id"], r["text"], author=r["author"]) for r in records]
    began = time.process_time()
    readings = [reading for reading in reader.read(inputs) if isinstance(reading, Reading)]
    seconds = time.process_time() - began
    tallies: dict[str, Tally] = defaultdict(Tally)
    silent = quiet = kinds = pairs_in_all = 0
    linked = missed = wrong = 0
    by_name = {name.casefold(): actor.id for actor in load_debate().actors for name in actor.names}
    for record, reading in zip(records, readings, strict=True):
        labelled, found = record["statements"], reading.statements
        pairs = match(found, labelled)
        spoken = sum(right_speaker(found[one], labelled[other]) for one, other in pairs)
        kinds += sum(found[one].kind == labelled[other]["kind"] for one, other in pairs)
        pairs_in_all += len(pairs)
        easy = match(found, labelled, share_of_shorter)
        easy_spoken = sum(right_speaker(found[one], labelled[other]) for one, other in easy)
        tallies["all, strict"].add(len(found), len(labelled), len(pairs), spoken)
        tallies["all, loose"].add(len(found), len(labelled), len(easy), easy_spoken)
        if not record["id"].startswith("pairs"):
            tallies["all but minimal pairs"].add(len(found), len(labelled), len(pairs), spoken)
        tallies[f"register {record['register']}"].add(len(found), len(labelled), len(pairs), spoken)
        for kind in ("direct", "indirect", "authorial"):
            right = [(one, other) for one, other in pairs if labelled[other]["kind"] == kind]
            tallies[f"kind {kind}"].add(
                sum(s.kind == kind for s in found), sum(s["kind"] == kind for s in labelled), len(right),
                sum(right_speaker(found[one], labelled[other]) for one, other in right),
            )  # fmt: skip
        for side in ("open", "closed", "mixed", "neutral"):
            right = [(one, other) for one, other in pairs if labelled[other]["side"] == side]
            count = sum(s["side"] == side for s in labelled)
            tallies[f"recall of {side}"].add(
                count, count, len(right), sum(right_speaker(found[one], labelled[other]) for one, other in right)
            )
        silent += not labelled
        quiet += not labelled and not found
        linked, missed, wrong = (
            a + b for a, b in zip((linked, missed, wrong), _links(record, reading, by_name), strict=True)
        )
        if show and (len(pairs) < max(len(found), len(labelled)) or spoken < len(pairs)):
            show -= 1
            _print_case(record, found)
    print(f"{'':24} {'labels':>6} {'found':>6} {'precision':>10} {'recall':>8} {'F1':>8} {'F1 with speaker':>14}")
    for name, tally in sorted(tallies.items()):
        print(tally.row(name))
    print(f"kind right (of matched): {kinds / max(1, pairs_in_all):.3f}")
    print(f"passages without a statement in which none was found: {quiet} of {silent} ({quiet / max(1, silent):.3f})")
    linked_f1 = 2 * linked / max(1, 2 * linked + missed + wrong)
    print(f"known actors linked: {linked}, missed {missed}, wrong {wrong}; F1 {linked_f1:.3f}")
    words = sum(len(r["text"].split()) for r in records)
    print(f"{seconds / words * 700_000:.0f} ms of processor time for 700 words (over {len(records)} short texts)")


def _links(record: dict[str, Any], reading: Reading, by_name: dict[str, str]) -> tuple[int, int, int]:
    """Labelled entities that are known actors: linked, missed; and mentions linked to an actor that nobody labelled."""
    text = record["text"]
    spans = []
    linked = missed = 0
    for entity in record["entities"]:
        start = text.find(entity["surface"])
        if start < 0:
            continue
        spans += [(start, start + len(entity["surface"]))]
        actor = by_name.get(entity["canonical"].casefold())
        if actor is None or entity["type"] == "OTHER":
            continue
        overlapping = [m for m in reading.mentions if m.start < start + len(entity["surface"]) and start < m.end]
        hit = any(m.actor_id == actor for m in overlapping)
        linked += hit
        missed += not hit
    surfaces = {e["surface"].casefold() for e in record["entities"]} | {
        e["canonical"].casefold() for e in record["entities"]
    }
    wrong = sum(
        1
        for m in reading.mentions
        if m.actor_id
        and not any(a < m.end and m.start < b for a, b in spans)
        and text[m.start : m.end].casefold() not in surfaces
    )
    return linked, missed, wrong


def _print_case(record: dict[str, Any], found: tuple[Statement, ...]) -> None:
    print(f"\n--- {record['id']} {record['register']} {record['author']}\n{record['text']}")
    for gold in record["statements"]:
        print(f"  LABEL {gold['speaker']}: {gold['evidence']}")
    for statement in found:
        name = AUTHOR if statement.speaker.text == AUTHOR else statement.speaker.name
        print(f"  FOUND {name} ({statement.rule}): {record['text'][statement.start : statement.end]}")


def main() -> None:
    """Prints the table for the part asked for, and for composed long news texts of the same part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--labels", type=Path, default=SHIPPED_LABELS)
    parser.add_argument("--part", choices=("held-out", "dev"), default="held-out")
    parser.add_argument(
        "--show", type=int, default=0, help="print so many passages that were read otherwise than labelled"
    )
    options = parser.parse_args()
    records = [r for r in load_passages(options.labels) if held_out(r["id"]) == (options.part == "held-out")]
    reader = Reader(load_debate(), off_subject=True)
    print(f"# {len(records)} passages, {options.part}; {reader.version}")
    measure(reader, records, options.show)
    long = [r for r in compose(records) if r["register"] == "long-news"]
    for record in long:
        for statement in record["statements"]:
            statement.setdefault("side", "")
    print(f"\n# {len(long)} long news texts composed of them")
    measure(reader, long)


if __name__ == "__main__":
    main()
