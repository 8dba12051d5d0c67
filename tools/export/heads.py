"""A head of muppet's as the classification layers of a transformers class: out(tanh(dense(state of the first position))).

The class is not known by its name but by its layers; whether it computes the same is measured on what was written.
"""

import torch

from tools.failure import Failure

ACTIVATIONS = ("pooler_hidden_act", "classifier_activation")  # keys of a configuration that choose what follows `dense`
CHOICE = "choice"  # the head of all multiple-choice data sets
CLOSE = 1e-5
WITHOUT = "Export without head=: the model is written, and its heads beside it"


def check_state(source, head):
    """muppet's heads read the mean of a row's states unless it was told cls; transformers' read the first position."""
    if source.method.get("state", "mean") != "cls":
        raise Failure(f"the head {head} reads the mean of a row's states; transformers' classification models read one "
                      "position, so none of them is this one", source.place,
                      "Train it with method.state=cls; without head= the model is exported and its heads lie beside it")


def config_of(config, source, head, outputs):
    """What config.json says of a head, and a note where its labels have no names."""
    more = {key: "tanh" for key in ACTIVATIONS if key in config}
    if head == CHOICE:
        return more, []
    labels = source.labels(head)
    known = labels is not None and len(labels) == outputs
    names = labels if known else [f"LABEL_{number}" for number in range(outputs)]
    note = [] if known else [f"the labels of {head} have numbers, no names: its token store is no longer at data.root"]
    return more | {"id2label": {str(number): name for number, name in enumerate(names)},
                   "label2id": {name: number for number, name in enumerate(names)},
                   "problem_type": "single_label_classification"}, note


def layer_places(architecture, kind, outputs, where):
    """{"dense": name, "out": name} of the two layers in the class; what else it would make up is refused."""
    if architecture.model.config.is_encoder_decoder:
        raise Failure(f"{architecture.name} reads the last state of its decoder, a head of muppet's the first", where, WITHOUT)
    pooler = {parameter["name"] for parameter in kind["parameters"] if parameter["part"] == "pooler"}
    pooled = {place for name, place in architecture.places.items() if name in pooler}
    free = {*architecture.made_up, *pooled}
    linear = [name for name, module in architecture.model.named_modules()
              if isinstance(module, torch.nn.Linear) and f"{name}.weight" in free]
    shapes = {name: tuple(architecture.model.get_submodule(name).weight.shape) for name in linear}
    width = kind["width"]
    ours = len(linear) == 2 and shapes[linear[0]] == (width, width) and shapes[linear[1]] == (outputs, width)
    if not ours or free != {f"{name}.{end}" for name in linear for end in ("weight", "bias")}:
        found = ", ".join(sorted(free)) or "none"
        raise Failure(f"a head of muppet's is two layers with tanh between them; {architecture.name} has others: {found}", where,
                      WITHOUT)
    for name in [name for name in architecture.places if name in pooler]:
        del architecture.places[name]  # muppet's `dense` stands in the place of the pooler
    return dict(zip(("dense", "out"), linear, strict=True))


def check_same(folder, architecture, head, layers, kind, where):
    """Failure unless the class, loaded from `folder`, says what the head says of its states."""
    try:
        wanted, logits = trial(folder, architecture, head, layers, kind)
        off = float((logits.reshape(wanted.shape) - wanted).abs().max())
    except Exception as error:  # whatever a class makes of rows that it was not made for
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise Failure(f"{architecture.name} does not run on a row that the head {head} reads: {said}", where, WITHOUT) from None
    if not off <= CLOSE * max(1.0, float(wanted.abs().max())):
        raise Failure(f"{architecture.name} makes something else of the head {head} (off by {off:.2g}): its layers do not "
                      "end with tanh, or it reads another position", where, WITHOUT)
    return off


def trial(folder, architecture, head, layers, kind):
    """What the head says of the states of some rows, and what the class says of the rows."""
    import transformers

    model = getattr(transformers, architecture.name).from_pretrained(folder, dtype=torch.float32).eval()
    pad = -1 if model.config.pad_token_id is None else model.config.pad_token_id
    dice = torch.Generator().manual_seed(0)
    ids = torch.randint(0, kind["vocabulary"], (3, min(12, kind["positions"])), generator=dice)
    ids = torch.where(ids == pad, (ids + 1) % kind["vocabulary"], ids)  # padding would not count as a position
    with torch.no_grad():
        states = model.base_model(ids).last_hidden_state[:, 0]
        dense, out = ((layers[f"{name}.weight"].float(), layers[f"{name}.bias"].float()) for name in ("dense", "out"))
        wanted = torch.nn.functional.linear(torch.nn.functional.linear(states, *dense).tanh(), *out)
        return wanted, model(ids.unsqueeze(1) if head == CHOICE else ids).logits
