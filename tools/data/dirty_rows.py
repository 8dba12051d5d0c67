"""Rows that real sets have and nobody wants: without a text or a label, or of a text that an earlier split has, too.

A test text that was trained on is no test. The description's `dirty_rows` says what becomes of a set with such rows:
"refuse" names how many there are; "leave out" keeps every text once, where it stands first (train before validation
before test), and lists the other rows in a file; "allow" keeps rows of known texts and lets the store say so.
"""

import collections
import json
import pathlib
from array import array

from tools import archive
from tools.data.description import SPLITS
from tools.data.tokens import text_digest
from tools.failure import Failure

class DirtyRows:
    """Sees every row of a set, in the order of its splits; says which are kept, and tells of the others."""

    def __init__(self, policy):
        self.policy, self.left_out, self.shared, self.first_shared = policy, [], collections.Counter(), None
        self.again, self.kinds = collections.Counter(), collections.Counter()
        self.seen = {}                                # digest of a row's texts -> index of its first row
        self.split, self.label = array("b"), []       # by that index
        self.places = []

    def unusable(self, failure, split, table, number, text):
        """Takes note of a row without text or label that may be left out; of another it raises the failure."""
        if self.policy != "leave out" and not failure.hidden:
            raise Failure(failure.what, failure.where, f'{failure.cure}; or say dirty_rows = "leave out" in the description')
        self.leave_out(split, table, number, text, failure.kind, failure.what)

    def leave_out(self, split, table, number, text, kind, why):
        file, line = table.place(number)
        self.kinds[split, kind] += 1
        text = str(text or "").encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be written
        self.left_out.append({"split": split, "file": str(file), "line": line, "text": text, "why": why})

    def keep(self, segments, label, split, table, number):
        """Whether the row stays. Two rows are the same if all their texts are, up to case and white space."""
        first = self.seen.setdefault(text_digest(" \0 ".join(segments)), len(self.places))
        if first == len(self.places):
            self.split.append(SPLITS.index(split))
            self.label.append(label)
            self.places.append((table, number))
            return True
        first_split = SPLITS[self.split[first]]
        place = self.places[first][0].where(self.places[first][1])
        other = "" if self.label[first] == label else ", with another label"
        if self.policy == "leave out":
            kind = (f"twice in {split}" if first_split == split else f"also in {first_split}") + other
            self.leave_out(split, table, number, segments[0], kind, f"{kind}: {place}")
            return False
        if first_split != split:
            self.shared[split] += 1
            self.first_shared = self.first_shared or (split, table.where(number), first_split, place)
        else:
            self.again[other] += 1
        return True

    def check(self, name, rows):
        """Refuses a set whose splits share texts, unless it may have them."""
        if self.shared and self.policy == "refuse":
            split, where, first_split, place = self.first_shared
            raise Failure(f"a text of {split} is also in {first_split}, at {place}; {sum(self.shared.values())} of {rows} "
                          "rows are in an earlier split, too", where,
                          f'Say what becomes of them in [datasets.{name}]: dirty_rows = "leave out" keeps each text '
                          'where it stands first and lists the rest, "allow" keeps all, and every table says so')

    def meta(self):
        """What the store says of it, where there is something to say."""
        return {"shared_texts": {split: self.shared[split] for split in SPLITS[1:]}} if self.shared else {}

    def write(self, path):
        """Lists the rows that were left out in the file `path`; without any there is no such file."""
        if self.left_out:
            archive.write_text_file(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.left_out))
        elif pathlib.Path(path).exists():
            pathlib.Path(path).unlink()

    def notes(self, path):
        """Sentences for the reader of the output."""
        if self.kinds:
            what = ", ".join(f"{count} of {split} ({kind})" for (split, kind), count in self.kinds.items())
            yield f"left out: {what}; listed in {path}"
        for split, count in self.shared.items():
            yield f"allowed: {count} rows of {split} are in an earlier split, too"
        for other, count in self.again.items():
            yield f"{count} rows repeat a text of their split{other}"
