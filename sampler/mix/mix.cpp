#include "sampler/mix/mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/files/files.h"
#include "core/json.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "sampler/pass_order.h"
#include "sampler/store/token_store.h"

namespace metaloom {

namespace {

constexpr const char* kMake = "Make the token stores: metaloom data DESCRIPTION.toml out=";

/// Whether a token store's rows lie there: in a file, or in a folder of shards. A link to nothing
/// stands for a store, too: opening it says what is not there.
bool is_store(const std::filesystem::path& path) {
  const auto kind = path.extension();
  std::error_code none;
  return (kind == ".h5" || kind == ".shards") &&
         std::filesystem::exists(std::filesystem::symlink_status(path, none));
}

/// The names that `options.datasets` stands for, in its order; "*" is all of them.
std::vector<std::string> chosen(const MixOptions& options) {
  if (options.root.empty())
    throw Error(Fault::usage, "no folder of token stores", "data.root",
                "Give data.root, the folder that `metaloom data` wrote to.");
  const std::filesystem::path root = options.root;
  const std::vector<std::string> known = datasets_in(root);
  if (options.datasets.empty())
    throw Error(Fault::usage, "no dataset chosen", "data.datasets",
                fmt::format("Name some, or give [\"*\"] for all of: {}", fmt::join(known, ", ")));
  std::vector<std::string> names;
  for (const std::string& name : options.datasets) {
    if (name == "*") {
      names.insert(names.end(), known.begin(), known.end());
      continue;
    }
    const bool there = std::binary_search(known.begin(), known.end(), name) ||
                       (name.find('/') == name.npos &&
                        (is_store(root / (name + ".h5")) || is_store(root / (name + ".shards"))));
    if (!there)
      throw Error(Fault::usage, fmt::format("there is no dataset \"{}\" in {}", name, options.root),
                  "data.datasets", did_you_mean(name, known));
    names.push_back(name);
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    throw Error(Fault::usage, fmt::format("dataset \"{}\" is chosen twice", *twice),
                "data.datasets", "Name each dataset once.");
  return names;
}

std::unique_ptr<TaskFamily> family_of(const TokenStore& store, const TaskOptions& options,
                                      const Rng& rng) {
  const auto known = Registry<TaskFamily>::names();
  const std::string& family = store.info().family;
  if (std::find(known.begin(), known.end(), family) == known.end())
    throw Error(Fault::data, fmt::format("unknown task family \"{}\"", family),
                store.file().string(), did_you_mean(family, known));
  // Keyed by name: what is drawn from a dataset does not hang on what else is in the mix.
  return Registry<TaskFamily>::make(family, store, options,
                                    rng.at("dataset").at(store.info().name));
}

}  // namespace

void MixOptions::fields(Fields& f) {
  f.text("root", root, "folder of the token stores, as written by `metaloom data`");
  f.texts("datasets", datasets, "names of token stores in root; \"*\" for all of them");
  f.choice("overlap", overlap,
           "evaluation texts that were trained on (allow_overlap=true: allow all of them)");
  f.texts("overlap_left_out", overlap_left_out, "the sets of which such texts are left out");
  f.texts("overlap_allowed", overlap_allowed, "the sets of which such texts are allowed");
  f.flag("allow_changed", allow_changed, "go on, this time, with stores that hold other rows now");
  f.integer("slots", slots, "tasks of one update, over all ranks", {1, 1e6});
  f.integer("pack", pack, "tasks that are computed in one pass", {1, 65536});
  task.fields(f);
}

OverlapRule MixOptions::overlap_of(const std::string& dataset) const {
  const auto names = [&](const std::vector<std::string>& sets) {
    return std::find(sets.begin(), sets.end(), dataset) != sets.end();
  };
  if (names(overlap_left_out)) return OverlapRule::leave_out;
  return names(overlap_allowed) ? OverlapRule::allow : overlap;
}

std::vector<std::string> datasets_in(const std::filesystem::path& root) {
  if (!std::filesystem::is_directory(root))
    throw Error(Fault::data, "no such folder of token stores", root.string(),
                kMake + root.string());
  std::vector<std::string> names;
  if (const auto index = root / "index.json"; std::filesystem::exists(index)) {
    const Json content = parse_json(read_text(index), index.string());
    const auto datasets = content.is_object() ? content.find("datasets") : content.end();
    if (datasets == content.end() || !datasets->is_object())
      throw Error(Fault::data, "not an index of token stores", index.string(),
                  kMake + root.string());
    for (const auto& [name, entry] : datasets->items()) names.push_back(name);
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(root))
      if (is_store(entry.path())) names.push_back(entry.path().stem().string());
  }
  if (names.empty())
    throw Error(Fault::data, "a folder without token stores", root.string(), kMake + root.string());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// The order of a pass over the tasks of all datasets, which stand one after the other.
struct Mix::Shuffled {
  std::mutex lock;
  std::int64_t pass = -1;
  std::vector<std::int64_t> ends;  // of each dataset, the tasks of it and of those before it
  std::optional<PassOrder> order;
};

Mix::Mix(const MixOptions& options, const Rng& rng) : options_(options), rng_(rng) {
  if (options.slots < 1 || options.pack < 1)
    throw Error(Fault::usage, fmt::format("{} slots in packs of {}", options.slots, options.pack),
                "data", "Give at least 1 of each.");
  for (auto& order : order_) order = std::make_unique<Shuffled>();
  for (const std::string& name : chosen(options)) {
    stores_.push_back(
        std::make_unique<TokenStore>(std::filesystem::path(options.root) / (name + ".h5")));
    TokenStore& store = *stores_.back();
    if (store.info().name != name)
      throw Error(Fault::data, fmt::format("the store of dataset \"{}\"", store.info().name),
                  store.file().string(), "Give the file its own name back.");
    if (store.info().tokenizer_digest != info(0).tokenizer_digest)
      throw Error(Fault::data,
                  fmt::format("made with another tokenizer than {}", stores_[0]->file().string()),
                  store.file().string(), "Run `metaloom data` again with one tokenizer for both.");
    if (const auto found = options.left_out.find(name); found != options.left_out.end())
      for (const auto& [split, rows] : found->second) store.leave_out(split, rows);
    families_.push_back(family_of(store, options.task, rng_));
  }
}

Mix::~Mix() = default;

const DatasetInfo& Mix::info(int dataset) const {
  return stores_[static_cast<std::size_t>(dataset)]->info();
}

int Mix::index_of(const std::string& dataset) const {
  std::vector<std::string> names;
  for (const auto& store : stores_) names.push_back(store->info().name);
  const auto found = std::find(names.begin(), names.end(), dataset);
  if (found == names.end())
    throw Error(Fault::usage, fmt::format("dataset \"{}\" is not in the mix", dataset),
                "data.datasets", did_you_mean(dataset, names));
  return static_cast<int>(found - names.begin());
}

std::int64_t Mix::tasks_of(int dataset, Half half) const {
  const std::int64_t tasks = families_[dataset]->tasks_per_pass(Split::train, half);
  if (tasks == 0) {
    const std::int64_t rows = stores_[dataset]->rows(Split::train);
    throw Error(Fault::data,
                fmt::format("{} training row{}, which is too little{}", rows, rows == 1 ? "" : "s",
                            half == Half::all ? "" : " to halve"),
                stores_[dataset]->file().string(),
                "Leave the dataset out of data.datasets, or give it rows.");
  }
  return tasks;
}

std::int64_t Mix::tasks_per_pass(Half half) const {
  std::int64_t total = 0;
  if (half != Half::all) {
    std::int64_t first = 0, second = 0;
    for (int d = 0; d < datasets(); ++d) {
      first += tasks_of(d, Half::first);
      second += tasks_of(d, Half::second);
    }
    return std::max(first, second);
  }
  for (int d = 0; d < datasets(); ++d) total += tasks_of(d, half);
  return total;
}

TaskId Mix::task_at(Half half, std::int64_t pass, std::int64_t place) const {
  Shuffled& shuffled = *order_[static_cast<std::size_t>(half)];
  const std::lock_guard guard(shuffled.lock);
  if (shuffled.pass != pass) {
    shuffled.ends.clear();
    std::int64_t total = 0;
    for (int d = 0; d < datasets(); ++d) shuffled.ends.push_back(total += tasks_of(d, half));
    shuffled.order.emplace(rng_.at("mix").at({static_cast<std::int64_t>(half), pass}), total);
    shuffled.pass = pass;
  }
  const std::int64_t task = (*shuffled.order)[place % shuffled.order->size()];
  const auto& ends = shuffled.ends;
  const auto dataset = std::upper_bound(ends.begin(), ends.end(), task) - ends.begin();
  const std::int64_t before = dataset == 0 ? 0 : ends[static_cast<std::size_t>(dataset) - 1];
  return {static_cast<int>(dataset), Split::train, half, pass, task - before};
}

std::vector<Pack> Mix::plan(std::int64_t step, Half half) const {
  if (step < 0) throw Error(Fault::internal, fmt::format("a plan for step {}", step), "Mix::plan");
  const std::int64_t total = tasks_per_pass(half);
  std::vector<Pack> packs;
  std::string key;  // of the pack that is being filled
  for (std::int64_t s = 0; s < options_.slots; ++s) {
    const std::int64_t slot = step * options_.slots + s;
    const TaskId id = task_at(half, slot / total, slot % total);
    std::string own = families_[id.dataset]->pack_key(id);
    const bool joins = !packs.empty() && !own.empty() && own == key &&
                       static_cast<std::int64_t>(packs.back().tasks.size()) < options_.pack;
    if (!joins) packs.push_back({static_cast<std::int64_t>(packs.size()), {}});
    packs.back().tasks.push_back(id);
    key = std::move(own);
  }
  return packs;
}

Task Mix::draw(const TaskId& id) const {
  return families_.at(id.dataset)->draw(id);
}

std::vector<Task> Mix::draw(const Pack& pack) const {
  std::vector<Task> tasks;
  for (const TaskId& id : pack.tasks) tasks.push_back(draw(id));
  return tasks;
}

TaskShape Mix::shape(const TaskId& id) const {
  return families_.at(id.dataset)->shape(id);
}

std::vector<TaskId> Mix::evaluation(int dataset, Split split, std::int64_t count) const {
  if (count < 0)
    throw Error(Fault::usage, fmt::format("{} evaluation tasks", count), "evaluation",
                "Give 0 for all of them, or a number.");
  std::vector<TaskId> ids;
  for (const std::int64_t index : families_.at(dataset)->evaluation(split, count))
    ids.push_back({dataset, split, Half::all, 0, index});
  return ids;
}

}  // namespace metaloom
