"""Where what `predict` adds goes within the bytes of a record, of which all others stay as they are.

A record becomes parts: bytes as they are, and places for the label and for its probability. A column that is called like one
of the two has its value replaced, where it stands; others are added at the end of the record.
"""

import json.decoder
import sys

from tools.data.json_rows import DECODER
from tools.text_files import INVISIBLE

BYTES, LABEL, PROBABILITY = range(3)
ADDED = {"predicted": LABEL, "probability": PROBABILITY}
JSON_SPACE = " \t\r\n"


def layout_of(table):
    return SeparatedLayout(table) if table.header else JsonLayout(table)


class Layout:
    def __init__(self, table):
        self.table, self.said = table, set()

    def say_replaced(self, name, number):
        if name not in self.said:
            self.said.add(name)
            print(f"metaloom: '{name}' is a column already: its values are replaced ({self.table.where(number)})",
                  file=sys.stderr)

    def heading(self):
        return b""


def cut(text, spans):
    """`text` as parts, `spans`: (begin, end, kind of what takes their place, text before it) in order."""
    parts, done = [], 0
    for begin, end, kind, before in spans:
        parts += [(BYTES, (text[done:begin] + before).encode("utf-8")), (kind, b"")]
        done = end
    return [*parts, (BYTES, text[done:].encode("utf-8"))]


class JsonLayout(Layout):
    def parts(self, record):
        text = record.raw.decode("utf-8")
        end = len(text[:text.rindex("}")].rstrip(JSON_SPACE))
        spans = []
        if any(name in record.row for name in ADDED):
            for name, begin, after in members(text):
                if name in ADDED:
                    self.say_replaced(name, record.number)
                    spans.append((begin, after, ADDED[name], ""))
        spans += [(end, end, kind, f', "{name}": ') for name, kind in ADDED.items() if name not in record.row]
        return cut(text, spans)


def members(text):
    """(name, begin, end) of each value of the object on this line, by its own braces."""

    def skip(at):
        while text[at] in JSON_SPACE:
            at += 1
        return at

    at = skip(text.index("{") + 1)
    while text[at] != "}":
        name, at = json.decoder.scanstring(text, at + 1)
        begin = skip(skip(at) + 1)
        _, at = DECODER.raw_decode(text, begin)
        yield name, begin, at
        at = skip(at)
        if text[at] == ",":
            at = skip(at + 1)


class SeparatedLayout(Layout):
    def __init__(self, table):
        super().__init__(table)
        self.header = table.header
        self.quoted = self.header.quoted()
        self.width = len(self.header.names)
        self.places = {place: ADDED[name] for place, name in enumerate(self.header.names) if name in ADDED}
        self.more = [name for name in ADDED if name not in self.header.names]

    def heading(self):
        text = self.header.raw.decode("utf-8")
        line = text.rstrip("\r\n")
        return "".join([line, *(self.header.separator + name for name in self.more), text[len(line):]]).encode("utf-8")

    def parts(self, record):
        text = record.raw.decode("utf-8")
        fields = self.fields(text)
        spans = []
        for place, kind in self.places.items():
            self.say_replaced(self.header.names[place], record.number)
            spans.append((*fields[place], kind, ""))
        end = fields[self.width - 1][1]
        spans += [(end, end, ADDED[name], self.header.separator) for name in self.more]
        return cut(text, spans)

    def fields(self, text):
        """(begin, end) of each field of the record."""
        begin, last, found = len(text) - len(text.lstrip(INVISIBLE)), len(text.rstrip("\r\n")), []
        while True:
            at = begin
            if self.quoted and text[at:at + 1] == '"':
                at = text.index('"', at + 1)
                while text[at + 1:at + 2] == '"':  # a quote within the field
                    at = text.index('"', at + 2)
            at = text.find(self.header.separator, at, last)
            if at < 0:
                return [*found, (begin, last)]
            found.append((begin, at))
            begin = at + 1
