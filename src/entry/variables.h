// Variables that begin with HAKMEM_ and are none of ours (config/variables.h): a misspelt setting
// would otherwise be missed without a word.
#pragma once

namespace hakmem::heap {

// One line each, by the first process of a tree. Runs by itself when the library is loaded. Silent
// in a set-user-id program.
void name_unknown_variables() noexcept;

}  // namespace hakmem::heap
