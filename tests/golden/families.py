"""Random models of every family, by transformers: what the program's backbones are compared with.

A family is found by its model_type, as the program finds its backbone. `make(dice)` draws a configuration: odd widths and
heads, every flag that the backbone knows.
"""

import dataclasses
from collections.abc import Callable

import transformers

GELUS = ["gelu", "gelu_new", "relu"]


@dataclasses.dataclass
class Family:
    make: Callable  # dice -> transformers config
    model: type  # with a head that scores words
    base: str  # the attribute of the model that is its body
    first: int = 0  # rows of the table of positions before a text's first


def sizes(dice, heads=(1, 5), even=False):
    """(heads, width, layers, inner, vocabulary, positions)."""
    heads, depth = dice.randint(*heads), dice.randint(1, 9)
    if heads * depth < 4:
        depth = 4
    if even:
        depth += depth % 2
    return heads, heads * depth, dice.randint(1, 4), dice.randint(3, 40), dice.randint(16, 120), dice.randint(12, 40)


def like_bert(config_class, extra=0, **fixed):
    def make(dice):
        heads, width, layers, inner, vocabulary, positions = sizes(dice)
        return config_class(
            vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
            max_position_embeddings=positions + extra, hidden_act=dice.choice(GELUS),
            **{key: value(dice) if callable(value) else value for key, value in fixed.items()})
    return make


def distilbert(dice):
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    return transformers.DistilBertConfig(
        vocab_size=vocabulary, dim=width, n_layers=layers, n_heads=heads, hidden_dim=inner, max_position_embeddings=positions,
        activation=dice.choice(["gelu", "relu"]))


FAMILIES = {
    "bert": Family(like_bert(transformers.BertConfig), transformers.BertForMaskedLM, "bert"),
    "roberta": Family(like_bert(transformers.RobertaConfig, 2, type_vocab_size=1), transformers.RobertaForMaskedLM, "roberta", 2),
    "xlm-roberta": Family(like_bert(transformers.XLMRobertaConfig, 2, type_vocab_size=1),
                          transformers.XLMRobertaForMaskedLM, "roberta", 2),
    "camembert": Family(like_bert(transformers.CamembertConfig, 2, type_vocab_size=1),
                        transformers.CamembertForMaskedLM, "roberta", 2),
    "distilbert": Family(distilbert, transformers.DistilBertForMaskedLM, "distilbert"),
    "electra": Family(like_bert(transformers.ElectraConfig, embedding_size=lambda dice: dice.randint(3, 20)),
                      transformers.ElectraForMaskedLM, "electra"),
}
