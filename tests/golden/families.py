"""Random models of every family, by transformers: what the program's backbones are compared with.

A family is found by its model_type, as the program finds its backbone. `make(dice)` draws a configuration: odd widths and
heads, every flag that the backbone knows.
"""

import dataclasses
import os
from collections.abc import Callable

import torch
import transformers
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.modernbert import modeling_modernbert
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen3 import modeling_qwen3

GELUS = ["gelu", "gelu_new", "relu"]
transformers.utils.logging.set_verbosity_error()  # it doubts many a rotation that nobody would train


def root_mean_square_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon))


def exact_in_double(theirs, exact):
    """`theirs`, which rounds to fp32 whatever it is given, but `exact` where that is of fp64: nothing of 1e-11 could be seen."""
    return lambda *given, **named: (exact if given[1].dtype == torch.float64 else theirs)(*given, **named)


for norm in (modeling_llama.LlamaRMSNorm, modeling_mistral.MistralRMSNorm, modeling_qwen2.Qwen2RMSNorm, modeling_qwen3.Qwen3RMSNorm):
    norm.forward = exact_in_double(norm.forward, root_mean_square_norm)
modeling_modernbert.apply_rotary_pos_emb = exact_in_double(modeling_modernbert.apply_rotary_pos_emb, modeling_llama.apply_rotary_pos_emb)


@dataclasses.dataclass
class Family:
    make: Callable  # dice -> transformers config
    model: type  # with a head that scores words
    base: str  # the attribute of the model that is its body
    first: int = 0  # rows of the table of positions before a text's first
    target: bool = False  # whether a decoder reads a target
    writes: bool = False  # whether it writes texts


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
            max_position_embeddings=positions + extra, hidden_act=dice.choice(GELUS), tie_word_embeddings=dice.random() < 0.7,
            **{key: value(dice) if callable(value) else value for key, value in fixed.items()})
    return make


def distilbert(dice):
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    return transformers.DistilBertConfig(
        vocab_size=vocabulary, dim=width, n_layers=layers, n_heads=heads, hidden_dim=inner, max_position_embeddings=positions,
        activation=dice.choice(["gelu", "relu"]), tie_word_embeddings=dice.random() < 0.7)


def rotation(dice, positions, depth):
    """rope_parameters of any kind, for heads of this width."""
    kind = dice.choice(["default", "linear", "llama3", "yarn", *(["dynamic"] if depth > 2 else [])])
    found = {"rope_type": kind, "rope_theta": dice.choice([100.0, 10000.0, 500000])}
    if kind != "default":
        found["factor"] = dice.choice([2, 3.0, 8.0, 40.0])
    if kind in ("llama3", "yarn") and dice.random() < 0.8:
        found["original_max_position_embeddings"] = dice.randint(4, positions)
    if kind == "llama3":
        found |= {"low_freq_factor": 1.0, "high_freq_factor": dice.choice([1.5, 4.0])}
    if kind == "yarn":
        more = {"attention_factor": 1.2, "beta_fast": 8.0, "beta_slow": 0.5, "truncate": False}
        found |= {key: value for key, value in more.items() if dice.random() < 0.4}
        if dice.random() < 0.4:
            found |= {"mscale": 0.7, "mscale_all_dim": 1.3}
    return found


def layer_types(dice, layers):
    return [dice.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]


