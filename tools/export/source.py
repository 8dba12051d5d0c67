"""What is exported: a model archive, or a checkpoint's frozen model with what was trained laid over it (docs/formats.md).

Tensors are read one by one when they are asked for, so that a model of any size takes the memory of its largest shard.
"""

import contextlib
import json
import pathlib
import tomllib

from tools.archive import get_json, get_text, hdf5_reader
from tools.failure import Failure, did_you_mean
from tools.text_files import read_json_file

TRAINED = "model."  # before the names of trained weights of the model in theta


class Source:
    """`weights` and `beside`: name -> how to read it. Beside the model's weights stand prompts, heads, gates, ..."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.files = contextlib.ExitStack()
        self.config, self.stage, self.step, self.trained_on, self.task = {}, "", None, [], None
        if self.place.is_file():
            model, theta = self.open(self.place), {}
        else:
            files = self.sections()
            model, theta = self.open(files["model"]), self.open(files["theta"])
            self.read_records(files)
        if "meta" not in model or "parameters" not in model:
            raise Failure("not a model archive", place, "Give a run, a checkpoint, or a file made by metaloom import")
        self.meta = get_json(model, "meta")
        self.tokenizer = get_text(model, "tokenizer/tokenizer.json")
        self.weights = tensors_of(model["parameters"])
        laid = tensors_of(theta) if theta else {}
        self.weights |= {name.removeprefix(TRAINED): read for name, read in laid.items() if name.startswith(TRAINED)}
        self.beside = {name: read for name, read in laid.items() if not name.startswith(TRAINED)}

    def open(self, path):
        return self.files.enter_context(hdf5_reader(path))

    def sections(self):
        """Section -> its file."""
        manifest = read_json_file(self.place / "manifest.json", "Give an undamaged checkpoint")
        self.step = manifest.get("step")
        files = {name: self.place / section["file"] for name, section in manifest.get("sections", {}).items()}
        for name in ("model", "theta", "progress"):
            if name not in files:
                raise Failure(f"the checkpoint has no section {name!r}", self.place, "Give a checkpoint of a run, or of adapt")
        return files

    def read_records(self, files):
        """What the run recorded of itself. An adapted checkpoint has a task of its own, and no progress of training."""
        progress = self.open(files["progress"])
        self.config = tomllib.loads(get_text(progress, "config"))
        if "progress" in progress:
            self.stage = get_json(progress, "progress").get("stage", "")
        if "lineage" in files:
            lineage = self.open(files["lineage"])
            self.trained_on = [f"{stage}/{name}" for stage in lineage for name in lineage[stage]]
        if "task" in files:
            self.task = get_json(self.open(files["task"]), "task")

    @property
    def method(self):
        return self.config.get("method", {})

    def heads(self):
        """The heads that muppet trained."""
        return sorted(name.removeprefix("head.").removesuffix(".out.weight") for name in self.beside
                      if name.startswith("head.") and name.endswith(".out.weight"))

    def head(self, name):
        """{"dense.weight": ..., "dense.bias": ..., "out.weight": ..., "out.bias": ...} of one of them."""
        if name not in self.heads():
            if not self.heads():
                raise Failure(f"there is no head {name!r}, for no head was trained", self.place,
                              "Give a stage of muppet; or leave head= out, or say head=mlm, head=none or head=all")
            raise Failure(f"there is no head {name!r}", self.place,
                          did_you_mean(name, [*self.heads(), "mlm", "none", "all"]))
        start = f"head.{name}."
        return {key.removeprefix(start): read() for key, read in self.beside.items() if key.startswith(start)}

    def labels(self, head):
        """The labels that the store of a head's data set has, in order; None where it is not there any more."""
        root = pathlib.Path(self.config.get("data", {}).get("root", ""))
        with contextlib.suppress(Failure, KeyError, TypeError, ValueError, OSError):
            file = root / read_json_file(root / f"{head}.json")["file"]
            if file.suffix == ".h5":
                with hdf5_reader(file) as store:
                    return get_json(store, "meta")["labels"]
            meta = read_json_file(file)["meta"]
            return (json.loads(meta) if isinstance(meta, str) else meta)["labels"]
        return None


def tensors_of(group):
    """Name -> a function that reads it as a torch tensor."""
    import h5py

    found = {}
    group.visititems(lambda name, item: found.update({name: reader(item)}) if isinstance(item, h5py.Dataset) else None)
    return dict(sorted(found.items()))


def reader(item):
    import torch

    def read():
        tensor = torch.from_numpy(item[()])
        return tensor.view(torch.bfloat16) if item.attrs.get("dtype") in ("bfloat16", b"bfloat16") else tensor

    read.shape = tuple(item.shape)
    return read
