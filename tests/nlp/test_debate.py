"""The debate file: what the shipped one promises, that any other debate loads as well, and that every fault is named.

Reads files only. Every faulty file here is the tiny debate below with one thing broken.
"""

import pickle
import re
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from db.models import DebateFileError, UnknownNameError
from nlp.debate import KINDS, Actor, Affiliation, Debate, load_debate

PROPOSITIONS = {
    "open-release": ("open", "Advanced AI models should be released openly, with weights anyone can download."),
    "open-safer": ("open", "Openness makes AI safer because many people can inspect, test and fix it."),
    "open-innovation": ("open", "Open models drive innovation, research and competition."),
    "power-concentration": ("open", "Closed AI concentrates too much power in a few companies."),
    "sovereignty": ("open", "Countries and companies need open models to keep control of their own technology."),
    "keep-closed": (
        "closed",
        "The most capable models should be kept closed because open release is too dangerous.",
    ),
    "misuse": ("closed", "Open weights help malicious actors misuse AI and cannot be recalled."),
    "restrict-open": (
        "closed",
        "Governments should restrict, license or control the release of open-weight models.",
    ),
    "competitive-secrecy": ("closed", "Keeping models secret is justified by competition or cost."),
    "rival-states": ("closed", "Open release hands an advantage to rival states."),
    "open-washing": ("", "Models such as Llama that are called open source are not truly open."),
}

TINY = """
[debate]
id = "cars-in-town"
name = "Cars in town"
question = "Should cars be kept out of the town centre?"
description = "A debate in one town."
neutral_note = "Takes no side."

[[side]]
id = "for"
name = "For"
description = "Wants the cars out."
color = "#112233"

[[side]]
id = "against"
name = "Against"
description = "Wants the cars in."
color = "#445566"

[[proposition]]
id = "quiet"
text = "A centre without cars is a better place."
supports = "for"
label = "Better place"
agree = ["It would be so quiet, she said."]
disagree = ["It would be dead, he said."]

[[actor]]
id = "town"
name = "Town Council"
kind = "government"
aliases = ["Council"]
descriptions = ["the people at the town hall"]

[[actor]]
id = "mayor"
name = "Ada Rowe"
kind = "person"
aliases = ["Mayor Rowe", "Rowe"]
wikidata = "Q1"
affiliations = [{actor = "town", role = "Mayor", from = "2020-05", to = "2024"}]
"""


@pytest.fixture(scope="module")
def shipped() -> Debate:
    return load_debate()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "debate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_propositions_are_those_of_the_design(shipped: Debate) -> None:
    assert {p.id: (p.supports, p.text) for p in shipped.propositions} == PROPOSITIONS


def test_shipped_propositions_have_three_to_five_different_examples_of_each_stance(shipped: Debate) -> None:
    for proposition in shipped.propositions:
        for examples in (proposition.agree, proposition.disagree):
            assert 3 <= len(set(examples)) == len(examples) <= 5, proposition.id
        assert 1 <= len(proposition.label.split()) <= 4


def test_shipped_sides_keep_their_colours(shipped: Debate) -> None:
    assert {side.id: side.color for side in shipped.sides} == {
        "open": "#0072B2",
        "closed": "#D55E00",
        "mixed": "#8C6BB1",
        "neutral": "#8A8A8A",
    }
    assert [side.id for side in shipped.contested_sides] == ["open", "closed"]


