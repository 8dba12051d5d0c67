// Backend "local": ranks as threads of one process (run_local_world), or a world of one process.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <unistd.h>

#include <deque>

#include "comm/communicator.h"
#include "comm/cores.h"
#include "comm/local_world.h"
#include "comm/roll_call/roll_call.h"
#include "comm/roll_call/text.h"
#include "core/background.h"
#include "core/error.h"
#include "core/log/log.h"
#include "core/registry.h"

namespace metaloom {

namespace {

class LocalPending final : public Pending {
 public:
  using Take = std::function<void(const Meeting&)>;
  LocalPending(LocalWorld& world, int rank, std::int64_t number, Take take)
      : world_(world), rank_(rank), number_(number), take_(std::move(take)) {}
  ~LocalPending() override {
    try {
      wait();
    } catch (const Error&) {
      // The world is poisoned: the next operation says so.
    }
  }
  void wait() override {
    const Take take = std::exchange(take_, nullptr);
    if (take != nullptr) world_.leave(rank_, number_, take);
  }

 private:
  LocalWorld& world_;
  int rank_;
  std::int64_t number_;
  Take take_;
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(LocalWorld& world, Place place, double deadline, Clock& clock)
      : Communicator(std::move(place), deadline, clock), world_(world) {}

  std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) override {
    check_reducible(data, "all_reduce");
    return begin({"all_reduce", how}, data, [data](const at::Tensor& whole) { data.copy_(whole); });
  }

  std::unique_ptr<Pending> reduce_scatter(at::Tensor data, Reduce how) override {
    check_reducible(data, "reduce_scatter");
    check_parts(data, "reduce_scatter");
    return begin({"reduce_scatter", how}, data,
                 [this, data](const at::Tensor& whole) { part(data).copy_(part(whole)); });
  }

  std::unique_ptr<Pending> all_gather(at::Tensor data) override {
    check_parts(data, "all_gather");
    return begin({"all_gather"}, data, [data](const at::Tensor& whole) { data.copy_(whole); });
  }

  void broadcast(at::Tensor data, int root) override {
    check_contiguous(data, "broadcast");
    Brought brought;
    brought.data = data;
    meet({"broadcast", Reduce::sum, root}, std::move(brought), [&](const Meeting& meeting) {
      const at::NoGradGuard no_grad;
      if (rank() != root) data.copy_(meeting.result);
    });
  }

  std::vector<std::string> all_gather(const std::string& mine) override {
    Brought brought;
    brought.text = mine;
    std::vector<std::string> all;
    meet({"all_gather of texts"}, std::move(brought), [&](const Meeting& meeting) {
      for (const Brought& each : meeting.brought) all.push_back(each.text);
    });
    return all;
  }

  void barrier() override {
    meet({"barrier"}, {}, [](const Meeting&) {});
  }

  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override {
    Brought brought;
    brought.votes = std::move(mine);
    std::vector<std::int64_t> result;
    meet({"vote"}, std::move(brought), [&](const Meeting& meeting) { result = meeting.votes; });
    return result;
  }

  void announce(const std::string& section, std::chrono::duration<double> deadline) override {
    world_.announce(rank(), section, deadline.count());
  }

  [[noreturn]] void abort(int exit_code, const std::string& why) override {
    throw Error(static_cast<Fault>(exit_code), why);
  }

 private:
  void meet(const Operation& operation, Brought brought,
            const std::function<void(const Meeting&)>& take) {
    world_.leave(rank(), world_.arrive(rank(), operation, std::move(brought)), take);
  }

  /// `take` puts the meeting's result where it belongs.
  std::unique_ptr<Pending> begin(const Operation& operation, const at::Tensor& data,
                                 std::function<void(const at::Tensor&)> take) {
    Brought brought;
    brought.data = data;
    const auto number = world_.arrive(rank(), operation, std::move(brought));
    return std::make_unique<LocalPending>(world_, rank(), number,
                                          [take = std::move(take)](const Meeting& meeting) {
                                            const at::NoGradGuard no_grad;
                                            take(meeting.result);
                                          });
  }

  LocalWorld& world_;
};

/// Of rank 0, if `size` threads of this process are the world.
Place place_among(int size) {
  Place place;
  place.size = place.local_size = size;
  place.host = this_process().host;
  place.cores = fair_share(std::vector<Processors>(size, own_processors()), 0);
  return place;
}

// A process that is a world of its own: nobody waits for it, but its watchdog.
class LoneProcess final : public Communicator, private NoteChannel {
 public:
  LoneProcess(double deadline, Clock& clock)
      : Communicator(place_among(1), deadline, clock),
        world_(1, deadline, clock),
        ranks_(world_, place(), deadline, clock),
        watchdog_(clock, end_process),
        roll_call_(0, {this_process()}, deadline, clock, *this, watchdog_) {}

  std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) override {
    return ranks_.all_reduce(std::move(data), how);
  }
  std::unique_ptr<Pending> reduce_scatter(at::Tensor data, Reduce how) override {
    return ranks_.reduce_scatter(std::move(data), how);
  }
  std::unique_ptr<Pending> all_gather(at::Tensor data) override {
    return ranks_.all_gather(std::move(data));
  }
  void broadcast(at::Tensor data, int root) override { ranks_.broadcast(std::move(data), root); }
  std::vector<std::string> all_gather(const std::string& mine) override { return {mine}; }
  void barrier() override {}
  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override { return mine; }
  void announce(const std::string& section, std::chrono::duration<double> deadline) override {
    roll_call_.enter(section, deadline.count());
  }
  [[noreturn]] void abort(int exit_code, const std::string& why) override {
    roll_call_.say(why);
    _exit(exit_code);
  }
  RollCall* roll_call() override { return &roll_call_; }

 private:
  void send(int, const Note&) override {}
  bool receive(Note&) override { return false; }
  static void end_process(const std::string& section, double seconds) {
    say(describe_stuck(0, this_process(), section, seconds) + '\n');
    _exit(static_cast<int>(Fault::hang));
  }

  LocalWorld world_;
  LocalCommunicator ranks_;
  Watchdog watchdog_;
  RollCall roll_call_;
};

const Register<Communicator> here{"local", "a world of one process; ranks as threads in tests",
                                  [](const CommOptions& options, Clock& clock) {
                                    return std::make_unique<LoneProcess>(options.deadline, clock);
                                  }};

}  // namespace

void run_local_world(int size, const CommOptions& options,
                     const std::function<void(Communicator&)>& rank_main) {
  SystemClock clock;
  run_local_world(size, options, clock, rank_main);
}

void run_local_world(int size, const CommOptions& options, Clock& clock,
                     const std::function<void(Communicator&)>& rank_main) {
  LocalWorld world(size, options.deadline, clock);
  const Place first = place_among(size);
  const auto run_rank = [&](int rank) {
    std::exception_ptr error;
    try {
      Place place = first;
      place.rank = place.local_rank = rank;
      LocalCommunicator comm(world, std::move(place), options.deadline, clock);
      rank_main(comm);
    } catch (...) {
      error = std::current_exception();
    }
    world.end(rank, std::move(error));
  };
  std::deque<Background> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back(clock).start([&run_rank, rank] { run_rank(rank); });
  }
  for (Background& rank : ranks) rank.wait();
  if (world.first_error()) std::rethrow_exception(world.first_error());
}

}  // namespace metaloom
