"""Settings of a Hugging Face folder that the program itself does not read, but whoever uses an export does: import keeps them
in the archive's meta, export writes them back.
"""

from tools.failure import Failure
from tools.model_folder import member
from tools.text_files import read_text
from tools.tokenizer_files import OF_ROBERTA, content_of, object_file

ROLES = tuple(OF_ROBERTA)  # as transformers calls them, bos_token, ...


def carried(folder):
    """What meta keeps: `chat_template`, `generation_config` and `special_tokens`, as far as there are any."""
    config = object_file(folder, "tokenizer_config.json")
    named = object_file(folder, "special_tokens_map.json") | config
    special = {role: content_of(named.get(role), "") for role in ROLES}
    generation = object_file(folder, "generation_config.json")
    found = {"chat_template": chat_template(folder, config),
             "generation_config": {key: value for key, value in generation.items() if key != "transformers_version"},
             "special_tokens": {role: piece for role, piece in special.items() if piece}}
    return {key: value for key, value in found.items() if value}


def chat_template(folder, config):
    """Its text, or texts by name; files of their own go before the setting, as in transformers."""
    path = member(folder, "chat_template.jinja")
    template = read_text(path) if path else config.get("chat_template")
    named = isinstance(template, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("template"), str) for one in template)
    if template is not None and not isinstance(template, str) and not named:
        raise Failure(f"chat_template is a {type(template).__name__}, neither a text nor a list of named ones",
                      member(folder, "tokenizer_config.json"), "Fetch tokenizer_config.json again")
    more = sorted((folder / "additional_chat_templates").glob("*.jinja"))
    if not more:
        return template
    first = [{"name": "default", "template": template}] if isinstance(template, str) else template or []
    return [*first, *({"name": file.stem, "template": read_text(file)} for file in more)]
