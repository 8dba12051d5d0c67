"""The tokenizer of a Hugging Face folder: its tokenizer.json, or one made of the vocab.txt of an older folder, or of its
vocab.json and merges.txt, or of a model of SentencePiece, as transformers reads it.

Settings beside it (tokenizer_config.json, special_tokens_map.json, added_tokens.json) mean what they mean to
transformers. Where nothing says whether texts are lower-cased, the vocabulary does: one with capitals is cased.
"""

import importlib.util
import json
import re

from tools.failure import Failure
from tools.model_folder import member
from tools.text_files import read_json_file, read_text

SETTINGS = {"do_lower_case": "lowercase", "strip_accents": "strip_accents", "tokenize_chinese_chars": "handle_chinese_chars"}
SPACE = "add_prefix_space"  # of byte-level tokenizers
SPECIALS = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
CLASSES = re.compile(r"(Bert|DistilBert|Electra|MPNet)Tokenizer(Fast)?|PreTrainedTokenizerFast|TokenizersBackend")
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model")
BYTE_LEVEL = re.compile(r"(GPT2|Roberta|Bart)Tokenizer(Fast)?|PreTrainedTokenizerFast|TokenizersBackend")
OF_ROBERTA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
              "cls_token": "<s>", "mask_token": "<mask>"}
FLAGS = ("lstrip", "rstrip", "normalized", "single_word")  # of a token that is found before words are cut
CASED = 0.01  # share of the pieces that hold a capital; of a lower-cased vocabulary hardly one does


def tokenizer_text(folder):
    """(the content of a tokenizer.json, notes on how it came about)."""
    config = object_file(folder, "tokenizer_config.json")
    check_settings(config, folder)
    path = member(folder, "tokenizer.json")
    if path:
        return with_settings(read_text(path), config, path)
    if member(folder, "vocab.json") and member(folder, "merges.txt"):
        return from_merges(folder, config)
    path = member(folder, "vocab.txt")
    sentencepiece = None if path else member(folder, *SENTENCEPIECE)
    if sentencepiece:
        return from_sentencepiece(folder, sentencepiece)
    if not path:
        raise Failure("neither tokenizer.json nor vocab.txt nor vocab.json and merges.txt nor spiece.model", folder,
                      "Save the tokenizer there: tokenizer.save_pretrained(FOLDER)")
    kind = config.get("tokenizer_class") or "BertTokenizer"
    if not CLASSES.fullmatch(str(kind)):
        raise Failure(f"a vocab.txt of a {kind}, which cuts words in its own way", folder,
                      "Save it with a tokenizer.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(NEW)")
    return from_vocabulary(folder, path, config)


def object_file(folder, name):
    path = member(folder, name)
    content = read_json_file(path) if path else {}
    if not isinstance(content, dict):
        raise Failure(f"not an object of settings such as do_lower_case, but a {type(content).__name__}", path,
                      f"Fetch {name} again")
    return content


def check_settings(config, folder):
    for key in (*SETTINGS, SPACE, "do_basic_tokenize"):
        if config.get(key) is not None and not isinstance(config[key], bool):
            raise Failure(f"{key} is {config[key]!r}, not true or false", member(folder, "tokenizer_config.json"),
                          "Fetch tokenizer_config.json again")


