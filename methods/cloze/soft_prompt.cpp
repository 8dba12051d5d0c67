#include "methods/cloze/soft_prompt.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace metaloom {

at::Tensor initial_soft_PD(const SoftPrompt& prompt, const Pretrained& pretrained, const Rng& rng) {
  const at::Tensor& table_VD = pretrained.words_VD();
  if (prompt.start == SoftStart::random) {  // as large as words are
    return rng.at("soft")
        .normal_tensor({prompt.tokens, table_VD.size(1)}, table_VD.std().item<double>(),
                       pretrained.dtype)
        .to(pretrained.device);
  }
  const auto pieces = pretrained.tokenizer->pieces_of(prompt.words);
  const bool unknown = std::find(pieces.begin(), pieces.end(),
                                 pretrained.tokenizer->special(Special::unknown)) != pieces.end();
  if (pieces.empty() || unknown) {
    throw Error(Fault::usage, "soft_words must be words that the model's vocabulary knows",
                fmt::format("method.soft_words = \"{}\"", prompt.words),
                "Choose others, or set method.soft_init = \"random\".");
  }
  std::vector<std::int64_t> ids;
  for (std::int64_t p = 0; p < prompt.tokens; ++p) ids.push_back(pieces[p % pieces.size()]);
  return table_VD.index_select(0, at::tensor(ids, at::kLong).to(pretrained.device));
}

}  // namespace metaloom
