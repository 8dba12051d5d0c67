#!/usr/bin/env bash
# What the quickstart and the measurements work on: carried weights -> model archive, carried texts -> token stores. The
# program has to be built. What is up to date is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/metaloom
say() { echo "prepare: $*"; }

# What the archive is made of and by: a change of any of them makes it anew.
model=.cache/models/minilm-mlm.h5
for part in data/minilm-mlm/delta.safetensors tools/import_model.py tools/weights.py tools/weight_files.py \
            tools/kinds.py tools/tokenizer_files.py tools/model_folder.py tools/text_files.py tools/archive.py requirements.lock; do
  if [ ! $model -nt $part ]; then
    say "importing the carried encoder (MiniLM-L6 with its masked-language-model head)"
    $program import minilm-mlm out=$model
    break
  fi
done
say "the carried data"
$program data data/quickstart.toml out=.cache/quickstart
