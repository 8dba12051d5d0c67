"""Files as spreadsheets, hubs, pandas and old machines write them: read as what they are, or refused with the right cure.

Each row's first words say what broke at 393860c: it was refused, read as something else, or blamed on something else.
"""

import gzip
import io
import json
import sys
import time
import types
import unittest
from unittest import mock

from scratch import CLASSIFICATION, StoreScratch

from tools.data.json_rows import json_array
from tools.data.rows import FileTable, column
from tools.failure import Failure

AB = [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}]
ARRAY = json.dumps(AB).encode()
LINES = b'{"text": "x", "label": "a"}\n{"text": "y", "label": "b"}\n'
CSV = b"text,label\nx,a\ny,b\n"

# what broke: (name of the file, its bytes); all of them hold the rows AB
READ = {
    "refused: an ending in capitals": ("rows.JSONL", LINES),
    "refused: .CSV": ("rows.CSV", CSV),
    "refused: .Csv.GZ": ("rows.Csv.GZ", gzip.compress(CSV)),
    "refused: .ndjson": ("rows.ndjson", LINES),
    "refused: .tab": ("rows.tab", CSV.replace(b",", b"\t")),
    "refused: gzip without its ending": ("rows.jsonl", gzip.compress(LINES)),
    "called damaged: a file unpacked on its way that kept .gz": ("rows.jsonl.gz", LINES),
    "refused: lines of U+00A0, form feed, zero-width space": ("rows.jsonl", "\u00a0\n\f\n\u200b\n".encode() + LINES),
    "refused: a mark of byte order in the middle, of files joined": ("rows.jsonl", LINES.replace(b"\n", b"\n\xef\xbb\xbf", 1)),
    "refused: Ctrl-Z at the end": ("rows.jsonl", LINES + b"\x1a"),
    "read before, too: CR-LF and no line end at the end": ("rows.jsonl", LINES.replace(b"\n", b"\r\n")[:-2]),
    "refused: an array of objects": ("rows.json", ARRAY),
    "refused: an array over many lines, called .jsonl": ("rows.jsonl", b"\xef\xbb\xbf" + json.dumps(AB, indent=1).encode()),
    "read as one column: semicolons": ("rows.csv", CSV.replace(b",", b";")),
    "read as one column: tabs in a .csv": ("rows.csv", CSV.replace(b",", b"\t")),
    "read as one column: commas in a .tsv": ("rows.tsv", CSV),
    "read as one column: bars": ("rows.csv", CSV.replace(b",", b"|")),
    "called a header: Excel's sep=": ("rows.csv", b"\xef\xbb\xbfsep=;\r\n" + CSV.replace(b",", b";").replace(b"\n", b"\r\n")),
    "refused: rows of empty cells": ("rows.csv", CSV + b",\r\n , \n"),
    "refused: empty cells at a row's end": ("rows.csv", CSV.replace(b"y,b", b"y,b,,")),
    "refused: a blank-looking line": ("rows.csv", CSV.replace(b"x,a", "\u00a0\nx,a".encode())),
    "read before, too: a mark before a quoted header": ("rows.csv", b'\xef\xbb\xbf"text","label"\nx,a\ny,b\n'),
}

