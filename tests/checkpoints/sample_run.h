// A run to checkpoint in tests: sections that are a function of the step, so that whatever is
// read back can be checked whole.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "checkpoints/checkpoint.h"
#include "core/files/files.h"
#include "core/rng.h"

namespace metaloom {

using Sections = std::map<std::string, Archive>;

inline Sections sections_at(std::int64_t step, std::int64_t model = 0) {
  const Rng rng = Rng(1, "sample").at({step});
  Sections out;
  for (int layer = 0; layer < 3; ++layer) {
    const std::string name = "layer." + std::to_string(layer) + ".weight";
    out["theta"].put(name, rng.at({layer}).normal_tensor({16, 8}, 1, at::kFloat));
    out["optimizer"].put("momentum/" + name,
                         rng.at({layer, 1}).normal_tensor({16, 8}, 1, at::kFloat));
  }
  out["progress"].put("model", at::scalar_tensor(model, at::kLong));
  out["progress"].put("step", at::scalar_tensor(step, at::kLong));
  out["progress"].put_text("config", "steps = " + std::to_string(step));
  return out;
}

inline Sections frozen_model(std::int64_t which = 0) {
  Sections out;
  out["model"].put("embeddings",
                   Rng(2, "model").at({which}).normal_tensor({64, 16}, 1, at::kFloat));
  return out;
}

inline bool same(const Archive& a, const Archive& b) {
  if (a.texts() != b.texts() || a.tensors().size() != b.tensors().size()) return false;
  for (const auto& [path, value] : a.tensors()) {
    const auto it = b.tensors().find(path);
    if (it == b.tensors().end() || !at::equal(value, it->second)) return false;
  }
  return true;
}

/// Whether a checkpoint holds exactly what was saved at its step, with the model it names.
inline bool is_whole(const Checkpoint& checkpoint) {
  const auto model = checkpoint.read("progress").get("model").item<std::int64_t>();
  Sections expected = sections_at(checkpoint.step(), model);
  expected.merge(frozen_model(model));
  if (checkpoint.sections().size() != expected.size()) return false;
  for (const auto& [name, archive] : expected) {
    if (!same(checkpoint.read(name), archive)) return false;
  }
  return true;
}

using Names = std::set<std::string>;

/// What lies in a folder.
inline Names names(const std::filesystem::path& folder) {
  Names out;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code))
    out.insert(entry.path().filename());
  return out;
}

/// Saves, and waits until it is durable.
inline void save(CheckpointFolder& folder, std::int64_t step, std::int64_t model = 0) {
  folder.save(step, sections_at(step, model), frozen_model(model));
  folder.finish();
}

/// Flips one bit in the middle.
inline void damage(const std::filesystem::path& file) {
  std::string text = read_text(file);
  text[text.size() / 2] ^= 4;
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace metaloom
