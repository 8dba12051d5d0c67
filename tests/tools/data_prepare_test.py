"""Token stores: what is in them, that they are made once, and what the carried data promise."""

import json
import os
import subprocess
import sys
import unittest

import numpy as np
import xxhash

from scratch import (CLASSIFICATION, FILES, ROOT, ROWS, TOKENIZER, ScratchTest, StoreScratch, call, data_program, read_store,
                     row_segments)

from tools.data.tokens import WordPieces, split_words, text_digest


class StoreTest(StoreScratch):
    def test_rows_survive_the_round_trip(self):
        self.write_rows()
        self.assertEqual(self.prepare(CLASSIFICATION + FILES + 'licence = "CC0-1.0"\n')[0], 0)
        store, pieces = self.store(), WordPieces(TOKENIZER)
        self.assertEqual(store["meta"]["labels"], ["alarm & fear", "calm"])
        self.assertEqual(store["meta"]["licence"], "CC0-1.0")
        self.assertEqual(store["meta"]["tokenizer_digest"], pieces.digest)
        for split, rows in ROWS.items():
            arrays = store[split]
            self.assertEqual([a.dtype.str for a in map(arrays.get, ("tokens", "segment_offsets", "row_segments", "labels",
                              "text_digests"))], ["<i4", "<i8", "<i8", "<i4", "<i8"])
            self.assertEqual(len(arrays["labels"]), len(rows))
            for number, row in enumerate(rows):
                segments = row_segments(arrays, number)
                self.assertEqual(len(segments), 1)
                self.assertEqual(pieces.tokenizer.decode(segments[0]).replace(" ", ""),
                                 pieces.tokenizer.normalizer.normalize_str(row["text"]).replace(" ", ""))
                self.assertEqual(store["meta"]["labels"][arrays["labels"][number]], row["label"])
                plain = " ".join(row["text"].lower().split()).encode()
                self.assertEqual(int(arrays["text_digests"][number]) % 2**64, xxhash.xxh3_64_intdigest(plain))

    def test_label_words_are_word_pieces_of_the_name_or_of_the_given_words(self):
        self.write_rows()
        self.prepare(CLASSIFICATION + FILES + 'label_words = { calm = "quiet peace" }\n')
        pieces = WordPieces(TOKENIZER)
        self.assertEqual(self.store()["meta"]["label_words"],
                         [pieces.encode(["alarm", "fear"]), pieces.encode(["quiet", "peace"])])

    def test_label_names_split_into_words(self):
        for name, words in {"HOME & LIVING": ["home", "living"], "PlayMusic": ["play", "music"], "the arts": ["arts"],
                            "iot_hue_lightoff": ["iot", "hue", "lightoff"], "and": ["and"], "comp.sys-mac/x": ["comp", "sys",
                            "mac", "x"], "don't": ["don't"], "ABBR": ["abbr"], "&": []}.items():
            self.assertEqual(split_words(name), words)

    def test_texts_are_cut_and_counted(self):
        self.write_rows()
        self.prepare("max_tokens = 3\n" + CLASSIFICATION + FILES)
        store = self.store()
        self.assertEqual(store["meta"]["truncated"], {"train": 3, "validation": 0, "test": 1})
        self.assertEqual(int(np.diff(store["train"]["segment_offsets"]).max()), 3)

    def test_special_tokens_written_by_somebody_are_text(self):
        pieces = WordPieces(TOKENIZER)
        ids = pieces.encode(["a [MASK] and [SEP] and [CLS]"])[0]
        self.assertFalse(set(ids) & {101, 102, 103})

    def test_twins_have_equal_digests(self):
        self.assertEqual(text_digest("  Hello\tWORLD \n"), text_digest("hello world"))
        self.assertNotEqual(text_digest("hello world"), text_digest("hello worlds"))

    def test_pairs_and_choices(self):
        self.write("train.jsonl", [{"a": "one", "b": "two words", "label": 1}, {"a": "three", "b": "four", "label": 10},
                                   {"a": "five", "b": "six", "label": 2}])
        self.write("mc.jsonl", [{"context": "pick", "choices": ["x", "y", "z"], "answer": 2},
                                {"context": "choose", "choices": ["u", "v"], "answer": "A"}])
        code = self.prepare('[datasets.pair]\nfamily = "classification"\ntrain = "train.jsonl"\ntext = "a"\n'
                            'text_pair = "b"\n[datasets.mc]\nfamily = "multiple_choice"\ntrain = "mc.jsonl"\n')[0]
        self.assertEqual(code, 0)
        pair, choice = self.store("pair"), self.store("mc")
        self.assertEqual(pair["meta"]["labels"], ["1", "2", "10"])
        self.assertEqual(pair["train"]["labels"].tolist(), [0, 2, 1])
        self.assertEqual([len(row_segments(pair["train"], row)) for row in range(3)], [2, 2, 2])
        self.assertEqual(choice["train"]["labels"].tolist(), [2, 0])
        self.assertEqual([len(row_segments(choice["train"], row)) for row in range(2)], [4, 3])
        self.assertEqual(choice["test"]["labels"].shape, (0,))
        self.assertEqual(choice["test"]["segment_offsets"].tolist(), [0])

    def test_episodes_keep_classes_apart(self):
        self.assertEqual(call(data_program, "prepare", ROOT / "tests/data/tiny.toml", "--out", self.out, "--only",
                              "intents", "--tokenizer", TOKENIZER)[0], 0)
        store = self.store("intents")
        classes = {split: set(store[split]["labels"].tolist()) for split in ("train", "validation", "test")}
        self.assertEqual([len(classes[split]) for split in classes], [6, 5, 5])
        self.assertEqual(len(set().union(*classes.values())), 16)
        for split in classes:
            self.assertTrue((np.bincount(store[split]["labels"])[sorted(classes[split])] == 12).all())

    def test_tiny_files_are_those_of_their_generator(self):
        subprocess.run([sys.executable, ROOT / "tests/data/make_tiny.py", self.folder / "tiny"], check=True)
        for path in sorted((ROOT / "tests/data/tiny").rglob("*.json*")):
            twin = self.folder / "tiny" / path.relative_to(ROOT / "tests/data/tiny")
            self.assertEqual(path.read_bytes(), twin.read_bytes(), path)

    def test_the_manifest_names_size_and_digest(self):
        self.write_rows()
        self.prepare(CLASSIFICATION + FILES)
        manifest = json.loads((self.out / "mood.json").read_text())
        content = (self.out / "mood.h5").read_bytes()
        self.assertEqual(manifest, {"file": "mood.h5", "bytes": len(content), "rows": {"train": 4, "validation": 1, "test": 2},
                                    "xxh3_64": xxhash.xxh3_64_hexdigest(content)})
        index = json.loads((self.out / "index.json").read_text())
        self.assertEqual(index["datasets"]["mood"]["xxh3_64"], manifest["xxh3_64"])

    def test_numbers_lie_where_they_can_be_mapped(self):
        import h5py

        self.write_rows()
        self.prepare(CLASSIFICATION + FILES)
        content = (self.out / "mood.h5").read_bytes()
        with h5py.File(self.out / "mood.h5") as file:
            for name, item in file["train"].items():
                offset = item.id.get_offset()
                self.assertIsNone(item.chunks)
                self.assertEqual(offset % 64, 0, name)
                self.assertEqual(content[offset:offset + item.nbytes], item[()].tobytes())