def with_settings(text, config, path):
    """A tokenizer.json whose steps follow tokenizer_config.json where the two disagree, as in transformers."""
    try:
        content = json.loads(text)
        parts = {kind: [part for part in [content[place], *(content[place] or {}).get(steps, [])]
                        if isinstance(part, dict) and part.get("type") == kind]
                 for kind, place, steps in (("BertNormalizer", "normalizer", "normalizers"),
                                            ("ByteLevel", "pre_tokenizer", "pretokenizers"))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return text, []  # no tokenizer, or one without these steps: the library tells
    notes = []
    for key, name in (SETTINGS | {SPACE: SPACE}).items():
        for part in parts["ByteLevel" if key == SPACE else "BertNormalizer"]:
            if config.get(key) is not None and part.get(name) != config[key]:
                notes.append(f"{key} = {json.dumps(config[key])} of tokenizer_config.json replaces {path.name}'s "
                             f"{json.dumps(part.get(name))}")
                part[name] = config[key]
    return (json.dumps(content, ensure_ascii=False), notes) if notes else (text, notes)


def from_vocabulary(folder, path, config):
    from tokenizers import BertWordPieceTokenizer, normalizers, pre_tokenizers

    pieces = read_text(path).rstrip("\n").split("\n")
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    specials = {key: content_of(config.get(key), default) for key, default in SPECIALS.items()}
    for key, value in object_file(folder, "special_tokens_map.json").items():
        if key in specials and key not in config:
            specials[key] = content_of(value, specials[key])
    notes, lower = [], config.get("do_lower_case")
    if lower is None:
        words = [piece for piece in pieces if not re.fullmatch(r"\[.*\]|<.*>", piece)]
        lower = sum(piece != piece.lower() for piece in words) < max(1, CASED * len(words))
        notes.append(f"{path.name} has {'no ' * lower}capitals, so texts {'are lower-cased' if lower else 'keep theirs'}; "
                     "tokenizer_config.json would say it with do_lower_case")
    chinese, accents = config.get("tokenize_chinese_chars"), config.get("strip_accents")
    try:
        tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=lower, strip_accents=accents,
                                           handle_chinese_chars=chinese is None or chinese, **specials)
    except Exception as error:  # tokenizers raises bare Exception
        raise Failure(f"not a vocabulary: {error}", path, "Give one word piece a line, as UTF-8") from None
    if config.get("do_basic_tokenize") is False:  # words are what white space parts, as they are written
        tokenizer._tokenizer.normalizer = normalizers.Sequence([])
        tokenizer._tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        notes.append("do_basic_tokenize = false: words are cut at white space only")
    add(tokenizer, added_tokens(folder, config, specials, vocabulary), path)
    return tokenizer.to_str(pretty=False), notes


def add(tokenizer, tokens, path):
    """Adds what added_tokens() gives to the vocabulary that was read from `path`."""
    from tokenizers import AddedToken

    for index, token in tokens:
        tokenizer.add_tokens([AddedToken(**token)])
        if index is not None and tokenizer.token_to_id(token["content"]) != index:
            raise Failure(f"the added token {token['content']!r} has number {index}, but the vocabulary ends at "
                          f"{tokenizer.get_vocab_size() - 2}", path.parent, f"{path.name} and added tokens must be of one model")


