"""The tokenizer of an archive as the files that transformers' AutoTokenizer reads."""

import json

# How special pieces are spelled, by their role for a model (models/tokenizers/); the first spelling found is the piece.
SPELLINGS = {
    "begin": ["[CLS]", "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"],
    "end": ["[SEP]", "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>"],
    "mask": ["[MASK]", "<mask>"],
    "pad": ["[PAD]", "<pad>", "<|padding|>", "<|endoftext|>"],
    "unknown": ["[UNK]", "<unk>"],
}
# The names that transformers has for the roles of special pieces; who begins with [CLS] has no bos, and so on.
NAMES = {"begin": {"[CLS]": ["cls_token"], "<s>": ["bos_token", "cls_token"], "": ["bos_token"]},
         "end": {"[SEP]": ["sep_token"], "</s>": ["eos_token", "sep_token"], "": ["eos_token"]},
         "mask": {"": ["mask_token"]}, "pad": {"": ["pad_token"]}, "unknown": {"": ["unk_token"]}}


def special_tokens(text, kind, config, named):
    """{"mask_token": "[MASK]", ...}: as the imported folder named them, by the ids of the configuration, or as they are spelled."""
    content = json.loads(text)
    by_id = pieces_by_id(content)
    pieces = set(by_id.values())
    found = {}
    for role, names in NAMES.items():
        causal_end = role == "end" and "mask" not in kind["roles"]  # no piece of its rows, but where texts end
        if role in ("begin", "end", "mask") and role not in kind["roles"] and not causal_end:
            continue
        piece = next((spelling for spelling in SPELLINGS[role] if spelling in pieces), None)
        for name in names[""] if causal_end else names.get(piece, names[""]):
            found |= {name: piece} if piece else {}
    for role in ("bos", "eos", "pad"):
        number = config.get(f"{role}_token_id")
        number = number[0] if isinstance(number, list) and number else number  # several ends: the first is the tokenizer's
        piece = by_id.get(number) if isinstance(number, int) else None
        if piece is not None and (f"{role}_token" in found or not kind["types"]):
            found[f"{role}_token"] = piece
    unknown = content["model"].get("unk_token")
    found |= {"unk_token": unknown} if isinstance(unknown, str) else {}
    return found | {name: piece for name, piece in named.items() if piece in pieces}


def pieces_by_id(content):
    vocabulary = content["model"].get("vocab") or {}
    by_id = {number: piece for piece, number in vocabulary.items()} if isinstance(vocabulary, dict) else {
        number: entry[0] for number, entry in enumerate(vocabulary)}
    return by_id | {entry["id"]: entry["content"] for entry in content.get("added_tokens") or []}


def tokenizer_files(text, kind, config, meta):
    """{file: content} beside tokenizer.json, which is `text`; `meta` is the archive's."""
    special = special_tokens(text, kind, config, meta.get("special_tokens", {}))
    inputs = ["input_ids", *(["token_type_ids"] if kind["types"] else []), "attention_mask"]
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": kind["positions"],
                "model_input_names": inputs, "clean_up_tokenization_spaces": False}
    template = {"chat_template": meta["chat_template"]} if "chat_template" in meta else {}
    return {"tokenizer_config.json": settings | template | special, "special_tokens_map.json": special}
