#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "checkpoints/checkpoint.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/log/log.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

// Differs between any two starts of the program, on any host.
std::string new_attempt(Clock& clock) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return hex(digest(fmt::format("{} {} {} {}", host, ::getpid(), clock.wall(), clock.now())));
}

// Tells the batch script that started the program (slurm/train.sbatch) that there is something new
// to go on from. A script that does not hear of it only gives up sooner.
void tell_script() {
  const char* file = std::getenv("METALOOM_SAVED");
  if (file != nullptr && *file != '\0') std::ofstream(file) << "saved\n";
}

void check_section_name(const std::string& name) {
  const bool good = !name.empty() && name.front() != '.' &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_-.") == std::string::npos;
  if (!good) throw Error(Fault::internal, "\"" + name + "\" cannot name a section");
}

}  // namespace

CheckpointFolder::CheckpointFolder(Disk& disk, Clock& clock, fs::path folder,
                                   const CheckpointOptions& options, std::string config_digest)
    : disk_(disk),
      clock_(clock),
      folder_(std::move(folder)),
      options_(options),
      config_digest_(std::move(config_digest)),
      attempt_(new_attempt(clock)),
      shared_(disk, folder_, kTemporary + attempt_),
      writing_(clock) {}

CheckpointFolder::~CheckpointFolder() {
  try {
    finish();
  } catch (const std::exception& error) {
    spdlog::error("the last checkpoint was not written: {}", error.what());
  } catch (...) {
    spdlog::error("the last checkpoint was not written");
  }
}

// The step that `latest` names, -1 if none.
std::int64_t CheckpointFolder::latest_step() const {
  return step_of(disk_.look(folder_ / kLatest, Links::stop).target.filename().string());
}

void CheckpointFolder::claim() {
  disk_.make_folder(folder_);
  disk_.replace(folder_ / kAttempt, attempt_ + '\n');
  claimed_ = true;
}

void CheckpointFolder::check_claim() const {
  const fs::path file = folder_ / kAttempt;
  if (!claimed_) return;
  disk_.check_reach(file);
  if (disk_.look(file) && disk_.read_text(file) == attempt_ + '\n') return;
  throw Error(Fault::usage, "another start of this run has taken over", file.string(),
              "Let that one go on; this one saves nothing any more.");
}

void CheckpointFolder::save(std::int64_t step, const std::map<std::string, Archive>& sections,
                            const std::map<std::string, Archive>& shared) {
  finish();
  Manifest manifest{step, config_digest_, attempt_, static_cast<std::int64_t>(clock_.wall()), {}};
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
  writing_.start([this, step, text = manifest.to_json(), files = std::move(files)] {
    write(step, text, files);
  });
}

void CheckpointFolder::finish() {
  writing_.wait();
}

void CheckpointFolder::write(std::int64_t step, const std::string& manifest,
                             const std::map<fs::path, Image>& files) {
  const fs::path final = folder_ / step_name(step);
  const fs::path temporary = folder_ / (step_name(step) + kTemporary + attempt_);
  try {
    disk_.remove(temporary);
    disk_.make_folder(temporary);
    for (const auto& [file, image] : files) {
      if (file.has_parent_path()) {
        shared_.write(file, image);
      } else {
        disk_.write(temporary / file, image);
      }
    }
    disk_.write(temporary / "manifest.json", std::as_bytes(std::span(manifest)));
    disk_.sync(temporary);
    check_claim();
    commit(temporary, final);
  } catch (const Error&) {
    try {
      disk_.remove(temporary);
    } catch (const Error&) {  // the next start removes it
    }
    throw;
  }
  disk_.replace_link(folder_ / kLatest, final.filename());
  tell_script();
  rotate();
}

// Gives the finished folder its name. Durable when it returns; a crash at any point leaves the
// old folder of that name or the new one (clear_leftovers finishes what was begun).
void CheckpointFolder::commit(const fs::path& temporary, const fs::path& step) {
  if (!disk_.look(step, Links::stop)) {
    disk_.rename(temporary, step);
  } else if (disk_.exchange(temporary, step)) {
    disk_.sync(folder_);
    disk_.remove(temporary);
  } else {
    const fs::path replaced = step.string() + kReplaced + attempt_;
    disk_.rename(step, replaced);
    disk_.rename(temporary, step);
    disk_.sync(folder_);
    disk_.remove(replaced);
  }
  disk_.sync(folder_);
}

// What fails here loses no work: it is said, and tried again after the next save.
void CheckpointFolder::rotate() {
  try {
    auto steps = steps_in(disk_, folder_);
    const auto kept = std::min(steps.size(), static_cast<std::size_t>(options_.keep));
    steps.resize(steps.size() - kept);
    const std::int64_t latest = latest_step();
    for (const std::int64_t step : steps) {
      if (step == latest) continue;
      // A folder half removed must not look like a damaged checkpoint.
      const fs::path gone = folder_ / (step_name(step) + kTemporary + attempt_);
      disk_.rename(folder_ / step_name(step), gone);
      disk_.remove(gone);
    }
    shared_.remove_unnamed();
  } catch (const Error& error) {
    spdlog::warn("an old checkpoint was not removed: {}", error.what());
  }
}

}  // namespace metaloom
