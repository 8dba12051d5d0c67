#include "methods/spt/net.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "methods/cloze/template.h"
#include "methods/cloze/verbaliser.h"
#include "methods/labels.h"

namespace metaloom {
namespace {

/// The same rows twice, below each other.
Batch stacked_on_itself(const Batch& batch) {
  Batch out = batch.map([](const at::Tensor& x) { return at::cat({x, x}); });
  out.tokens = 2 * batch.tokens;
  return out;
}

at::Tensor cross_entropy(const at::Tensor& scores_RC, const Task& task) {
  return label_losses_R(scores_RC, task.query).mean();
}

}  // namespace

std::string search_prefix(std::int64_t position) {
  return fmt::format("search.{}.", position);
}
std::string final_prefix(std::int64_t place) {
  return fmt::format("final.{}.", place);
}

at::Tensor gate_mask_N(const Rng& update, std::int64_t gates, double keep_probability) {
  return update.at("gate masks").uniform_tensor({gates}, at::kDouble).lt(keep_probability);
}

/// Gates in (0, 1), as they enter the net.
at::Tensor SptNet::gate_N(const Params& theta) const {
  const at::Tensor a_N = theta.at(kGates).sigmoid();
  return plan_.options().reparameterise ? reparameterised(a_N) : a_N;
}

/// The [MASK] state of each row. Frozen layers below the lowest prompt leave no graph: neither
/// their weights nor their inputs ask for gradients.
at::Tensor SptNet::states_RD(const Params& theta, const Batch& batch,
                             const LayerPrompts& prompts) const {
  ForwardOptions options = pretrained_.forward();
  options.prompts = &prompts;
  options.keep_R = batch.read_at_R;
  if (theta.contains(kSoftPrompt)) options.soft_TPD = theta.at(kSoftPrompt).unsqueeze(0);
  return pretrained_.backbone->encode(frozen(), batch, options);
}

at::Tensor SptNet::log_probabilities(const at::Tensor& states_RD, const Task& task) const {
  return Verbaliser({task}, pieces_)
      .logits(*pretrained_.backbone, frozen(), states_RD)
      .log_softmax(1);
}

GeneratedPrompts SptNet::hyper_network(const Params& theta, const Batch& batch,
                                       const at::Tensor& gate_RN, PromptDropout dropout) const {
  std::map<int, PromptGenerator> generators;
  for (int i = 0; i < plan_.positions(); ++i) {
    generators.emplace(i, PromptGenerator(plan_.generator(), theta, search_prefix(i)));
  }
  return {std::move(generators),       gate_RN, plan_.options().tau, batch,
          plan_.options().prompt_rows, dropout};
}

GeneratedPrompts SptNet::final_net(const Params& theta, const Batch& batch,
                                   PromptDropout dropout) const {
  std::map<int, PromptGenerator> generators;
  const std::vector<int> layers = plan_.layers(theta);
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const std::string prefix = final_prefix(static_cast<std::int64_t>(k));
    generators.emplace(layers[k], PromptGenerator(plan_.generator(), theta, prefix));
  }
  return {std::move(generators),       at::Tensor(), plan_.options().tau, batch,
          plan_.options().prompt_rows, dropout};
}

SptNet::Loss SptNet::search_loss(const Params& theta, const Task& task, const Batch& batch,
                                 const Rng& update, PromptDropout dropout) const {
  const at::Tensor gate_N = this->gate_N(theta);
  const std::int64_t rows = batch.rows(), gates = gate_N.size(0);
  Loss out;
  if (plan_.options().consistency == 0) {
    const at::Tensor gate_RN = gate_N.expand({rows, gates});
    const at::Tensor states =
        states_RD(theta, batch, hyper_network(theta, batch, gate_RN, dropout));
    out.scores_RC = log_probabilities(states, task);
    out.total = cross_entropy(out.scores_RC, task);
    return out;
  }
  const at::Tensor kept_N =
      gate_mask_N(update, gates, plan_.options().keep_probability).to(gate_N.options());
  const at::Tensor gate_RN =
      at::cat({(gate_N * kept_N).expand({rows, gates}), gate_N.expand({rows, gates})});
  const Batch both = stacked_on_itself(batch);
  dropout.copies = 2;
  const std::vector<at::Tensor> states =
      states_RD(theta, both, hyper_network(theta, both, gate_RN, dropout)).chunk(2);
  out.scores_RC = log_probabilities(states[1], task);
  out.apart = at::mse_loss(states[0], states[1]);
  out.total = at::add(cross_entropy(out.scores_RC, task), out.apart, plan_.options().consistency);
  return out;
}

SptNet::Loss SptNet::final_loss(const Params& theta, const Task& task, const Batch& batch,
                                PromptDropout dropout) const {
  Loss out;
  const at::Tensor states = states_RD(theta, batch, final_net(theta, batch, dropout));
  out.scores_RC = log_probabilities(states, task);
  out.total = cross_entropy(out.scores_RC, task);
  return out;
}

at::Tensor SptNet::search_scores_RC(const Params& theta, const Task& task,
                                    const Batch& batch) const {
  const at::Tensor gate_N = this->gate_N(theta);
  const at::Tensor gate_RN = gate_N.expand({batch.rows(), gate_N.size(0)});
  return log_probabilities(states_RD(theta, batch, hyper_network(theta, batch, gate_RN, {})), task);
}

at::Tensor SptNet::final_scores_RC(const Params& theta, const Task& task,
                                   const Batch& batch) const {
  return log_probabilities(states_RD(theta, batch, final_net(theta, batch, {})), task);
}

}  // namespace metaloom
