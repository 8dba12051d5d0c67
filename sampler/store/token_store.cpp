#include "sampler/store/token_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/archive/archive.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/json.h"

namespace metaloom {

namespace {

constexpr Split kSplits[] = {Split::train, Split::validation, Split::test};
constexpr const char* kCure = "Run `metaloom data` again for this dataset.";
constexpr std::int64_t kVersion = 1;

/// `json[key]` as a T; the library's exceptions become ours.
template <class T>
T field(const Json& json, const char* key, const std::string& where) {
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception& problem) {
    throw Error(Fault::data, fmt::format("\"{}\" is missing or of another type", key), where,
                kCure);
  }
}

/// Numbers of type T at `place` of the mapped file.
template <class T>
std::span<const T> numbers(std::span<const std::byte> file, const Place& place,
                           const std::string& where) {
  if (place.count == 0) return {};
  const auto refuse = [&](const char* what) { throw Error(Fault::data, what, where, kCure); };
  const auto bytes = static_cast<std::int64_t>(file.size());
  if (place.bytes_each != static_cast<int>(sizeof(T))) refuse("integers of another width");
  if (place.count < 0 || place.offset < 0 || place.offset > bytes ||
      place.count > (bytes - place.offset) / place.bytes_each)
    refuse("numbers outside the file");
  return {reinterpret_cast<const T*>(file.data() + place.offset),
          static_cast<std::size_t>(place.count)};
}

void check_manifest(const Json& manifest, const std::string& where, const std::string& file,
                    std::span<const std::byte> bytes) {
  const auto size = field<std::int64_t>(manifest, "bytes", where);
  if (size != static_cast<std::int64_t>(bytes.size()))
    throw Error(Fault::data,
                fmt::format("{} bytes where the manifest says {}: cut short, or of another run",
                            bytes.size(), size),
                file, kCure);
  const auto expected = field<std::string>(manifest, "xxh3_64", where);
  const std::string found = hex(digest(bytes));
  if (found != expected)
    throw Error(Fault::data,
                fmt::format("digest {} where the manifest says {}: damaged", found, expected), file,
                kCure);
}

}  // namespace

TokenStore::TokenStore(const std::filesystem::path& file) : file_(file), mapping_(file) {
  auto side = file;
  side.replace_extension(".json");
  const std::string where = side.string();
  const Json manifest = parse_json(read_text(side), where);
  check_manifest(manifest, where, file.string(), mapping_.bytes());
  info_.store_digest = field<std::string>(manifest, "xxh3_64", where);

  const Layout layout = read_layout(file);
  read_info(layout);
  for (const Split split : kSplits) {
    map_columns(layout, split);
    check_offsets(split);
    check_numbers(split);
    const auto promised =
        field<std::int64_t>(field<Json>(manifest, "rows", where), name_of(split), where);
    if (promised != rows(split))
      damaged(fmt::format("{} rows where the manifest says {}", rows(split), promised), split);
  }
}

std::string TokenStore::content_digest() const {
  Json content{info_.name, info_.family, info_.labels, info_.label_words, info_.tokenizer_digest};
  for (const Split split : kSplits) {
    const Columns& c = columns(split);
    const auto add = [&](const auto& numbers) {
      content.push_back(hex(digest(std::as_bytes(numbers))));
    };
    add(c.tokens), add(c.labels), add(c.segment_offsets), add(c.row_segments), add(c.text_digests);
  }
  return hex(digest(content.dump()));
}

void TokenStore::read_info(const Layout& layout) {
  const std::string where = fmt::format("{}, meta", file_.string());
  const auto text = layout.texts.find("meta");
  if (text == layout.texts.end())
    throw Error(Fault::data, "no meta: not a token store", where, kCure);
  const Json meta = parse_json(text->second, where);
  if (field<std::string>(meta, "format", where) != "metaloom-tokens")
    throw Error(Fault::data, "not a token store", where, kCure);
  if (const auto version = field<std::int64_t>(meta, "version", where); version != kVersion)
    throw Error(Fault::data,
                fmt::format("format version {}; this program reads {}", version, kVersion), where,
                kCure);
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
      info_.shared_texts[static_cast<int>(split)] =
          field<std::int64_t>(meta.at("shared_texts"), name_of(split), where);
  if (info_.labels.size() != info_.label_words.size())
    throw Error(
        Fault::data,
        fmt::format("{} labels, but words for {}", info_.labels.size(), info_.label_words.size()),
        where, kCure);
  for (std::size_t label = 0; label < info_.labels.size(); ++label)
    for (const auto& word : info_.label_words[label])
      if (word.empty() || *std::min_element(word.begin(), word.end()) < 0)
        throw Error(Fault::data,
                    fmt::format("label \"{}\" has a word that is no list of word pieces",
                                info_.labels[label]),
                    where, kCure);
}

void TokenStore::map_columns(const Layout& layout, Split split) {
  const auto place = [&](const char* name) {
    const std::string path = fmt::format("{}/{}", name_of(split), name);
    const auto found = layout.places.find(path);
    if (found == layout.places.end())
      throw Error(Fault::data, fmt::format("no contiguous integers \"{}\"", path), file_.string(),
                  kCure);
    return std::pair(found->second, fmt::format("{}, {}", file_.string(), path));
  };
  const auto narrow = [&](const char* name) {
    const auto [at, where] = place(name);
    return numbers<std::int32_t>(mapping_.bytes(), at, where);
  };
  const auto wide = [&](const char* name) {
    const auto [at, where] = place(name);
    return numbers<std::int64_t>(mapping_.bytes(), at, where);
  };
  columns_[static_cast<int>(split)] = {narrow("tokens"), narrow("labels"), wide("segment_offsets"),
                                       wide("row_segments"), wide("text_digests")};
}

