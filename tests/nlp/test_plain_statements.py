"""The simplest sentences of the debate, which a reader may not get wrong. None of them is in nlp/labels: they were written for this
test alone, after "CheckList" (Ribeiro et al. 2020), each with twins that say the opposite, or nothing, in nearly the same words.
"""

import json

import pytest

from nlp.debate import load_debate
from nlp.scoring import SHIPPED_LABELS, load_passages
from nlp.stance import StanceInput, StanceModel

OPEN = (
    "Maria Lund said that open models are safe.",
    "Closed models are dangerous, Maria Lund said.",
    '"Open models are not dangerous," said Maria Lund, who chairs the committee.',
    "Maria Lund denied that open models help criminals.",
    "The professor argued that the weights should be released.",
    "Pavel Dvorak wants every company to publish its models.",
    "According to Pavel Dvorak, closed models are a threat to science.",
    "The deputy Ines Prado voted against the ban on open models.",
    "The deputy Ines Prado opposed the bill, which would have banned open models.",
    "Ines Prado called on parliament to protect open-source AI.",
    "Ines Prado criticised the decision to keep the weights secret.",
    "Open models help small companies, the minister Tomas Berg told reporters.",
    '"Everybody should be able to download this model," Tomas Berg said.',
    "Tomas Berg welcomed the release of the weights.",
    "In Tomas Berg's view, closed models put too much power in the hands of three companies.",
    "I think that open models are better for everyone.",
    "We should not ban open models.",
    "AI models should be open.",
    "Open models are safer than closed ones.",
    "Nobody should trust a closed model.",
    "The world needs open models.",
    "It would be a mistake to restrict open weights.",
    "Universities should be given the weights.",
    "Closed AI is bad for democracy, the historian Olga Weiss warned.",
    "Olga Weiss fears that without open models our country will depend on foreign companies.",
    "Weiss: weights of AI models must be public",
)
CLOSED = (
    "Maria Lund said that open models are dangerous.",
    "Open models are dangerous, Maria Lund said.",
    '"Closed models are not dangerous," said Maria Lund, who chairs the committee.',
    "Maria Lund warned that open models help criminals.",
    "The professor argued that the weights should not be released.",
    "Pavel Dvorak wants no company to publish its models.",
    "According to Pavel Dvorak, open models are a threat to security.",
    "The deputy Ines Prado voted for the ban on open models.",
    "The deputy Ines Prado backed the bill, which would have banned open models.",
    "Ines Prado called on parliament to restrict open-source AI.",
    "Ines Prado defended the decision to keep the weights secret.",
    "Open models help terrorists, the minister Tomas Berg told reporters.",
    '"Nobody should be able to download this model," Tomas Berg said.',
    "Tomas Berg condemned the release of the weights.",
    "In Tomas Berg's view, open models put too much power in the hands of criminals.",
    "I think that open models are a danger to everyone.",
    "We should ban open models.",
    "AI models should be closed.",
    "Closed models are safer than open ones.",
    "Nobody should trust an open model.",
    "The world does not need open models.",
    "It would be a mistake to publish the weights.",
    "The weights should stay secret.",
    "Open AI models are bad for democracy, the historian Olga Weiss warned.",
    "Olga Weiss fears that open models will give hostile states an advantage.",
    "Weiss: weights of AI models must stay secret",
)
NOTHING = (
    "Maria Lund said that the committee meets in June.",
    "The model has seventy billion parameters.",
    "The company released the weights on Tuesday.",
    "The library runs three open models on its own servers.",
    "Closed models are reached through an interface of the company.",
    "Pavel Dvorak said that trains are safer than cars.",
    "The deputy Ines Prado voted for the new hospital.",
    "Ines Prado called on parliament to lower taxes.",
    "I think that cats are better than dogs.",
    "We should not build so many roads.",
    "The open model scored two points more on the test.",
    "Tomas Berg welcomed the guests and opened the buffet.",
    "Everybody should be able to swim.",
    "The closed model costs three dollars a month more.",
    "Olga Weiss teaches history in Graz.",
    "The fine-tuned version can be downloaded in two sizes.",
)


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    sentences = [*OPEN, *CLOSED, *NOTHING]
    judged = StanceModel.for_debate(load_debate(), threads=1).judge([StanceInput(text) for text in sentences])
    return {text: judgement.side if judgement else "none" for text, judgement in zip(sentences, judged, strict=True)}


@pytest.mark.parametrize(
    ("sentences", "side", "least"), [(OPEN, "open", 0.9), (CLOSED, "closed", 0.9), (NOTHING, "none", 0.9)]
)
def test_plain_sentences_are_understood(
    found: dict[str, str], sentences: tuple[str, ...], side: str, least: float
) -> None:
    wrong = {text: found[text] for text in sentences if found[text] != side}
    assert len(wrong) <= (1 - least) * len(sentences), json.dumps(wrong, indent=1)


def test_none_of_them_is_learnt_by_heart() -> None:
    labelled = {passage["text"] for passage in load_passages(SHIPPED_LABELS)}
    assert not labelled & {*OPEN, *CLOSED, *NOTHING}
