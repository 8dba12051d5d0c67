"""Every kind of bad input ends with one clear error (what, where, cure), the documented exit code, and no partial file."""

import json
import os
import pathlib
import shutil
import unittest

import h5py
import numpy

from tests.system.program import ROOT, SystemTest
from tools.archive import get_json, put_text
from tools.data.store import file_digest, manifest_path

USAGE, DATA, NO_CHECKPOINT = 2, 3, 4
EPISODES = ["method.name=metaprompting", 'data.datasets=["intents"]', "data.ways=3"]


def only_stage(*words):
    """A run of one stage with defaults that fit the tiny model."""
    return ["steps=1", "data.max_length=24", "evaluate.before=false", "evaluate.batches=1", "evaluate.episodes=1", *words]


def change_meta(file, change):
    """Lets `change` alter what the `meta` of an archive or store says."""
    meta = get_json(file, "meta")
    change(meta)
    del file["meta"]
    put_text(file, "meta", json.dumps(meta))


class BadInput(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder

    def train(self, *words, model=None, stores=None):
        return self.place.words("train", self.place.empty, "bad", *only_stage(*words), model=model, stores=stores)

    def check(self, code, pieces, *words, **variables):
        """The program fails with `code`, and its one error line holds all `pieces`."""
        self.check_output(self.place.metaloom(*words, code=code, **variables), pieces)

    def check_output(self, output, pieces):
        lines = [line for line in output.splitlines() if "error:" in line]
        self.assertEqual(1, len(lines), output)
        self.assertNotIn("Traceback", output)
        self.assertNotIn("terminate called", output)
        for piece in pieces:
            self.assertIn(piece, lines[0])
        leftovers = [path for path in self.folder.rglob("*") if ".tmp" in path.name or path.name.endswith("~")]
        self.assertEqual([], leftovers)

    def copied_model(self, name, change):
        """A copy of the tiny model that `change(file)` has damaged."""
        path = self.folder / f"{name}.h5"
        shutil.copy(self.place.model, path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    def copied_stores(self, name):
        folder = self.folder / name
        shutil.copytree(self.place.stores, folder)
        return folder

    def changed_store(self, name, dataset, change):
        """Copied stores in which `change(file)` has altered one; its manifest says that it is whole."""
        folder = self.copied_stores(name)
        path = folder / f"{dataset}.h5"
        with h5py.File(path, "r+") as file:
            change(file)
        manifest = json.loads(manifest_path(path).read_text())
        manifest |= {"bytes": os.path.getsize(path), "xxh3_64": file_digest(path)}
        manifest_path(path).write_text(json.dumps(manifest))
        return folder

    # --- command line and configuration ---

    def test_command_line(self):
        for pieces, words in [
            ((' "trian"', 'Did you mean "train"?'), ["trian"]),
            (("--verbose",), ["train", "--verbose"]),
            (("needs a configuration file",), ["train"]),
            (("nowhere.toml",), ["train", "nowhere.toml"]),
            (("data=FILE.jsonl",), ["adapt", "somewhere"]),
            (("stpe", 'Did you mean "step"?'), ["show", "tests/system/chain.toml", "show.stpe=1"]),
        ]:
            with self.subTest(words=words):
                output = self.place.metaloom(*words, code=USAGE)
                for piece in pieces:
                    self.assertIn(piece, output)

    def test_configuration(self):
        muppet = ["method.name=muppet", 'data.datasets=["moods"]']
        for pieces, words in [
            (("setps", '"steps"'), [*muppet, "setps=3"]),
            (("optimizer", "raet", '"rate"'), [*muppet, "optimizer.raet=3"]),
            (("inner_stesp", '"inner_steps"'), [*EPISODES, "method.inner_stesp=3"]),
            (("steps", "many"), [*muppet, 'steps="many"']),
            (("steps", "-5"), [*muppet, "steps=-5"]),
            (("optimizer.rate",), [*muppet, "optimizer.rate=-1"]),
            (("muppte", '"muppet"'), ["method.name=muppte", 'data.datasets=["moods"]']),
            (("names no method",), ['data.datasets=["moods"]']),
            (("mods", '"moods"'), ["method.name=muppet", 'data.datasets=["mods"]']),
            (("[MASK]",), [*EPISODES, "method.template={text} is what"]),
            (("{text}",), [*EPISODES, "method.template=the topic is [MASK]"]),
            (("zzxxqq",), [*EPISODES, "method.template={text} zzxxqq [MASK]"]),
            (("inner_steps",), [*EPISODES, "method.inner_steps=0"]),
            (("keep",), ["method.name=spt", 'data.datasets=["moods"]', "steps=4", "method.keep=30"]),
            (("max_length",), [*EPISODES, "data.max_length=4"]),
        ]:
            with self.subTest(words=words):
                self.check(USAGE, pieces, *self.train(*words))

    def test_an_error_of_all_ranks_is_said_once(self):
        """Was said by every rank."""
        words = self.train("method.name=muppet", 'data.datasets=["moods"]', "setps=3")
        process = self.place.start(2, words)
        output, _ = process.communicate(timeout=120)
        self.assertEqual(USAGE, process.returncode, output)
        self.check_output(output, ("setps", '"steps"'))

    def tearDown(self):
        self.assertFalse((self.folder / "bad").exists(), "what is refused leaves no run folder")

    # --- data and weights ---

    def test_missing_or_damaged_weights(self):
        cut = self.folder / "cut.h5"
        cut.write_bytes(self.place.model.read_bytes()[:100_000])

        def spoil(file):
            name = "encoder.layer.0.attention.self.query.weight"
            value = file["parameters"][name][:]
            value[3, 4] = numpy.nan
            file["parameters"][name][...] = value

        cases = [
            (("nothing.h5", "import"), self.folder / "nothing.h5"),
            (("cut.h5",), cut),
            (("nan.h5", "query"), self.copied_model("nan", spoil)),
            (("lacking.h5", "word_embeddings"),
             self.copied_model("lacking", lambda file: file.__delitem__("parameters/embeddings.word_embeddings.weight"))),
            (("moods", "tokenizer"), self.copied_model("other-words", lambda file: change_meta(
                file, lambda meta: meta.update(tokenizer_digest="0" * 64)))),
        ]
        for pieces, model in cases:
            with self.subTest(model=model.name):
                self.check(DATA, pieces, *self.train("method.name=muppet", 'data.datasets=["moods"]', model=model))

    def test_missing_or_damaged_data(self):
        cut, flipped, gone = (self.copied_stores(name) for name in ("cut", "flipped", "gone"))
        (cut / "moods.h5").write_bytes((cut / "moods.h5").read_bytes()[:-100])
        image = bytearray((flipped / "moods.h5").read_bytes())
        image[-50] ^= 4
        (flipped / "moods.h5").write_bytes(image)
        (gone / "moods.json").unlink()
        loop = self.folder / "loop"
        loop.symlink_to(loop)  # as one without permission, it cannot even be asked what it is, not by root either
        for pieces, stores in [(("moods",), cut), (("moods",), flipped), (("moods",), gone),
                               (("loop: Too many levels", "Check the path"), loop),
                               (("metaloom data",), self.folder / "no-such-folder")]:
            with self.subTest(stores=stores.name):
                self.check(DATA, pieces, *self.train("method.name=muppet", 'data.datasets=["moods"]', stores=stores))

    def test_episodes_that_the_data_cannot_serve(self):
        for pieces, words in [
            (("intents", "ways"), [*EPISODES, "data.ways=40"]),
            (("intents",), [*EPISODES, "data.shots=50"]),
            (("intents", "split validation", "5 classes", "6"), [*EPISODES[:-1], "data.ways=6", "evaluate.split=validation"]),
        ]:
            with self.subTest(words=words):
                self.check(DATA, pieces, *self.train(*words))

    def test_labels_that_mean_nothing(self):
        """Stores of another program: whole by their digests, wrong inside."""
        def outside(file):
            file["train/labels"][0] = 99

        def silent(meta):
            meta["label_words"][0] = []

        for name, pieces, change in [
            ("outside", ("intents.h5", "row 0", "label 99", "none of the 16"), outside),
            ("wordless", ("intents", "order pizza", "no word", "label_words"), lambda file: change_meta(file, silent)),
            ("unnamed", ("intents.h5", "16 labels", "words for 0"),
             lambda file: change_meta(file, lambda meta: meta.update(label_words=[]))),
        ]:
            with self.subTest(name):
                self.check(DATA, pieces, *self.train(*EPISODES, stores=self.changed_store(name, "intents", change)))

    def test_user_files(self):
        run = self.place.chain("chain")
        self.place.metaloom(*run)
        stage = self.folder / "chain" / "3_metaprompting"
        good = [{"text": "play some music", "label": "music"}, {"text": "will it rain", "label": "weather"}]
        cases = {
            "no label": ([good[0], {"text": "hm"}], ("label", "line 2")),
            "one class": (good[:1], ("class",)),
            "no text": ([good[0], {"text": "  ", "label": "x"}], ("zero tokens", "line 2")),
            "no json": (None, ("line 1",)),
            "nothing": ([], ("no row",)),
        }
        for name, (rows, pieces) in cases.items():
            with self.subTest(name):
                path = self.folder / "rows.jsonl"
                path.write_text("not json\n" if rows is None else "".join(json.dumps(row) + "\n" for row in rows))
                out = self.folder / "adapted"
                self.check(DATA, pieces, "adapt", stage, f"data={path}", f"out={out}")
                self.assertFalse(out.exists())
        self.check(USAGE, ("holds a trained stage",), "adapt", stage, f"data={self.written(good)}", f"out={stage}")
        self.check(USAGE, ("muppet", "does not adapt"), "adapt", self.folder / "chain" / "1_muppet",
                   f"data={self.written(good)}")
        self.place.metaloom("adapt", stage, f"data={self.written(good)}", f"out={out}")
        shutil.copy(self.folder / "chain" / "2_mlm" / "config.toml", out)
        self.check(USAGE, ("mlm tells no classes apart",), "predict", out, f"data={self.written(good)}")
        self.check(USAGE, ("adapt",), "predict", stage, f"data={self.written(good)}")
        self.check(USAGE, ("another configuration", "steps"), *run, "steps=7")
        other = self.copied_model("other", lambda file: file["parameters/embeddings.LayerNorm.bias"].write_direct(
            file["parameters/embeddings.LayerNorm.weight"][...]))
        self.check(USAGE, ("model is not the one it began with", "model.allow_changed"), *run, f"model.weights={other}")

    def written(self, rows):
        path = self.folder / "good.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    # --- runs and machines ---

    def test_checkpoints(self):
        self.check(NO_CHECKPOINT, ("no usable checkpoint",),
                   *self.train("method.name=muppet", 'data.datasets=["moods"]', "resume=must"))
        self.check(DATA, ("there is no checkpoint here",),
                   *self.train("method.name=muppet", 'data.datasets=["moods"]', f"init={self.folder / 'never'}"))

    def test_a_checkpoint_of_another_model(self):
        """Another mix, whose heads the checkpoint has not; and a frozen model that is no longer what it was."""
        one, other, frozen = (self.folder / name for name in ("one", "other", "frozen"))
        self.place.metaloom(*self.train("method.name=muppet", 'data.datasets=["moods"]', f"run={one}"))
        shutil.copytree(one / "checkpoints", other / "checkpoints", symlinks=True)
        self.check(DATA, ("no parameter head.subjects", "start a new run folder"),
                   *self.train("method.name=muppet", 'data.datasets=["subjects"]', f"run={other}"))
        model = self.copied_model("moving", lambda file: None)
        self.place.metaloom(*self.train(*EPISODES, f"run={frozen}", model=model))
        (frozen / "result.json").unlink()
        with h5py.File(model, "r+") as file:
            file["parameters/embeddings.LayerNorm.bias"][...] += 1
        self.check(USAGE, ("model is not the one it began with",), *self.train(*EPISODES, f"run={frozen}", model=model))

    def test_more_ranks_than_packs(self):
        """They are told of and wait: a chain needs as many ranks as its widest stage can use."""
        words = self.train("method.name=muppet", 'data.datasets=["moods"]', "data.slots=2", f"run={self.folder / 'idle'}")
        process = self.place.start(4, words)
        output, _ = process.communicate(timeout=300)
        self.assertEqual(0, process.returncode, output)
        self.assertEqual(1, output.count("2 packs an update for 4 ranks: 2 will wait for the others. Raise data.slots"), output)

    def test_texts_that_were_trained_on_are_refused(self):
        for verb in ("train", "plan"):
            self.check(DATA, ("trained on", "allow_overlap"), verb, "tests/system/chain.toml",
                       f"run={self.folder / 'overlap'}", f"model.weights={self.place.model}",
                       f"data.root={self.place.stores}", "stage.2_mlm.data.allow_overlap=false",
                       "evaluate.split=validation", *self.twins())

    def twins(self):
        """Keys that make stage 2 evaluate on rows that stage 1 trains on: a store whose splits are swapped."""
        stores = self.folder / "twins"
        if not stores.exists():
            self.copied_stores("twins")
            source = self.folder / "sets"
            shutil.copytree(ROOT / "tests/data/tiny", source)
            rows = (source / "subjects/train.jsonl").read_text()
            (source / "subjects/validation.jsonl").write_text(rows.splitlines()[0] + "\n")
            (source / "subjects/train.jsonl").write_text("".join(rows.splitlines(keepends=True)[1:]))
            self.place.metaloom("data", "tests/data/tiny.toml", f"out={self.folder / 'swapped'}",
                                f"tokenizer={self.place.model}", f"root={source}", 'only=["subjects"]')
        return [f"stage.2_mlm.data.root={self.folder / 'swapped'}"]

    def test_srun_without_pmix(self):
        self.check(USAGE, ("--mpi=pmix",), *self.train("method.name=muppet", 'data.datasets=["moods"]', "comm.backend=mpi"),
                   SLURM_NTASKS="8", SLURM_PROCID="3")

    def test_one_process_needs_no_mpirun(self):
        words = [word for word in self.train("method.name=muppet", 'data.datasets=["moods"]')
                 if not str(word).startswith("run=")]
        self.place.metaloom(*words, f"run={self.folder / 'alone'}", PATH="/nowhere")
        self.assertTrue((self.folder / "alone" / "result.json").exists())

    def test_nccl_without_a_gpu(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skipTest("this machine has a GPU")
        self.check(USAGE, ("nccl",),
                   *self.train("method.name=muppet", 'data.datasets=["moods"]', "comm.backend=nccl"))


if __name__ == "__main__":
    unittest.main()
