#include "tests/sampler/made_stores.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/digest.h"
#include "core/files/files.h"
#include "core/json.h"

namespace metaloom::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "metaloom_sampler_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void SplitArrays::add(const std::vector<int>& lengths, std::int32_t label) {
  for (const int length : lengths) {
    for (int i = 0; i < length; ++i)
      tokens.push_back(static_cast<std::int32_t>(100 + tokens.size() % 29000));
    segment_offsets.push_back(static_cast<std::int64_t>(tokens.size()));
  }
  row_segments.push_back(static_cast<std::int64_t>(segment_offsets.size()) - 1);
  labels.push_back(label);
  text_digests.push_back(
      static_cast<std::int64_t>(digest(fmt::format("{} row {}", salt, labels.size()))));
}

std::string StoreArrays::meta() const {
  Json words = Json::array();
  for (std::size_t i = 0; i < labels.size(); ++i) words.push_back({{static_cast<int>(10 + i)}});
  return Json{{"format", "metaloom-tokens"},
              {"version", 1},
              {"name", name},
              {"family", family},
              {"labels", labels},
              {"label_words", words},
              {"tokenizer_digest", tokenizer},
              {"max_tokens", 128},
              {"source", "made for a test"},
              {"licence", "none"}}
      .dump();
}

Archive StoreArrays::archive() const {
  Archive tree;
  tree.put_text("meta", meta());
  for (const Split which : {Split::train, Split::validation, Split::test}) {
    const SplitArrays& arrays = splits[static_cast<int>(which)];
    const auto put = [&](const char* column, const auto& numbers) {
      tree.put(fmt::format("{}/{}", name_of(which), column), at::tensor(numbers));
    };
    put("tokens", arrays.tokens);
    put("labels", arrays.labels);
    put("segment_offsets", arrays.segment_offsets);
    put("row_segments", arrays.row_segments);
    put("text_digests", arrays.text_digests);
  }
  return tree;
}

StoreArrays sample(const std::string& family, const std::string& name, std::int64_t train_rows) {
  StoreArrays store;
  store.name = name;
  store.family = family;
  for (const Split which : {Split::train, Split::validation, Split::test})
    store.split(which).salt = fmt::format("{} {}", name, name_of(which));
  // Lengths in no order, from 1 to 40: a small congruential walk.
  int state = 7;
  const auto length = [&] { return 1 + (state = (state * 37 + 11) % 997) % 40; };
  const std::int64_t rows[] = {train_rows, 10, 21};
  if (family == "episodes") {
    const int classes[] = {8, 6, 6};
    for (int s = 0; s < 3; ++s)
      for (int c = 0; c < classes[s]; ++c) {
        const auto label = static_cast<std::int32_t>(store.labels.size());
        store.labels.push_back(fmt::format("class {}", label));
        for (int i = 0; i < 12; ++i) store.splits[s].add({length()}, label);
      }
    return store;
  }
  if (family != "multiple_choice") store.labels = {"red", "green", "blue", "grey"};
  for (int s = 0; s < 3; ++s)
    for (std::int64_t row = 0; row < rows[s]; ++row) {
      std::vector<int> lengths{length()};
      if (family == "multiple_choice")
        lengths.resize(3 + row % 4);
      else if (row % 3 == 0)
        lengths.resize(2);
      for (std::size_t i = 1; i < lengths.size(); ++i) lengths[i] = length();
      store.splits[s].add(lengths, static_cast<std::int32_t>(row % (store.labels.empty() ? 2 : 4)));
    }
  return store;
}

fs::path write(const Archive& tree, const fs::path& file, const std::vector<std::int64_t>& rows) {
  const auto image = tree.contiguous_image();
  write_file(file, image);
  auto side = file;
  side.replace_extension(".json");
  const Json manifest{
      {"file", file.filename().string()},
      {"bytes", image.size()},
      {"xxh3_64", hex(digest(image))},
      {"rows", {{"train", rows.at(0)}, {"validation", rows.at(1)}, {"test", rows.at(2)}}}};
  replace_file(side, manifest.dump());
  return file;
}

fs::path write(const StoreArrays& store, const fs::path& folder) {
  std::vector<std::int64_t> rows;
  for (const auto& split : store.splits)
    rows.push_back(static_cast<std::int64_t>(split.labels.size()));
  return write(store.archive(), folder / (store.name + ".h5"), rows);
}

std::string describe(const Task& task) {
  std::string out = fmt::format("dataset {} split {} half {} pass {} index {}; classes",
                                task.id.dataset, name_of(task.id.split),
                                static_cast<int>(task.id.half), task.id.pass, task.id.index);
  for (const auto c : task.classes) out += fmt::format(" {}", c);
  for (const auto* rows : {&task.support, &task.query}) {
    out += rows == &task.support ? "; support" : "; query";
    for (const Example& example : *rows) {
      out += fmt::format(" [row {} label {}:", example.row, example.target.label);
      for (const auto segment : example.segments) {
        for (const auto token : segment) out += fmt::format(" {}", token);
        out += " |";
      }
      out += "]";
    }
  }
  return out;
}

std::string error_of(Fault fault, const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.fault()), static_cast<int>(fault)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

}  // namespace metaloom::testing
