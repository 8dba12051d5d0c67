"""Maps of characters in the format of SentencePiece, which tokenizer.json calls precompiled_charsmap: a double-array trie in
the layout of darts-clone, then the replacements, each ended by a zero.
"""

import struct

BLOCK = 256  # a node with children has a block of its own, in which a byte tells the place; what it has itself lies at 0
DENSE = 1 << 31


def charsmap(rules):
    """`rules`: text -> its replacement, no text empty."""
    pool, places = bytearray(), {}
    for to in sorted(set(rules.values())):
        places[to] = len(pool)
        pool += to.encode("utf-8") + b"\0"
    root = {}
    for text, to in rules.items():
        node = root
        for byte in text.encode("utf-8"):
            node = node.setdefault(byte, {})
        node[None] = places[to]
    units = double_array(root)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(pool)


def double_array(root):
    units = [0] * BLOCK
    dense = []  # free places for the values of nodes without children

    def block():
        units.extend([0] * BLOCK)
        return len(units) - BLOCK

    def value_place():
        if not dense:
            dense.extend(range(block(), len(units)))
        return dense.pop()

    waiting = [(root, 0, 0)]
    while waiting:
        node, place, label = waiting.pop()
        children = {byte: child for byte, child in node.items() if byte is not None}
        start = block() if children else value_place()
        offset = place ^ start
        assert offset < 1 << 21, "the trie is too large for this simple layout"
        units[place] = label | (None in node) << 8 | offset << 10
        if None in node:
            units[start] = DENSE | node[None]
        waiting += [(child, start ^ byte, byte) for byte, child in children.items()]
    return units
