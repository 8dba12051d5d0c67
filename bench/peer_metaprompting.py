"""A MetaPrompting update in PyTorch and transformers: MAML on a soft prompt before a frozen BertForMaskedLM.

First order: the query gradient at the adapted prompt. Second order: the inner loop kept in the graph, with the
attention that can be differentiated twice.
"""

import torch
from torch.nn import functional

from bench.peer_model import load_model, padded


def cloze(work, vocabulary, rows):
    """ids without the soft tokens, whose place is after [CLS]; where [MASK] stands once they are in; labels."""
    frame = [vocabulary[word] for word in (",", "the", "topic", "is", "[MASK]", ".", "[SEP]")]
    framed = [[vocabulary["[CLS]"], *row["segments"][0], *frame] for row in rows]
    ids, mask = padded(framed)
    soft = torch.ones(len(rows), work["soft"], dtype=torch.long)
    mask_at = torch.tensor([len(row) - 3 + work["soft"] for row in framed])
    return {"ids": ids, "attention": torch.cat([soft, mask], 1), "mask_at": mask_at,
            "labels": torch.tensor([row["label"] for row in rows])}


def first_pieces(dataset, classes):
    """Per class the first word piece of each word of its name."""
    return [torch.tensor([word[0] for word in dataset["label_words"][label]]) for label in classes]


class MetaPrompting:
    def __init__(self, style, model_path, work, state):
        self.work, self.style = work, style
        self.model, vocabulary = load_model(model_path, "eager" if work["second"] else "sdpa")
        self.model.eval().requires_grad_(False)
        self.prompt = torch.nn.Parameter(state["theta/prompt.soft"].clone())
        self.optimizer = torch.optim.AdamW([self.prompt], lr=work["rate"], weight_decay=0.0)
        self.tasks = [{"words": first_pieces(work["datasets"][0], task["classes"]),
                       "support": cloze(work, vocabulary, task["support"]),
                       "query": cloze(work, vocabulary, task["query"])} for task in work["tasks"]]
        if style == "tuned":
            both = {side: cloze(work, vocabulary, [row for task in work["tasks"] for row in task[side]])
                    for side in ("support", "query")}
            words = [ids for task in self.tasks for ids in task["words"]]
            used = torch.unique(torch.cat(words))
            average = torch.stack([torch.isin(used, ids).float() / len(ids) for ids in words])
            self.together = both | {"used": used, "average": average.view(len(self.tasks), -1, len(used))}

    def hidden(self, prompts, rows):
        """prompts: [rows, P, D]."""
        words = self.model.get_input_embeddings()(rows["ids"])
        return {"inputs_embeds": torch.cat([words[:, :1], prompts, words[:, 1:]], 1), "attention_mask": rows["attention"]}

    def mask_state(self, prompts, rows):
        states = self.model.bert(**self.hidden(prompts, rows)).last_hidden_state
        return states[torch.arange(len(states)), rows["mask_at"]]

    def loss(self, prompt, task, side):
        rows = task[side]
        prompts = prompt.expand(len(rows["ids"]), -1, -1)
        if self.style == "transformers":
            logits = self.model(**self.hidden(prompts, rows)).logits[torch.arange(len(prompts)), rows["mask_at"]]
        else:
            logits = self.model.cls(self.mask_state(prompts, rows))
        scores = torch.stack([logits[:, ids].mean(1) for ids in task["words"]], 1)
        return functional.cross_entropy(scores, rows["labels"])

    def losses_together(self, prompts, side):
        """[T] losses of all tasks in one pass; prompts [T, P, D]."""
        rows, used, average = self.together[side], self.together["used"], self.together["average"]
        count = len(prompts)
        each = len(rows["ids"]) // count
        states = self.mask_state(prompts.repeat_interleave(each, 0), rows)
        head = self.model.cls.predictions
        logits = functional.linear(head.transform(states), head.decoder.weight[used], head.decoder.bias[used])
        scores = logits.view(count, each, -1) @ average.transpose(1, 2)
        losses = functional.cross_entropy(scores.flatten(0, 1), rows["labels"], reduction="none")
        return losses.view(count, each).mean(1)

    def adapted(self, prompt, loss):
        for _ in range(self.work["inner_steps"]):
            gradient, = torch.autograd.grad(loss(prompt), prompt, create_graph=self.work["second"])
            prompt = prompt - self.work["inner_rate"] * gradient
            if not self.work["second"]:
                prompt = prompt.detach().requires_grad_()
        return prompt

    def meta_loss_and_gradient(self):
        if self.style == "tuned":
            start = self.prompt.detach().expand(len(self.tasks), -1, -1).clone().requires_grad_()
            phi = self.adapted(start, lambda prompt: self.losses_together(prompt, "support").sum())
            loss = self.losses_together(phi, "query")
            gradient, = torch.autograd.grad(loss.sum(), start if self.work["second"] else phi)
            return loss.mean().item(), gradient.mean(0)
        total, sum_of = 0.0, torch.zeros_like(self.prompt)
        for task in self.tasks:
            start = self.prompt.detach().clone().requires_grad_()
            phi = self.adapted(start, lambda prompt, task=task: self.loss(prompt, task, "support"))
            loss = self.loss(phi, task, "query")
            sum_of += torch.autograd.grad(loss, start if self.work["second"] else phi)[0]
            total += loss.item()
        return total / len(self.tasks), sum_of / len(self.tasks)

    def iterate(self):
        loss, self.prompt.grad = self.meta_loss_and_gradient()
        torch.nn.utils.clip_grad_norm_([self.prompt], 1.0)
        self.optimizer.step()
        return loss
