"""The folder of an export, under its name as a whole or not at all; nothing that is not an export is ever written over."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import tempfile

from tools.archive import sync
from tools.failure import USAGE, Failure, known_list, system_errors

# What an export writes: another folder of the same names may be replaced, one with anything else may not.
OURS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|metaloom\.safetensors|README\.md|"
                  r"(generation_|tokenizer_)?config\.json|tokenizer\.json|special_tokens_map\.json|chat_template\.jinja")
ANOTHER = "Give another one with out=FOLDER"
AT_WORKING_FOLDER, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def check_out(out, overwrite):
    """Failure unless `out` is free, or an earlier export that may be replaced."""
    out = pathlib.Path(out)
    if not os.path.lexists(out):
        return
    if not out.is_dir() or out.is_symlink():
        raise Failure("this is no folder", out, ANOTHER, USAGE)
    with system_errors(out):
        content = sorted(os.listdir(out))
    if content and "config.json" not in content:
        raise Failure("a folder that holds something else than a model", out, ANOTHER, USAGE)
    if content and not overwrite:
        raise Failure("this folder holds a model already", out, f"{ANOTHER}, or say overwrite=true", USAGE)
    foreign = [name for name in content if not OURS.fullmatch(name) or not (out / name).is_file() or (out / name).is_symlink()]
    if foreign:
        raise Failure(f"beside a model this folder holds what no export writes, and overwrite would delete it: "
                      f"{known_list(foreign, 4)}", out, f"{ANOTHER}, or move those away", USAGE)


@contextlib.contextmanager
def replacing_folder(out, overwrite):
    """Yields a folder beside `out`, which takes its place if the body ends well, and else is removed.

    What lies at `out` by then is looked at again. An earlier export and the new one change names in one step where the
    system can; where it cannot, a kill between two steps leaves the earlier one beside `out`, as .NAME.*.old.
    """
    out = pathlib.Path(os.path.abspath(out))
    with system_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        made = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        yield made
        with system_errors(out):
            for path in made.iterdir():
                path.chmod(0o644)
                sync(path)
            made.chmod(0o755)
            sync(made)
            check_out(out, overwrite)
            put_in_place(made, out, overwrite)
            sync(out.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put_in_place(made, out, overwrite):
    """What was at `out` is at `made` or nowhere afterwards."""
    try:
        made.rename(out)  # over nothing, or an empty folder
        return
    except OSError:
        if not out.is_dir():
            raise
    exchanged = exchange(made, out)
    aside = made if exchanged else made.with_suffix(".old")
    if not exchanged:
        out.rename(aside)
    try:
        check_out(aside, overwrite)  # another may have come in since the look at it
        if not exchanged:
            made.rename(out)
    except BaseException as error:
        if exchanged:
            exchange(made, out)
        else:
            aside.rename(out)
        if isinstance(error, Failure):
            raise Failure(error.what, out, error.cure, error.code) from None
        raise
    if not exchanged:
        aside.rename(made)


def exchange(one, other):
    """Whether the two folders changed names, in one step; not every system and not every file system can."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return call(AT_WORKING_FOLDER, os.fsencode(one), AT_WORKING_FOLDER, os.fsencode(other), EXCHANGE) == 0
