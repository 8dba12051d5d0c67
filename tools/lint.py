"""python -m tools.lint format|format-write|tidy|tidy-all [--build DIR]

format checks every C++ file with clang-format; format-write rewrites them. tidy runs clang-tidy on the source files
that changed since the merge base with origin/main (or since the commit before, where there is no such branch), headers
through the files that include them; tidy-all on every one. A file that passed is not looked at again until it, a header
of the project it includes, or .clang-tidy changes (.cache/tidy remembers)."""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ["core", "comm", "sampler", "models", "methods", "worker", "checkpoints", "launcher", "bench", "tests"]
TIDIED = FOLDERS[:-2]  # tests and benchmarks are formatted; tidying gtest's macros costs more than it finds
SKIPPED = 77


def cpp_files(folders, suffixes):
    return sorted(f for folder in folders for f in (ROOT / folder).rglob("*") if f.suffix in suffixes)


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def need(program):
    if shutil.which(program) is None:
        sys.exit(f"lint: {program} is not installed (make setup installs it)")


def check_format(write):
    need("clang-format")
    files = [str(f) for f in cpp_files(FOLDERS, {".h", ".cpp"})]
    result = run("clang-format", *(["-i"] if write else ["--dry-run", "-Werror"]), *files)
    sys.stderr.write(result.stderr[-8000:])
    print(f"lint: clang-format on {len(files)} files: {'failed, `make format` cures it' if result.returncode else 'clean'}")
    return result.returncode


def changed_files():
    """Files that differ from where the branch began, uncommitted and untracked ones included; None without git."""
    if shutil.which("git") is None or run("git", "rev-parse", "HEAD").returncode != 0:
        return None
    base = run("git", "merge-base", "origin/main", "HEAD").stdout.strip()
    head = run("git", "rev-parse", "HEAD").stdout.strip()
    if not base or base == head:
        base = run("git", "rev-parse", "--verify", "-q", "HEAD~1").stdout.strip()
    if not base:
        base = run("git", "hash-object", "-t", "tree", "/dev/null").stdout.strip()
    print(f"lint: clang-tidy on what changed since {base[:12]}")
    names = run("git", "diff", "--name-only", base).stdout + run("git", "ls-files", "-o", "--exclude-standard").stdout
    return {ROOT / name for name in names.split("\n") if name}


def dependencies(build):
    """Source file -> the project's files it was compiled from, as the compiler told ninja."""
    found, current = {}, None
    ours = tuple(os.path.join(ROOT, folder, "") for folder in FOLDERS)
    for line in run("ninja", "-C", str(build), "-t", "deps").stdout.splitlines():
        if not line.startswith(" "):
            current = None
            continue
        path = os.path.normpath(os.path.join(build, line.strip()))
        if path.startswith(ours):
            if current is None:  # the first one is the source itself
                current = found.setdefault(pathlib.Path(path), [])
            current.append(pathlib.Path(path))
    return found


def commands_without_precompiled(build, folder):
    """A folder with the build's compile commands less what belongs to gcc's precompiled header: clang cannot read it,
    and without it a file shows whether it includes what it uses."""
    commands = json.loads((build / "compile_commands.json").read_text())
    for command in commands:
        command["command"] = re.sub(r" (-Winvalid-pch|-fpch-preprocess|-include \S*cmake_pch\.hxx)", "", command["command"])
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(commands))
    return folder


def tidy(everything, build):
    need("clang-tidy")
    if not (build / "compile_commands.json").exists():
        sys.exit(f"lint: no {build}/compile_commands.json: build first (make build)")
    needs = dependencies(build)
    files = [f for f in cpp_files(TIDIED, {".cpp"}) if f in needs]
    if not everything:
        changed = changed_files()
        if changed is None:
            print("lint: SKIPPED clang-tidy on changed files: this is no git checkout; `make lint` looks at all of them")
            return SKIPPED
        files = [f for f in files if changed & {f, *needs[f]}]
    settings = (ROOT / ".clang-tidy").read_bytes() + run("clang-tidy", "--version").stdout.encode()
    keys = {f: tidy_key(f, needs[f], settings) for f in files}
    passed = ROOT / ".cache" / "tidy"
    passed.mkdir(parents=True, exist_ok=True)
    database = commands_without_precompiled(build, passed / "commands")
    todo = [f for f in files if not (passed / keys[f]).exists()]
    print(f"lint: clang-tidy on {len(todo)} of {len(files)} files ({len(files) - len(todo)} passed before)", flush=True)

    def one(file):
        result = run("clang-tidy", "-p", str(database), "--quiet", str(file))
        if result.returncode == 0:
            (passed / keys[file]).touch()
        else:
            sys.stderr.write(result.stdout + (result.stderr if not result.stdout else ""))
        return result.returncode

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = sum(code != 0 for code in pool.map(one, todo))
    print(f"lint: clang-tidy: {failed} of {len(files)} files failed" if failed else "lint: clang-tidy: clean")
    return int(failed > 0)


def tidy_key(file, needed, settings):
    digest = hashlib.sha256(settings)
    for path in sorted({file, *needed}):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["format", "format-write", "tidy", "tidy-all"])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    if options.what.startswith("format"):
        return check_format(write=options.what == "format-write")
    return tidy(options.what == "tidy-all", options.build.resolve())


if __name__ == "__main__":
    sys.exit(main())
