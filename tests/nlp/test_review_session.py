"""A person reviews on a real terminal or through a pipe; what they said becomes labels that training can read."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import debatewatch
from db.models import InputError
from db.reviews import Review, ReviewItem
from db.store import Store
from nlp.review_labels import labelled_passages, write_review_labels
from nlp.review_session import review_statements
from nlp.scoring import load_passages
from tests.db.samples import fill

ITEM = ReviewItem("ab" * 32, 3, 20, "Title \x1b[2J", "He ", "said \x1b[31mweights\x07", ".", "Ana Ruiz", "open", 0.4)
SIDES = ["open", "closed", "mixed", "neutral"]


def say(keys: str, lines: list[str] | None = None, items: int = 9) -> list[Review]:
    pressed, answers = iter(keys), iter(lines or [])

    def key() -> str:
        try:
            return next(pressed)
        except StopIteration:
            raise EOFError from None

    reviews = review_statements([ITEM] * items, "ana", SIDES, key=key, line=lambda prompt: next(answers))
    return [review for review, _ in reviews]


@pytest.mark.parametrize(
    ("keys", "lines", "verdict", "side", "speaker"),
    [
        ("r", [], "right", "open", "Ana Ruiz"),
        ("xR", [], "right", "open", "Ana Ruiz"),
        ("w", ["o", "x", "", "c"], "wrong side", "closed", "Ana Ruiz"),
        ("p", ["Bo Lind", ""], "wrong speaker", "open", "Bo Lind"),
        ("pp", ["", "AUTHOR", "neutral"], "wrong speaker", "neutral", "AUTHOR"),
        ("n", [], "no statement", None, None),
    ],
)
def test_each_key_gives_its_verdict(keys: str, lines: list[str], verdict: str, side: str | None, speaker: str) -> None:
    (review,) = say(keys, lines)
    assert (review.verdict, review.side, review.speaker) == (verdict, side, speaker)
    assert (review.document_sha256, review.start, review.end, review.reviewer) == (ITEM.document_sha256, 3, 20, "ana")


def test_skipping_quitting_and_the_end_of_the_input_write_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert say("s", items=1) == say("q") == say("\x03") == say("") == []
    assert len(say("srqr")) == 1
    assert "\x1b[2J" not in capsys.readouterr().out, "a page's text must not steer the terminal"


def _wait_for_a_key_to_be_read(terminal: int) -> None:
    """Until the program reads single keys: what is typed before is thrown away when it turns line editing off."""
    deadline = time.monotonic() + 60
    while termios.tcgetattr(terminal)[3] & termios.ICANON:
        assert time.monotonic() < deadline, "the program never read a key"
        select.select([], [], [], 0.01)


def test_reviews_on_a_real_terminal_are_kept(tmp_path: Path) -> None:
    db = fill(tmp_path / "sample.db")
    ours, theirs = pty.openpty()
    command = [sys.executable, debatewatch.__file__, "review", "--db", str(db), "--reviewer", "ana"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True) as process:
        os.close(theirs)
        seen, answers = b"", [(b"[q]uit", b"r"), (b"[q]uit", b"w"), (b"side (", b"neutral\n"), (b"[q]uit", b"q")]
        try:
            while select.select([ours], [], [], 60)[0]:
                try:
                    seen += os.read(ours, 4096)
                except OSError:  # The other end is closed: how a pseudo-terminal ends on Linux.
                    break
                if answers and answers[0][0] in seen:
                    if answers[0][0] == b"[q]uit":
                        _wait_for_a_key_to_be_read(ours)
                    os.write(ours, answers.pop(0)[1])
                    seen = b""
            else:
                raise AssertionError(
                    f"nothing came for a minute, {len(answers)} answers left; the last was {seen[-200:]!r}"
                )
            process.wait(timeout=60)
        finally:
            process.kill()  # Does nothing to one that has ended.
            os.close(ours)
    assert process.returncode == 0
    assert b"2 reviews" in seen
    with Store.open(db) as store:
        assert [(r.verdict, r.side) for r, _ in store.reviewed_texts() if r.verdict == "wrong side"] == [
            ("wrong side", "neutral")
        ]


def test_answers_may_come_through_a_pipe_and_the_agreement_is_told(tmp_path: Path) -> None:
    db = fill(tmp_path / "sample.db")
    command = [
        sys.executable,
        debatewatch.__file__,
        "review",
        "--db",
        str(db),
        "--reviewer",
        "ana",
        "--limit",
        "3",
        "--json",
    ]
    done = subprocess.run(command, input="right\nn\ns\n", capture_output=True, text=True, check=True)
    agreement = json.loads(done.stdout.splitlines()[-1])
    assert (agreement["reviews"], agreement["right"]) == (2, 1)


def test_reviews_become_labels_that_training_can_read(tmp_path: Path) -> None:
    db = fill(tmp_path / "sample.db")
    with pytest.raises(InputError, match="no reviews"):
        write_review_labels(db, tmp_path / "labels")
    with Store.open(db) as store:
        first, second = store.statements_to_review("ana", 2)
        place = (first.document_sha256, first.start, first.end)
        store.save_review(Review(*place, "ana", "wrong side", "neutral", "Lena Moss"), first)
        other = Review(second.document_sha256, second.start, second.end, "ana", "no statement", None, None)
        store.save_review(other, second)
    assert write_review_labels(db, tmp_path / "labels") == 2
    passages = {passage["text"]: passage["statements"] for passage in load_passages(tmp_path / "labels")}
    assert [(s["side"], s["speaker"], s["evidence"]) for s in passages[first.text]] == [
        ("neutral", "Lena Moss", first.text)
    ]
    assert passages[second.text] == []


def test_what_reviewers_differ_on_is_no_label() -> None:
    place = ("ab" * 32, 0, 4)
    said = [(Review(*place, name, "right", side, "Ana"), "text") for name, side in (("a", "open"), ("b", "closed"))]
    assert labelled_passages(said) == []
    assert len(labelled_passages([*said[:1], (Review(*place, "b", "right", "open", "Ana"), "text")])) == 1


def test_training_says_in_one_line_what_it_lacks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    database = fill(tmp_path / "debate.db")
    arguments = ["train", "--db", str(database), "--base", str(tmp_path), "--pairs", str(tmp_path)]
    with pytest.raises(SystemExit, match="2"):
        debatewatch.main([*arguments, "--from-reviews"])
    assert "no reviews to train from" in capfd.readouterr().err
    if find_spec("torch") is None:
        with pytest.raises(SystemExit, match="2"):
            debatewatch.main(arguments)
        assert "training needs the extra `train`" in capfd.readouterr().err
