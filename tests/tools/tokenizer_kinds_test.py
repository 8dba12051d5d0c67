"""Label words by tokenizers unlike BERT's: words within a text keep their space, and the unknown piece is the tokenizer's own.

What broke: label words were found by "[UNK]", which others do not have, and were those of a text's first word.
"""

import json
import unittest

from scratch import CLASSIFICATION, FILES, StoreScratch, call, data_program
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import GPT2Tokenizer, RobertaTokenizer

from tools.data.tokens import WordPieces
from tools.failure import Failure
from tools.tokenizer_files import tokenizer_text

MERGES = [("c", "a"), ("ca", "l"), ("\u0120", "cal"), ("\u0120cal", "m"), ("cal", "m"), ("e", "a"), ("ea", "r"), ("\u0120", "f"),
          ("\u0120f", "ear")]
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXTS = ["calm fear", " calm", "It's calm?!  \n 12 caf\u00e9s", "\u65e5\u672c calm"]


def vocabulary(specials):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return {piece: number for number, piece in enumerate(dict.fromkeys([*specials, *letters, *map("".join, MERGES)]))}


def unigram(scheme):
    pieces = [("<unk>", 0.0), ("\u2581calm", -1.0), ("calm", -2.0), ("\u2581", -3.0), ("fear", -2.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    return tokenizer.to_str()


class KindsTest(StoreScratch):
    def merged(self, specials, **config):
        """A folder of the years before tokenizer.json."""
        folder = self.write("old/vocab.json", json.dumps(vocabulary(specials))).parent
        self.write("old/merges.txt", "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in MERGES))
        self.write("old/tokenizer_config.json", json.dumps(config))
        return folder

    def words(self, pieces, names):
        return [[pieces.tokenizer.id_to_token(piece) for piece in word] for own in pieces.label_words(names, {}, "test")
                for word in own]

    def test_words_keep_the_space_before_them(self):
        pieces = WordPieces(self.merged(SPECIALS))
        self.assertEqual(self.words(pieces, ["Calm", "fear"]), [["\u0120calm"], ["\u0120fear"]])
        for scheme in ("always", "first", "never"):
            pieces = WordPieces(self.write("tokenizer.json", unigram(scheme)))
            self.assertEqual(self.words(pieces, ["Calm", "fear"]), [["\u2581calm"], ["fear"]])

    def test_no_second_space_where_the_tokenizer_puts_one(self):
        content = json.loads(unigram("never")) | {"normalizer": {"type": "Prepend", "prepend": "\u2581"}}
        pieces = WordPieces(self.write("tokenizer.json", json.dumps(content)))
        self.assertEqual(pieces.encode_words(["calm"]), pieces.encode(["calm"]))

    def test_the_unknown_piece_is_the_tokenizers(self):
        pieces = WordPieces(self.write("tokenizer.json", unigram("always")))
        self.assertEqual(pieces.unknown, 0)
        self.assertEqual(self.words(pieces, ["calm xyz", "fear"]), [["\u2581calm"], ["fear"]])
        with self.assertRaisesRegex(Failure, "no word of label 'xyz'"):
            pieces.label_words(["calm", "xyz"], {}, "test")
        self.assertEqual(WordPieces(self.merged(SPECIALS)).unknown, 3)
        pieces = WordPieces(self.merged(["<|endoftext|>"]))
        self.assertIsNone(pieces.unknown)
        self.assertEqual(len(pieces.label_words(["\u65e5\u672c", "calm"], {}, "test")[0][0]), 6)  # of 7: a space alone tells nothing

    def test_old_folders_read_as_transformers_reads_them(self):
        for specials, kind in ((SPECIALS, RobertaTokenizer), (["<|endoftext|>"], GPT2Tokenizer)):
            for config in ({}, {"add_prefix_space": True}, {"add_prefix_space": False}):
                folder = self.merged(specials, tokenizer_class=kind.__name__, **config)
                theirs = kind.from_pretrained(folder)
                self.assertEqual(WordPieces(folder).encode(TEXTS), theirs(TEXTS, add_special_tokens=False)["input_ids"])
                whole = Tokenizer.from_str(tokenizer_text(folder)[0])
                self.assertEqual([one.ids for one in whole.encode_batch(TEXTS)], theirs(TEXTS)["input_ids"])

    def test_a_tokenizer_json_follows_the_space_of_its_settings(self):
        text = tokenizer_text(self.merged(SPECIALS))[0]
        self.write("new/tokenizer.json", text)
        folder = self.write("new/tokenizer_config.json", '{"add_prefix_space": true}').parent
        self.assertEqual(WordPieces(folder).encode(["calm"]), WordPieces(folder).encode([" calm"]))
        self.assertIn("add_prefix_space = true of tokenizer_config.json replaces", tokenizer_text(folder)[1][0])
        self.write("new/tokenizer_config.json", '{"add_prefix_space": false}')
        self.assertEqual(tokenizer_text(folder), (text, []))

    def test_old_folders_that_are_refused(self):
        with self.assertRaisesRegex(Failure, "a vocab.json of a CLIPTokenizer"):
            tokenizer_text(self.merged(SPECIALS, tokenizer_class="CLIPTokenizer"))
        with self.assertRaisesRegex(Failure, "add_prefix_space is 'yes'"):
            tokenizer_text(self.merged(SPECIALS, add_prefix_space="yes"))
        self.merged(SPECIALS)
        for name, content in (("merges", "a b c\n"), ("merges", "a \u65e5\n"), ("merges", "ab\n")):
            folder = self.write(f"old/{name}.txt", content).parent
            with self.assertRaisesRegex(Failure, "of the same model"):
                tokenizer_text(folder)

    def test_a_special_piece_that_somebody_wrote_is_text(self):
        pieces = WordPieces(self.merged(SPECIALS))
        self.assertFalse(set(pieces.encode(["a <mask> and </s>"])[0]) & set(range(5)))

    def test_stores(self):
        self.write_rows()
        description = self.write("description.toml", CLASSIFICATION + FILES)
        code, _, err = call(data_program, "prepare", description, "--out", self.out, "--tokenizer", self.merged(SPECIALS))
        self.assertEqual(code, 0, err)
        store, pieces = self.store(), WordPieces(self.folder / "old")
        self.assertEqual(store["meta"]["label_words"], [pieces.encode(["alarm", " fear"]), pieces.encode([" calm"])])


class AddedTest(StoreScratch):
    def test_an_added_unknown_piece(self):
        tokenizer = Tokenizer(models.BPE({"a": 0}, []))
        tokenizer.add_special_tokens([AddedToken("[UNK]")])
        self.assertEqual(WordPieces(self.write("tokenizer.json", tokenizer.to_str())).unknown, 1)


if __name__ == "__main__":
    unittest.main()
