"""The work of each bench case: real token ids out of the carried data, the program's options, the peers to run against.

Both sides read it from one JSON file: `tasks` hold word-piece ids without special tokens, already cut to fit.
"""

import h5py
import numpy as np

from tools import archive

MAX_LENGTH = 32
CLOZE = "<soft:8> {text} , the topic is [MASK] ."
CLOZE_WORDS = 8 + 8  # the template's tokens, and [CLS] and [SEP]: what is left of MAX_LENGTH is text


class Store:
    """One split of a token store (docs/formats.md), read whole."""

    def __init__(self, root, name, split="train"):
        with h5py.File(root / f"{name}.h5") as file:
            meta = archive.get_json(file, "meta")
            columns = {key: file[split][key][()] for key in ("tokens", "segment_offsets", "row_segments", "labels")}
        self.info = {"name": meta["name"], "family": meta["family"], "labels": meta["labels"],
                     "label_words": meta["label_words"]}
        self.labels = columns["labels"]
        self._tokens, self._offsets = columns["tokens"], columns["segment_offsets"]
        self._rows = columns["row_segments"]

    def row(self, row, label, limits):
        """Row `row` as JSON; its segments cut to `limits` pieces (the last limit holds for all that follow)."""
        segments = []
        for place, segment in enumerate(range(self._rows[row], self._rows[row + 1])):
            ids = self._tokens[self._offsets[segment]:self._offsets[segment + 1]]
            segments.append(ids[:limits[min(place, len(limits) - 1)]].tolist())
        return {"segments": segments, "label": int(label)}


def batch_of(store, dataset, rows, seed, limits):
    picked = np.random.default_rng(seed).choice(len(store.labels), rows, replace=False)
    return {"dataset": dataset, "classes": list(range(len(store.info["labels"]))), "support": [],
            "query": [store.row(row, store.labels[row], limits) for row in picked]}


def muppet(root, dropout=0.0):
    """Four slots of eight rows from four datasets, all weights trained: half an update of the quickstart's first stage."""
    limits = {"clinc150": [30], "dbpedia14": [30], "snli": [14, 15], "commonsense_qa": [20, 9]}
    stores = [Store(root, name) for name in limits]
    return {"datasets": [store.info for store in stores], "pack": 1, "updates": 1, "dropout": dropout,
            "tasks": [batch_of(store, n, 8, n, limits[store.info["name"]]) for n, store in enumerate(stores)],
            "method": f'name = "muppet"\ndropout = {dropout}\n',
            "optimizer": 'rate = 3e-5\nweight_decay = 0.01\nschedule = "constant"\nwarmup = 0\n',
            "rate": 3e-5, "weight_decay": 0.01}


def metaprompting(root, rule):
    """Two episodes with the quickstart's shapes, by either rule: 5-way, 1-shot, 5 queries per class, 5 inner steps, prompt only."""
    store, tasks = Store(root, "hwu64"), []
    for seed in range(2):
        random = np.random.default_rng(seed)
        classes = random.choice(np.unique(store.labels), 5, replace=False)
        task = {"dataset": 0, "classes": classes.tolist(), "support": [], "query": []}
        for place, label in enumerate(classes):
            rows = random.choice(np.flatnonzero(store.labels == label), 6, replace=False)
            examples = [store.row(row, place, [MAX_LENGTH - CLOZE_WORDS]) for row in rows]
            task["support"].append(examples[0])
            task["query"] += examples[1:]
        tasks.append(task)
    return {"datasets": [store.info], "pack": 2, "updates": 1, "tasks": tasks, "soft": 8, "inner_steps": 5,
            "inner_rate": 0.3, "rate": 0.01, "second": rule == "maml",
            "method": f'name = "metaprompting"\nrule = "{rule}"\ntemplate = "{CLOZE}"\ninner_steps = 5\ninner_rate = 0.3\n',
            "optimizer": 'rate = 0.01\nschedule = "constant"\nwarmup = 0\n'}


def spt(root):
    """Two search steps, one for the generators and one for the gates, each of two slots of 16 rows as in the quickstart."""
    store = Store(root, "snips")
    return {"datasets": [store.info], "pack": 1, "updates": 2, "soft": 8, "prompt_rows": 5, "rate": 3e-3,
            "gate_rate": 20, "tasks": [batch_of(store, 0, 16, seed, [MAX_LENGTH - CLOZE_WORDS]) for seed in range(2)],
            "method": f'name = "spt"\ntemplate = "{CLOZE}"\nkeep = 2\nprompt_rows = 5\nbottleneck = 64\n'
                      'search_steps = 999998\ngate_rate = 20\n',
            "optimizer": 'rate = 3e-3\nschedule = "constant"\nwarmup = 0\n'}


def passes(*told):
    """Bodies alone, on rows without padding: what everything else stands on. told: (rows, length, training, dtype); of bf16
    are the products, the weights stay fp32. Below 1000 are MiniLM's special pieces."""
    random = np.random.default_rng(1)
    first, last = 1000, 8000

    def task(rows, length):
        ids = random.integers(first, last, (rows, length))
        return {"dataset": 0, "classes": [0], "support": [], "query": [{"segments": [row.tolist()], "label": 0} for row in ids]}
    info = {"name": "random", "family": "classification", "labels": ["none"], "label_words": [[[1]]]}
    return {"datasets": [info], "pack": 1, "updates": 1, "tasks": [task(rows, length) for rows, length, *_ in told],
            "passes": [{"about": f"{rows} x {length}, forward{' + backward' * training}",
                        "training": training, "dtype": dtype} for rows, length, training, dtype in told]}


def encoder(rows, length, training):
    return passes((rows, length, training, "fp32"))


def of_kind(kind, *told):
    """The random model of a kind (bench/kinds.py)."""
    return passes(*told) | {"kind": kind}


def both_dtypes(kind):
    return of_kind(kind, *((*shape, training, "fp32") for shape in ((32, 16), (8, 128)) for training in (False, True)),
                   *((8, 128, training, "bf16") for training in (False, True)))


def bf16(kind):
    return of_kind(kind, *((*shape, training, "bf16") for shape in ((32, 16), (8, 128)) for training in (False, True)))


# name -> (what it is, its work, the peers; "fp32": ourselves, with products of fp32)
CASES = {
    "encoder_forward": ("encoder", lambda root: encoder(80, 24, False), ["transformers"]),
    "encoder_training": ("encoder", lambda root: encoder(80, 24, True), ["transformers"]),
    "encoder_small": ("encoder", lambda root: encoder(5, 24, True), ["transformers"]),
    "muppet_step": ("MUPPET step", muppet, ["transformers"]),
    "muppet_dropout": ("MUPPET step, dropout 0.1", lambda root: muppet(root, 0.1), ["transformers"]),
    "metaprompting_first": ("MetaPrompting, first order", lambda root: metaprompting(root, "fomaml"),
                            ["transformers", "mask-head", "tuned"]),
    "metaprompting_second": ("MetaPrompting, second order", lambda root: metaprompting(root, "maml"),
                             ["transformers", "mask-head", "tuned"]),
    "spt_step": ("SPT search step", spt, ["transformers", "tuned"]),
}
KINDS = ("bert", "roberta", "distilbert", "electra", "deberta-v2", "modernbert", "bart", "gpt2", "llama", "qwen3")
CASES |= {f"kind_{kind}": (kind, lambda root, kind=kind: both_dtypes(kind), ["transformers"]) for kind in KINDS}
CASES |= {f"bf16_{kind}": (kind, lambda root, kind=kind: bf16(kind), ["fp32"]) for kind in ("bert", "modernbert", "llama")}
