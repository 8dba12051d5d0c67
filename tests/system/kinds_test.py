"""Every kind of model through the whole chain: all four methods train, on two ranks as on one, bit for bit in ordered mode."""

import subprocess
import sys
import unittest

from tests.system.program import ENVIRONMENT, ROOT, STAGES, SystemTest

KINDS = ("roberta", "distilbert", "electra", "modernbert", "deberta-v2")  # "bert" is what all other tests run


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


if __name__ == "__main__":
    unittest.main()
