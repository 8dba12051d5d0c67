"""What every peer of bench/peer.py starts from: the archive's model in transformers, and rows of ids as one tensor."""

import h5py
import torch
import transformers

from tools import archive


def load_model(path, attention="sdpa", dropout=0.0):
    """The archive's encoder and MLM head as BertForMaskedLM."""
    with h5py.File(path) as file:
        meta = archive.get_json(file, "meta")
        config = transformers.BertConfig(**meta["config"])
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
        config._attn_implementation = attention
        model = transformers.BertForMaskedLM(config)
        state = {name if name.startswith("cls.") else f"bert.{name}": torch.from_numpy(value[()])
                 for name, value in file["parameters"].items() if not name.startswith("pooler.")}
        vocabulary = archive.get_text(file, "tokenizer/vocabulary").split("\n")
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    model.tie_weights()
    return model, {piece: index for index, piece in enumerate(vocabulary)}


def padded(rows, fill=0):
    """Lists of ids as one tensor, and the attention mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask
