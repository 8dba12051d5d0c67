"""What predict makes of its users' lines: every one comes back as it was, byte for byte, with its answer added.

Broke: an integer of 23 digits came back as a float, keys in another order, and only plain .jsonl files were read.
"""

import gzip
import json
import os
import re
import subprocess
import threading
import unittest

from tests.system.program import ENVIRONMENT, PROGRAM, ROOT, SystemTest

DATA, TEMPORARY = 3, 75
ANSWER = rb'"(?:music|weather)"'
PROBABILITY = rb"0\.[0-9]+(?:e-[0-9]+)?|1\.0"
ADDED = rb', "predicted": ' + ANSWER + rb', "probability": (?:' + PROBABILITY + rb")"

# What broke or would break, the line, and the same line with @ where something is added, if not before its last brace.
LINES = [
    ("an integer of 23 digits became a float", b'{"text": "play a song", "id": 12345678901234567890123}\n', None),
    ("an integer of 5,000 digits", b'{"text": "play a song", "id": ' + b"9" * 5000 + b"}\n", None),
    ("the order of keys was lost", b'{"z": 1, "text": "play a song", "a": 2}\n', None),
    ("spacing was lost", b'  { "text" :\t"play a song" ,"a":[1 , 2]}  \n', None),
    ("a space before the last brace", b'{"text": "play a song" }\n', b'{"text": "play a song"@ }\n'),
    ("numbers were spelled anew", b'{"text": "play a song", "a": [1.10, 1E5, -0.0, 1e-7]}\n', None),
    ("NaN in another field was refused", b'{"text": "play a song", "a": NaN, "b": -Infinity}\n', None),
    ("1e400 in another field was refused", b'{"text": "play a song", "a": 1e400}\n', None),
    ("of two equal keys one was lost", b'{"a": 1, "text": "play a song", "a": 2}\n', None),
    ("escapes were resolved", b'{"text": "pl\\u0061y a s\\u00f6ng \\/ \\ud83d\\ude00", "a": "\\u00e9"}\n', None),
    ("letters beyond ASCII", '{"text": "spiel ein Lied, bitte: größer 😀", "ä": "é"}\n'.encode(), None),
    ("half a surrogate pair in another field", b'{"text": "play a song", "a": "\\ud83d"}\n', None),
    ("CR-LF became LF", b'{"text": "play a song"}\r\n', None),
    ("braces within a text", b'{"text": "play } a song", "a": "}}"}\n', None),
    ("a nested object of the same names", b'{"text": "play a song", "a": {"predicted": 1, "probability": 2}}\n', None),
    ("blank-looking lines were refused", b"\xc2\xa0\x0c \n", b""),
    ("an empty line", b"\n", b""),
    ("predicted is there already", b'{"predicted" : [1, {"a": "}"}], "text": "play a song"}\n',
     b'{"predicted" : #, "text": "play a song", "probability": %}\n'),
    ("both are there already", b'{"probability":null,"text":"play a song","predicted":"x"}\n',
     b'{"probability":%,"text":"play a song","predicted":#}\n'),
    ("one is there twice, its name escaped", b'{"predicted": 1, "text": "play a song", "pr\\u0065dicted": 2, "probability": 0}\n',
     b'{"predicted": #, "text": "play a song", "pr\\u0065dicted": #, "probability": %}\n'),
    ("a label that the model has no word for", b'{"text": "play a song", "label": "\xf0\x9f\x98\x80"}\n', None),
    ("a label that is a list", b'{"text": "play a song", "label": ["a"]}\n', None),
    ("a label that is null", b'{"text": "play a song", "label": null}\n', None),
    ("a label that is there twice", b'{"text": "play a song", "label": "music", "label": "music"}\n', None),
    ("a right label", b'{"text": "play a song", "label": "music"}\n', None),
    ("the last line lost that it had no line end", b'{"text": "play a song"}', None),
]

