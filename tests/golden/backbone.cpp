// golden_backbone MODEL.h5 BATCH.h5 OUT.h5 [...]: what the program's backbones make of batches, for
// tests/golden/backbone_parity_test.py to compare with transformers. BATCH holds ids, segments,
// probe [R, L, D], length, read_at, label [R] and candidates [C], and may hold target [R, L'] and
// target_length [R], whose states are then read, L' for L; OUT holds, per attention kind and
// precision ("fused/float", "math/double", ...), states/N [R, L, D] at the input of layer N, hidden
// [R, L, D], kept [R, D], and where the model can: pooled [R, D], logits [R, L, V], some_logits
// [R, C]; loss, and gradient/NAME of every parameter: sum(hidden * probe) over tokens, plus the
// cross-entropy of the labels where they are read.
#include <ATen/Parallel.h>

#include "models/pretrained.h"
#include "tests/golden/program.h"

namespace metaloom {
namespace {

struct Given {
  Batch batch;
  at::Tensor probe_RLD, label_R, candidates;

  explicit Given(const Archive& archive) {
    batch.ids_RL = archive.get("ids");
    batch.segments_RL = archive.get("segments");
    batch.length_R = archive.get("length");
    batch.read_at_R = archive.get("read_at");
    batch.tokens = batch.length_R.sum().item<std::int64_t>();
    if (archive.contains("target")) {
      batch.target = Tokens{.ids_RL = archive.get("target"),
                            .segments_RL = {},
                            .length_R = archive.get("target_length")};
      batch.target->tokens = batch.target->length_R.sum().item<std::int64_t>();
    }
    probe_RLD = archive.get("probe");
    label_R = archive.get("label");
    candidates = archive.get("candidates");
  }
};

class Case {
 public:
  Case(const Pretrained& model, const Given& given, Attention attention, at::ScalarType dtype)
      : model_(model),
        given_(given),
        dtype_(dtype),
        leaves_(model.weights.map([dtype](const at::Tensor& value) { return value.to(dtype); })
                    .leaves()),
        weights_(leaves_) {
    options_.attention = attention;
  }

  void write(const std::string& name, Archive& out) const {
    const auto put = [&](const std::string& what, const at::Tensor& value) {
      out.put(name + "/" + what, value.detach());
    };
    const Backbone& backbone = *model_.backbone;
    const bool head =
        !model_.weights_of({Part::head}).empty() || backbone.parameters({Part::head}).empty();
    for (int n = 0; n < backbone.geometry().layers; ++n)
      put("states/" + std::to_string(n), backbone.encode_below(weights_, given_.batch, n));
    const at::Tensor hidden_RLD = backbone.encode(weights_, given_.batch, options_);
    ForwardOptions kept = options_;
    kept.keep_R = given_.batch.read_at_R;
    const at::Tensor kept_RD = backbone.encode(weights_, given_.batch, kept);
    put("hidden", hidden_RLD);
    put("kept", kept_RD);
    at::Tensor loss = (hidden_RLD * given_.probe_RLD.to(dtype_)).sum();
    if (!model_.weights_of({Part::pooler}).empty())
      put("pooled", backbone.pooled(weights_, hidden_RLD));
    if (head) {
      put("logits", backbone.word_logits(weights_, hidden_RLD.flatten(0, 1), {})
                        .unflatten(0, {given_.batch.rows(), hidden_RLD.size(1)}));
      put("some_logits", backbone.word_logits(weights_, kept_RD, given_.candidates));
      loss = loss +
             at::cross_entropy_loss(backbone.word_logits(weights_, kept_RD, {}), given_.label_R);
    }
    put("loss", loss);
    const Params read = leaves_.select([&](std::string_view one) {
      for (const Parameter& parameter : backbone.parameters({Part::pooler}))
        if (parameter.name == one) return false;
      return true;
    });
    for (const auto& [parameter, value] : grad(loss, read)) put("gradient/" + parameter, value);
  }

 private:
  const Pretrained& model_;
  const Given& given_;
  at::ScalarType dtype_;
  Params leaves_;
  SharedWeights weights_;
  ForwardOptions options_;
};

void run(const char* model_file, const char* batch_file, const char* out_file) {
  const Pretrained model = Pretrained::from_archive(Archive::load(model_file), model_file);
  const Given given(Archive::load(batch_file));
  Archive out;
  for (const auto& [name, attention] :
       {std::pair("fused", Attention::fused), std::pair("math", Attention::math)}) {
    for (const auto& [precision, dtype] :
         {std::pair("float", at::kFloat), std::pair("double", at::kDouble)}) {
      Case(model, given, attention, dtype).write(std::string(name) + "/" + precision, out);
    }
  }
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  at::set_num_threads(1);
  for (int word = 1; word + 2 < count; word += 3) {
    char* one[] = {words[0], words[word], words[word + 1], words[word + 2]};
    const int code = metaloom::golden::main_of(4, one, metaloom::run);
    if (code != 0) return code;
  }
  return count % 3 == 1 && count > 1 ? 0 : metaloom::golden::main_of(count, words, metaloom::run);
}
