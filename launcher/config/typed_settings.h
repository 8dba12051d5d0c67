// What is typed on the command line, laid over a configuration file: it wins over the file in every
// stage, and is never without effect in silence.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/config/table.h"

namespace metaloom {

class TypedSettings {
 public:
  /// Of two settings of one key the later counts; a note says so.
  explicit TypedSettings(const std::vector<std::string>& assignments);

  /// Lays them over a file of one stage. Throws Error{usage} for stage.NAME.key.
  void lay_over(Table& file) const;
  /// The tables of the stages of `file`, in the order of their names: what the top of the file
  /// says, then the stage itself, then key=value, then stage.NAME.key=value. A method's key goes to
  /// the stages whose method has it. Throws Error{usage} for a stage that is not there, for keys
  /// that cannot be meant for all stages, and for a method's key that no stage's method has.
  std::vector<std::pair<std::string, Table>> stages_of(const Table& file);

  /// What a person should know of how they were understood, a line each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Stage {
    std::string name;
    Table own, typed;  // of the file; as stage.NAME.key on the command line
    std::string method;
    Table result;
  };
  void check_for_all(const std::vector<Stage>& stages) const;
  void give_method_keys(std::vector<Stage>& stages);
  void note_where(const std::string& path, const std::vector<Stage>& stages,
                  const std::set<std::string>& without);

  Table plain_, by_stage_;
  std::vector<std::string> words_;
  std::vector<std::string> notes_;
};

}  // namespace metaloom
