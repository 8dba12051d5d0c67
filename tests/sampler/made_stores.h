// Token stores made for tests: written to a folder that disappears with its owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/archive/archive.h"
#include "core/error.h"
#include "core/files/files.h"
#include "sampler/mix/mix.h"
#include "sampler/store/token_store.h"

namespace metaloom::testing {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The arrays of one split, as they stand in the file; tests may spoil them before writing.
struct SplitArrays {
  std::vector<std::int32_t> tokens, labels;
  std::vector<std::int64_t> segment_offsets{0}, row_segments{0}, text_digests;
  std::string salt;  // keeps the digests of one split apart from those of another

  /// Appends a row whose segments have these lengths; its tokens and its digest are new numbers.
  void add(const std::vector<int>& lengths, std::int32_t label);
};

struct StoreArrays {
  std::string name = "made", family = "classification", tokenizer = "t0";
  std::vector<std::string> labels;
  SplitArrays splits[3];

  SplitArrays& split(Split which) { return splits[static_cast<int>(which)]; }
  std::string meta() const;
  Archive archive() const;
};

/// A store of `family` with rows of many lengths in all splits: classification (4 labels, texts and
/// pairs), multiple choice (2 to 5 candidates), episodes (8 + 6 + 6 classes of 12 rows). A family
/// that is not known here gets the rows of a classification.
StoreArrays sample(const std::string& family, const std::string& name = "made",
                   std::int64_t train_rows = 75);

/// Writes NAME.h5 and its manifest NAME.json; returns the path of the former.
std::filesystem::path write(const StoreArrays& store, const std::filesystem::path& folder);
/// As write, for a tree that need not be a store at all; `rows` are those the manifest claims.
std::filesystem::path write(const Archive& tree, const std::filesystem::path& file,
                            const std::vector<std::int64_t>& rows);

/// Everything that a task holds, as text: equal tasks, equal texts.
std::string describe(const Task& task);

/// The message of the Error that `act` throws; fails the test where it throws none or where its
/// fault is another.
std::string error_of(Fault fault, const std::function<void()>& act);

}  // namespace metaloom::testing
