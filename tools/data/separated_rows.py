"""Rows out of CSV and TSV, as spreadsheets and pandas write them.

The header tells the separator: that of the file's kind, else the one that it has (a semicolon in half of Europe). With
commas, semicolons and bars, fields may be quoted; in a .tsv with tabs a tab ends a field and a quote is a letter.
"""

import csv
import re
import sys

from tools.data.json_rows import TWICE
from tools.failure import Failure
from tools.text_files import BLANKS, INVISIBLE, is_blank

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|"}
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
EXCEL = re.compile(r'"?sep=(.)"?\s*')  # a line of Excel's, before the header


class Header:
    """The first record: `raw` bytes, column `names` in their order, and how fields are separated and quoted."""

    def __init__(self, raw, text, kind, separator=None):
        self.raw, self.kind = raw, kind
        candidates = separator or SEPARATORS[kind]
        self.separator = next((mark for mark in candidates if len(self.fields(text, mark)) > 1), candidates[0])
        self.names = [name.strip(BLANKS) for name in self.fields(text, self.separator)]

    def options(self, separator=None):
        separator = separator or self.separator
        letters = self.kind == ".tsv" and separator == "\t"
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE if letters else csv.QUOTE_MINIMAL, "strict": True}

    def fields(self, text, separator):
        try:
            return next(csv.reader(text.splitlines(keepends=True), **self.options(separator)), [])
        except csv.Error:  # the header goes on in a second line, or has a stray quote
            return text.split(separator)

    def row(self, fields):
        row = dict(zip(self.names, fields))
        if len(row) != len(self.names):
            row |= {name: TWICE for name in self.names if self.names.count(name) > 1}
        return row


class Lines:
    """What csv.reader pulls, one line at a time: keeps the bytes of the record it is at, and where that began."""

    def __init__(self, lines):
        self.lines, self.raw, self.begun, self.last = lines, b"", 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.last, raw, text = next(self.lines)
        if not self.raw:
            self.begun, text = self.last, text.lstrip(INVISIBLE)  # the mark of a file that was appended to another
        self.raw += raw
        return text

    def take(self):
        raw, self.raw = self.raw, b""
        return raw


def read_header(lines, kind):
    """The Header of the file, or None if it has no line; `lines` then stand at the first row."""
    raw, separator = b"", None
    for _, line, text in lines:
        raw += line
        said = EXCEL.fullmatch(text.strip(INVISIBLE))
        if said:
            separator = said[1]
        elif not is_blank(text):
            header = Header(raw, text, kind, separator)
            while text.count('"') % 2 and header.options()["quoting"] != csv.QUOTE_NONE:  # a name with a line break
                _, line, rest = next(lines, (0, b"", '"'))
                raw, text = raw + line, text + rest
                header = Header(raw, text, kind, header.separator)
            return header
    return None


def separated_rows(lines, header, where):
    """(number, raw, row) of each record that is not blank. `lines`: (number, raw, text), after the header."""
    csv.field_size_limit(sys.maxsize)
    pulled = Lines(lines)
    reader = csv.reader(pulled, **header.options())
    width = len(header.names)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            number = pulled.begun
            raise Failure(f"bad {header.kind[1:].upper()}: {error}", where(number), cure_of(error, header)) from None
        if fields is None:
            return
        raw, number = pulled.take(), pulled.begun
        if all(is_blank(field) for field in fields):
            continue
        if any(not is_blank(field) for field in fields[width:]) or len(fields) < width:
            raise Failure(f"{len(fields)} fields, the header has {width}", where(number),
                          f"Quote fields that hold the separator, here a {NAMES.get(header.separator, 'mark')}, or a line "
                          "break (CSV), or use JSON Lines")
        yield number, raw, header.row(fields)


def cure_of(error, header):
    if "new-line character" in str(error):
        return r"Lines end with CR only, as on old Macs; convert the file: tr '\r' '\n' <FILE >NEW"
    if "unexpected end of data" in str(error):
        return "The quote that opens in this record is never closed; close it, or write it twice if it is a letter"
    return "Check the quotes of this record: a quote within a quoted field is written twice"
