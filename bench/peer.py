"""The other side of a bench case: the same work in PyTorch and transformers, as a process that obeys bench/run.py.

usage: python -m bench.peer STYLE MODEL.h5 WORK.json STATE.h5 THREADS

STYLE: transformers (as its users write it), mask-head (the vocabulary head on the [MASK] rows only) or tuned (tasks
batched by hand as well, only the rows of the head that are asked for). Obeys "run N" and "quit" on stdin.
"""

import json
import sys
import time

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


def load_state(path):
    """theta as the program starts from, and what else it told."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: torch.from_numpy(item[()])})
                        if isinstance(item, h5py.Dataset) and "text" not in item.attrs else None)
    return found


def padded(rows, fill=0):
    """Lists of ids as one tensor, and the attention mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


class Encoder:
    def __init__(self, style, model_path, work, state):
        self.model = load_model(model_path)[0].eval()
        self.ids, self.mask = padded([row["segments"][0] for row in work["tasks"][0]["query"]])
        self.training = work["training"]

    def loss(self):
        return self.model.bert(self.ids, attention_mask=self.mask).last_hidden_state.pow(3).mean()

    def iterate(self):
        if not self.training:
            with torch.no_grad():
                return self.loss().item()
        self.model.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.item()


def peer_of(style, model_path, work, state):
    method = work.get("method", "")
    if "muppet" in method:
        from bench.peer_muppet import Muppet as kind
    elif "metaprompting" in method:
        from bench.peer_metaprompting import MetaPrompting as kind
    elif "spt" in method:
        from bench.peer_spt import Spt as kind
    else:
        kind = Encoder
    return kind(style, model_path, work, state)


def main():
    style, model_path, work_path, state_path, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with open(work_path, encoding="utf-8") as file:
        work = json.load(file)
    peer = peer_of(style, model_path, work, load_state(state_path))
    print(json.dumps({"threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        command, *count = line.split()
        if command == "quit":
            break
        seconds, cpu, losses = [], [], []
        for _ in range(int(count[0])):
            start, busy = time.perf_counter(), time.process_time()
            losses.append(peer.iterate())
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "losses": losses}), flush=True)


if __name__ == "__main__":
    main()
