"""How a tool ends, whatever happens to it: the exit code, and one line instead of a traceback."""

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


if __name__ == "__main__":
    unittest.main()