# what was blamed wrongly, or not at all: (name of the file, its bytes, parts of the message)
REFUSED = {
    "iconv -f latin1: UTF-16": ("rows.csv", CSV.decode().encode("utf-16"), ["UTF-16", "iconv -f utf-16 -t utf-8"]),
    "iconv -f latin1: UTF-16 in gzip": ("rows.jsonl.gz", gzip.compress(LINES.decode().encode("utf-16")), ["UTF-16"]),
    "not JSON: UTF-16 without a mark": ("rows.jsonl", LINES.decode().encode("utf-16-le"), ["UTF-16", "iconv -f utf-16le"]),
    "iconv -f latin1: UTF-32": ("rows.jsonl", LINES.decode().encode("utf-32"), ["UTF-32", "iconv -f utf-32"]),
    "iconv -f latin1: quotes of Windows": ("rows.jsonl", LINES.replace(b"y", b"\x93y\x94"),
                                           ["iconv -f windows-1252", "line 2"]),
    "check the quotes: CR only": ("rows.csv", CSV.replace(b"\n", b"\r"), ["CR only", "tr '\\r' '\\n'"]),
    "not JSON: CR only": ("rows.jsonl", LINES.replace(b"\n", b"\r"), ["CR only", "tr '\\r' '\\n'"]),
    "check the quotes of the last line": ("rows.csv", CSV + b'"z,a\nu,b\nv,b\n', ["never closed", "line 4"]),
    "swallowed: a quote of the header that is never closed": ("rows.csv", b'"text,label\nx,a\ny,b\n',
                                                              ["never closed", "line 1"]),
    "swallowed: a quote of the header that a row closes": ("rows.csv", b'"text,label\n"x",a\n', ["bad CSV", "line 1"]),
    "CR only: one CR within a field": ("rows.csv", CSV + b"z\rz,a\n",
                                       ["a carriage return within a field", "remove the CR", "line 4"]),
    "a text in quotes: columns, by pandas": ("rows.json", b'{"text": {"0": "x", "1": "y"}, "label": {"0": "a", "1": "b"}}',
                                             ["columns, not rows", "orient='records'"]),
    "no cure: an object over many lines": ("rows.json", b'{\n "text": "x"\n}\n', ["jq -c ."]),
    "not UTF-8: a ZIP archive": ("rows.csv", b"PK\x03\x04\x14\0\0\0", ["a ZIP file", "Unpack it"]),
    "not UTF-8: Parquet": ("rows.json", b"PAR1\x15\x04", ["a Parquet file", "folder ="]),
    "no cure: a spreadsheet": ("rows.xlsx", b"PK", ["save it as CSV"]),
    "the last won: two columns of one name": ("rows.csv", b"text,label,text\nx,a,z\ny,b,z\n",
                                              ["two columns are called 'text'", "line 2"]),
    "the last won: a key twice": ("rows.jsonl", b'{"text": "x", "label": "a", "label": "b"}\n',
                                  ["two columns are called 'label'", "line 1"]),
    "not JSON: an array without an end": ("rows.json", ARRAY[:-1], ["an array without an end", "object 2"]),
    "not JSON: an array of texts": ("rows.json", b'["x"]', ["a JSON str, not an object", "object 1"]),
}


