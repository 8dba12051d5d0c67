"""Exporting: what transformers loads of a folder is what was trained, and what is imported back is it bit for bit."""

import json
import os
import pathlib
import random
import subprocess
import sys
import unittest

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers.utils import logging as transformers_logging

from scratch import ROOT, TOKENIZER, ScratchTest, call, import_model

from tests.golden.families import FAMILIES
from tools.archive import get_json, get_text, hdf5_reader, hdf5_writer, put_checked_tensor, put_text
from tools.data.tokens import WordPieces
from tools.export import __main__ as export_program
from tools.export.files import shards_of

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LOADER = """
import sys, transformers
for auto, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    getattr(transformers, auto).from_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(folder)
"""


def parts_of(path):
    """(parameters as bytes by name, tokenizer.json, vocabulary) of an archive."""
    with hdf5_reader(path) as file:
        parameters = {}
        file["parameters"].visititems(lambda name, item: parameters.update({name: item[()].tobytes()})
                                      if hasattr(item, "shape") else None)
        return parameters, get_text(file, "tokenizer/tokenizer.json"), get_text(file, "tokenizer/vocabulary")


class ExportTest(ScratchTest):
    def setUp(self):
        super().setUp()
        self.source, self.archive, self.exported = self.folder / "source", self.folder / "model.h5", self.out / "exported"

    def archive_of(self, model, archive=None):
        model.save_pretrained(self.source)
        words = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), model.config.vocab_size))]
        self.write("source/vocab.txt", "\n".join(words) + "\n")
        self.imported(self.source, archive or self.archive)
        return archive or self.archive

    def imported(self, folder, archive):
        code, said, err = call(import_model, folder, "--out", archive)
        self.assertEqual(code, 0, err)
        return said

    def run_export(self, source=None, out=None, **words):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in words.items() if value is not True]
        flags += [f"--{name}" for name, value in words.items() if value is True]
        return call(export_program, source or self.archive, "--out", out or self.exported, *flags)

    def export(self, *places, **words):
        code, said, err = self.run_export(*places, **words)
        self.assertEqual(code, 0, err)
        return said

    def refused(self, result, *parts, code=3):
        self.assert_one_clear_error(result, code, *parts)
        self.assertEqual([name for name in os.listdir(self.out) if name.startswith(".")] if self.out.exists() else [], [])

    def assert_no_warning(self, *loads):
        """transformers as a user starts it loads these (class, folder) and says nothing."""
        words = [str(word) for load in loads for word in load]
        done = subprocess.run([sys.executable, "-c", LOADER, *words], cwd=ROOT, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"})
        said = [line for line in done.stderr.splitlines() if "Loading weights" not in line]
        self.assertEqual((done.returncode, done.stdout, said), (0, "", []))

    def logits(self, model, vocabulary):
        ids = torch.randint(5, vocabulary, (3, 7), generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            out = model.eval()(ids)
        return out.logits if hasattr(out, "logits") else out.last_hidden_state

    def test_every_kind_comes_back(self):
        loads = []
        for name, family in FAMILIES.items():
            with self.subTest(name):
                torch.manual_seed(3)
                model = family.model(family.make(random.Random(name)))
                archive = self.archive_of(model, self.folder / f"{name}.h5")
                exported = self.out / name
                said = self.export(archive, exported)
                self.assertIn(type(model).__name__, said)
                auto = said.strip().split("load it with ")[1].partition(".")[0]
                loaded, about = getattr(transformers, auto).from_pretrained(exported, output_loading_info=True)
                self.assertEqual([about[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")], [set()] * 3)
                self.assertIs(type(loaded), type(model))
                size = model.config.vocab_size
                self.assertLessEqual(float((self.logits(loaded, size) - self.logits(model, size)).abs().max()), 1e-5)
                loads.append((auto, exported))
                again = self.folder / "again.h5"
                self.assertNotIn("left out", self.imported(exported, again))
                self.assertEqual(parts_of(again), parts_of(archive))
        self.assert_no_warning(*loads)

    def test_bodies_alone(self):
        """Models without an MLM head; BERT's pooler goes with the body, or is left out and said where the head goes."""
        loads = []
        for name, family in FAMILIES.items():
            with self.subTest(name):
                model = getattr(family.model(family.make(random.Random(name))), family.base)
                body = type(model)(model.config)
                archive = self.archive_of(body, self.folder / f"{name}.h5")
                said = self.export(archive, self.out / name)
                self.assertIn(f"{type(body).__name__}, ", said)
                self.assertNotIn("at random", said)
                size = body.config.vocab_size
                loaded = transformers.AutoModel.from_pretrained(self.out / name)
                self.assertTrue(self.logits(loaded, size).equal(self.logits(body, size)))
                loads.append(("AutoModel", self.out / name))
                self.imported(self.out / name, self.folder / "again.h5")
                self.assertEqual(parts_of(self.folder / "again.h5"), parts_of(archive))
        self.assert_no_warning(*loads)

    def small(self, kind=transformers.BertForMaskedLM, **more):
        torch.manual_seed(0)
        return kind(transformers.BertConfig(**{"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
                                               "intermediate_size": 12, "max_position_embeddings": 10} | more))

    def test_pooler_and_head_of_one_model(self):
        archive = self.archive_of(self.small(transformers.BertForPreTraining))
        self.assertIn("left out, for BertForMaskedLM has no place for it (head=all keeps it): pooler.dense.bias", self.export())
        self.export(out=self.out / "none", head="none")
        self.assert_no_warning(("AutoModelForMaskedLM", self.exported))
        self.export(out=self.out / "all", head="all")
        self.imported(self.out / "all", self.folder / "again.h5")
        self.assertEqual(parts_of(self.folder / "again.h5"), parts_of(archive))
        loaded, about = transformers.AutoModel.from_pretrained(self.out / "none", output_loading_info=True)
        self.assertEqual((about["missing_keys"], about["unexpected_keys"]), (set(), set()))

    def test_what_transformers_makes_up_is_said(self):
        self.archive_of(self.small())
        self.assertIn("BertModel adds weights of its own, at random, and says so: pooler.dense.weight", self.export(head="none"))
        self.refused(self.run_export(out=self.out / "x", head="moods"), "there is no head 'moods', for no head was trained")

    def test_precisions(self):
        self.archive_of(self.small())
        expected = parts_of(self.archive)[0]
        for precision, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            self.export(out=self.out / precision, precision=precision)
            loaded = transformers.AutoModelForMaskedLM.from_pretrained(self.out / precision)
            self.assertEqual(loaded.dtype, dtype)
            self.imported(self.out / precision, self.folder / "again.h5")
            for name, value in parts_of(self.folder / "again.h5")[0].items():
                wanted = torch.from_numpy(np.frombuffer(expected[name], np.float32).copy()).to(dtype).float()
                self.assertEqual(value, wanted.numpy().tobytes(), name)
        model = self.small()
        with torch.no_grad():
            model.bert.embeddings.word_embeddings.weight[7, 3] = 1e6
        self.archive_of(model)
        self.refused(self.run_export(precision="fp16"), "embeddings.word_embeddings.weight has numbers that fp16 cannot hold",
                     "bf16", code=2)
        self.assertFalse(self.exported.exists())

    def test_shards(self):
        self.assertEqual(shards_of({"a": 5, "b": 3, "c": 9, "d": 1}, 8), [["a", "b"], ["c"], ["d"]])
        model = self.small()
        archive = self.archive_of(model)
        self.export(shard_gb=2e-6)
        files = sorted(path.name for path in self.exported.glob("*.safetensors"))
        index = json.loads((self.exported / "model.safetensors.index.json").read_text())
        self.assertGreater(len(files), 3)
        self.assertEqual(files, sorted(set(index["weight_map"].values())))
        self.assertEqual(index["metadata"]["total_size"], 4 * sum(value.numel() for value in model.parameters()))
        for place, file in index["weight_map"].items():
            self.assertIn(place, load_file(self.exported / file))
        self.imported(self.exported, self.folder / "again.h5")
        self.assertEqual(parts_of(self.folder / "again.h5"), parts_of(archive))
        self.assert_no_warning(("AutoModelForMaskedLM", self.exported))

    def test_the_tokenizer(self):
        self.archive_of(self.small())
        self.export()
        loaded = transformers.AutoTokenizer.from_pretrained(self.exported)
        texts = ["w7 w9w8", "W12 unknown"]
        self.assertEqual(loaded(texts, add_special_tokens=False)["input_ids"], WordPieces(self.archive).encode(texts))
        self.assertEqual(loaded("w7", "w8")["token_type_ids"], [0, 0, 0, 1, 1])
        self.assertEqual([loaded.cls_token, loaded.sep_token, loaded.pad_token, loaded.unk_token, loaded.mask_token],
                         ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"])
        self.assertEqual(loaded.model_max_length, 10)
        self.assertTrue(TOKENIZER.exists())

    def test_where_it_is_written(self):
        self.archive_of(self.small())
        self.write("out/exported/notes.txt", "mine")
        self.refused(self.run_export(), "holds something else than a model", code=2)
        self.refused(self.run_export(overwrite=True), "holds something else than a model", code=2)
        (self.exported / "notes.txt").unlink()
        self.export()
        (self.exported / "old.txt").write_text("of the model before")
        self.refused(self.run_export(), "holds a model already", "overwrite=true", code=2)
        self.export(overwrite=True)
        self.assertFalse((self.exported / "old.txt").exists())
        self.assertEqual(os.listdir(self.out), ["exported"])
        self.assertEqual({oct(path.stat().st_mode & 0o777) for path in self.exported.iterdir()}, {"0o644"})
        self.write("file", "x")
        self.refused(self.run_export(out=self.folder / "file"), "this is no folder", code=2)
        self.refused(self.run_export(out=self.folder / "file" / "below"), str(self.folder / "file"))

    def test_what_cannot_be_exported(self):
        self.refused(self.run_export(self.folder / "absent.h5"), "no such file")
        self.refused(self.run_export(self.write("text.h5", "x")), "not an HDF5 file")
        self.refused(self.run_export(self.write("step/manifest.json", '{"sections": {}}').parent), "no section")
        with hdf5_writer(self.folder / "other.h5") as file:
            put_text(file, "meta", "{}")
        self.refused(self.run_export(self.folder / "other.h5"), "not a model archive")

    def checkpoint(self, theta, **config):
        """A checkpoint as the program writes it, of the archive and these trained tensors."""
        step = self.folder / "step_00000003"
        step.mkdir()
        with hdf5_writer(step / "theta.h5") as file:
            for name, value in theta.items():
                put_checked_tensor(file, name, value.numpy())
        with hdf5_writer(step / "progress.h5") as file:
            put_text(file, "config", 'steps = 3\n[method]\nname = "muppet"\n' + "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
            put_text(file, "progress", '{"stage": "1_muppet"}')
        sections = {"theta": "theta.h5", "progress": "progress.h5", "model": f"../{self.archive.name}"}
        self.write("step_00000003/manifest.json", json.dumps(
            {"step": 3, "sections": {name: {"file": file} for name, file in sections.items()}}))
        return step

    def test_trained_weights_lie_over_the_frozen_ones(self):
        self.archive_of(self.small())
        bias = torch.randn(8)
        step = self.checkpoint({"model.encoder.layer.0.output.dense.bias": bias, "prompt.soft": torch.ones(2, 8)})
        said = self.export(step)
        self.assertIn("stage 1_muppet, update 3", said)
        self.assertIn("1 trained tensors that are no weights of the model lie beside it, in metaloom.safetensors: prompt.soft", said)
        self.assertTrue(load_file(self.exported / "model.safetensors")["bert.encoder.layer.0.output.dense.bias"].equal(bias))
        self.assertTrue(load_file(self.exported / "metaloom.safetensors")["prompt.soft"].equal(torch.ones(2, 8)))
        card = (self.exported / "README.md").read_text()
        for part in ("`1_muppet`, multi-task pre-finetuning (MUPPET), after 3 updates", "- `prompt.soft` [2, 8]",
                     'name = "muppet"', "AutoModelForMaskedLM"):
            self.assertIn(part, card)
        self.assert_no_warning(("AutoModelForMaskedLM", self.exported))

    def test_heads_that_no_class_has_are_refused(self):
        self.archive_of(self.small())
        theta = {f"head.x.{name}": value for name, value in {
            "dense.weight": torch.randn(8, 8), "dense.bias": torch.randn(8), "out.weight": torch.randn(3, 8),
            "out.bias": torch.randn(3)}.items()}
        step = self.checkpoint(theta, state="mean")
        self.refused(self.run_export(step, head="x"), "reads the mean of a row's states", "method.state=cls")
        self.refused(self.run_export(step, head="y"), "there is no head 'y'", "Known: x, mlm, none, all")


if __name__ == "__main__":
    unittest.main()
