"""The Python edge of metaloom: text to token stores, Hugging Face weights to archives, reports."""
