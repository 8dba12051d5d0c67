"""What adapt makes of its users' files, columns and class names.

Broke: of two classes with equal words the second was never predicted, nothing could be told of columns or label_words, and
1,500 rows were one batch, whatever method.graph_memory said.
"""

import gzip
import json
import os
import shutil
import unittest

import h5py
import numpy

from tests.system.program import SystemTest
from tools.data.store import file_digest, manifest_path

USAGE, DATA = 2, 3


def rows(*pairs):
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs).encode()


MUSIC = rows(("play a song", "music"), ("will it rain", "weather"))
SYMBOLS = rows(("a pointer", "C"), ("a template", "C++"), ("a property", "C#"))
SPELLED = "label_words={'C++' = 'plus plus', \"C#\" = \"sharp\"}"  # refused words and files: tests/tools/user_rows_test.py


class AdaptRows(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder, cls.stage = cls.place.folder, cls.place.few_shot_stage()
        cls.count = 0

    def written(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def adapt(self, *words, code=0, given=b""):
        """Adapts into a new folder; returns it and all that was printed."""
        type(self).count += 1
        out = self.folder / f"adapted{self.count}"
        done = self.place.run("adapt", self.stage, f"out={out}", *words, given=given, TMPDIR="/nowhere")  # no disk needed
        said = done.stderr.decode() + done.stdout.decode()
        self.assertEqual(code, done.returncode, said)
        if code:
            self.assertEqual(1, said.count("error:"), said)
            self.assertFalse(out.exists())
        return out, said

    def task(self, out):
        with h5py.File(out / "checkpoints" / "latest" / "task.h5") as file:
            return json.loads(bytes(file["task"][()]))

    def theta(self, out):
        with h5py.File(out / "checkpoints" / "latest" / "theta.h5") as file:
            return file["prompt.soft"][()]

    def test_files_as_people_have_them(self):
        """predict and adapt read different files."""
        table = b"text,label\r\nplay a song,music\r\nwill it rain,weather\r\n"
        for name, content in [
            ("packed.jsonl.gz", gzip.compress(b"\xef\xbb\xbf" + MUSIC.replace(b"\n", b"\n\xc2\xa0\x0c\n").replace(
                b"}", b', "a": NaN, "b": 1e400, "c": 12345678901234567890123}'))),
            ("CAPITALS.CSV", table),
        ]:
            with self.subTest(name):
                _, said = self.adapt(f"data={self.written(name, content)}")
                self.assertIn("adapted to 2 classes from 2 texts", said)
        out, _ = self.adapt("data=-", "format=csv", given=table)
        self.assertEqual("stdin", self.task(out)["name"])

    def test_classes_that_cannot_be_told_apart(self):
        """The second of two such classes was never predicted, and nothing was said."""
        given = self.written("symbols.jsonl", SYMBOLS)
        _, said = self.adapt(f"data={given}", code=DATA)
        self.assertIn("classes 'C' and 'C++' have the same words", said)
        self.assertIn('label_words=\'{"C++" = "..."}\'', said)
        out, _ = self.adapt(f"data={given}", SPELLED)
        self.assertEqual([1, 2, 1], [len(words) for words in self.task(out)["label_words"]])
        _, said = self.adapt(f"data={given}", "label_words={oops", code=USAGE)
        self.assertIn("no TOML table", said)
        given = self.written("pieces.jsonl", rows(("one", "unhelpfulness"), ("two", "unfriendliness")))
        out, _ = self.adapt(f"data={given}")
        words = self.task(out)["label_words"]
        self.assertEqual(words[0][0][0], words[1][0][0], "they must begin with one piece, or this tests nothing")
        labelled = self.place.output("predict", out, f"data={given}")
        answers = [json.loads(line) for line in labelled.splitlines()]
        self.assertNotEqual([0.5, 0.5], [round(answer["probability"], 9) for answer in answers], "one logit for both")

    def test_columns_are_told_and_remembered(self):
        """Columns had to be called text and label."""
        content = b'{"a": {"review": "play a song"}, "stars": 1, "b": "x"}\n{"a": {"review": "will it rain"}, "stars": 5, "b": "y"}\n'
        given = self.written("columns.jsonl", content)
        out, said = self.adapt(f"data={given}", "text=a.review", "label=stars", 'label_words={1 = "bad", 5 = "good"}')
        self.assertEqual({"text": "a.review", "label": "stars", "text_pair": ""}, self.task(out)["columns"])
        self.assertNotIn("only numbers", said)
        done = self.place.run("predict", out, f"data={given}")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(b"of 2 lines with a label", done.stderr)
        pair = self.place.metaloom("adapt", self.stage, f"out={self.folder / 'pair'}", f"data={given}", "text=b", "label=stars",
                                   "text_pair=a.review", "method.template=<soft:8> {text} ? [MASK] , {pair}")
        self.assertIn("only numbers tell a model nothing: 1, 5", pair)
        self.assertEqual(2, self.place.output("predict", self.folder / "pair", f"data={given}").count('"predicted"'))

    def test_many_rows_are_taken_in_passes(self):
        """All rows were one batch, and graph_memory changed nothing."""
        given = self.written("many.jsonl", b"".join(
            rows((f"{text} number {number}", label)) for number in range(40) for text, label in
            (("play a song", "music"), ("will it rain or will the sun shine on us", "weather"))))
        at_once, _ = self.adapt(f"data={given}")
        in_passes, _ = self.adapt(f"data={given}", "method.graph_memory=0.001")
        one_by_one, _ = self.adapt(f"data={given}", "method.graph_memory=1e-6")
        for cut in (in_passes, one_by_one):
            moved = numpy.abs(self.theta(at_once) - self.theta(cut)).max()
            self.assertLess(moved, 1e-5)
            self.assertGreater(moved, 0, "nothing was cut")

    def test_stores_and_checkpoints_made_before(self):
        """Such a store was accepted by train, plan and evaluate, and such a checkpoint by predict."""
        stores = self.folder / "twin-stores"
        shutil.copytree(self.place.stores, stores)
        self.change_words(stores / "intents.h5", lambda words: words.__setitem__(1, words[0]))
        manifest = json.loads(manifest_path(stores / "intents.h5").read_text())
        manifest |= {"bytes": os.path.getsize(stores / "intents.h5"), "xxh3_64": file_digest(stores / "intents.h5")}
        manifest_path(stores / "intents.h5").write_text(json.dumps(manifest))
        typed = ('data.datasets=["intents"]', "data.ways=3", "method.name=metaprompting", "steps=1")
        for words in (self.place.words("plan", self.place.empty, "twins", *typed, stores=stores),
                      self.place.words("train", self.place.empty, "twins", *typed, stores=stores),
                      ["evaluate", self.stage, f"data.root={stores}"]):
            with self.subTest(words[0]):
                said = self.place.metaloom(*words, code=DATA)
                self.assertIn('"order pizza" and "book flight" have the same words', said)
                self.assertIn("label_words", said)

    def change_words(self, path, change):
        from tools.archive import get_json, put_text

        with h5py.File(path, "r+") as file:
            meta = get_json(file, "meta")
            change(meta["label_words"])
            del file["meta"]
            put_text(file, "meta", json.dumps(meta))


if __name__ == "__main__":
    unittest.main()
