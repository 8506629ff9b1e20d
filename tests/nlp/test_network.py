"""The network in torch, where the extra `train` is installed; skipped elsewhere."""

from pathlib import Path
from typing import Any

import pytest

from db.models import InputError
from nlp.encoder import MAX_TOKENS

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def network() -> Any:
    from nlp.network import StanceNetwork

    torch.manual_seed(0)
    config = transformers.DebertaV2Config(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=96,
        vocab_size=500,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
    )
    return StanceNetwork(transformers.DebertaV2Model(config), 5, 22).eval()


@pytest.mark.parametrize("tokens", [2, 40, 130, MAX_TOKENS])
def test_the_network_that_reads_says_what_the_librarys_says(network: Any, tokens: int) -> None:
    """Also beyond 128 tokens, where relative positions are counted in growing steps."""
    from nlp.network import ReadingNetwork

    ids = torch.randint(5, 500, (1, tokens), generator=torch.Generator().manual_seed(tokens))
    with torch.no_grad():
        expected = network(ids, torch.ones_like(ids))
        found = ReadingNetwork(network).eval()(ids)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=0.02), "but for 8 bits of vocabulary and positions"


def test_padding_changes_nothing(network: Any) -> None:
    ids = torch.randint(5, 500, (1, 20), generator=torch.Generator().manual_seed(1))
    padded = torch.cat([ids, torch.zeros((1, 12), dtype=torch.long)], dim=1)
    mask = (padded != 0).long()
    with torch.no_grad():
        for one, other in zip(network(padded, mask), network(ids, torch.ones_like(ids)), strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_the_vocabulary_stays_as_published(network: Any) -> None:
    assert not any("word_embeddings" in name for name in network.trained())


def test_a_published_folder_is_a_base_and_another_is_refused(network: Any, tmp_path: Path) -> None:
    from nlp.network import read_base, read_tokenizer

    network.encoder.save_pretrained(tmp_path / "base")
    weights = read_base(tmp_path / "base").state_dict()
    assert all(torch.equal(weights[name], value) for name, value in network.encoder.state_dict().items())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither policy_nli_int8\.onnx nor a published DeBERTa-v3"):
        read_base(tmp_path / "empty")
    with pytest.raises(InputError, match=r"no tokenizer\.json there"):
        read_tokenizer(tmp_path / "empty")
