#include "launcher/user_texts.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "launcher/python.h"

namespace metaloom {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "metaloom-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw Error(Fault::temporary, std::string("no temporary folder: ") + std::strerror(errno), name,
                "Point TMPDIR at a folder that can be written.");
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

UserTexts::UserTexts(const fs::path& file, const Pretrained& model, bool labelled) {
  const fs::path tokenizer = folder_.path() / "tokenizer.json";
  const fs::path out = folder_.path() / (file.stem().string() + ".h5");
  replace_file(tokenizer, model.tokenizer);
  std::vector<std::string> words{"encode",     file.string(), "--out",
                                 out.string(), "--tokenizer", tokenizer.string()};
  if (labelled) words.push_back("--require-labels");
  require_python("tools.data", words);
  store_ = std::make_unique<TokenStore>(out);
}

std::string task_json(const DatasetInfo& info) {
  return Json{{"name", info.name},
              {"family", info.family},
              {"labels", info.labels},
              {"label_words", info.label_words}}
      .dump();
}

DatasetInfo parse_task_json(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  DatasetInfo info;
  info.name = json.at("name");
  info.family = json.at("family");
  info.labels = json.at("labels").get<std::vector<std::string>>();
  info.label_words =
      json.at("label_words").get<std::vector<std::vector<std::vector<std::int32_t>>>>();
  return info;
}

Task task_over(const DatasetInfo& info) {
  Task task;
  task.dataset = &info;
  task.classes.resize(info.labels.size());
  std::iota(task.classes.begin(), task.classes.end(), 0);
  return task;
}

}  // namespace metaloom
