"""The tensors of a Hugging Face folder, from whatever files hold them."""

import pathlib

from tools.failure import Failure, known_list, system_errors
from tools.model_folder import check_whole, member, no_weights
from tools.text_files import read_json_file


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
    apart = [shard for shard in shards.values() if pathlib.PurePath(shard).name != shard or shard == ".."]
    if apart:
        raise Failure(f"the shard {apart[0]!r} does not lie beside its index", index, "Fetch the index again")
    absent = sorted(shard for shard in set(shards.values()) if not (index.parent / shard).exists())
    if absent:
        raise Failure(f"no such file: {len(absent)} of {len(set(shards.values()))} shards are absent, "
                      f"{known_list(absent, 3)}", index, "Fetch them, too")
    tensors = {}
    for shard in sorted(set(shards.values())):
        tensors |= load(index.parent / shard)
    lacking = sorted(set(shards) - set(tensors))
    if lacking:
        raise Failure(f"{len(lacking)} of {len(shards)} tensors are not in the shards that it names: "
                      f"{known_list(lacking, 3)}", index, "Fetch index and shards again, of one revision")
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
