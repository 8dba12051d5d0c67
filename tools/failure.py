"""One way to fail: what happened, where, and the cure, as one line and an exit code, never a traceback.

Exit codes are the program's own: 2 usage or configuration, 3 data, 70 internal, 75 temporary (a full disk).
METALOOM_TRACEBACK=1 shows the traceback of an internal error, too.
"""

import argparse
import contextlib
import difflib
import errno
import io
import os
import sys
import traceback

USAGE = 2
DATA = 3
INTERNAL = 70
TEMPORARY = 75
CLOSED_PIPE = 141  # what a shell says of a program that SIGPIPE ended


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
    except BrokenPipeError:
        raise  # nobody reads any more: run() knows
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Failure("the file is larger than ulimit -f allows", where,
                          "Raise the limit with ulimit -f unlimited, then run it again", TEMPORARY) from None
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise Failure("too many open files", where, "Raise the limit with ulimit -n, then run it again",
                          TEMPORARY) from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
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


class Results(io.TextIOBase):
    """Standard output: what it refuses is a Failure, as for any other file, and never lost in silence."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def write(self, text):
        with self.written():
            return self.stream.write(text)

    def flush(self):
        with self.written():
            self.stream.flush()

    def fileno(self):
        return self.stream.fileno()

    @contextlib.contextmanager
    def written(self):
        try:
            if self.stream is None:  # closed before Python started
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"cannot write to it: {error.strerror}", "standard output",
                          "What was printed is incomplete: free some space, or send it elsewhere, and run this again",
                          TEMPORARY) from None


def complain(line):
    """One line on stderr, where somebody can read it."""
    if sys.stderr is not None:  # print(file=None) would put it among the results
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def nothing_more_to_write(stream):
    """What Python still holds for a stream that refused it would be tried again at exit, with another complaint."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(body):
    """Runs `body()`; ends the process with its code, a Failure or an internal error being one line on stderr."""
    stdout = sys.stdout
    try:
        with contextlib.redirect_stdout(Results(stdout)):
            code = body() or 0
            sys.stdout.flush()  # here, where a closed pipe or a full disk is noticed, and not at exit
    except Failure as failure:
        complain(f"metaloom: error: {failure}")
        code = failure.code
        if failure.where == "standard output":
            nothing_more_to_write(stdout)
    except KeyboardInterrupt:
        complain("metaloom: error: interrupted (by the keyboard). Run it again: what is finished is kept")
        code = TEMPORARY
    except BrokenPipeError:  # the reader (`| head`) has enough: no complaint, and none at exit about what is left
        nothing_more_to_write(stdout)
        code = CLOSED_PIPE
    except Exception as error:
        if os.environ.get("METALOOM_TRACEBACK") == "1":
            traceback.print_exc()
        complain(f"metaloom: error: internal: {type(error).__name__}: {one_line(error) or 'no message'} "
                 f"({place_of(error)}). Set METALOOM_TRACEBACK=1 to see the traceback, and report it")
        code = INTERNAL
    sys.exit(code)


def place_of(error):
    """Where it was raised: file and line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
