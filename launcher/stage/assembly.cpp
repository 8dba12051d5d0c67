#include "launcher/stage/assembly.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <set>

#include "core/error.h"
#include "core/registry.h"
#include "launcher/process/machine.h"

namespace metaloom {
namespace {

std::optional<Checkpoint> open_init(const StageConfig& stage) {
  if (stage.run.init.empty()) return std::nullopt;
  return Checkpoint::open(own_disk(), stage.init_checkpoint.empty()
                                          ? resolve_checkpoint(own_disk(), stage.run.init)
                                          : stage.init_checkpoint);
}

Pretrained read_archive(const StageConfig& config) {
  if (!std::filesystem::exists(config.model.weights)) {
    throw Error(Fault::data, "there is no model archive", config.model.weights,
                "Import one: metaloom import FOLDER out=" + config.model.weights +
                    " (make quickstart does it for MiniLM).");
  }
  return Pretrained::from_archive(Archive::load(config.model.weights), config.model.weights);
}

/// Why this device had better not multiply in bf16, empty where it may.
std::string why_not(const ModelOptions& options, at::Device device) {
  const bool asked = options.precision == Precision::bf16 || options.frozen == Frozen::bf16;
  return asked && device.is_cpu() ? why_no_bf16_products() : "";
}

/// The model in the precision and on the device of the configuration, run as that says.
Pretrained placed(Pretrained model, const StageConfig& config, at::Device device) {
  const auto precision = config.model.precision == Precision::float64 ? at::kDouble : at::kFloat;
  model.place(device, precision);
  model.recompute = config.model.recompute;
  return model;
}

std::set<std::string> trained_in(const Params& theta) {
  std::set<std::string> out;
  for (const auto& [name, value] : under(theta, kModelPrefix)) out.insert(name);
  return out;
}

Pretrained read_model(const StageConfig& config, const std::optional<Checkpoint>& init) {
  return init ? model_of(*init) : read_archive(config);
}

void check_tokenizers(const Pretrained& model, const Mix& mix) {
  for (int i = 0; i < mix.datasets(); ++i) {
    if (mix.info(i).tokenizer_digest == model.tokenizer_digest) continue;
    throw Error(
        Fault::data,
        fmt::format("{} was tokenised with another tokenizer than the model's", mix.info(i).name),
        mix.info(i).name, "Run metaloom data again with this model's tokenizer.");
  }
}

}  // namespace

Assembly::Assembly(const StageConfig& stage, at::Device device, std::optional<Pretrained> model)
    : config(stage),
      rng(static_cast<std::uint64_t>(stage.run.seed)),
      init(model ? std::nullopt : open_init(stage)),
      pretrained(placed(model ? std::move(*model) : read_model(stage, init), stage, device)),
      mix(std::make_unique<Mix>(stage.data, rng.at("data"))) {
  check_tokenizers(pretrained, *mix);
  std::vector<const DatasetInfo*> datasets;
  datasets.reserve(static_cast<std::size_t>(mix->datasets()));
  for (int i = 0; i < mix->datasets(); ++i) datasets.push_back(&mix->info(i));
  build(datasets);
}

Assembly::Assembly(const StageConfig& stage, std::vector<const DatasetInfo*> brought,
                   at::Device device)
    : config(stage),
      rng(static_cast<std::uint64_t>(stage.run.seed)),
      init(open_init(stage)),
      pretrained(placed(read_model(stage, init), stage, device)) {
  build(std::move(brought));
}

void Assembly::build(std::vector<const DatasetInfo*> datasets) {
  method = Registry<Method>::make(config.method_name, config.method,
                                  Ingredients{.pretrained = pretrained,
                                              .datasets = std::move(datasets),
                                              .tasks = config.data.task,
                                              .steps = config.run.steps,
                                              .rng = rng.at("method")});
  const Params initial = method->initial();
  theta = std::make_unique<FlatParams>(initial, method->groups(initial));
  if (init) adopted = adopt(*init, *theta);
}

void check_precision(const ModelOptions& options, at::Device device) {
  const char* const place = options.precision == Precision::bf16 ? "model.precision = \"bf16\""
                                                                 : "model.frozen = \"bf16\"";
  if (options.frozen == Frozen::bf16 && options.precision == Precision::float64) {
    throw Error(Fault::usage, "products of float64 with weights that are held in bf16", place,
                "Leave model.frozen out, or set model.precision to float32 or bf16.");
  }
  const std::string why = why_not(options, device);
  if (why.empty()) return;
  throw Error(Fault::usage, why + ": products of bf16 would be slower than those of fp32", place,
              "Leave it out on this machine, or use a GPU: model.device=cuda.");
}

void Assembly::lower_precision() {
  if (config.model.precision == Precision::bf16) pretrained.products = at::kBFloat16;
  if (config.model.frozen == Frozen::bf16) pretrained.freeze(trained_in(theta->values()));
}

void Assembly::lower_precision_if_it_pays() {
  const std::string why = why_not(config.model, pretrained.device);
  if (why.empty()) {
    lower_precision();
  } else {
    spdlog::warn("{}: computed in fp32, not in the bf16 that it was trained with", why);
  }
}

std::optional<Pretrained> model_planned(const std::vector<StageConfig>& stages,
                                        const StageConfig& stage) {
  if (stage.init_stage.empty()) return std::nullopt;
  const StageConfig& before = stage_called(stages, stage.init_stage);
  const Assembly planned(before, at::kCPU, model_planned(stages, before));
  return Pretrained::from_archive(
      planned.pretrained.to_archive(planned.method->model(planned.theta->values())), before.name);
}

StepContext Assembly::context(std::int64_t step) const {
  return {.step = step, .steps = config.run.steps, .rng = rng.at("step").at({step})};
}

Table Assembly::resolved() const {
  return config.resolved(write_fields(*method));
}

}  // namespace metaloom
