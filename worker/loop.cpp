#include "worker/loop.h"

#include <ATen/ATen.h>

#include <cmath>

#include "worker/pack_costs.h"

namespace metaloom {
namespace {

/// The packs of an update that fall to this rank: a balance by predicted cost, the same plan on
/// every rank.
std::vector<Pack> share_of(const LoopParts& run, const std::vector<Pack>& packs) {
  std::vector<Pack> mine;
  const auto shares = shares_of(costs_of(run.comm, run.method, run.mix, packs), run.comm.size());
  for (std::size_t i : shares[run.comm.rank()]) mine.push_back(packs[i]);
  return mine;
}

}  // namespace

bool run_loop(const LoopParts& run, std::int64_t first_step) {
  for (std::int64_t step = first_step; step < run.steps; ++step) {
    // sample
    const Phase phase = run.method.phase(step);
    const std::vector<Pack> packs = run.mix.plan(phase.draw, phase.half);
    // meta-gradient, and its reduction meanwhile
    const auto gradients = [&](const Pack& pack, GradientSink& sink) {
      return run.method.gradients(run.theta.values(), run.mix.draw(pack), run.context(step), sink);
    };
    const UpdateOutcome outcome =
        run.reduction.run(phase, share_of(run, packs), std::ssize(packs), gradients);
    const Section section(run.comm, "reduce");
    // vote
    const double divisor = outcome.divisor(), norm = run.reduction.norm() / divisor;
    const Verdict verdict = run.fence.vote(std::isfinite(norm));
    // step
    if (verdict.finite) {
      const double scale = run.optimizer.clip(norm) / divisor;
      run.optimizer.step(run.reduction.sum().mul_(scale), phase, step, run.steps);
    }
    // diagnostics: the curve before the fence, so that a checkpoint never outruns it
    run.diagnostics.update(step + 1, phase, outcome, verdict.finite ? norm : std::nan(""),
                           run.optimizer.rate(phase, step, run.steps), run.theta.values());
    // fence: save, stop
    if (run.fence.pass(verdict)) return false;
    // diagnostics: scores after the fence, so that they keep nobody from stopping
    run.diagnostics.validate(step + 1, run.theta.values());
  }
  return true;
}

}  // namespace metaloom
