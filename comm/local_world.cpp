#include "comm/local_world.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "comm/roll_call/text.h"
#include "comm/roll_call/watchdog.h"

namespace metaloom {

namespace {

void reduce_into(at::Tensor& result, const at::Tensor& next, Reduce how) {
  const at::Tensor other = next.to(result.scalar_type());
  if (how == Reduce::sum) result.add_(other);
  if (how == Reduce::min) at::minimum_out(result, result, other);
  if (how == Reduce::max) at::maximum_out(result, result, other);
}

// What all have brought, reduced in the order of the ranks.
at::Tensor reduced(const std::vector<Brought>& brought, Reduce how) {
  const at::ScalarType type = brought[0].data.scalar_type();
  const at::ScalarType made_in = type == at::kBFloat16 ? at::kFloat : type;
  at::Tensor result = brought[0].data.to(made_in, /*non_blocking=*/false, /*copy=*/true);
  for (std::size_t i = 1; i < brought.size(); ++i) reduce_into(result, brought[i].data, how);
  return result.to(type);
}

// Each rank's part of what it has brought, one after the other.
at::Tensor gathered(const std::vector<Brought>& brought) {
  const std::int64_t each = brought[0].data.numel() / std::ssize(brought);
  std::vector<at::Tensor> parts;
  for (std::int64_t rank = 0; rank < std::ssize(brought); ++rank) {
    parts.push_back(brought[rank].data.view({-1}).narrow(0, each * rank, each));
  }
  return at::cat(parts).view(brought[0].data.sizes());
}

// The work of the last to arrive.
void conclude(Meeting& meeting) {
  const at::NoGradGuard no_grad;
  const auto& brought = meeting.brought;
  const std::string& kind = meeting.operation.kind;
  if (kind == "broadcast") meeting.result = brought[meeting.operation.root].data.clone();
  if (kind == "all_reduce" || kind == "reduce_scatter") {
    meeting.result = reduced(brought, meeting.operation.how);
  }
  if (kind == "all_gather") meeting.result = gathered(brought);
  for (const Brought& each : brought) {
    meeting.votes.resize(std::max(meeting.votes.size(), each.votes.size()), INT64_MIN);
    for (std::size_t i = 0; i < each.votes.size(); ++i) {
      meeting.votes[i] = std::max(meeting.votes[i], each.votes[i]);
    }
  }
}

}  // namespace

LocalWorld::LocalWorld(int size, double deadline, Clock& clock)
    : clock_(clock), seats_(size, Seat{"", clock.wall(), deadline}) {}

void LocalWorld::announce(int rank, const std::string& section, double deadline) {
  const std::lock_guard lock(mutex_);
  seats_[rank].section = section;
  seats_[rank].since = clock_.wall();
  seats_[rank].deadline = deadline;
}

std::int64_t LocalWorld::arrive(int rank, const Operation& operation, Brought brought) {
  const std::lock_guard lock(mutex_);
  throw_if_poisoned();
  const std::int64_t number = ++seats_[rank].begun;
  Meeting& meeting = meetings_[number];
  if (meeting.arrived == 0) {
    meeting.operation = operation;
    meeting.brought.resize(seats_.size());
  }
  throw_unless_agreed(rank, meeting, operation, brought.data);
  brought.here = true;
  meeting.brought[rank] = std::move(brought);
  if (++meeting.arrived == size()) {
    conclude(meeting);
    changed_.notify_all();
  }
  return number;
}

void LocalWorld::leave(int rank, std::int64_t number,
                       const std::function<void(const Meeting&)>& take) {
  std::unique_lock lock(mutex_);
  Meeting& meeting = meetings_.at(number);
  const double deadline = seats_[rank].deadline;
  RunningTime time(clock_);
  const auto someone_ended = [&] {
    return std::any_of(seats_.begin(), seats_.end(),
                       [&](const Seat& other) { return other.ended && other.begun < number; });
  };
  while (meeting.arrived < size()) {
    throw_if_poisoned();
    const double waited = time.seconds();
    const bool ended = someone_ended();
    if (ended || waited > deadline) accuse(rank, meeting, waited, ended);
    const double nap = std::min(deadline - waited + 1e-3, 0.5);
    clock_.wait(lock, changed_, clock_.now() + nap, [&] {
      return meeting.arrived == size() || first_error_ != nullptr || someone_ended();
    });
  }
  lock.unlock();
  take(meeting);  // a meeting that all have reached changes no more, and stays until all have left
  lock.lock();
  if (++meeting.left == size()) meetings_.erase(number);
}

void LocalWorld::end(int rank, std::exception_ptr error) {
  std::string what = "an unknown exception";
  Fault fault = Fault::internal;
  try {
    if (error) std::rethrow_exception(error);
  } catch (const Error& caught) {
    what = caught.what();
    fault = caught.fault();
  } catch (const std::exception& caught) {
    what = caught.what();
  } catch (...) {
  }
  const std::lock_guard lock(mutex_);
  seats_[rank].ended = true;
  if (error) poison(std::move(error), fault, fmt::format("rank {} failed: {}", rank, what));
  changed_.notify_all();
}

// The first error is the world's; later ones only follow from it.
void LocalWorld::poison(std::exception_ptr error, Fault fault, std::string what) {
  if (first_error_ != nullptr) return;
  first_error_ = std::move(error);
  poison_ = std::move(what);
  poison_fault_ = fault;
  changed_.notify_all();
}

void LocalWorld::throw_if_poisoned() const {
  if (first_error_ != nullptr) throw Error(poison_fault_, poison_);
}

void LocalWorld::throw_unless_agreed(int rank, const Meeting& meeting, const Operation& operation,
                                     const at::Tensor& data) const {
  const auto first = std::find_if(meeting.brought.begin(), meeting.brought.end(),
                                  [](const Brought& each) { return each.here; });
  if (first == meeting.brought.end()) return;
  const bool same_data = first->data.defined() == data.defined() &&
                         (!data.defined() || (first->data.sizes() == data.sizes() &&
                                              first->data.scalar_type() == data.scalar_type()));
  if (meeting.operation == operation && same_data) return;
  throw Error(
      Fault::internal,
      fmt::format("rank {} came to {} where rank {} came to {}, or with another shape or "
                  "type",
                  rank, operation.kind, first - meeting.brought.begin(), meeting.operation.kind),
      seats_[rank].section);
}

// Names the ranks that have not come, poisons the world and throws.
void LocalWorld::accuse(int rank, const Meeting& meeting, double waited, bool ended) {
  std::string silent;
  for (int other = 0; other < size(); ++other) {
    const Seat& theirs = seats_[other];
    if (meeting.brought[other].here || (ended && !theirs.ended)) continue;
    silent += fmt::format("{}rank {} {} {}", silent.empty() ? "" : ", ", other,
                          theirs.ended ? "has left the world, last" : "was last",
                          describe_section(theirs.section, theirs.since, clock_.wall()));
  }
  const Error error(Fault::hang,
                    fmt::format("silent: {}; rank {} has waited {:.1f} s in section \"{}\" for {} "
                                "(deadline {:g} s)",
                                silent, rank, waited, seats_[rank].section, meeting.operation.kind,
                                seats_[rank].deadline),
                    "", "Where the work is only slow, raise comm.deadline.");
  poison(std::make_exception_ptr(error), Fault::hang, error.what());
  throw error;
}

}  // namespace metaloom
