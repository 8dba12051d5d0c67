#include "worker/fence.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log/log.h"

namespace metaloom {

Fence::Fence(Parts parts, const CheckpointOptions& options, std::int64_t steps,
             std::int64_t non_finite_budget)
    : parts_(std::move(parts)),
      options_(options),
      steps_(steps),
      budget_(non_finite_budget),
      saved_step_(parts_.progress.step) {}

Verdict Fence::vote(bool finite) {
  const auto votes = parts_.comm.vote({finite ? 0 : 1, parts_.told_to_stop() ? 1 : 0});
  return {.finite = votes[0] == 0, .stop = votes[1] != 0};
}

bool Fence::pass(const Verdict& verdict) {
  RunProgress& progress = parts_.progress;
  ++progress.step;
  if (!verdict.finite) {
    ++progress.skipped;
    if (parts_.comm.rank() == 0) {
      spdlog::warn("update {} left out: its gradient is not finite ({} of {} allowed)",
                   progress.step, progress.skipped, budget_);
    }
    if (progress.skipped > budget_) {
      throw Error(Fault::non_finite,
                  fmt::format("{} updates had a gradient that is not finite", progress.skipped),
                  fmt::format("update {}", progress.step),
                  "Lower optimizer.rate or the method's inner rate, or look at the tasks named "
                  "above; the last checkpoint is from before.");
    }
  }
  const bool last = progress.step == steps_;
  const bool due = options_.every > 0 && progress.step % options_.every == 0;
  // A skipped update changes no weight: what is due is saved after it like after any other.
  if (last || due || verdict.stop) {
    const Section section(parts_.comm, "save");
    settle();
    save();
  }
  return verdict.stop && !last;
}

void Fence::save() {
  // The curve first: what a crash of the machine takes of it, no resume would write again.
  if (parts_.metrics != nullptr) parts_.metrics->sync();
  const auto sections =
      save_run(parts_.theta, parts_.optimizer, parts_.progress, parts_.lineage, parts_.texts);
  if (parts_.folder != nullptr) {
    parts_.folder->save(parts_.progress.step, sections, parts_.shared);
  }
  saved_step_ = parts_.progress.step;
}

// Waits for the save under way; false where it failed for the moment, so that the present state
// should be saved instead. Throws its error where the one before had failed as well.
bool Fence::settle() {
  if (parts_.folder == nullptr) return true;
  try {
    parts_.folder->finish();
    failed_ = false;
  } catch (const Error& error) {
    if (failed_ || error.fault() != Fault::temporary) throw;
    failed_ = true;
    spdlog::warn("the checkpoint of update {} was not written, the present state is tried: {}",
                 saved_step_, error.what());
  }
  return !failed_;
}

void Fence::finish() {
  {
    const Section section(parts_.comm, "save");
    const bool saved = settle() && saved_step_ == parts_.progress.step;
    // What rank 0 has not saved, all bring once more.
    if (parts_.comm.vote({saved ? 0 : 1}).front() != 0) {
      save();
      if (parts_.folder != nullptr) parts_.folder->finish();
    }
  }
  parts_.comm.barrier();
}

}  // namespace metaloom
