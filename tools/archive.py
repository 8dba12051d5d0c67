"""The archive convention of docs/formats.md, written with h5py: a tree of tensors and texts in one HDF5 file.

Files appear whole or not at all: a temporary neighbour is written, flushed to the disk and renamed over the target.
"""

import contextlib
import fcntl
import json
import os
import tempfile

import h5py
import numpy as np

from tools.failure import Failure, system_errors

CHUNK_BYTES = 1 << 20
IMAGE_STEP = 1 << 22  # bytes by which an image in memory grows


@contextlib.contextmanager
def replacing(path):
    """Yields the path of a temporary neighbour of `path`, renamed over `path` if the body ends well, else removed."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    with system_errors(folder):
        os.makedirs(folder, exist_ok=True)
    with system_errors(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".part", dir=folder)
        os.fchmod(handle, 0o644)
        os.close(handle)
    try:
        yield temporary
        with system_errors(path):
            sync(temporary)
            os.replace(temporary, path)
            sync(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def only_start(folder, wait):
    """The folder, made if need be, for this start alone; `wait()` is called where another start is at work in it.

    Without it a file of one start could lie beside the manifest of another. Where the file system has no locks, each
    file still appears whole.
    """
    made = not os.path.isdir(folder)
    with system_errors(folder):
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
        if made:
            with contextlib.suppress(OSError):  # it stays unless it is empty
                os.rmdir(folder)


def sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text_file(path, text):
    with replacing(path) as temporary, system_errors(path), open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


@contextlib.contextmanager
def hdf5_writer(path, **options):
    """An open h5py file that becomes `path` when the body ends well.

    The file is built in memory and written by us: HDF5 1.10 takes a full disk for success and crashes at exit.
    """
    path = os.path.abspath(path)
    with h5py.File(path, "w", driver="core", backing_store=False, block_size=IMAGE_STEP, libver=("v110", "v110"),
                   **options) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with replacing(path) as temporary, system_errors(path), open(temporary, "wb") as out:
        out.write(image)


@contextlib.contextmanager
def hdf5_reader(path):
    with system_errors(path), open(path, "rb"):
        pass
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError:
        raise Failure("not an HDF5 file, or cut short", path, "Make it again") from None
    with file:
        yield file


def put_text(group, name, text):
    item = group.create_dataset(name, data=np.frombuffer(text.encode("utf-8"), dtype=np.uint8))
    item.attrs["text"] = 1


def put_checked_text(group, name, text):
    item = put_checked_tensor(group, name, np.frombuffer(text.encode("utf-8"), dtype=np.uint8))
    item.attrs["text"] = 1


def get_text(group, name):
    return bytes(group[name][()]).decode("utf-8")


def get_json(group, name):
    return json.loads(get_text(group, name))


def put_checked_tensor(group, name, array):
    """A tensor in chunks of about 1 MiB, each with HDF5's own checksum: for archives that are read, not mapped."""
    array = np.ascontiguousarray(array)
    if array.size == 0 or array.ndim == 0:
        return group.create_dataset(name, data=array)
    count = -(-array.nbytes // CHUNK_BYTES)
    rows = -(-array.shape[0] // min(count, array.shape[0]))  # equal chunks: the last one is stored whole, too
    return group.create_dataset(name, data=array, chunks=(rows, *array.shape[1:]), fletcher32=True)
