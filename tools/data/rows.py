"""Tables of rows, whatever holds them: JSON Lines, CSV, TSV (each also gzipped), Hugging Face `datasets`.

A table yields (number, row as dict) and can say where a row is, so that every complaint names file and line.
"""

import csv
import gzip
import hashlib
import json
import os
import pathlib
import sys
import zlib

from tools.failure import Failure, did_you_mean, known_list, system_errors

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


class FileTable:
    """Rows of one text file; `where(number)` counts lines from 1."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        plain = self.path.with_suffix("") if self.path.suffix == ".gz" else self.path
        self.kind = plain.suffix
        if self.kind not in SUFFIXES:
            raise Failure(f"cannot read files of kind '{self.path.name}'", self.path,
                          f"Give {', '.join(SUFFIXES)}, also with .gz")

    def where(self, number):
        return f"{self.path}, line {number}"

    def class_names(self, column):
        return None

    def __iter__(self):
        rows = self.json_rows() if self.kind in (".jsonl", ".json") else self.separated_rows()
        try:
            with system_errors(self.path):
                yield from rows
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Failure("the gzip file is truncated or damaged", self.path, "Fetch it again") from None

    def lines(self):
        """(number, text) of each line, decoded strictly."""
        with system_errors(self.path):
            opened = gzip.open(self.path, "rb") if self.path.suffix == ".gz" else open(self.path, "rb")
        with opened as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise Failure(f"not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1}",
                                  self.where(number), "Convert the file: iconv -f latin1 -t utf-8") from None
                yield number, text.removeprefix("\ufeff") if number == 1 else text

    def json_rows(self):
        for number, line in self.lines():
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise Failure(f"not JSON: {error}", self.where(number), "Each line must be one JSON object") from None
            if not isinstance(row, dict):
                raise Failure(f"a JSON {type(row).__name__}, not an object", self.where(number),
                              'Write {"text": "...", "label": "..."}')
            yield number, row

    def separated_rows(self):
        """CSV with quotes; TSV without: there a tab ends a field and a quote is a letter."""
        csv.field_size_limit(sys.maxsize)
        options = {"delimiter": ","} if self.kind == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
        reader = csv.reader((line for _, line in self.lines()), strict=True, **options)
        header = None
        try:
            for fields in reader:
                if not fields:
                    continue
                if header is None:
                    header = [name.strip() for name in fields]
                    continue
                if len(fields) != len(header):
                    raise Failure(f"{len(fields)} fields, the header has {len(header)}", self.where(reader.line_num),
                                  "Quote fields that hold the separator or a line break (CSV), or use JSON Lines")
                yield reader.line_num, dict(zip(header, fields))
        except csv.Error as error:
            raise Failure(f"bad {self.kind[1:].upper()}: {error}", self.where(reader.line_num),
                          "Check the quotes of this line") from None


class HubTable:
    """Rows of one split of a Hugging Face data set; rows are counted from 1."""

    def __init__(self, dataset, name, split):
        self.dataset, self.path = dataset, f"{name}, split {split}"

    def where(self, number):
        return f"{self.path}, row {number}"

    def class_names(self, column):
        """The names behind a column of class numbers, or None."""
        feature = self.dataset.features.get(column)
        return getattr(feature, "names", None)

    def __iter__(self):
        yield from enumerate(self.dataset, 1)


def column(row, name, table, number):
    """row[name]; a dot reaches into a nested column."""
    if name in row:
        return row[name]
    value = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise Failure(f"no column '{name}'", table.where(number),
                          f"{did_you_mean(name, sorted(row))}. Name the column in the description" if row
                          else "Name the column in the description")
        value = value[part]
    return value


def load_hub(name, folder, config):
    """The DatasetDict behind a hub name or a local folder."""
    import datasets

    datasets.disable_progress_bars()
    if not folder:
        try:
            return datasets.load_dataset(name, config or None)
        except Exception as error:  # the library raises its own, the network's and the file system's
            raise Failure(f"datasets.load_dataset failed: {type(error).__name__}: {error}", f"hub data set {name}",
                          "Check name, configuration and network, or give folder = with a local copy") from None
    with system_errors(folder):
        content = os.listdir(folder)
    try:
        if "dataset_dict.json" in content or "state.json" in content:
            loaded = datasets.load_from_disk(str(folder))
        else:
            loaded = datasets.load_dataset(str(folder))
    except Exception as error:
        raise Failure(f"not a folder of the datasets library: {type(error).__name__}: {error}", folder,
                      "Give a folder of save_to_disk, or of parquet, csv or json files") from None
    return loaded if isinstance(loaded, dict) else {"train": loaded}


def hub_table(loaded, name, split, given):
    """The table of `split`, whose name there is `given` or the same; None where it is absent and was not asked for."""
    wanted = given or split
    if wanted in loaded:
        return HubTable(loaded[wanted], name, wanted)
    if given or split == "train":
        raise Failure(f"no split '{wanted}'", name, f"There is: {known_list(sorted(loaded))}")
    return None


def digest_files(paths):
    """SHA-256 over names and bytes of files, and of all files below folders."""
    total = hashlib.sha256()
    for path in paths:
        path = pathlib.Path(path)
        files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
        for file in files:
            with system_errors(file), open(file, "rb") as opened:
                name = file.relative_to(path) if path.is_dir() else file.name
                total.update(f"{name}\0{os.fstat(opened.fileno()).st_size}\0".encode())
                while block := opened.read(1 << 20):
                    total.update(block)
    return total.hexdigest()
