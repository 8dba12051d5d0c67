#include "launcher/stage.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <set>

#include "comm/gpus.h"
#include "comm/world.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/memory.h"
#include "launcher/assembly.h"
#include "launcher/world.h"
#include "worker/loop.h"
#include "worker/pack_costs.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// A finished stage's folder holds result.json beside the configuration that made it.
bool already_finished(Communicator& comm, const StageConfig& config) {
  const bool is = config.run.resume != "never" && fs::exists(config.folder / "result.json");
  return !as_rank_0_says(comm, is ? "finished" : "").empty();
}

/// The stage with its init resolved to one checkpoint, the same on all ranks even while a link
/// to the newest one moves on.
StageConfig with_init_found(Communicator& comm, StageConfig config) {
  if (config.run.init.empty()) return config;
  std::string found;
  if (comm.rank() == 0) found = resolve_checkpoint(config.run.init).string();
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

/// A run that starts over leaves nothing of the one before to be mistaken for its own.
void clear_folder(const fs::path& folder) {
  for (const char* old : {"result.json", "checkpoints", "metrics.jsonl", "config.toml"}) {
    fs::remove_all(folder / old);
  }
}

/// Refuses to continue a run that is not there, or with settings that would make it another one.
void check_same_run(const Table& resolved, const StageConfig& config) {
  const fs::path& folder = config.folder;
  if (config.run.resume == "must" && !fs::exists(folder / "checkpoints" / "latest")) {
    throw Error(Fault::no_checkpoint, "there is no usable checkpoint", folder.string(),
                "Start the run with resume=auto, or check the folder.");
  }
  if (config.run.resume == "never" || !fs::exists(folder / "config.toml")) return;
  const std::string difference = first_difference(resolved, Table::load(folder / "config.toml"));
  if (difference.empty()) return;
  throw Error(Fault::usage, "the run folder holds a run of another configuration: " + difference,
              (folder / "config.toml").string(),
              "Give another folder with run=..., or the settings it was started with.");
}

/// Rank 0 picks the newest verified checkpoint, so that all ranks load the same one.
std::optional<Checkpoint> checkpoint_to_resume(Communicator& comm, CheckpointFolder* folder,
                                               const std::map<std::string, Archive>& shared,
                                               const RunOptions& run) {
  std::string path;
  if (folder != nullptr && run.resume != "never") {
    if (const auto newest = folder->newest(shared)) path = newest->folder().string();
  }
  path = as_rank_0_says(comm, path);
  if (!path.empty()) return Checkpoint::open(path);
  if (run.resume == "must") {
    throw Error(Fault::no_checkpoint, "there is no usable checkpoint", run.run,
                "Start the run with resume=auto, or check the folder.");
  }
  return std::nullopt;
}

/// Refuses an update that cannot be held: better now than by the system's out-of-memory killer.
void check_fits(const Communicator& comm, const Assembly& stage, double peak_bytes) {
  if (stage.theta->flat().is_cuda()) return;
  constexpr double kGiB = 0x1p30;
  const Memory memory = memory_of_this_place(comm.local_size());
  const double in_fp32 = peak_bytes * comm.local_size();
  const double need = in_fp32 * static_cast<double>(stage.theta->flat().element_size()) / 4;
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
void check_tasks(const Communicator& comm, const Assembly& stage) {
  const Mix& mix = *stage.mix;
  for (std::int64_t step : std::set<std::int64_t>{0, stage.config.run.steps - 1}) {
    const auto packs = mix.plan(stage.method->draw_index(step), stage.method->phase(step).half);
    Cost largest;
    for (const Cost& cost : costs_of(*stage.method, mix, packs)) largest += cost;
    check_fits(comm, stage, largest.peak_bytes);
    const auto idle = static_cast<std::int64_t>(comm.size()) - std::ssize(packs);
    if (idle > 0 && comm.rank() == 0 && step == 0) {
      spdlog::warn(
          "{}: {} packs an update for {} ranks: {} will wait for the others. Raise "
          "data.slots, lower data.pack, or start fewer ranks.",
          stage.config.name, packs.size(), comm.size(), idle);
    }
  }
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    mix.evaluation(dataset, split_called(stage.config.evaluate.split), 1);
    if (stage.config.evaluate.every > 0) mix.evaluation(dataset, Split::validation, 1);
  }
}

Json data_digests(const Mix& mix) {
  Json out = Json::object();
  for (int i = 0; i < mix.datasets(); ++i) out[mix.info(i).name] = mix.info(i).store_digest;
  return out;
}

/// What every checkpoint and the run folder say of the run's origin.
std::map<std::string, std::string> records(const Communicator& comm, const Assembly& stage,
                                           const StageLineage& lineage, int threads) {
  Json provenance = parse_json(provenance_json(comm, threads), "provenance");
  provenance["seed"] = stage.config.run.seed;
  provenance["stage"] = stage.config.name;
  provenance["data"] = data_digests(*stage.mix);
  provenance["init"] = stage.init ? stage.init->folder().string() : "";
  provenance["overlap"] = lineage.findings;
  return {{"config", stage.resolved().to_toml()}, {"provenance", provenance.dump(2)}};
}

void start_folder(const StageConfig& config, const std::map<std::string, std::string>& texts) {
  make_folder(config.folder);
  replace_file(config.folder / "config.toml", texts.at("config"));
  replace_file(config.folder / "provenance.json", texts.at("provenance"));
  log_to_file(config.folder / "log.txt");
}

/// Everything between the loop's parts and its result.
bool train(Communicator& comm, Assembly& stage, const StageLineage& lineage, int threads) {
  const StageConfig& config = stage.config;
  const bool writes = comm.rank() == 0;
  const auto texts = records(comm, stage, lineage, threads);
  if (writes && config.run.resume == "never") clear_folder(config.folder);
  if (writes) start_folder(config, texts);

  std::optional<CheckpointFolder> folder;
  if (writes) {
    folder.emplace(config.folder / "checkpoints", config.checkpoint,
                   hex(digest(texts.at("config"))));
    folder->claim();
  }
  CheckpointFolder* own_folder = folder ? &*folder : nullptr;
  std::map<std::string, Archive> shared;
  if (writes) shared["model"] = stage.pretrained.to_archive(stage.pretrained.weights);
  Optimizer optimizer(config.optimizer, *stage.theta);
  RunProgress progress{.threads = threads, .stage = config.name};
  if (const auto checkpoint = checkpoint_to_resume(comm, own_folder, shared, config.run)) {
    progress = resume_run(*checkpoint, *stage.theta, optimizer);
    if (writes) spdlog::info("{}: going on after update {}", config.name, progress.step);
    if (progress.threads != threads) at::set_num_threads(static_cast<int>(progress.threads));
  }
  std::optional<MetricsFile> metrics;
  if (writes) metrics.emplace(config.folder / "metrics.jsonl", progress.step);

  Fence fence({comm, *stage.theta, optimizer, progress, lineage.trained_on, texts, shared,
               own_folder, told_to_stop},
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
  const bool finished = run_loop({comm, *stage.mix, *stage.method, *stage.theta, optimizer, fence,
                                  diagnostics, context, config.run.steps, config.comm.ordered},
                                 progress.step);
  fence.finish();
  if (finished) diagnostics.after(stage.theta->values());
  return finished;
}

}  // namespace

at::Device device_of(const StageConfig& config, Communicator& comm) {
  if (config.model.device == "cpu") return at::kCPU;
  // Whatever the backend: ranks that share a GPU run out of its memory, or out of time.
  const std::string shared = shared_gpu(comm.all_gather(describe_gpu(comm)));
  if (!shared.empty()) {
    throw Error(Fault::usage, shared, "model.device",
                "Start one rank per GPU, or compute on the CPU: model.device=cpu.");
  }
  const at::Device device = rank_device(comm);
  if (config.model.device == "cuda" && !device.is_cuda()) {
    throw Error(Fault::usage, "there is no GPU that this rank may use", "model.device = \"cuda\"",
                "Ask Slurm for one (--gpus-per-task=1), or set model.device=auto or cpu.");
  }
  return device;
}

bool run_stage(Communicator& comm, const StageConfig& config, const StageLineage& lineage,
               const std::function<void(const Table& resolved)>& begins) {
  const Section section(comm, config.name);
  const int threads = threads_per_rank(config.comm, comm);
  at::set_num_threads(threads);
  Assembly stage(with_init_found(comm, config), device_of(config, comm));
  const Table resolved = stage.resolved();
  check_same_run(resolved, config);
  if (already_finished(comm, config)) {
    begins(resolved);
    if (comm.rank() == 0) spdlog::info("{}: finished before, skipped", config.name);
    return true;
  }
  check_tasks(comm, stage);
  check_same_start(comm, stage.theta->flat());
  begins(resolved);
  const bool finished = train(comm, stage, lineage, threads);
  if (finished && comm.rank() == 0) {
    const Json result{{"stage", config.name}, {"steps", config.run.steps}};
    replace_file(config.folder / "result.json", result.dump(2) + "\n");
  }
  comm.barrier();
  return finished;
}

}  // namespace metaloom
