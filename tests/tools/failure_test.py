"""How a tool ends, whatever happens to it: the exit code, and one line instead of a traceback."""

import errno
import os
import subprocess
import sys
import types
import unittest
from unittest import mock

from made_run import make_run
from scratch import ROOT, ScratchTest, call

from tools.failure import Failure, system_errors


def raising(error):
    def main():
        raise error
    return types.SimpleNamespace(main=main)


def full_disk():
    with system_errors("out.h5"):
        raise OSError(28, "No space left on device")


# what happens: (the tool, its exit code, parts of its one line)
ENDS = {
    "nothing": (types.SimpleNamespace(main=lambda: None), 0, None),
    "a Failure": (raising(Failure("bad row", "a.jsonl, line 3", "Mend it")), 3, ["bad row (a.jsonl, line 3). Mend it"]),
    "a Failure of usage": (raising(Failure("bad key", "x.toml", "Mend it", 2)), 2, ["bad key (x.toml)"]),
    "a full disk": (types.SimpleNamespace(main=full_disk), 75, ["no space left on the disk (out.h5)"]),
    "the keyboard": (raising(KeyboardInterrupt()), 75, ["interrupted (by the keyboard)"]),
    "a mistake of ours": (raising(KeyError("tokens")), 70, ["internal: KeyError: 'tokens' (failure_test.py, line"]),
    "one of two lines": (raising(ValueError("one\ntwo")), 70, ["internal: ValueError: one two (", "METALOOM_TRACEBACK=1"]),
    "one without words": (raising(MemoryError()), 70, ["internal: MemoryError: no message ("]),
}


class Ends(ScratchTest):
    def test_every_end_has_its_code_and_at_most_one_line(self):
        for what, (program, code, parts) in ENDS.items():
            with self.subTest(what), mock.patch.dict(os.environ):
                os.environ.pop("METALOOM_TRACEBACK", None)
                result = call(program)
                if parts is None:
                    self.assertEqual(result, (code, "", ""))
                else:
                    self.assert_one_clear_error(result, code, *parts)

    def test_the_traceback_is_shown_to_those_who_ask(self):
        with mock.patch.dict(os.environ, METALOOM_TRACEBACK="1"):
            code, _, err = call(raising(KeyError("tokens")))
        self.assertEqual(code, 70)
        self.assertIn("Traceback (most recent call last)", err)
        self.assertIn("internal: KeyError", err.splitlines()[-1])

    def test_a_reader_that_has_enough_is_no_error(self):
        """As `python -m tools.report RUN | head -0`: the pipe is closed before the first line is written."""
        run = make_run(self.folder / "run")
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run([sys.executable, "-m", "tools.report", run], cwd=ROOT, stdout=writing,
                               stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        self.assertEqual((ended.returncode, ended.stderr), (141, ""))
        self.assertTrue((run / "report.html").exists())

    def test_a_result_that_is_lost_is_an_error(self):
        """Ended with "internal: OSError", or with 120 and a second complaint at exit; with 0 where it was closed."""
        run = make_run(self.folder / "run")
        for redirection in (">/dev/full", ">&-"):
            with self.subTest(redirection):
                ended = subprocess.run(["bash", "-c", f'exec "$0" -m tools.report "$1" {redirection}', sys.executable, run],
                                       cwd=ROOT, capture_output=True, text=True, check=False)
                self.assertEqual(75, ended.returncode, ended.stderr)
                self.assertEqual(1, len(ended.stderr.splitlines()), ended.stderr)
                self.assertIn("cannot write to it", ended.stderr)

    def test_an_error_that_nobody_can_read_keeps_its_code(self):
        for redirection in ("2>/dev/full", "2>&-"):
            with self.subTest(redirection):
                ended = subprocess.run(["bash", "-c", f'exec "$0" -m tools.report nowhere {redirection}', sys.executable],
                                       cwd=ROOT, capture_output=True, text=True, check=False)
                self.assertEqual((3, ""), (ended.returncode, ended.stdout))

    def test_limits_are_named(self):
        """A limit on file sizes was told as a full disk."""
        for number, cure in ((errno.EFBIG, "ulimit -f"), (errno.EMFILE, "ulimit -n")):
            with self.subTest(cure), self.assertRaises(Failure) as caught, system_errors("out.h5"):
                raise OSError(number, os.strerror(number))
            self.assertIn(cure, str(caught.exception))
            self.assertEqual(75, caught.exception.code)


if __name__ == "__main__":
    unittest.main()
