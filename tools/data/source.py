"""Where the rows of one data set come from: files, a hub name or a folder; and which splits there are."""

import hashlib

from tools.data.description import SPLITS
from tools.data.families import ClassSplits, Unusable, label_of
from tools.data.hub import ALIASES, choose_tables, load_hub, usual_split
from tools.data.rows import FileTable, digest_files
from tools.failure import Failure, known_list, system_errors
from tools.text_files import read_json_file

WRITE = 'Write {"train": ["class", ...], "validation": [...], "test": [...]}'


class Source:
    """The tables of one data set by split, a digest of their bytes, and notes on what was left aside."""

    def __init__(self, spec, root):
        self.spec, self.root, self.tables, self.everything, self.class_splits = spec, root, {}, None, None
        self.notes = []
        if spec.hub or spec.folder:
            self.open_hub()
        else:
            self.open_files()
        self.read_splits()

    def open_files(self):
        spec = self.spec
        if spec.data:
            paths = [self.root / spec.data, self.root / spec.splits]
            self.everything = FileTable(paths[0])
        else:
            given = {split: getattr(spec, split) for split in SPLITS if getattr(spec, split)}
            self.tables = {split: FileTable(self.root / file) for split, file in given.items()}
            paths = [table.path for table in self.tables.values()]
            self.note_neighbours(given)
        self.digest = digest_files(paths)

    def note_neighbours(self, given):
        """A dev.jsonl beside train.jsonl that nobody named would never be scored, in silence."""
        train = self.tables["train"].path
        endings = "".join(train.suffixes).lower()
        with system_errors(train.parent):
            beside = sorted(train.parent.iterdir()) if train.parent.is_dir() else []
            read = {table.path.resolve() for table in self.tables.values()}
        beside = [path for path in beside if "".join(path.suffixes).lower() == endings and path.resolve() not in read]
        for split in SPLITS[1:]:
            places = [path for path in beside if path.name[:len(path.name) - len(endings)].lower() in ALIASES[split]]
            if split not in given and places:
                place = places[0].relative_to(self.root) if places[0].is_relative_to(self.root) else places[0]
                self.notes.append(f'{place.name} is not read (to read it: {split} = "{place}")')

    def open_hub(self):
        spec = self.spec
        folder = self.root / spec.folder if spec.folder else None
        loaded, prints = load_hub(spec.hub, folder, spec.config)
        where = str(folder or f"hub data set {spec.hub}")
        if spec.splits:
            tables, aside = choose_tables(loaded, where, {"train": spec.train})
            self.everything = tables["train"]
            splits = self.root / spec.splits
            self.digest = digest_files([folder, splits] if folder else [splits])
        else:
            self.tables, aside = choose_tables(loaded, where, {split: getattr(spec, split) for split in SPLITS})
            self.digest = digest_files([folder]) if folder else ""
        if aside:
            self.notes.append(f"splits that are not read: {known_list(aside)} "
                              f'(to read one: {"train" if spec.splits else "validation"} = "{aside[0]}")')
        if not folder:
            self.digest = hashlib.sha256("\n".join([self.digest, *prints]).encode()).hexdigest()

    def read_splits(self):
        """The classes of each split, of an episodes set: from its file, or from the rows of the splits' own tables."""
        if self.spec.splits:
            path = self.root / self.spec.splits
            by_split = read_json_file(path, WRITE)
            named = {usual_split(name): classes for name, classes in by_split.items()} if isinstance(by_split, dict) else {}
            if "train" not in named or set(named) - set(SPLITS) or len(named) < len(by_split) or not all(
                    isinstance(names, list) and all(isinstance(name, str) for name in names) for names in named.values()):
                raise Failure("not an object of class lists by split", path, WRITE)
            self.class_splits = ClassSplits({split: named.get(split, []) for split in SPLITS}, path)
        elif self.spec.family == "episodes":
            by_split = {split: sorted(label_names(self.spec, table, split)) for split, table in self.tables.items()}
            self.class_splits = ClassSplits(by_split, self.tables["train"].path)

    def rows(self):
        """(split, table, number, row) of every row: train before validation before test."""
        if self.everything is not None:
            later = {split: [] for split in SPLITS[1:]}  # held back, so that the file is read once
            for number, row in self.everything:
                split = self.split_of(number, row)
                if split == "train":
                    yield split, self.everything, number, row
                else:
                    later[split].append((number, row))
            for split, rows in later.items():
                yield from ((split, self.everything, number, row) for number, row in rows)
        for split, table in self.tables.items():
            yield from ((split, table, number, row) for number, row in table)

    def split_of(self, number, row):
        """The split that has the row's class; a row without one is told of where train is read."""
        try:
            return self.class_splits.split(label_of(self.spec, self.everything, number, row, "train"), self.everything,
                                           number)
        except Unusable:
            return "train"


def label_names(spec, table, split):
    """The labels that a table has; rows without one are told of when the rows themselves are read."""
    names = set()
    for number, row in table:
        try:
            names.add(label_of(spec, table, number, row, split))
        except Unusable:
            pass
    return names
