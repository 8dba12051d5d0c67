"""A model's tensors by the program's names: what they are called in files, and what may be wrong with them.

Names are Hugging Face's own without the prefix of the body (`bert.`); what is tied is stored once. Which names, shapes and
ties there are, the program says (tools/kinds.py).
"""

from tools.failure import Failure, did_you_mean, known_list


def canonical(name, prefix="bert."):
    """Hugging Face's name in metaloom's spelling: no prefix, LayerNorm.gamma and .beta as weight and bias."""
    name = name.removeprefix(prefix)
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def body_place(tensors, kind, where):
    """What stands before the names of the body: `bert.`, `module.bert.`, `0.auto_model.`, or nothing."""
    anchor = next(parameter["name"] for parameter in kind["parameters"]
                  if parameter["part"] == "layers" and len(parameter["shape"]) == 2)
    places = sorted(name.removesuffix(anchor) for name in tensors if name == anchor or name.endswith(f".{anchor}"))
    usual = [kind["prefix"], ""]
    if len(places) > 1 and not set(usual) & set(places):
        raise Failure(f"{len(places)} encoders: below {known_list(places, 3)}", where, "Save one of them alone")
    return next((place for place in usual if place in places), places[0] if places else "")


def is_ignored(name, kind):
    return any(name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])) for pattern in kind["ignored"])


def named_tensors(tensors, kind, where):
    """All tensors by the program's names, whatever held the model; tied ones once."""
    inner = body_place(tensors, kind, where)
    outer = inner.removesuffix(kind["prefix"])
    named = {}
    for name, tensor in tensors.items():
        own = canonical(name.removeprefix(inner) if name.startswith(inner) else name.removeprefix(outer), kind["prefix"])
        turned = any(own.endswith(end) for end in kind["transposed"]) and tensor.dim() == 2
        flat = own in kind["flat"] and tensor.dim() == 2 and tensor.shape[0] == 1
        named[own] = tensor.t() if turned else tensor[0] if flat else tensor
    for theirs, ours in kind["tied"].items():  # one tensor, which may have been saved under either name alone
        twin = named.pop(theirs, None)
        if twin is None or twin.shape == named.setdefault(ours, twin).shape and twin.float().equal(named[ours].float()):
            continue
        if twin.shape != named[ours].shape:
            raise Failure(f"a head of another vocabulary: {theirs} has shape {tuple(twin.shape)}, {ours} "
                          f"{tuple(named[ours].shape)}", where, "Body and head must be of the same model")
        if twin.dim() == 1:
            raise Failure(f"{theirs} and {ours} differ, which should be one", where,
                          "Save the model again with save_pretrained")
        raise Failure(f"{theirs} differs from the word embeddings: an untied decoder, of which config.json says nothing", where,
                      "Set tie_word_embeddings to false there")
    return named


def wanted_parameters(named, kind):
    """Those that the model must have: body and embeddings; of pooler and head all, where it has any."""
    parts = {"embeddings", "layers"} | {parameter["part"] for parameter in kind["parameters"] if parameter["name"] in named}
    return {parameter["name"]: tuple(parameter["shape"]) for parameter in kind["parameters"] if parameter["part"] in parts}


def checked(name, tensor, shape, where):
    """The tensor as an fp32 array. Failure where it is not what the configuration asks for, or no number."""
    import torch

    if tuple(tensor.shape) != shape:
        raise Failure(f"{name} has shape {tuple(tensor.shape)}, config.json asks for {shape}", where,
                      "config.json and weights must be of the same model")
    if not tensor.is_floating_point():
        raise Failure(f"{name} holds {tensor.dtype}, not floating-point numbers: a quantised model", where,
                      "Give the model that it was made from")
    value = tensor.to(torch.float32)
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise Failure(f"{bad} of {value.numel()} numbers of {name} are NaN or infinite", where,
                      "The weights are spoilt; fetch or train them again")
    return value.contiguous().numpy()


def select_parameters(tensors, kind, where):
    """Checks names, shapes and values; returns (name -> fp32 numpy array, what is left out)."""
    named = named_tensors(tensors, kind, where)
    wanted = wanted_parameters(named, kind)
    missing = [name for name in wanted if name not in named]
    if missing:
        others = sorted(set(named) - set(wanted))
        raise Failure(f"{len(missing)} of {len(wanted)} tensors are missing: {known_list(missing, 3)}", where,
                      did_you_mean(missing[0], others) if others else "config.json and weights must be of the same model")
    parameters = {name: checked(name, named[name], shape, where) for name, shape in sorted(wanted.items())}
    return parameters, sorted(name for name in set(named) - set(wanted) if not is_ignored(name, kind))
