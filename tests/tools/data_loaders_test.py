"""Every way to give the same rows gives the same store: JSON Lines, gzip, CSV, TSV, Hugging Face folders."""

import gzip
import os
import unittest
from unittest import mock

from scratch import CLASSIFICATION, FILES, ROWS, StoreScratch


class LoadersTest(StoreScratch):
    """The same rows from JSON Lines, gzip, CSV, TSV and Hugging Face folders."""

    def arrays(self, description, name="mood"):
        code, _, err = self.prepare(description)
        self.assertEqual(code, 0, err)
        store = self.store(name)
        return store["meta"]["labels"], {s: {k: v.tolist() for k, v in store[s].items()} for s in ROWS}

    def expected(self):
        self.write_rows()
        return self.arrays(CLASSIFICATION + FILES)

    def separated(self, separator, quote):
        for split, rows in ROWS.items():
            lines = [separator.join(quote(row[key]) for key in ("label", "text")) for row in rows]
            self.write(f"{split}.x", "\n".join([separator.join(("label", "text")), *lines]) + "\n")

    def test_gzip(self):
        expected = self.expected()
        for split in ROWS:
            (self.folder / f"{split}.jsonl.gz").write_bytes(gzip.compress((self.folder / f"{split}.jsonl").read_bytes()))
        self.assertEqual(self.arrays(CLASSIFICATION + FILES.replace(".jsonl", ".jsonl.gz")), expected)

    def test_csv_with_quotes_and_a_byte_order_mark(self):
        expected = self.expected()
        self.separated(",", lambda text: '"' + text.replace('"', '""') + '"')
        for split in ROWS:
            self.write(f"{split}.csv", b"\xef\xbb\xbf" + (self.folder / f"{split}.x").read_bytes())
        self.assertEqual(self.arrays(CLASSIFICATION + FILES.replace(".jsonl", ".csv")), expected)

    def test_tsv_takes_quotes_as_letters(self):
        expected = self.expected()
        self.separated("\t", lambda text: text)
        for split in ROWS:
            (self.folder / f"{split}.x").rename(self.folder / f"{split}.tsv")
        self.assertEqual(self.arrays(CLASSIFICATION + FILES.replace(".jsonl", ".tsv")), expected)

    def hugging_face(self):
        import datasets

        datasets.disable_progress_bars()
        names = sorted({row["label"] for row in ROWS["train"]})
        features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
        return datasets.DatasetDict({split: datasets.Dataset.from_list(rows, features=features)
                                     for split, rows in ROWS.items()})

    def test_hugging_face_folders_and_hub_names(self):
        expected, loaded = self.expected(), self.hugging_face()
        loaded.save_to_disk(self.folder / "saved")
        (self.folder / "parquet").mkdir()
        for split, table in loaded.items():
            table.to_parquet(self.folder / "parquet" / f"{split}.parquet")
        (self.folder / "texts").mkdir()
        for split in ROWS:
            (self.folder / "texts" / f"{split}.jsonl").write_bytes((self.folder / f"{split}.jsonl").read_bytes())
        with mock.patch.dict(os.environ, {"HF_DATASETS_CACHE": str(self.folder / "cache")}), \
                mock.patch("datasets.config.HF_DATASETS_CACHE", str(self.folder / "cache")):
            for folder in ("saved", "parquet", "texts"):
                with self.subTest(folder):
                    self.assertEqual(self.arrays(CLASSIFICATION + f'folder = "{folder}"\n'), expected)
        with mock.patch("datasets.load_dataset", return_value=loaded) as load:
            self.assertEqual(self.arrays(CLASSIFICATION + 'hub = "who/what"\nconfig = "small"\n'), expected)
            load.assert_called_once_with("who/what", "small")
            self.assertIn("unchanged", self.prepare(CLASSIFICATION + 'hub = "who/what"\nconfig = "small"\n')[1])

    def test_nested_choices_and_named_answers(self):
        self.write("mc.jsonl", [{"q": {"stem": "pick"}, "choices": {"label": ["1", "2"], "text": ["x", "y"]}, "key": "2"}])
        self.write("wide.csv", 'context,end0,end1,answer\npick,x,y,1\n')
        nested = self.arrays('[datasets.mc]\nfamily = "multiple_choice"\ntrain = "mc.jsonl"\ncontext = "q.stem"\n'
                             'choices = "choices.text"\nchoice_names = "choices.label"\nanswer = "key"\n', "mc")
        wide = self.arrays('[datasets.mc]\nfamily = "multiple_choice"\ntrain = "wide.csv"\n'
                           'choices = ["end0", "end1"]\n', "mc")
        self.assertEqual(nested, wide)
        self.assertEqual(nested[1]["train"]["labels"], [1])


if __name__ == "__main__":
    unittest.main()
