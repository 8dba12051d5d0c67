"""A user's own rows for the verbs `adapt` and `predict`, one batch after another as they arrive: word pieces, label, and
for `predict` the record's bytes with the places of what is added. launcher/texts/row_stream.h has the other end of the pipe.

Frames: one letter, the length as uint64, then so many bytes; numbers are little-endian.
  H  separator (a byte, 0: JSON), whether fields may be quoted (a byte), what stands before the first row
  R  number int64, digest int64, label's kind uint8, label; segments: uint32 how many, each uint32 how many and int32 ids;
     parts: uint32 how many, each uint8 its kind, its bytes after a uint64. Other texts follow a uint32.
  B  the end of a batch
  E  the end, as JSON; without it, there was an error, which stands on stderr
"""

import io
import json
import os
import re
import select
import struct
import sys
from array import array

from tools.data.families import is_missing, label_name, no_token, plain_text, unspoken, whole
from tools.data.layout import layout_of
from tools.data.rows import ABSENT, FileTable, once, value_at
from tools.data.tokens import text_digest
from tools.failure import USAGE, Failure, did_you_mean

BATCH_ROWS = 64
NO_LABEL, GIVEN_LABEL, ODD_LABEL = range(3)


class Frames:
    """Standard output, for frames alone: what anybody prints goes to stderr."""

    def __init__(self):
        self.file = os.fdopen(os.dup(sys.stdout.fileno()), "wb", 1 << 16)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def put(self, letter, *parts):
        self.file.write(struct.pack("<cQ", letter, sum(map(len, parts))))
        for part in parts:
            self.file.write(part)

    def row(self, number, digest, kind, label, segments, parts):
        label = label.encode("utf-8")
        out = [struct.pack("<qqBI", number, digest, kind, len(label)), label, struct.pack("<I", len(segments))]
        for ids in segments:
            out += [struct.pack("<I", len(ids)), array("i", ids).tobytes()]
        out.append(struct.pack("<I", len(parts)))
        for kind, text in parts:
            out += [struct.pack("<BQ", kind, len(text)), text]
        self.put(b"R", *out)

    def end_batch(self):
        self.put(b"B")
        self.file.flush()


class Arriving(io.RawIOBase):
    """Standard input; calls `pause` before it waits for more."""

    def __init__(self, pause):
        super().__init__()
        self.pause = pause

    def readable(self):
        return True

    def readinto(self, buffer):
        if not select.select([0], [], [], 0)[0]:
            self.pause()
        content = os.read(0, len(buffer))
        buffer[:len(content)] = content
        return len(content)


class Rows:
    """Reads, tokenises and hands on."""

    def __init__(self, table, pieces, columns, max_tokens, labelled, frames):
        self.table, self.pieces, self.columns, self.max_tokens, self.labelled = table, pieces, columns, max_tokens, labelled
        self.frames, self.waiting, self.layout = frames, [], None
        self.count, self.names, self.first_label, self.contradictions = 0, {}, {}, []

    def run(self):
        """Hands on all rows; those before a bad one, too."""
        if self.table.piped and sys.stdin is not None:
            sys.stdin = io.TextIOWrapper(io.BufferedReader(Arriving(self.hand_on), 1 << 16))
        failure = None
        try:
            records = self.table.records()
            self.layout = None if self.labelled else layout_of(self.table)
            self.begin()
            for record in records:
                self.waiting.append((record, self.segments(record), *self.label(record)))
                if len(self.waiting) == BATCH_ROWS:
                    self.hand_on()
        except Failure as error:
            failure = error
        self.hand_on()
        if failure:
            raise failure
        if not self.count:
            raise Failure("no row", self.table.name(), 'Give one JSON object a line: {"text": "...", "label": "..."}')

    def begin(self):
        header = self.table.header
        separator, quoted = (header.separator, header.quoted()) if header else ("\0", False)
        self.frames.put(b"H", separator.encode(), bytes([quoted]), self.layout.heading() if self.layout else b"")

    def end(self, ending):
        self.frames.put(b"E", json.dumps(ending).encode())
        self.frames.file.flush()

    def segments(self, record):
        where = self.table.where(record.number)
        out = []
        for key in ("text", "text_pair"):
            name = self.columns[key]
            if not name:
                continue
            if value_at(record.row, name) is ABSENT:
                raise Failure(f"no column '{name}'", where,
                              f"{did_you_mean(name, sorted(record.row))}. Say which holds it: {key}=COLUMN")
            out.append(plain_text(record.row, name, self.table, record.number))
        return out

    def label(self, record):
        """(kind, name). A label that can be none is an error where labels are needed."""
        value = value_at(record.row, self.columns["label"])
        if value is ABSENT or is_missing(value):
            if self.labelled:
                raise Failure("no label", self.table.where(record.number),
                              f'Give every row a "{self.columns["label"]}", or say which column holds it: label=COLUMN')
            return NO_LABEL, ""
        try:
            value = once(value, self.columns["label"], self.table, record.number)
            return GIVEN_LABEL, whole(label_name(value, self.table, record.number), self.table, record.number)
        except Failure:
            if self.labelled:
                raise
            return ODD_LABEL, ""

    def hand_on(self):
        """What waits, as one batch; called where 64 rows wait, where the input pauses and at its end."""
        batch, self.waiting, before = self.waiting, [], self.count
        encoded = iter(self.pieces.encode([text for _, segments, _, _ in batch for text in segments]))
        try:
            for record, texts, kind, label in batch:
                segments = [next(encoded)[:self.max_tokens] for _ in texts]
                if not all(segments):
                    raise no_token(texts[segments.index([])], self.table.where(record.number))
                digest = text_digest(texts[0])
                if self.labelled:
                    self.note(label, texts, record.number)
                parts = self.layout.parts(record) if self.layout else ()
                self.frames.row(record.number, digest, kind, label, segments, parts)
                self.count += 1
        finally:
            if self.count > before:
                self.frames.end_batch()

    def note(self, label, texts, number):
        self.names.setdefault(label, len(self.names))
        first = self.first_label.setdefault(tuple(map(text_digest, texts)), (label, number))
        if first[0] != label:
            self.contradictions.append((*first, label, number))

    def warn_of_contradictions(self):
        if self.contradictions:
            one, at, other, again = self.contradictions[0]
            print(f"metaloom: warning: {len(self.contradictions)} texts stand there again with another label, such as that of "
                  f"{self.table.counts} {at} ('{one}') and {again} ('{other}')", file=sys.stderr)


def stream(data, kind, pieces, columns, max_tokens, labelled, typed, frames):
    """The body of `tools.data stream`. `typed`: what the command line says of label_words."""
    from tools.data.label_words import quoted, read_label_words

    table = FileTable(data, kind)
    given = read_label_words(typed)
    rows = Rows(table, pieces, columns, max_tokens, labelled, frames)
    rows.run()
    if not labelled:
        rows.end({"rows": rows.count})
        return
    names = list(rows.names)
    rows.warn_of_contradictions()
    for note in unspoken(names, given, quoted):
        print(f"metaloom: warning: {note}", file=sys.stderr)
    words = pieces.label_words(names, given, table.name(), lambda name: f"{quoted(name)} on the command line")
    rows.end({"name": "stdin" if table.piped else re.sub(r"(?i)(\.[a-z]+)?(\.gz)?$", "", table.path.name) or "data",
              "labels": names, "label_words": words})


def check_format(given):
    known = ("jsonl", "csv", "tsv")
    if given and given.lower() not in known:
        raise Failure(f"format is '{given}'", "command line", did_you_mean(given, known), USAGE)
    return f".{given.lower()}" if given else None
