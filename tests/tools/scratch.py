"""A scratch folder for each test, and the tools as a user calls them: argument list in, exit code and output out."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import h5py  # noqa: E402

from tools import failure, import_model  # noqa: E402
from tools.data import __main__ as data_program  # noqa: E402

TOKENIZER = import_model.package_folder() / "tokenizer.json"
ROWS = {
    "train": [{"text": "The cat sat, softly.", "label": "calm"}, {"text": "RUN for your life!", "label": "alarm & fear"},
              {"text": "a \"quoted\" word; and a comma, too", "label": "calm"}, {"text": "naïve café", "label": "calm"}],
    "validation": [{"text": "the dog slept", "label": "calm"}],
    "test": [{"text": "fire in the hall", "label": "alarm & fear"}, {"text": "tea at five", "label": "calm"}],
}
CLASSIFICATION = '[datasets.mood]\nfamily = "classification"\n'
FILES = 'train = "train.jsonl"\nvalidation = "validation.jsonl"\ntest = "test.jsonl"\n'


def call(program, *arguments):
    """(exit code, stdout, stderr) of a tool's main, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["tool", *map(str, arguments)]), contextlib.redirect_stdout(out), \
            contextlib.redirect_stderr(err):
        try:
            failure.run(program.main)
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
    raise AssertionError("run() must end the process")


class ScratchTest(unittest.TestCase):
    """`self.folder` is empty before and removed after each test."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.out = self.folder / "out"

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def prepare(self, description, *more):
        """Runs `prepare` on a description given as text."""
        path = self.write("description.toml", description)
        return call(data_program, "prepare", path, "--out", self.out, "--tokenizer", TOKENIZER, *more)

    def assert_one_clear_error(self, result, code, *parts):
        """Exit code, one line of the agreed form, every part in it, no traceback, nothing left behind."""
        self.assertEqual(result[0], code, result)
        lines = result[2].splitlines()
        self.assertEqual(len(lines), 1, result[2])
        self.assertRegex(lines[0], r"^metaloom: error: .+ \(.+\)\. .+")
        for part in parts:
            self.assertIn(part, lines[0])
        left = [name for name in self.all_files(self.out) if not name.endswith(".h5") or name.startswith(".")]
        self.assertEqual([name for name in left if ".part" in name], [])

    def all_files(self, folder):
        return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder)
                      for name in names)


class StoreScratch(ScratchTest):
    """A scratch folder in which a store called `mood` is made of ROWS."""

    def write_rows(self, suffix=".jsonl"):
        for split, rows in ROWS.items():
            self.write(f"{split}{suffix}", rows)

    def store(self, name="mood"):
        return read_store(self.out / f"{name}.h5")


def read_store(path):
    """{'meta': dict, split: {name: array}}."""
    with h5py.File(path) as file:
        store = {"meta": json.loads(bytes(file["meta"][()]))}
        for split in ("train", "validation", "test"):
            store[split] = {name: item[()] for name, item in file[split].items()}
        return store


def row_segments(arrays, row):
    """The word pieces of each segment of a row."""
    first, last = arrays["row_segments"][row], arrays["row_segments"][row + 1]
    return [arrays["tokens"][arrays["segment_offsets"][s]:arrays["segment_offsets"][s + 1]].tolist()
            for s in range(first, last)]
