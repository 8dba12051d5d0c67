#include "launcher/stage/stage.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "comm/gpus.h"
#include "comm/world.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/log/log.h"
#include "core/memory.h"
#include "launcher/process/machine.h"
#include "launcher/process/world.h"
#include "launcher/stage/assembly.h"
#include "launcher/stage/stage_records.h"
#include "launcher/stage/stage_start.h"
#include "worker/loop.h"
#include "worker/pack_costs.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// The stage with its init resolved to one checkpoint, the same on all ranks even while a link
/// to the newest one moves on.
StageConfig with_init_found(Communicator& comm, StageConfig config) {
  if (config.run.init.empty()) return config;
  std::string found;
  if (comm.rank() == 0) found = resolve_checkpoint(own_disk(), config.run.init).string();
  config.init_checkpoint = as_rank_0_says(comm, found);
  return config;
}

/// Gradients of different models must never be averaged.
void check_same_start(Communicator& comm, const at::Tensor& flat) {
  const at::Tensor bytes = flat.cpu().contiguous();
  const std::string mine = hex(
      digest(std::string_view(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes())));
  const std::vector<std::string> all = comm.all_gather(mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] == all.front()) continue;
    throw Error(Fault::temporary, fmt::format("ranks 0 and {} start from different weights", rank),
                "init", "Check that all nodes see the same files, and start again.");
  }
}

/// Rank 0 picks the newest verified checkpoint, so that all ranks load the same one.
std::optional<Checkpoint> checkpoint_to_resume(Communicator& comm, CheckpointFolder* folder,
                                               const std::map<std::string, Archive>& shared,
                                               const StageConfig& config) {
  std::string path;
  const RunOptions& run = config.run;
  if (folder != nullptr && run.resume != Resume::never) {
    const auto newest = folder->newest(shared, config.model.allow_changed);
    if (newest) path = newest->folder().string();
  }
  path = as_rank_0_says(comm, path);
  if (!path.empty()) return Checkpoint::open(own_disk(), path);
  if (run.resume == Resume::must) {
    throw Error(Fault::no_checkpoint, "there is no usable checkpoint", run.run,
                "Start the run with resume=auto, or check the folder.");
  }
  return std::nullopt;
}

/// Refuses an update that cannot be held: better now than by the system's out-of-memory killer.
void check_fits(const Communicator& comm, const Assembly& stage, double peak_bytes) {
  if (stage.theta->flat().is_cuda()) return;
  constexpr double kGiB = 0x1p30;
  const Memory memory = memory_of_this_place(comm.place().local_size);
  const double need = peak_bytes * comm.place().local_size;
  if (need <= memory.bytes) return;
  throw Error(
      Fault::usage,
      fmt::format("an update needs some {:.3g} GiB for the activations of the ranks on this "
                  "host, but {} {:.3g} GiB",
                  need / kGiB, memory.of, memory.bytes / kGiB),
      "stage " + stage.config.name,
      "Lower data.batch, data.pack or method.graph_memory (metaloom plan shows what they "
      "cost), or put fewer ranks on a host.");
}

/// Finds out before anything is written whether the data can serve the tasks: names the first
/// update's tasks and all evaluation tasks.
void check_tasks(Communicator& comm, const Assembly& stage) {
  const Mix& mix = *stage.mix;
  for (std::int64_t step : std::set<std::int64_t>{0, stage.config.run.steps - 1}) {
    const Phase phase = stage.method->phase(step);
    const auto packs = mix.plan(phase.draw, phase.half);
    Cost sum;
    for (const Cost& cost : costs_of(comm, *stage.method, mix, packs)) sum = in_turn(sum, cost);
    check_fits(comm, stage, sum.peak_bytes);
    const auto idle = static_cast<std::int64_t>(comm.size()) - std::ssize(packs);
    if (idle > 0 && comm.rank() == 0 && step == 0) {
      spdlog::warn(
          "{}: {} packs an update for {} ranks: {} will wait for the others. Raise "
          "data.slots, lower data.pack, or start fewer ranks.",
          stage.config.name, packs.size(), comm.size(), idle);
    }
  }
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    mix.evaluation(dataset, stage.config.evaluate.split, 1);
    if (stage.config.evaluate.every > 0) mix.evaluation(dataset, Split::validation, 1);
  }
}

