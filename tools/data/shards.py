"""A token store cut into files (docs/formats.md, "Shards"): NAME.shards/00000.DIGEST.h5 ..., each a store file like any
other, and an index of them with digests of their blocks, so that a reader checks no more than it uses.

Shards are handed over one after the other: whoever has more rows than memory writes them as they come. Files are named by
what they hold, so that those of an earlier store of that name stay what they are until the manifest names the new index.
"""

import json
import os
import pathlib
import shutil

import h5py
import numpy as np
import xxhash

from tools import archive
from tools.failure import system_errors

FORMAT, VERSION = "metaloom-shards", 1
BLOCK = 1 << 18  # bytes under one digest: what a reader checks, and perhaps fetches, for the sake of one row
COUNTED_FROM = ("segment_offsets", "row_segments")  # begin at 0 in each shard, and go on in the store as a whole


def shards_folder(path):
    return pathlib.Path(path).with_suffix(".shards")


def cut(splits, rows):
    """`splits` (split -> arrays) in pieces of `rows` rows of each split, each with arrays of its own."""
    most = max(len(arrays["labels"]) for arrays in splits.values())
    for first in range(0, max(most, 1), rows):
        yield {split: piece(arrays, first, first + rows) for split, arrays in splits.items()}


def piece(arrays, first, end):
    rows = len(arrays["labels"])
    first, end = min(first, rows), min(end, rows)
    row_segments = arrays["row_segments"][first:end + 1]
    segments = arrays["segment_offsets"][row_segments[0]:row_segments[-1] + 1]
    return {"tokens": arrays["tokens"][segments[0]:segments[-1]], "segment_offsets": segments - segments[0],
            "row_segments": row_segments - row_segments[0], "labels": arrays["labels"][first:end],
            "text_digests": arrays["text_digests"][first:end]}


class ShardWriter:
    """Writes NAME.shards beside `path` (NAME.h5). `write_file(path, splits)` writes one store file."""

    def __init__(self, path, write_file):
        self.folder, self.write_file = shards_folder(path), write_file
        self.shards, self.totals, self.ends, self.index = [], {}, {}, None

    def add(self, splits):
        unnamed = self.folder / "unnamed.h5"
        self.write_file(unnamed, splits)
        blocks = block_digests(unnamed)
        path = self.folder / f"{len(self.shards):05}.{digest_of(blocks)}.h5"
        with system_errors(path):
            os.replace(unnamed, path)
        rows = {split: len(arrays["labels"]) for split, arrays in splits.items()}
        self.shards.append({"file": path.name, "bytes": os.path.getsize(path), "rows": rows, "places": places(path),
                            "blocks": blocks})
        for split, arrays in splits.items():
            for name, values in arrays.items():
                self.take(f"{split}/{name}", name, values)

    def take(self, key, name, values):
        """Adds a shard's column to the digest of that column of all shards as one."""
        if name in COUNTED_FROM:
            begun = key in self.ends
            values = values[begun:] + np.int64(self.ends.get(key, 0))
            if len(values):
                self.ends[key] = int(values[-1])
        self.totals.setdefault(key, xxhash.xxh3_64()).update(np.ascontiguousarray(values).data)

    def finish(self, meta):
        """The index, written last. Returns its manifest, which makes a store of the files once it is written."""
        index = {"format": FORMAT, "version": VERSION, "meta": meta, "block": BLOCK, "shards": self.shards,
                 "content": {key: total.hexdigest() for key, total in self.totals.items()}}
        text = json.dumps(index, sort_keys=True) + "\n"
        self.index = f"index.{digest_of(text)}.json"
        archive.write_text_file(self.folder / self.index, text)
        rows = {split: sum(shard["rows"][split] for shard in self.shards) for split in self.shards[0]["rows"]}
        return {"file": f"{self.folder.name}/{self.index}", "bytes": len(text.encode("utf-8")),
                "xxh3_64": digest_of(text), "rows": rows}

    def remove_others(self):
        """Files of an earlier store of that name, which no manifest names any more."""
        known = {self.index, *(shard["file"] for shard in self.shards)}
        with system_errors(self.folder):
            for name in set(os.listdir(self.folder)) - known:
                os.unlink(self.folder / name)


def digest_of(text):
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8"))


def places(path):
    """Where each column lies: [offset, numbers, bytes of each]."""
    out = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset) and not item.attrs.get("text"):
            out[name] = [item.id.get_offset() or 0, item.size, item.dtype.itemsize]

    with archive.hdf5_reader(path) as file:
        file.visititems(take)
    return out


def block_digests(path):
    with system_errors(path), open(path, "rb") as file:
        return "".join(xxhash.xxh3_64_hexdigest(block) for block in iter(lambda: file.read(BLOCK), b""))


def read_index(manifest_path, manifest):
    """The index that a manifest names, or None where it, or a shard of it, is not what it must be."""
    path = shards_folder(manifest_path) / pathlib.PurePath(manifest["file"]).name
    content = path.read_bytes()
    if manifest["bytes"] != len(content) or manifest["xxh3_64"] != xxhash.xxh3_64_hexdigest(content):
        return None
    index = json.loads(content)
    for shard in index["shards"]:
        if block_digests(path.parent / shard["file"]) != shard["blocks"]:
            return None
    return index


def remove_shards(path):
    with system_errors(shards_folder(path)):
        if shards_folder(path).exists():
            shutil.rmtree(shards_folder(path))
