"""The topics step: keeps vectors, decides between assigning and fitting, and writes what came of it. Called by nlp.run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from db.models import Document, InputError, Topic, TopicAssignment, TopicEvent, UnknownNameError
from db.store import Store
from nlp import topics as method
from nlp.boilerplate import own_words
from nlp.embeddings import Embedder, Vectors, normalise
from nlp.topic_words import Text

REFIT_SHARE: Final = 0.25
"""New documents, as a share of those fitted, from which the topics are fitted anew: by then a quarter of the coverage had no say
in them."""
OUTLIERS: Final = 0.3
"""Share of the documents assigned since the fit that fit no topic, from which the debate has drifted and topics are fitted anew."""
EMBEDDED_AT_ONCE: Final = 32

RunFactory = Callable[[str, dict[str, object], dict[str, str]], AbstractContextManager[int]]


class Tally(Protocol):
    """Where the step counts what it did."""

    done: int
    failed: int
    skipped: int


def run_topics(
    store: Store,
    documents: Sequence[Document],
    run: RunFactory,
    tally: Tally,
    *,
    refit: bool,
    progress: Callable[[int, int, str], None],
) -> list[str]:
    """Gives each of the documents a topic; returns notes for the user. A failure on one document leaves it without a vector."""
    embedder = Embedder()
    version = f"{method.METHOD}/{embedder.key}"
    last = store.last_topic_fit()
    standing = store.topics()
    fitted = store.topic_assignments(last[0]) if last else {}
    # A fit of another version is no ground to assign on.
    stale = last is None or last[1] != version
    new = [d for d in documents if d.id not in fitted]
    enough = len(documents) >= method.MINIMUM
    if not enough and not standing:
        tally.skipped = len(documents)
        return [f"topics need {method.MINIMUM} documents in English, there are {len(documents)}"] if documents else []
    in_fit = sum(1 for run_id, _ in fitted.values() if last and run_id == last[0])
    later = [topic_id for run_id, topic_id in fitted.values() if last and run_id != last[0]]
    drifted = len(later) >= method.FEW and later.count(None) > OUTLIERS * len(later)
    grown = len(later) + len(new) > max(REFIT_SHARE * in_fit, method.MINIMUM - 1)
    fit = enough and (refit or stale or not standing or drifted or grown)
    if not fit and not new:
        return []
    own = own_words(documents, store.sites_of_documents())
    documents, new = ([replace(d, text=own.get(d.id, d.text)) for d in some] for some in (documents, new))
    digests = {document_id: hashlib.sha256(text.encode()).hexdigest() for document_id, text in own.items()}
    parameters: dict[str, object] = {"fit": fit, "refit_share": REFIT_SHARE, "floor": method.FLOOR}
    read = store.embedded_digests(embedder.key)
    # What an outlet repeats shows with time: a fit reads those vectors anew that were made before it did.
    wanting = [d for d in documents if d.id not in read or (fit and read[d.id] != digests.get(d.id))]
    with run(version, parameters, embedder.models) as run_id:
        _embed(store, embedder, run_id, wanting, digests, tally, progress)
        vectors = store.embeddings(embedder.key)
        ready = [d for d in (documents if fit else new) if d.id in vectors]
        matrix = _matrix(vectors, ready, embedder.dimensions)
        progress(0, len(ready), "fitting topics" if fit else "assigning topics")
        outliers = (
            _fit(store, run_id, ready, matrix, standing, fitted, anchored=bool(last and last[1].endswith(embedder.key)))
            if fit
            else _assign(store, run_id, ready, matrix, standing)
        )
        store.mark_steps(run_id, "topics", version, [d.id for d in ready])
        tally.done = len(ready)
        progress(len(ready), len(ready), "topics")
    return [f"{outliers} documents fit no topic"] if outliers else []


def _fit(
    store: Store,
    run_id: int,
    documents: Sequence[Document],
    matrix: Vectors,
    standing: Sequence[Topic],
    before: dict[int, tuple[int, int | None]],
    *,
    anchored: bool,
) -> int:
    """Fits anew, keeps the identity of topics that continue; returns how many documents fit none.

    Comments have no say in what the topics are, they only get one: a thread would be a topic of its own for its tone alone.
    """
    names = store.names_by_document()
    spoken = [row for row, d in enumerate(documents) if d.kind != "comment"]
    if len(spoken) < method.MINIMUM:
        spoken = list(range(len(documents)))
    fitted = [documents[row] for row in spoken]
    found = method.fit_topics(
        [Text(d.title, d.text, tuple(names.get(d.id, ()))) for d in fitted],
        matrix[spoken],
        anchors=_anchors(standing, fitted, before) if anchored and standing else None,
        together=[
            (np.frombuffer(one, np.float32), np.frombuffer(two, np.float32)) for one, two in store.topic_merges()
        ],
    )
    old = [
        method.Standing(
            topic.id,
            np.frombuffer(topic.centroid, np.float32),
            frozenset(document_id for document_id, (_, topic_id) in before.items() if topic_id == topic.id),
        )
        for topic in standing
    ]
    ids, events = method.match_topics(old, found, [d.id for d in fitted], store.next_topic_id())
    labels = _labels(standing, ids, [topic.label for topic in found.topics], events)
    topics = [
        Topic(
            topic_id,
            label,
            topic.keywords,
            len(topic.members),
            np.asarray(topic.centroid, np.float32).tobytes(),
            fitted[topic.members[0]].id,
            found.floor,
        )
        for topic_id, label, topic in zip(ids, labels, found.topics, strict=True)
    ]
    assignments = _assignments(fitted, found.assigned, found.scores, ids)
    others = sorted(set(range(len(documents))) - set(spoken))
    if others and topics:
        groups, scores = method.assign(matrix[others], np.stack([t.centroid for t in found.topics]), floor=found.floor)
        assignments += _assignments([documents[row] for row in others], groups, scores, ids)
    store.save_topics(run_id, topics, assignments, events)
    return sum(a.topic_id is None for a in assignments)


def _anchors(
    standing: Sequence[Topic], documents: Sequence[Document], before: dict[int, tuple[int, int | None]]
) -> method.Anchors:
    numbers = {topic.id: number for number, topic in enumerate(standing)}
    known = [numbers.get(before[d.id][1] or 0, -1) if d.id in before else -1 for d in documents]
    return method.Anchors(_centroids(standing), np.array(known, np.int64))


def _centroids(standing: Sequence[Topic]) -> Vectors:
    return np.array([np.frombuffer(topic.centroid, np.float32) for topic in standing], np.float32)


def _labels(
    standing: Sequence[Topic], ids: Sequence[int], proposed: Sequence[str], events: Sequence[TopicEvent]
) -> list[str]:
    """The label of each topic: a user's stays, so does that of a topic that goes on unchanged; no two are the same."""
    unchanged = {event.topic_id for event in events if event.kind == "continue"}
    kept = {topic.id: topic.label for topic in standing if topic.id in ids and (topic.edited or topic.id in unchanged)}
    labels, taken = [], {label.casefold() for label in kept.values()}
    for topic_id, label in zip(ids, proposed, strict=True):
        if topic_id not in kept:
            base, copies = label, 2
            while label.casefold() in taken:
                label, copies = f"{base} {copies}", copies + 1
            taken.add(label.casefold())
        labels.append(kept.get(topic_id, label))
    return labels