class OnceTest(StoreScratch):
    """A store is made again only when something it depends on has changed."""

    def run_twice(self, change, description=CLASSIFICATION + FILES, again=None):
        self.write_rows()
        self.assertEqual(self.prepare(description)[0], 0)
        before = (self.out / "mood.h5").read_bytes()
        change()
        code, said, _ = self.prepare(again or description)
        self.assertEqual(code, 0)
        return "unchanged" in said, before == (self.out / "mood.h5").read_bytes()

    def test_nothing_changed(self):
        self.assertEqual(self.run_twice(lambda: None), (True, True))

    def test_a_row_changed(self):
        self.assertEqual(self.run_twice(lambda: self.write("test.jsonl", ROWS["test"][:1])), (False, False))

    def test_the_description_changed(self):
        self.assertEqual(self.run_twice(lambda: None, again=CLASSIFICATION + FILES + 'licence = "MIT"\n'), (False, False))

    def test_the_store_was_damaged_and_is_made_again_byte_for_byte(self):
        damage = lambda: os.truncate(self.out / "mood.h5", 2000)  # noqa: E731
        self.assertEqual(self.run_twice(damage), (False, True))

    def test_the_manifest_was_lost(self):
        self.assertEqual(self.run_twice(lambda: (self.out / "mood.json").unlink()), (False, True))

    def test_only_and_jobs_and_root(self):
        self.write_rows()
        two = "".join(f'[datasets.{name}]\nfamily = "classification"\n{FILES}' for name in ("mood", "again"))
        away = self.write("away/description.toml", two)
        code, said, _ = call(data_program, "prepare", away, "--out", self.out, "--root", self.folder, "--only", "again",
                             "--tokenizer", TOKENIZER)
        self.assertEqual((code, (self.out / "mood.h5").exists(), said.count("again")), (0, False, 1))
        code, said, _ = call(data_program, "prepare", away, "--out", self.out, "--root", self.folder, "--jobs", "2",
                             "--tokenizer", TOKENIZER)
        self.assertEqual(code, 0)
        self.assertIn("[2/2] again: unchanged", said)
        self.assertEqual(set(json.loads((self.out / "index.json").read_text())["datasets"]), {"mood", "again"})


