"""Description -> token stores. A store whose rows, tokenizer and description have not changed is left as it is."""

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
from tools.data.families import READERS, ClassSplits, Labels, label_name
from tools.data.hub import hub_table, load_hub
from tools.data.rows import FileTable, column, digest_files
from tools.data.store import read_current, write_store
from tools.data.tokens import SplitBuffer, WordPieces
from tools.failure import USAGE, Failure, did_you_mean
from tools.text_files import read_json_file

PREPARER = 1  # goes up whenever equal rows would give another store
PROGRESS_SECONDS = 2.0


@functools.cache
def word_pieces(place):
    """One tokenizer for all data sets of this process."""
    return WordPieces(place)


class Source:
    """Where the rows of one data set come from: its tables by split, and a digest of their bytes."""

    def __init__(self, spec, root):
        self.spec, self.root, self.tables, self.everything, self.class_splits = spec, root, {}, None, None
        if spec.hub or spec.folder:
            self.open_hub()
        else:
            self.open_files()

    def open_files(self):
        spec = self.spec
        if spec.data:
            paths = [self.root / spec.data, self.root / spec.splits]
            self.everything = FileTable(paths[0])
        else:
            given = {split: getattr(spec, split) for split in SPLITS if getattr(spec, split)}
            self.tables = {split: FileTable(self.root / file) for split, file in given.items()}
            paths = [table.path for table in self.tables.values()]
        self.digest = digest_files(paths)
        self.read_splits()

    def open_hub(self):
        spec = self.spec
        folder = self.root / spec.folder if spec.folder else None
        loaded = load_hub(spec.hub, folder, spec.config)
        name = str(folder or f"hub data set {spec.hub}")
        if spec.splits:
            self.everything = hub_table(loaded, name, "train", "")
            splits = self.root / spec.splits
            self.digest = digest_files([folder, splits] if folder else [splits])
        else:
            found = {split: hub_table(loaded, name, split, getattr(spec, split)) for split in SPLITS}
            self.tables = {split: table for split, table in found.items() if table is not None}
            self.digest = digest_files([folder]) if folder else ""
        if not folder:
            prints = [f"{split} {dataset._fingerprint}" for split, dataset in sorted(loaded.items())]
            self.digest = hashlib.sha256("\n".join([self.digest, *prints]).encode()).hexdigest()
        self.read_splits()

    def read_splits(self):
        """The classes of each split, of an episodes set: from its file, or from the rows of the splits' own tables."""
        if self.spec.splits:
            path = self.root / self.spec.splits
            by_split = read_json_file(path)
            if not isinstance(by_split, dict) or set(by_split) - set(SPLITS) or "train" not in by_split \
                    or not all(isinstance(names, list) and all(isinstance(name, str) for name in names)
                               for names in by_split.values()):
                raise Failure("not an object of class lists by split", path,
                              'Write {"train": ["class", ...], "validation": [...], "test": [...]}')
            self.class_splits = ClassSplits({split: by_split.get(split, []) for split in SPLITS}, path)
        elif self.spec.family == "episodes":
            by_split = {split: sorted(label_names(self.spec, table)) for split, table in self.tables.items()}
            self.class_splits = ClassSplits(by_split, self.tables["train"].path)

    def rows(self):
        """(split or None, table, number, row) of every row."""
        if self.everything is not None:
            yield from ((None, self.everything, number, row) for number, row in self.everything)
        for split, table in self.tables.items():
            yield from ((split, table, number, row) for number, row in table)


def label_names(spec, table):
    names = table.class_names(spec.label)
    return {label_name(column(row, spec.label, table, number), table, number, names) for number, row in table}


def make_labels(source):
    if source.spec.family == "multiple_choice":
        return Labels([])
    if source.class_splits is not None:
        return Labels(source.class_splits.split_of)
    labels = Labels.sorted(label_names(source.spec, source.tables["train"]))
    if len(labels.names) < 2:
        raise Failure(f"labels in train: {len(labels.names)}", source.tables["train"].path,
                      "A classification needs at least two labels in train")
    return labels


