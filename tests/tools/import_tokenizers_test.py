"""Folders of the kinds that people have, each with its own tokenizer: what the program reads is what transformers read, and what
cannot run is refused when it is imported.

What broke: importing wanted [CLS], [SEP], [PAD], [UNK] and [MASK] of every model.
"""

import importlib.util
import json
import unittest

import torch
from tokenizers import pre_tokenizers
from transformers import (AutoTokenizer, BartConfig, BartModel, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer, RobertaConfig,
                          RobertaForMaskedLM, RobertaTokenizer, XLMRobertaConfig, XLMRobertaForMaskedLM)
from transformers.convert_slow_tokenizer import import_protobuf
from transformers.utils import logging as transformers_logging

from scratch import ScratchTest, call, import_model

from tests.golden.charsmaps import charsmap
from tools.data.tokens import WordPieces
from tools.failure import Failure

transformers_logging.disable_progress_bar()
MERGES = [("c", "a"), ("ca", "l"), ("\u0120", "cal"), ("\u0120cal", "m"), ("cal", "m")]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 20}
ADDED = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
# Files beside vocab.json and merges.txt, whose vocabulary ends before 300; all were dropped without a word.
BESIDE = {
    "added_tokens.json": {"added_tokens": {"<user>": 300, "<New>": 301}},
    "added_tokens_decoder": {"tokenizer_config": {"added_tokens_decoder": {
        "300": ADDED | {"content": "<user>"}, "301": ADDED | {"content": "calm!", "rstrip": True, "special": False}}}},
    "additional_special_tokens": {"special_tokens_map": {"additional_special_tokens": ["<user>"]}},
    "both": {"special_tokens_map": {"additional_special_tokens": ["<user>"]}, "added_tokens": {"<user>": 300}},
    "other names of special pieces": {"special_tokens_map": {"mask_token": ADDED | {"content": "<MASK>", "lstrip": True}},
                                      "tokenizer_config": {"pad_token": "<PAD>"}},
}
ADDED_TEXTS = ["calm <user> calm!", "calm<USER>calm! <New>x", "calm! <PAD> <MASK> x"]
TEXTS = ["calm fear", "It's calm?!", "\u65e5\u672c 12"]


def pieces(specials):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return {piece: number for number, piece in enumerate(dict.fromkeys([*specials, *letters, *map("".join, MERGES)]))}


class Folders(ScratchTest):
    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        self.source, self.archive = self.folder / "model", self.out / "model.h5"

    def imported(self):
        code, said, err = call(import_model, self.source, "--out", self.archive)
        self.assertEqual(code, 0, err)
        return said

    def check_pieces(self):
        theirs = AutoTokenizer.from_pretrained(self.source)
        self.assertEqual(WordPieces(self.archive).encode(TEXTS), theirs(TEXTS, add_special_tokens=False)["input_ids"])

    def test_roberta_bart_and_gpt2(self):
        for kind, specials, model in (
                (RobertaTokenizer, ROBERTA, lambda count: RobertaForMaskedLM(RobertaConfig(vocab_size=count, **SMALL))),
                (RobertaTokenizer, ROBERTA, lambda count: BartModel(BartConfig(
                    vocab_size=count, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                    decoder_attention_heads=2, encoder_ffn_dim=12, decoder_ffn_dim=12, max_position_embeddings=20))),
                (GPT2Tokenizer, ["<|endoftext|>"], lambda count: GPT2LMHeadModel(GPT2Config(
                    vocab_size=count, n_embd=8, n_layer=1, n_head=2, n_positions=20)))):
            with self.subTest(kind.__name__):
                vocabulary = pieces(specials)
                model(len(vocabulary) + 3).save_pretrained(self.source)
                kind(vocab=vocabulary, merges=MERGES).save_pretrained(self.source)
                self.imported()
                self.check_pieces()
                self.archive.unlink()

    def test_tokens_added_to_pairs(self):
        for kind, specials in (("roberta", ROBERTA), ("gpt2", ["<|endoftext|>"])):
            vocabulary = pieces(specials)
            vocabulary |= {f"filler {number}": number for number in range(len(vocabulary), 300)}
            for what, files in (BESIDE | {"nothing": {}}).items():
                with self.subTest(what, kind=kind):
                    folder = self.folder / f"{kind} {what}"
                    self.write(folder / "merges.txt", "#version: 0.2\n" + "\n".join(map(" ".join, MERGES)))
                    for name, content in (files | {"config": {"model_type": kind}, "vocab": vocabulary}).items():
                        self.write(folder / f"{name}.json", json.dumps(content))
                    theirs = AutoTokenizer.from_pretrained(folder)(ADDED_TEXTS, add_special_tokens=False)["input_ids"]
                    ours = WordPieces(folder)
                    self.assertEqual(ours.encode(ADDED_TEXTS[:2]), theirs[:2])
                    ours.tokenizer.encode_special_tokens = False  # special pieces in texts are text to ours
                    self.assertEqual(ours.encode(ADDED_TEXTS), theirs)
            self.write(folder / "added_tokens.json", json.dumps({"<far>": 999}))
            with self.assertRaisesRegex(Failure, "'<far>' has number 999, but the vocabulary ends at 299"):
                WordPieces(folder)

    def sentencepiece_model(self):
        proto = import_protobuf().ModelProto()
        for number, (piece, score) in enumerate([("<unk>", 0), ("<s>", 0), ("</s>", 0), ("\u2581calm", -1), ("calm", -2), ("\u2581", -3),
                                                 *((letter, -5) for letter in "feartis'?!12")]):
            proto.pieces.add(piece=piece, score=score, type=(2 if number == 0 else 3 if number < 3 else 1))
        proto.trainer_spec.model_type, proto.trainer_spec.unk_id = 1, 0
        proto.normalizer_spec.precompiled_charsmap = charsmap({"\u00a0": " "})
        return proto.SerializeToString()

    def test_sentencepiece_alone(self):
        XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=30, **SMALL)).save_pretrained(self.source)
        place = self.source / "sentencepiece.bpe.model"
        if importlib.util.find_spec("sentencepiece") is None:
            place.touch()
            self.assert_one_clear_error(call(import_model, self.source, "--out", self.archive), 3, "pip install sentencepiece")
            return
        place.write_bytes(self.sentencepiece_model())
        self.assertIn("made of sentencepiece.bpe.model", self.imported())
        self.check_pieces()
        self.archive.unlink()
        place.write_bytes(b"no model")
        self.assert_one_clear_error(call(import_model, self.source, "--out", self.archive), 3, "transformers cannot read")
        self.assertEqual(self.all_files(self.out), [])

    def test_tokenizers_that_cannot_run(self):
        vocabulary = pieces(["<|endoftext|>"])
        GPT2LMHeadModel(GPT2Config(vocab_size=len(vocabulary), n_embd=8, n_layer=1, n_head=2, n_positions=20)) \
            .save_pretrained(self.source)
        GPT2Tokenizer(vocab=vocabulary, merges=MERGES).save_pretrained(self.source)
        place = self.source / "tokenizer.json"
        content = json.loads(place.read_text())
        cut = {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\w+"}, "behavior": "Isolated", "invert": False}, content["pre_tokenizer"]]}
        for change, said in (({"pre_tokenizer": cut}, "cuts words by"), ({"added_tokens": []}, "lacks the special piece (end)")):
            with self.subTest(said):
                place.write_text(json.dumps(content | change))
                self.assert_one_clear_error(call(import_model, self.source, "--out", self.archive), 3, said)
                self.assertEqual(self.all_files(self.out), [])


if __name__ == "__main__":
    unittest.main()
