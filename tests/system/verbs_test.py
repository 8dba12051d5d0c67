"""Every verb once on the tiny chain: what it prints and writes, and that its figures are those of the run."""

import json
import re
import shutil
import unittest

import h5py

from tests.system.program import STAGES, SystemTest

DATA = 3
VERBS = {"adapt", "data", "evaluate", "export", "import", "inspect", "models", "plan", "predict", "report", "show", "train", "verify"}
STEPS = 6
FEW = [("play some music", "music"), ("will it rain today", "weather"), ("sing me a song", "music"),
       ("is it cold outside", "weather")]


def elements(path, group):
    """How many numbers the tensors below `group` of an archive hold."""
    sizes = []
    with h5py.File(path) as file:
        file[group].visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)


class Verbs(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = cls.place.folder / "first"
        cls.printed = cls.place.metaloom(*cls.place.chain("first", "evaluate.before=true"))

    def final(self, stage):
        return [e for e in self.place.metrics("first", stage, "evaluation") if e["final"]]

    def test_no_verb_is_forgotten(self):
        listed = re.search(r"^Verbs\n((?:  .+\n)+)", self.place.metaloom("--help"), re.MULTILINE).group(1)
        self.assertEqual(VERBS, {line.split()[0] for line in listed.splitlines()})
        for verb in sorted(VERBS):
            with self.subTest(verb):
                text = self.place.metaloom(verb, "--help")
                self.assertTrue(text.startswith(f"metaloom {verb} "), text)
                self.assertRegex(text, rf"\nExample\n(.*\n)*.*metaloom {verb} ")

    def test_train(self):
        for stage in STAGES:
            folder = self.run_folder / stage
            with self.subTest(stage):
                self.assertLessEqual({"config.toml", "provenance.json", "metrics.jsonl", "log.txt", "checkpoints", "result.json"},
                                     {path.name for path in folder.iterdir()})
                self.assertEqual(list(range(1, STEPS + 1)), [e["step"] for e in self.place.metrics("first", stage)])
                self.assertEqual("step_00000006", (folder / "checkpoints" / "latest").readlink().name)
                self.assertIn(f"{stage}  {STEPS}/{STEPS}  loss ", self.printed)
                for score in self.final(stage):
                    self.assertIn(f"{stage}  after  {score['dataset']}: accuracy {100 * score['value']:.1f} %", self.printed)
        again = self.place.metaloom(*self.place.chain("first", "evaluate.before=true"))
        self.assertEqual(len(STAGES), again.count("finished before, skipped"), again)
        self.assertNotIn("loss", again)

    def test_a_run_is_repeated_from_its_configuration_wherever_it_lies(self):
        """Could not be repeated: the stages of config.toml named the old folders as their `init`. Nor evaluated:
        that asked the same folders for the model, of which a checkpoint has its own."""
        moved = self.run_folder.with_name("moved")
        self.run_folder.rename(moved)
        try:
            self.place.metaloom("train", moved / "config.toml", f"run={self.place.folder / 'again'}")
            printed = self.place.metaloom("evaluate", moved / "3_metaprompting", f"model.weights={moved}", "comm.threads=1")
        finally:
            moved.rename(self.run_folder)
        for stage in STAGES:
            self.assertEqual(self.place.file("first", stage, "theta"), self.place.file("again", stage, "theta"), stage)
        self.assertIn(f"{100 * self.final('3_metaprompting')[0]['value']:.2f} %", printed)

    def test_evaluate_scores_what_training_scored(self):
        for stage, datasets in (("1_muppet", 4), ("3_metaprompting", 1)):
            printed = self.place.output("evaluate", self.run_folder / stage, "comm.threads=1")
            scores = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
            self.assertEqual(datasets, len(scores), printed)
            for score, trained in zip(scores, self.final(stage), strict=True):
                self.assertEqual("validation", score.pop("split"))
                self.assertEqual({key: trained[key] for key in score}, score)
                self.assertRegex(printed, rf"{score['dataset']} +validation +accuracy {100 * score['value']:.2f} %")
        other = self.place.output("evaluate", self.run_folder / "3_metaprompting", "evaluate.split=test", "evaluate.episodes=6")
        score = json.loads(other.splitlines()[-1])
        self.assertEqual(("intents", "test", 6, 6), (score["dataset"], score["split"], score["n"], len(score["values"])))
        self.assertAlmostEqual(score["value"], sum(score["values"]) / 6)

    def test_evaluate_tells_no_gain_of_what_keeps_no_values(self):
        """Was told as "gain +0.00 points (paired, n = 0)"."""
        printed = self.place.output("evaluate", self.run_folder / "2_mlm", "start=true", "comm.threads=1")
        self.assertEqual(2, printed.count("validation accuracy "), printed)
        self.assertNotIn("gain", printed)

    def test_inspect(self):
        printed = self.place.metaloom("inspect", self.run_folder / "1_muppet")
        self.assertIn(f"step_0000000{STEPS}  (update {STEPS})", printed)
        sections = re.findall(r"(?m)^\[(\w+)\]\n  ", printed)  # a table of the configuration is not indented
        self.assertEqual(["lineage", "model", "optimizer", "progress", "theta"], sections)
        self.assertRegex(printed, r"model\.encoder\.layer\.1\.output\.dense\.weight +Float +\[32, 64\] +rms 0\.\d")
        self.assertIn('"git_commit"', printed)
        archive = self.place.metaloom("inspect", self.place.model)
        self.assertRegex(archive, r"parameters/embeddings\.word_embeddings\.weight +Float +\[30522, 32\]")
        self.assertIn('"format": "metaloom-model"', archive)

    def test_verify(self):
        self.assertIn("8 checked, 0 damaged", self.place.metaloom("verify", self.run_folder))  # two of each stage
        self.assertIn("5 checked, 0 damaged", self.place.metaloom("verify", self.place.stores))
        copy = self.place.folder / "flipped"
        shutil.copytree(self.run_folder / "1_muppet", copy, symlinks=True)
        theta = copy / "checkpoints" / "step_00000004" / "theta.h5"
        image = bytearray(theta.read_bytes())
        image[len(image) // 2] ^= 1
        theta.write_bytes(image)
        printed = self.place.metaloom("verify", copy, code=DATA)
        self.assertIn("2 checked, 1 damaged", printed)
        self.assertRegex(printed, r"(?m)^damaged .*step_00000004: .*theta\.h5")

    def test_report(self):
        events = self.place.folder / "events"
        printed = self.place.metaloom("report", self.run_folder, f"tensorboard={events}")
        before = {(stage, e["dataset"]): e["value"] for stage in STAGES
                  for e in self.place.metrics("first", stage, "evaluation") if e["step"] == 0}
        for stage in STAGES:
            block = printed[printed.index(f"{stage}, validation:"):]
            for score in self.final(stage):
                a, b = 100 * before[stage, score["dataset"]], 100 * score["value"]
                self.assertRegex(block, rf"(?m)^ +{score['dataset']} +{a:.1f} +{b:.1f} +[+-]{abs(b - a):.1f} \[")
            self.assertEqual(1, len(list((events / stage).glob("events.out.tfevents.*"))))
        page = (self.run_folder / "report.html").read_text()
        for stage in STAGES:
            self.assertIn(stage, page)

    def planned(self, verb, *words):
        """What `plan` or `show` prints of a run that is not there, and that it is not there afterwards either."""
        printed = self.place.metaloom(verb, *self.place.chain("planned")[1:], *words)
        self.assertFalse((self.place.folder / "planned").exists())
        return printed

    def test_plan(self):
        printed = self.planned("plan", "plan.ranks=2", "plan.updates=1")
        blocks = re.split(r"(?m)^(\d_\w+)  \(\w+\)$", printed)
        self.assertEqual(list(STAGES), blocks[1::2])
        trained = elements(self.run_folder / "1_muppet/checkpoints/latest/theta.h5", "/")
        model = elements(self.place.model, "parameters")
        self.assertRegex(blocks[2], rf"model +{model} parameters")
        self.assertRegex(blocks[2], rf"trained +{trained} parameters")
        for stage, block in zip(blocks[1::2], blocks[2::2]):
            with self.subTest(stage):
                self.assertRegex(block, r"update 1 \w+ +rank 0 .*#\d+")
                self.assertRegex(block, r"update 1 \w+ +rank 1 ")
                self.assertRegex(block, rf"schedule +{STEPS} updates")
                self.assertRegex(block, r"memory +\d+ MiB a rank")

    def test_show(self):
        printed = self.planned("show", "show.stage=3_metaprompting")
        rows = [line for line in printed.splitlines() if "[MASK]" in line]
        self.assertEqual(4 * 3 * (1 + 2), len(rows))  # slots, ways, a support row and two query rows
        for row in rows:
            self.assertRegex(row, r"\[CLS\] <0> .*<7> .* the topic is \[MASK\]")
        self.assertIn("[CLS]", self.planned("show", "show.stage=1_muppet"))

    def test_folders_and_files_in_each_others_place_are_named(self):
        run = self.run_folder
        for said, words in {"this is a folder": ("train", run), "several stages": ("evaluate", run),
                            "this is a file": ("evaluate", run / "1_muppet" / "config.toml")}.items():
            self.assertIn(said, self.place.metaloom(*words, code=2))

    def test_adapt_and_predict(self):
        few, out = self.place.folder / "few.jsonl", self.place.folder / "labelled.jsonl"
        few.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in FEW))
        adapted = self.place.folder / "mine"
        self.assertIn("adapted to 2 classes from 4 texts",
                      self.place.metaloom("adapt", self.run_folder / "3_metaprompting", f"data={few}", f"out={adapted}"))
        self.assertIn("holds an adapted checkpoint already",
                      self.place.metaloom("adapt", self.run_folder / "3_metaprompting", f"data={few}", f"out={adapted}", code=2))
        self.assertIn("no such file", self.place.metaloom("predict", adapted, "data=few.csv", code=3))
        printed = self.place.metaloom("predict", adapted, f"data={few}", f"out={out}")
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual(FEW, [(row["text"], row["label"]) for row in rows])
        for row in rows:
            self.assertIn(row["predicted"], ("music", "weather"))
            self.assertTrue(0.5 <= row["probability"] <= 1, row)
        right = sum(row["predicted"] == row["label"] for row in rows)
        self.assertIn(f"accuracy {100 * right / 4:.1f} % ({right} of 4", printed)

    def test_data_is_kept_and_import_carries_the_tokenizer(self):
        """The stores are cut by the tokenizer of the archive that `import` wrote: one cut by the package's equals them."""
        imported = self.place.folder / "imported.h5"
        self.place.metaloom("import", "minilm-mlm", f"out={imported}")
        for tokenizer in (self.place.model, imported):
            kept = self.place.metaloom("data", "tests/data/tiny.toml", f"out={self.place.stores}", f"tokenizer={tokenizer}")
            self.assertEqual(5, kept.count("unchanged, kept"))


if __name__ == "__main__":
    unittest.main()
