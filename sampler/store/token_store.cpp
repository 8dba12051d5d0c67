#include "sampler/store/token_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/digest.h"
#include "sampler/store/shard.h"

namespace metaloom {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kLookedAt = 1024;  // rows of a split of shards, when a family is made
constexpr const char* kColumns[] = {"tokens", "labels", "segment_offsets", "row_segments",
                                    "text_digests"};

/// The words of labels, each word being its pieces.
void check_words(const DatasetInfo& info, const std::string& where) {
  if (info.labels.size() != info.label_words.size())
    throw Error(
        Fault::data,
        fmt::format("{} labels, but words for {}", info.labels.size(), info.label_words.size()),
        where, kStoreCure);
  for (std::size_t label = 0; label < info.labels.size(); ++label)
    for (const auto& word : info.label_words[label])
      if (word.empty() || *std::min_element(word.begin(), word.end()) < 0)
        throw Error(Fault::data,
                    fmt::format("label \"{}\" has a word that is no list of word pieces",
                                info.labels[label]),
                    where, kStoreCure);
}

}  // namespace

TokenStore::TokenStore(const std::filesystem::path& file) {
  StoreManifest manifest = StoreManifest::read(file);
  file_ = manifest.file;
  sharded_ = manifest.sharded;
  content_ = std::move(manifest.content);
  info_.store_digest = manifest.digest;
  read_info(manifest);
  for (auto& starts : starts_) starts.push_back(0);
  for (StoreFile& one : manifest.files) {
    shards_.push_back(std::make_unique<StoreShard>(std::move(one), std::ssize(info_.labels)));
    for (const Split split : kSplits)
      starts_[index(split)].push_back(rows(split) + shards_.back()->rows(split));
  }
  if (!sharded_) check_rows();
}

TokenStore::TokenStore(TokenStore&& other) noexcept = default;
TokenStore::~TokenStore() = default;

void TokenStore::read_info(const StoreManifest& manifest) {
  const std::string where = fmt::format("{}, meta", file_.string());
  const Json& meta = manifest.meta;
  if (field<std::string>(meta, "format", where) != "metaloom-tokens")
    throw Error(Fault::data, "not a token store", where, kStoreCure);
  if (const auto version = field<std::int64_t>(meta, "version", where); version != kVersion)
    throw Error(Fault::data,
                fmt::format("format version {}; this program reads {}", version, kVersion), where,
                kStoreCure);
  info_.name = field<std::string>(meta, "name", where);
  info_.family = field<std::string>(meta, "family", where);
  info_.licence = field<std::string>(meta, "licence", where);
  info_.source = field<std::string>(meta, "source", where);
  info_.tokenizer_digest = field<std::string>(meta, "tokenizer_digest", where);
  info_.labels = field<std::vector<std::string>>(meta, "labels", where);
  info_.label_words =
      field<std::vector<std::vector<std::vector<std::int32_t>>>>(meta, "label_words", where);
  if (meta.contains("shared_texts"))
    for (const Split split : {Split::validation, Split::test})
      info_.shared_texts[index(split)] =
          field<std::int64_t>(meta.at("shared_texts"), name_of(split), where);
  check_words(info_, where);
}

void TokenStore::check() const {
  if (sharded_) check_rows();  // one file was checked when it was opened
}

void TokenStore::check_rows() const {
  for (const auto& shard : shards_)
    for (const Split split : kSplits) shard->check(split);
}

std::string TokenStore::column_digest(Split split, const char* name) const {
  if (sharded_) {
    const auto told = content_.find(fmt::format("{}/{}", name_of(split), name));
    if (told != content_.end()) return told->second;
    throw Error(Fault::data, fmt::format("no digest of {}/{}", name_of(split), name),
                file_.string(), kStoreCure);
  }
  const StoreShard::Columns& c = shards_.front()->columns(split);
  const std::string_view wanted = name;
  const auto of = [](const auto& column) { return hex(digest(std::as_bytes(column.all()))); };
  if (wanted == "tokens") return of(c.tokens);
  if (wanted == "labels") return of(c.labels);
  if (wanted == "segment_offsets") return of(c.segment_offsets);
  return wanted == "row_segments" ? of(c.row_segments) : of(c.text_digests);
}

