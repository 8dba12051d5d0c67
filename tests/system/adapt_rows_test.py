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
SPELLED = "label_words={'C++' = 'plus plus', \"C#\" = \"sharp\"}"


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

    def adapt(self, *words, code=0, given=b"", **variables):
        """Adapts into a new folder; returns it and all that was printed."""
        type(self).count += 1
        out = self.folder / f"adapted{self.count}"
        done = self.place.run("adapt", self.stage, f"out={out}", *words, given=given, **variables)
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
            ("a byte-order mark.jsonl", b"\xef\xbb\xbf" + MUSIC),
            ("blank lines.jsonl", MUSIC.replace(b"\n", b"\n\xc2\xa0\x0c\n")),
            ("other fields.jsonl", MUSIC.replace(b"}", b', "a": NaN, "b": 1e400, "c": 12345678901234567890123}')),
            ("packed.jsonl.gz", gzip.compress(MUSIC)),
            ("CAPITALS.CSV", table),
            ("tabs.tsv", table.replace(b",", b"\t")),
        ]:
            with self.subTest(name):
                _, said = self.adapt(f"data={self.written(name, content)}")
                self.assertIn("adapted to 2 classes from 2 texts", said)
        out, _ = self.adapt("data=-", "format=csv", given=table)
        self.assertEqual("stdin", self.task(out)["name"])

    def test_files_that_cannot_be_read(self):
        """The wrong cure was named."""
        good = MUSIC.decode()
        for name, content, pieces in [
            ("utf16.jsonl", good.encode("utf-16"), ["UTF-16", "iconv -f utf-16"]),
            ("cr.csv", b"text,label\rplay a song,music\r", ["CR only"]),
            ("null.jsonl", b'{"text": "hm", "label": null}\n', ["no label", "line 1", "label=COLUMN"]),
            ("empty.jsonl", b'{"text": "hm", "label": ""}\n', ["no label", "line 1"]),
            ("list.jsonl", b'{"text": "hm", "label": [1]}\n', ["the label is [1]", "line 1"]),
            ("twice.jsonl", b'{"text": "hm", "label": "a", "label": "b"}\n', ["two columns are called 'label'", "line 1"]),
            ("column.jsonl", b'{"txt": "hm", "label": "a"}\n', ["no column 'text'", "'txt'", "text=COLUMN"]),
            ("nothing.jsonl", b"\n", ["no row"]),
            ("one.jsonl", rows(("play a song", "music")), ["1 class"]),
        ]:
            with self.subTest(name):
                _, said = self.adapt(f"data={self.written(name, content)}", code=DATA)
                for piece in pieces:
                    self.assertIn(piece, said)

    def test_classes_that_cannot_be_told_apart(self):
        """The second of two such classes was never predicted, and nothing was said."""
        for first, second in [("C", "C++"), ("Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)"), ("1", "-1"), ("Sports", "sports")]:
            with self.subTest(second):
                given = self.written("twins.jsonl", rows(("one", first), ("two", second), ("three", "other")))
                _, said = self.adapt(f"data={given}", code=DATA)
                self.assertIn(f"classes '{first}' and '{second}' have the same words", said)
                self.assertIn(f'label_words=\'{{"{second}" = "..."}}\'', said)
        given = self.written("pieces.jsonl", rows(("one", "unhelpfulness"), ("two", "unfriendliness")))
        out, _ = self.adapt(f"data={given}")
        words = self.task(out)["label_words"]
        self.assertEqual(words[0][0][0], words[1][0][0], "they must begin with one piece, or this tests nothing")
        labelled = self.place.output("predict", out, f"data={given}")
        answers = [json.loads(line) for line in labelled.splitlines()]
        self.assertNotEqual([0.5, 0.5], [round(answer["probability"], 9) for answer in answers], "one logit for both")

    def test_label_words(self):
        """adapt could not be told of words."""
        given = self.written("symbols.jsonl", SYMBOLS)
        in_toml = self.written("words.toml", b'\xef\xbb\xbf"C++" = "plus plus"\n"C#" = "sharp"\n')
        in_json = self.written("words.json", b'{"C++": "plus plus", "C#": "sharp"}')
        expected = None
        for words in [[SPELLED], ["label_words.C++=plus plus", "label_words.C#=sharp"], [f"label_words={in_toml}"],
                      ["label_words.\"C++\"='plus plus'", f"label_words={in_json}"]]:
            with self.subTest(words):
                out, _ = self.adapt(f"data={given}", *words)
                task = self.task(out)
                self.assertEqual(["C", "C++", "C#"], task["labels"])
                expected = expected or task["label_words"]
                self.assertEqual(expected, task["label_words"])
                self.assertEqual([1, 2, 1], [len(word) for word in task["label_words"]])
        for code, words, pieces in [
            (DATA, ["label_words.D=delta", SPELLED], ["label_words names 'D'"]),
            (DATA, ["label_words.C++=sharp", "label_words.C#=sharp"], ["'C++' and 'C#'"]),
            (USAGE, ["label_words={oops"], ["no TOML table", "label_words='"]),
            (USAGE, ["label_words.C++="], ["not a text"]),
            (USAGE, ["label_words=words"], ["neither a table nor"]),
            (DATA, ["label_words=nowhere.toml"], ["nowhere.toml"]),
        ]:
            with self.subTest(words):
                _, said = self.adapt(f"data={given}", *words, code=code)
                for piece in pieces:
                    self.assertIn(piece, said)

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

    def test_one_text_with_two_labels_is_told(self):
        given = self.written("two.jsonl", MUSIC + rows(("Will it  rain", "music")))
        _, said = self.adapt(f"data={given}")
        self.assertIn("warning: 1 texts stand there again with another label, such as that of line 2 ('weather') and 3 ('music')",
                      said)

    def test_many_rows_are_taken_in_passes(self):
        """All rows were one batch, and graph_memory changed nothing."""
        given = self.written("many.jsonl", b"".join(
            rows((f"{text} number {number}", label)) for number in range(40) for text, label in
            (("play a song", "music"), ("will it rain or will the sun shine on us", "weather"))))
        at_once, _ = self.adapt(f"data={given}")
        in_passes, _ = self.adapt(f"data={given}", "method.graph_memory=0.001")
        one_by_one, _ = self.adapt(f"data={given}", "method.graph_memory=0")
        for cut in (in_passes, one_by_one):
            moved = numpy.abs(self.theta(at_once) - self.theta(cut)).max()
            self.assertLess(moved, 1e-5)
            self.assertGreater(moved, 0, "nothing was cut")

    def test_no_temporary_disk_is_needed(self):
        given = self.written("disk.jsonl", MUSIC)
        self.adapt(f"data={given}", TMPDIR="/nowhere")

    def test_stores_and_checkpoints_made_before(self):
        """Such a store was accepted by train, plan and evaluate, and such a checkpoint by predict."""
        stores = self.folder / "twin-stores"
        shutil.copytree(self.place.stores, stores)
        self.change_words(stores / "intents.h5", lambda words: words.__setitem__(1, words[0]))
        manifest = json.loads(manifest_path(stores / "intents.h5").read_text())
        manifest |= {"bytes": os.path.getsize(stores / "intents.h5"), "xxh3_64": file_digest(stores / "intents.h5")}
        manifest_path(stores / "intents.h5").write_text(json.dumps(manifest))
        for verb, target in (("plan", self.folder / "few-shot.toml"), ("train", self.folder / "few-shot.toml"),
                             ("evaluate", self.stage)):
            with self.subTest(verb):
                words = [f"run={self.folder / 'twins'}", f"model.weights={self.place.model}", 'data.datasets=["intents"]',
                         "data.ways=3", "method.name=metaprompting", "steps=1"] if verb != "evaluate" else []
                said = self.place.metaloom(verb, target, f"data.root={stores}", *words, code=DATA)
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
