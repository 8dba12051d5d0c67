"""Token stores of any number of rows, made up: equal arguments give equal files. Nobody trains on them; they are what opening
and planning is timed with."""

import pathlib

import numpy as np

from tools.data.store import SHARD_ROWS, finish_shards, shard_writer

CLASSES = 64  # of each split; no two splits share one, as episodes want it
OTHER_ROWS = 4096  # of validation and of test


def rows_of(random, rows, split):
    """`rows` rows of 2 to 6 word pieces each, in the arrays of a store."""
    ends = np.cumsum(random.integers(2, 7, rows))
    return {"tokens": random.integers(1000, 30000, int(ends[-1]) if rows else 0, dtype=np.int32),
            "segment_offsets": np.concatenate([[0], ends]).astype(np.int64),
            "row_segments": np.arange(rows + 1, dtype=np.int64),
            "labels": random.integers(split * CLASSES, (split + 1) * CLASSES, rows, dtype=np.int32),
            "text_digests": random.integers(-2**63, 2**63 - 1, rows, dtype=np.int64)}


def make_store(folder, name, family, rows, shard_rows=SHARD_ROWS):
    """FOLDER/NAME.shards and FOLDER/NAME.json: `rows` training rows of `family`, a shard at a time."""
    labels = [f"class {number}" for number in range(3 * CLASSES)]
    meta = {"name": name, "family": family, "labels": labels, "label_words": [[[1000 + n]] for n in range(len(labels))],
            "tokenizer_digest": "none", "max_tokens": 6, "source": "made up", "licence": "none"}
    path = pathlib.Path(folder) / f"{name}.h5"
    writer = shard_writer(path, meta)
    for number, first in enumerate(range(0, rows, shard_rows)):
        random = np.random.default_rng([number, rows])
        others = 0 if number else OTHER_ROWS
        writer.add({"train": rows_of(random, min(shard_rows, rows - first), 0),
                    "validation": rows_of(random, others, 1), "test": rows_of(random, others, 2)})
    finish_shards(writer, path, meta)
    return path
