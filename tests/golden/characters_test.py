"""What the program knows of every character against Hugging Face's `tokenizers`: its classes, how it is cut, its normal forms.

run: METALOOM_BUILD_DIR=build PYTHONPATH=. .venv/bin/python tests/golden/characters_test.py
"""

import json
import re
import sys
import unittest

from tokenizers import Tokenizer, models, pre_tokenizers

from tests.golden import tokenizer_cases
from tests.golden.make_unicode_tables import CASE_FILE, FILE, case_runs, tables
from tests.golden.tokenizer_cases import Compared
from tests.golden.tokenizer_kinds_test import GPT2, LLAMA3, QWEN2, bpe, split


class Characters(unittest.TestCase):
    def test_classes_are_those_of_the_library(self):
        text = FILE.read_text(encoding="utf-8")
        case = [number for run in case_runs() for number in run]
        body = CASE_FILE.read_text().split("kLowerCase[][4] = {")[1].split("};")[0]
        self.assertEqual([int(number) for number in re.findall(r"-?\d+", body)], case)
        for name, runs in tables().items():
            body = text.split(f" k{name}[] = {{")[1].split("}")[0]
            self.assertEqual([int(number) for number in body.split(",") if number.strip()], runs, name)

    def test_every_character_is_cut_as_the_library_cuts_it(self):
        """Each between letters, digits and signs, with merges that show what went together."""
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        pairs = [(mark, letter) for mark in "x1." for letter in letters] + [(letter, mark) for mark in "x1." for letter in letters]
        pairs = list(dict.fromkeys(pairs))
        vocabulary = {piece: n for n, piece in enumerate(dict.fromkeys([*letters, *(a + b for a, b in pairs)]))}
        content = json.loads(Tokenizer(models.BPE(vocabulary, pairs)).to_str())
        codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
        texts = ["".join(f"x{chr(c)} 1{chr(c)} .{chr(c)}1\n'{chr(c)}" for c in codes[n:n + 64]) for n in range(0, len(codes), 64)]
        for pattern in (GPT2, LLAMA3, QWEN2):
            Compared(json.dumps(content | {"pre_tokenizer": split(pattern)})).check(self, texts)

    def test_every_character_has_the_normal_form_of_the_library(self):
        """Each alone, before and after marks, and between letters that marks and Hangul join, in all blocks where one changes."""
        codes = [*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FB00), *range(0xE0000, 0xE0200)]
        texts = ["".join(f"{chr(c)}a{chr(c)}\u0301\u0345{chr(c)}\u0334 \u1100{chr(c)}\u11a8\uac00{chr(c)}" for c in codes[n:n + 64])
                 for n in range(0, len(codes), 64)]
        steps = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase")]
        for step in [*steps, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                              "lowercase": True}]:
            with self.subTest(step["type"]):
                Compared(bpe(normalizer=step).to_str()).check(self, texts)


if __name__ == "__main__":
    if not tokenizer_cases.PROGRAM.exists():
        print(f"{tokenizer_cases.PROGRAM} is not built")
        sys.exit(77)
    unittest.main()
