// metaloom inspect: what a checkpoint or an archive holds, as text.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoints/checkpoint.h"
#include "core/registry.h"
#include "launcher/process/machine.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

constexpr std::size_t kLongestText = 4000;

void print_archive(const Archive& archive) {
  for (const auto& [path, value] : archive.tensors()) {
    const bool number = at::isFloatingType(value.scalar_type()) && value.numel() > 0;
    fmt::print("  {:<64} {:<8} [{}]{}\n", path, toString(value.scalar_type()),
               fmt::join(value.sizes(), ", "),
               number ? fmt::format("  rms {:.4g}",
                                    value.to(at::kDouble).square().mean().sqrt().item<double>())
                      : "");
  }
  for (const auto& [path, text] : archive.texts()) {
    fmt::print("  {:<64} text, {} bytes\n", path, text.size());
    if (text.size() <= kLongestText) fmt::print("{}\n", text);
  }
}

class Inspect final : public Verb {
 public:
  std::string help() const override {
    return "metaloom inspect PATH\n\n"
           "PATH: a run, a checkpoint, or an HDF5 archive (model). Prints names, shapes and "
           "scales\n"
           "of the tensors, and the recorded configuration and provenance.\n"
           "\nExample\n  metaloom inspect runs/quickstart/1_muppet\n";
  }

  int run(const Arguments& arguments) const override {
    const std::filesystem::path path =
        only_target(arguments, "inspect", "a run, checkpoint or archive");
    if (path.extension() == ".h5") {
      print_archive(Archive::load(path));
      return 0;
    }
    const Checkpoint checkpoint =
        Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), path));
    fmt::print("{}  (update {})\n", checkpoint.folder().string(), checkpoint.step());
    for (const std::string& section : checkpoint.sections()) {
      fmt::print("\n[{}]\n", section);
      print_archive(checkpoint.read(section));
    }
    return 0;
  }
};

const Register<Verb> here{"inspect", "print what a checkpoint or archive holds",
                          [] { return std::make_unique<Inspect>(); }};

}  // namespace
}  // namespace metaloom
