// One dataset's tokens, mapped read-only: a file, or shards. Format: docs/formats.md. A store of
// one file is checked whole when it is opened. One of shards, which may be larger than what a start
// can read, opens at once: every byte of it is compared with a digest, and every row checked,
// before it is first used. The store owns the mappings that every Example points into. Thread-safe
// for reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sampler/task.h"

namespace metaloom {

class StoreShard;      // sampler/store/shard.h
struct StoreManifest;  // sampler/store/store_manifest.h

class TokenStore {
 public:
  /// Opens what NAME.json describes; `file` is NAME.h5, or NAME.shards, beside it. Throws
  /// Error{data} naming the file, the split and the row.
  explicit TokenStore(const std::filesystem::path& file);
  TokenStore(TokenStore&& other) noexcept;
  ~TokenStore();

  const DatasetInfo& info() const { return info_; }
  /// The store's file, or the index of its shards: what errors of the whole store name.
  const std::filesystem::path& file() const { return file_; }
  /// Of what tasks are made of, wherever the rows came from and however they are cut into files:
  /// labels, their words, and all rows. Reads a store of one file whole.
  std::string content_digest() const;
  /// Throws Error{data} at the first byte or row that is not what it must be: of shards, whose rows
  /// all are read; one file was checked when it was opened.
  void check() const;

  std::int64_t rows(Split split) const { return starts(split).back(); }
  /// The first rows of a split, which a family looks at when it is made, so that a set of another
  /// kind is refused at once: all of one file. Any row is looked at again when it is drawn.
  std::int64_t rows_looked_at(Split split) const;
  /// From here on no task is drawn from these rows of a split.
  void leave_out(Split split, const std::set<std::int64_t>& rows);
  /// The rows that tasks are drawn from, all but those left out: how many, and the one at `place`
  /// among them in ascending order.
  std::int64_t drawn_rows(Split split) const { return rows(split) - left_out(split); }
  std::int64_t drawn_row(Split split, std::int64_t place) const;
  std::int64_t left_out(Split split) const { return std::ssize(left_out_[index(split)]); }

  /// A row's segments (views) and its label: an index into info().labels or, where the dataset has
  /// none, the index of the right choice; -1 where the row has no label. Throws Error{data} where
  /// the row is damaged.
  Example example(Split split, std::int64_t row) const;
  std::int64_t label(Split split, std::int64_t row) const;
  std::int64_t segments(Split split, std::int64_t row) const;
  /// Word pieces of one segment of a row, and of all of them together.
  std::int64_t segment_tokens(Split split, std::int64_t row, std::int64_t segment) const;
  std::int64_t row_tokens(Split split, std::int64_t row) const;
  /// XXH3 of each row's normalised text: equal texts, equal numbers (for overlaps). A copy.
  std::vector<std::int64_t> text_digests(Split split) const;
  /// Calls act(first, labels) for all rows of a split: a piece of them in a row, from row `first`
  /// on.
  using Labels = std::function<void(std::int64_t first, std::span<const std::int32_t> labels)>;
  void each_labels(Split split, const Labels& act) const;
  bool is_left_out(Split split, std::int64_t row) const;
  /// "FILE, split train, row 3" for messages about a row.
  std::string where(Split split, std::int64_t row) const;

 private:
  static std::size_t index(Split split) { return static_cast<std::size_t>(split); }
  const std::vector<std::int64_t>& starts(Split split) const { return starts_[index(split)]; }
  void read_info(const StoreManifest& manifest);
  void check_rows() const;
  /// The shard that holds a row, and the row's number there.
  std::pair<const StoreShard*, std::int64_t> at(Split split, std::int64_t row) const;
  std::string column_digest(Split split, const char* name) const;

  std::filesystem::path file_;
  DatasetInfo info_;
  bool sharded_ = false;
  std::map<std::string, std::string> content_;  // of shards: digests of columns (StoreManifest)
  std::vector<std::unique_ptr<StoreShard>> shards_;
  std::vector<std::int64_t> starts_[3];    // of each shard, the first of its rows; then all
  std::vector<std::int64_t> left_out_[3];  // ascending
};

}  // namespace metaloom
