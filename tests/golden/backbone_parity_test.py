"""The program's backbones against transformers: states at every layer, kept positions, pooled state, logits, loss and the
gradient of every parameter; random configurations of every family (odd widths, padding, shuffled rows), and both MiniLMs.

run: PYTHONPATH=. METALOOM_BUILD_DIR=build .venv/bin/python tests/golden/backbone_parity_test.py [Parity.test_roberta]
METALOOM_CONFIGURATIONS=20 tries more of them.
"""

import itertools
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
import torch
import transformers

from tests.golden.families import FAMILIES
from tools import archive, import_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build"))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Relative to the largest number of the tensor, for gradients to the largest of all gradients; or, where rounding is larger, so
# many times what transformers' own fp32 is away from its fp64. In fp64 each gradient is held to its own largest number, too.
LIMITS = {"float": (1e-5, 8), "double": (1e-11, 1e-8)}
CONFIGURATIONS = int(os.environ.get("METALOOM_CONFIGURATIONS", "4"))


def layout_of(config, folder):
    """What the program says of such a model's parameters."""
    (folder / "config.json").write_text(json.dumps(config.to_dict() | {"model_type": config.model_type}))
    return json.loads(subprocess.run([BUILD / "metaloom", "models", folder / "config.json"], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)


def random_model(family, dice):
    torch.manual_seed(dice.randrange(1 << 30))
    model = family.model(family.make(dice)).eval()
    with torch.no_grad():  # as large as it may be before attention saturates and fp32 itself gets lost
        for value in model.parameters():
            one = value.dim() == 1 and bool((value == 1).all())
            value.normal_(1.0 if one else 0.0, min(0.3, 1.2 * value.shape[-1] ** -0.5))
        if hasattr(model, "final_logits_bias"):  # trained by us, a buffer there
            model.final_logits_bias.normal_(0.0, 0.3)
    return model


def ours(layout, values):
    """Tensors by the program's names, out of those by transformers' names."""
    out = {}
    for parameter in layout["parameters"]:
        name = parameter["name"]
        spellings = [layout["prefix"] + name, name, *(theirs for theirs, mine in layout["tied"].items() if mine == name)]
        theirs = next((spelling for spelling in spellings if spelling in values), None)
        if theirs:
            turned = any(theirs.endswith(end) for end in layout["transposed"])
            out[name] = values[theirs].t() if turned else values[theirs]
            out[name] = out[name].squeeze(0) if name in layout["flat"] else out[name]
    return out


def write_model(path, model, layout):
    config = {key: value for key, value in model.config.to_dict().items()}
    meta = {"format": "metaloom-model", "version": 1, "backbone": model.config.model_type, "config": config,
            "tokenizer_digest": "none", "source": "random"}
    pieces = SPECIAL + [f"word{index}" for index in range(len(SPECIAL), model.config.vocab_size)]
    with archive.hdf5_writer(path) as file:
        archive.put_text(file, "meta", json.dumps(meta))
        archive.put_text(file, "tokenizer/tokenizer.json", "{}")
        archive.put_text(file, "tokenizer/vocabulary", "\n".join(pieces))
        for name, value in ours(layout, model.state_dict()).items():
            archive.put_checked_tensor(file, f"parameters/{name}", value.contiguous().numpy())


def random_batch(config, width, positions, seed, target=False):
    """Rows of 3..length tokens (the first one full), padded with arbitrary ids; two segments each; shuffled. With `target` also
    what a decoder reads; it is then the target's states that are read."""
    dice = np.random.default_rng(seed)
    rows, length = int(dice.integers(1, 7)), int(dice.integers(3, positions + 1))
    lengths = dice.integers(3, length + 1, rows)
    lengths[0] = length
    dice.shuffle(lengths)
    segments = (np.arange(length) >= dice.integers(1, lengths)[:, None]).astype(np.int64)
    padding = getattr(config, "pad_token_id", None) or 0
    ids = dice.integers(0, config.vocab_size - 1, (rows, length))
    ids += ids >= padding  # transformers count positions by what is no padding
    more = {}
    if target:
        length = int(dice.integers(1, positions + 1))
        lengths_of_target = dice.integers(1, length + 1, rows)
        more = {"target": dice.integers(0, config.vocab_size - 1, (rows, length)), "target_length": lengths_of_target}
        more["target"] += more["target"] >= padding
    read = more.get("target_length", lengths)
    probe = dice.standard_normal((rows, length, width)) * (np.arange(length) < read[:, None])[:, :, None]
    return {"ids": ids, "segments": segments, "length": lengths, "read_at": dice.integers(0, read),
            "label": dice.integers(0, config.vocab_size, rows), "candidates": dice.integers(0, config.vocab_size, 6),
            "probe": probe} | more


def write_batch(path, batch):
    with archive.hdf5_writer(path) as file:
        for name, value in batch.items():
            archive.put_checked_tensor(file, name, value if name == "probe" else value.astype(np.int64))


def read_outputs(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def reference_outputs(model, base, layout, batch, dtype):
    model = model.to(dtype)
    model.zero_grad()
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias = model.final_logits_bias.detach().requires_grad_()
    body = getattr(model, base) if base else model
    rows = torch.arange(len(batch["ids"]))
    attended = torch.arange(batch["ids"].shape[1]) < torch.from_numpy(batch["length"])[:, None]
    decoded = attended
    inputs = {"input_ids": torch.from_numpy(batch["ids"]), "attention_mask": attended.long()}
    if any(parameter["name"].endswith("token_type_embeddings.weight") and parameter["shape"][0] > 1
           for parameter in layout["parameters"]):
        inputs["token_type_ids"] = torch.from_numpy(batch["segments"])
    if "target" in batch:
        inputs["decoder_input_ids"] = torch.from_numpy(batch["target"])
        decoded = torch.arange(batch["target"].shape[1]) < torch.from_numpy(batch["target_length"])[:, None]
    out = model(**inputs, output_hidden_states=True)
    states = out.hidden_states if "hidden_states" in out else out.encoder_hidden_states
    hidden = (states if "hidden_states" in out else out.decoder_hidden_states)[-1] if base else out.last_hidden_state
    at = torch.from_numpy(batch["read_at"])
    loss = (hidden * torch.from_numpy(batch["probe"]).to(dtype)).sum()
    wanted = {f"states/{n}": states[n] for n in range(layout["layers"])}
    wanted |= {"hidden": hidden, "kept": hidden[rows, at]}
    if getattr(body, "pooler", None) is not None and not base:
        wanted["pooled"] = out.pooler_output
    if base:
        wanted |= {"logits": out.logits, "some_logits": out.logits[rows, at][:, torch.from_numpy(batch["candidates"])]}
        loss = loss + torch.nn.functional.cross_entropy(out.logits[rows, at], torch.from_numpy(batch["label"]))
    loss.backward()
    everything = itertools.chain(model.named_parameters(), model.named_buffers())
    gradients = {name: value.grad for name, value in everything if value.grad is not None}
    wanted |= {f"gradient/{name}": value for name, value in ours(layout, gradients).items()} | {"loss": loss}
    read = {"states": attended.numpy(), "hidden": decoded.numpy(), "logits": decoded.numpy()}  # the rest of it is padding
    return {name: value.detach().numpy() for name, value in wanted.items()}, read


class Parity(unittest.TestCase):
    worst = {}

    def setUp(self):
        torch.set_num_threads(1)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def compare(self, family, found, model, base, layout, batch):
        self.assertEqual({name.split("/")[0] for name in found}, {"fused", "math"})
        references = {}
        for precision, dtype in (("float", torch.float32), ("double", torch.float64)):
            references[precision], read = reference_outputs(model, base, layout, batch, dtype)
        exact = references["double"]
        scale = max(np.abs(value).max() for name, value in exact.items() if name.startswith("gradient/"))
        for kind, precision in itertools.product(("fused", "math"), LIMITS):
            start = f"{kind}/{precision}/"
            mine = {name.removeprefix(start): value for name, value in found.items() if name.startswith(start)}
            unlike = {name for name in set(mine) ^ set(exact) if np.abs(mine.get(name, exact.get(name))).max() > 0}
            self.assertEqual(unlike, set())
            for name in set(mine) & set(exact):
                values = mine[name], references[precision][name], references["float"][name], exact[name]
                if name.split("/")[0] in read:  # what stands at padding means nothing
                    values = [value[read[name.split("/")[0]]] for value in values]
                largest = np.abs(values[3]).max()
                if largest < 1e-10 * scale:
                    largest = scale  # nothing but rounding, as softmax does not see what is added to all keys
                if name == "loss":  # a sum of terms of either sign, which may all but cancel
                    largest = max(largest, np.linalg.norm(exact["hidden"] * batch["probe"]))
                off, rounding = (np.abs(a - b).max() / largest for a, b in (values[:2], values[2:]))
                limit, times = LIMITS[precision]
                share = largest / max(largest, scale) if name.startswith("gradient/") else 1.0
                self.worst[family, precision] = max(self.worst.get((family, precision), 0.0), off * share)
                self.assertLessEqual(off * share, max(limit, times * rounding * share), f"{kind} {precision} {name}")
                if precision == "double":
                    self.assertLessEqual(off, max(limit, times * rounding), f"{kind} {precision} {name}")

    def run_family(self, name):
        family, dice = FAMILIES[name], random.Random(name)
        cases, words = [], []
        for index in range(CONFIGURATIONS):
            model = random_model(family, dice)
            layout = layout_of(model.config, self.folder)
            positions = getattr(model.config, "max_position_embeddings", 40) - family.first
            batch = random_batch(model.config, layout["width"], min(positions, 40), index, target=family.target and index % 2 == 1)
            files = [self.folder / f"{index}.{end}.h5" for end in ("model", "batch", "out")]
            write_model(files[0], model, layout)
            write_batch(files[1], batch)
            cases.append((model, layout, batch, files[2]))
            words += files
        subprocess.run([BUILD / "golden_backbone", *words], check=True)
        for index, (model, layout, batch, out) in enumerate(cases):
            with self.subTest(f"configuration {index}", config=model.config.to_diff_dict()):
                self.compare(name, read_outputs(out), model, family.base, layout, batch)

    def compare_import(self, source, model_class, base):
        path = self.folder / f"{source}.h5"
        import_model.import_model(source, path)
        folder, tensors, _ = import_model.load_source(source)
        config = transformers.BertConfig.from_pretrained(folder)
        options = {} if base else {"add_pooling_layer": True}
        model = model_class(config, **options).eval()
        prefix = "bert." if base else ""
        state = {name if name.startswith("cls.") else prefix + name: value for name, value in tensors.items()}
        missing, unexpected = model.load_state_dict(state, strict=False)
        self.assertEqual(set(unexpected) - {"bert.embeddings.position_ids", "embeddings.position_ids"}, set())
        self.assertLessEqual(set(missing), {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"})
        model.tie_weights()
        layout = layout_of(config, self.folder) | ({} if base else {"prefix": ""})
        for seed in range(2):
            batch = random_batch(config, config.hidden_size, 128, seed)
            write_batch(self.folder / "batch.h5", batch)
            out = self.folder / "out.h5"
            out.unlink(missing_ok=True)
            subprocess.run([BUILD / "golden_backbone", path, self.folder / "batch.h5", out], check=True)
            self.compare(source, read_outputs(out), model, base, layout, batch)

    def test_minilm(self):
        self.compare_import("minilm", transformers.BertModel, None)

    def test_minilm_with_a_language_model_head(self):
        self.compare_import("minilm-mlm", transformers.BertForMaskedLM, "bert")

    @classmethod
    def tearDownClass(cls):
        for (family, precision), value in sorted(cls.worst.items()):
            print(f"{family:14} {precision:7} largest relative difference {value:.1e}")


for family_name in FAMILIES:
    setattr(Parity, f"test_{family_name.replace('-', '_')}", lambda self, name=family_name: self.run_family(name))

if __name__ == "__main__":
    unittest.main()
