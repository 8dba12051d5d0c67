"""Every kind of model through the whole chain: all four methods train, on two ranks as on one, bit for bit in ordered mode;
what they made is exported, and imported back as it was."""

import subprocess
import sys
import unittest

import h5py

from tests.system.program import ENVIRONMENT, ROOT, STAGES, SystemTest

KINDS = ("roberta", "distilbert", "electra", "modernbert", "deberta-v2")  # "bert" is what all other tests run


def tensors(path, group):
    """{name: bytes} of an archive's tensors below a group."""
    with h5py.File(path) as file:
        start = f"{group}."  # theta's names have dots, an archive's slashes
        items = file[group] if group in file else {name.removeprefix(start): file[name] for name in file if name.startswith(start)}
        return {name: item[()].tobytes() for name, item in items.items()}


class Kinds(SystemTest):
    def thetas(self, kind, model, ranks):
        run = f"{kind}-{ranks}"
        self.place.train(run, ranks, f"model.weights={model}", "comm.ordered=true", "evaluate.episodes=1", "evaluate.batches=1")
        return [self.place.file(run, stage, "theta") for stage in STAGES]

    def test_all_methods_train_alike_on_any_number_of_ranks(self):
        for kind in KINDS:
            with self.subTest(kind):
                model = self.place.folder / f"{kind}.h5"
                subprocess.run([sys.executable, "tests/system/make_tiny_model.py", str(model), kind], cwd=ROOT, check=True,
                               env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
                self.assertEqual(self.thetas(kind, model, 1), self.thetas(kind, model, 2))
                self.check_export(self.place.folder / f"{kind}-1")

    def check_export(self, run):
        exported, back = run.with_suffix(".exported"), run.with_suffix(".h5")
        for stage in STAGES[:2]:  # body and heads are trained, then the MLM head, which some had not
            with self.subTest(stage):
                self.place.metaloom("export", run / stage, f"out={exported}", "head=all", "overwrite=true")
                self.assertNotIn("left out", self.place.metaloom("import", exported, f"out={back}"))
                shared, = (run / stage / "checkpoints" / "shared").iterdir()
                trained = tensors(run / stage / "checkpoints" / "latest" / "theta.h5", "model")
                self.assertEqual(tensors(shared, "parameters") | trained, tensors(back, "parameters"))


if __name__ == "__main__":
    unittest.main()
