"""Topics: found in few documents and in many, the same twice, named apart, and the same topics after a refit."""

import numpy as np
import pytest

from nlp.embeddings import Vectors, normalise
from nlp.topic_words import Text, as_written, labels_of
from nlp.topics import Fit, FittedTopic, Standing, assign, fit_topics, match_topics

SUBJECTS = {
    "licence": "The senator wants a federal licence for model weights before the Senate votes on the bill.",
    "hospital": "The hospital runs the model on its own servers so that patient records stay in the clinic.",
    "chips": "The ministry counts graphics chips and limits their export to rival states across the border.",
}


def _documents(each: int) -> tuple[list[Text], Vectors]:
    """Documents on three subjects, in turns, with vectors around three directions."""
    draw = np.random.default_rng(5)
    texts, rows = [], []
    for number in range(each):
        for axis, (name, text) in enumerate(SUBJECTS.items()):
            texts.append(
                Text(f"{name.title()} number {number}", text, (("Marian Holt", "person"),) if axis == 0 else ())
            )
            rows.append(np.eye(16)[axis] + draw.normal(0, 0.08, 16))
    return texts, normalise(np.array(rows, np.float32))


@pytest.fixture(scope="module")
def twenty() -> tuple[list[Text], Vectors]:
    return _documents(7)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_fewer_than_five_documents_give_no_topic(count: int) -> None:
    texts, vectors = _documents(2)
    fit = fit_topics(texts[:count], vectors[:count])
    assert fit.topics == ()
    assert fit.assigned.tolist() == [-1] * count


@pytest.mark.parametrize("count", [5, 6, 11])
def test_a_handful_of_documents_never_fails(count: int) -> None:
    texts, vectors = _documents(4)
    fit = fit_topics(texts[:count], vectors[:count])
    assert 1 <= len(fit.topics) <= 3
    assert len(fit.assigned) == count


def test_texts_that_are_all_the_same_or_empty_are_one_topic() -> None:
    vector = normalise(np.ones((8, 16), np.float32))
    for text in ("The same words.", "", "12 34"):
        fit = fit_topics([Text("", text)] * 8, vector)
        assert [topic.members for topic in fit.topics] == [tuple(range(8))]
        assert fit.topics[0].label


def test_subjects_are_told_apart_and_named(twenty: tuple[list[Text], Vectors]) -> None:
    texts, vectors = twenty
    fit = fit_topics(texts, vectors)
    assert len(fit.topics) == 3
    assert sorted(sorted(row % 3 for row in topic.members) for topic in fit.topics) == [[0] * 7, [1] * 7, [2] * 7]
    assert len({topic.label for topic in fit.topics}) == 3
    words = {word.lower() for topic in fit.topics for word in topic.keywords}
    assert {"senate", "hospital", "ministry"} & words
    assert not {"holt", "marian", "counts"} & words
    assert any("Marian Holt" in topic.label for topic in fit.topics)
    assert (fit.scores > 0.5).all()


def test_many_documents_give_the_same_topics_twice() -> None:
    texts, vectors = _documents(30)
    first, second = fit_topics(texts, vectors), fit_topics(texts, vectors)
    assert [t.label for t in first.topics] == [t.label for t in second.topics]
    assert np.array_equal(first.assigned, second.assigned)
    assert np.array_equal(first.scores, second.scores)
    assert len(first.topics) == 3


def test_new_documents_are_assigned_or_left_out_without_a_refit(twenty: tuple[list[Text], Vectors]) -> None:
    _, vectors = twenty
    centroids = normalise(np.eye(16, dtype=np.float32)[:3])
    strange = np.eye(16, dtype=np.float32)[9:10]
    groups, scores = assign(np.vstack([vectors[:3], strange]), centroids)
    assert groups.tolist() == [0, 1, 2, -1]
    assert scores[3] < 0.01 < 0.9 < scores[0]
    assert assign(vectors, centroids[:0])[0].tolist() == [-1] * len(vectors)


def test_words_of_the_most_typical_headlines_lead_a_label() -> None:
    texts = [Text(title, "deep report order") for title in ("Agency opens weights", "An order", "A report", "Deep sea")]
    words = [["deep", "agency", "order", "weights"]]
    assert labels_of(texts, np.zeros(4, np.int64), words) == ["Deep, agency"]
    assert labels_of(texts, np.zeros(4, np.int64), words, [[0, 1, 2, 3]]) == ["Agency, order"]


