from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.models import InputError
from nlp.front_matter import split_front_matter

BODY = "Weights should be public.\n\n---\n\nSo they say."


@pytest.mark.parametrize(
    ("block", "author", "day"),
    [
        ("author: Nell Harding\ndate: 2024-03-14", "Nell Harding", datetime(2024, 3, 14, tzinfo=UTC)),
        ("Authors: [Nell Harding, Bo Lind]\nTitle: On weights", "Nell Harding and Bo Lind", None),
        ("authors:\n- name: Nell Harding\n- name: Bo Lind", "Nell Harding and Bo Lind", None),
        ("published: 2024-03-14T09:30:00-05:00", None, datetime(2024, 3, 14, 14, 30, tzinfo=UTC)),
        ('date: "2024-03-14"\nauthor:', None, datetime(2024, 3, 14, tzinfo=UTC)),
    ],
)
def test_author_and_date_are_read_and_the_body_keeps_its_place(block: str, author: str, day: datetime) -> None:
    text = f"---\n{block}\n---\n{BODY}"
    found = split_front_matter(text)
    assert (found.author, found.published_at) == (author, day)
    assert len(found.body) == len(text)
    assert found.body.index("Weights") == text.index("Weights")
    assert found.body.strip() == BODY


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "---\nA rule, and no front matter.\n---\nText.",
        "---\na: [\n---\nText.",
        f"---\na: {'[' * 1500}\n---\n",
        "--- \n",
        "",
    ],
)
def test_a_text_without_front_matter_is_its_own_body(text: str) -> None:
    found = split_front_matter(text)
    assert (found.body, found.author, found.published_at) == (text, None, None)


def test_a_date_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="someday"):
        split_front_matter(f"---\ndate: someday\n---\n{BODY}")


@given(st.text(alphabet="-\n\r:a [&*!{2024", max_size=60))
def test_any_text_keeps_its_length(text: str) -> None:
    whole = f"---\n{text}\n---\nend"
    with suppress(InputError):
        assert len(split_front_matter(whole).body) == len(whole)
