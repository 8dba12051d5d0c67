"""The rules of docs/architecture.md that a machine can check: include arrows, owners of third-party headers, sizes,
names. `violations(root)` returns one line per offence, each with the file, the line and the cure."""

import ast
import pathlib
import re

# Layers: a folder may include headers of itself and of these.
MAY_INCLUDE = {
    "core": set(),
    "comm": {"core"},
    "sampler": {"core"},
    "models": {"core"},
    "checkpoints": {"core"},
    "methods": {"core", "models", "sampler"},
    "worker": {"core", "methods", "sampler", "comm", "checkpoints"},
}
SEES_EVERYTHING = {"launcher", "bench", "tests"}
# Rooms of a layer, lowest first: a room may include headers of itself and of these of its layer; "" is the layer's own
# folder, and a room below a room stands for itself. A layer without a line here has no rooms.
ROOMS = {
    "core": {"": set(), "files": {""}, "log": {"", "files"}, "archive": {"", "files"}, "config": {"", "files"}},
    "comm": {"roll_call": set(), "": {"roll_call"}},
    "sampler": {"": set(), "store": {""}, "families": {"", "store"}, "mix": {"", "store", "families"}},
    "models": {"weights": set(), "tokenizers": set(), "": {"weights", "tokenizers"}, "layers": {"", "weights"},
               "backbones": {"", "weights", "layers"}, "generation": {"", "weights"}},
    "methods": {"": set(), "measures": {""}, "cloze": {""}, "meta/inner": {""}, "meta/scopes": {"", "cloze", "meta/inner"},
                "meta": {"", "meta/inner"}, "meta/rules": {"", "meta", "meta/inner"},
                "metaprompting": {"", "cloze", "meta", "meta/inner", "meta/scopes"},
                "muppet": {"", "cloze"}, "mlm": {"", "cloze"}, "spt": {"", "cloze"}},
    "worker": {"optimizer": set(), "reduction": {"optimizer"}, "report": set(), "evaluation": {"report"},
               "": {"optimizer", "reduction", "report", "evaluation"}},
    "launcher": {"process": set(), "config": set(), "stage": {"config", "process"}, "texts": {"process", "stage"},
                 "verbs": {"process", "config", "stage", "texts"}, "": {"process", "verbs"}},
}
CODE_FOLDERS = [*MAY_INCLUDE, *sorted(SEES_EVERYTHING)]

# Third-party headers that belong to one file, by what that file is for.
OWNERS = {
    r"hdf5\.h|H5\w*\.h|hdf5/.*": r"core/archive/hdf5\.h",
    r"mpi\.h": r"comm/mpi(_world|_transfers)?\.cpp|comm/mpi_transfers\.h",
    r"nccl\.h": r"comm/nccl\.cpp",
    r"toml\+\+/.*|toml\.hpp": r"core/config/content\.h",
    r"utf8proc\.h": r"models/tokenizers/normal_forms\.cpp",
    r"xxhash\.h": r"core/digest\.cpp",
    r"zlib\.h": r"core/files/file_writer\.cpp",
    r"nlohmann/.*": r"core/json\.h",
    r"gtest/.*|gmock/.*|rapidcheck.*": r"tests/.*",
    r"benchmark/.*": r"bench/.*",
    r"torch/torch\.h|torch/extension\.h|torch/all\.h": r"(nobody: 12-20 s a file)",
}
# Headers of ours that show a third-party library, and who alone may see them.
PRIVATE_HEADERS = {
    "core/archive/hdf5.h": r"core/archive/\w+\.(cpp|h)",
    "core/config/content.h": r"core/config/\w+\.cpp",
    "comm/mpi_transfers.h": r"comm/mpi\w*\.cpp",
}
EVERYWHERE = re.compile(r"(ATen|c10|spdlog|fmt)/.*|torch/csrc/autograd/.*|torch/library\.h")
# Of the C library and POSIX, as far as they are used; everything else in angle brackets has to be an owner's or standard C++.
SYSTEM = re.compile(r"(fcntl|limits|malloc|poll|sched|stdlib|time|unistd|sys/(auxv|mman|mount|resource|stat|syscall|wait))\.h")
CUDA = re.compile(r"cuda\w*\.h|cublas\w*\.h")

# The names of the system's clocks and waits. Who is not the clock itself asks the one that it was given; tests and bench
# measure by what they like.
TIME = re.compile(r"steady_clock|system_clock|high_resolution_clock|sleep_(for|until)\b|\b(u|nano)sleep\s*\(|clock_gettime"
                  r"|gettimeofday|\bwait_(for|until)\s*\(\s*lock|std::async|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")
TIME_OWNER = "core/clock.cpp"

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
FORBIDDEN_STEMS = {"utils", "util", "common", "helpers", "helper", "misc"}
FORBIDDEN_FOLDERS = FORBIDDEN_STEMS | {"src", "include"}
FORBIDDEN_TYPE = re.compile(r"\w+(Manager|Helper|Impl|Base)|I[A-Z][a-z]\w*")
SKIPPED_FOLDERS = {".git", ".venv", ".cache", "runs", "__pycache__", ".ccache"}


def source_files(root):
    """Code files below root, without what is built, installed or cached."""
    suffixes = {".h", ".cpp", ".py", ".sh", ".cmake"}
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name not in SKIPPED_FOLDERS and not path.name.startswith("build"):
            for file in sorted(path.rglob("*")):
                if file.is_file() and file.suffix in suffixes and "__pycache__" not in file.parts:
                    yield file
        elif path.is_file() and path.suffix in suffixes:
            yield path


