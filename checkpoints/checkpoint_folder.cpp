#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "checkpoints/checkpoint.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/log/log.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

constexpr const char* kReplaced = ".replaced-";  // was one until its successor has its name
constexpr const char* kLatest = "latest";
constexpr const char* kAttempt = "attempt";  // which start of the program may save

// Differs between any two starts of the program, on any host.
std::string new_attempt() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return hex(digest(fmt::format("{} {} {} {}", host, ::getpid(), std::time(nullptr), now)));
}

// The step that a link of ours names, -1 if none.
std::int64_t named_by(const fs::path& link) {
  std::error_code code;
  const fs::path target = fs::read_symlink(link, code);
  return code ? -1 : step_of(target.filename().string());
}

// Tells the batch script that started the program (slurm/train.sbatch) that there is something new
// to go on from. A script that does not hear of it only gives up sooner.
void tell_script() {
  const char* file = std::getenv("METALOOM_SAVED");
  if (file != nullptr && *file != '\0') std::ofstream(file) << "saved\n";
}

/// Of a step, link or file that is being written, or was replaced: its name without those marks.
std::string original_name(const fs::path& path) {
  std::string name = path.filename().string();
  const auto mark = std::min(name.find(kReplaced), name.find(kTemporary));
  if (mark != std::string::npos) name.resize(mark);
  return name.starts_with('.') ? name.substr(1) : name;
}

/// Removes what is ours in `folder`, which may hold other things, and the folder if it is empty.
template <class IsOurs>
void clear_below(const fs::path& folder, const IsOurs& is_ours) {
  for (const auto& path : entries(folder)) {
    if (is_ours(original_name(path))) remove_path(path);
  }
  std::error_code not_empty;
  fs::remove(folder, not_empty);
}

void check_section_name(const std::string& name) {
  const bool good = !name.empty() && name.front() != '.' &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_-.") == std::string::npos;
  if (!good) throw Error(Fault::internal, "\"" + name + "\" cannot name a section");
}

}  // namespace

CheckpointFolder::CheckpointFolder(fs::path folder, const CheckpointOptions& options,
                                   std::string config_digest)
    : folder_(std::move(folder)),
      options_(options),
      config_digest_(std::move(config_digest)),
      attempt_(new_attempt()),
      shared_(folder_, kTemporary + attempt_) {}

CheckpointFolder::~CheckpointFolder() {
  try {
    finish();
  } catch (const std::exception& error) {
    spdlog::error("the last checkpoint was not written: {}", error.what());
  }
}

void CheckpointFolder::claim() {
  make_folder(folder_);
  replace_file(folder_ / kAttempt, attempt_ + '\n');
  claimed_ = true;
}

void CheckpointFolder::check_claim() const {
  const fs::path file = folder_ / kAttempt;
  if (!claimed_ || (fs::exists(file) && read_text(file) == attempt_ + '\n')) return;
  throw Error(Fault::usage, "another start of this run has taken over", file.string(),
              "Let that one go on; this one saves nothing any more.");
}

void CheckpointFolder::save(std::int64_t step, const std::map<std::string, Archive>& sections,
                            const std::map<std::string, Archive>& shared) {
  finish();
  Manifest manifest{step, config_digest_, attempt_, std::time(nullptr), {}};
  std::map<fs::path, Image> files;  // relative to the step's folder, or to ours if in shared/
  for (const auto& [name, archive] : sections) {
    check_section_name(name);
    Image image = archive.image();
    manifest.sections[name] = {name + ".h5", static_cast<std::int64_t>(image.size()),
                               hex(digest(image))};
    files[name + ".h5"] = std::move(image);
  }
  for (const auto& [name, archive] : shared) {
    check_section_name(name);
    if (sections.contains(name)) throw Error(Fault::internal, "two sections \"" + name + '"');
    manifest.sections[name] = shared_.refer(name, archive, files);
  }
  writing_ =
      std::async(std::launch::async, [this, step, text = manifest.to_json(),
                                      files = std::move(files)] { write(step, text, files); });
}

void CheckpointFolder::finish() {
  if (writing_.valid()) writing_.get();
}

