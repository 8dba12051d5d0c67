"""The token store on disk (docs/formats.md): contiguous arrays that can be mapped, and a manifest with a digest."""

import json
import os
import pathlib

import xxhash

from tools import archive
from tools.failure import Failure

FORMAT, VERSION = "metaloom-tokens", 1
ALIGNMENT = 64  # bytes: a mapped array of 64-bit numbers starts where the processor likes it


def file_digest(path):
    total = xxhash.xxh3_64()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def manifest_path(path):
    return pathlib.Path(path).with_suffix(".json")


def write_store(path, meta, splits):
    """`splits`: split -> arrays. The manifest is written last: a store without one, or with another's, is not used."""
    path = pathlib.Path(path)
    rows = {split: len(arrays["labels"]) for split, arrays in splits.items()}
    with archive.hdf5_writer(path, alignment_threshold=1, alignment_interval=ALIGNMENT) as file:
        archive.put_text(file, "meta", json.dumps({"format": FORMAT, "version": VERSION} | meta, sort_keys=True))
        for split, arrays in splits.items():
            for name, values in arrays.items():
                file.create_dataset(f"{split}/{name}", data=values)
    manifest = {"file": path.name, "bytes": os.path.getsize(path), "xxh3_64": file_digest(path), "rows": rows}
    archive.write_text_file(manifest_path(path), json.dumps(manifest, indent=1) + "\n")
    return manifest


def read_current(path):
    """(meta, manifest) of a store that is whole, or None: absence and damage both mean that it must be made again."""
    try:
        manifest = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        if manifest["bytes"] != os.path.getsize(path) or manifest["xxh3_64"] != file_digest(path):
            return None
        with archive.hdf5_reader(path) as file:
            return archive.get_json(file, "meta"), manifest
    except (OSError, ValueError, KeyError, TypeError, Failure):
        return None
