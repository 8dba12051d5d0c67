"""Tables of rows, whatever file holds them: JSON Lines, a JSON array, CSV, TSV, each also gzipped, or standard input.

A table yields (number, row as dict) and can say where a row is, so that every complaint names file and line. It reads as
a stream: a file may be of any length.
"""

import collections
import contextlib
import gzip
import hashlib
import io
import os
import pathlib
import sys
import zlib

from tools.data.json_rows import TWICE, json_array, json_lines
from tools.data.separated_rows import read_header, separated_rows
from tools.failure import Failure, did_you_mean, system_errors
from tools.text_files import MARK, decoded, other_encoding, other_lines

KINDS = {".jsonl": ".jsonl", ".ndjson": ".jsonl", ".json": ".jsonl", ".csv": ".csv", ".tsv": ".tsv", ".tab": ".tsv"}
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "ZIP", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
          b"PAR1": "Parquet", b"\xd0\xcf\x11\xe0": "old Excel"}
CURES = {"Parquet": "Name its folder: folder = \"FOLDER\"", "old Excel": "Save it as CSV in UTF-8"}
BLOCK = 1 << 16

# `raw`: the record's bytes as they stand in the file, its line end included; of an array the object on one line.
Record = collections.namedtuple("Record", "number raw row")


class FileTable:
    """Rows of one text file, or of standard input (`-`); `where(number)` counts lines from 1.

    `kind` replaces the file's ending. `header` is None but for CSV and TSV whose records() was called.
    """

    def __init__(self, path, kind=None):
        self.piped = str(path) in ("-", "/dev/stdin")
        self.path = pathlib.Path(path)
        self.header, self.counts = None, "line"
        self.kind = KINDS.get((kind or (".jsonl" if self.piped else kind_of(self.path))).lower())
        if self.kind is None:
            raise Failure(f"cannot read files of kind '{kind or self.path.name}'", self.path,
                          "Give .jsonl, .json, .csv or .tsv, also with .gz (of a spreadsheet: save it as CSV in UTF-8)"
                          "; to adapt and predict, say format=jsonl, csv or tsv where the name does not tell")

    def name(self):
        return "standard input" if self.piped else str(self.path)

    def where(self, number):
        return f"{self.name()}, {self.counts} {number}"

    def place(self, number):
        return self.name(), number

    def class_names(self, column):
        return None

    def __iter__(self):
        return ((record.number, record.row) for record in self.records())

    def records(self):
        """A Record for each row, as a stream; a header is read before this returns."""
        with contextlib.ExitStack() as files, self.damage():
            file = self.opened(files)
            if self.kind == ".jsonl" and file.peek(4).removeprefix(MARK).lstrip().startswith(b"["):
                self.counts, rows = "object", json_array(file, self.where)
            elif self.kind == ".jsonl":
                rows = json_lines(self.lines(file), self.where)
            else:
                lines = self.lines(file)
                self.header = read_header(lines, self.kind, self.where)
                rows = separated_rows(lines, self.header, self.where) if self.header else ()
            return self.stream(files.pop_all(), rows)

    def stream(self, files, rows):
        with files, self.damage():
            for number, raw, row in rows:
                yield Record(number, raw, row)

    @contextlib.contextmanager
    def damage(self):
        """What is wrong with the file as a whole is said as such."""
        try:
            with system_errors(self.name()):
                yield
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Failure("the gzip file is truncated or damaged", self.name(), "Fetch it again") from None

    def opened(self, files):
        """A binary file, unpacked: what it starts with says whether it is packed, not its name."""
        if self.piped and sys.stdin is None:
            raise Failure("standard input is closed", "command line", "Give a file, or rows through a pipe")
        file = sys.stdin.buffer if self.piped else files.enter_context(open(self.path, "rb", BLOCK))
        head = file.peek(4)
        packed = next((name for mark, name in PACKED.items() if head.startswith(mark)), None)
        if packed == "gzip":
            file = files.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=file), BLOCK))
            head = file.peek(4)
        elif packed:
            raise Failure(f"a {packed} file, not text", self.name(),
                          CURES.get(packed, "Unpack it; gzip is the only packing that is read"))
        elif self.path.suffix.lower() == ".gz" and b"\0" in head:
            raise Failure("the gzip file is truncated or damaged", self.name(), "Fetch it again")
        other_encoding(head, self.name())
        other_lines(head, self.name())
        return file

    def lines(self, file):
        """(number, raw, text) of each line, decoded strictly."""
        for number, raw in enumerate(file, 1):
            text = decoded(raw, self.where(number))
            yield number, raw, text.removeprefix("\ufeff") if number == 1 else text


def kind_of(path):
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix


ABSENT = object()


def value_at(row, name):
    """row[name]; a dot reaches into a nested column. ABSENT where there is none, TWICE where there are two."""
    if name in row:
        return row[name]
    value = row
    for part in name.split("."):
        if value is TWICE:
            break
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def column(row, name, table, number):
    """The value there, which must stand there once."""
    value = value_at(row, name)
    if value is ABSENT:
        raise Failure(f"no column '{name}'", table.where(number),
                      f"{did_you_mean(name, sorted(row))}. Name the column in the description" if row
                      else "Name the column in the description")
    return once(value, name, table, number)


def once(value, name, table, number):
    if value is TWICE:
        raise Failure(f"two columns are called '{name}'", table.where(number), "Rename or remove one of them")
    return value


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
