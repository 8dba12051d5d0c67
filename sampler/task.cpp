#include "sampler/task.h"

namespace metaloom {

const char* name_of(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::validation:
      return "validation";
    case Split::test:
      return "test";
  }
  return "unknown split";
}

}  // namespace metaloom
