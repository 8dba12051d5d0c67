"""Description -> token stores. A store whose rows, tokenizer and description have not changed is left as it is."""

import collections
import concurrent.futures
import functools
import hashlib
import json
import multiprocessing
import os
import pathlib
import sys
import time

from tools import archive
from tools.data.description import SPLITS
from tools.data.dirty_rows import DirtyRows
from tools.data.families import READERS, Labels, Unusable, no_token, unspoken
from tools.data.rows import column
from tools.data.source import Source, label_names
from tools.data.store import read_current, stored_bytes, write_store
from tools.data.tokens import SplitBuffer, WordPieces, in_table
from tools.failure import USAGE, Failure, did_you_mean

PREPARER = 1  # goes up whenever equal rows would give another store
PROGRESS_SECONDS = 2.0


@functools.cache
def word_pieces(place):
    """One tokenizer for all data sets of this process."""
    return WordPieces(place)


def make_labels(source):
    if source.spec.family == "multiple_choice":
        return Labels([])
    if source.class_splits is not None:
        return Labels(source.class_splits.split_of)
    labels = Labels.sorted(label_names(source.spec, source.tables["train"], "train"))
    if len(labels.names) < 2:
        raise Failure(f"labels in train: {len(labels.names)}", source.tables["train"].path,
                      "A classification needs at least two labels in train")
    return labels


def tokenise(source, labels, pieces, dirty, tell):
    """Split -> SplitBuffer, every row checked."""
    spec = source.spec
    buffers = {split: SplitBuffer(pieces, spec.max_tokens) for split in SPLITS}
    read, seen, read_of = READERS[spec.family], set(), collections.Counter()
    text = spec.context if spec.family == "multiple_choice" else spec.text
    for split, table, number, row in source.rows():
        tell(split)
        read_of[split] += 1
        try:
            segments, label = read(spec, table, number, row, split)
            for empty in filter(pieces.sees_nothing, segments):
                raise no_token(empty, table.where(number))
            if source.class_splits is not None:
                source.class_splits.split(label, table, number)
                seen.add(label)
            if spec.family != "multiple_choice":
                label = labels.number(label, table, number, split)
        except Unusable as failure:
            dirty.unusable(failure, split, table, number, column(row, text, table, number))
            continue
        if dirty.keep(segments, label, split, table, number):
            buffers[split].add(segments, label, lambda table=table, number=number: table.where(number))
    if source.class_splits is not None:
        source.class_splits.check_all_seen(seen)
    for buffer in buffers.values():
        buffer.flush()
    for split, table in source.tables.items():
        if not read_of[split]:
            raise Failure(f"{split} has no row", table.path, "Fetch the file again, or take it out of the description")
    dirty.check(spec.name, sum(len(buffer.labels) for buffer in buffers.values()))
    if not buffers["train"].labels:
        raise Failure("train has no row", spec.train or spec.data or spec.folder or spec.hub, "Give at least one row")
    return buffers


def prepare_dataset(spec, root, out, tokenizer_place, description_path):
    """Makes or keeps OUT/NAME.h5; returns (entry of the index, line for the reader)."""
    begun = time.monotonic()
    pieces = word_pieces(tokenizer_place)
    source = Source(spec, root)
    path = pathlib.Path(out) / f"{spec.name}.h5"
    key = hashlib.sha256(f"{PREPARER}\n{spec.identity()}".encode()).hexdigest()
    current = read_current(path)
    if current and current[0].get("description_digest") == key and current[0].get("source_digest") == source.digest \
            and current[0].get("tokenizer_digest") == pieces.digest:
        meta, manifest = current
        return index_entry(meta, manifest), "; ".join([f"{spec.name}: unchanged, kept", *source.notes])
    labels, dirty = make_labels(source), DirtyRows(spec.dirty_rows)
    words = pieces.label_words(labels.names, spec.label_words, f"{description_path}, [datasets.{spec.name}]")
    buffers = tokenise(source, labels, pieces, dirty, progress(spec.name, begun))
    meta = {"name": spec.name, "family": spec.family, "labels": labels.names, "label_words": words,
            "tokenizer_digest": pieces.digest, "max_tokens": spec.max_tokens,
            "truncated": {split: buffer.truncated for split, buffer in buffers.items()}, "source": spec.source,
            "licence": spec.licence, "source_digest": source.digest, "description_digest": key} | dirty.meta()
    left_out = path.with_name(f"{spec.name}.left_out.jsonl")
    dirty.write(left_out)
    manifest = write_store(path, meta, {split: buffer.arrays() for split, buffer in buffers.items()}, spec.shard_rows)
    line = told(meta, manifest, buffers, stored_bytes(path), time.monotonic() - begun)
    notes = [*dirty.notes(left_out), *source.notes, *unspoken(labels.names, spec.label_words, in_table)]
    return index_entry(meta, manifest), "; ".join([line, *notes])


