"""Rows out of CSV and TSV, as spreadsheets and pandas write them.

The header tells the separator: that of the file's kind, else the one that it has (a semicolon in half of Europe). With
commas, semicolons and bars, fields may be quoted; in a .tsv with tabs a tab ends a field and a quote is a letter.
"""

import csv
import itertools
import re
import sys

from tools.data.json_rows import TWICE
from tools.failure import Failure
from tools.text_files import BLANKS, INVISIBLE, is_blank

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|"}
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
EXCEL = re.compile(r'"?sep=(.)"?\s*')  # a line of Excel's, before the header

UNCLOSED, CARRIAGE_RETURN = "unexpected end of data", "new-line character"  # words of csv.Error


class Header:
    """The first record: `raw` bytes, column `names` in their order, and how fields are separated and quoted."""

    def __init__(self, raw, fields, kind, separator):
        self.raw, self.kind, self.separator = raw, kind, separator
        self.names = [name.strip(BLANKS) for name in fields]

    def options(self):
        return options(self.kind, self.separator)

    def quoted(self):
        """Whether a field may stand in quotes."""
        return self.options()["quoting"] != csv.QUOTE_NONE

    def row(self, fields):
        row = dict(zip(self.names, fields))
        if len(row) != len(self.names):
            row |= {name: TWICE for name in self.names if self.names.count(name) > 1}
        return row


def options(kind, separator):
    letters = kind == ".tsv" and separator == "\t"
    return {"delimiter": separator, "quoting": csv.QUOTE_NONE if letters else csv.QUOTE_MINIMAL, "strict": True}


class Lines:
    """What csv.reader pulls, one line at a time: keeps the bytes of the record it is at, and where that began."""

    def __init__(self, lines):
        self.lines, self.raw, self.begun, self.last = lines, [], 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.last, raw, text = next(self.lines)
        if not self.raw:
            self.begun, text = self.last, text.lstrip(INVISIBLE)  # the mark of a file that was appended to another
        self.raw.append(raw)
        return text

    def take(self):
        raw, self.raw = b"".join(self.raw), []
        return raw


def read_header(lines, kind, where):
    """The Header of the file, or None if it has no line; `lines` then stand at the first row."""
    csv.field_size_limit(sys.maxsize)
    before, separator = [], None
    for number, line, text in lines:
        said = EXCEL.fullmatch(text.strip(INVISIBLE))
        if said:
            separator = said[1]
        elif not is_blank(text):
            pulled = Lines(itertools.chain([(number, line, text)], lines))
            separator = choose_separator(text, separator or SEPARATORS[kind], kind)
            try:
                fields = next(csv.reader(pulled, **options(kind, separator)))  # of several lines, if quotes say so
            except csv.Error as error:
                if pulled.last != number or UNCLOSED in str(error):
                    raise bad_record(error, kind, where(number)) from None
                fields = text.split(separator)  # a stray quote
            return Header(b"".join(before) + pulled.take(), fields, kind, separator)
        before.append(line)
    return None


def choose_separator(text, candidates, kind):
    """The first that makes several fields of the header's first line."""
    def width(mark):
        try:
            return len(next(csv.reader([text], **options(kind, mark)), []))
        except csv.Error:  # the header goes on in a second line, or has a stray quote
            return len(text.split(mark))

    return next((mark for mark in candidates if width(mark) > 1), candidates[0])


def separated_rows(lines, header, where):
    """(number, raw, row) of each record that is not blank. `lines`: (number, raw, text), after the header."""
    pulled = Lines(lines)
    reader = csv.reader(pulled, **header.options())
    width = len(header.names)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise bad_record(error, header.kind, where(pulled.begun)) from None
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


def bad_record(error, kind, where):
    what, cure = str(error), "Check the quotes of this record: a quote within a quoted field is written twice"
    if CARRIAGE_RETURN in what:
        what, cure = "a carriage return within a field", "Quote the field, or remove the CR"
    elif UNCLOSED in what:
        cure = "The quote that opens in this record is never closed; close it, or write it twice if it is a letter"
    return Failure(f"bad {kind[1:].upper()}: {what}", where, cure)
