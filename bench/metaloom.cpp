// bench_metaloom MODEL.h5 WORK.json STATE.h5 THREADS: our side of bench/run.py. Sets the case up,
// writes theta and whatever else the peer must know to STATE.h5, prints one line of JSON about
// itself, then obeys lines on stdin: "run N" does N iterations and answers with their seconds and
// losses, "profile N" with the seconds of each operator over N iterations; "limit" measures this
// machine's fp32 matmul, "pass K" chooses one of the work's passes. What is timed are the program's
// own parts: method, gradient reduction, optimizer.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <iostream>

#include "bench/encoder_case.h"
#include "bench/profile.h"
#include "bench/work.h"
#include "comm/communicator.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/registry.h"
#include "methods/method.h"
#include "methods/spt/net.h"
#include "worker/optimizer/optimizer.h"
#include "worker/reduction/gradient_reduction.h"

namespace metaloom::bench {
namespace {

/// Updates of a method, as the training loop makes them on one rank.
class MethodCase final : public Case {
 public:
  MethodCase(const Pretrained& pretrained, const Work& work, Communicator& comm)
      : packs_(work.packs()),
        updates_each_(work.json.at("updates").get<std::int64_t>()),
        method_(method_of(pretrained, work)),
        theta_(method_->initial(), method_->groups(method_->initial())),
        reduction_(Registry<GradientReduction>::make("summed", comm, theta_)),
        optimizer_(options_of(work), theta_) {
    for (std::size_t n = 0; n < packs_.size(); ++n) {
      plan_.push_back({.index = static_cast<std::int64_t>(n), .tasks = {}});
    }
  }

  double iterate() override {
    double loss = 0;
    tokens_ = 0;
    for (std::int64_t n = 0; n < updates_each_; ++n) loss += update() / double(updates_each_);
    return loss;
  }
  double flops() const override {
    double sum = 0;
    for (const std::vector<Task>& pack : packs_) {
      std::vector<TaskShape> shapes;
      shapes.reserve(pack.size());
      for (const Task& task : pack) shapes.push_back(shape_of(task));
      sum += method_->cost(shapes).flops * static_cast<double>(updates_each_);
    }
    return sum;
  }
  std::int64_t tokens() const override { return tokens_; }
  Archive state() const override {
    Archive out;
    out.put_params("theta", method_->initial());
    if (!theta_.values().contains(kGates)) return out;
    const std::int64_t gates = theta_.values().at(kGates).size(0);
    std::vector<at::Tensor> masks;
    for (std::int64_t step = 0; step < updates_each_; ++step) {
      masks.push_back(gate_mask_N(context(step).rng, gates, 0.5));
    }
    out.put("gate_masks", at::stack(masks).to(at::kFloat));
    return out;
  }

 private:
  static constexpr std::int64_t kSteps = 1000000;  // more than any bench makes

  static std::unique_ptr<Method> method_of(const Pretrained& pretrained, const Work& work) {
    Ingredients ingredients{pretrained, {}, {}, kSteps, Rng(1, "bench")};
    ingredients.tasks.max_length = work.json.at("max_length");
    for (const DatasetInfo& info : work.datasets) ingredients.datasets.push_back(&info);
    Table section = work.method();
    const std::string name = section.text("name");
    section.erase("name");
    return Registry<Method>::make(name, section, ingredients);
  }
  static OptimizerOptions options_of(const Work& work) {
    OptimizerOptions options;
    read_fields(work.optimizer(), "optimizer", options);
    return options;
  }
  StepContext context(std::int64_t step) const {
    return {step, kSteps, Rng(1, "bench updates").at({step % updates_each_})};
  }