def told(meta, manifest, buffers, stored, seconds):
    rows = " + ".join(str(manifest["rows"][split]) for split in SPLITS)
    kinds = f"{len(meta['labels'])} labels" if meta["labels"] else "choices"
    tokens = sum(len(buffer.tokens) for buffer in buffers.values())
    return (f"{meta['name']}: {meta['family']}, {kinds}, {rows} rows, {tokens} tokens, {sum(meta['truncated'].values())} "
            f"texts cut, {stored / 1e6:.2f} MB, {seconds:.1f} s")


def index_entry(meta, manifest):
    described = {key: meta[key] for key in ("family", "source", "licence")}
    return manifest | described | {"labels": len(meta["labels"])}


def progress(name, begun):
    """Counts rows; speaks on a terminal every two seconds."""
    state = {"rows": 0, "next": begun + PROGRESS_SECONDS}

    def tell(split):
        state["rows"] += 1
        if state["rows"] % 1000 == 0 and sys.stderr.isatty() and time.monotonic() > state["next"]:
            state["next"] = time.monotonic() + PROGRESS_SECONDS
            rate = state["rows"] / (time.monotonic() - begun)
            print(f"{name}: {state['rows']} rows, now {split}, {rate:.0f} rows/s", file=sys.stderr)

    return tell


def choose(description, only):
    names = [spec.name for spec in description.datasets]
    for name in only:
        if name not in names:
            raise Failure(f"no data set '{name}'", description.path, did_you_mean(name, names), USAGE)
    return [spec for spec in description.datasets if not only or spec.name in only]


def prepare(description, out, tokenizer_place, only=(), jobs=1, say=print):
    """Prepares every data set chosen, `jobs` at a time, and writes OUT/index.json over all that are there."""
    chosen = choose(description, only)
    work = [(spec, description.root, out, str(tokenizer_place), description.path) for spec in chosen]
    entries = {}
    wait = functools.partial(print, f"another start is preparing data in {out}: waiting for its end", file=sys.stderr)
    with archive.only_start(out, wait):
        if jobs <= 1 or len(work) == 1:
            collect(chosen, (prepare_dataset(*task) for task in work), entries, say)
        else:
            prepare_at_once(work, jobs, lambda results: collect(chosen, results, entries, say))
        for spec in description.datasets:
            current = None if spec.name in entries else read_current(pathlib.Path(out) / f"{spec.name}.h5")
            if current:
                entries[spec.name] = index_entry(*current)
        index = {"format": "metaloom-index", "version": 1, "datasets": dict(sorted(entries.items()))}
        archive.write_text_file(pathlib.Path(out) / "index.json", json.dumps(index, indent=1) + "\n")
    return entries


def prepare_at_once(work, jobs, collect_all):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    context = multiprocessing.get_context("spawn")  # tokenizers' threads do not survive a fork
    with concurrent.futures.ProcessPoolExecutor(min(jobs, len(work)), context) as pool:
        futures = [pool.submit(prepare_dataset, *task) for task in work]
        try:
            collect_all(future.result() for future in futures)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def collect(chosen, results, entries, say):
    for done, (spec, (entry, line)) in enumerate(zip(chosen, results), 1):
        entries[spec.name] = entry
        say(f"[{done}/{len(chosen)}] {line}")