/// Both offset tables start at 0, rise at every step and end where what they cut ends: then every
/// offset is in bounds, and no row or segment is empty.
void TokenStore::check_offsets(Split split) const {
  const Columns& c = columns(split);
  if (c.row_segments.size() != c.labels.size() + 1 || c.text_digests.size() != c.labels.size())
    damaged(fmt::format("{} labels, {} row offsets, {} text digests", c.labels.size(),
                        c.row_segments.size(), c.text_digests.size()),
            split);
  if (c.segment_offsets.empty() || c.row_segments.front() != 0 || c.segment_offsets.front() != 0)
    damaged("offsets that do not start at 0", split);
  for (std::size_t row = 0; row < c.labels.size(); ++row)
    if (c.row_segments[row + 1] <= c.row_segments[row])
      damaged("row offsets that do not rise", split, static_cast<std::int64_t>(row));
  if (c.row_segments.back() != static_cast<std::int64_t>(c.segment_offsets.size()) - 1)
    damaged(fmt::format("rows end at segment {} of {}", c.row_segments.back(),
                        c.segment_offsets.size() - 1),
            split);
  for (std::int64_t row = 0; row < rows(split); ++row)
    for (std::int64_t s = c.row_segments[row]; s < c.row_segments[row + 1]; ++s) {
      if (c.segment_offsets[s + 1] == c.segment_offsets[s])
        damaged("a text of zero tokens", split, row);
      if (c.segment_offsets[s + 1] < c.segment_offsets[s])
        damaged("token offsets that fall", split, row);
      if (c.segment_offsets[s + 1] > static_cast<std::int64_t>(c.tokens.size()))
        damaged(fmt::format("a text that ends at token {} of {}", c.segment_offsets[s + 1],
                            c.tokens.size()),
                split, row);
    }
  if (c.segment_offsets.back() != static_cast<std::int64_t>(c.tokens.size()))
    damaged(fmt::format("texts end at token {} of {}", c.segment_offsets.back(), c.tokens.size()),
            split);
}

void TokenStore::check_numbers(Split split) const {
  const Columns& c = columns(split);
  const auto known = static_cast<std::int64_t>(info_.labels.size());
  for (std::int64_t row = 0; row < rows(split); ++row) {
    // Without label names a label is the index of the right choice, the first segment being the
    // context.
    const std::int64_t choices = segments(split, row) > 2 ? segments(split, row) - 1 : 0;
    const std::int64_t bound = known > 0 ? known : choices;
    if (c.labels[row] < -1 || c.labels[row] >= bound)
      damaged(fmt::format("label {}, which is none of the {}", c.labels[row], bound), split, row);
    const auto first = c.segment_offsets[c.row_segments[row]];
    const auto last = c.segment_offsets[c.row_segments[row + 1]];
    for (std::int64_t at = first; at < last; ++at)
      if (c.tokens[at] < 0) damaged(fmt::format("word piece {}", c.tokens[at]), split, row);
  }
}

void TokenStore::damaged(const std::string& what, Split split, std::int64_t row) const {
  std::string where = fmt::format("{}, split {}", file_.string(), name_of(split));
  if (row >= 0) where += fmt::format(", row {}", row);
  throw Error(Fault::data, what, where, kCure);
}

std::int64_t TokenStore::rows(Split split) const {
  return static_cast<std::int64_t>(columns(split).labels.size());
}

void TokenStore::leave_out(Split split, const std::set<std::int64_t>& rows) {
  left_out_[static_cast<int>(split)] = rows;
}

std::vector<std::int64_t> TokenStore::drawn_rows(Split split) const {
  const auto& without = left_out_[static_cast<int>(split)];
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(rows(split)));
  for (std::int64_t row = 0; row < rows(split); ++row)
    if (!without.contains(row)) out.push_back(row);
  return out;
}

std::int64_t TokenStore::left_out(Split split) const {
  return static_cast<std::int64_t>(left_out_[static_cast<int>(split)].size());
}

Example TokenStore::example(Split split, std::int64_t row) const {
  const Columns& c = columns(split);
  Example example;
  example.label = label(split, row);
  example.row = row;
  example.segments.reserve(segments(split, row));
  for (std::int64_t s = c.row_segments[row]; s < c.row_segments[row + 1]; ++s)
    example.segments.push_back(
        c.tokens.subspan(c.segment_offsets[s], c.segment_offsets[s + 1] - c.segment_offsets[s]));
  return example;
}

std::int64_t TokenStore::label(Split split, std::int64_t row) const {
  if (row < 0 || row >= rows(split))
    throw Error(Fault::internal, fmt::format("row {} of {} asked for", row, rows(split)),
                fmt::format("{}, split {}", file_.string(), name_of(split)));
  return columns(split).labels[row];
}

std::int64_t TokenStore::segments(Split split, std::int64_t row) const {
  const auto offsets = columns(split).row_segments;
  return offsets[row + 1] - offsets[row];
}

std::int64_t TokenStore::segment_tokens(Split split, std::int64_t row, std::int64_t segment) const {
  const Columns& c = columns(split);
  const std::int64_t s = c.row_segments[row] + segment;
  return c.segment_offsets[s + 1] - c.segment_offsets[s];
}

std::int64_t TokenStore::row_tokens(Split split, std::int64_t row) const {
  const Columns& c = columns(split);
  return c.segment_offsets[c.row_segments[row + 1]] - c.segment_offsets[c.row_segments[row]];
}

std::span<const std::int64_t> TokenStore::text_digests(Split split) const {
  return columns(split).text_digests;
}

}  // namespace metaloom
