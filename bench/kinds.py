"""A random model of every kind of backbone, by transformers, for both sides: a Hugging Face folder, and beside it our archive
of it (`.cache/bench/KIND/` and `KIND.h5`). All of one size, so that kinds can be compared."""

import json
import pathlib

import h5py
import torch
import transformers

from tools import archive
from tools.kinds import kind_of
from tools.weights import select_parameters

FOLDER = pathlib.Path(__file__).resolve().parent.parent / ".cache" / "bench"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 8000
WIDTH, LAYERS, HEADS, INNER, POSITIONS = 384, 6, 12, 1536, 160
SIZES = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
         "intermediate_size": INNER, "max_position_embeddings": POSITIONS}

# kind -> (the model with a head that scores words, what its configuration says beside SIZES); else like its best known members
MODELS = {
    "bert": (transformers.BertForMaskedLM, SIZES),
    "roberta": (transformers.RobertaForMaskedLM, SIZES | {"type_vocab_size": 1}),
    "distilbert": (transformers.DistilBertForMaskedLM, {
        "vocab_size": VOCABULARY, "dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER,
        "max_position_embeddings": POSITIONS}),
    "electra": (transformers.ElectraForMaskedLM, SIZES | {"embedding_size": 128}),
    "deberta-v2": (transformers.DebertaV2ForMaskedLM, SIZES | {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 256, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0}),
    "modernbert": (transformers.ModernBertForMaskedLM, SIZES | {
        "local_attention": 64, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}),
    "bart": (transformers.BartForConditionalGeneration, {
        "vocab_size": VOCABULARY, "d_model": WIDTH, "encoder_layers": LAYERS // 2, "decoder_layers": LAYERS // 2,
        "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS, "encoder_ffn_dim": INNER, "decoder_ffn_dim": INNER,
        "max_position_embeddings": POSITIONS}),
    "gpt2": (transformers.GPT2LMHeadModel, {
        "vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": INNER, "n_positions": POSITIONS,
        "bos_token_id": 3, "eos_token_id": 3}),
    "llama": (transformers.LlamaForCausalLM, SIZES | {"num_key_value_heads": HEADS // 3}),
    "qwen3": (transformers.Qwen3ForCausalLM, SIZES | {"num_key_value_heads": HEADS // 3, "head_dim": WIDTH // HEADS}),
}

transformers.utils.logging.disable_progress_bar()


def config_of(kind):
    model, said = MODELS[kind]
    return model.config_class(**said)


def config_of_archive(path):
    """What the archive was made of; None where there is none that can be read."""
    try:
        with h5py.File(path) as file:
            return archive.get_json(file, "meta")["config"]
    except (OSError, KeyError):
        return None


def make(kind, config, path):
    """Weights as large as they may be before attention saturates: with those that training starts from, each position would
    see the mean of all, and a wrong mask would not show in the loss."""
    torch.manual_seed(1)
    model = MODELS[kind][0](config)
    with torch.no_grad():
        for value in model.parameters():
            one = value.dim() == 1 and bool((value == 1).all())
            value.normal_(1.0 if one else 0.0, min(0.3, 1.2 * value.shape[-1] ** -0.5))
    model.save_pretrained(path.with_suffix(""))
    told = json.loads(config.to_json_string(use_diff=False))
    meta = {"format": "metaloom-model", "version": 1, "backbone": kind, "config": told, "tokenizer_digest": "none",
            "source": "random"}
    parameters, _ = select_parameters(model.state_dict(), kind_of(told, path), path)
    with archive.hdf5_writer(path) as file:
        archive.put_checked_text(file, "meta", json.dumps(meta, sort_keys=True))
        archive.put_checked_text(file, "tokenizer/tokenizer.json", "{}")
        pieces = SPECIAL + [f"word{index}" for index in range(len(SPECIAL), VOCABULARY)]
        archive.put_checked_text(file, "tokenizer/vocabulary", "\n".join(pieces))
        for name, value in parameters.items():
            archive.put_checked_tensor(file, f"parameters/{name}", value)


def archive_of(kind):
    """The kind's archive, made where there is none of this configuration and these transformers yet."""
    path = FOLDER / f"{kind}.h5"
    config = config_of(kind)
    if config_of_archive(path) != json.loads(config.to_json_string(use_diff=False)):
        make(kind, config, path)
    return path


def body_of(kind, path):
    """The archive's model in transformers, without its head, with sdpa where the class has it."""
    model = MODELS[kind][0]
    attention = "sdpa" if model._supports_sdpa else "eager"
    whole = model.from_pretrained(pathlib.Path(path).with_suffix(""), attn_implementation=attention)
    whole.config.use_cache = False
    return whole.base_model
