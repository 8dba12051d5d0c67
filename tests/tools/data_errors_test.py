"""Bad data and bad descriptions: each is one clear error with file, row and cure, the right exit code, nothing left over."""

import gzip
import os
import resource
import stat
import subprocess
import sys
import unittest

from scratch import CLASSIFICATION, FILES, ROOT, ROWS, TOKENIZER, StoreScratch, call, data_program

from tools.data.description import DatasetSpec
from tools.data.families import read_multiple_choice
from tools.data.rows import FileTable
from tools.failure import Failure

GOOD = {"text": "fine", "label": "calm"}
CHOICE = {"context": "pick", "choices": ["x", "y"], "answer": 0}
TRAIN = CLASSIFICATION + 'train = "bad.jsonl"\n'
CHOICES = '[datasets.mc]\nfamily = "multiple_choice"\ntrain = "bad.jsonl"\n'
NAMED = CHOICES + 'choice_names = "names"\n'
EPISODES = '[datasets.few]\nfamily = "episodes"\ndata = "bad.jsonl"\nsplits = "splits.json"\n'
SPLITS = '{"train": ["a"], "validation": ["b"], "test": ["c"]}'
ABC = [{"text": f"text {label}", "label": label} for label in "abc"]


def lines(*rows):
    """The content of bad.jsonl after one good row: bad rows as they are."""
    return b'{"text": "fine", "label": "calm"}\n{"text": "fire", "label": "alarm"}\n' + b"".join(row + b"\n" for row in rows)


# what is wrong: (description, content of bad.jsonl, content of splits.json or None, parts of the message)
DATA = {
    "a missing file": (CLASSIFICATION + 'train = "none.jsonl"\n', [], None, ["no such file", "none.jsonl"]),
    "bad JSON": (TRAIN, lines(b'{"text": "oh'), None, ["not JSON", "bad.jsonl, line 3"]),
    "no object": (TRAIN, lines(b"[1, 2]"), None, ["a JSON list, not an object", "line 3"]),
    "deep JSON": (TRAIN, lines(b"[" * 100_000), None, ["not JSON", "line 3"]),
    "huge number": (TRAIN, lines(b'{"text": "x", "label": ' + b"9" * 5000 + b"}"), None, ["the label is inf", "line 3"]),
    "not UTF-8": (TRAIN, lines(b'{"text": "caf\xe9", "label": "calm"}'), None, ["not UTF-8", "0xe9", "line 3", "iconv"]),
    "half a surrogate": (TRAIN, lines(b'{"text": "\\ud800", "label": "calm"}'), None, ["surrogate", "line 3"]),
    "a missing column": (TRAIN, lines(b'{"sentence": "x", "label": "calm"}'), None,
                         ["no column 'text'", "line 3", "Known: label, sentence"]),
    "a label that is no name": (TRAIN, lines(b'{"text": "x", "label": null}'), None, ["the label is None", "line 3"]),
    "an empty label": (TRAIN, lines(b'{"text": "x", "label": " "}'), None, ["the label is ' '", "line 3"]),
    "a text that is a number": (TRAIN, lines(b'{"text": 5, "label": "calm"}'), None, ["'text' is int", "line 3"]),
    "zero tokens": (TRAIN, lines(b'{"text": " \\t", "label": "calm"}'), None, ["zero tokens", "line 3"]),
    "one label only": (TRAIN, [GOOD, GOOD], None, ["labels in train: 1", "at least two"]),
    "no row": (CHOICES, [], None, ["train has no row"]),
    "a label only in validation": (TRAIN + 'validation = "validation.jsonl"\n', lines(), None,
                                   ["'clam' in validation", "validation.jsonl, line 2", "Did you mean 'calm'?"]),
    "words for no label": (TRAIN + 'label_words = { clam = "x" }\n', lines(), None,
                           ["label_words names 'clam'", "[datasets.mood]", "alarm, calm"]),
    "a label without a word": (TRAIN, lines('{"text": "x", "label": "\U0001f600"}'.encode()), None,
                               ["no word of label '\U0001f600'", "label_words"]),
    "too few choices": (CHOICES, [CHOICE, CHOICE | {"choices": ["x"]}], None, ["1 choice", "line 2"]),
    "an answer that is no choice": (CHOICES, [CHOICE, CHOICE | {"answer": 2}], None, ["answer 2", "line 2", "0 .. 1"]),
    "choices that are no list": (CHOICES, [CHOICE | {"choices": "x"}], None, ["not a list of texts", "line 1"]),
    "choice names that are null": (NAMED, [CHOICE | {"names": None}], None, ["'names' is not a list of 2", "line 1"]),
    "choice names that are a number": (NAMED, [CHOICE | {"names": 7}], None, ["'names' is not a list of 2", "line 1"]),
    "more choice names than choices": (NAMED, [CHOICE | {"names": ["A", "B", "C"], "answer": "C"}], None,
                                       ["'names' is not a list of 2 names", "line 1", "as many names as choices"]),
    "a choice of zero tokens": (CHOICES, [CHOICE | {"choices": ["x", " "]}], None, ["zero tokens", "line 1"]),
    "a class in two splits": (EPISODES, ABC, '{"train": ["a"], "test": ["b", "a"], "validation": ["c"]}',
                              ["class 'a' is in train and in test", "splits.json"]),
    "a class in no split": (EPISODES, [*ABC, {"text": "x", "label": "aa"}], SPLITS,
                            ["class 'aa' is in no split", "bad.jsonl, line 4", "Did you mean 'a'?"]),
    "a class without rows": (EPISODES, ABC[:2], SPLITS, ["classes without a row: c", "splits.json"]),
    "a text in two splits": (EPISODES, [*ABC, {"text": " Text  A", "label": "c"}], SPLITS,
                             ["a text of test is also in train", "line 1", "line 4"]),
    "splits that are no splits": (EPISODES, ABC, '{"train": "a"}', ["class lists by split", "splits.json"]),
    "splits that are no JSON": (EPISODES, ABC, "{", ["not JSON", "splits.json"]),
    "splits without an end": (EPISODES, ABC, "[" * 100_000, ["not JSON", "splits.json"]),
}

