"""What a row means: from columns to segments (texts) and a label, for each family.

classification: text, optional text_pair, label name. multiple_choice: context, choices, the right one's index.
episodes: text, label name.
"""

import json
import re

from tools.data.rows import column
from tools.failure import DATA, Failure, did_you_mean, known_list
from tools.text_files import is_blank


NO_TEXT, NO_LABEL = "no text", "no label"
NEW_LABEL, NO_SPLIT = "a label that train has not", "a class that no split has"


class Unusable(Failure):
    """A row that cannot be learnt from or scored; `kind` says why. `dirty_rows` of its set says what becomes of it.

    One that is `hidden`, as hubs hide the labels of a test split, is always left out and counted.
    """

    def __init__(self, what, where, cure, code=DATA, kind=NO_LABEL, hidden=False):
        super().__init__(what, where, cure, code)
        self.kind, self.hidden = kind, hidden


def no_token(text, where):
    """What is wrong with a text that a tokenizer sees nothing of."""
    return Unusable(f"a text of zero tokens: {text[:40]!r}", where, "Leave the row out, or give it a text", kind=NO_TEXT)


def unspoken(names, given, cure):
    """A note on classes that are called by numbers: a verbaliser reads their names, and these say nothing.

    `given`: the words that classes were given. `cure(name)` says how one is given some.
    """
    numbers = [name for name in names if re.fullmatch(r"-?[0-9.]+", name) and name not in given]
    if numbers:
        yield (f"labels that are only numbers tell a model nothing: {known_list(numbers, 3)} "
               f"(to name them: {cure(numbers[0])})")


def label_name(value, table, number, names=None):
    """A label as text. Numbers and truth values are allowed, class numbers become the names behind them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    value = class_number(value, names)
    if names is not None and isinstance(value, int) and not isinstance(value, bool):
        if value == -1:
            raise Unusable("class number -1", table.where(number), "Give it a label", hidden=True)
        if not 0 <= value < len(names):
            raise Failure(f"class number {value} is outside 0 .. {len(names) - 1}", table.where(number),
                          "Leave out unlabelled rows")
        return names[value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if is_missing(value):
        raise Unusable(f"the label is {value!r}", table.where(number), "Give a non-empty text or a whole number")
    if not isinstance(value, str):
        raise Failure(f"the label is {value!r}", table.where(number), "Give a non-empty text or a whole number")
    return value.strip()


def class_number(value, names):
    """A class number that a CSV cell holds as text, as a number; anything else as it is."""
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if names is not None and text not in names and re.fullmatch(r"-?[0-9]{1,18}", text) else value


def is_missing(value):
    """An empty cell: null in JSON and Parquet, nothing in CSV, NaN in a column of numbers. A cell that says NA is a text."""
    return value is None or (isinstance(value, str) and is_blank(value)) or (isinstance(value, float) and value != value)


def label_of(spec, table, number, row, split):
    """The row's label by name. Without one a row of validation or test is unlabelled; one of train is a mistake."""
    value = column(row, spec.label, table, number)
    names = table.class_names(spec.label)
    if split != "train" and (is_missing(value) or (spec.family == "episodes" and value in (-1, "-1"))):
        raise Unusable(f"the label is {value!r}", table.where(number), "Give it a label", hidden=True)
    return label_name(value, table, number, names)


def plain_text(row, name, table, number):
    value = column(row, name, table, number)
    if is_missing(value):
        raise Unusable(f"a text of zero tokens: '{name}' is {'null' if value is None else repr(value)}", table.where(number),
                       "Leave the row out, or give it a text", kind=NO_TEXT)
    if not isinstance(value, str):
        raise Failure(f"'{name}' is {type(value).__name__}, not a text", table.where(number), "Give a text in quotes")
    return whole(value, table, number)