def test_shipped_actors_are_many_and_of_every_kind(shipped: Debate) -> None:
    assert len(shipped.actors) >= 200
    assert {actor.kind for actor in shipped.actors} == set(KINDS)
    assert len({actor.id for actor in shipped.actors}) == len(shipped.actors)
    ids = [actor.wikidata for actor in shipped.actors if actor.wikidata]
    assert len(ids) >= 60
    assert len(set(ids)) == len(ids), "two actors cannot be the same thing on Wikidata"


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        ("Meta", "meta"),
        ("OpenAI", "openai"),
        ("OAI", "openai"),
        ("Llama", "llama"),
        ("Llama 2", "llama-2"),
        ("Code Llama", "code-llama"),
        ("ChatGPT", "chatgpt"),
        ("GPT-3.5", "gpt-3-5"),
        ("GPT 3.5", "gpt-3-5"),
        ("GPT-4", "gpt-4"),
        ("Hugging Face", "hugging-face"),
        ("Koala", "koala"),
        ("Vicuna", "vicuna"),
        ("Alpaca", "alpaca"),
        ("Dolly", "dolly"),
        ("RedPajama", "redpajama"),
        ("Yann LeCun", "yann-lecun"),
        ("LeCun", "yann-lecun"),
        ("Ilya Sutskever", "ilya-sutskever"),
        ("Sutskever", "ilya-sutskever"),
        ("Richard Sutton", "richard-sutton"),
        ("SB 1047", "sb-1047"),
        ("DeepMind", "google-deepmind"),
    ],
)
def test_shipped_names_lead_to_their_actor(shipped: Debate, name: str, actor: str) -> None:
    assert [found.id for found in shipped.actors_by_alias[name]] == [actor]


@pytest.mark.parametrize("name", ["Meta", "Llama", "Claude", "Gemini", "Falcon", "Mistral", "Grok", "Phi", "Apple"])
def test_shipped_common_words_need_a_word_beside_them(shipped: Debate, name: str) -> None:
    for actor in shipped.actors_by_alias[name]:
        assert actor.context_for(name)


@pytest.mark.parametrize("name", ["Meta Platforms", "Claude 3 Opus", "Llama 3.1", "Phi-3", "Dolly 2.0"])
def test_shipped_longer_names_stand_for_themselves(shipped: Debate, name: str) -> None:
    (actor,) = shipped.actors_by_alias[name]
    assert actor.context_for(name) == ()


def test_shipped_aliases_are_no_bare_first_names(shipped: Debate) -> None:
    """A first name alone says nothing, and a wrong link to a real person is worse than none."""
    for actor in (a for a in shipped.actors if a.kind == "person"):
        assert actor.name.split()[0] not in actor.aliases, actor.id


def test_shipped_models_name_their_maker_and_lecun_leaves_meta(shipped: Debate) -> None:
    assert shipped.actor("llama-2").maker == "meta"
    assert shipped.actor("gpt-4").licence == "proprietary"
    lecun = shipped.actor("yann-lecun")
    at_meta = lecun.affiliation_at(date(2023, 7, 18))
    assert at_meta is not None and at_meta.actor == "meta"
    later = lecun.affiliation_at(date(2026, 1, 1))
    assert later is not None and later.actor != "meta"


def test_another_debate_loads_and_gets_the_sides_every_debate_has(tmp_path: Path) -> None:
    debate = load_debate(write(tmp_path, TINY))
    assert debate.question == "Should cars be kept out of the town centre?"
    assert [side.id for side in debate.sides] == ["for", "against", "mixed", "neutral"]
    assert [side.id for side in debate.contested_sides] == ["for"]
    assert debate.side("against").color == "#445566"
    assert debate.proposition("quiet").supports == "for"
    assert debate.actor("mayor").names == ("Ada Rowe", "Mayor Rowe", "Rowe")
    assert debate.actors_by_alias["Rowe"] == (debate.actor("mayor"),)


def test_two_actors_share_an_alias_when_each_says_what_stands_beside_it(tmp_path: Path) -> None:
    text = TINY + (
        '\n[[actor]]\nid = "bells"\nname = "Bell Ringers"\nkind = "organisation"\naliases = ["Ringers"]\n'
        'ambiguous = true\ncontext = ["church"]\n'
        '\n[[actor]]\nid = "phones"\nname = "Phone Ringers"\nkind = "company"\naliases = ["Ringers"]\n'
        'alias_context = {Ringers = ["telephone"]}\n'
    )
    debate = load_debate(write(tmp_path, text))
    assert {a.id: a.context_for("Ringers") for a in debate.actors_by_alias["Ringers"]} == {
        "bells": ("church",),
        "phones": ("telephone",),
    }


def test_fingerprint_follows_the_content_and_not_the_layout(tmp_path: Path) -> None:
    first = load_debate(write(tmp_path, TINY)).fingerprint
    laid_out = TINY.replace('kind = "person"', 'kind   =   "person"   # a person\ncase_sensitive = true')
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert load_debate(write(tmp_path, laid_out)).fingerprint == first
    assert load_debate(write(tmp_path, TINY.replace('"Rowe"]', '"Ada R."]'))).fingerprint != first
    assert load_debate(write(tmp_path, TINY.replace("so quiet", "so calm"))).fingerprint != first


