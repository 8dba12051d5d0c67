"""A model by its name on the Hugging Face hub: fetched into the hub's cache, or found there where there is no network.

Only what `import` reads is fetched: configuration, tokenizer, and the weights in one layout.
"""

import difflib
import errno
import os
import pathlib
import re
import sys

from tools.failure import DATA, TEMPORARY, Failure
from tools.model_folder import model_folder

NAME = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
TEXTS = ["config.json", "bert_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
         "added_tokens.json", "generation_config.json", "chat_template.jinja", "additional_chat_templates/*.jinja", "vocab.txt",
         "vocab.json", "merges.txt", "*.model"]
# The layouts that weights come in, the first one that a model has: (the file that tells, what belongs to it).
LAYOUTS = [("model.safetensors", ["model.safetensors"]),
           ("model.safetensors.index.json", ["model.safetensors.index.json", "model-*.safetensors"]),
           ("pytorch_model.bin", ["pytorch_model.bin"]),
           ("pytorch_model.bin.index.json", ["pytorch_model.bin.index.json", "pytorch_model-*.bin"])]


def source_folder(source):
    """(folder, words that tell where it is from) of a local folder, or else of a name on the hub."""
    if os.path.lexists(source) or not NAME.fullmatch(str(source)):
        folder = model_folder(source)
        return folder, f"folder {folder.resolve().name}"
    name, _, revision = str(source).partition("@")
    folder = pathlib.Path(snapshot(name, revision or None))
    return folder, f"hub {name}@{folder.name}"


def snapshot(name, revision):
    """The folder of the model in the hub's cache. Failures say what to do."""
    import huggingface_hub
    from huggingface_hub.errors import IncompleteSnapshotError

    huggingface_hub.logging.set_verbosity_error()  # what it would tell is in our one line
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    try:
        files = [file.rfilename for file in huggingface_hub.HfApi().model_info(name, revision=revision).siblings]
        patterns = TEXTS + next((fetched for told, fetched in LAYOUTS if told in files), ["model.safetensors"])
    except Exception as error:
        if not unreachable(error):
            raise failure_of(error, name, revision) from None
        patterns = None
    try:
        return huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns,
                                                 local_files_only=patterns is None)
    except IncompleteSnapshotError as error:  # what is there may do; what is lacking, its reader tells
        return error.snapshot_path
    except Exception as error:
        raise failure_of(error, name, revision) from None


def unreachable(error):
    """Whether nobody answered: no network, no such host, or told to stay offline."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    return isinstance(error, (OfflineModeIsEnabled, LocalEntryNotFoundError, ConnectionError, TimeoutError)) \
        or type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests", "urllib3")


def failure_of(error, name, revision):
    """The library's exception as one line: what it means, and what to do."""
    from huggingface_hub import constants, errors

    place, cache = f"{constants.ENDPOINT}/{name}", constants.HF_HUB_CACHE
    here = f"no folder {name} here"
    if isinstance(error, errors.HFValidationError):
        return Failure(f"{here}, and no name of the hub either", name, "A name there is NAME or OWNER/NAME")
    if isinstance(error, errors.GatedRepoError):
        return Failure("a model behind a gate: its owner wants to be asked", place,
                       "Accept its terms on that page, then run: hf auth login, or set HF_TOKEN")
    if isinstance(error, errors.RevisionNotFoundError):
        return Failure(f"the model has no revision {revision or 'main'}", place,
                       "Give a branch, a tag or a commit after the @; the page lists them")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.RepositoryNotFoundError) or status == 401:
        return Failure(f"{here}, and no such model on the hub, or a private one", place,
                       f"{near(name)}Check the path, or the name; for a private model run: hf auth login")
    if unreachable(error):
        at = f"{name}@{revision}" if revision else name
        return Failure(f"{here}, {at} is not in the cache, and the hub cannot be reached", cache,
                       f"{near(name)}Where there is a network, run: hf download {name} --local-dir FOLDER, copy that folder "
                       "and give its path, or set HF_HOME to a cache that has it")
    if status:
        return Failure(f"the hub answered with code {status}", place, "Try again later", TEMPORARY)
    if isinstance(error, OSError) and error.errno:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Failure(f"the cache cannot be written: {os.strerror(error.errno)}", cache,
                       f"{'Free some space' if full else 'Make it writable'}, or set HF_HOME to another folder",
                       TEMPORARY if full else DATA)
    return Failure(f"huggingface_hub failed: {type(error).__name__}: {error}", place,
                   f"Download the model by other means (hf download {name} --local-dir FOLDER) and give its folder")


def near(name):
    """'Did you mean FOLDER? ', where a folder nearby is called almost so."""
    parent = pathlib.Path(name).parent
    if not parent.is_dir():
        return ""
    folders = sorted(path.name for path in parent.iterdir() if path.is_dir())
    if not difflib.get_close_matches(pathlib.Path(name).name, folders, n=1, cutoff=0.7):
        return ""
    return f"Did you mean the folder '{parent / difflib.get_close_matches(pathlib.Path(name).name, folders, n=1)[0]}'? "
