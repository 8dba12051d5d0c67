"""Data or model that had changed between two starts of a run were not noticed, while equal ones elsewhere were refused:
identity is content, not paths. A finished run could not go on with more steps."""

import json
import os
import pathlib
import shutil
import unittest

import h5py

from tests.system.program import ROOT, SystemTest

USAGE, NO_CHECKPOINT = 2, 4
STAGES = ("1_first", "2_second")


class RunIdentity(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder
        cls.words = cls.place.pair
        cls.place.metaloom(*cls.words("first"))
        cls.copies = 0

    def copy(self, unfinished=STAGES, links=True):
        """A copy of the trained run in which these stages are not finished: they go on after their last update."""
        type(self).copies += 1
        run = self.folder / f"copy{self.copies}"
        shutil.copytree(self.folder / "first", run, symlinks=links)
        for stage in unfinished:
            (run / stage / "result.json").unlink()
        return run

    def stores_from(self, name, change=lambda sets: None, licence="Apache-2.0", common=""):
        """Stores made anew from a copy of the texts that `change` may alter, by another description."""
        sets, out = self.folder / f"{name}-sets", self.folder / name
        shutil.copytree(ROOT / "tests/data/tiny", sets)
        change(sets)
        description = self.folder / f"{name}.toml"
        text = (ROOT / "tests/data/tiny.toml").read_text().replace("Apache-2.0", licence)
        description.write_text(f"{common}\n{text}")
        self.place.metaloom("data", description, f"out={out}", f"tokenizer={self.place.model}", f"root={sets}")
        return out

    def goes_on(self, words, stages=2):
        printed = self.place.metaloom(*words)
        self.assertEqual(stages, printed.count("going on after update"), printed)
        return printed

    # --- equal bytes elsewhere ---

    def test_equal_bytes_elsewhere_are_the_same_run(self):
        stores, model = self.folder / "moved stores", self.folder / "moved=model.h5"
        shutil.copytree(self.place.stores, stores)
        shutil.copy(self.place.model, model)
        inside = os.path.relpath(self.place.stores, ROOT)
        self.goes_on(self.words(self.copy(), stores=stores, model=model))
        self.goes_on(self.words(self.copy(), stores=f"./{inside}/../stores/"))
        run = self.copy()
        self.goes_on(self.words(f"{run}/", f"stage.2_second.init={run}/./1_first/checkpoints/latest"))
        self.goes_on(self.words(self.copy(), stores=self.stores_from("remade", licence="MIT")))

    def test_equal_rows_in_shards_are_the_same_run(self):
        stores = self.stores_from("in shards", common="shard_rows = 10")
        self.assertGreater(len(list(stores.glob("*.shards/00001.*.h5"))), 1)
        self.assertEqual([], list(stores.glob("*.h5")))
        self.assertIn(" 0 damaged", self.place.metaloom("verify", stores))
        run = self.copy()
        self.goes_on(self.words(run, stores=stores))
        for stage in STAGES:
            self.assertEqual((self.folder / "first" / stage / "checkpoints/latest/theta.h5").read_bytes(),
                             (run / stage / "checkpoints/latest/theta.h5").read_bytes())
        whole = self.folder / "from shards"
        self.place.metaloom(*self.words(whole, stores=stores))
        for stage in STAGES:
            self.assertEqual((self.folder / "first" / stage / "checkpoints/latest/theta.h5").read_bytes(),
                             (whole / stage / "checkpoints/latest/theta.h5").read_bytes())
        for shard in stores.glob("*.shards/00000.*.h5"):
            content = shard.read_bytes()
            shard.write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])
        self.assertIn("shards/00000.", self.place.metaloom("verify", stores, code=3))
        printed = self.place.metaloom(*self.words(self.folder / "damaged", stores=stores), code=3)
        self.assertIn("shards/00000.", printed)
        self.assertFalse((self.folder / "damaged/1_first/checkpoints").exists())

    def test_copies_that_follow_links_go_on(self):
        """`latest` is a folder of its own in what scp -r and unzip make, a file in what some unzip make, or gone."""
        run = self.copy(links=False)
        self.assertFalse((run / "1_first/checkpoints/latest").is_symlink())
        self.assertIn("0 damaged", self.place.metaloom("verify", run))
        self.goes_on(self.words(run))
        self.assertEqual("step_00000002", (run / "1_first/checkpoints/latest").readlink().name)
        run = self.copy(links=False)
        for stage in STAGES:
            for step in (run / stage / "checkpoints").glob("step_*"):
                shutil.rmtree(step)
        self.goes_on(self.words(run, "resume=must"))
        run = self.copy()
        for stage in STAGES:
            (run / stage / "checkpoints/latest").unlink()
        (run / "1_first/checkpoints/latest").write_text("step_00000002")
        self.goes_on(self.words(run, "resume=must"))

    def test_runs_of_older_programs_go_on(self):
        """Their provenance has the digests of stores, none of content."""
        run = self.copy()
        for stage in STAGES:
            path = run / stage / "provenance.json"
            kept = {key: value for key, value in json.loads(path.read_text()).items()
                    if key not in ("data_content", "model_content", "init_content", "left_out", "changes")}
            path.write_text(json.dumps(kept))
            config = run / stage / "config.toml"
            lines = [line for line in config.read_text().splitlines()
                     if not line.startswith(("overlap", "allow_changed"))]
            config.write_text("\n".join(lines).replace("[data]", "[data]\nallow_overlap = false") + "\n")
        self.goes_on(self.words(run))

    # --- other bytes under old names ---

    def refused(self, pieces, words, code=USAGE):
        printed = self.place.metaloom(*words, code=code)
        errors = [line for line in printed.splitlines() if "error:" in line]
        self.assertEqual(1, len(errors), printed)
        for piece in pieces:
            self.assertIn(piece, errors[0])

    def test_other_rows_are_refused_and_named(self):
        """Was not noticed: stopped, the store made anew with other rows, resumed."""
        def other_mood(sets):
            path = sets / "moods/train.jsonl"
            path.write_text(path.read_text().replace("lovely", "dreary", 1))

        stores = self.stores_from("other", other_mood)
        key = "data.allow_changed=true"
        self.refused(("set moods holds other rows", key, "1_first"), self.words(self.copy(), stores=stores))
        # A finished earlier stage, too; and a checkpoint alone tells.
        self.refused(("set moods holds other rows", key), self.words(self.copy(["2_second"]), stores=stores))
        run = self.copy()
        (run / "1_first/provenance.json").unlink()
        self.refused(("set moods holds other rows", key), self.words(run, stores=stores))
        self.goes_on(self.words(run, key, stores=stores))
        changes = json.loads((run / "1_first/provenance.json").read_text())["changes"]
        self.assertEqual([2], [change["updates"] for change in changes])
        self.assertIn("set moods holds other rows than before", changes[0]["changes"])
        self.assertNotIn("allow_changed = true", (run / "1_first/config.toml").read_text())
        printed = self.place.metaloom("evaluate", self.folder / "first/1_first", f"data.root={stores}")
        self.assertIn("moods: its store holds other rows than the stage was trained with", printed)
        self.assertNotIn("subjects: its store", printed)

    def test_a_set_more_or_less_under_a_star_is_another_mix(self):
        stores, run = self.folder / "few", self.folder / "star"
        shutil.copytree(self.place.stores, stores)
        for name in ("intents", "sounds", "riddles"):
            (stores / f"{name}.h5").unlink()
        (stores / "index.json").unlink()
        config = self.folder / "star.toml"
        config.write_text('steps = 1\nmethod.name = "muppet"\ndata = { datasets = ["*"], max_length = 24 }\n'
                          'evaluate = { before = false, batches = 1 }\ncomm.threads = 1\n')
        words = ["train", config, f"run={run}", f"model.weights={self.place.model}", f"data.root={stores}"]
        self.place.metaloom(*words)
        for ending in ("h5", "json"):
            shutil.copy(self.place.stores / f"sounds.{ending}", stores)
        self.refused(("set sounds is new", "data.allow_changed=true"), words)

    def test_another_model_or_init_is_refused_and_named(self):
        model = pathlib.Path(shutil.copy(self.place.model, self.folder / "other.h5"))
        with h5py.File(model, "r+") as file:
            file["parameters/embeddings.LayerNorm.bias"][...] += 1
        key = "model.allow_changed=true"
        self.refused(("the model is not the one it began with", key), self.words(self.copy(), model=model))
        self.refused(("the model is not the one it began with", key), self.words(self.copy(["2_second"]), model=model))
        run, other = self.copy(), self.folder / "other seed"
        self.place.metaloom(*self.words(other, "seed=9", "stage.2_second.steps=1"))
        shutil.rmtree(run / "1_first")
        shutil.copytree(other / "1_first", run / "1_first", symlinks=True)
        shutil.copy(self.folder / "first/1_first/config.toml", run / "1_first/config.toml")
        self.refused(("stage 2_second", "init holds another checkpoint", key), self.words(run))
        self.goes_on(self.words(run, key), stages=1)
        self.refused(("stage 2_second", "began from an init"), self.words(self.copy(), "stage.2_second.init="))

    # --- settings ---

    def test_what_changes_the_training_is_refused_by_name_all_of_it(self):
        """Named the first difference only."""
        self.refused(("seed = 9, was seed = 1", "optimizer.rate = 0.5, was optimizer.rate = 0.001",
                      "data.batch = 2, was data.batch = 4", "Give another folder"),
                     self.words(self.copy(), "seed=9", "optimizer.rate=0.5", "data.batch=2"))

    def test_what_does_not_may_change_and_is_recorded(self):
        """evaluate.* and budgets were refused."""
        run = self.copy()
        printed = self.goes_on(self.words(run, "evaluate.episodes=2", "checkpoint.keep=5", "non_finite_budget=3"))
        self.assertIn("evaluate.episodes = 2, was evaluate.episodes = 3", printed)
        recorded = json.loads((run / "2_second/provenance.json").read_text())["changes"][0]["changes"]
        self.assertEqual(["checkpoint.keep = 5, was checkpoint.keep = 2", "evaluate.episodes = 2, was evaluate.episodes = 3",
                          "non_finite_budget = 3, was non_finite_budget = 10"], recorded)
        self.assertIn("episodes = 2\n", (run / "2_second/config.toml").read_text())
        final = [line for line in self.lines(run / "2_second") if line.get("final")]
        self.assertEqual([2], [line["n"] for line in final])
        # A finished one stays as it is; its record says what its scores are of.
        printed = self.place.metaloom(*self.words(run, "evaluate.episodes=1", "checkpoint.keep=5", "non_finite_budget=3"))
        self.assertIn("changes nothing of it: evaluate.episodes = 1, was evaluate.episodes = 2", printed)
        self.assertIn("metaloom evaluate", printed)
        self.assertIn("episodes = 2\n", (run / "2_second/config.toml").read_text())

    def lines(self, stage):
        return [json.loads(line) for line in (stage / "metrics.jsonl").read_text().splitlines()]

    def test_a_finished_run_goes_on_with_more_steps(self):
        """Was refused. The last stage of a chain can; one that others started from cannot, under their feet."""
        run = self.copy([])
        printed = self.goes_on(self.words(run, "stage.2_second.steps=5"), stages=1)
        self.assertIn("2_second: 5 updates instead of 3: from here on the learning rate is that of a run of 5", printed)
        lines = self.lines(run / "2_second")
        self.assertEqual([1, 2, 3, 4, 5], [line["step"] for line in lines if line["kind"] == "update"])
        self.assertEqual([5], [line["step"] for line in lines if line.get("final")])
        self.assertEqual(5, json.loads((run / "2_second/result.json").read_text())["steps"])
        changes = json.loads((run / "2_second/provenance.json").read_text())["changes"]
        self.assertEqual([["steps = 5, was steps = 3"]], [change["changes"] for change in changes])
        self.assertIn("skipped", self.place.metaloom(*self.words(run, "stage.2_second.steps=5")))
        self.refused(("steps = 4, was steps = 5", "5 updates are made", "steps=5 or more"),
                     self.words(run, "stage.2_second.steps=4"))
        self.refused(("stage 1_first: steps = 4, was steps = 2", "2_second started from its result",
                      "stage.2_second.resume=never"), self.words(run, "stage.1_first.steps=4", "stage.2_second.steps=5"))
        printed = self.goes_on(self.words(run, "stage.1_first.steps=4", "stage.2_second.resume=never"), stages=1)
        self.assertEqual([1, 2, 3], [line["step"] for line in self.lines(run / "2_second") if line["kind"] == "update"])
        shutil.rmtree(run / "2_second/checkpoints")
        self.refused(("no checkpoint to go on from",), self.words(run, "stage.1_first.steps=4", "stage.2_second.steps=9"),
                     NO_CHECKPOINT)

    def test_the_search_of_spt_stays_what_it_was(self):
        """Half of all updates is another half in a longer run."""
        words = self.words(self.folder / "spt", "steps=4", "method.keep=1", "method.bottleneck=8")
        config = self.folder / "spt.toml"
        config.write_text('method.name = "spt"\ndata = { datasets = ["moods"], max_length = 24, batch = 4, slots = 2 }\n'
                          'evaluate = { before = false, batches = 1 }\ncomm.threads = 1\ncheckpoint.every = 1\n')
        words[1] = config
        self.place.metaloom(*words)
        words[words.index("steps=4")] = "steps=8"
        self.refused(("method.search_steps = 4, was method.search_steps = 2",), words)
        self.assertIn("8 updates instead of 4", self.place.metaloom(*words, "method.search_steps=2"))


if __name__ == "__main__":
    unittest.main()
