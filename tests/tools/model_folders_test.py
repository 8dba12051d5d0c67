"""Model folders of every age: shards, other names of the head's bias, byte-order marks, the hub's cache; and tokenizers.

What broke at 393860c is said in each row: weights were not found, a head was called incomplete, a tokenizer read texts in
another way than the one that the model was trained with. Tokenizers are compared with transformers'.
"""

import json
import pathlib
import unittest

import h5py
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from scratch import ScratchTest, call, import_model

from tools.data.tokens import WordPieces
from tools.tokenizer_files import tokenizer_text

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] the cat caf ##e ##é cafe café 中 ##文 中文 a ##b <user> user < > cats . <new> ##x "
         "so-so so - éé").split()
TEXTS = ["The café Cat", "中文 a", "<user> the cat", "THE CAFÉ.", "a <USER>x", "<user>the so-so", "<new>the <NEW>",
         "ab\u200bx"]
CONFIG = {"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
          "max_position_embeddings": 10, "type_vocab_size": 2}
MARK = b"\xef\xbb\xbf"
ADDED = {"content": "<user>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": False}

# what broke: {file: content} beside vocab.txt; all must read TEXTS as transformers does
SETTINGS = {
    "read well before: lower case is the default": {"tokenizer_config": {"do_lower_case": True}},
    "read well before: cased": {"tokenizer_config": {"do_lower_case": False}},
    "strip_accents was ignored": {"tokenizer_config": {"do_lower_case": False, "strip_accents": True}},
    "strip_accents = false was ignored": {"tokenizer_config": {"do_lower_case": True, "strip_accents": False}},
    "tokenize_chinese_chars was ignored": {"tokenizer_config": {"do_lower_case": True, "tokenize_chinese_chars": False}},
    "added_tokens.json was ignored": {"added_tokens": {"<user>": 17, "<new>": 23}},
    "added_tokens_decoder was ignored": {"tokenizer_config": {"added_tokens_decoder": {"17": ADDED}}},
    "additional_special_tokens were ignored": {"special_tokens_map": {"additional_special_tokens": ["<user>"],
                                                                      "unk_token": ADDED | {"content": "[UNK]"}}},
    "a number beyond the vocabulary was ignored": {"added_tokens": {"<very new>": len(WORDS)}},
}


def read_archive(path):
    with h5py.File(path) as file:
        parameters = {}
        file["parameters"].visititems(lambda name, item: parameters.update({name: item[()]})
                                      if isinstance(item, h5py.Dataset) else None)
        return json.loads(bytes(file["meta"][()])), parameters