def test_values_cannot_be_changed_and_travel_to_other_processes(shipped: Debate) -> None:
    with pytest.raises(FrozenInstanceError):
        shipped.actor("meta").name = "Facebook"  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(shipped))
    assert copy == shipped
    assert copy.fingerprint == shipped.fingerprint
    assert len(set(shipped.actors)) == len(shipped.actors), "actors can be members of a set"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2014, 12, 31), None),
        (date(2015, 1, 1), "first"),
        (date(2019, 6, 30), "first"),
        (date(2019, 7, 1), "second"),
        (datetime(2021, 3, 31, 23, 59, tzinfo=UTC), "second"),
        (date(2021, 4, 1), "first"),
        (date(2022, 1, 1), None),
    ],
)
def test_affiliation_includes_both_ends_and_prefers_the_latest(day: date, expected: str | None) -> None:
    actor = Actor(
        id="somebody",
        name="Some Body",
        kind="person",
        affiliations=(Affiliation("first", "", "2015", "2021"), Affiliation("second", "", "2019-07", "2021-03")),
    )
    found = actor.affiliation_at(day)
    assert (found.actor if found else None) == expected


def test_affiliation_without_dates_holds_whenever_nothing_else_is_known() -> None:
    affiliations = (Affiliation("lab", "", None, None), Affiliation("firm", "", None, "2020"))
    actor = Actor(id="somebody", name="Some Body", kind="person", affiliations=affiliations)
    late, early = actor.affiliation_at(date(2024, 1, 1)), actor.affiliation_at(date(2019, 1, 1))
    assert late is not None and late.actor == "lab"
    assert early is not None and early.actor == "lab"
    assert Actor(id="nobody", name="No Body", kind="person").affiliation_at(date(2024, 1, 1)) is None


def test_unknown_ids_say_what_was_probably_meant(shipped: Debate) -> None:
    with pytest.raises(UnknownNameError, match='no actor "yan-lecun"; did you mean "yann-lecun"'):
        shipped.actor("yan-lecun")
    with pytest.raises(UnknownNameError, match='no proposition "zzzz"; add a'):
        shipped.proposition("zzzz")
    with pytest.raises(UnknownNameError, match='no side "opem"; did you mean "open"'):
        shipped.side("opem")


MORE = TINY + '\n[[actor]]\nid = "other"\nname = "Other"\nkind = "person"\n'

