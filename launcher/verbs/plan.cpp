// metaloom plan: what a run would do and cost, without training.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/registry.h"
#include "launcher/stage/assembly.h"
#include "launcher/stage/overlap.h"
#include "launcher/verbs/verb.h"
#include "sampler/store/token_store.h"
#include "worker/optimizer/optimizer.h"
#include "worker/pack_costs.h"

namespace metaloom {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

struct PlanOptions {
  std::int64_t ranks = 1, updates = 3;
  void fields(Fields& f) {
    f.integer("ranks", ranks, "how many ranks to plan for", {1, 1e6});
    f.integer("updates", updates, "updates whose tasks are listed", {1, 1000});
  }
};

double model_bytes(const Assembly& stage) {
  double bytes = 0;
  for (const auto& [name, value] : stage.pretrained.weights) {
    const bool half = stage.config.model.frozen == Frozen::bf16 && value.dim() > 1 &&
                      !stage.theta->values().contains(kModelPrefix + name);
    bytes += static_cast<double>(value.numel() * (half ? 2 : value.element_size()));
  }
  return bytes;
}

/// Theta, its gradient and two state vectors of the optimizer.
double trained_bytes(const Assembly& stage) {
  return 4.0 * static_cast<double>(stage.theta->flat().nbytes());
}

void print_size(const Assembly& stage) {
  const std::int64_t model = stage.pretrained.weights.numel();
  const std::int64_t trained = stage.theta->flat().numel();
  fmt::print("  model        {:>12} parameters, {:.1f} MiB\n", model, model_bytes(stage) / kMiB);
  fmt::print("  trained      {:>12} parameters in {} tensors\n", trained,
             stage.theta->values().size());
  for (const ParameterGroup& group : stage.theta->groups()) {
    std::int64_t numel = 0;
    for (const auto& name : group.parameters) numel += stage.theta->span(name).length;
    fmt::print("    {:<18} {:>10}  rate x {:g}{}\n", group.name, numel, group.rate_scale,
               group.decay ? fmt::format("  weight decay {:g}", *group.decay) : "");
  }
}

struct UpdateCost {
  double flops = 0, busiest = 0, peak_bytes = 0, tokens = 0;
};

/// Prints who computes what in one update.
UpdateCost print_update(const Assembly& stage, std::int64_t step, std::int64_t ranks, bool list) {
  const Phase phase = stage.method->phase(step);
  const auto packs = stage.mix->plan(phase.draw, phase.half);
  const std::vector<Cost> costs = costs_of(*stage.method, *stage.mix, packs);
  UpdateCost total;
  for (const Cost& cost : costs) {
    total.flops += cost.flops;
    total.peak_bytes = std::max(total.peak_bytes, cost.peak_bytes);
  }
  for (const Pack& pack : packs) {
    for (const TaskId& id : pack.tasks) {
      const TaskShape shape = stage.mix->shape(id);
      total.tokens += static_cast<double>(shape.support_tokens + shape.query_tokens);
    }
  }
  const auto shares = shares_of(costs, static_cast<int>(ranks));
  for (std::size_t rank = 0; rank < shares.size(); ++rank) {
    double load = 0;
    std::vector<std::string> names;
    for (std::size_t i : shares[rank]) {
      load += costs[i].flops;
      for (const TaskId& id : packs[i].tasks) {
        names.push_back(fmt::format("{}#{}", stage.mix->info(id.dataset).name, id.index));
      }
    }
    total.busiest = std::max(total.busiest, load);
    if (list && rank < 8) {
      fmt::print("    update {} {:<8} rank {}  {:6.2f} GFLOP  {}\n", step + 1, phase.name, rank,
                 load / 1e9, fmt::join(names, " "));
    }
  }
  return total;
}

void print_stage(const StageConfig& config, const StageLineage& lineage, const PlanOptions& plan,
                 std::optional<Pretrained> model) {
  const Assembly stage(config, at::kCPU, std::move(model));
  const Optimizer optimizer(config.optimizer, *stage.theta);
  fmt::print("\n{}  ({})\n", config.name, config.method_name);
  fmt::print("  starts from  {}\n",
             config.run.init.empty() ? config.model.weights : config.run.init);
  print_size(stage);
  for (int i = 0; i < stage.mix->datasets(); ++i) {
    const TokenStore& store = stage.mix->store(i);
    fmt::print("  data         {:<20} {:<16} {:>6} train {:>5} validation {:>5} test  {}\n",
               store.info().name, store.info().family, store.rows(Split::train),
               store.rows(Split::validation), store.rows(Split::test), store.info().licence);
  }
  UpdateCost sum;
  const std::int64_t listed = std::min(plan.updates, config.run.steps);
  for (std::int64_t step = 0; step < listed; ++step) {
    const UpdateCost cost = print_update(stage, step, plan.ranks, true);
    sum.flops += cost.flops / static_cast<double>(listed);
    sum.tokens += cost.tokens / static_cast<double>(listed);
    sum.busiest += cost.busiest / static_cast<double>(listed);
    sum.peak_bytes = std::max(sum.peak_bytes, cost.peak_bytes);
  }
  fmt::print(
      "  work         {:.2f} GFLOP an update, {:.0f} text tokens, ranks balanced to {:.0f} %\n",
      sum.flops / 1e9, sum.tokens,
      100 * sum.flops / std::max(1.0, sum.busiest * static_cast<double>(plan.ranks)));
  fmt::print(
      "  memory       {:.0f} MiB a rank: model {:.0f}, theta with optimizer {:.0f}, activations "
      "{:.0f}\n",
      (model_bytes(stage) + trained_bytes(stage) + sum.peak_bytes) / kMiB,
      model_bytes(stage) / kMiB, trained_bytes(stage) / kMiB, sum.peak_bytes / kMiB);
  fmt::print("  schedule     {} updates", config.run.steps);
  for (double share : {0.0, 0.25, 0.5, 1.0}) {
    const auto step = static_cast<std::int64_t>(share * static_cast<double>(config.run.steps - 1));
    fmt::print(", rate {:.2e} at {}",
               optimizer.rate(stage.method->phase(step), step, config.run.steps), step + 1);
  }
  fmt::print("\n  settings of the method\n{}", describe_fields(*stage.method, "method"));
  const bool none = lineage.found.empty() && lineage.described.empty();
  fmt::print("  overlaps     {}\n", none ? "none" : "");
  for (const std::string& line : lineage.described) fmt::print("    {}\n", line);
  for (const Overlap& overlap : lineage.found) {
    fmt::print("    {}  (overlap: {})\n", overlap.line,
               word_of(config.data.overlap_of(overlap.dataset)));
  }
}

class Plan final : public Verb {
 public:
  std::string help() const override {
    PlanOptions options;
    return "metaloom plan CONFIG.toml [key=value ...]\n\n"
           "Prints what each stage would train, on what, at what cost, which rank computes what,\n"
           "and whether evaluation texts were trained on; trains nothing.\n\n" +
           describe_fields(options, "plan") +
           "\nExample\n  metaloom plan configs/quickstart.toml plan.ranks=4\n";
  }

  int run(const Arguments& arguments) const override {
    const auto [own, others] = own_assignments(arguments, "plan");
    PlanOptions options;
    read_fields(own, "plan", options);
    auto [stages, notes] = load_run(only_target(arguments, "plan", "a configuration file"), others);
    for (const std::string& note : notes) fmt::print("{}\n", note);
    const auto lineages = find_lineages(stages, /*alive=*/[] {});
    for (std::size_t i = 0; i < stages.size(); ++i) {
      stages[i].data.left_out = lineages[i].left_out(stages[i].data);
      print_stage(stages[i], lineages[i], options, model_planned(stages, stages[i]));
    }
    check_overlaps(stages, lineages);
    return 0;
  }
};

const Register<Verb> here{"plan", "print what a run would do and cost, without training",
                          [] { return std::make_unique<Plan>(); }};

}  // namespace
}  // namespace metaloom
