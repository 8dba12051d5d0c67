#include "checkpoints/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "core/digest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/spelling.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";

// What cannot be reached is not damaged. Throws Error{temporary} unless `file` can be read, or is
// not there at all.
void check_reach(const fs::path& file) {
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return;
  const int code = errno;
  if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG) return;
  throw Error(Fault::temporary, fmt::format("cannot be reached: {}", std::strerror(code)),
              file.string(), "Give the permission to read it, or wait for the file server.");
}

// The bytes of a section, which are what the manifest says.
std::vector<std::byte> verified_bytes(const fs::path& folder, const std::string& name,
                                      const SectionFile& section) {
  const fs::path file = (folder / section.file).lexically_normal();
  check_reach(file);
  std::error_code code;
  const auto size = fs::file_size(file, code);
  const auto fail = [&](const std::string& what) {
    throw Error(Fault::data, "section \"" + name + "\" " + what, file.string(),
                "Take an older checkpoint, or train again.");
  };
  if (code) fail("cannot be read: " + code.message());
  if (size != static_cast<std::uintmax_t>(section.bytes)) {
    fail(fmt::format("has {} bytes where the manifest says {}", size, section.bytes));
  }
  std::vector<std::byte> bytes = read_bytes(file);
  if (hex(digest(bytes)) != section.xxh3) fail("has another digest than the manifest says");
  return bytes;
}

// The newest checkpoint of a `checkpoints` folder: what `latest` names, else the last step.
fs::path newest_in(const fs::path& folder) {
  std::error_code code;
  if (fs::exists(folder / "latest" / kManifest, code)) return fs::canonical(folder / "latest");
  std::int64_t newest = -1;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const auto step = step_of(entry.path().filename().string());
    if (fs::exists(entry.path() / kManifest, code)) newest = std::max(newest, step);
  }
  return newest < 0 ? fs::path() : fs::canonical(folder / step_name(newest));
}

// Stages are folders 1_muppet, 2_metaprompting, ...: the last one that has a checkpoint. Of several
// with one number the shortest name: controls are called after what they control, 3_spt_random.
fs::path newest_stage(const fs::path& run) {
  std::error_code code;
  fs::path found;
  std::tuple<long, std::size_t, std::string> last{1, 0, ""};  // -number, length, name: least wins
  for (const auto& entry : fs::directory_iterator(run, code)) {
    char* end = nullptr;
    const std::string name = entry.path().filename().string();
    const long number = std::strtol(name.c_str(), &end, 10);
    const std::tuple<long, std::size_t, std::string> order{-number, name.size(), name};
    if (end == name.c_str() || *end != '_' || order >= last) continue;
    const fs::path below = newest_in(entry.path() / "checkpoints");
    if (below.empty()) continue;
    found = below;
    last = order;
  }
  return found;
}

std::string what_is_there(const fs::path& path) {
  std::error_code code;
  const auto status = fs::status(path, code);
  if (!fs::exists(status)) {
    return fs::is_symlink(fs::symlink_status(path, code)) ? "a link to nothing" : "nothing";
  }
  if (!fs::is_directory(status)) return "a file";
  std::string names;
  int listed = 0;
  for (const auto& entry : fs::directory_iterator(path, code)) {
    if (++listed <= 8) names += (names.empty() ? "" : ", ") + entry.path().filename().string();
  }
  if (listed == 0) return "an empty folder";
  return "a folder with " + names + (listed > 8 ? ", ..." : "");
}

}  // namespace

void CheckpointOptions::fields(Fields& f) {
  f.integer("every", every, "updates between checkpoints; 0: only at the end", {0, 1e12});
  f.integer("keep", keep, "newest checkpoints kept", {1, 1e6});
}

Checkpoint Checkpoint::open(const fs::path& folder) {
  Checkpoint out;
  // Through links such as `latest`: "../shared" means the neighbour of the folder itself.
  std::error_code code;
  out.folder_ = fs::weakly_canonical(folder, code);
  if (code) out.folder_ = folder;
  const fs::path file = out.folder_ / kManifest;
  check_reach(file);
  out.text_ = read_text(file);
  out.manifest_ = Manifest::parse(out.text_, file.string());
  const std::int64_t named = step_of(out.folder_.filename().string());
  if (named >= 0 && named != out.step()) {
    throw Error(Fault::data, fmt::format("the manifest is of step {}", out.step()), file.string(),
                "The folder was renamed or mixed with another: take an older checkpoint.");
  }
  for (const auto& [name, section] : out.manifest_.sections)
    verified_bytes(out.folder_, name, section);
  return out;
}

std::vector<std::string> Checkpoint::sections() const {
  std::vector<std::string> out;
  for (const auto& [name, section] : manifest_.sections) out.push_back(name);
  return out;
}

std::string Checkpoint::section_digest(const std::string& section) const {
  const auto it = manifest_.sections.find(section);
  return it == manifest_.sections.end() ? "" : it->second.xxh3;
}

Archive Checkpoint::read(const std::string& section) const {
  const auto it = manifest_.sections.find(section);
  if (it == manifest_.sections.end()) {
    throw Error(Fault::data, "the checkpoint has no section \"" + section + '"', folder_.string(),
                did_you_mean(section, sections()));
  }
  return Archive::parse(verified_bytes(folder_, section, it->second),
                        (folder_ / it->second.file).lexically_normal().string());
}

fs::path resolve_checkpoint(const fs::path& path) {
  std::error_code code;
  if (fs::exists(path / kManifest, code)) return fs::canonical(path);
  for (const auto& found : {newest_in(path), newest_in(path / "checkpoints"), newest_stage(path)}) {
    if (!found.empty()) return found;
  }
  throw Error(Fault::data, "there is no checkpoint here, but " + what_is_there(path), path.string(),
              "Name a run folder, or a checkpoint in it, as in runs/x/checkpoints/latest.");
}

bool holds_checkpoint(const fs::path& folder) {
  return !newest_in(folder).empty();
}

}  // namespace metaloom
