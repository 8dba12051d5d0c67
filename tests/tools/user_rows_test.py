"""A user's own rows as adapt and predict hand them on: files, columns, labels and words that are refused, with the right cure.

Broke: two classes of equal words were accepted, the wrong cure was named, and nothing could be told of columns or label_words.
"""

import contextlib
import io
import json
import unittest

from tests.tools.scratch import ScratchTest
from tools.data.stream import stream
from tools.data.tokens import WordPieces
from tools.failure import DATA, USAGE, Failure
from tools.import_model import package_folder

SYMBOLS = b'{"text": "a pointer", "label": "C"}\n{"text": "a class", "label": "C++"}\n{"text": "a form", "label": "C#"}\n'
PLUS, SHARP = '"C++" = "plus plus"', '"C#" = "sharp"'

# Name, content, pieces of the message; told to adapt.
REFUSED = [
    ("utf16.jsonl", '{"text": "hm", "label": "a"}\n'.encode("utf-16"), ["UTF-16", "iconv -f utf-16"]),
    ("cr.csv", b"text,label\rplay a song,music\r", ["CR only"]),
    ("null.jsonl", b'{"text": "hm", "label": null}\n', ["no label", "line 1", "label=COLUMN"]),
    ("empty.jsonl", b'{"text": "hm", "label": ""}\n', ["no label", "line 1"]),
    ("absent.jsonl", b'{"text": "hm", "lbl": "a"}\n', ["no label", "line 1", "label=COLUMN"]),
    ("list.jsonl", b'{"text": "hm", "label": [1]}\n', ["the label is [1]", "line 1"]),
    ("half.jsonl", b'{"text": "hm", "label": "\\ud83d"}\n', ["half a surrogate pair", "line 1"]),
    ("twice.jsonl", b'{"text": "hm", "label": "a", "label": "b"}\n', ["two columns are called 'label'", "line 1"]),
    ("twice.csv", b"text,text,label\nhm,ha,a\n", ["two columns are called 'text'", "line 2"]),
    ("column.jsonl", b'{"txt": "hm", "label": "a"}\n', ["no column 'text'", "'txt'", "text=COLUMN"]),
    ("no text.jsonl", b'{"text": null, "label": "a"}\n', ["zero tokens", "line 1"]),
    ("number.jsonl", b'{"text": 5, "label": "a"}\n', ["'text' is int", "line 1"]),
    ("blank.jsonl", b'{"text": "\xc2\xa0", "label": "a"}\n', ["zero tokens", "line 1"]),
    ("control.jsonl", b'{"text": "hm", "label": "a"}\n{"text": "\\u0001", "label": "a"}\n', ["zero tokens", "line 2"]),
    ("nothing.jsonl", b"\n\xc2\xa0\n", ["no row"]),
    ("header.csv", b"text,label\n", ["no row"]),
    ("rows.xlsx", b"", ["cannot read files of kind"]),
    ("63", b"", ["cannot read files of kind", "format=jsonl"]),
]

# Classes that the model cannot tell apart, and classes that only look so.
TWINS = [("C", "C++"), ("Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)"), ("1", "-1"), ("Sports", "sports"), ("play_music", "PlayMusic"),
         ("cats and dogs", "dogs, cats")]
TOLD_APART = [("unhelpfulness", "unfriendliness"), ("HARD1", "HARD2"), ("a", "b")]

WORDS = [
    ["label_words={" + PLUS + ", " + SHARP + "}"],
    ["label_words.C++=plus plus", "label_words.C#=sharp"],
    ['label_words."C++"="plus plus"', "label_words.C#='sharp'"],
    ["label_words=words.toml"],
    ["label_words=words.json"],
    ["label_words=words.JSON", "label_words.C++=one", "label_words.C++=plus plus"],
]
REFUSED_WORDS = [
    (DATA, ["label_words.D=delta"], ["label_words names 'D'", "C, C++, C#"]),
    (DATA, ["label_words.C++=sharp", "label_words.C#=sharp"], ["'C++' and 'C#'"]),
    (USAGE, ["label_words={oops"], ["no TOML table"]),
    (USAGE, ["label_words.C++="], ["'C++'", "not a text"]),
    (USAGE, ["label_words.C++"], ["names no class"]),
    (USAGE, ["label_words={\"C++\" = 5}"], ["'C++' are 5, not a text"]),
    (USAGE, ["label_words=words"], ["neither a table nor"]),
    (DATA, ["label_words=nowhere.toml"], ["nowhere.toml"]),
    (USAGE, ["label_words=list.json"], ["not a table of words"]),
]