class TokenizersTest(ScratchTest):
    def files(self, content):
        for name, value in content.items():
            self.write(f"bert/{name}.json", json.dumps(value))
        return self.folder / "bert"

    def remove(self):
        for path in (self.folder / "bert").glob("*.json"):
            path.unlink()

    def test_settings_mean_what_they_mean_to_transformers(self):
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        for what, content in SETTINGS.items():
            with self.subTest(what):
                folder = self.files(content)
                expected = BertTokenizerFast.from_pretrained(folder)(TEXTS, add_special_tokens=False)["input_ids"]
                self.assertEqual(WordPieces(folder).encode(TEXTS), expected)
                self.remove()

    def test_a_tokenizer_json_follows_the_settings_beside_it(self):
        """The config was not looked at; transformers takes its word over tokenizer.json's."""
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        content = json.loads(tokenizer_text(self.folder / "bert")[0])
        for config in ({"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}):
            folder = self.files({"tokenizer": content, "tokenizer_config": config})
            expected = BertTokenizerFast.from_pretrained(folder)(TEXTS, add_special_tokens=False)["input_ids"]
            self.assertEqual(WordPieces(folder).encode(TEXTS), expected)
            self.assertIn("of tokenizer_config.json replaces tokenizer.json's", tokenizer_text(folder)[1][0])
        text = (self.folder / "bert" / "tokenizer.json").read_text()
        self.files({"tokenizer_config": {"do_lower_case": True, "strip_accents": None}})
        self.assertEqual(tokenizer_text(folder), (text, []))

    def test_a_vocabulary_with_capitals_is_cased(self):
        """A bare vocab.txt of a cased model was lower-cased: every capital became [UNK]."""
        cased = [*WORDS, "The", "Cat", "THE"]
        for words, config, expected in ((cased, None, ["The", "cat"]), (cased, {"model_max_length": 9}, ["The", "cat"]),
                                        (cased, {"do_lower_case": True}, ["the", "cat"]), (WORDS, None, ["the", "cat"])):
            folder = self.write("bert/vocab.txt", "\n".join(words) + "\n").parent
            self.files({} if config is None else {"tokenizer_config": config})
            self.assertEqual(WordPieces(folder).tokenizer.encode("The cat", add_special_tokens=False).tokens, expected)
            self.remove()

    def test_words_that_are_never_cut(self):
        """never_split and do_basic_tokenize were ignored, as transformers' fast tokenizers do; the slow ones obey."""
        folder = self.write("bert/vocab.txt", "\n".join(WORDS)).parent
        self.files({"tokenizer_config": {"never_split": ["so-so", "[UNK]"], "do_lower_case": True}})
        self.assertEqual(WordPieces(folder).tokenizer.encode("SO so-so", add_special_tokens=False).tokens, ["so", "so-so"])
        self.files({"tokenizer_config": {"do_basic_tokenize": False}})
        self.assertEqual(WordPieces(folder).tokenizer.encode("so-so éé A", add_special_tokens=False).tokens,
                         ["so-so", "éé", "[UNK]"])

    def test_tokenizers_that_are_refused(self):
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        for content, part in (({"tokenizer_config": {"tokenizer_class": "BertJapaneseTokenizer"}}, "in its own way"),
                              ({"tokenizer_config": {"strip_accents": "no"}}, "strip_accents is 'no'"),
                              ({"tokenizer_config": {"added_tokens_decoder": {"17": "<far>"}}}, "tokens by their numbers"),
                              ({"tokenizer_config": {"added_tokens_decoder": ["<far>"]}}, "tokens by their numbers"),
                              ({"tokenizer_config": {"additional_special_tokens": "<user>"}}, "special_tokens is no list of tokens"),
                              ({"tokenizer_config": {"never_split": [{"a": 1}]}}, "never_split is no list of tokens"),
                              ({"special_tokens_map": {"additional_special_tokens": 7}}, "special_tokens is no list of tokens"),
                              ({"added_tokens": {"<far>": "12"}}, "'<far>' has '12' for a number"),
                              ({"added_tokens": {"<far>": 99}}, "'<far>' has number 99")):
            with self.assertRaisesRegex(Exception, part):
                WordPieces(self.files(content))
            self.remove()

    def test_byte_order_marks(self):
        """[PAD] was called absent, a configuration no JSON."""
        plain = "\n".join(WORDS) + "\n"
        folder = self.write("bert/vocab.txt", plain).parent
        expected = tokenizer_text(folder)
        self.write("bert/vocab.txt", MARK + plain.replace("\n", "\r\n").encode())
        self.write("bert/special_tokens_map.json", MARK + b"{}")
        self.assertEqual(tokenizer_text(folder), expected)
        self.write("bert/tokenizer.json", MARK + expected[0].encode())
        self.write("bert/tokenizer_config.json", MARK + b"{}")
        self.assertEqual(tokenizer_text(folder)[0], expected[0])


class FoldersTest(ScratchTest):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        cls.model = BertForMaskedLM(BertConfig(**CONFIG))

    def setUp(self):
        super().setUp()
        self.source, self.archive = self.folder / "bert", self.out / "bert.h5"
        self.model.save_pretrained(self.source)
        self.write("bert/vocab.txt", "\n".join(WORDS) + "\n")
        self.tensors = load_file(self.source / "model.safetensors")

    def replace_weights(self, tensors):
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, self.source / "model.safetensors")

    def pickled_shards(self):
        (self.source / "model.safetensors").unlink()
        names = sorted(self.tensors)
        for number in range(2):
            torch.save({name: self.tensors[name] for name in names[number::2]}, self.source / f"pytorch_model-{number}.bin")
        self.write("bert/pytorch_model.bin.index.json", MARK + json.dumps(
            {"weight_map": {name: f"pytorch_model-{n % 2}.bin" for n, name in enumerate(names)}}).encode())

    def imported(self, source=None):
        code, said, err = call(import_model, source or self.source, "--out", self.archive)
        self.assertEqual(code, 0, err)
        self.assertIn("an MLM head", said)
        meta, parameters = read_archive(self.archive)
        for name, tensor in self.tensors.items():
            np.testing.assert_array_equal(parameters[name.removeprefix("bert.")], tensor.numpy(), name)
        return meta

    def refused(self, *parts, source=None):
        self.assert_one_clear_error(call(import_model, source or self.source, "--out", self.archive), 3, *parts)

    def test_pickles_in_shards(self):
        """Was: no weights."""
        self.pickled_shards()
        self.imported()
        (self.source / "pytorch_model-1.bin").unlink()
        self.refused("1 of 2 shards are absent, pytorch_model-1.bin", "index.json")

    def test_names_of_the_same_tensors(self):
        """Was: 1 of 42 tensors are missing; embeddings.LayerNorm.bias is missing."""
        bias = self.tensors["cls.predictions.bias"]
        newer = {name: tensor for name, tensor in self.tensors.items() if name != "cls.predictions.bias"}
        self.replace_weights(newer | {"cls.predictions.decoder.bias": bias})
        self.imported()
        words = "bert.embeddings.word_embeddings.weight"
        self.replace_weights({"cls.predictions.decoder.weight" if name == words else name: tensor
                              for name, tensor in self.tensors.items()})
        self.imported()
        for prefix in ("module.", "model.", "0.auto_model."):
            self.replace_weights({prefix + name: tensor for name, tensor in self.tensors.items()}
                                 | {f"{prefix}bert.embeddings.position_ids": torch.arange(10)[None]})
            self.imported()
        self.replace_weights(self.tensors | {"cls.predictions.decoder.bias": bias + 1})
        self.refused("differ, which should be one")

    def test_both_kinds_of_weights(self):
        """safetensors are read where a folder has both."""
        torch.save({"x": torch.zeros(1)}, self.source / "pytorch_model.bin")
        self.imported()

    def test_configurations_of_other_years(self):
        config = self.source / "config.json"
        content = json.loads(config.read_text())
        config.write_bytes(MARK + config.read_bytes())
        self.imported()
        del content["model_type"]
        config.unlink()
        self.write("bert/bert_config.json", json.dumps(content))
        self.assertEqual(self.imported()["config"]["model_type"], "bert")
        self.write("bert/bert_config.json", json.dumps(content | {"architectures": ["ElectraModel"]}))
        self.refused("no \"model_type\"")

    def test_where_the_folder_lies(self):
        """A folder of the hub's cache, links to its blobs, names in capitals, a file of the folder."""
        cache = self.folder / "models--who--bert"
        (cache / "refs").mkdir(parents=True)
        (cache / "blobs").mkdir()
        snapshot = cache / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        for n, path in enumerate(sorted(self.source.iterdir())):
            (cache / "blobs" / str(n)).write_bytes(path.read_bytes())
            (snapshot / path.name).symlink_to(pathlib.Path("../../blobs") / str(n))
        (cache / "refs" / "main").write_text("abc")
        self.imported(snapshot)
        self.imported(f"{cache}/")
        (cache / "refs" / "main").unlink()
        (cache / "snapshots" / "abd").mkdir()
        self.archive.unlink()
        self.refused("2 snapshots", "abc", source=cache)
        self.refused("a file, not a folder", f"Give the folder that it lies in: {self.source}",
                     source=self.source / "model.safetensors")
        for path in list(self.source.iterdir()):
            path.rename(self.source / path.name.upper())
        self.imported()

    def test_weights_that_are_none(self):
        (self.source / "model.safetensors").unlink()
        self.write("bert/tf_model.h5", b"x")
        self.refused("neither model.safetensors nor pytorch_model.bin", "TensorFlow's tf_model.h5", "from_tf=True", "save_pretrained")
        self.write("bert/model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        self.refused("a pointer of Git LFS", "git lfs pull")
        name = "bert.encoder.layer.0.output.dense.weight"
        self.replace_weights(self.tensors | {name: torch.zeros(8, 12, dtype=torch.int8)})
        self.refused("holds torch.int8", "quantised")
        self.replace_weights({f"{side}.{name}": tensor for name, tensor in self.tensors.items() for side in ("left", "right")})
        self.refused("2 encoders: below left.bert., right.bert.")


if __name__ == "__main__":
    unittest.main()
