"""Rows out of JSON: one object a line, or one array of objects as pandas and hubs write it. Both are read as a stream."""

import codecs
import json

from tools.failure import Failure
from tools.text_files import BLANKS, decoded

BLOCK = 1 << 20
DIGITS = 4000  # of a whole number; Python refuses longer ones, and no label has as many
LONGEST_WORD = 16  # -Infinity, or an escape of a surrogate pair
LINES = "Each line must be one JSON object"
COLUMNS = "Write one object a line, with pandas: table.to_json(FILE, orient='records', lines=True)"


class Twice:
    """Stands for the value of a column that a row or a header has twice: whoever asks for it is told."""

    def __repr__(self):
        return "two columns of one name"


TWICE = Twice()


def without_twins(pairs):
    row = dict(pairs)
    if len(row) != len(pairs):
        seen = set()
        for name, _ in pairs:
            if name in seen:
                row[name] = TWICE
            seen.add(name)
    return row


def whole_number(digits):
    return int(digits) if len(digits) <= DIGITS else float(digits)


DECODER = json.JSONDecoder(object_pairs_hook=without_twins, parse_int=whole_number)


def checked_row(row, where, first):
    if not isinstance(row, dict):
        raise Failure(f"a JSON {type(row).__name__}, not an object", where, 'Write {"text": "...", "label": "..."}')
    values = list(row.values())
    if first and values and (all(isinstance(value, list) for value in values)
                             or all(isinstance(value, dict) for value in values)) \
            and len({len(value) for value in values}) == 1 and len(values[0]) != 0:
        raise Failure("columns, not rows: each value holds a whole column", where, COLUMNS)
    return row


def json_lines(lines, where):
    """(number, raw, row) of each line that is not blank. `lines`: (number, raw, text)."""
    first = True
    for number, raw, text in lines:
        text = text.strip(BLANKS)
        if not text:
            continue
        try:
            row = DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            over_lines = first and text.startswith("{") and "}" not in text
            raise Failure(f"not JSON: {error}", where(number),
                          "One object over several lines: jq -c . FILE >NEW" if over_lines else LINES) from None
        yield number, raw, checked_row(row, where(number), first)
        first = False


def is_cut(error, buffer):
    """Whether the decoder complains of what the buffer's end may have cut: a word, an escape, a string."""
    return isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or len(buffer[error.pos:].strip(BLANKS)) < LONGEST_WORD)


def json_array(file, where):
    """(number, raw, row) of each object of the array that `file` holds; `raw` is the object on one line."""
    buffer, ended, number, place = "", False, 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")()

    def more():
        """Reads on until the buffer is twice as long, or the file ends: then an object of any length costs no square."""
        nonlocal buffer, ended, place
        parts, place = [buffer[place:]], 0
        wanted = max(len(parts[0]), BLOCK)
        while wanted > 0 and not ended:
            block = file.read(BLOCK)
            ended = not block
            try:
                parts.append(decoder.decode(block, final=ended))
            except UnicodeDecodeError as error:
                decoded(error.object, where(number + 1))  # says which byte, and raises
            wanted -= len(parts[-1])
        buffer = "".join(parts)

    def next_mark():
        nonlocal place
        while True:
            while place < len(buffer) and buffer[place] in BLANKS:
                place += 1
            if place < len(buffer) or ended:
                return buffer[place:place + 1]
            more()

    next_mark()
    place += 1  # the bracket, which the caller has seen
    mark = next_mark()
    while mark != "]":
        number += 1
        try:
            row, end = DECODER.raw_decode(buffer, place)
            wrong, cut = None, end == len(buffer)
        except (ValueError, RecursionError) as error:
            wrong, cut = error, is_cut(error, buffer)
        if cut and not ended:
            number -= 1
            more()
            continue
        if wrong:
            raise Failure(f"not JSON: {wrong}", where(number), "The array must hold objects, and end with ]")
        raw = buffer[place:end].replace("\r", " ").replace("\n", " ")  # in a string of JSON no line break can stand
        yield number, raw.encode("utf-8") + b"\n", checked_row(row, where(number), number == 1)
        place = end
        mark = next_mark()
        if mark not in (",", "]"):
            raise Failure(f"{mark!r} after an object" if mark else "an array without an end", where(number),
                          "Put a comma between objects, and ] at the end")
        if mark == ",":
            place += 1
            next_mark()
    place += 1
    if next_mark():
        raise Failure("text after the array", where(number), "Give one array, or one JSON object a line")
