"""Models that are BERT under other names, as BERT: where transformers' own class of the kind ends a head in another way than
muppet's heads do, BERT's class is the one that says the same.

DistilBERT is BERT without token types: with a table of zeros for them it is BERT. ELECTRA's body is BERT's where its embeddings
are as wide as its layers.
"""

import re

import torch

from tools.kinds import kind_of

SHARED = ("vocab_size", "max_position_embeddings", "pad_token_id", "hidden_size", "num_hidden_layers", "num_attention_heads",
          "intermediate_size", "hidden_act", "type_vocab_size", "layer_norm_eps", "initializer_range")
OF_DISTILBERT = {"dim": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
                 "hidden_dim": "intermediate_size", "activation": "hidden_act"}
LAYERS_OF_DISTILBERT = {"attention.q_lin": "attention.self.query", "attention.k_lin": "attention.self.key",
                        "attention.v_lin": "attention.self.value", "attention.out_lin": "attention.output.dense",
                        "sa_layer_norm": "attention.output.LayerNorm", "ffn.lin1": "intermediate.dense",
                        "ffn.lin2": "output.dense", "output_layer_norm": "output.LayerNorm"}
TYPES = "embeddings.token_type_embeddings.weight"


def bert_of(source, kind, config):
    """(weights, kind, config) of the BERT that the model is, or None where it is none."""
    body = {parameter["name"] for parameter in kind["parameters"] if parameter["part"] in ("embeddings", "layers")}
    weights = {name: read for name, read in source.weights.items() if name in body}
    if kind["backbone"] == "distilbert":
        settings = {ours: config[theirs] for theirs, ours in OF_DISTILBERT.items() if theirs in config}
        settings |= {key: config[key] for key in SHARED[:3] if key in config} | {"type_vocab_size": 2, "layer_norm_eps": 1e-12}
        weights = {named(name): read for name, read in weights.items()} | {TYPES: zeros((2, kind["width"]))}
    elif kind["backbone"] == "electra" and not any(name.startswith("embeddings_project") for name in body):
        settings = {key: config[key] for key in SHARED if key in config}
    else:
        return None
    settings["model_type"] = "bert"
    return weights, kind_of(settings, source.place), settings


def named(name):
    """DistilBERT's name of a weight of the body as BERT's."""
    found = re.fullmatch(r"transformer\.layer\.(\d+)\.(.*)\.(weight|bias)", name)
    return f"encoder.layer.{found[1]}.{LAYERS_OF_DISTILBERT[found[2]]}.{found[3]}" if found else name


def zeros(shape):
    def read():
        return torch.zeros(shape)

    read.shape = shape
    return read
