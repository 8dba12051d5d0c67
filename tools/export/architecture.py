"""Which class of transformers an exported model is, and how that class names and turns its tensors.

The class itself is asked, made without memory on the meta device: what it has no place for is left out and said, and so is
what it will make up.
"""

import dataclasses
import re

from tools.failure import Failure

# By what is exported: mappings of transformers, the first that has the kind, and the class that users load it by.
AUTO = {
    "mlm": [("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "AutoModelForMaskedLM"),
            ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM")],
    "none": [("MODEL_MAPPING_NAMES", "AutoModel")],
    "labels": [("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", "AutoModelForSequenceClassification")],
    "choice": [("MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES", "AutoModelForMultipleChoice")],
}


@dataclasses.dataclass
class Architecture:
    """`places`: our name -> the class's; `copies`: further names of the class -> ours, for what it holds twice and reads once;
    `made_up`: its parameters that nothing here gives; `model` has no numbers."""

    name: str
    auto: str
    model: object
    places: dict
    copies: dict
    left_out: list
    made_up: list


def architecture_of(source, kind, config, wanted, everything=False):
    """The class for `wanted`, a key of AUTO, and where the source's weights lie in it."""
    import torch
    import transformers
    from transformers.models.auto import modeling_auto

    found = next(((getattr(modeling_auto, mapping)[kind["backbone"]], auto) for mapping, auto in AUTO[wanted]
                  if kind["backbone"] in getattr(modeling_auto, mapping)), None)
    if not found:
        raise Failure(f"transformers has no model of the kind {kind['backbone']} for this head", source.place,
                      "Export it without head=")
    with torch.device("meta"):
        model = getattr(transformers, found[0])(transformers.AutoConfig.for_model(**config))
    places, left_out = {}, []
    theirs = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, read in source.weights.items():
        place = place_of(name, kind, theirs)
        if place and hub_shape(name, read.shape, kind) != theirs[place]:
            raise Failure(f"{name} has shape {read.shape}, {found[0]} wants {theirs[place]} for its {place}", source.place,
                          "This version of transformers builds the model in another way; export with the locked one")
        if place or everything:
            places[name] = place or kind["prefix"] * (part_of(name, kind) != "head") + name
        else:
            left_out.append(name)
    lost = [name for name in left_out if part_of(name, kind) in ("embeddings", "layers")]
    if lost:
        raise Failure(f"{found[0]} has no place for {lost[0]}", source.place,
                      "This version of transformers builds the model in another way; export with the locked one")
    made_up = made_up_by(model, set(places.values()))
    copies = unread_biases(made_up, places)
    return Architecture(*found, model, places, copies, left_out, [name for name in made_up if name not in copies])


def unread_biases(made_up, places):
    """A head that is not tied has its decoder's bias, and beside it the one that a tied head would read."""
    ours = {place: name for name, place in places.items()}
    twins = {name: f"{name.removesuffix('bias')}decoder.bias" for name in made_up if name.endswith(".bias")}
    return {name: ours[twin] for name, twin in twins.items() if twin in ours}


def part_of(name, kind):
    return next((parameter["part"] for parameter in kind["parameters"] if parameter["name"] == name), "head")


def place_of(name, kind, theirs):
    """Its name in the class, which is without a prefix where the class is the body itself."""
    twins = [twin for twin, ours in kind["tied"].items() if ours == name]
    return next((spelled for spelled in (kind["prefix"] + name, name, *twins) if spelled in theirs), None)


def hub_shape(name, shape, kind):
    if len(shape) == 2 and is_turned(name, kind):
        return shape[::-1]
    return (1, *shape) if name in kind.get("flat", []) else tuple(shape)


def is_turned(name, kind):
    return any(name.endswith(end) for end in kind["transposed"])


def as_stored(name, tensor, kind):
    """The tensor as Hugging Face's files have it."""
    return tensor.t() if tensor.dim() == 2 and is_turned(name, kind) else tensor.reshape(hub_shape(name, tensor.shape, kind))


def made_up_by(model, given):
    """Parameters of the class, tied ones once, that it would begin anew."""
    twins = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        twins.setdefault(id(parameter), []).append(name)
    ignored = getattr(model, "_keys_to_ignore_on_load_missing", None) or []
    return [names[0] for names in twins.values()
            if not given & set(names) and not any(re.search(pattern, names[0]) for pattern in ignored)]
