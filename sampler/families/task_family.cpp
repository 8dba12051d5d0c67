#include "sampler/families/task_family.h"

#include <algorithm>

namespace metaloom {

void TaskOptions::fields(Fields& f) {
  f.integer("batch", batch, "rows of a batch", {1, 65536});
  f.integer("ways", ways, "classes of an episode (N)", {2, 1024});
  f.integer("shots", shots, "support rows of a class (K)", {1, 4096});
  f.integer("queries", queries, "query rows of a class (Q)", {1, 4096});
  f.integer("episodes", episodes, "episodes of one pass over a few-shot dataset", {1, 1e6});
  f.integer("max_length", max_length, "word pieces a row may keep, template included", {4, 8192});
}

std::string TaskFamily::pack_key(const TaskId&) const {
  return {};
}

std::vector<std::int64_t> TaskFamily::evaluation(Split split, std::int64_t count) const {
  const std::int64_t all = tasks_per_pass(split, Half::all);
  const std::int64_t chosen = count == 0 ? all : std::min(count, all);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < chosen; ++i) indices.push_back(i * all / chosen);
  return indices;
}

}  // namespace metaloom
