"""Reads and writes BERT weights as they lie in Hugging Face folders: names, shapes, and what may be wrong with them.

Names inside metaloom are Hugging Face's own without the prefix `bert.`; the decoder is tied to the word embeddings
and therefore not stored.
"""

import pathlib

from tools.failure import Failure, did_you_mean, known_list, system_errors
from tools.model_folder import check_whole, member, no_weights
from tools.text_files import read_json_file

UNTIED = "cls.predictions.decoder.weight"
HEAD = "cls.predictions."
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


def read_config(folder):
    """The folder's config.json, if it describes a BERT encoder that the archive can hold."""
    path = member(folder, "config.json", "bert_config.json") or pathlib.Path(folder) / "config.json"
    config = read_json_file(path)
    if isinstance(config, dict) and "model_type" not in config and "hidden_size" in config \
            and all(str(name).startswith("Bert") for name in config.get("architectures") or []):
        config["model_type"] = "bert"  # configurations of before 2020 do not say it
    if not isinstance(config, dict) or config.get("model_type") != "bert":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise Failure(f"not a BERT model: model_type is {kind!r}", path,
                      'Give a folder whose config.json says "model_type": "bert"')
    for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
                "max_position_embeddings", "type_vocab_size"):
        if not isinstance(config.get(key), int) or isinstance(config[key], bool) or config[key] < 1:
            raise Failure(f"{key} is {config.get(key)!r}, not a positive whole number", path, "Repair config.json")
    if config["hidden_size"] % config["num_attention_heads"]:
        raise Failure(f"hidden_size {config['hidden_size']} is no multiple of num_attention_heads "
                      f"{config['num_attention_heads']}", path, "Repair config.json")
    if config.get("is_decoder") or config.get("position_embedding_type", "absolute") not in (None, "absolute"):
        raise Failure("a BERT decoder or relative positions, which metaloom has not", path, "Give a plain BERT encoder")
    if config.get("hidden_act", "gelu") not in ACTIVATIONS:
        raise Failure(f"hidden_act is {config['hidden_act']!r}", path, did_you_mean(config["hidden_act"], ACTIVATIONS))
    return config


