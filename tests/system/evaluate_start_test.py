"""A trained prompt on other data had no paired baseline: the untrained start of a stage could not be scored."""

import json
import shutil
import unittest

from tests.system.program import SystemTest

DATA = 3


class EvaluateStart(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place.metaloom(*cls.place.pair("first", "optimizer.rate=0.1"))

    def scored(self, stage, *words, run="first"):
        printed = self.place.output("evaluate", self.place.folder / run / stage, "start=true", "comm.threads=1", *words)
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        start, trained = ({x["dataset"]: x for x in lines if x.get("condition") == condition}
                          for condition in ("start", "trained"))
        return start, trained, {x["dataset"]: x for x in lines if "gain" in x}

    def recorded(self, stage, final):
        return {x["dataset"]: x for x in self.place.metrics("first", stage, "evaluation") if x["final"] == final}

    def test_it_is_what_was_scored_before_the_first_update(self):
        for stage in ("1_first", "2_second"):
            start, trained, gain = self.scored(stage)
            for found, final in ((start, False), (trained, True)):
                before = self.recorded(stage, final)
                self.assertEqual(set(before), set(found))
                for name, score in found.items():
                    self.assertEqual((before[name]["value"], before[name]["values"]), (score["value"], score["values"]))
            for name, difference in gain.items():
                self.assertAlmostEqual(trained[name]["value"] - start[name]["value"], difference["gain"])
                self.assertTrue(difference["paired"])

    def test_other_tasks_too_and_wherever_the_run_lies(self):
        start, trained, gain = self.scored("2_second", "evaluate.split=test", "evaluate.episodes=5")
        self.assertEqual([5, 5, 5], [start["intents"]["n"], len(trained["intents"]["values"]), gain["intents"]["n"]])
        original, moved = self.place.folder / "first", self.place.folder / "moved"
        shutil.copytree(original, moved, symlinks=False)
        original.rename(self.place.folder / "away")
        try:
            again = self.scored("2_second", "evaluate.split=test", "evaluate.episodes=5", run="moved")
            self.assertEqual((start, trained, gain), again)
            (moved / "1_first").rename(moved / "gone")
            printed = self.place.metaloom("evaluate", moved / "2_second", "start=true", code=DATA)
            self.assertIn("the checkpoint that the stage started from is not to be found", printed)
            again = self.scored("2_second", "evaluate.split=test", "evaluate.episodes=5", f"init={moved / 'gone'}", run="moved")
            self.assertEqual((start, trained, gain), again)
            printed = self.place.metaloom("evaluate", moved / "2_second", "start=true", f"init={moved / '2_second'}", code=DATA)
            self.assertIn("not to be found", printed)  # another checkpoint than it started from
        finally:
            (self.place.folder / "away").rename(original)


if __name__ == "__main__":
    unittest.main()
