// What the programs that golden tests drive share: NAME MODEL.h5 CASE.h5 OUT.h5.
#pragma once

#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "core/archive/archive.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/registry.h"
#include "methods/method.h"

namespace metaloom::golden {

/// What a method delivered, by name.
struct Gradients final : GradientSink {
  void add(const std::string& name, const at::Tensor& gradient) override {
    sums.set(name, sums.contains(name) ? sums.at(name) + gradient : gradient);
  }
  Params sums;
};

/// A model and the JSON text `case`, which says the precision, the method's options and its tasks.
struct Case {
  Case(const char* model_file, const char* case_file)
      : model(Pretrained::from_archive(Archive::load(model_file), model_file)),
        given(Archive::load(case_file)),
        json(parse_json(given.text("case"), case_file)) {
    model.place(at::kCPU, json["double"].get<bool>() ? at::kDouble : at::kFloat);
  }

  /// To the precision of the case.
  std::function<at::Tensor(const at::Tensor&)> rounded() const {
    const at::ScalarType dtype = json["double"].get<bool>() ? at::kDouble : at::kFloat;
    return [dtype](const at::Tensor& value) { return value.to(dtype); };
  }
  std::unique_ptr<Method> method(const std::string& name, const DatasetInfo& dataset,
                                 std::int64_t steps) const {
    TaskOptions options;
    options.max_length = json["max_length"].get<std::int64_t>();
    Table section;
    for (const auto& [key, value] : json["method"].items())
      section.assign(key + "=" + value.dump());
    return Registry<Method>::make(name, section,
                                  Ingredients{model, {&dataset}, options, steps, Rng(0)});
  }

  Pretrained model;
  Archive given;
  Json json;
};

/// A data set whose labels have only words.
inline DatasetInfo dataset_of(const Json& given, const std::string& family) {
  DatasetInfo dataset;
  dataset.name = "golden";
  dataset.family = family;
  dataset.label_words = given["label_words"];
  for (std::size_t n = 0; n < dataset.label_words.size(); ++n)
    dataset.labels.push_back("label " + std::to_string(n));
  return dataset;
}

/// main: calls run(MODEL, CASE, OUT).
inline int main_of(int count, char** words, void (*run)(const char*, const char*, const char*)) {
  if (count != 4) {
    std::fprintf(stderr, "usage: %s MODEL.h5 CASE.h5 OUT.h5\n", words[0]);
    return 2;
  }
  try {
    run(words[1], words[2], words[3]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace metaloom::golden
