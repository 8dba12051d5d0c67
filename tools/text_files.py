"""Text as people save it: UTF-8, with or without a byte-order mark. Another encoding is told by its name, with its cure.

The one place that turns bytes into text, for rows, descriptions, splits, configurations and vocabularies alike.
"""

import json
import re

from tools.failure import DATA, Failure, system_errors

# What looks blank beside white space: marks of byte order and width, and the Ctrl-Z that ended files once.
INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u180e\u00ad\x1a"
BLANKS = INVISIBLE + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
MARK = b"\xef\xbb\xbf"
CURE = "Save it as UTF-8"


def is_blank(text):
    return not text.strip(BLANKS)


def other_encoding(head, where, code=DATA):
    """Refuses a file whose first bytes are of UTF-16 or UTF-32, or of no text."""
    for mark, name in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
                       (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            raise Failure(f"{name.upper()}, not UTF-8", where, f"Convert the file: iconv -f {name} -t utf-8 FILE >NEW", code)
    if b"\0" in head:
        at_even, at_odd = head[::2].count(0), head[1::2].count(0)
        if max(at_even, at_odd) * 4 > len(head) and min(at_even, at_odd) * 4 <= max(at_even, at_odd):
            name = "utf-16be" if at_even > at_odd else "utf-16le"
            raise Failure("UTF-16 without a byte-order mark, not UTF-8", where,
                          f"Convert the file: iconv -f {name} -t utf-8 FILE >NEW", code)
        raise Failure(f"a byte 0 at byte {head.index(0) + 1}: not text, or damaged", where, "Give a text file in UTF-8",
                      code)


def other_lines(head, where):
    """Refuses a file by its first bytes where its lines end as on old Macs: all of it would be one line."""
    if b"\n" not in head and re.search(rb"\r[^\r\n]", head):
        raise Failure("lines that end with CR only, as on old Macs", where,
                      r"Convert the file: tr '\r' '\n' <FILE >NEW")


def decoded(content, where, code=DATA):
    """Bytes as text, strictly."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        # Windows puts quotes and dashes where Latin-1 has control characters.
        name = "windows-1252" if re.search(rb"[\x80-\x9f]", content) else "latin1"
        raise Failure(f"not UTF-8: byte 0x{content[error.start]:02x} at byte {error.start + 1}", where,
                      f"Convert the file: iconv -f {name} -t utf-8 FILE >NEW", code) from None


def read_text(path, code=DATA):
    """The text of a whole small file, without its byte-order mark, lines ending with LF; `code` is of what is no text."""
    with system_errors(path), open(path, "rb") as file:
        content = file.read()
    other_encoding(content, path, code)
    return decoded(content, path, code).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_json_file(path, cure="Fetch the file again"):
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Failure(f"not JSON: {error.msg}", f"{path}, line {error.lineno}", cure) from None
    except (ValueError, RecursionError) as error:  # an endless number, endless nesting
        raise Failure(f"not JSON: {error}", path, cure) from None