class CarriedDataTest(ScratchTest):
    """What data/ carries: that it can be prepared, is small, and keeps the test sets apart from the mix."""

    def test_the_few_shot_set_and_the_end_task_share_no_text_with_the_mix(self):
        code, _, err = call(data_program, "prepare", ROOT / "data/quickstart.toml", "--out", self.out, "--tokenizer",
                            TOKENIZER, "--jobs", "2")
        self.assertEqual(code, 0, err)
        digests = {}
        for path in sorted(self.out.glob("*.h5")):
            store = read_store(path)
            digests[path.stem] = set().union(*(store[s]["text_digests"].tolist() for s in ("train", "validation", "test")))
            self.assertTrue(store["meta"]["source"] and store["meta"]["licence"], path.stem)
        mix = {name: seen for name, seen in digests.items() if name not in ("hwu64", "snips")}
        self.assertGreaterEqual(len(mix), 8)
        for name, seen in mix.items():
            self.assertEqual(seen & digests["hwu64"], set(), name)
            self.assertEqual(seen & digests["snips"], set(), name)
        self.assertEqual(digests["snips"] & digests["hwu64"], set())

    def test_second_texts_are_no_twins_either(self):
        from tools.carry_data import END_TASKS, EPISODES, MIX, read_rows, texts_of

        kept = {name: set().union(*(texts_of(read_rows(path)) for path in (ROOT / "data/sets" / name).glob("*.jsonl.gz")))
                for name in (*MIX, *END_TASKS, EPISODES)}
        for name in MIX:
            self.assertEqual(kept[name] & (kept[EPISODES] | kept[END_TASKS[0]]), set(), name)
        self.assertEqual(kept[EPISODES] & kept[END_TASKS[0]], set())

    def test_the_carried_data_is_small(self):
        total = sum(path.stat().st_size for path in (ROOT / "data").rglob("*") if path.is_file())
        self.assertLess(total, 12e6)


if __name__ == "__main__":
    unittest.main()
