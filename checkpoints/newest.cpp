// What a start of the program finds in a folder of checkpoints, and how it puts it in order.
#include <fmt/format.h>

#include <algorithm>

#include "checkpoints/checkpoint.h"
#include "core/error.h"
#include "core/log/log.h"

namespace metaloom {

namespace fs = std::filesystem;

std::optional<Checkpoint> CheckpointFolder::newest(const std::map<std::string, Archive>& shared,
                                                   bool may_differ) {
  finish();
  clear_leftovers();
  shared_.restore(shared);
  settle_copied_latest();
  auto steps = steps_in(disk_, folder_);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const fs::path place = folder_ / step_name(*step);
    try {
      Checkpoint found = Checkpoint::open(disk_, place);
      if (!may_differ) shared_.check_same(found);
      if (latest_step() != *step) disk_.replace_link(folder_ / kLatest, place.filename());
      return found;
    } catch (const Error& error) {
      if (error.fault() != Fault::data) throw;  // a failing file server damages nothing
      quarantine(place, error.what());
    }
  }
  const fs::path latest = folder_ / kLatest;
  if (disk_.look(latest, Links::stop).kind == Found::Kind::link) disk_.remove(latest);
  return std::nullopt;
}

// A copy that followed links (scp -r, unzip) has a folder `latest`: the same checkpoint once more,
// or the only one.
void CheckpointFolder::settle_copied_latest() {
  const fs::path latest = folder_ / kLatest;
  if (disk_.look(latest, Links::stop).kind != Found::Kind::folder) return;
  try {
    const fs::path place = folder_ / step_name(Checkpoint::open(disk_, latest).step());
    try {
      if (disk_.look(place, Links::stop)) Checkpoint::open(disk_, place);
    } catch (const Error& error) {
      if (error.fault() != Fault::data) throw;
      quarantine(place, error.what());
    }
    if (!disk_.look(place, Links::stop)) return disk_.rename(latest, place);
  } catch (const Error& error) {
    if (error.fault() != Fault::data) throw;
    return quarantine(latest, error.what());
  }
  const fs::path gone = latest.string() + kTemporary + attempt_;
  disk_.rename(latest, gone);  // half removed, it must not look like a damaged checkpoint
  disk_.remove(gone);
}

/// Of a step, link or file that is being written, or was replaced: its name without those marks.
std::string CheckpointFolder::original_name(const fs::path& path) {
  std::string name = path.filename().string();
  const auto mark = std::min(name.find(kReplaced), name.find(kTemporary));
  if (mark != std::string::npos) name.resize(mark);
  return name.starts_with('.') ? name.substr(1) : name;
}

/// Removes what is ours in `folder`, which may hold other things, and the folder if it is empty.
template <class IsOurs>
void CheckpointFolder::clear_below(const fs::path& folder, const IsOurs& is_ours) {
  for (const auto& path : disk_.list(folder)) {
    if (is_ours(original_name(path))) disk_.remove(path);
  }
  disk_.remove_empty(folder);
}

void CheckpointFolder::clear() {
  finish();
  for (const auto& path : disk_.list(folder_)) {
    const std::string name = original_name(path);
    if (step_of(name) >= 0 || name == kLatest || name == kAttempt) disk_.remove(path);
  }
  clear_below(folder_ / "shared", [](const std::string& name) { return is_shared_name(name); });
  clear_below(folder_ / "quarantine", [](const std::string& name) {
    return name.starts_with("step_") || name.starts_with(kLatest);
  });
  if (disk_.look(folder_).kind == Found::Kind::folder) disk_.sync(folder_);
}

void CheckpointFolder::clear_leftovers() {
  for (const auto& path : disk_.list(folder_)) {
    const std::string name = path.filename().string();
    const auto replaced = name.find(kReplaced);
    if (replaced != std::string::npos) {
      const fs::path original = folder_ / name.substr(0, replaced);
      if (disk_.look(original)) {
        disk_.remove(path);
      } else {
        disk_.rename(path, original);
      }
    } else if (name.find(kTemporary) != std::string::npos) {
      disk_.remove(path);
    }
  }
  shared_.clear_leftovers();
}

void CheckpointFolder::quarantine(const fs::path& step, const std::string& why) {
  const fs::path place = folder_ / "quarantine";
  fs::path target = place / step.filename();
  for (int n = 2; disk_.look(target, Links::stop); ++n) {
    target = place / fmt::format("{}.{}", step.filename().string(), n);
  }
  spdlog::warn("a damaged checkpoint is set aside in {}: {}", target.string(), why);
  disk_.make_folder(place);
  disk_.rename(step, target);
  if (disk_.look(target).kind == Found::Kind::folder) disk_.replace(target / "why.txt", why + '\n');
  disk_.sync(folder_);
}

}  // namespace metaloom
