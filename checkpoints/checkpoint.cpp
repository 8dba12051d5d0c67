#include "checkpoints/checkpoint.h"

#include <fmt/format.h>

#include <cstdlib>
#include <tuple>
#include <utility>

#include "core/digest.h"
#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";

// The newest checkpoint of a `checkpoints` folder: what `latest` names, else the last step.
fs::path newest_in(Disk& disk, const fs::path& folder) {
  if (disk.look(folder / "latest" / kManifest)) return disk.real(folder / "latest");
  std::int64_t newest = -1;
  for (const std::int64_t step : steps_in(disk, folder)) {
    if (disk.look(folder / step_name(step) / kManifest)) newest = step;
  }
  return newest < 0 ? fs::path() : disk.real(folder / step_name(newest));
}

// Stages are folders 1_muppet, 2_metaprompting, ...: the last one that has a checkpoint. Of several
// with one number the shortest name: controls are called after what they control, 3_spt_random.
fs::path newest_stage(Disk& disk, const fs::path& run) {
  fs::path found;
  std::tuple<long, std::size_t, std::string> last{1, 0, ""};  // -number, length, name: least wins
  for (const fs::path& stage : disk.list(run)) {
    char* end = nullptr;
    const std::string name = stage.filename().string();
    const long number = std::strtol(name.c_str(), &end, 10);
    const std::tuple<long, std::size_t, std::string> order{-number, name.size(), name};
    if (end == name.c_str() || *end != '_' || order >= last) continue;
    const fs::path below = newest_in(disk, stage / "checkpoints");
    if (below.empty()) continue;
    found = below;
    last = order;
  }
  return found;
}

std::string what_is_there(Disk& disk, const fs::path& path) {
  const Found found = disk.look(path);
  if (!found) return disk.look(path, Links::stop) ? "a link to nothing" : "nothing";
  if (found.kind != Found::Kind::folder) return "a file";
  std::string names;
  int listed = 0;
  for (const fs::path& each : disk.list(path)) {
    if (++listed <= 8) names += (names.empty() ? "" : ", ") + each.filename().string();
  }
  if (listed == 0) return "an empty folder";
  return "a folder with " + names + (listed > 8 ? ", ..." : "");
}

}  // namespace

void CheckpointOptions::fields(Fields& f) {
  f.integer("every", every, "updates between checkpoints; 0: only at the end", {0, 1e12});
  f.integer("keep", keep, "newest checkpoints kept", {1, 1e6});
}

Checkpoint Checkpoint::open(Disk& disk, const fs::path& folder) {
  // Through links such as `latest`: "../shared" means the neighbour of the folder itself.
  Checkpoint out(disk, disk.real(folder));
  const fs::path file = out.folder_ / kManifest;
  disk.check_reach(file);  // what cannot be reached is not damaged
  out.text_ = disk.read_text(file);
  out.manifest_ = Manifest::parse(out.text_, file.string());
  const std::int64_t named = step_of(out.folder_.filename().string());
  if (named >= 0 && named != out.step()) {
    throw Error(Fault::data, fmt::format("the manifest is of step {}", out.step()), file.string(),
                "The folder was renamed or mixed with another: take an older checkpoint.");
  }
  for (const auto& [name, section] : out.manifest_.sections) out.verified_bytes(name, section);
  return out;
}

std::vector<std::byte> Checkpoint::verified_bytes(const std::string& name,
                                                  const SectionFile& section) const {
  const fs::path file = (folder_ / section.file).lexically_normal();
  disk_->check_reach(file);
  const auto fail = [&](const std::string& what) {
    throw Error(Fault::data, "section \"" + name + "\" " + what, file.string(),
                "Take an older checkpoint, or train again.");
  };
  const Found found = disk_->look(file);
  if (found.kind != Found::Kind::file) {
    fail(found ? "cannot be read: it is no file" : "cannot be read: No such file or directory");
  }
  if (std::cmp_not_equal(found.bytes, section.bytes)) {
    fail(fmt::format("has {} bytes where the manifest says {}", found.bytes, section.bytes));
  }
  std::vector<std::byte> bytes = disk_->read(file);
  if (hex(digest(bytes)) != section.xxh3) fail("has another digest than the manifest says");
  return bytes;
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
  return Archive::parse(verified_bytes(section, it->second),
                        (folder_ / it->second.file).lexically_normal().string());
}

fs::path resolve_checkpoint(Disk& disk, const fs::path& path) {
  if (disk.look(path / kManifest)) return disk.real(path);
  for (const auto& found :
       {newest_in(disk, path), newest_in(disk, path / "checkpoints"), newest_stage(disk, path)}) {
    if (!found.empty()) return found;
  }
  throw Error(Fault::data, "there is no checkpoint here, but " + what_is_there(disk, path),
              path.string(),
              "Name a run folder, or a checkpoint in it, as in runs/x/checkpoints/latest.");
}

bool holds_checkpoint(Disk& disk, const fs::path& folder) {
  return !newest_in(disk, folder).empty();
}

}  // namespace metaloom
