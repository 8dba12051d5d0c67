"""The TOML that says which data sets there are and where their rows lie (docs/data.md, "A description").

One `Description` holds a root folder and `DatasetSpec`s. Unknown keys, wrong types and contradictions are refused here,
before any row is read.
"""

import dataclasses
import json
import pathlib
import re
import tomllib

from tools.failure import USAGE, Failure, did_you_mean, known_list
from tools.text_files import read_text

SPLITS = ("train", "validation", "test")
FAMILIES = ("classification", "multiple_choice", "episodes")
COLUMNS = {
    "classification": {"text", "text_pair", "label"},
    "multiple_choice": {"context", "choices", "answer", "choice_names"},
    "episodes": {"text", "label"},
}
DIRTY_ROWS = ("refuse", "leave out", "allow")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set. Exactly one of these tells where its rows are: files by split, `data`, `hub` or `folder`."""

    name: str
    family: str
    train: str = ""           # a file; with hub or folder: the name of the split there
    validation: str = ""
    test: str = ""
    data: str = ""            # episodes: all rows in one file ...
    splits: str = ""          # ... and the file that says which class is in which split
    hub: str = ""             # a name for datasets.load_dataset
    folder: str = ""          # a folder of save_to_disk, or of parquet, csv or json files
    config: str = ""          # the configuration of a hub data set
    text: str = "text"        # columns; a dot reaches into a nested column
    text_pair: str = ""
    label: str = "label"
    context: str = "context"
    choices: str | tuple = "choices"   # one column holding a list, or one column for each choice
    answer: str = "answer"
    choice_names: str = ""    # a column naming the choices, among which the answer is then looked up
    max_tokens: int = 0
    label_words: dict = dataclasses.field(default_factory=dict)
    shard_rows: int = 0       # a split with more rows is cut into files of so many; 0: tools/data/store.py says how many
    dirty_rows: str = "refuse"   # what becomes of rows that say nothing, or that another split has, too
    source: str = ""
    licence: str = ""
    note: str = ""

    def identity(self):
        """What the store depends on, as text; two equal ones give equal stores from equal rows.

        A set that nothing was said of keeps the text that it had before `dirty_rows` and `shard_rows` were there, and so
        its store.
        """
        fields = dataclasses.asdict(self)
        for key, said_nothing in (("dirty_rows", "refuse"), ("shard_rows", 0)):
            if fields[key] == said_nothing:
                del fields[key]
        return json.dumps(fields, sort_keys=True)


@dataclasses.dataclass(frozen=True)
class Description:
    path: str
    root: pathlib.Path
    datasets: tuple


def refuse(what, where, cure):
    raise Failure(what, where, cure, USAGE)


def read_description(path, root=None):
    """Parses the file `path`; `root` replaces its own root folder."""
    path = pathlib.Path(path)
    try:
        table = tomllib.loads(read_text(path, USAGE))
    except tomllib.TOMLDecodeError as error:
        refuse(f"not TOML: {error}", path, "Repair the line it names")
    known = ("root", "max_tokens", "shard_rows", "dirty_rows", "datasets")
    for key in table:
        if key not in known:
            refuse(f"unknown key '{key}'", path, did_you_mean(key, known))
    max_tokens = table.get("max_tokens", 128)
    check_max_tokens(max_tokens, f"{path}, max_tokens")
    if not isinstance(table.get("root", ""), str):
        refuse("root is not a text", path, 'Write root = "FOLDER", relative to this file')
    if not isinstance(table.get("datasets"), dict) or not table["datasets"]:
        refuse("no data set", path, "Add a table [datasets.NAME]")
    common = {key: table[key] for key in ("dirty_rows", "shard_rows") if key in table} | {"max_tokens": max_tokens}
    datasets = tuple(read_dataset(name, entry, common, path) for name, entry in table["datasets"].items())
    own_root = path.parent / table.get("root", "")
    return Description(str(path), pathlib.Path(root) if root else own_root, datasets)


def check_max_tokens(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        refuse(f"max_tokens is {value!r}", where, "Give a whole number from 1 to 100000, such as 128")


def check_shard_rows(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        refuse(f"shard_rows is {value!r}", where, "Give a whole number of rows, such as 1000000")


def read_dataset(name, entry, common, path):
    """One set; `common` are keys that stand above all sets, which a set's own replace."""
    where = f"{path}, [datasets.{name}]"
    if not NAME.fullmatch(name) or name == "index":
        refuse(f"'{name}' cannot name a file", where, "Use letters, digits, '_', '-' and '.'; not 'index'")
    if not isinstance(entry, dict):
        refuse("not a table", where, f"Write [datasets.{name}]")
    known = [field.name for field in dataclasses.fields(DatasetSpec) if field.name != "name"]
    for key, value in entry.items():
        if key not in known:
            refuse(f"unknown key '{key}'", where, did_you_mean(key, known))
        check_type(key, value, where)
    if entry.get("family") not in FAMILIES:
        refuse(f"family is {entry.get('family')!r}", where, did_you_mean(entry.get("family", ""), FAMILIES))
    entry = common | entry
    check_max_tokens(entry["max_tokens"], where)
    if "shard_rows" in entry:
        check_shard_rows(entry["shard_rows"], where)
    if isinstance(entry.get("choices"), list):
        entry["choices"] = tuple(entry["choices"])
    foreign = set().union(*COLUMNS.values()) - COLUMNS[entry["family"]]
    for key in entry:
        if key in foreign:
            refuse(f"'{key}' has no meaning for family {entry['family']}", where,
                   f"Its columns are {known_list(sorted(COLUMNS[entry['family']]))}")
    if entry.get("dirty_rows", "refuse") not in DIRTY_ROWS:
        refuse(f"dirty_rows is {entry['dirty_rows']!r}", where, did_you_mean(str(entry["dirty_rows"]), DIRTY_ROWS))
    if "label_words" in entry and entry["family"] == "multiple_choice":
        refuse("label_words has no meaning for family multiple_choice", where, "Remove it")
    check_places(entry, where)
    return DatasetSpec(name=name, **entry)


