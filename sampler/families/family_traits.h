// What the tasks of a family are like, known without a store: what a method asks before it takes a
// data set, and an evaluation before it counts. Registered beside the family, under its name.
#pragma once

#include <functional>

#include "sampler/task.h"

namespace metaloom {

struct FamilyTraits {
  static constexpr const char* kSeam = "task family";
  using Factory = std::function<FamilyTraits()>;

  TargetKind target = TargetKind::label;
  /// Tasks are episodes: each brings a support set. Its rows are judged by what was learned from
  /// that, so that an evaluation counts episodes; else it counts rows.
  bool episodes = false;
};

/// Those of the dataset's family. Throws Error{usage} for a family that there is not.
FamilyTraits traits_of(const DatasetInfo& dataset);

}  // namespace metaloom
