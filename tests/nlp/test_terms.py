"""Terms: found however they are written, and said of a model only where the words leave little doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.models import DebateFileError, Mention, TermUse
from nlp.debate import SHIPPED, Term, load_debate
from nlp.terms import MAX_SENTENCE, find_uses

TERMS = (
    Term("open-source", "open source", ("open source", "open sourced"), fits=("open-source",)),
    Term("open-weights", "open weights", ("open weight",)),
    Term("open-model", "open model", ("open model", "open source model")),
)
MODELS = {"Llama 2": "llama-2", "GPT-4": "gpt-4", "OLMo": "olmo"}


def _uses(text: str) -> list[TermUse]:
    places = sorted((text.find(name), name) for name in MODELS if name in text)
    return find_uses(text, TERMS, [Mention(at, at + len(name), "MODEL", name, MODELS[name]) for at, name in places])


def _said(text: str) -> list[tuple[str, str | None, bool]]:
    return [(use.term_id, use.model_id, use.denied) for use in _uses(text)]


@pytest.mark.parametrize(
    "written", ["open source", "open-source", "Open Source", "OPEN\nSOURCE", "open\u2011source", "open sources"]
)
def test_capitals_hyphens_and_plurals_do_not_matter(written: str) -> None:
    [use] = _uses(f"Nobody agrees what {written} means.")
    assert (use.term_id, use.end - use.start) == ("open-source", len(written))


def test_words_inside_words_are_none_and_of_two_forms_the_longer_counts() -> None:
    assert _said("Reopen sourceforge, says OpenAI.") == []
    assert [use.term_id for use in _uses("An open-source model with open weights.")] == ["open-model", "open-weights"]


@pytest.mark.parametrize(
    ("text", "model", "denied"),
    [
        ("They use open-source systems such as Llama 2.", "llama-2", False),
        ("Meta open-sourced Llama 2 in July.", "llama-2", False),
        ("Llama 2, which Meta calls open source, is free.", "llama-2", False),
        ("Unlike GPT-4, Llama 2 is open source.", "llama-2", False),
        ("Llama 2 is not open source.", "llama-2", True),
        ("The so-called open-source Llama 2 came next.", "llama-2", True),
        ("I wonder whether Llama 2 is open source.", "llama-2", True),
        ("An open-source alternative to GPT-4 appeared.", None, False),
        ("The Open Source Initiative and OLMo parted ways.", None, False),
        ("GPT-4 beats everything that is open source.", None, False),
        ("Open source is dying. Llama 2 thrives.", None, False),
        ("Open source; GPT-4 too.", None, False),
        ("Critics dispute that Llama 2 is open source.", None, False),
        ("It is misleading to call Llama 2 open source.", None, False),
        ("Llama 2, which Meta calls open source, is not.", None, False),
        ("Llama 2 is open source in name only.", None, False),
        ("Is Llama 2 open source?", None, False),
        ("OpenAI refuses to open source GPT-4.", None, False),
        ("They want GPT-4 open source.", None, False),
        ("Unlike GPT-4, open source systems are free.", None, False),
        ("GPT-4 and open source systems converge.", None, False),
        ("GPT-4 Beats Open Source Systems", None, False),
        ("Meta Releases Open Source Llama 2", "llama-2", False),
        ("They should support open-source systems like Llama 2.", "llama-2", False),
        ("In May the mission of Mistral met the open-source Llama 2.", "llama-2", False),
        ("“We made Llama 2 open source,” Zuckerberg wrote.", "llama-2", False),
    ],
)
def test_a_term_is_said_of_a_model_only_where_little_doubt_is_left(text: str, model: str | None, denied: bool) -> None:
    assert _said(text) == [("open-source", model, denied)]


def test_the_sentence_is_kept_where_a_model_is_named_and_cut_to_a_quotation() -> None:
    text = f"Before. Llama 2 is open source, {'as they say again and again ' * 20}. After."
    [use] = _uses(text)
    assert use.sentence.startswith("Llama 2 is open source, as they")
    assert len(use.sentence) <= MAX_SENTENCE
    [use] = _uses("They love open source. Always.")
    assert use.sentence == ""


def test_the_shipped_terms_judge_by_licences_and_do_not_make_texts_be_read_anew(tmp_path: Path) -> None:
    shipped = load_debate()
    by_id = {term.id: term for term in shipped.terms}
    assert by_id["open-source"].fits == ("open-source",)
    assert {"weights", "code", "data", "licence"} == set(by_id["open-source"].parts)
    text = SHIPPED.read_text(encoding="utf-8")
    (tmp_path / "debate.toml").write_text(text[: text.rindex("\n\n# ---")], encoding="utf-8")
    without = load_debate(tmp_path / "debate.toml")
    assert without.terms == ()
    assert without.fingerprint == shipped.fingerprint


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('id = "a"\nlabel = "A"\nforms = []', "empty list"),
        ('id = "a"\nlabel = "A"\nforms = ["x"]\nfits = ["free"]', 'unknown fits "free"'),
        (
            'id = "a"\nlabel = "A"\nforms = ["x"]\nfits = ["restricted"]\nloosely = ["restricted"]',
            "fits and in loosely",
        ),
        ('id = "a"\nlabel = "A"\nforms = ["Open-source"]', 'shares the form "Open-source" with "open-source"'),
        ('id = "a"\nlabel = "A"\nforms = ["x"]\npart = ["code"]', 'did you mean "parts"'),
    ],
)
def test_a_faulty_term_is_told_with_its_mend(tmp_path: Path, entry: str, fault: str) -> None:
    (tmp_path / "debate.toml").write_text(
        f"{SHIPPED.read_text(encoding='utf-8')}\n[[term]]\n{entry}\n", encoding="utf-8"
    )
    with pytest.raises(DebateFileError, match=fault):
        load_debate(tmp_path / "debate.toml")
