"""The same training on 1, 2 and 4 ranks: bit for bit in ordered mode, to rounding otherwise."""

import json
import os
import shutil
import tomllib
import unittest

from tests.system.program import STAGES, SystemTest


class AnyWorld(SystemTest):
    def losses(self, run, stage):
        return [entry["loss"] for entry in self.place.metrics(run, stage)]

    def test_ordered_mode_is_bitwise_equal_at_any_world_size(self):
        for ranks in (1, 2, 4):
            self.place.train(f"ordered{ranks}", ranks, "comm.ordered=true")
        for stage in STAGES:
            for section in ("theta", "optimizer"):
                with self.subTest(stage=stage, section=section):
                    one = self.place.file("ordered1", stage, section)
                    self.assertEqual(one, self.place.file("ordered2", stage, section))
                    self.assertEqual(one, self.place.file("ordered4", stage, section))

    def test_recomputed_layers_give_the_same_weights(self):
        """Bit for bit; an exact meta-gradient, whose terms are summed in another order, to rounding."""
        self.place.train("kept", 2, "comm.ordered=true")
        self.place.train("recomputed", 2, "comm.ordered=true", "model.recompute=true")
        for stage in ("1_muppet", "2_mlm"):
            for section in ("theta", "optimizer"):
                with self.subTest(stage=stage, section=section):
                    self.assertEqual(self.place.file("kept", stage, section), self.place.file("recomputed", stage, section))
        for stage in ("3_metaprompting", "4_spt"):
            with self.subTest(stage=stage):
                for a, b in zip(self.losses("kept", stage), self.losses("recomputed", stage), strict=True):
                    self.assertLessEqual(abs(a - b), 1e-5 * max(1.0, abs(a)))

    def test_a_run_keeps_its_threads_on_any_number_of_ranks(self):
        """Only the stage that went on did: on more ranks of one host the later ones summed with fewer threads."""
        cores = len(os.sched_getaffinity(0))
        if cores < 2:
            self.skipTest("two layouts of ranks have the same threads on one core")
        self.place.train("begun", 1, "comm.threads=0", "comm.ordered=true")
        for stage in STAGES[1:]:
            shutil.rmtree(self.place.folder / "begun" / stage)
        whole = self.place.folder / "begun" / "config.toml"
        self.assertEqual(cores, tomllib.loads(whole.read_text())["comm"]["threads"])
        said = self.place.train("begun", 2, "comm.threads=0", "comm.ordered=true", "resume=must")
        self.assertIn(f"{cores} threads a rank, as when the run began", said)
        self.assertEqual(set(STAGES), set(tomllib.loads(whole.read_text())["stage"]))
        for stage in STAGES:
            provenance = json.loads((self.place.folder / "begun" / stage / "provenance.json").read_text())
            self.assertEqual(cores, provenance["threads_per_rank"], stage)

    def compare_curves(self, precision, tolerance):
        for ranks in (1, 2, 4):
            self.place.train(f"{precision}{ranks}", ranks, f"model.precision={precision}")
        for stage in STAGES:
            one = self.losses(f"{precision}1", stage)
            self.assertEqual(6, len(one))
            for ranks in (2, 4):
                with self.subTest(stage=stage, ranks=ranks):
                    for a, b in zip(one, self.losses(f"{precision}{ranks}", stage), strict=True):
                        self.assertLessEqual(abs(a - b), tolerance * max(1.0, abs(a)))

    def test_default_mode_agrees_to_rounding_in_fp32(self):
        self.compare_curves("float32", 1e-4)

    def test_default_mode_agrees_to_rounding_in_fp64(self):
        self.compare_curves("float64", 1e-9)

    def test_another_seed_is_another_run(self):
        """The control: the comparison would see a difference."""
        self.place.train("seed5", 1, "comm.ordered=true")
        self.place.train("seed6", 1, "comm.ordered=true", "seed=6")
        self.assertNotEqual(self.place.file("seed5", "1_muppet", "theta"),
                            self.place.file("seed6", "1_muppet", "theta"))


if __name__ == "__main__":
    unittest.main()
