"""What the program says of a kind of model: its backbone alone knows names, shapes and spellings of its parameters."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from tools.failure import Failure
from tools.model_folder import member
from tools.text_files import read_json_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOLD = re.compile(r"metaloom: error: (?P<what>.*?)\. (?P<cure>[A-Z].*)")


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
        return json.loads(told_by_program(folder, path, [written(folder, "config.json", json.dumps(config))]))


def check_tokenizer(config, text, pieces, where):
    """Refuses a tokenizer that cannot run in the program, or lacks a piece that the model's rows need."""
    with tempfile.TemporaryDirectory() as folder:
        told_by_program(folder, where, [written(folder, "config.json", json.dumps(config)),
                                        "tokenizer=" + written(folder, "tokenizer.json", text),
                                        "pieces=" + written(folder, "pieces", "\n".join(pieces))])


def written(folder, name, text):
    place = pathlib.Path(folder) / name
    place.write_text(text, encoding="utf-8")
    return str(place)


def told_by_program(folder, path, words):
    done = subprocess.run([program(), "models", *words], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split())
    for place in (*(f"{folder}/{name}" for name in ("config.json", "tokenizer.json", "pieces")), "config of the model"):
        said = said.replace(f"error: {place}: ", "error: ")
    told = TOLD.search(said)
    if not told:
        raise Failure("the program could not read it", path, done.stderr.strip() or "Check that it is whole")
    raise Failure(told["what"], path, told["cure"], done.returncode)
