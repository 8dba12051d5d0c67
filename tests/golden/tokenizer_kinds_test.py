"""The program's byte-level BPE and Unigram against Hugging Face's `tokenizers`, on every label and template and on random
texts: vocabularies of GPT-2 and RoBERTa where they are, and small ones that are trained here.

run: METALOOM_BUILD_DIR=build PYTHONPATH=. .venv/bin/python tests/golden/tokenizer_kinds_test.py
METALOOM_TEXTS=100000 tries more texts.
"""

import functools
import gzip
import json
import pathlib
import shutil
import sys
import tempfile
import unicodedata
import unittest

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from tests.golden import tokenizer_cases
from tests.golden.charsmaps import charsmap
from tests.golden.tokenizer_cases import SHARED, Compared
from tools.data.tokens import WordPieces
from tools.tokenizer_files import tokenizer_text

MODERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|", r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3, QWEN2 = MODERN[0] + r"\p{N}{1,3}" + MODERN[1], MODERN[0] + r"\p{N}" + MODERN[1]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]


@functools.cache
def corpus():
    """Rows to learn pieces of: texts of the carried sets, and letters that are not of English."""
    rows = []
    for file in sorted((tokenizer_cases.ROOT / "data" / "sets").glob("*/train.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows += [str(json.loads(line).get("text", "")) for line, _ in zip(lines, range(300))]
    return rows + ["".join(c * 3 for c in kind) for kind in tokenizer_cases.CLASSES] + ["café naïve über", "слово дом", "日本語"] * 20


@functools.cache
def byte_level(alphabet=True):
    """A trained byte-level BPE as an object."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    tokenizer.train_from_iterator(corpus() if alphabet else [row for row in corpus() if row.isascii()],
                                  trainers.BpeTrainer(vocab_size=1500, initial_alphabet=letters, special_tokens=ROBERTA))
    return tokenizer.to_str()


def bpe(alphabet=True, model=(), **changes):
    """The same with other settings."""
    content = json.loads(byte_level(alphabet))
    content["model"] |= dict(model)
    tokenizer = Tokenizer.from_str(json.dumps(content | changes))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("<|endoftext|>")])
    return tokenizer


def split(pattern, spaced=False):
    """How Llama 3 and Qwen2 cut: by a pattern, then in bytes."""
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": spaced, "trim_offsets": True, "use_regex": False}]}


@functools.cache
def characters():
    """A trained BPE of characters, as Llama 2 and Mistral have it, as an object; "\u00e9" is to be spelled in bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    rows = [row.replace("\u00e9", "") for row in corpus()]
    tokenizer.train_from_iterator(rows, trainers.BpeTrainer(vocab_size=1200, limit_alphabet=90, special_tokens=ROBERTA))
    return tokenizer.to_str()


def sentencepiece_bpe(pre_tokenizer=None, normalizer=None, some_bytes=256, **model):
    content = json.loads(characters())
    vocabulary = content["model"]["vocab"]
    for byte in range(some_bytes):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    content["model"] |= {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True} | model
    content |= {"pre_tokenizer": None, "normalizer": normalizer}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return tokenizer


@functools.cache
def unigram_model():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(corpus(), trainers.UnigramTrainer(vocab_size=1200, unk_token="<unk>",
                                                                   special_tokens=["<pad>", "</s>", "<unk>"]))
    return json.loads(tokenizer.to_str())["model"]


def unigram(pre_tokenizer, normalizer=None, byte_fallback=False, added="Stra\u00dfe"):
    model = unigram_model()
    pieces = [(piece, score) for piece, score in model["vocab"]]
    if byte_fallback:
        pieces += [(f"<0x{byte:02X}>", 0.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(pieces, model["unk_id"], byte_fallback))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.add_special_tokens([AddedToken("<pad>"), AddedToken("</s>"), AddedToken("<unk>"),
                                  AddedToken("<mask>", lstrip=True)])
    tokenizer.add_tokens([AddedToken(added, normalized=True), AddedToken("two words", rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return tokenizer


@functools.cache
def nfkc_map():
    """As SentencePiece makes its map: characters and what belongs together, spaces of all kinds, no control characters."""
    rules = {}
    for code in [*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x1D400, 0x1D800), *range(0x1F100, 0x1F200)]:
        c = chr(code)
        if unicodedata.normalize("NFKC", c) != c:
            rules[c] = unicodedata.normalize("NFKC", c)
        parts = unicodedata.normalize("NFD", c)
        if len(parts) > 1 and unicodedata.normalize("NFC", parts) == c:
            rules[parts] = c
        if unicodedata.category(c) == "Cc" or c == "\u00ad":
            rules[c] = " " if c in "\t\n\r\x0c" else ""
        if c.isspace() or code in (0x200B, 0x200E, 0x2028, 0xFEFF):
            rules[c] = " "
    return charsmap(rules)


def spaces(scheme="always", split=True):
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)


class Bpe(unittest.TestCase):
    def check(self, tokenizer):
        Compared(tokenizer.to_str()).check_all(self)

    def test_small(self):
        self.check(bpe())

    def test_roberta_of_a_few_pieces(self):
        self.check(bpe(post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                                       "add_prefix_space": False}))

    def test_that_begins_with_a_space(self):
        self.check(bpe(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}))

    def test_that_does_not_cut_words(self):
        self.check(bpe(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}))

    def test_that_takes_whole_words_first(self):
        self.check(bpe(model={"ignore_merges": True}))

    def test_patterns_of_llama_and_qwen(self):
        for name, pattern in (("llama 3", LLAMA3), ("qwen2", QWEN2), ("gpt2", GPT2)):
            for spaced in (False, True):
                with self.subTest(name, spaced=spaced):
                    self.check(bpe(pre_tokenizer=split(pattern, spaced), model={"ignore_merges": name == "llama 3"}))

    def test_characters_with_bytes_for_what_has_no_piece(self):
        """As of Llama 2, before and since transformers 5; with bytes missing; without any."""
        old = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                                                   {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
        self.check(sentencepiece_bpe(normalizer=old))
        for scheme in ("always", "first", "never"):
            for cut in (False, True):
                with self.subTest(scheme, split=cut):
                    self.check(sentencepiece_bpe(spaces(scheme, cut)))
        for count, fuse in ((160, True), (160, False), (0, True), (0, False)):
            with self.subTest(count, fuse=fuse):
                self.check(sentencepiece_bpe(spaces("first", False), some_bytes=count, fuse_unk=fuse))
        self.check(sentencepiece_bpe(spaces("first", False), unk_token=None, byte_fallback=False))

    def test_bytes_without_a_piece(self):
        self.check(bpe(alphabet=False))
        for fuse in (False, True):
            self.check(bpe(alphabet=False, model={"unk_token": "<unk>", "fuse_unk": fuse}))

    def test_normal_form(self):
        self.check(bpe(normalizer={"type": "NFC"}))

    def test_merges_as_texts(self):
        content = json.loads(bpe().to_str())
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        Compared(json.dumps(content)).check_all(self)

    def test_gpt2(self):
        folder = SHARED / "models" / "gpt2-bpe"
        if not folder.exists():
            self.skipTest(f"{folder} is not here")
        Compared(tokenizer_text(folder)[0]).check_all(self)

    def test_roberta(self):
        vocabulary, merges = SHARED / "models/roberta-base/vocab.json", SHARED / "models/gpt2-bpe/merges.txt"
        if not vocabulary.exists() or not merges.exists():
            self.skipTest(f"{vocabulary} is not here")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(vocabulary, folder)
            shutil.copy(merges, folder)
            compared = Compared(tokenizer_text(pathlib.Path(folder))[0])
        compared.check_all(self)
        self.assertEqual(compared.ours(["the <mask> ."], "space"), [[5, 50264, 479]])

    def test_label_words_are_those_of_the_tools(self):
        words = tokenizer_cases.label_words(tokenizer_cases.labels())
        for tokenizer in (bpe(), unigram(spaces("never")), unigram(spaces())):
            with tempfile.TemporaryDirectory() as folder:
                place = pathlib.Path(folder) / "tokenizer.json"
                place.write_text(tokenizer.to_str(), encoding="utf-8")
                self.assertEqual(Compared(tokenizer.to_str()).ours(words, "space"), WordPieces(place).encode_words(words))


class Unigram(unittest.TestCase):
    def check(self, tokenizer):
        Compared(tokenizer.to_str()).check_all(self)

    def test_spaces(self):
        for scheme in ("always", "first", "never"):
            for split in (True, False):
                with self.subTest(scheme=scheme, split=split):
                    self.check(unigram(spaces(scheme, split)))

    def test_white_space_split(self):
        for scheme in ("always", "first", "never"):
            with self.subTest(scheme):
                self.check(unigram(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces(scheme)])))

    def test_bytes(self):
        self.check(unigram(spaces(), byte_fallback=True))

    def test_map_of_characters(self):
        """As of XLM-R, T5 and DeBERTa-v3."""
        mapped = normalizers.Precompiled(nfkc_map())
        runs = Regex(" {2,}")
        for steps in ([], [normalizers.Replace(runs, " ")], [normalizers.Strip(left=False), normalizers.Replace(runs, "\u2581")]):
            with self.subTest(len(steps)):
                self.check(unigram(spaces(), normalizers.Sequence([mapped, *steps])))

    def test_first_and_characters_that_go(self):
        for step in (normalizers.Strip(), normalizers.Nmt(), normalizers.Precompiled(nfkc_map()), normalizers.Replace("a", ""),
                     normalizers.Prepend("\u2581")):
            with self.subTest(str(step)[:30]):
                self.check(unigram(spaces("first"), normalizers.Sequence([step])))

    def test_normal_forms(self):
        """As of ALBERT and DeBERTa-v3, and as the library itself trains."""
        albert = [normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        self.check(unigram(spaces(), normalizers.Sequence(albert), added="Strasse"))
        deberta = [normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFC(), normalizers.Strip(left=False)]
        for scheme in ("always", "first"):
            self.check(unigram(spaces(scheme), normalizers.Sequence(deberta)))
        trained = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
        self.check(unigram(spaces(), normalizers.Sequence(trained)))


if __name__ == "__main__":
    if not tokenizer_cases.PROGRAM.exists():
        print(f"{tokenizer_cases.PROGRAM} is not built")
        sys.exit(77)
    unittest.main()
