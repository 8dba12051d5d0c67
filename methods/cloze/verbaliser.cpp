#include "methods/cloze/verbaliser.h"

#include <ATen/ATen.h>

#include <map>

namespace metaloom {
Verbaliser::Verbaliser(const std::vector<Task>& pack, const ClassPieces& pieces) {
  std::map<std::int64_t, std::int64_t> column;  // vocabulary id -> column
  for (const Task& task : pack) {
    for (const std::int64_t label : task.classes) {
      for (const std::int64_t id : pieces.of(*task.dataset, label)) column.try_emplace(id, 0);
    }
  }
  std::vector<std::int64_t> ids;
  for (auto& [id, place] : column) {
    place = static_cast<std::int64_t>(ids.size());
    ids.push_back(id);
  }
  word_ids_C_ = at::tensor(ids, at::kLong);

  const auto tasks = static_cast<std::int64_t>(pack.size());
  const auto ways = static_cast<std::int64_t>(pack.front().classes.size());
  average_TNC_ = at::zeros({tasks, ways, static_cast<std::int64_t>(ids.size())}, at::kDouble);
  auto average = average_TNC_.accessor<double, 3>();
  for (std::int64_t t = 0; t < tasks; ++t) {
    for (std::int64_t n = 0; n < ways; ++n) {
      const auto& own = pieces.of(*pack[t].dataset, pack[t].classes.at(n));
      for (const std::int64_t id : own) {
        average[t][n][column.at(id)] += 1.0 / static_cast<double>(own.size());
      }
    }
  }
}

at::Tensor Verbaliser::logits(const Backbone& backbone, const Weights& weights,
                              const at::Tensor& states_RD) const {
  const at::Tensor ids_C = word_ids_C_.to(states_RD.device());
  const at::Tensor words_RC = backbone.word_logits(weights, states_RD, ids_C);
  const at::Tensor average_TNC = average_TNC_.to(words_RC.options());
  const std::int64_t tasks = average_TNC.size(0), rows = words_RC.size(0) / tasks;
  const at::Tensor logits_TQN =
      words_RC.reshape({tasks, rows, words_RC.size(1)}).matmul(average_TNC.transpose(1, 2));
  return logits_TQN.reshape({tasks * rows, average_TNC.size(1)});
}

}  // namespace metaloom
