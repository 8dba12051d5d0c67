"""Word pieces by Hugging Face `tokenizers`, and the arrays of one split of a token store."""

import hashlib
import json
import pathlib
import re
from array import array

import numpy as np
import xxhash

from tools import archive
from tools.data.class_pieces import check_told_apart
from tools.data.families import no_token
from tools.failure import Failure
from tools.text_files import read_text
from tools.tokenizer_files import tokenizer_text

DROPPED_WORDS = {"and", "the"}
BATCH_ROWS = 2048


def text_digest(text):
    """XXH3_64 of the text in lower case, whitespace runs being one space; as a signed number. Equal for twins."""
    unsigned = xxhash.xxh3_64_intdigest(" ".join(text.lower().split()).encode("utf-8"))
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


def split_words(text):
    """A label's name as words: 'HOME & LIVING' -> home, living; 'PlayMusic' -> play, music."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    words = [word.strip("'") for word in re.split(r"[^\w']+|_", spaced.lower())]
    words = [word for word in words if word]
    return [word for word in words if word not in DROPPED_WORDS] or words


def in_table(name):
    return f"label_words = {{ {json.dumps(name, ensure_ascii=False)} = \"...\" }}"


def in_description(name):
    return f"{in_table(name)} in the description"


class WordPieces:
    """A tokenizer that adds no special token, sees none in the texts, and neither cuts nor pads.

    `place` is a tokenizer.json, a folder with one, or a model archive.
    """

    def __init__(self, place):
        from tokenizers import Tokenizer

        text = read_tokenizer(place)
        try:
            self.tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises bare Exception
            raise Failure(f"not a tokenizer: {error}", place, "Give the tokenizer.json of the model") from None
        self.digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = True  # a "[MASK]" that somebody wrote is text, not a mask
        self.unknown = unknown_piece(text, self.tokenizer)
        self.puts_space = puts_space(json.loads(text).get("normalizer"))

    def encode(self, texts):
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_words(self, words):
        """Pieces of words that stand within a text: tokenizers that keep spaces in pieces have others for its first word."""
        return self.encode([word if self.puts_space or word.startswith(" ") else f" {word}" for word in words])

    def told(self, ids):
        """The pieces of a word without a space that is a piece by itself: it tells nothing of the word."""
        alone = len(ids) > 1 and self.tokenizer.id_to_token(ids[0]) in ("\u2581", "\u0120")
        return ids[1:] if alone else ids

    def sees_nothing(self, text):
        """Whether the text has no piece: control characters or U+FFFD alone. Letters and digits always have one."""
        return not any(map(str.isalnum, text)) and not self.encode([text])[0]

    def label_words(self, names, given, where, cure=in_description):
        """For each label its words, each a list of word pieces; words that are not in the vocabulary are left out.

        `cure(name)` says how a label is given other words.
        """
        for name in given:
            if name not in names:
                raise Failure(f"label_words names '{name}', which is no label", where,
                              f"The labels are {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}")
        found = []
        for name in names:
            words = [self.told(ids) for ids in self.encode_words(split_words(given.get(name, name)) or [name])
                     if ids and self.unknown not in ids]
            if not words:
                raise Failure(f"no word of label '{name}' is in the tokenizer's vocabulary", where,
                              f"Rename it, or write {cure(name)}")
            found.append(words)
        check_told_apart(names, found, where, cure)
        return found


def puts_space(normalizer):
    """Whether a space is put before every text, also before one that begins with a space (Llama 2's older files)."""
    steps = [normalizer, *((normalizer or {}).get("normalizers") or [])]
    return any(step and step.get("type") == "Prepend" and step.get("prepend") in (" ", "\u2581") for step in steps)


def unknown_piece(text, tokenizer):
    """The number of the piece that stands for what has none, or None: byte-level tokenizers need none."""
    model = json.loads(text)["model"]
    if model.get("unk_id") is not None:
        return model["unk_id"]
    known = (tokenizer.token_to_id(name) for name in (model.get("unk_token"), "<unk>", "[UNK]") if name)
    return next((number for number in known if number is not None), None)


def read_tokenizer(place):
    path = pathlib.Path(place)
    if not path.exists():
        raise Failure("no such tokenizer or model archive", path,
                      "Give a tokenizer.json, or import a model: metaloom import minilm-mlm out=FILE.h5")
    if path.suffix == ".h5":
        with archive.hdf5_reader(path) as file:
            if "tokenizer/tokenizer.json" not in file:
                raise Failure("no tokenizer in this archive", path, "Give a model archive that metaloom import wrote")
            return archive.get_text(file, "tokenizer/tokenizer.json")
    return tokenizer_text(path)[0] if path.is_dir() else read_text(path)


class SplitBuffer:
    """Rows of one split, tokenised in batches; becomes the arrays of the store.

    Segment lengths are cut at `max_tokens`; `truncated` counts the segments that were.
    """

    def __init__(self, pieces, max_tokens):
        self.pieces, self.max_tokens, self.truncated = pieces, max_tokens, 0
        self.tokens, self.segment_ends, self.row_ends = array("i"), array("q", [0]), array("q", [0])
        self.labels, self.digests = array("i"), array("q")
        self.waiting = []

    def add(self, segments, label, where):
        """`where()` tells the place of the row, should it turn out to be empty."""
        self.waiting.append((segments, where))
        self.labels.append(label)
        self.digests.append(text_digest(segments[0]))
        if len(self.waiting) >= BATCH_ROWS:
            self.flush()

    def flush(self):
        encoded = iter(self.pieces.encode([text for segments, _ in self.waiting for text in segments]))
        for segments, where in self.waiting:
            for text in segments:
                ids = next(encoded)
                if not ids:
                    raise no_token(text, where())
                self.truncated += len(ids) > self.max_tokens
                self.tokens.extend(ids[:self.max_tokens])
                self.segment_ends.append(len(self.tokens))
            self.row_ends.append(len(self.segment_ends) - 1)
        self.waiting.clear()

    def arrays(self):
        self.flush()
        return {
            "tokens": np.array(self.tokens, dtype=np.int32),
            "segment_offsets": np.array(self.segment_ends, dtype=np.int64),
            "row_segments": np.array(self.row_ends, dtype=np.int64),
            "labels": np.array(self.labels, dtype=np.int32),
            "text_digests": np.array(self.digests, dtype=np.int64),
        }