# Tables: name, what broke, bytes, bytes expected (# the label, % the probability).
TABLES = [
    ("a.csv", "CSV was refused", b"text,n\nplay a song,1\nwill it rain,02\n",
     b"text,n,predicted,probability\nplay a song,1,#,%\nwill it rain,02,#,%\n"),
    ("b.csv", "quotes, line breaks, CR-LF, BOM, no last line end",
     b'\xef\xbb\xbf"text",n\r\n"play, a ""song""\r\nnow",1\r\n\r\n"rain",2',
     b'\xef\xbb\xbf"text",n,predicted,probability\r\n"play, a ""song""\r\nnow",1,#,%\r\n"rain",2,#,%'),
    ("c.csv", "a semicolon separates", b"n;text\n1;play, a song\n", b"n;text;predicted;probability\n1;play, a song;#;%\n"),
    ("d.csv", "predicted is there already", b"predicted,text,n\n,play a song,1\n\"a,b\",rain,2\n",
     b"predicted,text,n,probability\n#,play a song,1,%\n#,rain,2,%\n"),
    ("e.csv", "empty cells behind the last column", b"text,n\nplay a song,1,,\n",
     b"text,n,predicted,probability\nplay a song,1,#,%,,\n"),
    ("F.TSV", "capitals in an ending were refused", b'text\tn\nplay "a" song\t"1\n',
     b'text\tn\tpredicted\tprobability\nplay "a" song\t"1\t#\t%\n'),
]


def pattern(expected):
    """A regular expression for bytes with # for a label and % for a probability."""
    out = re.escape(expected)
    return out.replace(rb"\#", rb'"?(?:music|weather)"?').replace(rb"%", rb"(?:" + PROBABILITY + rb")")


def line_pattern(given, expected):
    if expected is None:
        at = given.rindex(b"}")
        expected = given[:at] + b"@" + given[at:]
    if b"@" in expected:
        before, after = expected.split(b"@")
        return re.escape(before) + ADDED + re.escape(after)
    return pattern(expected)


