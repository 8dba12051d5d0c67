"""The files of an exported folder: weights in shards with their index, settings and texts as they are."""

import json
import os
import re

import torch

from tools.export.architecture import as_stored
from tools.failure import USAGE, Failure, system_errors

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
WEIGHTS = "model.safetensors"


def write(path, text):
    with system_errors(path), open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(path, content):
    write(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def save_tensors(path, tensors, metadata):
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with system_errors(path):
        try:
            save_file(tensors, path, metadata={"format": "pt"} | metadata)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if not number:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def shards_of(sizes, limit):
    """Lists of names, in order, each of at most `limit` bytes together, or one name alone."""
    shards, filled = [[]], 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def write_weights(folder, readers, kind, precision, limit):
    """`readers`: place -> (our name, how to read it). Returns how many numbers and bytes were written."""
    dtype = PRECISIONS[precision]
    numbers = {place: torch.Size(read.shape).numel() for place, (_, read) in readers.items()}
    sizes = {place: count * dtype.itemsize for place, count in numbers.items()}
    shards = shards_of(sizes, limit)
    stem, _, end = WEIGHTS.partition(".")
    places = {}
    for number, names in enumerate(shards, 1):
        file = WEIGHTS if len(shards) == 1 else f"{stem}-{number:05d}-of-{len(shards):05d}.{end}"
        save_tensors(folder / file, {place: stored(*readers[place], kind, dtype, precision) for place in names}, {})
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        write_json(folder / f"{WEIGHTS}.index.json",
                   {"metadata": {"total_size": sum(sizes.values()), "total_parameters": sum(numbers.values())},
                    "weight_map": places})
    return sum(numbers.values()), sum(sizes.values())


def stored(name, read, kind, dtype, precision):
    value = as_stored(name, read(), kind).to(dtype).contiguous()
    if not torch.isfinite(value).all():
        raise Failure(f"{name} has numbers that {precision} cannot hold", "precision", "Say precision=bf16 or fp32", USAGE)
    return value