# what is wrong: (description, parts of the message)
DESCRIPTIONS = {
    "no TOML": ("x = = 1", ["not TOML", "line 1"]),
    "an unknown key on top": ('rot = "x"\n' + TRAIN, ["unknown key 'rot'", "Did you mean 'root'?"]),
    "an unknown key": (TRAIN + 'lable = "y"\n', ["unknown key 'lable'", "[datasets.mood]", "Did you mean 'label'?"]),
    "an unknown family": ('[datasets.x]\nfamily = "clasification"\n', ["Did you mean 'classification'?"]),
    "no family": ('[datasets.x]\ntrain = "x.jsonl"\n', ["family is None", "Known: classification"]),
    "no data set": ("", ["no data set"]),
    "a name that is no file": ('[datasets."a/b"]\nfamily = "episodes"\n', ["cannot name a file"]),
    "no rows": (CLASSIFICATION, ["no rows"]),
    "two places": (CLASSIFICATION + 'hub = "x"\nfolder = "y"\n', ["both hub and folder"]),
    "data without splits": ('[datasets.x]\nfamily = "episodes"\ndata = "x.jsonl"\n', ["data goes with splits"]),
    "a column of another family": (TRAIN + 'choices = "x"\n', ["'choices' has no meaning for family classification"]),
    "a number for a text": (TRAIN + "text = 5\n", ["text is 5, not a text"]),
    "an absurd max_tokens": ("max_tokens = 0\n" + TRAIN, ["max_tokens is 0", "from 1 to 100000"]),
    "words that are no table": (TRAIN + 'label_words = "x"\n', ["label_words is not a table"]),
    "a file of another kind": (CLASSIFICATION + 'train = "x.xlsx"\n', ["cannot read files of kind", ".jsonl"]),
}


