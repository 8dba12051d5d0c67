"""Writes tests/data/tiny: a few KB of made-up English, small enough for a system test and easy enough to be learnt.

usage: python tests/data/make_tiny.py [OUT]

Three classification sets (one of pairs), a multiple choice and an episodes set of 16 classes x 12 rows (6 train, 5
validation, 5 test). Everything is made of the word lists below; equal code, equal bytes; no random numbers.
"""

import json
import pathlib
import sys

MOODS = {
    "good": ["lovely", "splendid", "delightful", "superb", "pleasant", "charming", "brilliant", "excellent"],
    "bad": ["awful", "dreadful", "terrible", "horrid", "nasty", "dismal", "poor", "miserable"],
}
THINGS = ["soup", "hotel", "film", "garden", "concert", "train ride", "museum", "coat", "bakery", "lamp"]
SUBJECTS = {
    "sport": ["the goalkeeper saved a late penalty", "our team won the cup", "the runner broke her own record",
              "the coach praised the young striker", "rain delayed the tennis final", "the match ended in a draw"],
    "food": ["the cook seasoned the stew", "fresh bread cooled on the shelf", "she peeled three onions",
             "the cheese melted over the pasta", "grandmother baked an apple pie", "the rice was boiled with saffron"],
    "weather": ["snow fell on the hills", "a storm blew from the sea", "the morning fog cleared slowly",
                "sunshine warmed the valley", "hail damaged the windows", "the wind turned to the north"],
    "music": ["the violin played the theme", "a choir sang in the hall", "the drummer kept a steady beat",
              "she tuned her old guitar", "the orchestra rehearsed twice", "he whistled a cheerful melody"],
}
ANIMALS = {"dog": "barks", "cat": "purrs", "horse": "neighs", "cow": "moos", "owl": "hoots", "duck": "quacks",
           "lion": "roars", "frog": "croaks"}
PLACES = ["in the yard", "by the gate", "near the barn", "at the lake", "on the hill"]
INTENTS = {
    "order pizza": ("order", "pizza"), "book flight": ("book", "flight"), "set timer": ("set", "timer"),
    "send letter": ("send", "letter"), "water plants": ("water", "plants"), "feed fish": ("feed", "fish"),
    "open window": ("open", "window"), "close curtain": ("close", "curtain"), "call doctor": ("call", "doctor"),
    "wash car": ("wash", "car"), "paint fence": ("paint", "fence"), "find keys": ("find", "keys"),
    "rent bicycle": ("rent", "bicycle"), "read story": ("read", "story"), "cut grass": ("cut", "grass"),
    "sell piano": ("sell", "piano"),
}
ASKINGS = ["please {verb} the {noun}", "can you {verb} the {noun} for me", "i want to {verb} the {noun} today",
           "would you {verb} my {noun}", "it is time to {verb} the {noun}", "do not forget to {verb} the {noun}",
           "help me {verb} this {noun}", "we should {verb} the {noun} tonight", "who will {verb} the {noun} now",
           "{verb} the {noun} before noon", "let us {verb} our {noun} tomorrow", "someone must {verb} that {noun}"]


def mood_rows():
    for index, thing in enumerate(THINGS):
        for label, words in MOODS.items():
            for offset in (0, 3, 5):
                yield {"text": f"what a {words[(index + offset) % len(words)]} {thing} that was", "label": label}


def subject_rows():
    for label, sentences in SUBJECTS.items():
        for sentence in sentences:
            for ending in ("yesterday", "last week", "again"):
                yield {"text": f"{sentence} {ending}", "label": label}


def sound_rows():
    names = list(ANIMALS)
    for index, animal in enumerate(names):
        for offset, place in enumerate(PLACES):
            right = offset % 2 == 0
            other = animal if right else names[(index + offset) % len(names)]
            yield {"text": f"the {animal} {ANIMALS[animal]} {place}", "text_pair": f"a {other} is {place}",
                   "label": "same" if right else "different"}


def riddle_rows():
    names = list(ANIMALS)
    for index, animal in enumerate(names):
        for offset, place in enumerate(PLACES):
            answer = (index + offset) % 3
            others = [names[(index + 1 + offset) % len(names)], names[(index + 3 + offset) % len(names)]]
            others.insert(answer, animal)
            yield {"context": f"which animal {ANIMALS[animal]} {place}?", "choices": [f"the {o}" for o in others],
                   "answer": answer}


def intent_rows():
    for label, (verb, noun) in INTENTS.items():
        for asking in ASKINGS:
            yield {"text": asking.format(verb=verb, noun=noun), "label": label}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_splits(folder, rows):
    """Of five rows in a row one goes to validation and one to test, in turn, so that every label is in every split."""
    rows = list(rows)
    place = [(index + index // 5) % 5 for index in range(len(rows))]
    write(folder / "train.jsonl", [row for row, at in zip(rows, place) if at < 3])
    write(folder / "validation.jsonl", [row for row, at in zip(rows, place) if at == 3])
    write(folder / "test.jsonl", [row for row, at in zip(rows, place) if at == 4])


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "tiny"
    write_splits(out / "moods", mood_rows())
    write_splits(out / "subjects", subject_rows())
    write_splits(out / "sounds", sound_rows())
    write_splits(out / "riddles", riddle_rows())
    write(out / "intents" / "data.jsonl", intent_rows())
    names = list(INTENTS)
    splits = {"train": names[:6], "validation": names[6:11], "test": names[11:]}
    (out / "intents" / "splits.json").write_text(json.dumps(splits, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
