"""Every kind of model through the whole chain: all four methods train, on two ranks as on one, bit for bit in ordered mode;
what they made is exported, imported back as it was, and labels texts."""

import json
import re
import subprocess
import sys
import unittest

import h5py

from tests.golden.families import ALL, kinds_tried
from tests.system.program import CHAIN, ENVIRONMENT, ROOT, STAGES, SystemTest

CAUSAL = [kind for kind, family in ALL.items() if family.writes and not family.target]  # no mask: no stage of mlm
KINDS = kinds_tried("roberta,deberta-v2,bart,gpt2,llama")  # one of each form; "bert" is what all other tests run


def stages_of(kind):
    return [stage for stage in STAGES if kind not in CAUSAL or stage != "2_mlm"]


def chain_of(kind, folder):
    """The tests' chain, without the stage that the kind has not."""
    text = (ROOT / CHAIN).read_text()
    if kind in CAUSAL:
        text = re.sub(r"\[stage\.2_mlm\].*?(?=\n\[)", "", text, flags=re.S).replace('init = "2_mlm"', 'init = "1_muppet"')
    path = folder / f"{kind}.toml"
    path.write_text(text)
    return path


def tensors(path, group):
    """{name: bytes} of an archive's tensors below a group."""
    with h5py.File(path) as file:
        start = f"{group}."  # theta's names have dots, an archive's slashes
        items = file[group] if group in file else {name.removeprefix(start): file[name] for name in file if name.startswith(start)}
        return {name: item[()].tobytes() for name, item in items.items()}


class Kinds(SystemTest):
    def thetas(self, kind, model, ranks):
        run = f"{kind}-{ranks}"
        self.place.train(run, ranks, f"model.weights={model}", "comm.ordered=true", "evaluate.episodes=1", "evaluate.batches=1",
                         config=chain_of(kind, self.place.folder))
        return [self.place.file(run, stage, "theta") for stage in stages_of(kind)]

    def test_all_methods_train_alike_on_any_number_of_ranks(self):
        for kind in KINDS:
            with self.subTest(kind):
                model = self.place.folder / f"{kind}.h5"
                subprocess.run([sys.executable, "tests/system/make_tiny_model.py", str(model), kind], cwd=ROOT, check=True,
                               env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
                self.assertEqual(self.thetas(kind, model, 1), self.thetas(kind, model, 2))
                self.check_export(kind, self.place.folder / f"{kind}-1")
                self.check_labels(kind)

    def check_labels(self, kind):
        """What was meta-learned is adapted to a task of one's own, and labels texts."""
        few, adapted = "tests/data/desk/few.jsonl", self.place.folder / f"{kind}-adapted"
        self.place.metaloom("adapt", self.place.folder / f"{kind}-1" / "3_metaprompting", f"data={few}", f"out={adapted}")
        rows = [json.loads(line) for line in self.place.output("predict", adapted, f"data={few}").splitlines()]
        self.assertEqual([row["text"] for row in rows], [json.loads(line)["text"] for line in (ROOT / few).read_text().splitlines()])
        for row in rows:
            self.assertGreater(row["probability"], 0)

    def check_export(self, kind, run):
        exported, back = run.with_suffix(".exported"), run.with_suffix(".h5")
        for stage in stages_of(kind)[:2]:  # body and heads are trained, then the MLM head, which some had not
            with self.subTest(stage):
                self.place.metaloom("export", run / stage, f"out={exported}", "head=all", "overwrite=true")
                self.assertNotIn("left out", self.place.metaloom("import", exported, f"out={back}"))
                shared, = (run / stage / "checkpoints" / "shared").iterdir()
                trained = tensors(run / stage / "checkpoints" / "latest" / "theta.h5", "model")
                self.assertEqual(tensors(shared, "parameters") | trained, tensors(back, "parameters"))


if __name__ == "__main__":
    unittest.main()
