"""The encoder alone, forward or with its gradient, in transformers."""

import torch

from bench.peer_model import load_model, padded


class Encoder:
    def __init__(self, style, model_path, work, state):
        self.model = load_model(model_path)[0].eval()
        self.ids, self.mask = padded([row["segments"][0] for row in work["tasks"][0]["query"]])
        self.training = work["training"]

    def loss(self):
        return self.model.bert(self.ids, attention_mask=self.mask).last_hidden_state.pow(3).mean()

    def iterate(self):
        if not self.training:
            with torch.no_grad():
                return self.loss().item()
        self.model.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.item()
