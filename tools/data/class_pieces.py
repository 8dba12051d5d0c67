"""Which word pieces stand for a class at the mask: the rule of methods/cloze/class_pieces.h, here to refuse a set early.

The logit of a class is the mean of the logits of its words' first pieces. Classes that come out equal by those take all
pieces of their words. Classes that are equal by all pieces cannot be told apart: the first of them would always win.
"""

from collections import Counter
from math import gcd

from tools.failure import Failure


def class_pieces(words):
    """`words`: class -> words -> pieces. The pieces of each class, and the first two classes that are equal, or None."""
    whole = set()
    while True:
        pieces = [[piece for word in own for piece in (word if number in whole else word[:1])]
                  for number, own in enumerate(words)]
        equal = {}
        for number, own in enumerate(pieces):
            equal.setdefault(mean_of(own), []).append(number)
        twins = [group for group in equal.values() if len(group) > 1]
        if all(whole.issuperset(group) for group in twins):
            return pieces, tuple(twins[0][:2]) if twins else None
        whole.update(*twins)


def mean_of(pieces):
    """The mean as a value: how often each piece counts, in lowest terms."""
    counts = Counter(pieces)
    common = gcd(*counts.values())
    return frozenset((piece, count // common) for piece, count in counts.items())


def check_told_apart(names, words, where, cure):
    """Refuses two classes with the same words. `cure(name)` says how that one is given others."""
    _, twins = class_pieces(words)
    if twins:
        first, second = (names[number] for number in twins)
        raise Failure(f"classes '{first}' and '{second}' have the same words for the model: it cannot tell them apart",
                      where, f"Give one of them other words, as in {cure(second)}")
