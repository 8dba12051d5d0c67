"""A Hugging Face folder of any age: where its files lie, whatever their names' case, and what it is if it is none."""

import os
import pathlib

from tools.failure import Failure, known_list, system_errors

OTHER_WEIGHTS = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax", "model.onnx": "ONNX",
                 "bert_model.ckpt.index": "TensorFlow", "model.ckpt.index": "TensorFlow"}
POINTER = b"version https://git-lfs"


def model_folder(source):
    """The folder itself, or the snapshot in a folder of the hub's cache."""
    folder = pathlib.Path(source)
    if folder.is_file():
        raise Failure("a file, not a folder", source, f"Give the folder that it lies in: {folder.parent}")
    if not folder.is_dir():
        raise Failure("no such folder", source, "Give a local Hugging Face folder, a name on the hub such as "
                      "bert-base-uncased, or minilm, or minilm-mlm")
    if member(folder, "config.json") or not (folder / "snapshots").is_dir():
        return folder
    snapshots = sorted(path for path in (folder / "snapshots").iterdir() if path.is_dir())
    main = folder / "refs" / "main"
    named = folder / "snapshots" / main.read_text(encoding="utf-8").strip() if main.is_file() else None
    if named in snapshots or len(snapshots) == 1:
        return named if named in snapshots else snapshots[0]
    raise Failure(f"a folder of the hub's cache with {len(snapshots)} snapshots", source,
                  f"Give one of them: {known_list(snapshots, 3) or 'there is none; fetch the model again'}")


def member(folder, *names):
    """The first of these files that the folder has, else one whose name differs in case only, else None."""
    with system_errors(folder):
        content = sorted(os.listdir(folder))
    for same in (lambda name: name, str.lower):
        for name in names:
            for found in content:
                if same(found) == same(name):
                    return pathlib.Path(folder) / found
    return None


def no_weights(folder):
    with system_errors(folder):
        content = sorted(os.listdir(folder))
    for name, maker in OTHER_WEIGHTS.items():
        if name in content:
            flag = "flax" if maker == "Flax" else "tf"
            cure = f"BertForPreTraining.from_pretrained(FOLDER, from_{flag}=True).save_pretrained(NEW)"
            return Failure(f"neither model.safetensors nor pytorch_model.bin, but {maker}'s {name}", folder,
                           "Give the folder that it was exported from" if maker == "ONNX"
                           else f"Convert them with transformers 4: {cure}")
    return Failure("no weights: neither model.safetensors nor pytorch_model.bin", folder,
                   f"Give a folder made by save_pretrained; there is: {known_list(content) or 'nothing'}")


def check_whole(path):
    """Refuses a weight file that was not fetched, or not wholly."""
    with system_errors(path), open(path, "rb") as file:
        head = file.read(len(POINTER))
    if not head:
        raise Failure("an empty weight file", path, "Fetch it again")
    if head == POINTER:
        raise Failure("a pointer of Git LFS, not the file itself", path, "Run in its repository: git lfs pull")
