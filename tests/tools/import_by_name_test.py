"""Importing by a model's name: from a hub (a stand-in on the loopback), from its cache, and every way that can fail."""

import os
import subprocess
import sys
import unittest

import h5py
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM
from transformers.utils import logging as transformers_logging

from hub_stand_in import COMMIT, Hub
from scratch import ROOT, ScratchTest

transformers_logging.disable_progress_bar()
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", ".", "a"]
CONFIG = {"vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
          "max_position_embeddings": 10}


class ByNameTest(ScratchTest):
    def setUp(self):
        super().setUp()
        self.source, self.archive, self.home = self.folder / "bert", self.out / "bert.h5", self.folder / "home"
        torch.manual_seed(0)
        BertForMaskedLM(BertConfig(**CONFIG)).save_pretrained(self.source)
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        self.write("bert/tf_model.h5", b"large and of no use")
        self.write("bert/README.md", b"nobody reads it here")

    def imported(self, name, endpoint="http://127.0.0.1:9", **variables):
        """(exit code, stdout, stderr) of an import in a process of its own: the library reads its variables once."""
        done = subprocess.run(
            [sys.executable, "-m", "tools.import_model", name, "--out", self.archive], cwd=self.folder, text=True,
            capture_output=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(self.home), "HF_ENDPOINT": endpoint, "HF_TOKEN": "",
                 "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "no_proxy": "127.0.0.1",
                 **{key: str(value) for key, value in variables.items()}})
        return done.returncode, done.stdout, done.stderr

    def refused(self, result, *parts, code=3):
        self.assert_one_clear_error(result, code, *parts)
        self.assertEqual(self.all_files(self.out), [])

    def assert_imported(self, result, name):
        self.assertEqual(result[0], 0, result)
        self.assertEqual(result[2], "")
        with h5py.File(self.archive) as file:
            self.assertIn(f'"source": "hub {name}@{COMMIT}"', bytes(file["meta"][()]).decode())
            words = file["parameters/embeddings.word_embeddings.weight"][()]
        expected = load_file(self.source / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
        self.assertEqual(words.tobytes(), expected.numpy().tobytes())
        self.archive.unlink()

    def test_what_is_needed_is_fetched_once_and_found_without_a_network(self):
        with Hub({"who/tiny": self.source}) as hub:
            self.assert_imported(self.imported("who/tiny", hub.endpoint), "who/tiny")
            self.assertEqual({"config.json", "model.safetensors", "vocab.txt"}, set(hub.fetched))
            before = len(hub.fetched)
            for name in ("who/tiny", "who/tiny@main", f"who/tiny@{COMMIT}"):
                self.assert_imported(self.imported(name, hub.endpoint), "who/tiny")
            self.assertEqual(before, len(hub.fetched))
            self.assert_imported(self.imported("who/tiny@v1", hub.endpoint), "who/tiny")
        for variables in ({}, {"HF_HUB_OFFLINE": 1}):  # the stand-in is gone; nobody is to be asked
            for name in ("who/tiny", "who/tiny@v1", f"who/tiny@{COMMIT}"):
                self.assert_imported(self.imported(name, **variables), "who/tiny")
        self.refused(self.imported("who/tiny@v2"), "who/tiny@v2 is not in the cache", "cannot be reached")

    def test_a_pickle_where_there_is_nothing_else(self):
        tensors = load_file(self.source / "model.safetensors")
        (self.source / "model.safetensors").rename(self.folder / "aside")
        torch.save(tensors, self.source / "pytorch_model.bin")
        with Hub({"tiny": self.source}) as hub:
            result = self.imported("tiny", hub.endpoint)
            self.assertIn("pytorch_model.bin", hub.fetched)
        (self.folder / "aside").rename(self.source / "model.safetensors")
        self.assert_imported(result, "tiny")

    def test_a_cache_filled_by_hand(self):
        snapshot = self.home / "hub" / "models--who--tiny" / "snapshots" / COMMIT
        snapshot.parent.mkdir(parents=True)
        self.source.rename(snapshot)
        refs = snapshot.parents[1] / "refs"
        refs.mkdir()
        (refs / "main").write_text(COMMIT)
        self.source = snapshot
        self.assert_imported(self.imported("who/tiny"), "who/tiny")
        (snapshot / "model.safetensors").unlink()
        self.refused(self.imported("who/tiny"), "neither model.safetensors nor pytorch_model.bin, but TensorFlow's")

    def test_names_that_lead_nowhere(self):
        (self.folder / "berts").mkdir()
        for name, answer, parts in [
                ("who/absent", None, ["no folder who/absent here", "no such model on the hub", "/who/absent", "hf auth login"]),
                ("brts", None, ["no folder brts here", "Did you mean the folder 'berts'?"]),
                ("who/gated", "GatedRepo", ["behind a gate", "Accept its terms", "HF_TOKEN"]),
                ("who/tiny@v9", None, ["has no revision v9", "after the @"])]:
            with self.subTest(name), Hub({"who/tiny": self.source} | ({name: answer} if answer else {})) as hub:
                self.refused(self.imported(name, hub.endpoint), *parts)
        self.refused(self.imported("bad..name"), "no folder bad..name here, and no name of the hub either")
        for path in ("a/b/c", "./berts/none", "/none"):
            self.refused(self.imported(path), "no such folder", path)

    def test_a_hub_that_is_unwell_is_tried_later(self):
        with Hub({"who/ill": "Unwell"}) as hub:
            self.refused(self.imported("who/ill", hub.endpoint), "the hub answered with code 503", "Try again later", code=75)

    def test_no_network(self):
        for variables in ({}, {"HF_HUB_OFFLINE": 1}):
            self.refused(self.imported("who/tiny", **variables), "who/tiny is not in the cache", "the hub cannot be reached",
                         "hf download who/tiny --local-dir FOLDER", "set HF_HOME", str(self.home / "hub"))

    def test_a_cache_that_cannot_be_written(self):
        """A read-only one, whoever runs the test: its folder cannot be made, for a file stands there."""
        self.write("home", b"")
        with Hub({"who/tiny": self.source}) as hub:
            self.refused(self.imported("who/tiny", hub.endpoint), "the cache cannot be written", str(self.home / "hub"),
                         "set HF_HOME to another folder")


if __name__ == "__main__":
    unittest.main()