def modernbert(dice):
    heads, width, layers, inner, vocabulary, positions = sizes(dice)
    width += heads * (width // heads % 2)
    more = {}
    if dice.random() < 0.5:
        more["layer_types"] = layer_types(dice, layers)
    if dice.random() < 0.7:
        more["rope_parameters"] = {kind: rotation(dice, positions, width // heads) for kind in ("full_attention", "sliding_attention")}
    return transformers.ModernBertConfig(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
        max_position_embeddings=positions, hidden_activation=dice.choice(GELUS), classifier_activation=dice.choice(GELUS),
        norm_eps=dice.choice([1e-5, 1e-3]), local_attention=dice.randint(1, 16), global_attn_every_n_layers=dice.randint(1, 3),
        pad_token_id=dice.randint(0, 3), bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, **more,
        **{key: dice.random() < 0.5 for key in ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias", "decoder_bias",
                                                "tie_word_embeddings")})


def like_llama(config_class, *flags, windows=None, head_dim=True):
    def make(dice):
        heads, width, layers, inner, vocabulary, positions = sizes(dice)
        groups = dice.choice([one for one in range(1, heads + 1) if heads % one == 0])
        more = {flag: dice.random() < 0.5 for flag in (*flags, "tie_word_embeddings")}
        width += heads * (width // heads % 2)
        depth = 2 * dice.randint(1, 6) if head_dim and dice.random() < 0.6 else width // heads
        if head_dim:
            more["head_dim"] = depth
        if windows == "all":
            more["sliding_window"] = dice.choice([None, dice.randint(1, 12)])
        if windows == "some":
            more |= {"use_sliding_window": dice.random() < 0.7, "sliding_window": dice.randint(1, 12),
                     "max_window_layers": dice.randint(0, 3)}
            if more["use_sliding_window"] and dice.random() < 0.5:
                more["layer_types"] = layer_types(dice, layers)
        return config_class(
            vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
            num_key_value_heads=groups, max_position_embeddings=positions, hidden_act=dice.choice(["silu", *GELUS]),
            rms_norm_eps=dice.choice([1e-6, 1e-3]), rope_parameters=rotation(dice, positions, depth), **more)
    return make


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


ALL = {
    "bert": Family(like_bert(transformers.BertConfig), transformers.BertForMaskedLM, "bert"),
    "roberta": Family(like_bert(transformers.RobertaConfig, 2, type_vocab_size=1), transformers.RobertaForMaskedLM, "roberta", 2),
    "xlm-roberta": Family(like_bert(transformers.XLMRobertaConfig, 2, type_vocab_size=1),
                          transformers.XLMRobertaForMaskedLM, "roberta", 2),
    "camembert": Family(like_bert(transformers.CamembertConfig, 2, type_vocab_size=1),
                        transformers.CamembertForMaskedLM, "roberta", 2),
    "distilbert": Family(distilbert, transformers.DistilBertForMaskedLM, "distilbert"),
    "electra": Family(like_bert(transformers.ElectraConfig, embedding_size=lambda dice: dice.randint(3, 20)),
                      transformers.ElectraForMaskedLM, "electra"),
    "gpt2": Family(gpt2, transformers.GPT2LMHeadModel, "transformer", writes=True),
    "bart": Family(bart, transformers.BartForConditionalGeneration, "model", target=True, writes=True),
    "deberta-v2": Family(deberta_v2, transformers.DebertaV2ForMaskedLM, "deberta"),
    "modernbert": Family(modernbert, transformers.ModernBertForMaskedLM, "model"),
    "llama": Family(like_llama(transformers.LlamaConfig, "attention_bias", "mlp_bias"), transformers.LlamaForCausalLM, "model", writes=True),
    "mistral": Family(like_llama(transformers.MistralConfig, windows="all"), transformers.MistralForCausalLM, "model", writes=True),
    "qwen2": Family(like_llama(transformers.Qwen2Config, windows="some", head_dim=False), transformers.Qwen2ForCausalLM, "model", writes=True),
    "qwen3": Family(like_llama(transformers.Qwen3Config, "attention_bias", windows="some"), transformers.Qwen3ForCausalLM, "model", writes=True),
}



def kinds_tried(otherwise="all"):
    """METALOOM_KINDS: "all", or some of them for tests that run over many."""
    wanted = os.environ.get("METALOOM_KINDS", otherwise)
    return list(ALL) if wanted == "all" else wanted.split(",")


FAMILIES = {kind: ALL[kind] for kind in kinds_tried()}
