// `[method]` of metaprompting.
#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"
#include "methods/cloze/class_pieces.h"
#include "methods/cloze/soft_prompt.h"
#include "methods/meta/inner_rates.h"

namespace metaloom {

struct MetaPromptingOptions {
  std::string words = "<soft:8> {text} , the topic is [MASK] .";
  LabelPieces label_pieces = LabelPieces::first;
  std::string rule = "maml", inner_optimizer = "sgd", scope = "prompt";
  SoftStart soft_init = SoftStart::words;
  std::string soft_words = "the topic of this text is about";
  std::int64_t inner_steps = 5, eval_steps = -1;
  double inner_rate = 0.3, eval_rate = -1;
  LearnedRates learned_rates = LearnedRates::constant;
  double model_inner_rate = 1e-3, model_rate_scale = 2e-3;
  double graph_memory = 2;

  void fields(Fields& f);
  /// Every key that a section may hold, with its default: those of all rules, inner optimizers and
  /// scopes, too.
  static Table all_keys();
  /// Throws Error{usage} for values that no range can refuse.
  void check() const;
};

}  // namespace metaloom
