"""README.md of an exported folder: what the model is, what it was trained on and how, and how to load it."""

import json

ABOUT = {"muppet": "multi-task pre-finetuning (MUPPET)", "mlm": "masked language modelling",
         "metaprompting": "a meta-learned soft prompt (MetaPrompting)", "spt": "prompts at searched layers (SPT)"}
PATHS = {"root"}  # say where files lay, and nothing of the model


def base_of(source):
    """The name on the hub of what the model was made of, or None."""
    origin = str(source.meta.get("source", ""))
    return origin.removeprefix("hub ").partition("@")[0] if origin.startswith("hub ") else None


def front_matter(source, architecture):
    lines = ["library_name: transformers"]
    if base_of(source):
        lines.append(f"base_model: {base_of(source)}")
    tag = {"AutoModelForMaskedLM": "fill-mask", "AutoModelForCausalLM": "text-generation",
           "AutoModelForSequenceClassification": "text-classification"}.get(architecture.auto, "feature-extraction")
    return "\n".join(["---", *lines, f"pipeline_tag: {tag}", "tags:", "- metaloom", "---", ""])


def settings_of(source):
    """The stage's settings that made the model, as TOML."""
    lines = [f"{key} = {json.dumps(source.config[key])}" for key in ("seed", "steps") if key in source.config]
    for section in ("method", "data", "optimizer"):
        values = {key: value for key, value in source.config.get(section, {}).items() if key not in PATHS}
        if values:
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines)


def beside_text(source, file):
    """What transformers has no place for, and what it is for."""
    if not source.beside:
        return []
    lines = ["## Beside the model", "", f"`{file}` holds what was trained and is no weight of the model; transformers does not "
             "read it:", "", *(f"- `{name}` {list(read.shape)}" for name, read in source.beside.items()), ""]
    if "prompt.soft" in source.beside:
        lines += [f"`prompt.soft` stands for the `<soft:...>` of the template `{source.method.get('template', '')}`: its rows take "
                  "the place of word embeddings there.", ""]
    return lines


def card(source, architecture, precision, beside_file, notes, labels=None):
    stage = source.stage or source.method.get("name", "")
    made = f"`{stage}`, {ABOUT.get(source.method.get('name'), source.method.get('name'))}, after {source.step} updates" \
        if source.config else "imported, not trained"
    lines = [f"# {architecture.name}", "", f"- base model: {source.meta.get('source', 'unknown')}",
             f"- stage: {made}", f"- weights: {precision}", "- written by `metaloom export`", ""]
    if source.trained_on:
        lines += ["## Data", "", *(f"- {entry}" for entry in source.trained_on), ""]
    if source.task:
        lines += ["## Task", "", f"Adapted to `{source.task['name']}`, classes: {', '.join(source.task['labels'])}", ""]
    if labels:
        lines += ["## Labels", "", *(f"- {number}: {label}" for number, label in labels.items()), ""]
    lines += ["## Use", "", "```python", f"from transformers import {architecture.auto}, AutoTokenizer", "",
              f'model = {architecture.auto}.from_pretrained("FOLDER")', 'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
              "```", ""]
    lines += beside_text(source, beside_file)
    if notes:
        lines += ["## Notes", "", *(f"- {note}" for note in notes), ""]
    if source.config:
        lines += ["## Settings", "", "```toml", settings_of(source), "```", ""]
    return front_matter(source, architecture) + "\n" + "\n".join(lines)