def check_type(key, value, where):
    if key in ("max_tokens", "shard_rows"):
        return
    if key == "label_words":
        if not isinstance(value, dict) or not all(isinstance(word, str) and word.strip() for word in value.values()):
            refuse("label_words is not a table of texts", where, 'Write label_words = { LABEL = "its words" }')
    elif key == "choices" and isinstance(value, list):
        if len(value) < 2 or not all(isinstance(column, str) and column for column in value):
            refuse("choices is not a list of at least two columns", where, 'Write choices = ["ending0", "ending1"]')
    elif not isinstance(value, str) or not (value or key in ("source", "licence", "note")):
        refuse(f"{key} is {value!r}, not a text", where, f'Write {key} = "..."')


def check_places(entry, where):
    """One way to say where the rows are, complete and without contradiction."""
    ways = [way for way in ("hub", "folder", "data") if way in entry]
    files = [split for split in SPLITS if split in entry]
    if not ways and not files:
        refuse("no rows: none of train, data, hub, folder is given", where, 'Write train = "FILE.jsonl"')
    if len(ways) > 1:
        refuse(f"both {ways[0]} and {ways[1]} are given", where, "Give one of them")
    if "config" in entry and "hub" not in entry:
        refuse("config without hub", where, "Give hub, or remove config")
    by_class = "data" in entry or "splits" in entry
    if by_class and entry["family"] != "episodes":
        refuse("data and splits are for episodes", where, "Give train, validation and test")
    if "data" in entry and ("splits" not in entry or files):
        refuse("data goes with splits, and without train, validation, test", where, 'Write splits = "FILE.json"')
    if not ways and "train" not in entry:
        refuse("no train split", where, 'Write train = "FILE.jsonl"')
    if "splits" in entry and not ways:
        refuse("splits without data", where, 'Write data = "FILE.jsonl"')
