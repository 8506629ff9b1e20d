from datetime import UTC, datetime

import pytest

from nlp.actors import AliasIndex, find_actors
from nlp.debate import load_debate
from nlp.reader import Reader, ReadInput


@pytest.fixture(scope="module")
def index():
    return AliasIndex(load_debate())


@pytest.fixture(scope="module")
def reader():
    return Reader(load_debate())


def ids(index, text):
    return [mention.actor_id for mention in find_actors(text, index)]


def names(reader, text):
    return {(text[m.start : m.end], m.type, m.actor_id) for m in reader.read_one(ReadInput(1, text)).mentions}


@pytest.mark.parametrize(
    ("text", "actor"),
    [
        ("Meta released the weights of its new AI model.", "meta"),
        ("Meta's open models surprised its rivals, OpenAI among them.", "meta"),
        ("The LLaMA weights leaked within a week.", "llama"),
        ("Anthropic will not publish the weights of Claude.", "claude"),
        ("Google trained Gemini on its own chips; the AI model is closed.", "gemini"),
        ("Elon Musk's xAI open-sourced Grok, its AI chatbot.", "grok"),
        ("Apple published OpenELM, an AI model with open weights.", "apple"),
        ("OPENAI KEEPS ITS WEIGHTS SECRET", "openai"),
    ],
)
def test_names_of_the_field_lead_to_their_actor(index, text, actor):
    assert actor in ids(index, text)


@pytest.mark.parametrize(
    ("text", "actor"),
    [
        ("A meta-analysis of forty trials found no effect of the drug.", "meta"),
        ("The llama grazed behind the fence while the children waited.", "llama"),
        ("Claude Monet painted the pond at Giverny again and again.", "claude"),
        ("People born under Gemini are said to be curious.", "gemini"),
        ("The mistral blew down the valley for three days.", "mistral-ai"),
        ("She peeled an apple and looked at the falcon on the church tower.", "apple"),
        ("She peeled an apple and looked at the falcon on the church tower.", "falcon"),
        ("Falcon 9 lifted off from Florida with twenty satellites.", "falcon"),
        ("It took him a while to grok the rules of cricket.", "grok"),
        ("Dolly Parton sang at the fair.", "dolly"),
        ("The debate on open AI models goes on.", "openai"),
    ],
)
def test_everyday_senses_are_not_actors(index, text, actor):
    assert actor not in ids(index, text)


def test_versions_and_sizes_stay_with_the_closest_model(index):
    text = "Llama 3.1 405B matches GPT-4o, and Llama-3 runs on a laptop; GPT4 does not."
    found = {text[m.start : m.end]: m.actor_id for m in find_actors(text, index)}
    assert found["Llama 3.1 405B"] == "llama-3-1"
    assert found["Llama-3"] == "llama-3"
    assert found["GPT4"] == "gpt-4"


def test_mentions_are_exact_slices_and_possessives_stay_out(index):
    text = "OpenAI's rivals say that Meta’s approach is better for AI."
    assert [text[m.start : m.end] for m in find_actors(text, index)] == ["OpenAI", "Meta"]


def test_a_description_resolves_and_the_name_inside_it_is_found_too(index):
    text = "Meta's chief AI scientist wants models to be open."
    assert ids(index, text) == ["yann-lecun", "meta"]


def test_surname_after_the_full_name_is_the_same_person(reader):
    text = "Ada Kowalczyk runs a small laboratory in Gdansk. The regulator asked Kowalczyk for her records, and she sent them."
    people = [m for m in reader.read_one(ReadInput(1, text)).mentions if m.type == "person"]
    assert [m.name for m in people] == ["Ada Kowalczyk", "Ada Kowalczyk"]


def test_surname_of_a_known_actor_leads_to_the_actor(reader):
    text = "Stuart Russell spoke first. Open weights, Russell told the audience, cannot be recalled."
    assert ("Russell", "person", "stuart-russell") in names(reader, text)


def test_unknown_people_and_organisations_are_mentions_without_an_actor(reader):
    text = "Marguerite Okonjo of the Lagos Language Trust said that models should be open."
    found = names(reader, text)
    assert ("Marguerite Okonjo", "person", None) in found
    assert any(kind == "organisation" and "Lagos Language Trust" in surface for surface, kind, _ in found)


def test_ai_is_no_name_of_anybody(reader):
    text = "AI will change work, said Tomas Rydel. Experts on AI and LLMs disagree with him."
    assert not {surface for surface, _, _ in names(reader, text)} & {"AI", "LLMs", "Experts"}


def test_titles_are_not_part_of_the_name(reader):
    text = "Senator Karin Voss met Dr. Owen Pritchard before the hearing, and Voss thanked him."
    surfaces = {surface for surface, kind, _ in names(reader, text) if kind == "person"}
    assert surfaces == {"Karin Voss", "Owen Pritchard", "Voss"}


def test_every_mention_lies_within_the_text_and_in_order(reader):
    text = "\n\n".join(
        ["Meta's chief AI scientist, Yann LeCun, praised Llama 2.", "“Open it,” said Ana Ruiz of Hugging Face."]
    )
    mentions = reader.read_one(ReadInput(1, text)).mentions
    assert mentions == tuple(sorted(mentions, key=lambda m: (m.start, -m.end)))
    assert all(text[m.start : m.end].strip() == text[m.start : m.end] != "" for m in mentions)


@pytest.mark.parametrize(
    ("text", "year", "actor"),
    [
        ("The Baidu founder said that open models are pointless.", 2024, "robin-li"),
        ("OpenAI's chief executive conceded the point.", 2025, "sam-altman"),
        ("Stability AI's chief executive wants models to be open.", 2023, "emad-mostaque"),
        ("The former Stability AI chief wants models to be open.", 2025, "emad-mostaque"),
    ],
)
def test_an_office_means_who_held_it_on_the_day(reader, text, year, actor):
    reading = reader.read_one(ReadInput(1, text, published_at=datetime(year, 6, 1, tzinfo=UTC)))
    assert actor in {m.actor_id for m in reading.mentions if m.type == "person"}


def test_an_office_that_somebody_else_holds_by_then_is_not_his(reader):
    text = "Stability AI's chief executive wants models to be open."
    reading = reader.read_one(ReadInput(1, text, published_at=datetime(2025, 6, 1, tzinfo=UTC)))
    assert "emad-mostaque" not in {m.actor_id for m in reading.mentions}
