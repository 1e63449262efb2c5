// parent_was_started_with: programs of known environments, each of which asks in a child. The
// program is this one, started again for the test that is disabled otherwise.
#include "pal/parent.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace hakmem {
namespace {

constexpr const char* kPreload = "libc.so.6";  // loaded anyway

int ended(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

// The answer to a child in whose environment `name` is `value` (nullptr: not set).
bool says(const char* name, const char* value, const char* preload) {
  const pid_t child = fork();
  if (child == 0) {
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
    preload == nullptr ? unsetenv("LD_PRELOAD") : setenv("LD_PRELOAD", preload, 1);
    errno = 4711;
    const bool answer = parent_was_started_with(name);
    _exit(errno == 4711 ? answer : 2);
  }
  const int answer = ended(child);
  EXPECT_LE(answer, 1);
  return answer == 1;
}

// Starts `program`, or this one, with these variables after its own. 0: all went well there.
int run(std::vector<std::string> variables, std::vector<std::string> arguments,
        const char* program = "/proc/self/exe") {
  std::vector<char*> environment, words;
  for (char** own = environ; *own != nullptr; ++own) {
    if (std::strncmp(*own, "LD_PRELOAD=", 11) != 0) environment.push_back(*own);
  }
  for (std::string& variable : variables) environment.push_back(variable.data());
  for (std::string& argument : arguments) words.push_back(argument.data());
  environment.push_back(nullptr);
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execve(program, words.data(), environment.data());
    _exit(98);
  }
  return ended(child);
}

std::vector<std::string> only(const std::string& test) {
  return {"parent_test", "--gtest_filter=Parent.DISABLED_" + test,
          "--gtest_also_run_disabled_tests", "--gtest_brief=1"};
}

const std::vector<std::string> kVariables = {"XTESTED=two", "FILLER=" + std::string(3000, 'f'),
                                             "TESTED=one",  "TESTED_AS=three",
                                             "EMPTY=",      "LAST=z"};

std::vector<std::string> with(std::vector<std::string> variables, const std::string& more) {
  variables.push_back(more);
  return variables;
}

TEST(Parent, DISABLED_Asks) {
  const char* const own = std::getenv("LD_PRELOAD");
  for (const char* preload : {own, static_cast<const char*>(nullptr)}) {
    EXPECT_TRUE(says("TESTED", "one", preload));
    EXPECT_TRUE(says("XTESTED", "two", preload));
    EXPECT_TRUE(says("TESTED_AS", "three", preload));
    EXPECT_TRUE(says("EMPTY", "", preload));
    EXPECT_TRUE(says("LAST", "z", preload));
    EXPECT_TRUE(says("FILLER", std::string(3000, 'f').c_str(), preload));
    for (const char* value : {"two", "on", "onex", "one ", "", "=one"}) {
      EXPECT_FALSE(says("TESTED", value, preload)) << value;
    }
    EXPECT_FALSE(says("TESTED", nullptr, preload));
    EXPECT_FALSE(says("TESTE", "D=one", preload));
    EXPECT_FALSE(says("ESTED", "one", preload));
    EXPECT_FALSE(says("NOWHERE", "one", preload));
    EXPECT_FALSE(says("LAST", "z", "libc.so"));  // another library than the parent's
    EXPECT_FALSE(says("LAST", "z", "libc.so.60"));
  }
}

TEST(Parent, KnowsWhatItWasStartedWith) {
  EXPECT_EQ(run(kVariables, only("Asks")), 0);
  EXPECT_EQ(run(with(kVariables, std::string("LD_PRELOAD=") + kPreload), only("Asks")), 0);
}

TEST(Parent, DISABLED_OfAnotherProgram) {
  const bool preloaded = std::getenv("LD_PRELOAD") != nullptr;
  EXPECT_EQ(parent_was_started_with("TESTED"), preloaded);
  EXPECT_FALSE(parent_was_started_with("NOWHERE"));
}

// The same variable there says nothing, unless the library is in that program, too.
TEST(Parent, IsOneOfUsOnlyWithTheLibrary) {
  char own[4096];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
  ASSERT_GT(length, 0);
  own[length] = '\0';
  std::vector<std::string> words = {"sh", "-c", "\"$@\"; exit $?", "sh", own};
  for (const std::string& word : only("OfAnotherProgram")) {
    if (word != "parent_test") words.push_back(word);
  }
  EXPECT_EQ(run(kVariables, words, "/bin/sh"), 0);
  EXPECT_EQ(run(with(kVariables, std::string("LD_PRELOAD=") + kPreload), words, "/bin/sh"), 0);
}

}  // namespace
}  // namespace hakmem
