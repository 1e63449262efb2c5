// File names put together in place: what fits to the last byte, and that a longer one is not used
// at all.
#include "entry/path.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace hakmem::heap {
namespace {

TEST(Path, IsWhatWasPutIntoIt) {
  Path path;
  EXPECT_FALSE(path.usable());
  EXPECT_STREQ(path.c_str(), "");
  path.put("/tmp/a");
  path.put("bcd", 2);
  path.number(0);
  path.number(4711);
  EXPECT_STREQ(path.c_str(), "/tmp/abc04711");
  EXPECT_TRUE(path.usable());
  path.clear();
  EXPECT_STREQ(path.c_str(), "");
  EXPECT_FALSE(path.usable());
  path.put("x");
  EXPECT_STREQ(path.c_str(), "x");
}

TEST(Path, TheFirstPercentPBecomesTheProcess) {
  const std::string own = std::to_string(getpid());
  Path path;
  EXPECT_TRUE(path.put_pattern("a.%p.b%p"));
  EXPECT_EQ(path.c_str(), "a." + own + ".b%p");
  path.clear();
  EXPECT_TRUE(path.put_pattern("%p"));
  EXPECT_EQ(path.c_str(), own);
  path.clear();
  EXPECT_FALSE(path.put_pattern("a%%q"));
  EXPECT_STREQ(path.c_str(), "a%%q");
}

TEST(Path, ARelativeNameStartsInTheDirectory) {
  std::string here(4096, '\0');
  ASSERT_NE(getcwd(here.data(), here.size()), nullptr);
  here.resize(here.find('\0'));
  Path path;
  path.put_directory_of("/abs");
  EXPECT_STREQ(path.c_str(), "");
  path.put_directory_of("rel");
  path.put("rel");
  EXPECT_EQ(path.c_str(), here + "/rel");
  EXPECT_TRUE(path.usable());
}

TEST(Path, ATooLongOneIsNotUsedUntilItIsCleared) {
  const std::string all(Path::kBytes, 'x');
  Path path;
  path.put(all.c_str());
  EXPECT_EQ(path.c_str(), all);
  EXPECT_TRUE(path.usable());
  path.put("");
  EXPECT_TRUE(path.usable());
  path.put("y");
  EXPECT_FALSE(path.usable());
  EXPECT_EQ(path.c_str(), all);
  path.clear();
  path.put("z");
  EXPECT_TRUE(path.usable());
  EXPECT_STREQ(path.c_str(), "z");
  path.clear();
  path.put((all + "x").c_str());
  EXPECT_FALSE(path.usable());
  path.put("z");
  EXPECT_FALSE(path.usable()) << "what comes after does not make it whole";
}

}  // namespace
}  // namespace hakmem::heap
