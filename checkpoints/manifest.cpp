#include "checkpoints/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/digest.h"
#include "core/error.h"
#include "core/json.h"

namespace metaloom {

namespace {

constexpr const char* kFormat = "metaloom-checkpoint";
constexpr std::int64_t kVersion = 1;
constexpr std::string_view kStep = "step_";
constexpr std::string_view kShared = "../shared/";

[[noreturn]] void damaged(const std::string& what, const std::string& where) {
  throw Error(Fault::data, what, where, "Take an older checkpoint, or train again.");
}

bool is_hex(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A plain file of this folder, or a shared one named by its digest.
bool is_place(std::string_view file, const std::string& xxh3) {
  if (file.starts_with(kShared)) return file.substr(kShared.size()) == shared_name(xxh3);
  return file.ends_with(".h5") && !file.starts_with('.') &&
         file.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

// The value of `key`, which must have the type asked for.
template <class T>
T take(const Json& from, const char* key, const std::string& where) {
  try {
    return from.at(key).get<T>();
  } catch (const Json::exception&) {
    damaged(fmt::format("the manifest has no valid \"{}\"", key), where);
  }
}

}  // namespace

std::string step_name(std::int64_t step) {
  return fmt::format("{}{:08}", kStep, step);
}

std::int64_t step_of(const std::string& name) {
  if (!name.starts_with(kStep) || name.size() < kStep.size() + 8) return -1;
  std::int64_t step = -1;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + kStep.size(), end, step);
  return result.ec == std::errc() && result.ptr == end && step >= 0 && step_name(step) == name
             ? step
             : -1;
}

std::vector<std::int64_t> steps_in(Disk& disk, const std::filesystem::path& folder) {
  std::vector<std::int64_t> out;
  for (const auto& path : disk.list(folder)) {
    const auto step = step_of(path.filename().string());
    if (step >= 0) out.push_back(step);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string shared_name(const std::string& xxh3) {
  return xxh3 + ".h5";
}

bool is_shared_name(const std::string& name) {
  return name.ends_with(".h5") && is_hex(std::string_view(name).substr(0, name.size() - 3));
}

std::string Manifest::to_json() const {
  Json out;
  out["format"] = kFormat;
  out["version"] = kVersion;
  out["step"] = step;
  out["config_digest"] = config_digest;
  out["attempt"] = attempt;
  out["time"] = time;
  out["sections"] = Json::object();
  for (const auto& [name, section] : sections) {
    out["sections"][name] = {
        {"file", section.file}, {"bytes", section.bytes}, {"xxh3", section.xxh3}};
  }
  out["xxh3"] = hex(digest(out.dump()));
  return out.dump(2) + '\n';
}

Manifest Manifest::parse(const std::string& json, const std::string& where) {
  Json in = parse_json(json, where);
  if (!in.is_object()) damaged("the manifest is no JSON object", where);
  if (take<std::string>(in, "format", where) != kFormat) damaged("not a checkpoint", where);
  const auto version = take<std::int64_t>(in, "version", where);
  const auto own_digest = take<std::string>(in, "xxh3", where);
  in.erase("xxh3");
  if (hex(digest(in.dump())) != own_digest) damaged("the manifest is damaged", where);
  if (version != kVersion) {
    // Not damage: an older program must not set aside what a newer one wrote.
    throw Error(Fault::usage, fmt::format("format version {} is not version {}", version, kVersion),
                where, "Read it with the release of metaloom that wrote it.");
  }
  Manifest out;
  out.step = take<std::int64_t>(in, "step", where);
  out.config_digest = take<std::string>(in, "config_digest", where);
  out.attempt = take<std::string>(in, "attempt", where);
  out.time = take<std::int64_t>(in, "time", where);
  const Json sections = take<Json>(in, "sections", where);
  for (const auto& [name, section] : sections.items()) {
    SectionFile file{take<std::string>(section, "file", where),
                     take<std::int64_t>(section, "bytes", where),
                     take<std::string>(section, "xxh3", where)};
    if (!is_hex(file.xxh3) || !is_place(file.file, file.xxh3) || file.bytes < 0) {
      damaged("section \"" + name + "\" is not described properly", where);
    }
    out.sections.emplace(name, std::move(file));
  }
  return out;
}

}  // namespace metaloom