class PredictLines(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder
        cls.adapted = cls.folder / "adapted"
        few = cls.folder / "few.jsonl"
        few.write_text('{"text": "play a song", "label": "music"}\n{"text": "will it rain", "label": "weather"}\n')
        cls.place.metaloom("adapt", cls.place.few_shot_stage(), f"data={few}", f"out={cls.adapted}")

    def written(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def predict(self, *words, given=b"", code=0):
        done = self.place.run("predict", self.adapted, *words, given=given)
        self.assertEqual(code, done.returncode, done.stderr.decode())
        return done.stdout, done.stderr.decode()

    def test_lines_come_back_as_they_were(self):
        content = b"\xef\xbb\xbf" + b"".join(given for _, given, _ in LINES)
        printed, said = self.predict(f"data={self.written('lines.jsonl', content)}")
        self.assertTrue(printed.startswith(b"\xef\xbb\xbf"), "the byte-order mark was lost")
        rest = printed.removeprefix(b"\xef\xbb\xbf")
        for what, given, expected in LINES:
            with self.subTest(what):
                found = re.match(line_pattern(given, expected), rest)
                self.assertTrue(found, rest[:300])
                rest = rest[found.end():]
        self.assertEqual(b"", rest)
        self.assertIn("'predicted' is a column already: its values are replaced", said)
        self.assertIn("'probability' is a column already", said)
        self.assertRegex(said, r"accuracy (100|0)\.0 % \([01] of 1 lines with a label\)")
        self.assertIn("3 lines carry labels that the model does not know", said)
        for given, out in ((f"out={self.folder / 'lines-out.jsonl'}", "lines-out.jsonl"), ("data=-", None)):
            words = [given] if out is None else [f"data={self.folder / 'lines.jsonl'}", given]
            again, _ = self.predict(*words, given=content)
            self.assertEqual(printed, again if out is None else (self.folder / out).read_bytes(), given)

    def test_tables_get_two_columns(self):
        for name, what, given, expected in TABLES:
            with self.subTest(what):
                printed, said = self.predict(f"data={self.written(name, given)}")
                self.assertRegex(printed, rb"\A" + pattern(expected) + rb"\Z")
                self.assertEqual("already" in what, "is a column already" in said)

    def test_packed_data_and_packed_output(self):
        """.gz was refused."""
        given = self.written("packed.csv.GZ", gzip.compress(TABLES[0][2]))
        out = self.folder / "out.csv.gz"
        printed, _ = self.predict(f"data={given}")
        self.assertRegex(printed, rb"\A" + pattern(TABLES[0][3]) + rb"\Z")
        self.predict(f"data={given}", f"out={out}")
        self.assertEqual(printed, gzip.decompress(out.read_bytes()))

    def test_columns_by_their_names(self):
        given = self.written("columns.jsonl", b'{"a": {"b": "play a song"}, "stars": "music"}\n')
        printed, said = self.predict(f"data={given}", "text=a.b", "label=stars")
        self.assertIn(b'{"a": {"b": "play a song"}, "stars": "music", "predicted"', printed)
        self.assertIn("(1 of 1" if b'"predicted": "music"' in printed else "(0 of 1", said)
        _, said = self.predict(f"data={given}", "text=a.b", "label=other")
        self.assertIn('no line carries a label in the column "other"', said)
        _, said = self.predict(f"data={given}", code=DATA)
        self.assertIn("no column 'text'", said)
        self.assertIn("text=COLUMN", said)

    def test_rows_before_a_bad_one_are_written(self):
        rows = [b'{"text": "play a song", "n": %d}\n' % n for n in range(200)]
        for what, bad in (("not JSON", b"{oops\n"), ("zero tokens", b'{"text": " "}\n'), ("no column 'text'", b'{"n": 1}\n')):
            with self.subTest(what):
                given, out = self.written("bad.jsonl", b"".join(rows) + bad + rows[0]), self.folder / "never.jsonl"
                printed, said = self.predict(f"data={given}", code=DATA)
                self.assertEqual(200, printed.count(b'"predicted"'))
                self.assertIn("line 201", said)
                self.assertEqual(1, said.count("metaloom: error:"), said)
                self.predict(f"data={given}", f"out={out}", code=DATA)
                self.assertEqual([], [path.name for path in self.folder.iterdir() if "never" in path.name])

    def test_output_that_is_lost_is_an_error(self):
        """Ended with 0."""
        given = self.written("short.jsonl", LINES[0][1])
        words = [PROGRAM, "predict", self.adapted, f"data={given}"]
        with open("/dev/full", "wb") as full:
            done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertEqual(1, done.stderr.count(b"metaloom: error:"), done.stderr)
        said = self.place.metaloom("predict", self.adapted, f"data={given}", "out=/dev/full", code=TEMPORARY)
        self.assertEqual(1, said.count("No space left"), said)
        self.assertEqual(0o20666, os.stat("/dev/full").st_mode, "it must not be replaced by a file")
        closed = subprocess.run(["bash", "-c", 'exec "$@" >&-', "bash", *words], cwd=ROOT, env=ENVIRONMENT,
                                stderr=subprocess.PIPE, check=False)
        self.assertNotEqual(0, closed.returncode)
        self.assertEqual(1, closed.stderr.count(b"metaloom: error:"), closed.stderr)

    def test_answers_come_while_the_input_pauses(self):
        """Nothing came before the input ended."""
        process = subprocess.Popen([PROGRAM, "predict", self.adapted, "data=-"], cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        killer = threading.Timer(240, process.kill)
        killer.start()
        try:
            for number in range(3):
                process.stdin.write(b'{"text": "play a song", "n": %d}\n' % number)
                process.stdin.flush()
                self.assertEqual(number, json.loads(process.stdout.readline())["n"])
            process.stdin.close()
            self.assertEqual(b"", process.stdout.read())
            self.assertEqual(0, process.wait(), process.stderr.read())
        finally:
            killer.cancel()
            process.kill()
            process.stdout.close()
            process.stderr.close()


if __name__ == "__main__":
    unittest.main()
