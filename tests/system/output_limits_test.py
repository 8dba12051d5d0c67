"""Output that cannot be written: a log ends and corrupts nothing, a result is never lost in silence."""

import json
import os
import subprocess
import unittest

from tests.system.program import ENVIRONMENT, PROGRAM, ROOT, SystemTest

TEMPORARY, CLOSED_PIPE = 75, 141
ONE_STAGE = ["steps=2", "data.max_length=24", "evaluate.before=false", "evaluate.batches=1", "evaluate.episodes=1",
             "comm.threads=1"]


class OutputLimits(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.exists("/dev/full") or os.path.isfile("/dev/full"):
            raise unittest.SkipTest("there is no /dev/full here")
        cls.folder = cls.place.folder
        cls.place.metaloom(*cls.muppet("good"))

    @classmethod
    def training(cls, run, *words):
        return cls.place.words("train", cls.place.empty, run, *ONE_STAGE, *words)

    @classmethod
    def muppet(cls, run):
        return cls.training(run, "method.name=muppet", 'data.datasets=["moods"]')

    def redirected(self, redirections, *words):
        """The exit code of the program and what the shell's own descriptor 9 got of it, as `2>&9` sends it."""
        script = f'exec "$0" "$@" {redirections}'
        done = subprocess.run(["bash", "-c", f'{{ {script}; }} 9>&1', str(PROGRAM), *map(str, words)], cwd=ROOT, text=True,
                              env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout

    def test_a_log_that_nobody_can_read_ends_no_training(self):
        """Ended with 134 and a core dump, or wrote progress lines into metrics.jsonl."""
        for name, redirections in [
            ("full", "2>/dev/full"),
            ("closed", "2>&-"),
            ("all closed", "<&- >&- 2>&-"),
            ("no input", "<&- 2>/dev/full"),
            ("no reader", "2> >(exec true)"),
            ("head", "2> >(head -1 >/dev/null)"),
        ]:
            with self.subTest(name):
                code, said = self.redirected(redirections, *self.muppet(name))
                self.assertEqual(0, code, said)
                lines = [json.loads(line) for line in (self.folder / name / "metrics.jsonl").read_text().splitlines()]
                self.assertEqual([1, 2], [line["step"] for line in lines if line["kind"] == "update"])
                self.assertIn("moods", (self.folder / name / "log.txt").read_text())

    def test_a_log_file_that_cannot_be_ends_no_training(self):
        """Ended the run with "cannot write the log"."""
        run = self.folder / "no-log"
        (run / "log.txt").mkdir(parents=True)
        output = self.place.metaloom(*self.muppet("no-log"))
        self.assertEqual(1, output.count("log.txt cannot be written"), output)
        self.assertTrue((run / "result.json").exists())

    def test_an_error_is_an_exit_code_where_nobody_can_read_it(self):
        """Ended with 134: the handler of errors threw one."""
        for redirections in ("2>/dev/full", "2>&-"):
            with self.subTest(redirections):
                self.assertEqual(2, self.redirected(redirections, "train", "nowhere.toml")[0])

    def results(self):
        """Each verb whose output is its result, with words that make it print."""
        run = self.folder / "good"
        yield ["--help"]
        yield ["--version"]
        yield ["train", "--help"]
        yield ["show", run / "config.toml"]
        yield ["plan", run / "config.toml"]
        yield ["inspect", run]
        yield ["verify", run]
        yield ["evaluate", run]
        yield ["report", run]
        yield ["data", "tests/data/tiny.toml", f"out={self.place.stores}", f"tokenizer={self.place.model}"]

    def check_lost(self, redirections, words):
        code, said = self.redirected(redirections + " 2>&9", *words)
        self.assertEqual(TEMPORARY, code, said)
        self.assertEqual(1, said.count("error:"), said)
        self.assertIn("standard output", said)
        self.assertNotIn("Traceback", said)

    def test_a_result_that_is_lost_is_an_error(self):
        """Ended with 0, as if somebody had got it."""
        for words in self.results():
            with self.subTest(words[0]):
                self.check_lost(">/dev/full", words)
        for words in (["--version"], ["verify", self.folder / "good"], ["report", self.folder / "good"]):
            with self.subTest("closed " + words[0]):
                self.check_lost(">&-", words)

    def test_labels_that_are_lost_are_an_error(self):
        """`predict ... >/dev/full` ended with 0; and with 134 where only the line about the accuracy was."""
        self.place.metaloom(*self.training("prompt", "method.name=metaprompting", 'data.datasets=["intents"]',
                                           "data.ways=3"))
        rows = [{"text": "play some music", "label": "music"}, {"text": "will it rain", "label": "weather"}]
        mine = self.folder / "mine.jsonl"
        mine.write_text("".join(json.dumps(row) + "\n" for row in rows))
        adapted = self.folder / "adapted"
        self.place.metaloom("adapt", self.folder / "prompt", f"data={mine}", f"out={adapted}", "comm.threads=1")
        self.check_lost(">/dev/full", ["predict", adapted, f"data={mine}"])

    def test_a_reader_that_has_enough_is_no_error(self):
        """Ended with "internal error: cannot write to file: Broken pipe"."""
        for words in (["show", self.folder / "good" / "config.toml", "show.rows=1000"], ["--help"]):
            with self.subTest(words[0]):
                code, said = self.redirected("2>&9 > >(exec true)", *words)
                self.assertIn(code, (0, CLOSED_PIPE))
                self.assertEqual("", said)


if __name__ == "__main__":
    unittest.main()