def test_labels_are_unique_and_keep_capitals() -> None:
    texts = [Text("a", "b")] * 3
    assert len(set(labels_of(texts, np.array([0, 1, 2]), [["weights"], ["weights"], []]))) == 3
    court = [Text("", "The Supreme Court of the United States ruled; the Supreme Court of a state did not.")] * 3
    assert labels_of(court, np.zeros(3, np.int64), [["court", "Supreme", "ruling"]]) == ["Supreme court, ruling"]
    assert as_written("eu act", ["The EU Act passed.", "the EU  Act, again"]) == "EU Act"
    assert as_written("weights", ["Weights are out.", "open weights", "the weights"]) == "weights"


# --- identity ---------------------------------------------------------------------------------------------------------------


def _fit(*members: tuple[int, ...], axes: tuple[int, ...]) -> Fit:
    topics = tuple(
        FittedTopic(f"t{axis}", (), np.eye(8, dtype=np.float32)[axis], rows)
        for rows, axis in zip(members, axes, strict=True)
    )
    count = max((row for rows in members for row in rows), default=-1) + 1
    return Fit(topics, np.full(count, -1, np.int64), np.zeros(count, np.float32))


def _old(topic_id: int, axis: int, members: set[int]) -> Standing:
    return Standing(topic_id, np.eye(8, dtype=np.float32)[axis], frozenset(members))


IDS = list(range(100, 120))


def test_a_first_fit_is_all_births() -> None:
    ids, events = match_topics([], _fit((0, 1), (2, 3), axes=(0, 1)), IDS, 1)
    assert ids == [1, 2]
    assert [(e.kind, e.topic_id, e.similarity) for e in events] == [("birth", 1, None), ("birth", 2, None)]


def test_topics_keep_their_ids_whatever_their_new_order() -> None:
    old = [_old(4, 0, {100, 101, 102}), _old(7, 1, {103, 104})]
    ids, events = match_topics(old, _fit((3, 4), (0, 1, 2), axes=(1, 0)), IDS, 8)
    assert ids == [7, 4]
    assert [(e.kind, e.similarity) for e in events] == [("continue", 1.0), ("continue", 1.0)]


def test_the_best_matching_over_all_wins_over_the_best_for_one() -> None:
    mixed = normalise(np.array([[0.8, 0.6, 0, 0, 0, 0, 0, 0]], np.float32))[0]
    new = Fit(
        (FittedTopic("a", (), mixed, (0,)), FittedTopic("b", (), np.eye(8, dtype=np.float32)[0], (1,))),
        np.zeros(2, np.int64),
        np.zeros(2, np.float32),
    )
    # Without shared documents only the centroids speak: greedy by the first would give "a" the wrong one.
    ids, _ = match_topics([_old(1, 0, set()), _old(2, 1, set())], new, IDS, 3)
    assert ids == [2, 1]


def test_split_merge_death_birth_and_drift_are_told_apart() -> None:
    split = match_topics([_old(1, 0, {100, 101, 102, 103})], _fit((0, 1), (2, 3), axes=(0, 2)), IDS, 2)
    assert split[0] == [1, 2]
    assert ("split", 2, 1) in {(e.kind, e.topic_id, e.other_topic_id) for e in split[1]}
    merged = match_topics(
        [_old(1, 0, {100, 101, 102}), _old(2, 1, {103, 104})], _fit((0, 1, 2, 3, 4), axes=(0,)), IDS, 3
    )
    assert merged[0] == [1]
    assert ("merge", 2, 1) in {(e.kind, e.topic_id, e.other_topic_id) for e in merged[1]}
    gone = match_topics([_old(1, 0, {100}), _old(2, 5, {119})], _fit((0,), (7, 8), axes=(0, 3)), IDS, 3)
    assert gone[0] == [1, 3]
    assert {(e.kind, e.topic_id) for e in gone[1]} == {("continue", 1), ("birth", 3), ("death", 2)}
    drifted = match_topics([_old(1, 0, {100, 101, 102, 103})], _fit((0, 1, 8, 9), axes=(0,)), IDS, 2)
    assert drifted[0] == [1]
    moved = match_topics([_old(1, 0, {100, 101, 102, 103})], _fit((0,), axes=(0,)), IDS, 2)
    assert [(e.kind, e.topic_id) for e in moved[1]] == [("drift", 1)]