def room_of(name):
    """The room of a file: the deepest one around it, "" where it lies in its layer's own folder."""
    layer, *folders = name.split("/")[:-1]
    for depth in range(len(folders), 1, -1):
        room = "/".join(folders[:depth])
        if room in ROOMS.get(layer, {}):
            return room
    return folders[0] if folders else ""


def room_may_include(folder, room, other):
    rooms = ROOMS.get(folder)
    return rooms is None or room == other or (room in rooms and other in rooms[room])


def check_include(name, folder, quoted, header):
    """One #include of the file `name` (relative to the root, in top-level folder `folder`)."""
    for pattern, owner in OWNERS.items():
        if re.fullmatch(pattern, header):
            if not re.fullmatch(owner, name):
                yield f"<{header}> belongs to {owner}: go through what that file offers"
            return
    if quoted:
        target = header.split("/")[0]
        if "/" not in header or target not in CODE_FOLDERS:
            yield f'"{header}" is not a path from the project\'s root'
        elif folder not in SEES_EVERYTHING and target != folder and target not in MAY_INCLUDE.get(folder, set()):
            yield f'{folder}/ must not see {target}/ ("{header}"): arrows only point down the layers'
        elif target == folder and not room_may_include(folder, room_of(name), room_of(header)):
            yield f'{folder}/{room_of(name)} must not see {folder}/{room_of(header)} ("{header}"): rooms are in ROOMS'
        elif header in PRIVATE_HEADERS and not re.fullmatch(PRIVATE_HEADERS[header], name):
            yield f'"{header}" shows a third-party library to {PRIVATE_HEADERS[header]} only'
    elif CUDA.fullmatch(header):
        if folder not in {"comm", "launcher", "bench", "tests"}:
            yield f"<{header}> is for comm/ and launcher/: only they know that there are devices"
    elif not (EVERYWHERE.fullmatch(header) or SYSTEM.fullmatch(header) or re.fullmatch(r"\w+", header)):
        yield f"<{header}> has no owner: name one file for it in tests/house/house_rules.py"


def check_cpp_functions(lines):
    """Functions, best effort: clang-format starts one at depth 0 or 1 and puts its last brace under its first letter."""
    start = candidate = None
    no_function = re.compile(r"namespace|struct|class|enum|union|extern|//|#|public|private|protected|\}")
    for number, line in enumerate(lines, 1):
        if start is not None:
            if line.startswith(indent + "}"):
                if number - start + 1 > MAX_FUNCTION_LINES:
                    yield start, f"a function of {number - start + 1} lines, over {MAX_FUNCTION_LINES}"
                start = candidate = None
            continue
        first = re.match(r"( {0,2})\S", line)
        if first and candidate is None and not no_function.match(line.strip()):
            candidate = number
            indent = first[1]
        if candidate is not None and line.endswith(";"):
            candidate = None
        elif candidate is not None and line.endswith("{"):
            start = candidate if "(" in "".join(lines[candidate - 1 : number]) else None
            candidate = None


def check_cpp(name, text):
    folder = name.split("/")[0]
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if include:
            for problem in check_include(name, folder, include[1] == '"', include[2]):
                yield number, problem
        declared = re.match(r"\s*(?:template\s*<.*>\s*)?(?:class|struct)\s+(\w+)", line)
        if declared and FORBIDDEN_TYPE.fullmatch(declared[1]):
            yield number, f"type {declared[1]}: name it for what it is, not Manager, Helper, Impl, Base or I..."
        if re.search(r"print\(stderr|fputs?\(.*stderr|std::cerr", line) and folder in {*MAY_INCLUDE, "launcher"}:
            yield number, "stderr may refuse a line, and fmt then throws: use say() of core/log/log.h, or the log"
        if TIME.search(line.split("//")[0]) and name != TIME_OWNER and folder in {*MAY_INCLUDE, "launcher"}:
            yield number, f"time is a value: ask the Clock that was handed here (only {TIME_OWNER} knows the system's)"
        if re.match(r"int\s+main\s*\(", line) and name != "launcher/main.cpp" and folder not in {"bench", "tests"}:
            yield number, "launcher/main.cpp is the only main"
    yield from check_cpp_functions(lines)
    if name.endswith(".h") and "#pragma once" not in text:
        yield 1, "a header without #pragma once"
    if name.endswith(".h") and not text.startswith("//"):
        yield 1, "a header opens with what it is and who owns what"


def check_python(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name}() has {length} lines, over {MAX_FUNCTION_LINES}"


def check_names(relative):
    for part in relative.parts[:-1]:
        if part.lower() in FORBIDDEN_FOLDERS:
            yield 1, f"folder {part}/: put its contents where they belong"
    if relative.stem.lower() in FORBIDDEN_STEMS:
        yield 1, f"{relative.name}: a file named for nothing in particular"


def violations(root):
    """All offences below `root`, as `file:line: what is wrong`."""
    root = pathlib.Path(root)
    found = []
    for file in source_files(root):
        relative = file.relative_to(root)
        name = relative.as_posix()
        text = file.read_text(encoding="utf-8")
        problems = list(check_names(relative))
        length = text.count("\n")
        if length > MAX_FILE_LINES:
            problems.append((length, f"{length} lines, over {MAX_FILE_LINES}: move it apart once, deliberately"))
        if file.suffix in {".h", ".cpp"}:
            problems += check_cpp(name, text)
        elif file.suffix == ".py":
            problems += check_python(text)
        found += [f"{name}:{line}: {problem}" for line, problem in problems]
    return found
