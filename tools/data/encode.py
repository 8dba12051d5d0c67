"""A user's own rows -> a token store of one split, for the verbs `adapt` and `predict`.

Rows keep the order of the file. Labels are numbered in the order of their first row; a row without one gets -1.
"""

import pathlib

from tools.data.families import label_name, plain_text
from tools.data.rows import FileTable, column, digest_files
from tools.data.store import write_store
from tools.data.tokens import SplitBuffer
from tools.failure import Failure


def encode(path, out, pieces, family, max_tokens=128, require_labels=False, text_pair=""):
    """Writes the store `out`; returns its manifest and label names."""
    table = FileTable(path)
    buffer, numbers = SplitBuffer(pieces, max_tokens), {}
    for number, row in table:
        segments = [plain_text(row, "text", table, number)]
        if text_pair:
            segments.append(plain_text(row, text_pair, table, number))
        label = -1
        if row.get("label") not in (None, ""):
            name = label_name(column(row, "label", table, number), table, number)
            label = numbers.setdefault(name, len(numbers))
        elif require_labels:
            raise Failure("no label", table.where(number), 'Give every row a "label"')
        buffer.add(segments, label, lambda number=number: table.where(number))
    buffer.flush()
    if not buffer.labels:
        raise Failure("no row", path, 'Give one JSON object a line: {"text": "...", "label": "..."}')
    names = list(numbers)
    empty = SplitBuffer(pieces, max_tokens)
    splits = {"train": buffer.arrays(), "validation": empty.arrays(), "test": empty.arrays()}
    meta = {"name": pathlib.Path(out).stem, "family": family, "labels": names,
            "label_words": pieces.label_words(names, {}, path), "tokenizer_digest": pieces.digest,
            "max_tokens": max_tokens, "truncated": {"train": buffer.truncated, "validation": 0, "test": 0},
            "source": pathlib.Path(path).name, "licence": "", "source_digest": digest_files([path])}
    return write_store(out, meta, splits), names
