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
    target: bool = False  # whether a decoder reads a target


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


def gpt2(dice):
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    return transformers.GPT2Config(
        vocab_size=vocabulary, n_embd=width, n_layer=layers, n_head=heads, n_inner=dice.choice([inner, None]), n_positions=positions,
        activation_function=dice.choice([*GELUS, "silu"]), layer_norm_epsilon=dice.choice([1e-5, 1e-3]),
        scale_attn_weights=dice.random() < 0.7, scale_attn_by_inverse_layer_idx=dice.random() < 0.5,
        reorder_and_upcast_attn=dice.random() < 0.3, bos_token_id=1, eos_token_id=1)


def bart(dice):
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    return transformers.BartConfig(
        vocab_size=vocabulary, d_model=width, encoder_layers=layers, decoder_layers=dice.randint(1, 4), encoder_attention_heads=heads,
        decoder_attention_heads=dice.choice([number for number in range(1, width + 1) if width % number == 0]), encoder_ffn_dim=inner,
        decoder_ffn_dim=dice.randint(3, 40), max_position_embeddings=positions, activation_function=dice.choice([*GELUS, "silu"]),
        scale_embedding=dice.random() < 0.5, decoder_start_token_id=dice.choice([2, 7]))


def deberta_v2(dice):
    """Versions 2 and 3: what attention knows of distances, both heads, a convolution beside the first layer."""
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    more = {"embedding_size": dice.randint(3, 20)} if dice.random() < 0.4 else {"legacy": dice.random() < 0.5}
    if dice.random() < 0.5:
        more |= {"conv_kernel_size": dice.choice([1, 3, 5]), "conv_groups": dice.choice([1, heads]),
                 "conv_act": dice.choice(["tanh", *GELUS])}
    if dice.random() < 0.6:
        more["position_buckets"] = dice.randint(2, 12)
    return transformers.DebertaV2Config(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
        max_position_embeddings=positions, hidden_act=dice.choice(GELUS), type_vocab_size=dice.choice([0, 1, 2]),
        relative_attention=dice.random() < 0.9, max_relative_positions=dice.choice([-1, dice.randint(8, 60)]),
        pos_att_type=dice.choice([["c2p"], ["p2c"], ["p2c", "c2p"], "p2c|c2p", "p2c|c2p", None]),
        share_att_key=dice.random() < 0.5, norm_rel_ebd=dice.choice(["layer_norm", "none"]),
        position_biased_input=dice.random() < 0.5, **more)


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
    "gpt2": Family(gpt2, transformers.GPT2LMHeadModel, "transformer"),
    "bart": Family(bart, transformers.BartForConditionalGeneration, "model", target=True),
    "deberta-v2": Family(deberta_v2, transformers.DebertaV2ForMaskedLM, "deberta"),
}
