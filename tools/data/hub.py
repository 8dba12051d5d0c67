"""Tables of rows from Hugging Face `datasets`: a name on the hub, or a local folder."""

import os
import pathlib

from tools.data.rows import KINDS, FileTable, kind_of
from tools.failure import Failure, known_list, system_errors

ALIASES = {"train": ("train", "training"), "validation": ("validation", "valid", "val", "dev", "development"),
           "test": ("test", "testing")}
TEXT_BUILDERS = ("csv", "json")


class HubTable:
    """Rows of one split of a Hugging Face data set; rows are counted from 1."""

    def __init__(self, dataset, name, split):
        self.dataset, self.path = dataset, f"{name}, split {split}"

    def where(self, number):
        return f"{self.path}, row {number}"

    def place(self, number):
        return self.path, number

    def class_names(self, column):
        """The names behind a column of class numbers, or None."""
        return names_of(self.dataset.features, column)

    def __iter__(self):
        yield from enumerate(self.dataset, 1)


class FolderTable:
    """Rows of one split of a folder of text files, which our own reader reads, as it does files that are named.

    `datasets` would type the columns anew (01 becomes 1) and take cells that say NA or null for missing ones. A row's
    number is (file, line).
    """

    def __init__(self, paths, features):
        self.tables, self.features = [FileTable(path) for path in paths], features
        self.path = paths[0]

    def where(self, number):
        return self.tables[number[0]].where(number[1])

    def place(self, number):
        return self.tables[number[0]].place(number[1])

    def class_names(self, column):
        return names_of(self.features, column)

    def __iter__(self):
        for file, table in enumerate(self.tables):
            yield from (((file, number), row) for number, row in table)


def names_of(features, column):
    return getattr((features or {}).get(column), "names", None)


def load_hub(name, folder, config):
    """Split -> table, behind a hub name or a local folder; and split -> what tells of its rows, or of nothing."""
    import datasets

    datasets.disable_progress_bars()
    where = str(folder or f"hub data set {name}")
    loaded = load_folder(folder) if folder else load_name(name, config)
    if not isinstance(loaded, dict):
        loaded = {"train": loaded}
    prints = [] if folder else [f"{split} {dataset._fingerprint}" for split, dataset in sorted(loaded.items())]
    return {split: HubTable(found, where, split) if isinstance(found, datasets.Dataset) else found
            for split, found in loaded.items()}, prints


def load_name(name, config):
    import datasets

    try:
        loaded = datasets.load_dataset(name, config or None)
        part = next(iter(loaded.values())) if isinstance(loaded, dict) else loaded
        if part.info.builder_name == "csv":  # every cell is a text, as in a file of ours
            texts = datasets.Features({column: feature if hasattr(feature, "names") else datasets.Value("string")
                                       for column, feature in part.features.items()})
            loaded = datasets.load_dataset(name, config or None, features=texts, keep_default_na=False)
        return loaded
    except Exception as error:  # the library raises its own, the network's and the file system's
        raise Failure(f"datasets.load_dataset failed: {type(error).__name__}: {error}", f"hub data set {name}",
                      "Check name, configuration and network, or give folder = with a local copy") from None


def load_folder(folder):
    import datasets

    with system_errors(folder):
        content = os.listdir(folder)
    try:
        if "dataset_dict.json" in content or "state.json" in content:
            return datasets.load_from_disk(str(folder))
        builder = datasets.load_dataset_builder(str(folder))
        splits = {str(split): [pathlib.Path(path) for path in paths]
                  for split, paths in (builder.config.data_files or {}).items()}
        ours = all(kind_of(path).lower() in KINDS for paths in splits.values() for path in paths)
        if builder.name not in TEXT_BUILDERS or not ours:  # packed in a way that the library alone unpacks
            return datasets.load_dataset(str(folder))
    except Exception as error:
        raise Failure(f"not a folder of the datasets library: {type(error).__name__}: {error}", folder,
                      "Give a folder of save_to_disk, or of parquet, csv or json files") from None
    return {split: FolderTable(paths, builder.info.features) for split, paths in splits.items()}


def usual_split(name):
    """Our name of a split that is called as people call it: dev is validation. Other names stay."""
    return next((split for split, names in ALIASES.items() if name.lower() in names), name)


def choose_tables(loaded, where, given):
    """(our split -> table, names of the splits that are left aside); `given`: our split -> its name there, or ''.

    A split that was not named is found under its usual names; two that could be meant are for the reader to choose.
    """
    tables, taken = {}, set()
    for split, named in given.items():
        usual = [name for name in loaded if usual_split(name) == split]
        found = named if named else split if split in loaded else usual[0] if len(usual) == 1 else ""
        if not found and len(usual) > 1:
            raise Failure(f"several splits may be {split}: {known_list(usual)}", where,
                          f'Name one in the description: {split} = "{usual[0]}"')
        if found in loaded:
            tables[split] = loaded[found]
            taken.add(found)
        elif named or split == "train":
            raise Failure(f"no split '{named or split}'", where, f"There is: {known_list(sorted(loaded))}. Name it in "
                          f'the description: {split} = "..."')
    return tables, [name for name in loaded if name not in taken]