/// How a run goes on, in words: after which update, and with what it did not begin with.
void tell_resumed(const Assembly& stage, const Optimizer& optimizer, const StageStart& start,
                  std::int64_t step) {
  const StageConfig& config = stage.config;
  spdlog::info("{}: going on after update {}", config.name, step);
  for (const std::string& change : start.changes) spdlog::info("{}: {}", config.name, change);
  if (start.steps_before == 0 || step >= config.run.steps) return;
  spdlog::info(
      "{}: {} updates instead of {}: from here on the learning rate is that of a run of {} "
      "(schedule {}: {:.2e} at update {}, {:.2e} at the end)",
      config.name, config.run.steps, start.steps_before, config.run.steps,
      word_of(config.optimizer.schedule),
      optimizer.rate(stage.method->phase(step), step, config.run.steps), step + 1,
      optimizer.rate(stage.method->phase(config.run.steps - 1), config.run.steps - 1,
                     config.run.steps));
}

/// Checkpoints without the configuration they were made with may be of a longer run.
void check_not_beyond(const StageConfig& config, std::int64_t step) {
  if (step <= config.run.steps) return;
  throw Error(Fault::usage,
              fmt::format("{} updates are made where {} are asked for", step, config.run.steps),
              config.folder.string(),
              fmt::format("Give steps={} or more, or another folder with run=...", step));
}

/// Another number of threads sums in another order: a stage keeps that of its first start.
void keep_threads(const Communicator& comm, const std::string& stage, std::int64_t began_with,
                  int now) {
  at::set_num_threads(static_cast<int>(began_with));
  if (comm.rank() != 0) return;
  spdlog::info("{}: {} threads a rank, as when it began; {} are for stages that begin now", stage,
               began_with, now);
}

/// Everything between the loop's parts and its result. `begins` is called, and the run's records
/// are written, once it is known that the run can go on: one that is refused keeps its own.
bool train(Communicator& comm, Assembly& stage, const StageLineage& lineage,
           const StageStart& start, int threads, const std::function<void()>& begins) {
  const StageConfig& config = stage.config;
  const bool writes = comm.rank() == 0;
  if (writes && config.run.resume == Resume::never) clear_folder(config.folder);
  std::map<std::string, std::string> texts;
  std::optional<CheckpointFolder> folder;
  if (writes) {
    texts = records(comm, stage, lineage, start, threads);
    make_folder(config.folder);
    log_to_file(own_disk(), config.folder / "log.txt");
    folder.emplace(own_disk(), own_clock(), config.folder / "checkpoints", config.checkpoint,
                   hex(digest(texts.at("config"))));
    folder->claim();
  }
  CheckpointFolder* own_folder = folder ? &*folder : nullptr;
  std::map<std::string, Archive> shared;
  if (writes) shared["model"] = stage.pretrained.to_archive(stage.pretrained.weights);
  stage.lower_precision();
  const auto reduction = reduction_of(config.comm, comm, *stage.theta);
  Optimizer optimizer(config.optimizer, *stage.theta, reduction->shard());
  RunProgress progress{.threads = threads, .stage = config.name};
  const auto checkpoint = checkpoint_to_resume(comm, own_folder, shared, config);
  if (checkpoint) {
    progress = resume_run(*checkpoint, *stage.theta, optimizer);
    check_not_beyond(config, progress.step);
  } else if (start.steps_before > 0) {
    throw Error(Fault::no_checkpoint, "there is no whole checkpoint to go on from",
                config.folder.string(), "Give another folder with run=...");
  }
  begins();
  if (writes) start_folder(config, texts, left_out_lines(stage, lineage));
  if (checkpoint) {
    if (writes) tell_resumed(stage, optimizer, start, progress.step);
    if (progress.threads != threads) keep_threads(comm, config.name, progress.threads, threads);
  }
  std::optional<MetricsFile> metrics;
  if (writes) metrics.emplace(own_disk(), config.folder / "metrics.jsonl", progress.step);

  Fence fence({comm, *stage.theta, optimizer, progress, lineage.trained_on, texts, shared,
               own_folder, metrics ? &*metrics : nullptr, told_to_stop},
              config.checkpoint, config.run.steps, config.run.non_finite_budget);
  const auto context = [&](std::int64_t step) { return stage.context(step); };
  Diagnostics diagnostics({comm, *stage.method, *stage.mix, metrics ? &*metrics : nullptr,
                           config.name, config.run.steps, context},
                          config.evaluate, progress.step);
  if (progress.step == 0) {
    diagnostics.before(stage.theta->values());
  } else {  // the checkpoint is from before the scores of its step, which MetricsFile has dropped
    diagnostics.validate(progress.step, stage.theta->values());
  }
  const bool finished = run_loop({comm, *stage.mix, *stage.method, *stage.theta, *reduction,
                                  optimizer, fence, diagnostics, context, config.run.steps},
                                 progress.step);
  fence.finish();
  if (finished) diagnostics.after(stage.theta->values());
  return finished;
}