def whole(text, table, number):
    """The text, if it can be written as UTF-8: JSON allows half a surrogate pair, Unicode does not."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Failure("half a surrogate pair", table.where(number),
                      "Write the character as UTF-8, or leave it out") from None
    return text


def read_classification(spec, table, number, row, split):
    segments = [plain_text(row, spec.text, table, number)]
    if spec.text_pair:
        segments.append(plain_text(row, spec.text_pair, table, number))
    return segments, label_of(spec, table, number, row, split)


def read_multiple_choice(spec, table, number, row, split):
    context = plain_text(row, spec.context, table, number)
    choices = read_choices(spec, table, number, row)
    answer = column(row, spec.answer, table, number)
    if split != "train" and (is_missing(answer) or answer in (-1, "-1")):
        raise Unusable(f"the answer is {answer!r}", table.where(number), "Give it an answer", hidden=True)
    if spec.choice_names:
        options = read_list(row, spec.choice_names, table, number)
        if not isinstance(options, list) or len(options) != len(choices):
            raise Failure(f"'{spec.choice_names}' is not a list of {len(choices)} names, one for each choice",
                          table.where(number), "Give as many names as choices")
        options = [str(name) for name in options]
        if str(answer) not in options:
            raise Failure(f"the answer {answer!r} names no choice", table.where(number), did_you_mean(answer, options))
        return [context, *choices], options.index(str(answer))
    names = table.class_names(spec.answer)
    answer = class_number(answer, names)
    if names is not None and isinstance(answer, int):
        answer = label_name(answer, table, number, names)
    return [context, *choices], answer_index(answer, len(choices), table, number)


def read_choices(spec, table, number, row):
    if isinstance(spec.choices, tuple):
        return [plain_text(row, name, table, number) for name in spec.choices]
    choices = read_list(row, spec.choices, table, number)
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise Failure(f"'{spec.choices}' is not a list of texts", table.where(number),
                      'Give ["...", "..."], or name one column for each choice: choices = ["a", "b"]')
    if len(choices) < 2:
        raise Failure(f"{len(choices)} choice{'s' * (len(choices) != 1)}", table.where(number),
                      "Give at least two choices")
    for choice in choices:
        if is_blank(choice):
            raise Unusable(f"a choice of zero tokens: {choice!r}", table.where(number), "Leave the row out",
                           kind=NO_TEXT)
    return [whole(choice, table, number) for choice in choices]


def read_list(row, name, table, number):
    """The column's list; or whatever else it holds, for the caller to refuse."""
    value = column(row, name, table, number)
    if isinstance(value, str) and value.lstrip().startswith("["):  # a JSON list in a CSV field
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
    return value


def answer_index(answer, count, table, number):
    """0-based: a number, or one as text, or a letter from A."""
    index = None
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    if isinstance(answer, int) and not isinstance(answer, bool):
        index = answer
    elif isinstance(answer, str) and answer.strip().isdecimal():
        index = int(answer)
    elif isinstance(answer, str) and len(answer.strip()) == 1 and answer.strip().isalpha() and answer.isascii():
        index = ord(answer.strip().upper()) - ord("A")
    if index is None or not 0 <= index < count:
        raise Failure(f"the answer {answer!r} is none of the {count} choices", table.where(number),
                      f"Count choices from 0 (0 .. {count - 1}) or name them A, B, ...; or give choice_names")
    return index


READERS = {"classification": read_classification, "episodes": read_classification,
           "multiple_choice": read_multiple_choice}


class Labels:
    """Names to numbers. Of classification those of train, sorted; of episodes those of the splits, in their order."""

    def __init__(self, names):
        self.names = list(names)
        self.numbers = {name: number for number, name in enumerate(self.names)}

    @classmethod
    def sorted(cls, names):
        """Whole numbers by value, other names by code point."""
        numeric = all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in names)
        return cls(sorted(names, key=(lambda name: (int(name), name)) if numeric else None))

    def number(self, name, table, row, split):
        if name not in self.numbers and name == "-1":
            raise Unusable("the label is -1", table.where(row), "Give it a label", hidden=True)
        if name not in self.numbers:
            raise Unusable(f"label '{name}' in {split} does not occur in train", table.where(row),
                          f"{did_you_mean(name, self.names)}. Correct it, or add rows of that label to train",
                           kind=NEW_LABEL)
        return self.numbers[name]


class ClassSplits:
    """Which class belongs to which split of an episodes set; the splits share no class."""

    def __init__(self, by_split, path):
        self.path, self.split_of = path, {}
        for split, names in by_split.items():
            for name in names:
                if name in self.split_of:
                    raise Failure(f"class '{name}' is in {self.split_of[name]} and in {split}", path,
                                  "Each class may be in one split only: few-shot tests need unseen classes")
                self.split_of[name] = split

    def split(self, name, table, number):
        if name not in self.split_of:
            raise Unusable(f"class '{name}' is in no split of {self.path}", table.where(number),
                           f"{did_you_mean(name, sorted(self.split_of))}. Add it to a split, or leave its rows out",
                           kind=NO_SPLIT)
        return self.split_of[name]

    def check_all_seen(self, seen):
        absent = [name for name in self.split_of if name not in seen]
        if absent:
            raise Failure(f"classes without a row: {known_list(absent, 5)}", self.path,
                          did_you_mean(absent[0], sorted(set(seen) - set(self.split_of)) or sorted(seen)))
