// golden_generation MODEL.h5 CASE.h5 OUT.h5: what the program writes, for
// tests/golden/generation_test.py to compare with transformers. CASE holds ids [R, L], length [R]
// and the JSON text `case`: the options by name; OUT holds, per
// precision, ids [R, N] and length [R].
#include "models/generation/generation.h"
#include "models/pretrained.h"
#include "tests/golden/program.h"

namespace metaloom {
namespace {

std::optional<std::int64_t> piece_of(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

GenerationOptions::Stop stop_of(const Json& value) {
  using Stop = GenerationOptions::Stop;
  return value == "first" ? Stop::first : value == "never" ? Stop::never : Stop::likely;
}

void run(const char* model_file, const char* case_file, const char* out_file) {
  Pretrained model = Pretrained::from_archive(Archive::load(model_file), model_file);
  const Archive given = Archive::load(case_file);
  const Json json = parse_json(given.text("case"), case_file);
  Batch batch;
  batch.ids_RL = given.get("ids");
  batch.length_R = given.get("length");
  batch.tokens = batch.length_R.sum().item<std::int64_t>();
  const GenerationOptions options{.most = json["most"].get<std::int64_t>(),
                                  .least = json["least"].get<std::int64_t>(),
                                  .ends = json["ends"].get<std::vector<std::int64_t>>(),
                                  .padding = json["padding"].get<std::int64_t>(),
                                  .forced_first = piece_of(json["forced_first"]),
                                  .forced_last = piece_of(json["forced_last"]),
                                  .no_repeat = json["no_repeat"].get<std::int64_t>(),
                                  .beams = json["beams"].get<std::int64_t>(),
                                  .length_penalty = json["length_penalty"].get<double>(),
                                  .stop = stop_of(json["stop"])};
  Archive out;
  for (const auto& [precision, dtype] :
       {std::pair("float", at::kFloat), std::pair("double", at::kDouble)}) {
    model.place(at::kCPU, dtype);
    const Tokens written = generate(*model.backbone, SharedWeights(model.weights), batch, options);
    out.put(std::string(precision) + "/ids", written.ids_RL);
    out.put(std::string(precision) + "/length", written.length_R);
  }
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  return metaloom::golden::main_of(count, words, metaloom::run);
}
