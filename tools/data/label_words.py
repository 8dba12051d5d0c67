"""What a command line says of label_words: words for classes whose names a model cannot read, or cannot tell apart.

  label_words.spam="junk mail"                a class by its name, up to the first '='
  label_words='{"C++" = "see plus plus"}'     a TOML table, for names with any characters
  label_words=FILE.toml                       the same table in a file; or FILE.json
"""

import json
import pathlib
import tomllib

from tools.failure import USAGE, Failure
from tools.text_files import read_json_file, read_text

PREFIX = "label_words"


def quoted(name):
    """How to give that class words on a command line."""
    table = f'{{{json.dumps(name, ensure_ascii=False)} = "..."}}'
    return f"{PREFIX}='{table}'" if "'" not in name else f"{PREFIX}=FILE.toml with {table[1:-1]}"


def read_label_words(typed):
    """The table that all of those assignments make together; later ones win."""
    words = {}
    for assignment in typed:
        words |= one_class(assignment) if assignment.startswith(PREFIX + ".") else whole_table(assignment)
    for name, word in words.items():
        if not isinstance(word, str) or not word.strip():
            refuse(f"the words of '{name}' are {word!r}, not a text", f'Write {quoted(name)}')
    return words


def refuse(what, cure):
    raise Failure(what, PREFIX, cure, USAGE)


def toml(text):
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def one_class(assignment):
    rest = assignment[len(PREFIX) + 1:]
    table = toml(rest) if rest.startswith(('"', "'")) else None
    if table is not None:
        return table
    name, equals, value = rest.partition("=")
    if not name or not equals:
        refuse(f"'{assignment}' names no class", f"Write {quoted('CLASS')}")
    as_toml = toml(f"x = {value}")
    return {name: as_toml["x"] if as_toml and isinstance(as_toml["x"], str) else value}


def whole_table(assignment):
    value = assignment.partition("=")[2].strip()
    if value.startswith("{"):
        table = toml(f"x = {value}")
        if table is None:
            refuse(f"no TOML table: {value}", f"Write {quoted('CLASS')}")
        return table["x"]
    path = pathlib.Path(value)
    if path.suffix.lower() not in (".toml", ".json"):
        refuse(f"neither a table nor a .toml or .json file: {value or 'nothing'}", f"Write {quoted('CLASS')}")
    table = read_json_file(path, "Write {\"CLASS\": \"its words\"}") if path.suffix.lower() == ".json" else toml(read_text(path))
    if not isinstance(table, dict):
        raise Failure("not a table of words", path, 'Write "CLASS" = "its words", one a line', USAGE)
    return table
