"""Writes models/tokenizers/unicode_tables.h and lower_case_table.h: the classes of characters and their lower case as the library
`tokenizers` has them, found by asking it about every character. tests/golden/characters_test.py checks that they are still the same.

run: PYTHONPATH=. .venv/bin/python tests/golden/make_unicode_tables.py
"""

import pathlib

from tokenizers import Regex, normalizers, pre_tokenizers

from tests.golden.charsmaps import charsmap

FILE = pathlib.Path(__file__).resolve().parents[2] / "models" / "tokenizers" / "unicode_tables.h"
CASE_FILE = FILE.with_name("lower_case_table.h")
CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
ACUTE, JOINER, VIRAMA = "\u0301", "\u200d", "\u094d"
LATE, EARLY = "\u0345", "\u0334"  # marks that normal forms put after all others, and before
HEADER = """// Made by tests/golden/make_unicode_tables.py: do not edit. Classes of characters as the library
// `tokenizers` has them: how many characters in turns are outside of the class, and in it.
#pragma once

#include <cstdint>

namespace metaloom::unicode {

// clang-format off
"""
CASE_HEADER = """// Made by tests/golden/make_unicode_tables.py: do not edit. Letters that have a lower case of one
// letter, as the library `tokenizers` has them: the first, how many, how far apart, how far it is.
#pragma once

#include <cstdint>

namespace metaloom::unicode {

// clang-format off
inline constexpr std::int32_t kLowerCase[][4] = {
"""
CASE_END = """
};
// clang-format on

}  // namespace metaloom::unicode
"""


def matching(pattern):
    cut = pre_tokenizers.Split(Regex(f"[{pattern}]+"), "removed")
    text = "".join(CHARACTERS)
    return set(text) - {c for _, (start, end) in cut.pre_tokenize_str(text) for c in text[start:end]}


def decomposing():
    """Characters that normal forms take apart or replace, and marks, which they put into an order."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    return {c for c in CHARACTERS if nfkd.normalize_str(c) != c or nfd.normalize_str(c) != c
            or nfd.normalize_str(c + EARLY) != c + EARLY or nfd.normalize_str(LATE + c) != LATE + c}


def of_bert():
    """What BERT's tokenizer removes, sets apart, or cuts at."""
    def steps(**chosen):
        off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
        return normalizers.BertNormalizer(**(off | chosen)).normalize_str

    clean, apart, bare = steps(clean_text=True), steps(handle_chinese_chars=True), steps(strip_accents=True)
    strip, cut = normalizers.StripAccents().normalize_str, pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return {
        "Accent": {c for c in CHARACTERS if strip("a" + c) == "a"},
        "Mark": {c for c in CHARACTERS if bare("a" + c) == "a"},
        "Meaningless": {c for c in CHARACTERS if clean("a" + c) == "a"},
        "Ideograph": {c for c in CHARACTERS if apart(c) == f" {c} "},
        "Punctuation": {c for c in CHARACTERS if len(cut(f"a{c}a")) == 3},
    }


def case_runs():
    """(first, how many, how far apart, how far their lower-case letters are)."""
    lower, out = normalizers.Lowercase(), []
    for c in CHARACTERS:
        small = lower.normalize_str(c)
        if small == c or len(small) > 1:
            continue
        code, shift = ord(c), ord(small) - ord(c)
        if out:
            first, count, step, same = out[-1]
            gap = code - (first + (count - 1) * step)
            if same == shift and gap <= 2 and (count == 1 or gap == step):
                out[-1] = (first, count + 1, gap, same)
                continue
        out.append((code, 1, 1, shift))
    return out


def clusters():
    """Classes by which characters go together, seen by a map that replaces a cluster whole."""
    def replaced(rules):
        return normalizers.Precompiled(charsmap(rules)).normalize_str

    one, accented = replaced({"a": "b"}), replaced({"a" + ACUTE: "X"})
    trade, qa = replaced({"\u2122": "T"}), replaced({"\u0958": "T"})
    joining = {c for c in CHARACTERS[1:] if one("a" + c) == "b"}
    short = [c for c in CHARACTERS[1:] if c < "\U00010000"]
    every = replaced(dict.fromkeys(short, "Z"))
    apart = lambda text: text.endswith("T")  # noqa: E731
    return {
        "Joining": joining,
        "Control": {c for c in short if c not in joining and every(c + ACUTE) == "ZZ"},
        "Prepended": {c for c in CHARACTERS if "X" not in accented(c + "a" + ACUTE)},
        "Pictograph": {c for c in CHARACTERS if not apart(trade(c + JOINER + "\u2122" + ACUTE)) and c not in joining},
        "Consonant": {c for c in CHARACTERS if not apart(qa(c + VIRAMA + "\u0958" + ACUTE)) and c not in joining},
        "Linker": {c for c in joining if not apart(qa("\u0915" + c + "\u0958" + ACUTE))},
    }


def runs(found):
    codes, out, inside, start = {ord(c) for c in found}, [], False, 0
    for code in range(0x110001):
        if (code in codes) != inside:
            out.append(code - start)
            start, inside = code, not inside
    return out or [0x110000]


def lines(numbers, width=98):
    line = ""
    for number in numbers:
        if len(line) + len(f" {number},") > width:
            yield line
            line = ""
        line += f" {number}," if line else f"    {number},"
    yield line


def tables():
    classes = {"Letter": matching(r"\p{L}"), "Number": matching(r"\p{N}"), "Space": matching(r"\s"), "Decomposing": decomposing()}
    return {name: runs(found) for name, found in (classes | clusters() | of_bert()).items()}


def main():
    arrays = [f"inline constexpr std::uint32_t k{name}[] = {{\n" + "\n".join(lines(numbers)) + "\n};\n"
              for name, numbers in tables().items()]
    FILE.write_text(HEADER + "\n".join(arrays) + "// clang-format on\n\n}  // namespace metaloom::unicode\n")
    case = ["{" + ", ".join(map(str, run)) + "}" for run in case_runs()]
    CASE_FILE.write_text(CASE_HEADER + "\n".join(lines(case)) + CASE_END)


if __name__ == "__main__":
    main()
