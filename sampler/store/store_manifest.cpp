#include "sampler/store/store_manifest.h"

#include <fmt/format.h>

#include <bit>

#include "core/digest.h"

namespace metaloom {

namespace {

constexpr std::int64_t kShardsVersion = 1;

std::array<std::int64_t, 3> rows_of(const Json& json, const std::string& where) {
  std::array<std::int64_t, 3> out{};
  const auto rows = field<Json>(json, "rows", where);
  for (const Split split : kSplits)
    out[static_cast<std::size_t>(split)] = field<std::int64_t>(rows, name_of(split), where);
  return out;
}

std::uint64_t number_of(const std::string& digits, const std::string& where) {
  try {
    return std::stoull(digits, nullptr, 16);
  } catch (const std::exception&) {
    throw Error(Fault::data, "not a digest: \"" + digits + '"', where, kStoreCure);
  }
}

Json meta_of(const Layout& layout, const std::string& where) {
  const auto text = layout.texts.find("meta");
  if (text == layout.texts.end())
    throw Error(Fault::data, "no meta: not a token store", where, kStoreCure);
  return parse_json(text->second, where);
}

/// Refuses what a mapping could not serve: another width, or a place outside the file.
std::map<std::string, Extent> places_of(const Json& shard, std::int64_t bytes,
                                        const std::string& where) {
  std::map<std::string, Extent> out;
  const auto places = field<Json>(shard, "places", where);
  for (const auto& [path, value] : places.items()) {
    const auto numbers = field<std::vector<std::int64_t>>(places, path.c_str(), where);
    if (numbers.size() != 3) throw Error(Fault::data, "no place of " + path, where, kStoreCure);
    const Extent place{numbers[0], numbers[1], static_cast<int>(numbers[2])};
    const bool fits = (numbers[2] == 4 || numbers[2] == 8) && place.offset >= 0 &&
                      place.offset <= bytes && place.offset % place.bytes_each == 0 &&
                      place.count >= 0 && place.count <= (bytes - place.offset) / place.bytes_each;
    if (!fits) throw Error(Fault::data, path + " outside the file", where, kStoreCure);
    out[path] = place;
  }
  return out;
}

StoreFile shard_of(const Json& shard, std::int64_t block, const std::filesystem::path& index) {
  const std::string where = index.string();
  const auto name = field<std::string>(shard, "file", where);
  const auto bytes = field<std::int64_t>(shard, "bytes", where);
  if (name.find('/') != name.npos)
    throw Error(Fault::data, "a shard outside the folder: " + name, where, kStoreCure);
  const auto text = field<std::string>(shard, "blocks", where);
  std::vector<std::uint64_t> digests;
  for (std::size_t at = 0; at < text.size(); at += 16)
    digests.push_back(number_of(text.substr(at, 16), where));
  StoreFile out;
  out.places = places_of(shard, bytes, where);
  out.rows = rows_of(shard, where);
  out.file =
      std::make_unique<CheckedFile>(index.parent_path() / name, bytes, block, std::move(digests));
  return out;
}

void read_shards(StoreManifest& out, std::int64_t bytes) {
  const std::string where = out.file.string();
  const CheckedFile index(out.file, bytes, number_of(out.digest, where));
  const Json json = parse_json(
      std::string(reinterpret_cast<const char*>(index.data()), static_cast<std::size_t>(bytes)),
      where);
  const auto version = field<std::int64_t>(json, "version", where);
  if (field<std::string>(json, "format", where) != "metaloom-shards" || version != kShardsVersion)
    throw Error(Fault::data,
                fmt::format("no index of shards, or one of version {}; this program reads {}",
                            version, kShardsVersion),
                where, kStoreCure);
  const auto block = field<std::int64_t>(json, "block", where);
  if (block < 1 || !std::has_single_bit(static_cast<std::uint64_t>(block)))
    throw Error(Fault::data, fmt::format("blocks of {} bytes", block), where, kStoreCure);
  out.meta = field<Json>(json, "meta", where);
  out.content = field<std::map<std::string, std::string>>(json, "content", where);
  for (const Json& shard : field<Json>(json, "shards", where))
    out.files.push_back(shard_of(shard, block, out.file));
  for (const Split split : kSplits) {
    std::int64_t rows = 0;
    for (const StoreFile& file : out.files) rows += file.rows[static_cast<std::size_t>(split)];
    if (rows != out.rows[static_cast<std::size_t>(split)])
      throw Error(Fault::data,
                  fmt::format("{} rows where the manifest says {}", rows,
                              out.rows[static_cast<std::size_t>(split)]),
                  fmt::format("{}, split {}", where, name_of(split)), kStoreCure);
  }
}

}  // namespace

StoreManifest StoreManifest::read(const std::filesystem::path& path) {
  auto side = path;
  side.replace_extension(".json");
  const std::string where = side.string();
  // Where nothing is there at all, it is the store that is missing, not its manifest.
  if (!std::filesystem::exists(side) && !std::filesystem::exists(path)) read_bytes(path);
  const Json json = parse_json(read_text(side), where);
  StoreManifest out;
  const auto bytes = field<std::int64_t>(json, "bytes", where);
  out.digest = field<std::string>(json, "xxh3_64", where);
  const std::filesystem::path named =
      json.contains("file") ? field<std::string>(json, "file", where) : path.filename().string();
  out.sharded = named.extension() == ".json";
  if (out.sharded) {
    out.rows = rows_of(json, where);
    auto folder = side;
    out.file = folder.replace_extension(".shards") / named.filename();
    read_shards(out, bytes);
    return out;
  }
  // Whatever the manifest calls it: a store that was given another name is told of by its own.
  out.file = side;
  out.file.replace_extension(".h5");
  out.files.push_back(
      {std::make_unique<CheckedFile>(out.file, bytes, number_of(out.digest, where)), {}, {}});
  Layout layout = read_layout(out.file);
  out.meta = meta_of(layout, fmt::format("{}, meta", out.file.string()));
  out.rows = rows_of(json, where);
  out.files.front().places = std::move(layout.places);
  out.files.front().rows = out.rows;
  return out;
}

}  // namespace metaloom
