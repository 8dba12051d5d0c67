"""Model folders that lie, lack something or mean harm: each is refused in one line, and nothing is written."""

import json
import os
import unittest
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel
from transformers.utils import logging as transformers_logging

from scratch import ScratchTest, call, import_model

from tools import kinds

transformers_logging.disable_progress_bar()
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", ".", "a"]
CONFIG = {"vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
          "max_position_embeddings": 10}
QUERY = "bert.encoder.layer.0.attention.self.query.weight"


class Code:
    """What a pickle of it does when it is read as pickles usually are."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class BadModels(ScratchTest):
    def setUp(self):
        super().setUp()
        self.source, self.archive = self.folder / "bert", self.out / "bert.h5"
        torch.manual_seed(0)
        self.model = BertForMaskedLM(BertConfig(**CONFIG))
        self.model.save_pretrained(self.source)
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        self.tensors = load_file(self.source / "model.safetensors")

    def refused(self, *parts):
        self.assert_one_clear_error(call(import_model, self.source, "--out", self.archive), 3, *parts)
        self.assertEqual(self.all_files(self.out), [])

    def replace(self, **changes):
        tensors = {name: tensor.clone() for name, tensor in (self.tensors | changes).items()}
        save_file(tensors, self.source / "model.safetensors", metadata={"format": "pt"})

    def configure(self, **changes):
        config = json.loads((self.source / "config.json").read_text())
        self.write("bert/config.json", json.dumps(config | changes))

    def test_a_configuration_that_lies_about_shapes(self):
        for key, value, part in (("hidden_size", 12, "has shape (8,), config.json asks for (12,)"),
                                 ("vocab_size", 17, "cls.predictions.bias has shape (16,), config.json asks for (17,)"),
                                 ("intermediate_size", 13, "(12,), config.json asks for (13,)"),
                                 ("num_hidden_layers", 2, "16 of 42 tensors are missing: encoder.layer.1."),
                                 ("max_position_embeddings", 11, "(10, 8), config.json asks for (11, 8)"),
                                 ("type_vocab_size", 1, "(2, 8), config.json asks for (1, 8)")):
            with self.subTest(key):
                before = (self.source / "config.json").read_text()
                self.configure(**{key: value})
                self.refused(part)
                self.write("bert/config.json", before)

    def test_indices_that_name_what_is_not_there(self):
        (self.source / "model.safetensors").rename(self.source / "model-1.safetensors")
        places = dict.fromkeys(self.tensors, "model-1.safetensors")
        for more, parts in (({"bert.x": "model-2.safetensors"}, ["1 of 2 shards are absent, model-2.safetensors"]),
                            ({"bert.x": "model-1.safetensors"}, ["1 of 27 tensors are not in the shards", "bert.x"]),
                            ({"bert.x": "../model-1.safetensors"}, ["'../model-1.safetensors' does not lie beside"]),
                            ({"bert.x": str(self.folder / "x")}, ["does not lie beside its index"])):
            with self.subTest(parts[0]):
                self.write("bert/model.safetensors.index.json", json.dumps({"weight_map": places | more}))
                self.refused(*parts, "index.json")

    def test_a_head_of_another_vocabulary(self):
        self.replace(**{"cls.predictions.bias": torch.zeros(20)})
        self.refused("cls.predictions.bias has shape (20,), config.json asks for (16,)")
        self.replace(**{"cls.predictions.decoder.weight": torch.zeros(20, 8)})
        self.refused("a head of another vocabulary: cls.predictions.decoder.weight has shape (20, 8)",
                     "embeddings.word_embeddings.weight (16, 8)")

    def test_tied_weights_that_differ(self):
        words = self.tensors["bert.embeddings.word_embeddings.weight"]
        self.replace(**{"cls.predictions.decoder.weight": words + 1})
        self.refused("cls.predictions.decoder.weight differs from the word embeddings", "tie_word_embeddings")

    def test_added_tokens_beyond_the_embeddings(self):
        self.write("bert/added_tokens.json", json.dumps({f"<new {n}>": len(WORDS) + n for n in range(6)}))
        self.refused("17 word pieces, the model only 16 embeddings: none for '<new 5>'", "resize_token_embeddings")

    def test_numbers_that_are_none(self):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            bad = self.tensors[QUERY].to(dtype)
            bad[0, :2] = torch.tensor([float("nan"), float("-inf")], dtype=dtype)
            self.replace(**{QUERY: bad})
            self.refused("2 of 64 numbers of encoder.layer.0.attention.self.query.weight are NaN or infinite")

    def test_a_pickle_with_code_is_not_run(self):
        (self.source / "model.safetensors").unlink()
        trap = self.folder / "it ran"
        torch.save(self.tensors | {"bert.x": Code(trap)}, self.source / "pytorch_model.bin")
        self.refused("holds more than tensors", "could run code", "pytorch_model.bin")
        self.assertFalse(trap.exists())

    def test_settings_that_no_kind_has(self):
        for change, parts in (({"hidden_act": "mish"}, ["hidden_act", '"mish"', "gelu"]),
                              ({"model_type": "mpnet"}, ['kind "mpnet" are not known', "nearest kind is bert",
                                                         "relative positions"]),
                              ({"model_type": "berd"}, ['kind "berd" are not known', "Did you mean 'bert'?"]),
                              ({"model_type": "t5"}, ['kind "t5" are not known'])):
            with self.subTest(change):
                before = (self.source / "config.json").read_text()
                self.configure(**change)
                self.refused(*parts, "config.json")
                self.write("bert/config.json", before)

    def test_rotary_scaling_of_an_unknown_kind(self):
        if "llama" not in kinds.known_kinds():
            self.skipTest("no kind with rotary positions is known")
        self.write("bert/config.json", json.dumps(
            CONFIG | {"model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-6, "num_key_value_heads": 2,
                      "rope_parameters": {"rope_type": "sideways", "rope_theta": 1e4, "factor": 2.0}}))
        self.refused("sideways", "config.json")

    def test_a_relative_that_is_not_there_either_is_not_named(self):
        with mock.patch.object(kinds, "known_kinds", lambda: ["bert", "gpt2"]):
            self.assertIn("nearest kind is gpt2", kinds.nearest("falcon"))
            self.assertEqual(kinds.nearest("bart-like"), "Known: bert, gpt2")

    def test_heads_that_are_missing_are_said(self):
        BertModel(BertConfig(**CONFIG)).save_pretrained(self.source)
        code, said, _ = call(import_model, self.source, "--out", self.archive)
        self.assertEqual(code, 0)
        self.assertIn("no MLM head: muppet trains without one; metaprompting and spt read their answers from it", said)

    def test_bfloat16_is_exact(self):
        self.replace(**{name: tensor.to(torch.bfloat16) for name, tensor in self.tensors.items()})
        self.assertEqual(call(import_model, self.source, "--out", self.archive)[0], 0)
        from tools.archive import hdf5_reader

        with hdf5_reader(self.archive) as file:
            stored = file["parameters"][QUERY.removeprefix("bert.")][()]
        self.assertEqual(stored.tobytes(), self.tensors[QUERY].to(torch.bfloat16).float().numpy().tobytes())


if __name__ == "__main__":
    unittest.main()
