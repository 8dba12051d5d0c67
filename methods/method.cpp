#include "methods/method.h"

#include "core/error.h"
#include "methods/labels.h"

namespace metaloom {

Rng StepContext::of(const TaskId& task) const {
  return rng.at({task.dataset, static_cast<int>(task.split), static_cast<int>(task.half), task.pass,
                 task.index});
}

void GradientSink::deliver(const Params& sums) {
  for (const auto& [name, sum] : sums) {
    add(name, sum);
    complete(name);
  }
}

Params Method::adapt(const Params& theta, const Task&, const StepContext&) const {
  return theta;
}

std::vector<Measure> Method::evaluate(const Params& theta, const Task& task,
                                      const StepContext& context) const {
  const Classifier* classifier = this->classifier(*task.dataset);
  if (classifier == nullptr) {
    throw Error(Fault::internal, "a method that tells no classes apart must say what it measures",
                task.dataset->name);
  }
  const Params adapted = adapts() ? adapt(theta, task, context) : theta;
  return label_measures(classifier->scores(adapted, task, context), task.query);
}

std::map<std::string, std::vector<double>> Method::watch(const Params&) const {
  return {};
}

}  // namespace metaloom