void CheckpointFolder::write(std::int64_t step, const std::string& manifest,
                             const std::map<fs::path, Image>& files) {
  const fs::path final = folder_ / step_name(step);
  const fs::path temporary = folder_ / (step_name(step) + kTemporary + attempt_);
  try {
    remove_path(temporary);
    make_folder(temporary);
    for (const auto& [file, image] : files) {
      if (file.has_parent_path()) {
        shared_.write(file, image);
      } else {
        write_file(temporary / file, image);
      }
    }
    write_file(temporary / "manifest.json", std::as_bytes(std::span(manifest)));
    fsync_folder(temporary);
    check_claim();
    commit(temporary, final);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  replace_link(folder_ / kLatest, final.filename());
  tell_script();
  rotate();
}

// Gives the finished folder its name. Durable when it returns; a crash at any point leaves the
// old folder of that name or the new one (clear_leftovers finishes what was begun).
void CheckpointFolder::commit(const fs::path& temporary, const fs::path& step) {
  std::error_code code;
  if (!fs::exists(fs::symlink_status(step, code))) {
    rename_path(temporary, step);
  } else if (exchange_paths(temporary, step)) {
    fsync_folder(folder_);
    remove_path(temporary);
  } else {
    const fs::path replaced = step.string() + kReplaced + attempt_;
    rename_path(step, replaced);
    rename_path(temporary, step);
    fsync_folder(folder_);
    remove_path(replaced);
  }
  fsync_folder(folder_);
}

std::optional<Checkpoint> CheckpointFolder::newest(const std::map<std::string, Archive>& shared,
                                                   bool may_differ) {
  finish();
  clear_leftovers();
  shared_.restore(shared);
  settle_copied_latest();
  auto steps = steps_in(folder_);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const fs::path place = folder_ / step_name(*step);
    try {
      Checkpoint found = Checkpoint::open(place);
      if (!may_differ) shared_.check_same(found);
      if (named_by(folder_ / kLatest) != *step) replace_link(folder_ / kLatest, place.filename());
      return found;
    } catch (const Error& error) {
      if (error.fault() != Fault::data) throw;  // a failing file server damages nothing
      quarantine(place, error.what());
    }
  }
  if (fs::is_symlink(fs::symlink_status(folder_ / kLatest))) remove_path(folder_ / kLatest);
  return std::nullopt;
}

// A copy that followed links (scp -r, unzip) has a folder `latest`: the same checkpoint once more,
// or the only one.
void CheckpointFolder::settle_copied_latest() {
  const fs::path latest = folder_ / kLatest;
  std::error_code code;
  if (!fs::is_directory(fs::symlink_status(latest, code))) return;
  try {
    const fs::path place = folder_ / step_name(Checkpoint::open(latest).step());
    try {
      if (fs::exists(fs::symlink_status(place, code))) Checkpoint::open(place);
    } catch (const Error& error) {
      if (error.fault() != Fault::data) throw;
      quarantine(place, error.what());
    }
    if (!fs::exists(fs::symlink_status(place, code))) return rename_path(latest, place);
  } catch (const Error& error) {
    if (error.fault() != Fault::data) throw;
    return quarantine(latest, error.what());
  }
  const fs::path gone = latest.string() + kTemporary + attempt_;
  rename_path(latest, gone);  // half removed, it must not look like a damaged checkpoint
  remove_path(gone);
}

void CheckpointFolder::clear() {
  finish();
  for (const auto& path : entries(folder_)) {
    const std::string name = original_name(path);
    if (step_of(name) >= 0 || name == kLatest || name == kAttempt) remove_path(path);
  }
  clear_below(folder_ / "shared", [](const std::string& name) { return is_shared_name(name); });
  clear_below(folder_ / "quarantine", [](const std::string& name) {
    return name.starts_with("step_") || name.starts_with(kLatest);
  });
  std::error_code code;
  if (fs::is_directory(folder_, code)) fsync_folder(folder_);
}

void CheckpointFolder::clear_leftovers() {
  for (const auto& path : entries(folder_)) {
    const std::string name = path.filename().string();
    const auto replaced = name.find(kReplaced);
    if (replaced != std::string::npos) {
      const fs::path original = folder_ / name.substr(0, replaced);
      if (fs::exists(original)) {
        remove_path(path);
      } else {
        rename_path(path, original);
      }
    } else if (name.find(kTemporary) != std::string::npos) {
      remove_path(path);
    }
  }
  shared_.clear_leftovers();
}

void CheckpointFolder::quarantine(const fs::path& step, const std::string& why) {
  const fs::path place = folder_ / "quarantine";
  fs::path target = place / step.filename();
  for (int n = 2; fs::exists(fs::symlink_status(target)); ++n) {
    target = place / fmt::format("{}.{}", step.filename().string(), n);
  }
  spdlog::warn("a damaged checkpoint is set aside in {}: {}", target.string(), why);
  make_folder(place);
  rename_path(step, target);
  std::error_code code;
  if (fs::is_directory(target, code)) replace_file(target / "why.txt", why + '\n');
  fsync_folder(folder_);
}

// What fails here loses no work: it is said, and tried again after the next save.
void CheckpointFolder::rotate() {
  try {
    auto steps = steps_in(folder_);
    const auto kept = std::min(steps.size(), static_cast<std::size_t>(options_.keep));
    steps.resize(steps.size() - kept);
    for (const std::int64_t step : steps) {
      if (step == named_by(folder_ / kLatest)) continue;
      // A folder half removed must not look like a damaged checkpoint.
      const fs::path gone = folder_ / (step_name(step) + kTemporary + attempt_);
      rename_path(folder_ / step_name(step), gone);
      remove_path(gone);
    }
    shared_.remove_unnamed();
  } catch (const Error& error) {
    spdlog::warn("an old checkpoint was not removed: {}", error.what());
  }
}

}  // namespace metaloom
