#include "methods/metaprompting/options.h"

#include "core/error.h"
#include "core/registry.h"
#include "methods/meta/inner/inner_optimizer.h"
#include "methods/meta/meta_rule.h"
#include "methods/meta/scopes/scope.h"

namespace metaloom {

void MetaPromptingOptions::fields(Fields& f) {
  f.text("template", words,
         "what the model reads: {text}, one [MASK] (none where a model answers with the next "
         "word), {pair} if rows are pairs, <soft:n>");
  f.choice("label_pieces", label_pieces,
           "which pieces stand for a label word: its first, or the mean over all of them");
  f.choice("rule", rule, "how the outer gradient is taken", Registry<MetaRule>::names());
  f.choice("inner_optimizer", inner_optimizer, "what makes the inner steps",
           Registry<InnerOptimizer>::names());
  f.choice("scope", scope, "what is adapted and meta-learned: the soft prompt, or the model too",
           Registry<Scope>::names());
  f.choice("soft_init", soft_init, "start of the soft tokens: embeddings of words, or noise");
  f.text("soft_words", soft_words, "words that soft_init = \"words\" takes, over and over");
  f.integer("inner_steps", inner_steps, "inner steps on the support set", {1, 1000});
  f.real("inner_rate", inner_rate, "learning rate of these steps", {0, 1e6});
  f.choice("learned_rates", learned_rates,
           "whether inner rates are meta-learned, too, from these on: one per tensor, per tensor "
           "and inner step, or per element");
  f.integer("eval_steps", eval_steps, "steps when adapting for use; -1: inner_steps", {-1, 1e5});
  f.real("eval_rate", eval_rate, "their learning rate; -1: inner_rate", {-1, 1e6});
  f.real("model_inner_rate", model_inner_rate, "scope full: inner rate of the model's weights",
         {0, 1e6});
  f.real("model_rate_scale", model_rate_scale,
         "scope full: outer rate of the model's weights, in units of the prompt's", {0, 1e6});
  f.real(
      "graph_memory", graph_memory,
      "GiB for inner steps' graphs kept for the way back; what exceeds it is computed twice, and "
      "adapting to many texts takes them in passes of that size (0: in one)",
      {0, 1e4});
}

Table MetaPromptingOptions::all_keys() {
  MetaPromptingOptions options;
  Table keys = write_fields(options);
  const auto add = [&keys](const Table& more) { keys = keys.overlaid_with(more); };
  for (const std::string& name : Registry<MetaRule>::names())
    add(write_fields(*Registry<MetaRule>::make(name, Table())));
  for (const std::string& name : Registry<InnerOptimizer>::names())
    add(write_fields(*Registry<InnerOptimizer>::make(name, Table())));
  for (const std::string& name : Registry<Scope>::names()) add(keys_of_scope(name));
  return keys;
}

void MetaPromptingOptions::check() const {
  if (eval_rate < 0 && eval_rate != -1) {
    throw Error(Fault::usage, "a learning rate below 0", "method.eval_rate",
                "Give one from 0 on, or -1 for inner_rate.");
  }
  if (eval_rate >= 0 && learned_rates != LearnedRates::constant) {
    throw Error(Fault::usage, "a rate for use where inner rates are learned", "method.eval_rate",
                "Leave it out: learned rates are used. Or set learned_rates = \"constant\".");
  }
}

}  // namespace metaloom
