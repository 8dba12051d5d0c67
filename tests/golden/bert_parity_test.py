"""The program's BERT against transformers: hidden states at all positions, pooled state, MLM logits; random
configurations (odd widths and heads, padding, shuffled rows, two segments) and both MiniLM archives.

run: PYTHONPATH=. METALOOM_BUILD_DIR=build .venv/bin/python tests/golden/bert_parity_test.py
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
import torch
import transformers

from tools import archive, import_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_bert"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FLOAT, DOUBLE = 1e-5, 1e-12  # relative to the largest number of the tensor

# heads, width of a head, layers, inner width, vocabulary, positions, rows, length, activation
SHAPES = [
    (1, 7, 1, 5, 11, 9, 1, 3, "gelu"),
    (3, 5, 2, 31, 101, 40, 4, 17, "gelu"),
    (5, 3, 3, 15, 53, 33, 7, 33, "gelu"),
    (7, 9, 2, 64, 200, 64, 3, 24, "gelu_new"),
    (2, 1, 4, 3, 29, 16, 5, 8, "gelu"),
    (12, 32, 2, 384, 300, 128, 6, 40, "gelu"),
    (4, 11, 3, 77, 67, 20, 9, 13, "relu"),
]


def random_model(shape, seed):
    heads, depth, layers, inner, vocabulary, positions, *_, activation = shape
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=heads * depth, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=positions, hidden_act=activation)
    torch.manual_seed(seed)
    model = transformers.BertForPreTraining(config).eval()
    with torch.no_grad():  # as large as it may be before attention saturates and fp32 itself gets lost
        for name, value in model.named_parameters():
            value.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, min(0.3, 1.5 * config.hidden_size**-0.5))
    return model


def write_model(path, model):
    """A model archive of `model`, made by hand: not through tools.import_model, which is tested here too."""
    config = model.config.to_dict()
    config = {key: value for key, value in config.items() if isinstance(value, (int, float, str, bool))}
    meta = {"format": "metaloom-model", "version": 1, "backbone": "bert", "config": config, "tokenizer_digest": "none",
            "source": "random"}
    pieces = SPECIAL + [f"word{index}" for index in range(len(SPECIAL), config["vocab_size"])]
    with archive.hdf5_writer(path) as file:
        archive.put_text(file, "meta", json.dumps(meta))
        archive.put_text(file, "tokenizer/tokenizer.json", "{}")
        archive.put_text(file, "tokenizer/vocabulary", "\n".join(pieces))
        for name, value in model.state_dict().items():
            if name.startswith(("cls.seq_relationship", "cls.predictions.decoder", "bert.embeddings.position_ids")):
                continue
            archive.put_checked_tensor(file, f"parameters/{name.removeprefix('bert.')}", value.numpy())


def random_batch(vocabulary, rows, length, seed):
    """Rows of 3..length tokens (the first one full), padded with arbitrary ids; two segments each; shuffled."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, length + 1, rows)
    lengths[0] = length
    random.shuffle(lengths)
    segments = (np.arange(length) >= random.integers(1, lengths)[:, None]).astype(np.int64)
    return {"ids": random.integers(0, vocabulary, (rows, length)), "segments": segments, "length": lengths,
            "mask_at": random.integers(0, lengths), "candidates": random.integers(0, vocabulary, 6)}


def program_outputs(folder, model_path, batch):
    with archive.hdf5_writer(folder / "batch.h5") as file:
        for name, value in batch.items():
            archive.put_checked_tensor(file, name, value.astype(np.int64))
    out = folder / "out.h5"
    out.unlink(missing_ok=True)
    subprocess.run([PROGRAM, model_path, folder / "batch.h5", out], check=True)
    found = {}
    with h5py.File(out) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def reference_outputs(model, batch, dtype):
    model = model.to(dtype)
    base = getattr(model, "bert", model)
    attended = torch.arange(batch["ids"].shape[1]) < torch.from_numpy(batch["length"])[:, None]
    with torch.no_grad():
        out = base(torch.from_numpy(batch["ids"]), attention_mask=attended.long(),
                   token_type_ids=torch.from_numpy(batch["segments"]))
        hidden = out.last_hidden_state
        wanted = {"hidden": hidden, "kept": hidden[torch.arange(len(hidden)), torch.from_numpy(batch["mask_at"])]}
        if base.pooler is not None:
            wanted["pooled"] = out.pooler_output
        if hasattr(model, "cls"):
            wanted["logits"] = model.cls.predictions(hidden)
            wanted["some_logits"] = model.cls.predictions(wanted["kept"])[:, torch.from_numpy(batch["candidates"])]
    return {name: value.numpy() for name, value in wanted.items()}, attended.numpy()


class BertParity(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def compare(self, model, model_path, batch):
        found = program_outputs(self.folder, model_path, batch)
        self.assertEqual({name.split("/")[0] for name in found}, {"fused", "math"})
        for precision, dtype, limit in (("float", torch.float32, FLOAT), ("double", torch.float64, DOUBLE)):
            wanted, attended = reference_outputs(model, batch, dtype)
            for kind in ("fused", "math"):
                mine = {name.split("/")[2] for name in found if name.startswith(f"{kind}/{precision}/")}
                self.assertEqual(mine, set(wanted))
                for name, right in wanted.items():
                    ours = found[f"{kind}/{precision}/{name}"]
                    self.assertEqual(ours.shape, right.shape)
                    if name in ("hidden", "logits"):  # what stands at padding means nothing
                        ours, right = ours[attended], right[attended]
                    off = np.abs(ours - right).max() / np.abs(right).max()
                    self.worst[precision] = max(self.worst.get(precision, 0.0), off)
                    self.assertLessEqual(off, limit, f"{kind} {precision} {name}")

    worst = {}

    def test_random_configurations(self):
        for seed, shape in enumerate(SHAPES):
            with self.subTest(shape=shape):
                model = random_model(shape, seed)
                write_model(self.folder / "model.h5", model)
                for again in range(2):
                    batch = random_batch(shape[4], shape[6], shape[7], 10 * seed + again)
                    self.compare(model, self.folder / "model.h5", batch)

    def compare_import(self, source, model_class, **options):
        path = self.folder / f"{source}.h5"
        import_model.import_model(source, path)
        folder, tensors, _ = import_model.load_source(source)
        config = transformers.BertConfig.from_pretrained(folder)
        model = model_class(config, **options).eval()
        prefix = "bert." if hasattr(model, "bert") else ""
        state = {name if name.startswith("cls.") else prefix + name: value for name, value in tensors.items()}
        missing, unexpected = model.load_state_dict(state, strict=False)
        self.assertEqual(set(unexpected) - {"bert.embeddings.position_ids", "embeddings.position_ids"}, set())
        self.assertLessEqual(set(missing), {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"})
        model.tie_weights()
        for seed, (rows, length) in enumerate([(5, 24), (3, 128)]):
            self.compare(model, path, random_batch(config.vocab_size, rows, length, seed))

    def test_minilm(self):
        self.compare_import("minilm", transformers.BertModel)

    def test_minilm_with_a_language_model_head(self):
        self.compare_import("minilm-mlm", transformers.BertForMaskedLM)

    @classmethod
    def tearDownClass(cls):
        print("largest relative difference:", {name: f"{value:.1e}" for name, value in cls.worst.items()})


if __name__ == "__main__":
    unittest.main()