class Captured:
    """Takes what Frames would write."""

    def __init__(self):
        self.rows, self.ending, self.file = [], None, io.BytesIO()

    def put(self, letter, *parts):
        self.ending = parts[0] if letter == b"E" else self.ending

    def row(self, *row):
        self.rows.append(row)

    def end_batch(self):
        pass


class UserRows(ScratchTest):
    pieces = WordPieces(package_folder() / "tokenizer.json")

    def adapt(self, name, content, words=(), **columns):
        (self.folder / name).write_bytes(content)
        frames, said = Captured(), io.StringIO()
        columns = {"text": "text", "label": "label", "text_pair": ""} | columns
        words = [word.replace("label_words=words.", f"label_words={self.folder}/words.").replace(
            "label_words=list", f"label_words={self.folder}/list") for word in words]
        with contextlib.redirect_stderr(said):
            stream(str(self.folder / name), None, self.pieces, columns, 128, True, words, frames)
        return frames, said.getvalue()

    def refused(self, code, pieces, *given, **more):
        with self.assertRaises(Failure) as caught:
            self.adapt(*given, **more)
        self.assertEqual(code, caught.exception.code, caught.exception)
        for piece in pieces:
            self.assertIn(piece, str(caught.exception))

    def test_what_is_refused(self):
        for name, content, pieces in REFUSED:
            with self.subTest(name):
                self.refused(DATA, pieces, name, content)

    def test_classes_that_cannot_be_told_apart(self):
        """The second of two such classes was never predicted, and nothing was said."""
        content = '{"text": "one", "label": "%s"}\n{"text": "two", "label": "%s"}\n{"text": "three", "label": "other"}\n'
        for first, second in TWINS:
            with self.subTest(second):
                self.refused(DATA, [f"classes '{first}' and '{second}' have the same words", "label_words=", f'"{second}" = '],
                             "twins.jsonl", (content % (first, second)).encode())
        for pair in TOLD_APART:
            with self.subTest(pair):
                self.adapt("apart.jsonl", (content % pair).encode())

    def test_labels_in_the_order_of_their_first_row(self):
        frames, _ = self.adapt("order.csv", b"text,label\nx,b\ny,a\nz,b\n")
        self.assertEqual(["b", "a"], json.loads(frames.ending)["labels"])
        self.assertEqual(["b", "a", "b"], [row[3] for row in frames.rows])

    def test_label_words(self):
        (self.folder / "words.toml").write_bytes(b"\xef\xbb\xbf" + f"{PLUS}\n{SHARP}\n".encode())
        for name in ("words.json", "words.JSON"):
            (self.folder / name).write_text('{"C++": "plus plus", "C#": "sharp"}')
        (self.folder / "list.json").write_text("[1]")
        endings = set()
        for words in WORDS:
            with self.subTest(words):
                frames, _ = self.adapt("symbols.jsonl", SYMBOLS, words)
                endings.add(frames.ending)
        self.assertEqual(1, len(endings))
        for code, words, pieces in REFUSED_WORDS:
            with self.subTest(words):
                self.refused(code, pieces, "symbols.jsonl", SYMBOLS, words)

    def test_what_is_told(self):
        two = b'{"text": "Hm", "label": "a"}\n{"text": " hm ", "label": "b"}\n{"text": "hm", "label": "a"}\n'
        _, said = self.adapt("two.jsonl", two)
        self.assertIn("1 texts stand there again with another label, such as that of line 1 ('a') and 2 ('b')", said)
        numbers = two.replace(b'"a"', b"1").replace(b'"b"', b"2")
        _, said = self.adapt("numbers.jsonl", numbers)
        self.assertIn("only numbers tell a model nothing: 1, 2 (to name them: label_words=", said)
        _, said = self.adapt("numbers.jsonl", numbers, ['label_words={1 = "bad", 2 = "good"}'])
        self.assertNotIn("only numbers", said)

    def test_columns(self):
        rows = b'{"a": {"b": "hm", "c": "ha"}, "stars": "x"}\n{"a": {"b": "oh", "c": "no"}, "stars": "y"}\n'
        frames, _ = self.adapt("columns.jsonl", rows, text="a.b", text_pair="a.c", label="stars")
        self.assertEqual([2, 2], [len(row[4]) for row in frames.rows])
        self.refused(DATA, ["no column 'a.d'", "text_pair=COLUMN"], "columns.jsonl", rows, text="a.b", text_pair="a.d", label="stars")


if __name__ == "__main__":
    unittest.main()