/// Says what a finished stage does not take up any more; returns the configuration that it has.
Table skip(const Assembly& stage, const Table& resolved, const StageStart& start) {
  const StageConfig& config = stage.config;
  spdlog::info("{}: finished before, skipped", config.name);
  if (!start.changes.empty()) {
    spdlog::warn(
        "{}: finished, so that this changes nothing of it: {}. metaloom evaluate {} scores "
        "it anew.",
        config.name, fmt::join(start.changes, "; "), config.folder.string());
  }
  Table kept = finished_config(stage, resolved);
  const fs::path file = config.folder / "config.toml";
  if (!fs::exists(file) || read_text(file) != kept.to_toml()) replace_file(file, kept.to_toml());
  return kept;
}

}  // namespace

at::Device device_of(const StageConfig& config, Communicator& comm) {
  if (config.model.device == Processor::cpu) return at::kCPU;
  // Whatever the backend: ranks that share a GPU run out of its memory, or out of time.
  const std::string shared = shared_gpu(comm.all_gather(describe_gpu(comm.place())));
  if (!shared.empty()) {
    throw Error(Fault::usage, shared, "model.device",
                "Start one rank per GPU, or compute on the CPU: model.device=cpu.");
  }
  const at::Device device = rank_device(comm.place());
  if (config.model.device == Processor::cuda && !device.is_cuda()) {
    throw Error(Fault::usage, "there is no GPU that this rank may use", "model.device = \"cuda\"",
                "Ask Slurm for one (--gpus-per-task=1), or set model.device=auto or cpu.");
  }
  return device;
}

bool run_stage(Communicator& comm, const StageConfig& config, const StageLineage& lineage,
               const std::function<void(const Table& resolved)>& begins) {
  const Section section(comm, config.name);
  const int threads = threads_per_rank(config.comm, comm.place());
  at::set_num_threads(threads);
  const at::Device device = device_of(config, comm);
  check_precision(config.model, device);
  Assembly stage(with_init_found(comm, config), device);
  const Table resolved = stage.resolved();
  const StageStart start = start_of(comm, stage, resolved);
  if (start.finished) {
    begins(comm.rank() == 0 ? skip(stage, resolved, start) : resolved);
    return true;
  }
  check_tasks(comm, stage);
  check_same_start(comm, stage.theta->flat());
  const bool finished = train(comm, stage, lineage, start, threads, [&] { begins(resolved); });
  if (finished && comm.rank() == 0) {
    const Json result{{"stage", config.name}, {"steps", config.run.steps}};
    replace_file(config.folder / "result.json", result.dump(2) + "\n");
  }
  comm.barrier();
  return finished;
}

}  // namespace metaloom