  double update() {
    const Phase phase = method_->phase(step_);
    const auto gradients = [&](const Pack& pack, GradientSink& sink) {
      return method_->gradients(theta_.values(), packs_[pack.index], context(step_), sink);
    };
    const UpdateOutcome outcome = reduction_->run(phase, plan_, std::ssize(plan_), gradients);
    if (!outcome.non_finite().empty()) {
      throw Error(Fault::non_finite, "a task went out of bounds");
    }
    tokens_ += outcome.tokens();
    const double norm = reduction_->norm() / outcome.divisor();
    const double scale = optimizer_.clip(norm) / outcome.divisor();
    optimizer_.step(reduction_->sum().mul_(scale), phase, step_, kSteps);
    ++step_;
    return outcome.loss();
  }

  std::vector<std::vector<Task>> packs_;
  std::vector<Pack> plan_;
  std::int64_t updates_each_, step_ = 0, tokens_ = 0;
  std::unique_ptr<Method> method_;
  FlatParams theta_;
  std::unique_ptr<GradientReduction> reduction_;
  Optimizer optimizer_;
};

/// Best fp32 rate of square products, GFLOP/s.
double matmul_limit() {
  constexpr std::int64_t kSize = 1536;
  const at::Tensor a = at::rand({kSize, kSize}), b = at::rand({kSize, kSize});
  double best = 0;
  for (int n = 0; n < 8; ++n) {
    const auto start = std::chrono::steady_clock::now();
    const at::Tensor c = at::mm(a, b);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kSize * kSize * kSize / seconds.count() / 1e9);
  }
  return best;
}

/// CPU time of all threads of this process.
double process_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void answer(const Json& json) {
  std::cout << json.dump() << std::endl;
}

void serve(Case& the_case) {
  std::string word;
  while (std::cin >> word && word != "quit") {
    if (word == "limit") {
      answer({{"gflops", matmul_limit()}});
      continue;
    }
    std::int64_t count = 0;
    if ((word != "run" && word != "profile" && word != "pass") || !(std::cin >> count)) {
      throw Error(Fault::usage, "\"" + word + "\" is not understood", "stdin");
    }
    if (word == "pass") {
      answer(the_case.choose(static_cast<std::size_t>(count)));
      continue;
    }
    if (word == "profile") {
      Profile profile;
      for (std::int64_t n = 0; n < count; ++n) the_case.iterate();
      answer(profile.seconds());
      continue;
    }
    std::vector<double> seconds, cpu_seconds, losses;
    for (std::int64_t n = 0; n < count; ++n) {
      const auto start = std::chrono::steady_clock::now();
      const double busy = process_seconds();
      losses.push_back(the_case.iterate());
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      cpu_seconds.push_back(process_seconds() - busy);
    }
    answer({{"seconds", seconds},
            {"cpu_seconds", cpu_seconds},
            {"losses", losses},
            {"tokens", the_case.tokens()},
            {"flops", the_case.flops()}});
  }
}

void run(char** words) {
  at::set_num_threads(std::stoi(words[4]));
  const Pretrained pretrained = Pretrained::from_archive(Archive::load(words[1]), words[1]);
  const Work work(words[2]);
  SystemClock clock;
  const auto comm = Registry<Communicator>::make("local", CommOptions{}, clock);
  std::unique_ptr<Case> the_case;
  if (work.json.contains("method")) {
    the_case = std::make_unique<MethodCase>(pretrained, work, *comm);
  } else {
    the_case = std::make_unique<EncoderCase>(pretrained, work);
  }
  write_file(words[3], the_case->state().image());
  answer({{"threads", at::get_num_threads()}});
  serve(*the_case);
}

}  // namespace
}  // namespace metaloom::bench

int main(int count, char** words) {
  if (count != 5) {
    std::fprintf(stderr, "usage: bench_metaloom MODEL.h5 WORK.json STATE.h5 THREADS\n");
    return 2;
  }
  metaloom::keep_freed_memory();
  try {
    metaloom::bench::run(words);
    return 0;
  } catch (const metaloom::Error& error) {
    std::fprintf(stderr, "bench_metaloom: %s\n", error.what());
    return error.exit_code();
  }
}