class TwinCheck:
    """No text of an episodes set may be in two of its splits: a test text seen in training is no test."""

    def __init__(self):
        self.first = {}

    def see(self, digest, split, where):
        first_split, first_where = self.first.setdefault(digest, (split, where))
        if first_split != split:
            raise Failure(f"a text of {split} is also in {first_split}, at {first_where()}", where(),
                          "Remove one of the two")


def tokenise(source, labels, pieces, tell):
    """Split -> SplitBuffer, every row checked."""
    spec = source.spec
    buffers = {split: SplitBuffer(pieces, spec.max_tokens) for split in SPLITS}
    read, twins, seen = READERS[spec.family], TwinCheck(), set()
    answer_column = spec.answer if spec.family == "multiple_choice" else spec.label
    for split, table, number, row in source.rows():
        segments, label = read(spec, table, number, row, table.class_names(answer_column))
        where = (lambda table=table, number=number: table.where(number))
        if source.class_splits is not None:
            seen.add(label)
            split = source.class_splits.split(label, table, number)
        if spec.family != "multiple_choice":
            label = labels.number(label, table, number, split)
        buffers[split].add(segments, label, where)
        if spec.family == "episodes":
            twins.see(buffers[split].digests[-1], split, where)
        tell(split)
    if source.class_splits is not None:
        source.class_splits.check_all_seen(seen)
    for buffer in buffers.values():
        buffer.flush()
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
        return index_entry(meta, manifest), f"{spec.name}: unchanged, kept"
    labels = make_labels(source)
    words = pieces.label_words(labels.names, spec.label_words, f"{description_path}, [datasets.{spec.name}]")
    buffers = tokenise(source, labels, pieces, progress(spec.name, begun))
    meta = {"name": spec.name, "family": spec.family, "labels": labels.names, "label_words": words,
            "tokenizer_digest": pieces.digest, "max_tokens": spec.max_tokens,
            "truncated": {split: buffer.truncated for split, buffer in buffers.items()}, "source": spec.source,
            "licence": spec.licence, "source_digest": source.digest, "description_digest": key}
    manifest = write_store(path, meta, {split: buffer.arrays() for split, buffer in buffers.items()})
    rows = " + ".join(str(manifest["rows"][split]) for split in SPLITS)
    kinds = f"{len(labels.names)} labels" if labels.names else "choices"
    tokens = sum(len(buffer.tokens) for buffer in buffers.values())
    line = (f"{spec.name}: {spec.family}, {kinds}, {rows} rows, {tokens} tokens, {sum(meta['truncated'].values())} "
            f"texts cut, {manifest['bytes'] / 1e6:.2f} MB, {time.monotonic() - begun:.1f} s")
    return index_entry(meta, manifest), line


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
    if jobs <= 1 or len(work) == 1:
        results = (prepare_dataset(*task) for task in work)
        collect(chosen, results, entries, say)
    else:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        context = multiprocessing.get_context("spawn")  # tokenizers' threads do not survive a fork
        with concurrent.futures.ProcessPoolExecutor(min(jobs, len(work)), context) as pool:
            futures = [pool.submit(prepare_dataset, *task) for task in work]
            try:
                collect(chosen, (future.result() for future in futures), entries, say)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    for spec in description.datasets:
        current = None if spec.name in entries else read_current(pathlib.Path(out) / f"{spec.name}.h5")
        if current:
            entries[spec.name] = index_entry(*current)
    index = {"format": "metaloom-index", "version": 1, "datasets": dict(sorted(entries.items()))}
    archive.write_text_file(pathlib.Path(out) / "index.json", json.dumps(index, indent=1) + "\n")
    return entries


def collect(chosen, results, entries, say):
    for done, (spec, (entry, line)) in enumerate(zip(chosen, results), 1):
        entries[spec.name] = entry
        say(f"[{done}/{len(chosen)}] {line}")
