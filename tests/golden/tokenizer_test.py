"""The program's pieces of label words and templates against those of Hugging Face's tokenizers, which tools.data uses: every
label of the carried sets, the templates of the methods and of the configurations, and random texts, by BERT's WordPiece,
lower-cased or not. Other kinds: tokenizer_kinds_test.py.

run: METALOOM_BUILD_DIR=build PYTHONPATH=. .venv/bin/python tests/golden/tokenizer_test.py
METALOOM_TEXTS=100000 tries more texts.
"""

import itertools
import json
import pathlib
import random
import sys
import tempfile
import unittest

from tests.golden import tokenizer_cases
from tools import import_model
from tools.data.tokens import WordPieces
from tools.tokenizer_files import tokenizer_text


class Pieces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = import_model.package_folder()
        text, _ = tokenizer_text(folder)
        cls.compared = tokenizer_cases.Compared(text, import_model.read_config(folder)[0]["vocab_size"])

    def test_label_words_are_those_of_the_tools(self):
        words = tokenizer_cases.label_words(tokenizer_cases.labels())
        self.assertGreater(len(words), 200)
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "tokenizer.json"
            place.write_text(self.compared.text, encoding="utf-8")
            self.assertEqual(self.compared.ours(words, "space"), WordPieces(place).encode_words(words))

    def test_templates(self):
        texts = tokenizer_cases.templates()
        self.assertGreater(len(texts), 1)
        self.compared.check(self, texts)
        self.assertTrue(any(self.compared.pieces.index("[MASK]") in ids for ids in self.compared.ours(texts, "nothing")))

    def test_random_texts(self):
        self.compared.check_all(self)
        texts = tokenizer_cases.ascii_texts(random.Random(8), 1000)
        self.compared.check(self, [text.replace("x", "[").replace("y", "]") for text in texts])

    def test_settings_of_the_normalizer(self):
        words = tokenizer_cases.label_words(tokenizer_cases.labels())
        texts = tokenizer_cases.unicode_texts(random.Random(9), 500, words)
        for clean, chinese, accents, lower in itertools.product((True, False), (True, False), (True, False, None), (True, False)):
            chosen = {"clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": accents, "lowercase": lower}
            content = json.loads(self.compared.text)
            content["normalizer"] = {"type": "BertNormalizer"} | chosen
            with self.subTest(**chosen):
                tokenizer_cases.Compared(json.dumps(content), len(self.compared.pieces)).check(self, texts)
        content["added_tokens"].append({"id": self.compared.pieces.index("the"), "content": "the", "single_word": True, "lstrip": False,
                                        "rstrip": False, "normalized": False, "special": False})
        tokenizer_cases.Compared(json.dumps(content), len(self.compared.pieces)).check(
            self, ["the other", "othe the.", "_the the_ the-the", "the\u00e9 \u4e2dthe the\u0301 (the)the", *texts])
        content["pre_tokenizer"] = {"type": "WhitespaceSplit"}
        tokenizer_cases.Compared(json.dumps(content), len(self.compared.pieces)).check(self, texts)


if __name__ == "__main__":
    if not tokenizer_cases.PROGRAM.exists():
        print(f"{tokenizer_cases.PROGRAM} is not built")
        sys.exit(77)
    unittest.main()
