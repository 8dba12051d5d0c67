// bench_stores FOLDER SET SLOTS RANKS: what a rank of RANKS does before its first task, on the
// store FOLDER/SET, as one line of JSON: seconds to open it, to plan the first update of SLOTS
// tasks, and to plan later ones (the median): whose turn it is, the shapes of this rank's part, and
// who computes what. Beside them the seconds of one pass over all labels, for what has to read all
// rows.
#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "sampler/mix/mix.h"
#include "sampler/store/token_store.h"

namespace metaloom::bench {
namespace {

/// Seconds on the clock, and those of them that this process had the processor: both are told, as
/// another process may have it meanwhile.
struct Times {
  double seconds = 0, cpu_seconds = 0;
  Json json() const { return {{"seconds", seconds}, {"cpu_seconds", cpu_seconds}}; }
};

class Watch {
 public:
  Times times() const {
    return {now(CLOCK_MONOTONIC) - begin_, now(CLOCK_PROCESS_CPUTIME_ID) - cpu_};
  }

 private:
  static double now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  double begin_ = now(CLOCK_MONOTONIC), cpu_ = now(CLOCK_PROCESS_CPUTIME_ID);
};

/// One plan, and the part of its shapes that falls to rank 0; returns how long it took.
Times plan(const Mix& mix, std::int64_t step, std::size_t ranks) {
  const Watch watch;
  const std::vector<Pack> packs = mix.plan(step, Half::all);
  const std::size_t own = (packs.size() + ranks - 1) / ranks;
  std::vector<double> costs(packs.size());
  for (std::size_t i = 0; i < packs.size(); ++i) {
    if (i >= own) {  // another rank's: told by it
      costs[i] = costs[i % own];
      continue;
    }
    for (const TaskId& id : packs[i].tasks) {
      const TaskShape shape = mix.shape(id);
      costs[i] += static_cast<double>((shape.support_rows + shape.query_rows) * shape.longest);
    }
  }
  const auto shares = share_out(costs, static_cast<int>(ranks));
  const Times times = watch.times();
  if (shares.size() != ranks) throw Error(Fault::internal, "not all ranks have a share", "plan");
  return times;
}

int run(int count, char** words) {
  if (count != 5) throw Error(Fault::usage, "four words are needed", "bench_stores", words[0]);
  at::set_num_threads(1);
  MixOptions options;
  options.root = words[1];
  options.datasets = {words[2]};
  options.slots = std::stoll(words[3]);
  const auto ranks = static_cast<std::size_t>(std::stoll(words[4]));
  const Watch watch;
  const Mix mix(options, Rng(1));
  const Times opened = watch.times();
  const Times first = plan(mix, 0, ranks);
  std::vector<Times> later;
  for (std::int64_t step = 1; step < 8; ++step) later.push_back(plan(mix, step, ranks));
  std::sort(later.begin(), later.end(),
            [](const Times& a, const Times& b) { return a.seconds < b.seconds; });
  const Watch reading;
  std::int64_t sum = 0;
  mix.store(0).each_labels(Split::train, [&](std::int64_t, std::span<const std::int32_t> some) {
    for (const std::int32_t label : some) sum += label;
  });
  const Times labels = reading.times();
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const Json out{{"open", opened.json()},
                 {"first_plan", first.json()},
                 {"later_plan", later[later.size() / 2].json()},
                 {"labels", labels.json()},
                 {"label_sum", sum},
                 {"tasks", mix.tasks_per_pass(Half::all)},
                 {"rows", mix.store(0).rows(Split::train)},
                 {"peak_bytes", used.ru_maxrss * 1024}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace metaloom::bench

int main(int count, char** words) {
  try {
    return metaloom::bench::run(count, words);
  } catch (const metaloom::Error& error) {
    std::fprintf(stderr, "bench_stores: %s\n", error.what());
    return static_cast<int>(error.fault());
  }
}
