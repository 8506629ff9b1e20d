"""Reviews as labelled passages, in the format of nlp/labels, so that training reads them as one more folder of labels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from db.models import InputError
from db.reviews import Review
from db.store import Store


def write_review_labels(db_path: Path, folder: Path) -> int:
    """Writes folder/reviews.jsonl from a database's reviews; gives the number of passages.

    Raises InputError when the database holds no review that its reviewers agree on.
    """
    with Store.open(db_path, create=False) as store:
        passages = labelled_passages(store.reviewed_texts())
    if not passages:
        raise InputError(f"{db_path}: no reviews to train from; `debatewatch review` makes them")
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(passage, ensure_ascii=False) + "\n" for passage in passages)
    (folder / "reviews.jsonl").write_text("".join(lines), encoding="utf-8")
    return len(passages)


def labelled_passages(reviews: Iterable[tuple[Review, str]]) -> list[dict[str, Any]]:
    """One passage for each reviewed place: its evidence alone, for nobody has said anything of the text around it.

    Places on whose side or speaker reviewers differ are left out. No propositions: they were not reviewed.
    """
    by_place: dict[tuple[str, int, int], list[tuple[Review, str]]] = {}
    for review, evidence in reviews:
        by_place.setdefault((review.document_sha256, review.start, review.end), []).append((review, evidence))
    return [
        _passage(*said[0])
        for said in by_place.values()
        if len({(review.side, review.speaker) for review, _ in said}) == 1
    ]


def _passage(review: Review, evidence: str) -> dict[str, Any]:
    statement = {
        "start": 0,
        "end": len(evidence),
        "evidence": evidence,
        "speaker": review.speaker,
        "speaker_surface": review.speaker,
        "kind": "indirect",
        "side": review.side,
        "propositions": [],
    }
    return {
        "id": f"review-{review.document_sha256[:16]}-{review.start}-{review.end}",
        "register": "review",
        "date": None,
        "author": None,
        "text": evidence,
        "entities": [],
        "statements": [] if review.side is None else [statement],
    }
