// Learned positions (BERT, GPT-2, BART): a row of a table for every place of a text.
// Legend: R rows, L positions, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/past.h"
#include "models/weights/weights.h"

namespace metaloom {

/// x [R, L, D] plus the rows first, first + 1, ... of the table `table`, those of each task's own.
at::Tensor with_positions(const Weights& weights, const std::string& table, const at::Tensor& x_RLD,
                          std::int64_t tasks, std::int64_t first = 0);
/// Where pieces `more` stand that follow those of a past, int64 [R, L], in a model of `positions`.
/// Throws Error{data} where the model has no more.
at::Tensor places_after(const Past& past, const Tokens& more, std::int64_t positions);
/// The rows of the table for pieces `more` that follow those of a past, [R, L, D], of a model of
/// `positions`; `first` is where a text begins. Throws Error{data} where the model has no more.
at::Tensor positions_after(const Weights& weights, const std::string& table, const Past& past,
                           const Tokens& more, std::int64_t positions, std::int64_t first = 0);
/// Throws Error{data} where rows of `length` tokens are longer than a model's positions.
void check_length(std::int64_t length, std::int64_t positions);

}  // namespace metaloom
