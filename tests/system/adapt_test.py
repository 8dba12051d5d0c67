"""A hand-written task of 3 classes and 4 texts each, on the real encoder: adapted, then 60 other texts labelled."""

import json
import math
import unittest

from tests.system.program import ROOT, SystemTest

CLASSES = 3


class Adapt(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.place.folder / "minilm-mlm.h5"
        stores = cls.place.folder / "carried"
        cls.place.metaloom("import", "minilm-mlm", f"out={cls.model}")
        cls.place.metaloom("data", "data/quickstart.toml", f"out={stores}", f"tokenizer={cls.model}", 'only=["hwu64"]')
        (cls.place.folder / "prompt.toml").write_text("")
        cls.trained = cls.place.folder / "prompt"
        cls.place.metaloom("train", cls.place.folder / "prompt.toml", f"run={cls.trained}", f"model.weights={cls.model}",
                           f"data.root={stores}", 'data.datasets=["hwu64"]', "data.max_length=32", "data.slots=1",
                           "method.name=metaprompting", "method.rule=fomaml", "optimizer.rate=0.01", "steps=3",
                           "evaluate.before=false", "evaluate.episodes=2")

    def test_labels_new_texts_far_above_chance(self):
        few, held_out = "tests/data/desk/few.jsonl", "tests/data/desk/held_out.jsonl"
        adapted, labelled = self.place.folder / "desk", self.place.folder / "labelled.jsonl"
        self.place.metaloom("adapt", self.trained, f"data={few}", f"out={adapted}")
        self.place.metaloom("predict", adapted, f"data={held_out}", f"out={labelled}")
        rows = [json.loads(line) for line in labelled.read_text().splitlines()]
        self.assertEqual([json.loads(line)["text"] for line in (ROOT / held_out).read_text().splitlines()], [row["text"] for row in rows])
        right = sum(row["predicted"] == row["label"] for row in rows)
        chance, n = 1 / CLASSES, len(rows)
        self.assertGreaterEqual(n, 60)
        bar = chance + 3 * math.sqrt(chance * (1 - chance) / n)
        print(f"accuracy {right / n:.3f} on {n} texts; three standard errors above chance: {bar:.3f}")
        self.assertGreaterEqual(right / n, bar)
        for row in rows:
            self.assertGreaterEqual(row["probability"], chance - 1e-6)

    def test_standard_output_is_nothing_but_json_lines(self):
        adapted = self.place.folder / "desk2"
        self.place.metaloom("adapt", self.trained, "data=tests/data/desk/few.jsonl", f"out={adapted}")
        printed = self.place.output("predict", adapted, "data=tests/data/desk/held_out.jsonl")
        self.assertEqual(60, len([json.loads(line) for line in printed.splitlines()]))


if __name__ == "__main__":
    unittest.main()