def expected_shapes(config):
    """Name -> shape of what every BERT encoder of this config must have."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for layer in range(config["num_hidden_layers"]):
        for name, (rows, columns) in {
            "attention.self.query": (width, width), "attention.self.key": (width, width),
            "attention.self.value": (width, width), "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width), "output.dense": (width, inner),
        }.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (width,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (width,)
    return shapes


def optional_shapes(config):
    """Groups of tensors of which all or none are there: the pooler and the MLM head."""
    width = config["hidden_size"]
    return {
        "pooler": {"pooler.dense.weight": (width, width), "pooler.dense.bias": (width,)},
        "MLM head": {
            f"{HEAD}bias": (config["vocab_size"],),
            f"{HEAD}transform.dense.weight": (width, width), f"{HEAD}transform.dense.bias": (width,),
            f"{HEAD}transform.LayerNorm.weight": (width,), f"{HEAD}transform.LayerNorm.bias": (width,),
        },
    }


def load_tensors(folder):
    """Name -> torch tensor as stored, from model.safetensors or a pytorch_model.bin free of code, also in shards."""
    for name, load in (("model.safetensors", load_safetensors), ("pytorch_model.bin", load_pickled)):
        whole, index = member(folder, name), member(folder, f"{name}.index.json")
        if whole:
            return load(whole)
        if index:
            return load_shards(index, load)
    raise no_weights(folder)


def load_shards(index, load):
    content = read_json_file(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise Failure("not an object whose weight_map names a file for each tensor", index, "Fetch the index again")
    absent = sorted(shard for shard in set(shards.values()) if not (index.parent / shard).exists())
    if absent:
        raise Failure(f"no such file: {len(absent)} of {len(set(shards.values()))} shards are absent, {known_list(absent, 3)}",
                      index, "Fetch them, too")
    tensors = {}
    for shard in sorted(set(shards.values())):
        tensors |= load(index.parent / shard)
    return tensors


def load_safetensors(path):
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_whole(path)
    with system_errors(path):
        try:
            return load_file(path)
        except SafetensorError as error:
            raise Failure(f"the weight file is truncated or damaged: {error}", path, "Fetch it again") from None


def load_pickled(path):
    import pickle
    import zipfile

    import torch

    check_whole(path)
    try:
        with system_errors(path):
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise Failure("the pickle holds more than tensors, or is damaged; it is not loaded, for it could run code",
                      path, "Save the model again with save_pretrained(..., safe_serialization=True)") from None
    except (RuntimeError, EOFError, zipfile.BadZipFile):
        raise Failure("the weight file is truncated or damaged", path, "Fetch it again") from None
    if not isinstance(tensors, dict) or not all(isinstance(name, str) and hasattr(value, "dtype")
                                               for name, value in tensors.items()):
        raise Failure("not a dictionary of tensors", path, "Save the model again with save_pretrained") from None
    return tensors


def canonical(name):
    """Hugging Face's name in metaloom's spelling: no `bert.`, LayerNorm.gamma and .beta as weight and bias."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def named_tensors(tensors, where):
    """All tensors by canonical names, whatever held the model: `module.bert.`, `0.auto_model.`, or nothing."""
    words = "embeddings.word_embeddings.weight"
    places = sorted(name.removesuffix(words) for name in tensors if name == words or name.endswith(f".{words}"))
    if len(places) > 1 and not {"bert.", ""} & set(places):
        raise Failure(f"{len(places)} encoders: below {known_list(places, 3)}", where, "Save one of them alone")
    inner = next((place for place in ("bert.", "") if place in places), places[0] if places else "")
    outer = inner.removesuffix("bert.")
    named = {canonical(name.removeprefix(inner) if name.startswith(inner) else name.removeprefix(outer)): tensor
             for name, tensor in tensors.items()}
    bias = named.pop(f"{HEAD}decoder.bias", None)  # the same tensor, under the one name, the other, or both
    if bias is not None and not bias.float().equal(named.setdefault(f"{HEAD}bias", bias).float()):
        raise Failure(f"{HEAD}decoder.bias and {HEAD}bias differ, which should be one", where,
                      "Save the model again with save_pretrained")
    return named


def select_parameters(tensors, config, where):
    """Checks names, shapes and values; returns (name -> fp32 numpy array, what is left out)."""
    import torch

    named = named_tensors(tensors, where)
    wanted = expected_shapes(config)
    for shapes in optional_shapes(config).values():
        if set(shapes) & set(named):
            wanted |= shapes
    missing = [name for name in wanted if name not in named]
    if missing:
        raise Failure(f"{len(missing)} of {len(wanted)} tensors are missing: {known_list(missing, 3)}", where,
                      did_you_mean(missing[0], sorted(set(named) - set(wanted))) if set(named) - set(wanted)
                      else "config.json and weights must be of the same model")
    parameters = {}
    for name, shape in sorted(wanted.items()):
        if tuple(named[name].shape) != shape:
            raise Failure(f"{name} has shape {tuple(named[name].shape)}, config.json asks for {shape}", where,
                          "config.json and weights must be of the same model")
        if not named[name].is_floating_point():
            raise Failure(f"{name} holds {named[name].dtype}, not floating-point numbers: a quantised model", where,
                          "Give the model that it was made from")
        value = named[name].to(torch.float32)
        if not torch.isfinite(value).all():
            bad = int((~torch.isfinite(value)).sum())
            raise Failure(f"{bad} of {value.numel()} numbers of {name} are NaN or infinite", where,
                          "The weights are spoilt; fetch or train them again")
        parameters[name] = value.contiguous().numpy()
    if UNTIED in named and not torch.equal(named[UNTIED], named["embeddings.word_embeddings.weight"]):
        raise Failure(f"{UNTIED} differs from the word embeddings: an untied decoder, which metaloom has not", where,
                      "Give a model with tie_word_embeddings = true")
    tied = {UNTIED, "embeddings.position_ids"}
    return parameters, sorted(set(named) - set(wanted) - tied)
