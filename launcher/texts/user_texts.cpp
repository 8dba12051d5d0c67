#include "launcher/texts/user_texts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/json.h"

namespace metaloom {

namespace {

constexpr std::int64_t kRowsAtOnce = 64;

/// A set of few-shot classes, as the tools and a checkpoint's task tell of it.
DatasetInfo classes_in(const Json& json) {
  DatasetInfo out;
  out.name = json.at("name");
  out.family = "episodes";
  out.labels = json.at("labels").get<std::vector<std::string>>();
  out.label_words =
      json.at("label_words").get<std::vector<std::vector<std::vector<std::int32_t>>>>();
  return out;
}

}  // namespace

UserTexts::UserTexts(const UserRows& rows, const std::string& tokenizer) {
  RowStream stream(rows, tokenizer);
  for (auto batch = stream.next(); !batch.empty(); batch = stream.next()) {
    std::move(batch.begin(), batch.end(), std::back_inserter(rows_));
  }
  info_ = classes_in(parse_json(stream.finish(), "tools.data stream"));
  for (const UserRow& row : rows_) {
    const auto found = std::find(info_.labels.begin(), info_.labels.end(), row.label);
    labels_.push_back(found - info_.labels.begin());
  }
}

std::vector<std::int64_t> UserTexts::text_digests() const {
  std::vector<std::int64_t> out;
  out.reserve(rows_.size());
  for (const UserRow& row : rows_) out.push_back(row.digest);
  return out;
}

Task UserTexts::support() const {
  Task task = task_over(info_);
  if (task.classes.size() < 2) {
    throw Error(Fault::data, std::to_string(task.classes.size()) + " class: nothing to tell apart",
                info_.name, "Label the texts with two classes or more.");
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    task.support.push_back(example_of(rows_[i], labels_[i]));
  }
  return task;
}

std::string UserTask::to_json() const {
  return Json{
      {"name", info.name},
      {"family", info.family},
      {"labels", info.labels},
      {"label_words", info.label_words},
      {"columns",
       {{"text", columns.text}, {"label", columns.label}, {"text_pair", columns.text_pair}}}}
      .dump();
}

UserTask UserTask::parse(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  UserTask out;
  out.info = classes_in(json);
  out.info.family = json.at("family");
  if (json.contains("columns")) {  // what wrote none knew one name for each
    const Json& columns = json.at("columns");
    out.columns = {columns.at("text"), columns.at("label"), columns.at("text_pair")};
  }
  return out;
}

Task task_over(const DatasetInfo& info) {
  Task task;
  task.dataset = &info;
  task.classes.resize(info.labels.size());
  std::iota(task.classes.begin(), task.classes.end(), 0);
  return task;
}

Example example_of(const UserRow& row, std::int64_t label) {
  Example out;
  out.segments.assign(row.segments.begin(), row.segments.end());
  out.target.label = label;
  out.row = row.number;
  return out;
}

at::Tensor scores_of(const Assembly& stage, const Params& theta, const DatasetInfo& info,
                     const std::vector<Example>& rows, std::int64_t step) {
  const Classifier* classifier = stage.method->classifier(info);
  if (classifier == nullptr) {
    throw Error(Fault::usage, stage.config.method_name + " tells no classes apart",
                "method " + stage.config.method_name,
                "Train a classifier from its checkpoint: method = \"muppet\" or \"spt\".");
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  std::vector<at::Tensor> scores;
  for (std::int64_t first = 0; first < count; first += kRowsAtOnce) {
    Task task = task_over(info);
    task.query.assign(rows.begin() + first, rows.begin() + std::min(count, first + kRowsAtOnce));
    scores.push_back(classifier->scores(theta, task, stage.context(step)));
  }
  return at::cat(scores).to(at::kCPU, at::kDouble);
}

}  // namespace metaloom
