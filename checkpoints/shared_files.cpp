#include "checkpoints/shared_files.h"

#include <utility>

#include "checkpoints/checkpoint.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/log/log.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShared = "shared";

}  // namespace

SharedFiles::SharedFiles(Disk& disk, fs::path folder, std::string temporary)
    : disk_(disk), folder_(std::move(folder)), temporary_(std::move(temporary)) {}

bool SharedFiles::holds(const fs::path& file, const SectionFile& section) const {
  const Found found = disk_.look(file);
  if (found.kind != Found::Kind::file || std::cmp_not_equal(found.bytes, section.bytes))
    return false;
  return hex(digest(disk_.read(file))) == section.xxh3;
}

// The names of the files that a step's manifest names.
std::set<std::string> SharedFiles::named_by(std::int64_t step) const {
  const fs::path file = folder_ / step_name(step) / "manifest.json";
  const Manifest manifest = Manifest::parse(disk_.read_text(file), file.string());
  std::set<std::string> out;
  for (const auto& [name, section] : manifest.sections) {
    out.insert(fs::path(section.file).filename().string());
  }
  return out;
}

SectionFile SharedFiles::refer(const std::string& name, const Archive& archive,
                               std::map<fs::path, Image>& files) {
  const auto known = known_.find(name);
  if (known != known_.end()) {
    const Found found = disk_.look(folder_ / known->second.file.substr(3));
    if (found && std::cmp_equal(found.bytes, known->second.bytes)) return known->second;
  }
  Image image = archive.image();
  const std::string xxh3 = hex(digest(image));
  const fs::path file = fs::path(kShared) / shared_name(xxh3);
  SectionFile section{"../" + file.string(), static_cast<std::int64_t>(image.size()), xxh3};
  if (!holds(folder_ / file, section)) files[file] = std::move(image);
  known_[name] = section;
  return section;
}

void SharedFiles::write(const fs::path& file, const Image& image) const {
  const fs::path place = folder_ / file, part = place.string() + temporary_;
  disk_.make_folder(place.parent_path());
  disk_.write(part, image);
  disk_.rename(part, place);
  disk_.sync(place.parent_path());
}

void SharedFiles::restore(const std::map<std::string, Archive>& shared) {
  std::set<std::string> named;
  for (const std::int64_t step : steps_in(disk_, folder_)) {
    try {
      named.merge(named_by(step));
    } catch (const Error&) {  // a damaged manifest names nothing that could be mended
    }
  }
  if (named.empty()) return;
  std::map<fs::path, Image> files;
  for (const auto& [name, archive] : shared) refer(name, archive, files);
  for (const auto& [file, image] : files) {
    if (!named.contains(file.filename().string())) continue;
    spdlog::warn("{} does not hold what its name says: it is written anew",
                 (folder_ / file).string());
    write(file, image);
  }
}

// Another file of the same content, as another version of HDF5 may write it, will do.
void SharedFiles::check_same(const Checkpoint& found) const {
  const Manifest manifest = Manifest::parse(found.manifest(), found.folder().string());
  for (const auto& [name, section] : manifest.sections) {
    const auto now = known_.find(name);
    if (now == known_.end() || now->second.xxh3 == section.xxh3) continue;
    if (hex(digest(found.read(name).image())) == now->second.xxh3) continue;
    throw Error(
        Fault::usage, "the run's " + name + " is not the one it began with",
        found.folder().string(),
        "What init or model.weights names has changed (provenance.json tells what it "
        "was): bring it back, start over with resume=never, or say model.allow_changed=true.");
  }
}

void SharedFiles::remove_unnamed() const {
  std::set<std::string> named;
  for (const std::int64_t step : steps_in(disk_, folder_)) named.merge(named_by(step));
  for (const auto& path : disk_.list(folder_ / kShared)) {
    if (!named.contains(path.filename().string())) disk_.remove(path);
  }
}

void SharedFiles::clear_leftovers() const {
  for (const auto& path : disk_.list(folder_ / kShared)) {
    if (path.filename().string().find(kTemporary) != std::string::npos) disk_.remove(path);
  }
}

}  // namespace metaloom