FAULTS = {
    "broken TOML": (TINY + "\n[[actor", "not valid TOML"),
    "nothing in it": ("", "top level: has no [[side]]; add at least one"),
    "no head": (TINY.replace("[debate]", "[debaet]"), 'top level: unknown key "debaet"; did you mean "debate"?'),
    "unknown table": (TINY + "\n[[actors]]\nid = 1\n", 'unknown key "actors"; did you mean "actor"?'),
    "unknown key in the head": (TINY.replace("question", "qestion"), '[debate]: needs text under "question"'),
    "unknown key of an actor": (
        MORE + 'alias = ["O"]',
        '[[actor]] "other": unknown key "alias"; did you mean "aliases"?',
    ),
    "unknown key of a side": (TINY.replace('color = "#112233"', 'color = "#112233"\nshade = 1'), 'unknown key "shade"'),
    "unknown key of an affiliation": (
        TINY.replace('to = "2024"', 'until = "2024"'),
        '[[actor]] "mayor": affiliation: unknown key "until"; the keys here are',
    ),
    "an id twice": (MORE.replace('"other"', '"mayor"'), '[[actor]] "mayor": the id is used twice'),
    "a malformed id": (MORE.replace('"other"', '"Other One"'), 'malformed id "Other One"; write it like'),
    "no id": (MORE.replace('id = "other"\n', ""), '[[actor]] number 3: needs text under "id"'),
    "not a table": ("side = [1]\n" + TINY.split("[[side]]")[0], "[[side]] number 1: is not a table"),
    "no name": (MORE.replace('name = "Other"\n', ""), '[[actor]] "other": needs text under "name"'),
    "an id over two lines": (MORE.replace('"other"', '"oth\\ner"'), 'malformed id "oth er"'),
    "an unknown kind": (MORE.replace('"person"', '"persona"'), 'unknown kind "persona"; use one of person, company'),
    "an unknown side": (TINY.replace('supports = "for"', 'supports = "fro"'), 'supports "fro", which is no side'),
    "a side nobody can argue for": (TINY.replace('supports = "for"', 'supports = "mixed"'), 'supports "mixed"'),
    "a malformed colour": (TINY.replace("#112233", "blue"), '[[side]] "for": malformed color "blue"'),
    "no examples": (
        TINY.replace('agree = ["It would be so', 'agree = []\nx = ["It would be so'),
        'empty list under "agree"',
    ),
    "an empty example": (TINY.replace("It would be dead, he said.", " "), 'list of non-empty texts under "disagree"'),
    "a malformed Q-id": (TINY.replace('"Q1"', '"wikidata.org/Q1"'), 'malformed wikidata "wikidata.org/Q1"'),
    "a malformed date": (TINY.replace("2020-05", "May 2020"), 'malformed date under "from" "May 2020"'),
    "an impossible month": (TINY.replace("2020-05", "2020-13"), 'malformed date under "from" "2020-13"'),
    "a date that is no text": (TINY.replace('"2020-05"', "2020"), 'affiliation: needs text under "from"'),
    "an end before the beginning": (TINY.replace('"2024"', '"2019"'), 'ends ("2019") before it begins ("2020-05")'),
    "affiliations that are no list": (MORE + 'affiliations = "town"', '"affiliations" must be a list'),
    "an affiliation with nobody": (
        TINY.replace('actor = "town"', 'actor = "twon"'),
        '[[actor]] "mayor": affiliation names the actor "twon", which is not defined; add it or mend the name',
    ),
    "a maker that is nobody": (MORE + 'maker = "nobody"', 'maker names the actor "nobody", which is not defined'),
    "an unknown licence": (MORE + 'licence = "free"', 'unknown licence "free"; use one of open-source'),
    "a flag that is no flag": (MORE + 'ambiguous = "yes"', '"ambiguous" is no flag; write ambiguous = true'),
    "ambiguous without context": (MORE + "ambiguous = true", 'is ambiguous but has no "context"'),
    "context without ambiguous": (MORE + 'context = ["car"]', "add ambiguous = true"),
    "context of a name it does not have": (MORE + 'alias_context = {Oth = ["car"]}', 'alias_context speaks of "Oth"'),
    "context without a word": (
        MORE + "alias_context = {Other = []}",
        'alias_context: has an empty list under "Other"',
    ),
    "alias_context that is no table": (MORE + "alias_context = 3", "alias_context: is not a table"),
    "a name shared with another actor": (
        MORE + 'aliases = ["council"]',
        '[[actor]] "other": shares the name "council" with "town"; remove it from one of them',
    ),
    "a shared name with the same context": (
        MORE + 'aliases = ["O"]\nalias_context = {O = ["car"]}\n'
        '[[actor]]\nid = "third"\nname = "O"\nkind = "person"\nambiguous = true\ncontext = ["car"]\n',
        'shares the name "O" with "other"',
    ),
    "a name twice": (MORE + 'aliases = ["O", "O"]', 'has the name "O" twice'),
    "a shared description": (
        MORE + 'descriptions = ["The people at the town hall"]',
        'the description "The people at the town hall" already stands for "town"',
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_in_one_line_with_the_file_and_the_mend(name: str, tmp_path: Path) -> None:
    text, expected = FAULTS[name]
    with pytest.raises(DebateFileError) as caught:
        load_debate(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert "debate.toml: " in message
    assert expected in message
    assert ";" in message, "the mend follows what is wrong"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DebateFileError, match=r"nowhere\.toml: no such file; name an existing debate file"):
        load_debate(tmp_path / "nowhere.toml")
    with pytest.raises(DebateFileError, match="cannot be read as UTF-8 text"):
        load_debate(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(TINY.replace("Rowe", "Rów").encode("latin-1", "replace"))
    with pytest.raises(DebateFileError, match=r"latin\.toml: cannot be read as UTF-8 text"):
        load_debate(latin)
