"""A validation file equal to train passed as "overlaps none", and one evaluation text of thousands that was trained on made
the whole evaluation impossible: such texts are refused, left out or allowed, as the user says of each set."""

import json
import shutil
import unittest

from tests.system.program import ROOT, SystemTest

USAGE, DATA = 2, 3
LEAVE_OUT = "data.overlap=leave out"
ALL = ["evaluate.batches=0"]


class Overlap(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder
        # moods: three of train's rows again in validation. subjects: trains on two texts that intents tests with.
        sets = cls.folder / "sets"
        shutil.copytree(ROOT / "tests/data/tiny", sets)
        train = (sets / "moods/train.jsonl").read_text().splitlines(keepends=True)
        with open(sets / "moods/validation.jsonl", "a") as file:
            file.writelines(train[:3])
        classes = json.loads((sets / "intents/splits.json").read_text())["test"]
        rows = [json.loads(line) for line in (sets / "intents/data.jsonl").read_text().splitlines()]
        cls.twins = [row["text"] for row in rows if row["label"] in classes][3:5]
        with open(sets / "subjects/train.jsonl", "a") as file:
            file.writelines(json.dumps({"text": text, "label": "food"}) + "\n" for text in cls.twins)
        # sounds: all of validation is train.
        shutil.copy(sets / "sounds/train.jsonl", sets / "sounds/validation.jsonl")
        cls.stores = cls.folder / "twins"
        description = cls.folder / "twins.toml"  # what this is about is let in
        description.write_text('dirty_rows = "allow"\n' + (ROOT / "tests/data/tiny.toml").read_text())
        cls.place.metaloom("data", description, f"out={cls.stores}", f"tokenizer={cls.place.model}", f"root={sets}")

    def words(self, verb, run, *typed, sets="moods,subjects"):
        return self.place.words(verb, "tests/system/pair.toml", run, f"stage.1_first.data.datasets={sets}", *typed,
                                stores=self.stores)

    def test_texts_of_its_own_training_rows_are_found(self):
        for verb in ("plan", "train"):
            printed = self.place.metaloom(*self.words(verb, "refused"), code=DATA)
            self.assertIn("moods (validation) was trained on in its own training rows: 3 of its 15 texts", printed)
            for cure in ('data.overlap="leave out"', "data.overlap=allow", 'data.overlap_left_out=["moods"]'):
                self.assertIn(cure, printed)
        self.assertFalse((self.folder / "refused").exists())
        # Pairs and choices share a text by nature; a set whose validation is its train does not.
        printed = self.place.metaloom(*self.words("plan", "refused", sets="riddles"))
        self.assertIn("overlaps     none", printed)
        printed = self.place.metaloom(*self.words("plan", "refused", sets="sounds"), code=DATA)
        self.assertIn("sounds (validation) was trained on in its own training rows: 24 of its 24 texts", printed)
        printed = self.place.metaloom(*self.words("train", "refused", LEAVE_OUT, sets="sounds"), code=DATA)
        self.assertIn("all 24 texts of sounds (validation) were trained on: none is left to score", printed)
        # Scored in the course of the training, too, whatever the ends are scored on.
        self.place.metaloom(*self.words("plan", "refused", "stage.1_first.evaluate.split=test"))
        self.place.metaloom(*self.words("plan", "refused", "stage.1_first.evaluate.split=test", "evaluate.every=1"), code=DATA)

    def scores(self, stage):
        return {line["dataset"]: line for line in self.place.metrics("left", stage, "evaluation") if line["final"]}

    def test_they_are_left_out_counted_and_listed(self):
        printed = self.place.metaloom(*self.words("train", "left", LEAVE_OUT, "stage.2_second.evaluate.split=test", *ALL))
        self.assertIn("left out: 1_first: 3 of the 15 texts of moods (validation)", printed)
        self.assertIn("left out: 2_second: 2 of the 60 texts of intents (test)", printed)
        score = self.scores("1_first")
        self.assertEqual((12, 3), (score["moods"]["n"], score["moods"]["left_out"]))
        self.assertNotIn("left_out", score["subjects"])
        self.assertIn("moods: accuracy", printed)
        self.assertIn("(n = 12, 3 left out)", printed)
        listed = {stage: [json.loads(line) for line in (self.folder / "left" / stage / "left_out.jsonl").read_text().splitlines()]
                  for stage in ("1_first", "2_second")}
        self.assertEqual([("moods", "validation", row, "its own training rows") for row in (12, 13, 14)],
                         [(x["dataset"], x["split"], x["row"], x["trained_in"]) for x in listed["1_first"]])
        self.assertEqual(sorted(self.twins), sorted(x["text"] for x in listed["2_second"]))
        self.assertEqual(2, self.scores("2_second")["intents"]["left_out"])
        provenance = json.loads((self.folder / "left/2_second/provenance.json").read_text())
        self.assertEqual(([], 2), (provenance["overlap"], provenance["left_out"]["intents (test)"]["rows"]))
        printed = self.place.metaloom("report", self.folder / "left")
        self.assertRegex(printed, r"moods .* 12 rows, paired, 3 left out")
        # `evaluate` scores what training scored, and says the same.
        printed = self.place.metaloom("evaluate", self.folder / "left/1_first", "comm.threads=1")
        self.assertIn("rows left out of moods (validation): 12, 13, 14", printed)
        again = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        self.assertEqual([(score["moods"]["value"], 3)], [(x["value"], x["left_out"]) for x in again if x["dataset"] == "moods"])
        printed = self.place.metaloom("evaluate", self.folder / "left/1_first", "data.overlap=refuse", code=DATA)
        self.assertIn("3 of its 15 texts", printed)
        # Training itself draws what it drew.
        allowed = self.place.metaloom(*self.words("train", "allowed", "data.allow_overlap=true", *ALL,
                                                  "stage.2_second.evaluate.split=test"))
        self.assertIn("overlap allowed: 1_first: moods (validation) was trained on in its own training rows", allowed)
        # That a description lets texts stand in two splits (dirty_rows = "allow") was said by no table.
        told = json.loads((self.folder / "allowed/1_first/provenance.json").read_text())["overlap"]
        self.assertIn("moods (validation): 3 of its 15 texts are in an earlier split, too", told)
        for stage in ("1_first", "2_second"):
            self.assertEqual(self.place.file("left", stage, "theta"), self.place.file("allowed", stage, "theta"))

    def test_each_set_has_its_own_rule(self):
        plan = self.words("plan", "rules", "stage.2_second.evaluate.split=test", "plan.updates=1")
        printed = self.place.metaloom(*plan, "data.overlap_left_out=moods", "data.overlap_allowed=intents")
        self.assertIn("3 of its 15 texts  (overlap: leave out)", printed)
        self.assertIn("2 of its 60 texts  (overlap: allow)", printed)
        self.assertIn("stage 2_second", self.place.metaloom(*plan, "data.overlap_left_out=moods", code=DATA))
        self.assertIn("stage 1_first", self.place.metaloom(*plan, "data.overlap_allowed=intents", code=DATA))
        self.place.metaloom(*plan, "data.overlap=allow")
        printed = self.place.metaloom(*plan, "data.allow_overlap=true", LEAVE_OUT, code=USAGE)
        self.assertIn("Leave one of the two out", printed)

    def test_a_class_with_too_few_rows_left_is_an_error_of_the_episodes(self):
        printed = self.place.metaloom(*self.words("plan", "few", LEAVE_OUT, "stage.2_second.evaluate.split=test",
                                                  "stage.2_second.data.queries=11"))
        self.assertIn("2 of its 60 texts", printed)
        printed = self.place.metaloom(*self.words("train", "few", LEAVE_OUT, "stage.2_second.evaluate.split=test",
                                                  "stage.2_second.data.queries=11", "steps=1"), code=DATA)
        self.assertRegex(printed, r"class \".*\" has 1[01] rows where an episode needs 12")


if __name__ == "__main__":
    unittest.main()