std::string TokenStore::content_digest() const {
  Json content{info_.name, info_.family, info_.labels, info_.label_words, info_.tokenizer_digest};
  for (const Split split : kSplits)
    for (const char* name : kColumns) content.push_back(column_digest(split, name));
  return hex(digest(content.dump()));
}

std::int64_t TokenStore::rows_looked_at(Split split) const {
  return sharded_ ? std::min(rows(split), kLookedAt) : rows(split);
}

void TokenStore::leave_out(Split split, const std::set<std::int64_t>& rows) {
  left_out_[index(split)] = {rows.begin(), rows.end()};
}

std::int64_t TokenStore::drawn_row(Split split, std::int64_t place) const {
  // As many rows are left out before it as there are i with left[i] - i <= place, which rises.
  const auto& left = left_out_[index(split)];
  std::int64_t low = 0, high = std::ssize(left);
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (left[static_cast<std::size_t>(middle)] - middle <= place) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return place + low;
}

std::pair<const StoreShard*, std::int64_t> TokenStore::at(Split split, std::int64_t row) const {
  if (row < 0 || row >= rows(split))
    throw Error(Fault::internal, fmt::format("row {} of {} asked for", row, rows(split)),
                fmt::format("{}, split {}", file_.string(), name_of(split)));
  const auto& first = starts(split);
  const auto shard = std::upper_bound(first.begin(), first.end(), row) - first.begin() - 1;
  return {shards_[static_cast<std::size_t>(shard)].get(),
          row - first[static_cast<std::size_t>(shard)]};
}

Example TokenStore::example(Split split, std::int64_t row) const {
  const auto [shard, here] = at(split, row);
  if (sharded_) shard->check(split, here);  // a store of one file was checked when it was opened
  const auto bounds = shard->bounds(split, here);
  Example example;
  example.target.label = shard->columns(split).labels[here];
  example.row = row;
  example.segments.reserve(bounds.size() - 1);
  for (std::size_t s = 1; s < bounds.size(); ++s)
    example.segments.push_back(
        shard->columns(split).tokens.part(bounds[s - 1], bounds[s] - bounds[s - 1]));
  return example;
}

std::int64_t TokenStore::label(Split split, std::int64_t row) const {
  const auto [shard, here] = at(split, row);
  return shard->columns(split).labels[here];
}

std::int64_t TokenStore::segments(Split split, std::int64_t row) const {
  const auto [shard, here] = at(split, row);
  return std::ssize(shard->bounds(split, here)) - 1;
}

std::int64_t TokenStore::segment_tokens(Split split, std::int64_t row, std::int64_t segment) const {
  const auto [shard, here] = at(split, row);
  const auto bounds = shard->bounds(split, here);
  return bounds[static_cast<std::size_t>(segment) + 1] - bounds[static_cast<std::size_t>(segment)];
}

std::int64_t TokenStore::row_tokens(Split split, std::int64_t row) const {
  const auto [shard, here] = at(split, row);
  const auto bounds = shard->bounds(split, here);
  return bounds.back() - bounds.front();
}

std::vector<std::int64_t> TokenStore::text_digests(Split split) const {
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(rows(split)));
  for (const auto& shard : shards_) {
    const auto digests = shard->columns(split).text_digests.all();
    out.insert(out.end(), digests.begin(), digests.end());
  }
  return out;
}

void TokenStore::each_labels(Split split, const Labels& act) const {
  for (std::size_t s = 0; s < shards_.size(); ++s)
    act(starts(split)[s], shards_[s]->columns(split).labels.all());
}

bool TokenStore::is_left_out(Split split, std::int64_t row) const {
  const auto& left = left_out_[index(split)];
  return std::binary_search(left.begin(), left.end(), row);
}

std::string TokenStore::where(Split split, std::int64_t row) const {
  const auto [shard, here] = at(split, row);
  return shard->where(split, here);
}

}  // namespace metaloom
