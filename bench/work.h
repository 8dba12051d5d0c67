// The work of a bench case, as bench/work.py writes it (JSON): token ids, labels and options, the
// same for us and for the peer. A Work owns the ids that its tasks point into.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "core/config/table.h"
#include "core/files/files.h"
#include "core/json.h"
#include "sampler/families/family_traits.h"
#include "sampler/families/task_family.h"
#include "sampler/task.h"

namespace metaloom::bench {

struct Work {
  Json json;
  std::deque<DatasetInfo> datasets;
  std::deque<std::vector<std::int32_t>> tokens;
  std::vector<Task> tasks;

  explicit Work(const std::filesystem::path& file)
      : json(parse_json(read_text(file), file.string())) {
    for (const Json& one : json.at("datasets")) {
      DatasetInfo& info = datasets.emplace_back();
      info.name = one.at("name");
      info.family = one.at("family");
      info.labels = one.at("labels").get<std::vector<std::string>>();
      info.label_words =
          one.at("label_words").get<std::vector<std::vector<std::vector<std::int32_t>>>>();
    }
    for (const Json& one : json.at("tasks")) {
      Task& task = tasks.emplace_back();
      task.id.dataset = one.at("dataset");
      task.id.index = static_cast<std::int64_t>(tasks.size()) - 1;
      task.dataset = &datasets.at(static_cast<std::size_t>(task.id.dataset));
      task.classes = one.at("classes").get<std::vector<std::int64_t>>();
      task.support = examples(one.at("support"));
      task.query = examples(one.at("query"));
    }
  }
  Work(const Work&) = delete;

  Table method() const { return Table::parse(json.at("method").get<std::string>(), "method"); }
  Table optimizer() const {
    return Table::parse(json.at("optimizer").get<std::string>(), "optimizer");
  }
  /// The tasks cut into packs of `pack` each, in order.
  std::vector<std::vector<Task>> packs() const {
    std::vector<std::vector<Task>> out;
    const std::size_t each = json.at("pack").get<std::size_t>();
    for (std::size_t first = 0; first < tasks.size(); first += each) {
      const auto begin = tasks.begin() + static_cast<std::ptrdiff_t>(first);
      out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(each));
    }
    return out;
  }

 private:
  std::vector<Example> examples(const Json& rows) {
    std::vector<Example> out;
    for (const Json& row : rows) {
      Example& example = out.emplace_back();
      example.target.label = row.at("label");
      example.row = static_cast<std::int64_t>(out.size()) - 1;
      for (const Json& segment : row.at("segments")) {
        example.segments.emplace_back(
            tokens.emplace_back(segment.get<std::vector<std::int32_t>>()));
      }
    }
    return out;
  }
};

/// What the sampler would say of a task, before drawing it.
inline TaskShape shape_of(const Task& task) {
  TaskShape shape;
  const auto count = [&](const std::vector<Example>& side, std::int64_t& rows,
                         std::int64_t& tokens) {
    for (const Example& example : side) {
      const bool choices = traits_of(*task.dataset).target == TargetKind::choice;
      const std::size_t texts = choices ? example.segments.size() - 1 : 1;
      for (std::size_t n = 0; n < texts; ++n) {
        std::size_t length = 0;
        if (choices) {
          length = example.segments[0].size() + example.segments[n + 1].size();
        } else {
          for (const auto& segment : example.segments) length += segment.size();
        }
        rows += 1;
        tokens += static_cast<std::int64_t>(length);
        shape.longest = std::max(shape.longest, static_cast<std::int64_t>(length));
      }
    }
  };
  count(task.support, shape.support_rows, shape.support_tokens);
  count(task.query, shape.query_rows, shape.query_tokens);
  return shape;
}

}  // namespace metaloom::bench
