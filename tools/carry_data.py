"""Cuts the carried data (data/sets) out of a folder of full sets, so that a reader can see what was done to them.

usage: python -m tools.carry_data FULL_SETS --out data/sets

FULL_SETS holds NAME/{train,validation,test}.jsonl.gz and episodic/{hwu64.jsonl.gz,splits.json}. Of each set rows whose
text (lower case, letters and digits only) is also in the few-shot set or the end-task set are dropped, then at most
CAPS rows a split are drawn by a shuffle seeded with the set's name and kept in their order. Equal input, equal bytes.
"""

import argparse
import gzip
import json
import pathlib
import random

from tools.archive import replacing, write_text_file
from tools.data.rows import FileTable
from tools.failure import Arguments, run
from tools.text_files import read_json_file

CAPS = {"train": 4000, "validation": 500, "test": 500}
MIX = ("banking77", "clinc150", "dbpedia14", "pros_cons", "query_wellformed", "snli", "med_monotonicity", "arc_easy",
       "blimp", "codah", "commonsense_qa", "copa")
END_TASKS = ("snips",)
EPISODES = "hwu64"
TEXTS = ("text", "text_pair", "context")


def plain(text):
    """Letters and digits only, in lower case: what twins have in common."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def read_rows(path):
    return [row for _, row in FileTable(path)]


def write_rows(path, rows):
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with replacing(path) as temporary:
        pathlib.Path(temporary).write_bytes(gzip.compress(lines.encode("utf-8"), 9, mtime=0))


def texts_of(rows):
    return {plain(row[key]) for row in rows for key in TEXTS if row.get(key)}


def draw(rows, cap, seed):
    chosen = list(range(len(rows)))
    random.Random(seed).shuffle(chosen)
    return [rows[index] for index in sorted(chosen[:cap])]


def carry(name, full, out, forbidden):
    """Writes the three splits; returns the rows written, after saying how many were dropped as twins."""
    written, dropped, seen = [], 0, set()
    for split in ("test", "validation", "train"):  # a text in two splits stays where it is tested
        rows = []
        for row in read_rows(full / name / f"{split}.jsonl.gz"):
            key = plain(json.dumps({k: v for k, v in row.items() if k not in ("label", "answer")}, sort_keys=True))
            twin = any(plain(row[k]) in forbidden for k in TEXTS if row.get(k))
            dropped += twin
            if not twin and key not in seen:
                rows.append(row)
            seen.add(key)
        rows = draw(rows, CAPS[split], f"{name}/{split}")
        write_rows(out / name / f"{split}.jsonl.gz", rows)
        written += rows
    print(f"{name}: {len(written)} rows, {dropped} twins dropped")
    return written


def main():
    parser = Arguments(prog="python -m tools.carry_data", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("full", type=pathlib.Path, metavar="FULL_SETS")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR")
    options = parser.parse_args()
    rows = read_rows(options.full / "episodic" / f"{EPISODES}.jsonl.gz")
    splits = read_json_file(options.full / "episodic" / "splits.json")[EPISODES]
    write_rows(options.out / EPISODES / "data.jsonl.gz", rows)
    by_split = {split: splits[split] for split in CAPS}
    write_text_file(options.out / EPISODES / "splits.json", json.dumps(by_split, indent=1) + "\n")
    forbidden = texts_of(rows)
    for name in END_TASKS:
        forbidden |= texts_of(carry(name, options.full, options.out, forbidden))
    for name in MIX:
        carry(name, options.full, options.out, forbidden)


if __name__ == "__main__":
    run(main)
