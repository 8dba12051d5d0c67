"""The program's pieces of label words and templates against those of Hugging Face's tokenizers, which tools.data uses: every
label of the carried sets, the templates of the methods and of the configurations, and 20,000 random ASCII texts.

run: METALOOM_BUILD_DIR=build PYTHONPATH=. .venv/bin/python tests/golden/tokenizer_test.py
"""

import gzip
import json
import os
import pathlib
import random
import re
import string
import subprocess
import sys
import tempfile
import unittest

from tokenizers import Tokenizer

from tools import import_model
from tools.data.tokens import WordPieces, split_words
from tools.tokenizer_files import tokenizer_text

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_tokenizer"


def labels():
    """The names of all classes of the carried sets."""
    found = set()
    for file in sorted((ROOT / "data" / "sets").glob("*/train.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            found |= {label for label in (json.loads(line).get("label") for line in lines) if isinstance(label, str)}
    return sorted(found)


def templates():
    """Every template in quotes that the methods or the configurations know, without the words that are replaced."""
    places = [*(ROOT / "methods").rglob("*.h"), *(ROOT / "configs").rglob("*.toml")]
    quoted = {one for place in places for one in re.findall(r'"([^"\n]*\{text\}[^"\n]*)"', place.read_text(encoding="utf-8"))}
    return sorted(" ".join(word for word in one.split() if not re.match(r"\{|<soft", word)) for one in quoted)


def random_texts(dice, count):
    """Printable ASCII: words of the kinds that people write, and noise. "[" stands for special pieces in templates."""
    letters = string.ascii_letters
    noise = (string.ascii_letters + string.digits + string.punctuation).replace("[", "")

    def word():
        return "".join(dice.choices(dice.choice([letters, noise]), k=dice.choice([1, 2, 4, 7, 12, 101])))

    return [" ".join(word() for _ in range(dice.randint(1, 5))) for _ in range(count)]


class Pieces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = import_model.package_folder()
        cls.json, _ = tokenizer_text(folder)
        cls.pieces = import_model.vocabulary(cls.json, import_model.read_config(folder)[0]["vocab_size"], folder)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        (pathlib.Path(cls.folder.name) / "tokenizer.json").write_text(cls.json, encoding="utf-8")

    def ours(self, texts):
        folder = pathlib.Path(self.folder.name)
        (folder / "cases.json").write_text(json.dumps({"pieces": self.pieces, "texts": texts}))
        subprocess.run([PROGRAM, folder / "tokenizer.json", folder / "cases.json", folder / "out.json"], check=True)
        return json.loads((folder / "out.json").read_text())

    def compare(self, texts, wanted):
        for text, ours, theirs in zip(texts, self.ours(texts), wanted, strict=True):
            self.assertEqual(ours, theirs, text)

    def test_label_words_are_those_of_the_tools(self):
        words = sorted({word for label in labels() for word in split_words(label)})
        self.assertGreater(len(words), 200)
        self.compare(words, WordPieces(pathlib.Path(self.folder.name) / "tokenizer.json").encode(words))

    def test_templates(self):
        texts = templates()
        self.assertGreater(len(texts), 1)
        tokenizer = Tokenizer.from_str(self.json)
        tokenizer.no_padding()
        self.compare(texts, [tokenizer.encode(text, add_special_tokens=False).ids for text in texts])
        self.assertTrue(any(self.pieces.index("[MASK]") in ids for ids in self.ours(texts)))

    def test_random_texts(self):
        texts = random_texts(random.Random(7), 20000)
        tokenizer = Tokenizer.from_str(self.json)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.compare(texts, [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)])


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is not built")
        sys.exit(77)
    unittest.main()
