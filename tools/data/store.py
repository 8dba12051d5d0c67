"""The token store on disk (docs/formats.md): contiguous arrays that can be mapped, in one file or in shards, and a manifest
with a digest."""

import json
import os
import pathlib

import xxhash

from tools import archive
from tools.data.shards import ShardWriter, cut, read_index, remove_shards, shards_folder
from tools.failure import Failure

FORMAT, VERSION = "metaloom-tokens", 1
ALIGNMENT = 64  # bytes: a mapped array of 64-bit numbers starts where the processor likes it
SHARD_ROWS = 1 << 22  # of a split: a store with more has shards of so many, unless its description says otherwise


def file_digest(path):
    total = xxhash.xxh3_64()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def manifest_path(path):
    return pathlib.Path(path).with_suffix(".json")


def whole_meta(meta):
    return {"format": FORMAT, "version": VERSION} | meta


def write_file(path, meta, splits):
    with archive.hdf5_writer(path, alignment_threshold=1, alignment_interval=ALIGNMENT) as file:
        archive.put_text(file, "meta", json.dumps(whole_meta(meta), sort_keys=True))
        for split, arrays in splits.items():
            for name, values in arrays.items():
                file.create_dataset(f"{split}/{name}", data=values)


def write_store(path, meta, splits, shard_rows=0):
    """`splits`: split -> arrays. The manifest is written last: a store without one, or with another's, is not used.

    `shard_rows`: a split with more rows is cut into shards of so many; 0: SHARD_ROWS.
    """
    path, shard_rows = pathlib.Path(path), shard_rows or SHARD_ROWS
    rows = {split: len(arrays["labels"]) for split, arrays in splits.items()}
    if max(rows.values()) > shard_rows:
        writer = shard_writer(path, meta)
        for piece in cut(splits, shard_rows):
            writer.add(piece)
        return finish_shards(writer, path, meta)
    write_file(path, meta, splits)
    manifest = {"file": path.name, "bytes": os.path.getsize(path), "xxh3_64": file_digest(path), "rows": rows}
    write_manifest(path, manifest)
    remove_shards(path)
    return manifest


def shard_writer(path, meta):
    return ShardWriter(path, lambda shard, splits: write_file(shard, meta, splits))


def finish_shards(writer, path, meta):
    """Up to the manifest, an earlier store of that name is whole; after it, the new one."""
    manifest = writer.finish(whole_meta(meta))
    write_manifest(path, manifest)
    writer.remove_others()
    pathlib.Path(path).unlink(missing_ok=True)
    return manifest


def write_manifest(path, manifest):
    archive.write_text_file(manifest_path(path), json.dumps(manifest, indent=1) + "\n")


def stored_bytes(path):
    """Of all files that hold rows."""
    files = [path] if pathlib.Path(path).exists() else shards_folder(path).glob("*.h5")
    return sum(os.path.getsize(file) for file in files)


def read_current(path):
    """(meta, manifest) of a store that is whole, or None: absence and damage both mean that it must be made again."""
    try:
        manifest = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        if manifest["file"].endswith(".json"):
            index = read_index(manifest_path(path), manifest)
            return index and (index["meta"], manifest)
        if manifest["bytes"] != os.path.getsize(path) or manifest["xxh3_64"] != file_digest(path):
            return None
        with archive.hdf5_reader(path) as file:
            return archive.get_json(file, "meta"), manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Failure):
        return None
