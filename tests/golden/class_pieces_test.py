"""Which pieces stand for a class, by plain Python with fractions, against the program's rule and that of tools.data, on
3,000 random sets of label words of few pieces, so that classes coincide in every way.

Broke: classes of equal first pieces, or of equal words, were accepted, and the second was never predicted.
run: METALOOM_BUILD_DIR=build PYTHONPATH=. .venv/bin/python tests/golden/class_pieces_test.py
"""

import collections
import fractions
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

from tools.data.class_pieces import class_pieces

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_class_pieces"


def random_words(dice):
    """A few classes of one to three words of one to three pieces out of few."""
    kinds = dice.choice([2, 3, 5, 9])
    return [[[dice.randrange(kinds) for _ in range(dice.randint(1, 3))] for _ in range(dice.randint(1, 3))]
            for _ in range(dice.randint(2, 7))]


def share(pieces):
    counts = collections.Counter(pieces)
    return tuple(sorted((piece, fractions.Fraction(count, len(pieces))) for piece, count in counts.items()))


def by_hand(words):
    """The pieces of each class; or two classes (the first two in order) that no piece tells apart."""
    first = [[word[0] for word in own] for own in words]
    every = [sum(own, []) for own in words]
    taken = list(first)
    changed = True
    while changed:
        changed = False
        shares = [share(pieces) for pieces in taken]
        for number, own in enumerate(shares):
            if shares.count(own) > 1 and taken[number] is not every[number]:
                taken[number] = every[number]
                changed = True
    shares = [share(pieces) for pieces in taken]
    for number, own in enumerate(shares):
        if own in shares[number + 1:]:
            return number, shares.index(own, number + 1)
    return taken


class ClassPieces(unittest.TestCase):
    def test_program_and_tools_agree_with_plain_python(self):
        dice = random.Random(5)
        cases = [random_words(dice) for _ in range(3000)]
        expected = [by_hand(words) for words in cases]
        refused = sum(isinstance(one, tuple) for one in expected)
        whole = sum(not isinstance(one, tuple) and one != [[word[0] for word in own] for own in words]
                    for one, words in zip(expected, cases))
        self.assertGreater(min(refused, whole), 300, "the cases must be of all kinds")
        for words, one in zip(cases, expected):
            pieces, twins = class_pieces(words)
            self.assertEqual(one, twins or pieces, words)
        with tempfile.TemporaryDirectory() as folder:
            given, out = pathlib.Path(folder) / "cases.json", pathlib.Path(folder) / "out.json"
            given.write_text(json.dumps(cases))
            subprocess.run([PROGRAM, given, out], check=True)
            for words, one, found in zip(cases, expected, json.loads(out.read_text()), strict=True):
                if isinstance(one, tuple):
                    self.assertIn(f'the classes "{one[0]}" and "{one[1]}" have the same words', found, words)
                else:
                    self.assertEqual(one, found, words)


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is not built")
        sys.exit(77)
    unittest.main()
