"""Writes models/tokenizers/unicode_tables.h: the classes of characters as the library `tokenizers` has them, found by asking it
about every character. tests/golden/tokenizer_kinds_test.py checks that they are still the same.

run: PYTHONPATH=. .venv/bin/python tests/golden/make_unicode_tables.py
"""

import pathlib

from tokenizers import Regex, normalizers, pre_tokenizers

from tests.golden.charsmaps import charsmap

FILE = pathlib.Path(__file__).resolve().parents[2] / "models" / "tokenizers" / "unicode_tables.h"
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


def matching(pattern):
    cut = pre_tokenizers.Split(Regex(f"[{pattern}]+"), "removed")
    text = "".join(CHARACTERS)
    return set(text) - {c for _, (start, end) in cut.pre_tokenize_str(text) for c in text[start:end]}


def unsettled():
    """Characters that stand for themselves in NFC and NFKC only in some company, or never."""
    nfc, nfd, nfkc = normalizers.NFC(), normalizers.NFD(), normalizers.NFKC()
    found = set()
    for c in CHARACTERS:
        if nfkc.normalize_str(c) != c or nfc.normalize_str(c) != c:
            found.add(c)
        parts = nfd.normalize_str(c)
        if parts == c and (nfd.normalize_str(c + EARLY) != c + EARLY or nfd.normalize_str(LATE + c) != LATE + c):
            found.add(c)  # marks, which are put into an order; letters that hold one only meet others with a mark after them
        if len(parts) > 1 and nfc.normalize_str(parts) == c:
            found |= set(parts[1:])
    return found


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
    classes = {"Letter": matching(r"\p{L}"), "Number": matching(r"\p{N}"), "Space": matching(r"\s"), "Unsettled": unsettled()}
    return {name: runs(found) for name, found in (classes | clusters()).items()}


def main():
    arrays = [f"inline constexpr std::uint32_t k{name}[] = {{\n" + "\n".join(lines(numbers)) + "\n};\n"
              for name, numbers in tables().items()]
    FILE.write_text(HEADER + "\n".join(arrays) + "// clang-format on\n\n}  // namespace metaloom::unicode\n")


if __name__ == "__main__":
    main()
