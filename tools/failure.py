"""One way to fail: what happened, where, and the cure, as one line and an exit code, never a traceback.

Exit codes are the program's own: 2 usage or configuration, 3 data, 70 internal, 75 temporary (a full disk).
"""

import argparse
import contextlib
import difflib
import errno
import sys

USAGE = 2
DATA = 3
TEMPORARY = 75


class Failure(Exception):
    """An error that its reader can act on."""

    def __init__(self, what, where, cure, code=DATA):
        super().__init__(what, where, cure, code)  # all of them, so that it survives pickling between processes
        self.what, self.where, self.cure, self.code = what, where, cure, code

    def __str__(self):
        return f"{one_line(self.what)} ({one_line(self.where)}). {one_line(self.cure)}"


class Arguments(argparse.ArgumentParser):
    """argparse whose complaints look like all others."""

    def error(self, message):
        raise Failure(message, "command line", f"See {self.prog} --help", USAGE)


def one_line(text):
    return " ".join(str(text).split())


def known_list(names, limit=12):
    """'a, b, c', cut short when there are many."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:limit])
    return shown + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def did_you_mean(word, known):
    """'did you mean X? Known: ...', for a name that is not among the known ones."""
    near = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=0.5)
    return (f"Did you mean '{near[0]}'? " if near else "") + f"Known: {known_list(known)}"


@contextlib.contextmanager
def system_errors(where):
    """Turns what the operating system refuses into a Failure that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Failure("no space left on the disk", where, "Free some space, then run it again",
                          TEMPORARY) from None
        if error.errno == errno.ENOENT:
            raise Failure("no such file or folder", where, "Check the path") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Failure("permission denied", where,
                          "Check the owner and the mode, or choose another path") from None
        if error.errno is None:
            raise
        raise Failure(error.strerror or str(error), where, "Check the path and the disk") from None


def run(body):
    """Runs `body()`; ends the process with its code, a Failure being one line on stderr."""
    try:
        code = body() or 0
    except Failure as failure:
        print(f"metaloom: error: {failure}", file=sys.stderr, flush=True)
        code = failure.code
    except KeyboardInterrupt:
        print("metaloom: error: interrupted (by the keyboard). Run it again: what is finished is kept",
              file=sys.stderr)
        code = TEMPORARY
    sys.exit(code)
