// A user's few labelled texts as a task, and what an adapted checkpoint remembers of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "launcher/stage/assembly.h"
#include "launcher/texts/row_stream.h"

namespace metaloom {

/// Rows of one data set of the user's own, all held in memory.
class UserTexts {
 public:
  /// Throws what the tool says of a bad file.
  UserTexts(const UserRows& rows, const std::string& tokenizer);
  UserTexts(const UserTexts&) = delete;
  const DatasetInfo& info() const { return info_; }
  std::vector<std::int64_t> text_digests() const;
  /// All rows as the support of a task over all classes; views.
  Task support() const;

 private:
  DatasetInfo info_;
  std::vector<UserRow> rows_;
  std::vector<std::int64_t> labels_;  // by row
};

/// What is in the section `task` of an adapted checkpoint: classes, their words, and the columns
/// that it was told of.
struct UserTask {
  DatasetInfo info;
  UserColumns columns;
  std::string to_json() const;
  static UserTask parse(const std::string& text, const std::string& where);
};

/// A task over all classes of `info`, without rows.
Task task_over(const DatasetInfo& info);
/// The row as the method sees it, with the label `label`; a view.
Example example_of(const UserRow& row, std::int64_t label);

/// Log-probabilities [n, N] of rows, some at a time: memory does not grow with their number. Throws
/// Error{usage} where the stage's method is no classifier.
at::Tensor scores_of(const Assembly& stage, const Params& theta, const DatasetInfo& info,
                     const std::vector<Example>& rows, std::int64_t step);

}  // namespace metaloom
