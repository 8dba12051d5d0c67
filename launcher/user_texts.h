// A user's own JSON Lines as tasks: the tokens come from tools.data, kept in a temporary store.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "models/pretrained.h"
#include "sampler/token_store.h"

namespace metaloom {

/// A temporary folder, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The rows of a user's file as the `train` split of a store. Throws what the tool or the store
/// says of a bad file.
class UserTexts {
 public:
  /// `labelled`: a row without a label is an error.
  UserTexts(const std::filesystem::path& file, const Pretrained& model, bool labelled);
  const TokenStore& store() const { return *store_; }
  std::int64_t rows() const { return store_->rows(Split::train); }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<TokenStore> store_;
};

/// Labels and label words as JSON text, and back: what an adapted checkpoint remembers of its task.
std::string task_json(const DatasetInfo& info);
DatasetInfo parse_task_json(const std::string& text, const std::string& where);

/// A task over all classes of `info`, without rows.
Task task_over(const DatasetInfo& info);

}  // namespace metaloom
