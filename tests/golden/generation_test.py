"""Texts that the program writes, piece after piece with cached keys and values, against transformers' `generate`: equal token
for token, in both precisions; greedily and by beams, ragged texts, early ends, forced pieces, least lengths, no repetition.

run: PYTHONPATH=. METALOOM_BUILD_DIR=build .venv/bin/python tests/golden/generation_test.py
METALOOM_CONFIGURATIONS=20 tries more models.
"""

import collections
import json
import pathlib
import random
import subprocess
import tempfile
import unittest

import numpy as np
import torch

from tests.golden.backbone_parity_test import BUILD, CONFIGURATIONS, layout_of, random_model, read_outputs, write_model
from tests.golden.families import FAMILIES
from tools import archive

PADDING = 0


def random_texts(config, most, seed):
    """Ragged rows, padded on the right, that leave room for `most` pieces."""
    dice = np.random.default_rng(seed)
    length = max(2, min(12, config.max_position_embeddings - most))
    lengths = dice.integers(1, length + 1, int(dice.integers(1, 6)))
    lengths[0] = length
    ids = dice.integers(1, config.vocab_size, (len(lengths), length))
    ids[ids == config.pad_token_id] = 3
    return ids, lengths


def theirs(model, ids, lengths, case, dtype):
    """What transformers write for each row, one at a time: their batches are padded on the left, ours on the right."""
    written = []
    for row, length in zip(ids, lengths, strict=True):
        inputs = torch.from_numpy(row[None, :length])
        out = model.to(dtype).generate(
            inputs, attention_mask=torch.ones_like(inputs), do_sample=False, max_new_tokens=case["most"],
            min_new_tokens=case["least"] or None, eos_token_id=case["ends"] or None, pad_token_id=PADDING,
            forced_bos_token_id=case["forced_first"], forced_eos_token_id=case["forced_last"],
            no_repeat_ngram_size=case["no_repeat"], num_beams=case["beams"], length_penalty=case["length_penalty"],
            early_stopping={"first": True, "likely": False, "never": "never"}[case["stop"]])[0]
        written.append(out[1:] if model.config.is_encoder_decoder else out[length:])
    return [row.tolist() for row in written]


def without_padding(row, case):
    """Beams of transformers are padded behind their end; ours are as long as they are."""
    end = next((n for n, piece in enumerate(row) if piece in case["ends"]), len(row) - 1)
    return row[:end + 1]


class Generation(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def ours(self, model, ids, lengths, case):
        files = [self.folder / f"{name}.h5" for name in ("model", "case", "out")]
        files[2].unlink(missing_ok=True)
        write_model(files[0], model.float(), layout_of(model.config, self.folder))
        with archive.hdf5_writer(files[1]) as file:
            archive.put_checked_tensor(file, "ids", ids.astype(np.int64))
            archive.put_checked_tensor(file, "length", lengths.astype(np.int64))
            archive.put_text(file, "case", json.dumps(case))
        subprocess.run([BUILD / "golden_generation", *files], check=True)
        return read_outputs(files[2])

    def run_family(self, name):
        dice = random.Random(name)
        counts = collections.Counter()
        for seed in range(CONFIGURATIONS):
            model = random_model(FAMILIES[name], dice)
            if getattr(model.config, "sliding_window", None) == 1:
                continue  # a window of one piece is none in the cache of transformers 5.23
            two_halves = model.config.is_encoder_decoder
            most = dice.randint(2, model.config.max_position_embeddings // 2)
            ids, lengths = random_texts(model.config, most, seed)
            greedily = {
                "most": most, "least": 0, "ends": [], "padding": PADDING, "no_repeat": 0, "beams": 1, "length_penalty": 1.0,
                "stop": "likely", "forced_first": dice.choice([None, 4]) if two_halves else None,
                "forced_last": dice.choice([None, 5]) if two_halves else None}
            whole = theirs(model, ids, lengths, greedily, torch.float64)
            if seed % 2:  # pieces that do come end some texts early
                greedily["ends"] = sorted({row[len(row) // 2] for row in whole[:2]})
            widest = min(6, model.config.vocab_size // 8)
            by_beams = greedily | {
                "beams": dice.randint(2, widest), "least": dice.randint(0, most // 2), "no_repeat": dice.choice([0, 0, 2, 3]),
                "length_penalty": dice.choice([1.0, 0.0, -1.0, 2.0, 0.7]), "stop": dice.choice(["first", "likely", "never"])}
            for case in (greedily, greedily | {"no_repeat": 2}, by_beams):
                counts += self.compare(model, ids, lengths, case)
        print(f"{name:14} {counts['pieces']} pieces equal, {counts['of beams']} of them by beams; "
              f"{counts['ended']} of {counts['texts']} texts ended early")
        self.assertGreater(counts["ended"], 0)

    def compare(self, model, ids, lengths, case):
        counts = collections.Counter()
        found = self.ours(model, ids, lengths, case)
        for precision, dtype in (("float", torch.float32), ("double", torch.float64)):
            wanted = theirs(model, ids, lengths, case, dtype)
            rows = list(zip(found[f"{precision}/ids"], found[f"{precision}/length"], strict=True))
            written = [row[:length].tolist() for row, length in rows]
            self.assertEqual(written, [without_padding(row, case) for row in wanted], f"{precision} {case}")
            for row, length in rows:
                self.assertEqual(set(row[length:].tolist()) - {PADDING}, set())
            pieces = sum(len(row) for row in written)
            counts.update(pieces=pieces, texts=len(written), ended=sum(len(row) < case["most"] for row in written))
            counts["of beams"] += pieces if case["beams"] > 1 else 0
        return counts


for family_name in [kind for kind, family in FAMILIES.items() if family.writes]:
    setattr(Generation, f"test_{family_name}", lambda self, name=family_name: self.run_family(name))

if __name__ == "__main__":
    unittest.main()
