"""What the program's tokenizers are compared with Hugging Face's on: labels and templates that the project knows, random
texts, and the program that gives the pieces.
"""

import functools
import gzip
import json
import os
import pathlib
import random
import re
import string
import subprocess
import tempfile

from tokenizers import Tokenizer

from tools.data.tokens import split_words

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_tokenizer"
TEXTS = int(os.environ.get("METALOOM_TEXTS", "2000"))  # METALOOM_TEXTS=100000 is the figure that is reported
SPACES = [" ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u0085", "\x1f", "\u2028"]
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", "''"]
SPECIALS = ["<s>", "</s>", "<mask>", "<pad>", "<unk>", "<|endoftext|>", "[MASK]", "<0x41>", "\u2581", "\u0120", "[", "]", "<"]
# Letters of several scripts, marks, joiners, digits of all kinds, signs, pictures: what regular expressions and normal forms
# take apart.
CLASSES = ["\u00e9\u00c9\u00df\u00f1\u00fc\u0153\u0101\u0130\u0131", "\u0430\u0431\u0416\u0451\u03a9\u03b1\u03c2", "\u4e2d\u6587\u65e5\u672c\u304b\u30ab\uff76\uff9e",
           "\u0301\u0302\u0323\u0327\u0334\u0345\u20dd\ufe0f\u200d\u200c", "\uac00\uac01\u1100\u1161\u11a8", "\u0915\u094d\u093f\u0958\u093c\u0e01\u0e33\u0648\u064e\u05d0\u05b0",
           "\u00bd\u00b2\u2167\u0663\u0967\uff11\u2460", "\u00a9\u2122\u2139\u00ae\u263a\U0001f600\U0001f468\U0001f3fd\U0001f1e9\U0001f1ea", "\ufb01\u01c4\uff21\u3392\ufdfa",
           "\u0600\u06dd\u200b\u200e\ufeff\ufffd\u00ad\u2581", "\u2018\u2019\u201c\u201d\u2026\u2013\u20ac\u00a3"]


def labels():
    """The names of all classes of the carried sets."""
    return labels_below(ROOT / "data" / "sets")


@functools.cache
def labels_below(folder):
    found = set()
    for file in sorted(folder.glob("**/*train*.jsonl.gz")) + sorted(folder.glob("episodic/*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as rows:
            found |= {label for label in (json.loads(row).get("label") for row in rows if '"label"' in row) if isinstance(label, str)}
    return sorted(found)


def label_words(names):
    return sorted({word for name in names for word in split_words(name) or [name]})


def templates():
    """Every template in quotes that the methods or the configurations know, without the words that are replaced."""
    places = [*(ROOT / "methods").rglob("*.h"), *(ROOT / "configs").rglob("*.toml")]
    quoted = {one for place in places for one in re.findall(r'"([^"\n]*\{text\}[^"\n]*)"', place.read_text(encoding="utf-8"))}
    return sorted(" ".join(word for word in one.split() if not re.match(r"\{|<soft", word)) for one in quoted)


def ascii_texts(dice, count):
    """Printable ASCII: words of the kinds that people write, and noise."""
    letters = string.ascii_letters
    noise = string.ascii_letters + string.digits + string.punctuation

    def word():
        return "".join(dice.choices(dice.choice([letters, noise]), k=dice.choice([1, 2, 4, 7, 12, 101])))

    return [" ".join(word() for _ in range(dice.randint(1, 5))) for _ in range(count)]


def unicode_texts(dice, count, words):
    """Known words, noise, characters of every class and anywhere in Unicode, special pieces, white space of all kinds."""
    def some(characters, most):
        return "".join(dice.choices(characters, k=dice.randint(1, most)))

    def anywhere():
        code = dice.choice([dice.randrange(0x80, 0x800), dice.randrange(0x800, 0xD800), dice.randrange(0xE000, 0x110000)])
        return chr(code)

    kinds = [lambda: dice.choice(words), lambda: dice.choice(words).title(), lambda: some(string.ascii_letters, 12),
             lambda: some(string.printable, 6), lambda: some(string.digits, 5), lambda: dice.choice(ENDINGS),
             lambda: dice.choice(SPECIALS), lambda: some(dice.choice(CLASSES), 4), anywhere, lambda: some("".join(CLASSES), 4),
             lambda: dice.choice("aA1.\u00e9\u2122") + some(CLASSES[3] + CLASSES[5], 3), lambda: dice.choice(SPACES)]
    return ["".join(dice.choice(kinds)() + dice.choice(["", "", " ", dice.choice(SPACES)]) for _ in range(dice.randint(1, 8)))
            for _ in range(count)]


class Compared:
    """One tokenizer.json, as Hugging Face's library runs it and as the program does."""

    def __init__(self, text, rows=None):
        self.theirs = Tokenizer.from_str(text)
        self.theirs.no_padding()
        self.theirs.no_truncation()
        known = self.theirs.get_vocab(with_added_tokens=True)
        self.pieces = [f"[padding {index}]" for index in range(max(rows or 0, max(known.values()) + 1))]
        for piece, index in known.items():
            self.pieces[index] = piece.replace("\n", " ")
        self.text = text
        self.specials = [token.content for token in self.theirs.get_added_tokens_decoder().values() if token.special]

    def ours(self, texts, before):
        """For each text its pieces, or what the program says against it."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "tokenizer.json").write_text(self.text, encoding="utf-8")
            (folder / "cases.json").write_text(json.dumps({"pieces": self.pieces, "texts": texts, "before": before}))
            subprocess.run([PROGRAM, folder / "tokenizer.json", folder / "cases.json", folder / "out.json"], check=True)
            return json.loads((folder / "out.json").read_text())

    def wanted(self, texts, before):
        """A space where one belongs: not before a special piece or another space, nor where the tokenizer puts one itself."""
        own_space = '"Prepend"' in self.text

        def spaced(text):
            has = not text or own_space or text.startswith((" ", *self.specials))
            return text if before == "nothing" or has else f" {text}"

        return [one.ids for one in self.theirs.encode_batch([spaced(text) for text in texts], add_special_tokens=False)]

    def check(self, test, texts, before="nothing"):
        """Fails `test` at the first difference."""
        for text, ours, theirs in zip(texts, self.ours(texts, before), self.wanted(texts, before), strict=True):
            said = ours if isinstance(ours, str) else [self.pieces[i] for i in ours]
            test.assertEqual(ours, theirs, f"{before} before {text!r} {said} {[self.pieces[i] for i in theirs]}")

    def check_all(self, test, seed=7):
        """Labels and templates of the project, labels of the shared data where they are, and random texts."""
        dice = random.Random(seed)
        words = label_words(labels())
        texts = unicode_texts(dice, TEXTS // 2, words) + ascii_texts(dice, TEXTS - TEXTS // 2)
        dice.shuffle(texts)
        known = [*labels(), *words, *templates(), *shared_words(test)]
        for before, part in (("nothing", texts[::2]), ("space", texts[1::2])):
            self.check(test, known, before)
            self.check(test, part, before)


def shared_words(test):
    """Labels and label words of the shared data sets; none, and a word about it, where they are not."""
    folder = SHARED / "data"
    if not folder.exists():
        print(f"{test.id()}: without the labels of {folder}, which is not here")
        return []
    found = labels_below(folder)
    return [*found, *label_words(found)]
