// golden_bert MODEL.h5 BATCH.h5 OUT.h5: what the program's backbone makes of a batch, for
// tests/golden/bert_parity_test.py to compare with transformers. BATCH holds ids, segments [R, L],
// length, mask_at [R] and candidates [C]; OUT holds, per attention kind and precision
// ("fused/float", "math/double", ...), hidden [R, L, D], kept [R, D], and where the model can:
// pooled [R, D], logits [R, L, V], some_logits [R, C].
#include "models/pretrained.h"
#include "tests/golden/program.h"

namespace metaloom {
namespace {

void compute(const Pretrained& model, const Batch& batch, const at::Tensor& candidates,
             const std::string& name, Attention attention, at::ScalarType dtype, Archive& out) {
  const SharedWeights weights(
      model.weights.map([dtype](const at::Tensor& value) { return value.to(dtype); }));
  ForwardOptions options;
  options.attention = attention;
  const at::Tensor hidden_RLD = model.backbone->encode(weights, batch, options);
  options.keep_R = batch.read_at_R;
  const at::Tensor kept_RD = model.backbone->encode(weights, batch, options);
  out.put(name + "/hidden", hidden_RLD);
  out.put(name + "/kept", kept_RD);
  if (!model.weights_of({Part::pooler}).empty()) {
    out.put(name + "/pooled", model.backbone->pooled(weights, hidden_RLD));
  }
  if (!model.weights_of({Part::head}).empty()) {
    out.put(name + "/logits", model.backbone->word_logits(weights, hidden_RLD.flatten(0, 1), {})
                                  .unflatten(0, {batch.rows(), batch.ids_RL.size(1)}));
    out.put(name + "/some_logits", model.backbone->word_logits(weights, kept_RD, candidates));
  }
}

void run(const char* model_file, const char* batch_file, const char* out_file) {
  const Pretrained model = Pretrained::from_archive(Archive::load(model_file), model_file);
  const Archive given = Archive::load(batch_file);
  Batch batch;
  batch.ids_RL = given.get("ids");
  batch.segments_RL = given.get("segments");
  batch.length_R = given.get("length");
  batch.read_at_R = given.get("mask_at");
  batch.tokens = batch.length_R.sum().item<std::int64_t>();
  const at::Tensor candidates = given.get("candidates");
  Archive out;
  for (const auto& [name, attention] :
       {std::pair("fused", Attention::fused), std::pair("math", Attention::math)}) {
    for (const auto& [precision, dtype] :
         {std::pair("float", at::kFloat), std::pair("double", at::kDouble)}) {
      compute(model, batch, candidates, std::string(name) + "/" + precision, attention, dtype, out);
    }
  }
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  return metaloom::golden::main_of(count, words, metaloom::run);
}