def merge_topics(store: Store, topic_id: int, into_id: int) -> int:
    """Makes one of two standing topics, for good: documents of the first move to the second, and later fits keep it so.

    Returns how many moved. Raises UnknownNameError when one does not stand, InputError when both are the same.
    """
    if topic_id == into_id:
        raise InputError(f"topic {topic_id} cannot be merged into itself; name two")
    topics = {topic.id: topic for topic in store.topics()}
    missing = [number for number in (topic_id, into_id) if number not in topics]
    if missing:
        raise UnknownNameError(f"no standing topic {missing[0]}; `debatewatch topics list` names them")
    one, other = topics[topic_id], topics[into_id]
    first, second = _centroids([one, other])
    together = normalise((first * one.size + second * other.size)[None, :].astype(np.float32))[0]
    run_id = store.start_run("topics", "merge-1", parameters={"fit": False, "merge": [topic_id, into_id]})
    moved = store.merge_topic(
        run_id, topic_id, into_id, centroid=together.tobytes(), similarity=round(float(first @ second), 4)
    )
    store.finish_run(run_id, "done", {"done": moved, "failed": 0, "skipped": 0})
    return moved


def _assign(
    store: Store, run_id: int, documents: Sequence[Document], matrix: Vectors, standing: Sequence[Topic]
) -> int:
    """Assigns to the standing topics; returns how many documents fit none."""
    # All standing topics come from one fit, with one floor; only a merge may lower that of a single one.
    groups, scores = method.assign(
        matrix, _centroids(standing), floor=min((t.floor for t in standing), default=method.FLOOR)
    )
    assignments = _assignments(documents, groups, scores, [t.id for t in standing])
    store.save_assignments(run_id, assignments)
    return sum(a.topic_id is None for a in assignments)


def _assignments(documents: Sequence[Document], groups: Any, scores: Any, ids: Sequence[int]) -> list[TopicAssignment]:
    return [
        TopicAssignment(d.id, ids[int(group)] if group >= 0 else None, round(float(score), 4))
        for d, group, score in zip(documents, groups, scores, strict=True)
    ]


def _embed(
    store: Store,
    embedder: Embedder,
    run_id: int,
    documents: Sequence[Document],
    digests: Mapping[int, str],
    tally: Tally,
    progress: Callable[[int, int, str], None],
) -> None:
    for start in range(0, len(documents), EMBEDDED_AT_ONCE):
        batch = documents[start : start + EMBEDDED_AT_ONCE]
        try:
            store.save_embeddings(embedder.key, _vectors(embedder, batch, digests))
        except Exception:
            # One of them is at fault: each on its own, so that the others lose nothing.
            for document in batch:
                try:
                    store.save_embeddings(embedder.key, _vectors(embedder, [document], digests))
                except Exception as error:
                    store.record_failure(run_id, "topics", type(error).__name__, str(error), document_id=document.id)
                    tally.failed += 1
        progress(min(start + EMBEDDED_AT_ONCE, len(documents)), len(documents), "reading vectors")


def _vectors(
    embedder: Embedder, documents: Sequence[Document], digests: Mapping[int, str]
) -> Iterable[tuple[int, bytes, str | None]]:
    encoded = embedder.encode_documents([(d.title, d.text) for d in documents])
    return [(d.id, vector.tobytes(), digests.get(d.id)) for d, vector in zip(documents, encoded, strict=True)]


def _matrix(vectors: dict[int, bytes], documents: Sequence[Document], dimensions: int) -> Vectors:
    rows = [np.frombuffer(vectors[d.id], np.float32) for d in documents]
    return np.array(rows, np.float32).reshape(len(rows), dimensions)
