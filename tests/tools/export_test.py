"""Exporting: what transformers loads of a folder is what was trained, and what is imported back is it bit for bit."""

import json
import os
import random
import unittest

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers.utils import logging as transformers_logging

from export_scratch import ExportScratch, parts_of

from tests.golden.families import FAMILIES
from tools.archive import hdf5_writer, put_text
from tools.data.tokens import WordPieces
from tools.export.files import shards_of

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


class ExportTest(ExportScratch):
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
                # Where the word table is the head, a body is a whole model.
                said = self.export(archive, self.out / name, head="none")
                self.assertIn(f"{type(body).__name__}, ", said)
                self.assertNotIn("at random", said)
                size = body.config.vocab_size
                loaded = transformers.AutoModel.from_pretrained(self.out / name)
                self.assertTrue(self.logits(loaded, size).equal(self.logits(body, size)))
                loads.append(("AutoModel", self.out / name))
                self.imported(self.out / name, self.folder / "again.h5")
                self.assertEqual(parts_of(self.folder / "again.h5"), parts_of(archive))
        self.assert_no_warning(*loads)

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

    def test_where_it_is_written(self):
        self.archive_of(self.small())
        self.write("out/exported/notes.txt", "mine")
        self.refused(self.run_export(), "holds something else than a model", code=2)
        self.refused(self.run_export(overwrite=True), "holds something else than a model", code=2)
        (self.exported / "notes.txt").unlink()
        self.export()
        (self.exported / "model-00001-of-00002.safetensors").write_text("of the model before")
        self.refused(self.run_export(), "holds a model already", "overwrite=true", code=2)
        self.export(overwrite=True)
        self.assertFalse((self.exported / "model-00001-of-00002.safetensors").exists())
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


if __name__ == "__main__":
    unittest.main()
