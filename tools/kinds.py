"""What the program says of a kind of model: its backbone alone knows names, shapes and spellings of its parameters."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from tools.failure import Failure, did_you_mean
from tools.model_folder import member
from tools.text_files import read_json_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOLD = re.compile(r"metaloom: error: (?P<what>.*?)\. (?P<cure>[A-Z].*)")
# Kinds that people have and the program has not: the ones that come nearest, in order, and what keeps it from being theirs.
RELATIVES = {
    "albert": (["bert"], "all its layers share one set of weights"),
    "big_bird": (["bert", "roberta"], "its attention is sparse"),
    "convbert": (["electra", "bert"], "part of its attention is a convolution"),
    "data2vec-text": (["roberta"], "its names are its own; save it as RoBERTa"),
    "deberta": (["deberta-v2"], "its attention has one matrix for queries, keys and values"),
    "ernie": (["bert"], "its embeddings tell tasks apart"),
    "falcon": (["llama", "gpt2"], "its attention and feed-forward layers stand side by side"),
    "flaubert": (["roberta", "bert"], "it is an XLM, with LayerNorms in other places"),
    "funnel": (["bert"], "its layers shorten the text"),
    "gemma": (["llama"], "its norms add one to their weights, and its embeddings are scaled"),
    "gpt_neo": (["gpt2"], "every other layer of it sees a window only"),
    "gpt_neox": (["llama", "gpt2"], "its attention and feed-forward layers stand side by side"),
    "longformer": (["roberta"], "its attention sees windows"),
    "mbart": (["bart"], "its LayerNorms stand in front of its layers"),
    "mixtral": (["mistral", "llama"], "its feed-forward layers are mixtures of experts"),
    "mobilebert": (["bert"], "its layers have bottlenecks"),
    "mpnet": (["bert", "roberta"], "its attention has a table of relative positions"),
    "opt": (["gpt2"], "its positions begin elsewhere and its activation is a ReLU"),
    "phi3": (["llama"], "its attention has one matrix for queries, keys and values"),
    "t5": (["bart"], "its attention has a table of relative positions, and its norms no mean"),
    "xlm": (["roberta", "xlm-roberta"], "its embeddings tell languages apart"),
    "xlnet": (["bert"], "its attention is over permutations"),
}
RELATIVES |= {"gemma2": RELATIVES["gemma"], "gemma3_text": RELATIVES["gemma"], "mt5": RELATIVES["t5"]}


def program():
    """The program that started this tool, or the one that was built here."""
    found = os.environ.get("METALOOM_PROGRAM") or ROOT / "build" / "metaloom"
    if not os.access(found, os.X_OK):
        raise Failure("the program was not found, which knows the kinds of models", found,
                      "Build it with make build, or set METALOOM_PROGRAM")
    return found


def read_config(folder):
    """The folder's config.json, and where it lies. Those of before 2020 do not say of what kind they are: they are BERT's."""
    path = member(folder, "config.json", "bert_config.json") or pathlib.Path(folder) / "config.json"
    config = read_json_file(path)
    if not isinstance(config, dict):
        raise Failure("not a model's configuration", path, "Give the config.json of a Hugging Face model")
    if "model_type" not in config and "hidden_size" in config \
            and all(str(name).startswith("Bert") for name in config.get("architectures") or []):
        config["model_type"] = "bert"
    return config, path


def kind_of(config, path):
    """What `metaloom models CONFIG` prints of it. Failures are the program's own, about `path`."""
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(told_by_program(config, folder, path, [written(folder, "config.json", json.dumps(config))]))


def check_tokenizer(config, text, pieces, where):
    """Refuses a tokenizer that cannot run in the program, or lacks a piece that the model's rows need."""
    with tempfile.TemporaryDirectory() as folder:
        told_by_program(config, folder, where, [written(folder, "config.json", json.dumps(config)),
                                                "tokenizer=" + written(folder, "tokenizer.json", text),
                                                "pieces=" + written(folder, "pieces", "\n".join(pieces))])


def written(folder, name, text):
    place = pathlib.Path(folder) / name
    place.write_text(text, encoding="utf-8")
    return str(place)


def told_by_program(config, folder, path, words):
    done = subprocess.run([program(), "models", *words], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split())
    for place in (*(f"{folder}/{name}" for name in ("config.json", "tokenizer.json", "pieces")), "config of the model"):
        said = said.replace(f"error: {place}: ", "error: ")
    told = TOLD.search(said)
    if not told:
        raise Failure("the program could not read it", path, done.stderr.strip() or "Check that it is whole")
    if "are not known" in told["what"]:
        raise Failure(told["what"], path, nearest(str(config["model_type"])), done.returncode)
    raise Failure(told["what"], path, told["cure"], done.returncode)


def known_kinds():
    """The model_types that the program lists."""
    done = subprocess.run([program(), "models"], capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def nearest(kind):
    """What to give instead of a model of an unknown kind, and what sets the two apart."""
    known = known_kinds()
    relatives, reason = RELATIVES.get(kind, ([], ""))
    if found := next((name for name in relatives if name in known), None):
        return f"The nearest kind is {found}, but {reason}. Give a model of a known kind: {', '.join(known)}"
    return did_you_mean(kind, known)


def has_head(names, kind):
    """Whether a model with parameters of these names foretells words. Where the kind has none for it, the word table does."""
    heads = [parameter["name"] for parameter in kind["parameters"] if parameter["part"] == "head"]
    return any(name in names for name in heads) or not heads


def head_of(kind):
    """What the head that foretells words is called."""
    return "MLM head" if "mask" in kind["roles"] else "LM head"
