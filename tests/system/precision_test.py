"""Runs in bf16: what is saved of a frozen model is exact, whatever it was computed in; a run goes on as it would have; processors
that are no faster so are refused."""

import unittest

import h5py
import torch

from tests.system.program import SystemTest

PAYS = any(torch.cpu.get_capabilities().get(unit) for unit in ("amx_bf16", "avx512_bf16"))
KEYS = ("model.precision=bf16", "model.frozen=bf16")


def parameters(path):
    with h5py.File(path) as file:
        return {name: (item.dtype, item[()].tobytes()) for name, item in file["parameters"].items()}


class Precision(SystemTest):
    def train(self, run, *more):
        words = self.place.words("train", self.place.empty, run, 'data.datasets=["intents"]', "data.ways=3", "data.max_length=32",
                                 "method.name=metaprompting", "method.rule=fomaml", "evaluate.before=false", "evaluate.episodes=1",
                                 "comm.threads=1", "comm.ordered=true", "optimizer.schedule=constant", "optimizer.warmup=0", *more)
        return self.place.metaloom(*words)

    def theta(self, run):
        return (self.place.folder / run / "checkpoints" / "latest" / "theta.h5").read_bytes()

    def shared(self, run):
        model, = (self.place.folder / run / "checkpoints" / "shared").iterdir()
        return parameters(model)

    @unittest.skipUnless(PAYS, "this processor has neither AMX nor AVX512_BF16")
    def test_what_is_saved_is_exact_and_goes_on(self):
        self.train("single", "steps=4")
        for number, keys in enumerate(([KEYS[0]], [KEYS[1]], KEYS)):
            with self.subTest(keys):
                whole, parts = f"whole-{number}", f"parts-{number}"
                self.train(whole, "steps=4", "checkpoint.every=2", *keys)
                self.train(parts, "steps=2", *keys)
                self.train(parts, "steps=4", *keys)
                self.assertEqual(self.shared(whole), parameters(self.place.model))
                self.assertEqual(self.theta(parts), self.theta(whole))
                self.assertNotEqual(self.theta(whole), self.theta("single"))
                self.assertIn("accuracy", self.place.metaloom("evaluate", self.place.folder / whole, "start=true"))

    def test_what_cannot_be_is_refused(self):
        words = self.place.words("train", self.place.empty, "refused", 'data.datasets=["intents"]', "data.ways=3", "steps=1",
                                 "method.name=metaprompting")
        said = self.place.metaloom(*words, "model.precision=float64", "model.frozen=bf16", code=2)
        self.assertIn("held in bf16", said)
        if not PAYS:
            for key in KEYS:
                self.assertIn("would be slower", self.place.metaloom(*words, key, code=2))
        self.assertFalse((self.place.folder / "refused").exists())


if __name__ == "__main__":
    unittest.main()
