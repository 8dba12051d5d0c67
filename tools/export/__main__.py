"""A checkpoint or a model archive -> a Hugging Face folder.

usage: python -m tools.export SOURCE --out FOLDER [--head NAME] [--precision fp32|fp16|bf16] [--shard-gb GB] [--overwrite]

SOURCE is a checkpoint's folder (verified by who calls this) or a model archive. NAME is a head of muppet's, which becomes a
classification model; or mlm, the model with its MLM head, or LM head; none, the body alone; all, whatever there is, for import.
"""

import argparse
import json
import pathlib

from tools.export.architecture import architecture_of
from tools.export.card import card
from tools.export.files import PRECISIONS, save_tensors, write, write_json, write_weights
from tools.export.folder import check_out, replacing_folder
from tools.export.source import Source
from tools.export.tokenizer import tokenizer_files
from tools.failure import Arguments, Failure, one_line, run
from tools.kinds import has_head, head_of, kind_of

BESIDE = "metaloom.safetensors"
OF_OTHERS = ("architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path", "quantization_config")
OF_HEADS = ("id2label", "label2id", "num_labels", "problem_type")


def quiet():
    """transformers would tell of every file that it reads; what matters is said here."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def reader_of(tensor):
    """The tensor, as one that is read when it is asked for."""
    def read():
        return tensor

    read.shape = tuple(tensor.shape)
    return read


class Export:
    """One folder: decided first, then written."""

    def __init__(self, source, head, precision):
        self.source, self.precision = source, precision
        self.kind = kind_of(source.meta["config"], source.place)
        self.notes, self.layers, self.layer_places = [], {}, {}
        self.head = head if head and (head in source.heads() or head not in ("mlm", "none", "all")) else ""
        wanted = head or ("mlm" if has_head(source.weights, self.kind) else "none")
        self.config = {key: value for key, value in source.meta["config"].items() if key not in (*OF_OTHERS, *OF_HEADS)}
        if self.head:
            self.take_head()
        else:
            self.take_model(wanted)
        self.config |= {"architectures": [self.architecture.name], "dtype": str(PRECISIONS[precision]).removeprefix("torch.")}

    def take_head(self):
        from tools.export import heads
        from tools.export.twin import bert_of

        self.layers = self.source.head(self.head)
        heads.check_state(self.source, self.head)
        outputs = self.layers["out.weight"].shape[0]
        more, notes = heads.config_of(self.source.meta["config"], self.source, self.head, outputs)
        self.config |= more
        self.notes += notes
        twin = bert_of(self.source, self.kind, self.source.meta["config"])
        if twin:
            self.notes.append(f"as BERT, which the {self.kind['backbone']} is under other names: the class of its own has "
                              "another activation in its head")
            self.source.weights, self.kind, settings = twin
            self.config = settings | more
        wanted = "choice" if self.head == heads.CHOICE else "labels"
        self.architecture = architecture_of(self.source, self.kind, self.config, wanted)
        self.layer_places = heads.layer_places(self.architecture, self.kind, outputs, self.source.place)

    def take_model(self, wanted):
        if wanted == "mlm" and not has_head(self.source.weights, self.kind):
            masked = "mask" in self.kind["roles"]
            cure = "train one with a stage of mlm" if masked else "import the model with it"
            raise Failure(f"the model has no {head_of(self.kind)}", self.source.place, f"Say head=none, or {cure}")
        everything = wanted == "all"
        wanted = ("mlm" if has_head(self.source.weights, self.kind) else "none") if everything else wanted
        self.architecture = architecture_of(self.source, self.kind, self.config, wanted, everything)
        if self.architecture.left_out:
            self.notes.append(f"left out, for {self.architecture.name} has no place for it (head=all keeps it): "
                              f"{', '.join(self.architecture.left_out)}")
        if self.architecture.made_up:
            self.notes.append(f"{self.architecture.name} adds weights of its own, at random, and says so: "
                              f"{', '.join(self.architecture.made_up)}")

    def readers(self):
        """place -> (our name, how to read it), the class's order being that of the file."""
        out = {place: (name, self.source.weights[name]) for name, place in self.architecture.places.items()}
        out |= {place: (name, self.source.weights[name]) for place, name in self.architecture.copies.items()}
        for name, tensor in self.layers.items():
            layer, _, end = name.partition(".")
            out[f"{self.layer_places[layer]}.{end}"] = (name, reader_of(tensor))
        order = {name: number for number, name in enumerate(self.architecture.model.state_dict())}
        return dict(sorted(out.items(), key=lambda entry: (order.get(entry[0], len(order)), entry[0])))

    def write(self, folder, limit):
        """Returns how many numbers and bytes of weights there are."""
        source = self.source
        written = write_weights(folder, self.readers(), self.kind, self.precision, limit)
        write_json(folder / "config.json", self.config)
        write(folder / "tokenizer.json", source.tokenizer)
        for name, content in tokenizer_files(source.tokenizer, self.kind, self.config, source.meta).items():
            write_json(folder / name, content)
        if "generation_config" in source.meta and self.architecture.model.can_generate():
            write_json(folder / "generation_config.json", source.meta["generation_config"])
        if source.beside:
            about = {"template": str(source.method.get("template", "")), "task": json.dumps(source.task)}
            save_tensors(folder / BESIDE, {name: read().contiguous() for name, read in source.beside.items()}, about)
        labels = self.config.get("id2label") if self.head else None
        write(folder / "README.md", card(source, self.architecture, self.precision, BESIDE, self.notes, labels))
        if self.head:
            from tools.export.heads import check_same

            stored = {name: tensor.to(PRECISIONS[self.precision]) for name, tensor in self.layers.items()}
            check_same(folder, self.architecture, self.head, stored, self.kind, source.place)
        return written


def export(place, out, head, precision, shard_gb, overwrite):
    check_out(out, overwrite)
    quiet()
    source = Source(place)
    with source.files:
        made = Export(source, head, precision)
        with replacing_folder(out, overwrite) as folder:
            numbers, size = made.write(folder, int(shard_gb * 1e9))
    return made, numbers, size


def parse():
    parser = Arguments(prog="python -m tools.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--head", default="", metavar="NAME")
    parser.add_argument("--precision", default="fp32", choices=sorted(PRECISIONS))
    parser.add_argument("--shard-gb", type=float, default=5, metavar="GB")
    parser.add_argument("--overwrite", action="store_true")
    return parser.parse_args()


def main():
    options = parse()
    made, numbers, size = export(pathlib.Path(options.source), options.out, options.head, options.precision, options.shard_gb,
                                 options.overwrite)
    source = made.source
    whence = f", stage {source.stage}, update {source.step}" if source.stage else ""
    print(f"{options.out}: {made.architecture.name}{whence}, {numbers / 1e6:.1f} M parameters in {options.precision}, "
          f"{size / 1e6:.1f} MB; load it with {made.architecture.auto}.from_pretrained")
    for note in made.notes:
        print(one_line(note))
    if source.beside:
        print(f"{len(source.beside)} trained tensors that are no weights of the model lie beside it, in {BESIDE}: "
              f"{', '.join(list(source.beside)[:4])}{', ...' if len(source.beside) > 4 else ''}")


if __name__ == "__main__":
    run(main)
