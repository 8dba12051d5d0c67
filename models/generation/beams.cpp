#include "models/generation/beams.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace metaloom {
namespace {

using Stop = GenerationOptions::Stop;

// A text that has ended is written on only where nothing else is left. (fp32, as all scores here:
// where they are equal, it decides.)
constexpr float kLast = -1e9F;

float penalised(float score, std::int64_t length, double penalty) {
  return score / static_cast<float>(std::pow(static_cast<double>(length), penalty));
}

}  // namespace

Beams::Beams(const GenerationOptions& options) : options_(options) {
  running_.resize(static_cast<std::size_t>(options.beams), {.score = kLast});
  running_.front().score = 0;  // all beams of a row begin alike: one is enough
}

std::int64_t Beams::candidates(const GenerationOptions& options) {
  const auto ends = static_cast<std::int64_t>(options.ends.size());
  return std::max<std::int64_t>(2, 1 + ends) * options.beams;
}

bool Beams::ends(const Candidate& candidate, std::int64_t length) const {
  return length == options_.most || std::ranges::count(options_.ends, candidate.id) > 0;
}

void Beams::take(std::span<const Candidate> best, std::int64_t written,
                 const std::function<std::vector<std::int64_t>(std::int64_t)>& text_of) {
  const std::int64_t length = written + 1;
  const bool closed = done_ || (options_.stop == Stop::first && full());
  const auto with = [&](const Candidate& candidate) {
    Text out{text_of(candidate.beam), candidate.score};
    out.ids.push_back(candidate.id);
    return out;
  };
  std::vector<Candidate> next(best.begin(), best.end());
  bool all_end = true;
  for (std::size_t n = 0; n < best.size(); ++n) {
    const bool end = ends(best[n], length);
    all_end = all_end && end;
    if (!end) continue;
    next[n].score += kLast;
    // The others are there so that enough beams go on.
    if (!closed && n < static_cast<std::size_t>(options_.beams)) finish(with(best[n]), length);
  }
  std::ranges::stable_sort(next, std::greater(), &Candidate::score);
  next.resize(static_cast<std::size_t>(options_.beams));
  running_ = std::move(next);
  if (ended_.empty() && !done_) longest_ = with(running_.front());
  done_ = done_ || all_end || !may_improve(length) || (options_.stop == Stop::first && full());
}

void Beams::finish(Text text, std::int64_t length) {
  text.score = penalised(text.score, length, options_.length_penalty);
  const auto place = std::ranges::upper_bound(ended_, text.score, std::greater(), &Text::score);
  ended_.insert(place, std::move(text));
  if (ended_.size() > static_cast<std::size_t>(options_.beams)) ended_.pop_back();
}

bool Beams::may_improve(std::int64_t length) const {
  if (!full()) return true;
  const bool longest = options_.stop == Stop::never && options_.length_penalty > 0;
  const float possible =
      penalised(running_.front().score, longest ? options_.most : length, options_.length_penalty);
  return possible > ended_.back().score;
}

Beams::Text Beams::best() const {
  return ended_.empty() ? longest_ : ended_.front();
}

}  // namespace metaloom
