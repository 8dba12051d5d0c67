"""Stores in shards: the same rows, the same content, a description that keeps its stores, and nothing of an older one left."""

import errno
import itertools
import json
import os
import unittest
from unittest import mock

import h5py
import numpy as np
import xxhash

from scratch import CLASSIFICATION, FILES, ROWS, StoreScratch

from tools.data.store import read_current

SHARDED = CLASSIFICATION + FILES + "shard_rows = 3\n"


class ShardsTest(StoreScratch):
    def prepared(self, description):
        self.write_rows()
        self.prepare(description)
        return json.loads((self.out / "mood.json").read_text())

    def index_path(self):
        return self.out / json.loads((self.out / "mood.json").read_text())["file"]

    def index(self):
        return json.loads(self.index_path().read_text())

    def named_files(self):
        return {self.index_path().name, *(shard["file"] for shard in self.index()["shards"])}

    def columns(self, path):
        with h5py.File(path) as file:
            return {f"{split}/{name}": item[()] for split in ("train", "validation", "test")
                    for name, item in file[split].items()}

    def test_a_split_with_more_rows_is_cut(self):
        manifest = self.prepared(SHARDED)
        content = self.index_path().read_bytes()
        digest = xxhash.xxh3_64_hexdigest(content)
        self.assertEqual(manifest, {"file": f"mood.shards/index.{digest}.json", "bytes": len(content), "xxh3_64": digest,
                                    "rows": {"train": 4, "validation": 1, "test": 2}})
        self.assertFalse((self.out / "mood.h5").exists())
        self.assertEqual([shard["rows"]["train"] for shard in self.index()["shards"]], [3, 1])

    def test_places_blocks_and_content_are_those_of_the_files(self):
        self.prepared(SHARDED)
        index = self.index()
        for shard in index["shards"]:
            path = self.out / "mood.shards" / shard["file"]
            content = path.read_bytes()
            self.assertEqual(shard["blocks"], "".join(xxhash.xxh3_64_hexdigest(content[at:at + index["block"]])
                                                      for at in range(0, len(content), index["block"])))
            for name, values in self.columns(path).items():
                offset, count, width = shard["places"][name]
                self.assertEqual((count, width), (values.size, values.itemsize))
                self.assertEqual(content[offset:offset + values.nbytes] if count else b"", values.tobytes(), name)
        self.prepared(CLASSIFICATION + FILES)
        for name, values in self.columns(self.out / "mood.h5").items():
            self.assertEqual(index["content"][name], xxhash.xxh3_64_hexdigest(np.ascontiguousarray(values).tobytes()), name)

    def test_a_store_changes_between_one_file_and_shards(self):
        for description, there, gone in ((SHARDED, "mood.shards", "mood.h5"), (CLASSIFICATION + FILES, "mood.h5", "mood.shards"),
                                         (SHARDED, "mood.shards", "mood.h5")):
            self.prepared(description)
            self.assertTrue((self.out / there).exists())
            self.assertFalse((self.out / gone).exists())
        self.prepared(SHARDED.replace("3", "1"))
        self.assertEqual(len(self.index()["shards"]), 4)
        self.prepared(SHARDED)
        self.assertEqual({path.name for path in (self.out / "mood.shards").iterdir()}, self.named_files())
        self.assertEqual(len(self.index()["shards"]), 2)

    def test_what_ends_a_make_before_any_rename_leaves_the_store_that_was_there(self):
        """A kill or a full disk left the old manifest over some of the new shards."""
        self.prepared(SHARDED)
        before, index, replace = read_current(self.out / "mood.h5"), self.index(), os.replace
        self.write("train.jsonl", [row | {"text": f"{row['text']} again"} for row in ROWS["train"]])

        def until_full(*names):
            if next(renames) == most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(*names)

        for most in itertools.count():
            renames = itertools.count()
            with mock.patch("os.replace", until_full):
                code, _, err = self.prepare(SHARDED.replace("3", "1"))
            self.assertEqual(code, 75, err)
            if read_current(self.out / "mood.h5") != before:
                break
            self.assertEqual(self.index(), index)
        self.assertEqual(most, 4 * 2 + 2)  # two of each shard, then those of the index and the manifest
        self.assertEqual(len(self.index()["shards"]), 4)
        self.assertEqual({path.name for path in (self.out / "mood.shards").iterdir()}, self.named_files())

    def test_whole_shards_are_kept_and_damaged_ones_made_again(self):
        self.prepared(SHARDED)
        code, out, err = self.prepare(SHARDED)
        self.assertIn("unchanged, kept", out, err)
        shard = self.out / "mood.shards" / self.index()["shards"][1]["file"]
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
        self.assertIsNone(read_current(self.out / "mood.h5"))
        code, out, err = self.prepare(SHARDED)
        self.assertNotIn("unchanged", out, err)
        self.assertIsNotNone(read_current(self.out / "mood.h5"))

    def test_a_number_of_rows_that_is_none_is_refused(self):
        self.write_rows()
        for value in ("0", '"many"', "true", "1.5"):
            code, _, err = self.prepare(CLASSIFICATION + FILES + f"shard_rows = {value}\n")
            self.assertEqual(code, 2, err)
            self.assertIn("shard_rows", err)


if __name__ == "__main__":
    unittest.main()