class FilesTest(StoreScratch):
    def test_files_that_are_read(self):
        for what, (name, content) in READ.items():
            with self.subTest(what):
                self.assertEqual([row for _, row in FileTable(self.write(name, content))], AB)

    def test_files_that_are_refused(self):
        for what, (name, content, parts) in REFUSED.items():
            with self.subTest(what):
                self.write(name, content)
                self.assert_one_clear_error(self.prepare(CLASSIFICATION + f'train = "{name}"\n'), 3, *parts)

    def test_numbers_of_any_kind_in_other_columns(self):
        """An integer of 5,000 digits in a column that nobody reads was an error."""
        row = b'{"text": "x", "label": "a", "a": NaN, "b": 1e400, "c": ' + b"9" * 5000 + b', "d": 1, "d": 2}\n'
        table = FileTable(self.write("rows.jsonl", row))
        for number, found in table:
            self.assertEqual((column(found, "text", table, number), column(found, "label", table, number)), ("x", "a"))

    def test_a_record_has_its_bytes(self):
        """For those who write a line again with an answer added."""
        lines = [b'\xef\xbb\xbf{"text": "x",  "n": 12345678901234567890123}\r\n', b'{"text": "y"}']
        table = FileTable(self.write("rows.jsonl", b"\r\n".join([lines[0][:-2], b" ", lines[1]])))
        self.assertEqual([(record.number, record.raw) for record in table.records()], [(1, lines[0]), (3, lines[1])])
        records = [b'"a\nb";u\r\n', b'"c ""d""";v']
        table = FileTable(self.write("rows.csv", b"\xef\xbb\xbftext;label\r\n" + records[0] + b";\r\n" + records[1]))
        found = list(table.records())
        self.assertEqual([(record.number, record.raw) for record in found], [(2, records[0]), (5, records[1])])
        self.assertEqual([record.row["text"] for record in found], ["a\nb", 'c "d"'])
        self.assertEqual((table.header.raw, table.header.names, table.header.separator),
                         (b"\xef\xbb\xbftext;label\r\n", ["text", "label"], ";"))
        table = FileTable(self.write("rows.json", b'[{"text":\n "x", "n": 1.50},\n {"text": "y"}]'))
        self.assertEqual([record.raw for record in table.records()], [b'{"text":  "x", "n": 1.50}\n', b'{"text": "y"}\n'])

    def test_a_quote_within_a_name_of_the_header(self):
        """It swallowed the rows up to the next quote."""
        table = FileTable(self.write("rows.csv", b'text,size 5" disk\nx,a\ny,b"\n'))
        self.assertEqual([row for _, row in table], [{"text": "x", 'size 5" disk': "a"},
                                                      {"text": "y", 'size 5" disk': 'b"'}])
        table = FileTable(self.write("rows.csv", b'sep=;\ntext;"size,\n5"";"\nx;a\n'))
        self.assertEqual([row for _, row in table], [{"text": "x", 'size,\n5";': "a"}])

    def test_what_is_never_closed_or_very_long_costs_no_square(self):
        """An open quote over many megabytes took minutes, and so did an object of as many."""
        lines = b"word word\n" * 1_000_000
        begun = time.process_time()
        cut = ARRAY[:-1] + b', {"text": "' + lines.replace(b"\n", b" ")
        for name, content, part in (("rows.csv", CSV + b'"' + lines, "line 4"), ("rows.json", cut, "object 3"),
                                    ("rows.csv", b'"text,label\n' + lines, "line 1")):
            with self.assertRaisesRegex(Failure, part):
                list(FileTable(self.write(name, content)))
        rows = [{"text": "x" * 20_000_000}]
        self.assertEqual([row for _, row in FileTable(self.write("rows.json", json.dumps(rows)))], rows)
        self.assertLess(time.process_time() - begun, 10)

    def test_a_bad_object_is_told_before_the_file_is_read(self):
        file = io.BytesIO(b'[{"text" "x"}' + b', {"text": "x"}' * 600_000 + b"]")
        with self.assertRaisesRegex(Failure, "not JSON.*object 1"):
            list(json_array(file, "object {}".format))
        self.assertLess(file.tell(), 4 << 20)

    def test_an_object_cut_at_any_byte_is_read_on(self):
        row = {"text": "x\u00e9\U0001f600\\", "a": -1.5e300, "b": [True, None, float("-inf"), {}], "c": 12345}
        content = json.dumps([row, row]).replace(", ", "  ,  ").encode()
        for size in range(1, len(content)):
            with mock.patch("tools.data.json_rows.BLOCK", size):
                self.assertEqual([found for _, _, found in json_array(io.BytesIO(content), str)], [row, row])

    def test_standard_input(self):
        for kind, content in ((None, LINES), (None, gzip.compress(ARRAY)), (".csv", CSV.replace(b",", b";"))):
            piped = types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(content)))
            with mock.patch.object(sys, "stdin", piped):
                self.assertEqual([row for _, row in FileTable("-", kind)], AB)
        with mock.patch.object(sys, "stdin", None), self.assertRaisesRegex(Failure, "standard input is closed"):
            list(FileTable("-"))

    def test_an_array_is_read_as_a_stream(self):
        rows = [{"text": "word " * (n % 700), "number": n} for n in range(4000)]
        for content in (json.dumps(rows), json.dumps(rows, indent=2)):
            file = self.write("rows.json", content)
            self.assertEqual([row for _, row in FileTable(file)], rows)

    def test_byte_order_marks_in_descriptions_and_splits(self):
        """Both were refused: Invalid statement; Unexpected UTF-8 BOM."""
        self.write("rows.csv", CSV)
        self.write("splits.json", b'\xef\xbb\xbf{"train": ["a"], "dev": ["b"]}\r\n')
        lines = ["[datasets.few]", 'family = "episodes"', 'data = "rows.csv"', 'splits = "splits.json"', ""]
        code, _, err = self.prepare("\ufeff" + "\r\n".join(lines))
        self.assertEqual(code, 0, err)
        self.assertEqual([len(self.store("few")[split]["labels"]) for split in ("train", "validation", "test")], [1, 1, 0])
        self.assert_one_clear_error(self.prepare("x = 1".encode("utf-16")), 2, "UTF-16", "iconv -f utf-16")


if __name__ == "__main__":
    unittest.main()