def from_merges(folder, config):
    """GPT-2's byte-level BPE, or RoBERTa's, whose vocabulary has a mask."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    vocabulary, place, merges = object_file(folder, "vocab.json"), member(folder, "vocab.json"), member(folder, "merges.txt")
    kind = config.get("tokenizer_class") or "GPT2Tokenizer"
    if not BYTE_LEVEL.fullmatch(str(kind)):
        raise Failure(f"a vocab.json of a {kind}, which cuts words in its own way", folder,
                      "Save it with a tokenizer.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(NEW)")
    pairs = [tuple(line.split(" ")) for line in read_text(merges).split("\n") if line.strip() and not line.startswith("#version")]
    spaced = config.get(SPACE) is True
    try:
        tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    except Exception as error:  # tokenizers raises bare Exception
        raise Failure(f"vocab.json and merges.txt are no vocabulary: {error}", place, "Both must be of the same model") from None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    tokenizer.decoder = decoders.ByteLevel()
    named = named_specials(folder, config, vocabulary)
    pieces = {piece for piece, _ in named.values()}
    add(tokenizer, [(index, token | {"special": token["content"] in pieces})
                    for index, token in added_tokens(folder, config, {}, vocabulary)], place)
    tokenizer.add_special_tokens([AddedToken(piece, **flags) for piece, flags in named.values()])
    if "<mask>" in vocabulary and {"sep_token", "cls_token"} <= named.keys():
        tokenizer.post_processor = processors.RobertaProcessing(
            *((piece, tokenizer.token_to_id(piece)) for piece, _ in (named["sep_token"], named["cls_token"])), add_prefix_space=spaced)
    return tokenizer.to_str(pretty=False), []


def named_specials(folder, config, vocabulary):
    """{role: (piece, flags)} of a byte-level tokenizer: the pieces of RoBERTa or GPT-2, unless the settings name others."""
    defaults = {role: piece for role, piece in OF_ROBERTA.items() if piece in vocabulary} if "<mask>" in vocabulary \
        else dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    given = object_file(folder, "special_tokens_map.json") | config
    found = {}
    for role in OF_ROBERTA:
        piece = content_of(given.get(role), defaults.get(role, ""))
        flags = {"normalized": False, "lstrip": role == "mask_token"}
        if isinstance(given.get(role), dict):
            flags = {flag: bool(given[role].get(flag)) for flag in FLAGS}
        if piece:
            found[role] = (piece, flags)
    return found


def from_sentencepiece(folder, path):
    """What transformers makes of SentencePiece's model; config.json or tokenizer_config.json tells of which kind it is."""
    if importlib.util.find_spec("sentencepiece") is None:
        raise Failure(f"no tokenizer.json, and to read {path.name} transformers wants the Python package sentencepiece", folder,
                      "Run: pip install sentencepiece. Or save the tokenizer where it is installed: "
                      "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(NEW)")
    from transformers import AutoTokenizer
    from transformers.utils import logging

    shown = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        made = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        text = made.backend_tokenizer.to_str()
    except Exception as error:  # of whatever a damaged file makes it raise
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise Failure(f"transformers cannot read this tokenizer: {said}", path,
                      "Save it with a tokenizer.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(NEW)") from None
    finally:
        logging.set_verbosity(shown)
    return text, [f"made of {path.name} by transformers"]


def content_of(value, default):
    """A special token is written as its text, or as an object that holds it."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else default


def tokens_listed(folder, name, settings, key):
    """The texts of a list of tokens that file `name` may hold."""
    listed = settings.get(key) or []
    texts = [content_of(entry, None) for entry in listed] if isinstance(listed, list) else [None]
    if None in texts:
        raise Failure(f"{key} is no list of tokens", member(folder, name), f"Fetch {name} again")
    return texts


def added_tokens(folder, config, specials, vocabulary):
    """(number or None, what AddedToken takes) of tokens that are found in a text before words are cut.

    The special ones of BERT, `specials`, are none: in a text they are plain text.
    """
    found = {}
    numbered = config.get("added_tokens_decoder") or {}
    if not isinstance(numbered, dict) or not all(re.fullmatch(r"\d+", index) and isinstance(entry, dict)
                                                 for index, entry in numbered.items()):
        raise Failure("added_tokens_decoder does not name tokens by their numbers", member(folder, "tokenizer_config.json"),
                      "Fetch tokenizer_config.json again")
    for index, entry in numbered.items():
        found[content_of(entry, "")] = (int(index), {flag: bool(entry.get(flag)) for flag in FLAGS})
    for content, index in object_file(folder, "added_tokens.json").items():
        if not isinstance(index, int):
            raise Failure(f"the added token {content!r} has {index!r} for a number", member(folder, "added_tokens.json"),
                          "Fetch added_tokens.json again")
        found.setdefault(content, (index, {"normalized": True}))
    settings = "tokenizer_config.json"
    listed = tokens_listed(folder, "special_tokens_map.json", object_file(folder, "special_tokens_map.json"), "additional_special_tokens")
    for content in [*tokens_listed(folder, settings, config, "additional_special_tokens"), *listed]:
        found.setdefault(content, (None, {"normalized": False}))
    for content in tokens_listed(folder, settings, config, "never_split"):
        if content in vocabulary:
            found.setdefault(content, (None, {"normalized": False, "single_word": True}))
    plain = {*specials.values(), ""}
    known = [(index, {"content": content, "special": False} | flags) for content, (index, flags) in found.items()
             if content not in plain]
    return sorted(known, key=lambda entry: (entry[0] is None, entry[0] or 0))
