"""What is typed on the command line was without effect where every stage sets its own: it wins in all stages and is said,
or it is refused with the spelling that works."""

import unittest

from tests.system.program import SystemTest

USAGE = 2
PAIR = "tests/system/pair.toml"
# (typed, what is printed then). The updates of a stage stand in its line "schedule".
HOLDS = [
    (["steps=4"], ["4 updates", "4 updates", "steps=4 from the command line holds in 1_first (the file says 2), "
                   "2_second (the file says 3)"]),
    (["optimizer.rate=0.5"], ["rate 5.00e-01 at 3", "optimizer.rate=0.5 from the command line holds in 1_first "
                              "(the file says 0.001), 2_second (the file says 0.01)"]),
    (["steps=4", "stage.2_second.steps=5"], ["4 updates", "5 updates", "command line holds in 1_first (the file says 2); "
                                             "not in 2_second (5 was typed for it)"]),
    (["steps=9", "steps=4"], ["4 updates", "4 updates", "steps=4 holds, steps=9 was typed before it",
                              "command line holds"]),
    (["method.inner_steps=3"], ["method.inner_steps = 3", "method.inner_steps=3 from the command line holds in 2_second "
                                "(the file says 1); not in 1_first (muppet has no such key)"]),
    (["optimizer={rate=0.5}"], ["rate 5.00e-01 at 3", "optimizer.rate=0.5 from the command line holds in"]),
    (["data.batch=2"], ["2_second"]),  # no stage sets it: nothing to say
]
REFUSED = [
    (["steps=-5"], ['"steps"', "-5", "command line"]),
    (["steps=many"], ['"steps"', "many"]),
    (["optimizer.rate=-1"], ["optimizer.rate"]),
    (["stesp=4"], ["stesp", '"steps"']),
    (["rate=4"], ["Did you mean optimizer.rate"]),
    (["stage.2_secnd.steps=4"], ["2_secnd", 'Did you mean "2_second"']),
    (["method.inner_stesp=3"], ["inner_stesp", 'Did you mean "inner_steps"']),
    (["method.name=mlm"], ["stage.1_first.method.name=mlm or stage.2_second.method.name=mlm"]),
    (["init=elsewhere"], ["stage.1_first.init=elsewhere"]),
    (["stage.1_first.run=elsewhere"], ["top of the file"]),
    (["stage.1_first.comm.threads=2"], ["top of the file"]),
    (["data.datasets=moods"], ["moods", "episodes"]),
    (["data.overlap=forget"], ["data.overlap", "leave out"]),
    (["data.overlap_allowed=modos"], ["modos", 'Did you mean "moods"']),
    (["data.overlap_allowed=moods", "data.overlap_left_out=moods"], ["both left out and allowed"]),
]


class Settings(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = cls.place.folder / "pair"
        cls.place.metaloom(*cls.words("train"))

    @classmethod
    def words(cls, verb, *typed, config=PAIR):
        return cls.place.words(verb, config, cls.run_folder, *typed)

    def test_what_is_typed_holds_in_all_stages(self):
        for typed, pieces in HOLDS:
            with self.subTest(typed=typed):
                printed = self.place.metaloom(*self.words("plan", "plan.updates=1", *typed))
                for piece in set(pieces):
                    self.assertGreaterEqual(printed.count(piece), pieces.count(piece), f"{piece}\n{printed}")
                said = any("command line holds" in piece or "typed before" in piece for piece in pieces)
                self.assertTrue(said or "command line holds" not in printed, printed)

    def test_what_cannot_hold_is_refused_with_the_spelling_that_works(self):
        for typed, pieces in REFUSED:
            with self.subTest(typed=typed):
                printed = self.place.metaloom(*self.words("plan", *typed), code=USAGE)
                for piece in pieces:
                    self.assertIn(piece, printed)

    def test_a_run_is_repeated_with_other_settings(self):
        """RUN/config.toml spells out everything for every stage: nothing typed had any effect on it."""
        again = self.place.folder / "again"
        printed = self.place.metaloom("train", self.run_folder / "config.toml", f"run={again}", "steps=1", "resume=never")
        for stage in ("1_first", "2_second"):
            self.assertEqual([1], [line["step"] for line in self.place.metrics("again", stage)])
        self.assertIn("steps=1 from the command line holds in 1_first (the file says 2), 2_second (the file says 3)", printed)
        self.assertEqual(1, printed.count("resume="), printed)

    def test_what_an_evaluation_has_no_use_for_is_said(self):
        printed = self.place.metaloom("evaluate", self.run_folder / "2_second", "optimizer.rate=0.5", "evaluate.every=3",
                                      "evaluate.episodes=2")
        self.assertIn("without effect on scores: optimizer.rate=0.5, evaluate.every=3\n", printed)
        self.assertIn("(n = 2)", printed)

    def test_show_takes_them(self):
        printed = self.place.metaloom(*self.words("show", "show.stage=2_second", "data.queries=1"))
        self.assertIn("data.queries=1 from the command line holds in 1_first, 2_second (the file says 2)", printed)

    def test_one_stage_has_no_name_to_set_it_by(self):
        printed = self.place.metaloom("evaluate", self.run_folder / "1_first", "stage.1_first.steps=1", code=USAGE)
        self.assertIn('Leave out "stage.1_first."', printed)


if __name__ == "__main__":
    unittest.main()