class ErrorsTest(StoreScratch):
    def test_bad_data(self):
        self.write("validation.jsonl", [GOOD, {"text": "x", "label": "clam"}])
        for what, (description, content, splits, parts) in DATA.items():
            with self.subTest(what):
                self.write("bad.jsonl", content)
                self.write("splits.json", splits or SPLITS)
                self.assert_one_clear_error(self.prepare(description), 3, *parts)
                self.assertEqual(self.all_files(self.out), [])

    def test_bad_descriptions(self):
        for what, (description, parts) in DESCRIPTIONS.items():
            with self.subTest(what):
                code = 3 if "another kind" in what else 2
                self.assert_one_clear_error(self.prepare(description), code, *parts)
                self.assertEqual(self.all_files(self.out), [])

    def test_bad_command_lines(self):
        self.write_rows()
        self.assert_one_clear_error(self.prepare(CLASSIFICATION + FILES, "--only", "mod"), 2, "Did you mean 'mood'?")
        self.assert_one_clear_error(self.prepare(CLASSIFICATION + FILES, "--jobs", "0"), 2, "--jobs is 0")
        self.assert_one_clear_error(call(data_program, "preprae"), 2, "preprae")
        self.assert_one_clear_error(call(data_program, "prepare", self.folder / "no.toml", "--out", self.out), 3, "no.toml")

    def test_a_class_number_without_a_name(self):
        """Was an IndexError: the class numbers of a folder of `datasets` may lie beyond its names."""
        table = FileTable(self.folder / "hub.jsonl")
        table.class_names = lambda column: ["A", "B"]
        spec = DatasetSpec("mc", "multiple_choice")
        for answer, what in ((2, "class number 2 is outside 0 .. 1"), (-1, "class number -1")):
            with self.assertRaisesRegex(Failure, f"{what} .*line 7"):
                read_multiple_choice(spec, table, 7, CHOICE | {"answer": answer}, "train")

    def test_bad_files(self):
        self.write("train.csv", 'text,label\n"fine","calm"\n"broken,"calm"\n')
        self.write("short.csv", "text,label\nfine,calm\nfine\n")
        self.write("train.jsonl.gz", gzip.compress(b'{"text": "fine", "label": "calm"}\n' * 1000)[:60])
        self.write("damaged.jsonl.gz", b"\x1f\x8c\x08\x00broken")
        for name, parts in {"train.csv": ["bad CSV", "line 3"], "short.csv": ["1 fields, the header has 2", "line 3"],
                            "train.jsonl.gz": ["truncated or damaged"], "damaged.jsonl.gz": ["truncated or damaged"],
                            ".": ["cannot read files of kind"]}.items():
            with self.subTest(name):
                self.assert_one_clear_error(self.prepare(CLASSIFICATION + f'train = "{name}"\n'), 3, *parts)

    def test_bad_folders(self):
        self.write("folder/notes.bin", b"x")
        for folder, parts in {"absent": ["no such file or folder"], "folder": ["not a folder of the datasets library"]}.items():
            with self.subTest(folder):
                self.assert_one_clear_error(self.prepare(CLASSIFICATION + f'folder = "{folder}"\n'), 3, *parts, folder)

    def test_bad_tokenizers(self):
        self.write_rows()
        description = self.write("description.toml", CLASSIFICATION + FILES)
        self.write("broken.json", "{}")
        self.write("broken.h5", "not HDF5")
        for name, part in {"broken.json": "not a tokenizer", "absent.json": "metaloom import", "broken.h5": "not an HDF5"}.items():
            with self.subTest(name):
                self.assert_one_clear_error(call(data_program, "prepare", description, "--out", self.out, "--tokenizer",
                                                 self.folder / name), 3, part, name)

    def test_an_error_in_a_second_process_is_the_same_one_line(self):
        self.write_rows()
        two = CLASSIFICATION + FILES + '[datasets.other]\nfamily = "classification"\ntrain = "none.jsonl"\n'
        self.assert_one_clear_error(self.prepare(two, "--jobs", "2"), 3, "no such file", "none.jsonl")

    def test_a_file_size_limit_leaves_the_old_store(self):
        self.write_rows()
        self.assertEqual(self.prepare(CLASSIFICATION + FILES)[0], 0)
        before = (self.out / "mood.h5").read_bytes()
        self.write("train.jsonl", [*ROWS["train"], *({"text": f"row number {n}", "label": "calm"} for n in range(2000))])
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
        ended = subprocess.run([sys.executable, "-m", "tools.data", "prepare", self.folder / "description.toml", "--out",
                                self.out, "--tokenizer", TOKENIZER], cwd=ROOT, capture_output=True, text=True,
                               preexec_fn=limit, check=False)
        self.assert_one_clear_error((ended.returncode, ended.stdout, ended.stderr), 75, "ulimit -f", "mood.h5")
        self.assertEqual((self.out / "mood.h5").read_bytes(), before)
        self.assertEqual(self.all_files(self.out), ["index.json", "mood.h5", "mood.json"])

    def test_a_folder_that_cannot_be_written(self):
        self.write_rows()
        self.write("out", "a file where a folder should be")
        self.assert_one_clear_error(self.prepare(CLASSIFICATION + FILES), 3, str(self.out))

    def test_what_is_written_can_be_read_by_others(self):
        self.write_rows()
        self.prepare(CLASSIFICATION + FILES)
        for name in self.all_files(self.out):
            self.assertTrue(os.stat(self.out / name).st_mode & stat.S_IROTH, name)


if __name__ == "__main__":
    unittest.main()
